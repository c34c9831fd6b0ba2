//! Durable files on a local disk: temporary file, fsync, rename, fsync of the folder.

use super::Entry;
use freshet_types::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Deepest folder that is looked into: links may lead in a circle.
const DEPTH_MAX: usize = 64;

pub(super) fn error(e: io::Error, path: &Path) -> Error {
    let name = path.display();
    let (kind, code, text, hint) = match e.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "storage.not_found", format!("no file at \"{name}\""), ""),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Denied,
            "storage.denied",
            format!("access to \"{name}\" was refused"),
            "change the rights of the file or its folder",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            ErrorKind::Exhausted,
            "storage.full",
            format!("the disk of \"{name}\" is full"),
            "free some space; what was committed is intact",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => (
            ErrorKind::Invalid,
            "storage.path",
            format!("\"{name}\" mixes up a file and a folder: {e}"),
            "choose another path",
        ),
        _ => (ErrorKind::Unavailable, "storage.unavailable", format!("file \"{name}\": {e}"), ""),
    };
    let error = Error::new(kind, code, text);
    if hint.is_empty() { error } else { error.hint(hint) }
}

fn entry(path: &str, metadata: &fs::Metadata) -> Entry {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    let modified_ms = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    };
    Entry { path: path.to_string(), size: metadata.len(), modified_ms }
}

pub(super) fn stat(file: &Path, path: &str) -> Result<Option<Entry>> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Ok(Some(entry(path, &metadata))),
        Ok(_) => Ok(None),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(error(e, file)),
    }
}

/// Opens a regular file: a pipe or a device would block, or never end.
pub(super) fn open(path: &Path) -> Result<File> {
    let metadata = fs::metadata(path).map_err(|e| error(e, path))?;
    if !metadata.is_file() {
        return Err(Error::invalid("storage.not_a_file", format!("\"{}\" is not a regular file", path.display()))
            .hint("name a file"));
    }
    File::open(path).map_err(|e| error(e, path))
}

pub(super) fn list(folder: &Path, path: &str) -> Result<Vec<Entry>> {
    if let Some(file) = stat(folder, path)? {
        return Ok(vec![file]);
    }
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_path_buf(), path.to_string(), 0)];
    while let Some((folder, path, depth)) = waiting.pop() {
        for child in read_folder(&folder)? {
            let (name, child_path) = child?;
            let relative = if path.is_empty() { name } else { format!("{path}/{name}") };
            // A file may go away between the listing and this look.
            let Ok(metadata) = fs::metadata(&child_path) else { continue };
            if metadata.is_file() {
                found.push(entry(&relative, &metadata));
            } else if metadata.is_dir() && depth < DEPTH_MAX {
                waiting.push((child_path, relative, depth + 1));
            }
        }
    }
    Ok(found)
}

pub(super) fn list_folder(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for child in read_folder(folder)? {
        let (name, path) = child?;
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            names.push(format!("{name}/"));
        } else if metadata.is_file() {
            names.push(name);
        }
    }
    Ok(names)
}

fn read_folder(folder: &Path) -> Result<impl Iterator<Item = Result<(String, PathBuf)>>> {
    let children = match fs::read_dir(folder) {
        Ok(children) => Some(children),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(error(e, folder)),
    };
    let folder = folder.to_path_buf();
    Ok(children.into_iter().flatten().map(move |child| {
        let path = child.map_err(|e| error(e, &folder))?.path();
        match path.file_name().and_then(|n| n.to_str()) {
            Some(name) => Ok((name.to_string(), path)),
            None => Err(Error::invalid("storage.name", format!("the name of \"{}\" is not UTF-8", path.display()))
                .hint("rename the file")),
        }
    }))
}

/// Creates a folder and those above it, so that they outlive a power cut.
pub(super) fn create_folders(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(e) => return Err(error(e, folder)),
    }
    sync_folder(folder.parent())
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: Option<&Path>) -> Result<()> {
    #[cfg(unix)]
    if let Some(folder) = folder {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| error(e, folder))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// A hidden neighbour of `file` that no other writer uses.
fn temporary(file: &Path) -> PathBuf {
    let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    file.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()))
}

fn write_temporary(file: &Path, bytes: &[u8]) -> Result<PathBuf> {
    if let Some(folder) = file.parent() {
        create_folders(folder)?;
    }
    let path = temporary(file);
    let written = File::create_new(&path).and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_all()));
    written.map_err(|e| {
        let _ = fs::remove_file(&path);
        error(e, file)
    })?;
    Ok(path)
}

pub(super) fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = write_temporary(file, bytes)?;
    fs::rename(&temporary, file).map_err(|e| {
        let _ = fs::remove_file(&temporary);
        error(e, file)
    })?;
    sync_folder(file.parent())
}

pub(super) fn put_if_absent(file: &Path, bytes: &[u8]) -> Result<bool> {
    let temporary = write_temporary(file, bytes)?;
    // A link fails where a rename would overwrite.
    let linked = fs::hard_link(&temporary, file);
    fs::remove_file(&temporary).map_err(|e| error(e, &temporary))?;
    match linked {
        Ok(()) => {
            sync_folder(file.parent())?;
            Ok(true)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(error(e, file)),
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        create_folders(folder)?;
    }
    fs::rename(from, to).map_err(|e| error(e, from))?;
    sync_folder(to.parent())?;
    if from.parent() != to.parent() { sync_folder(from.parent()) } else { Ok(()) }
}

pub(super) fn delete(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Ok(()) => Ok(()),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(e) => Err(error(e, file)),
    }
}
