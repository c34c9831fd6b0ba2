//! Files that appear whole or not at all, and errors that say what to do about a disk.

use freshet_types::{Error, Result, failpoint};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// An error of the file system on `path`. None of them is tried again: after a failed fsync nobody knows what is on disk.
pub(crate) fn failed(doing: &str, path: &Path, cause: io::Error) -> Error {
    let text = format!("{doing} \"{}\" failed", path.display());
    let error = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::exhausted("state.disk_full", text)
            .hint("free some space on the disk that holds the data folder, then start the job again"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::denied("state.denied", text).hint("give this user the right to write the data folder")
        }
        io::ErrorKind::NotFound => {
            Error::not_found("state.missing", text).hint("put the file back, or start over with --from-scratch")
        }
        _ => Error::unavailable("state.io", text).hint("check the disk that holds the data folder"),
    };
    error.because(cause)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| failed("syncing", path, e))
}

/// Names of the points that a test can die at while a file is replaced.
#[derive(Clone, Copy)]
pub(crate) struct ReplacePoints {
    pub(crate) torn: &'static str,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// Puts `bytes` at `folder/name`: written beside it, synced, renamed into place, the folder synced.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8], points: Option<ReplacePoints>) -> Result<()> {
    let (temporary, target) = (folder.join(format!("{name}.tmp")), folder.join(name));
    let mut file = File::create(&temporary).map_err(|e| failed("creating", &temporary, e))?;
    if let Some(points) = points
        && failpoint::reached(points.torn)
    {
        let _ = file.write_all(&bytes[..bytes.len() / 2]);
        let _ = file.sync_all();
        failpoint::abort(points.torn);
    }
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| failed("writing", &temporary, e))?;
    drop(file);
    if let Some(points) = points {
        failpoint::pass(points.before);
    }
    fs::rename(&temporary, &target).map_err(|e| failed("renaming", &temporary, e))?;
    sync_folder(folder)?;
    if let Some(points) = points {
        failpoint::pass(points.after);
    }
    Ok(())
}
