//! Files of a lake by their full location, inside the folders that the catalog may touch.
//!
//! Metadata of another writer names files by full URL. What it names must lie in one of the roots: the warehouse, the
//! table's own folder where the catalog vouches for it, and the folders that an administrator allowed. So a forged
//! manifest cannot make us read `/etc/passwd` or another bucket.

use bytes::Bytes;
use freshet_connectors::storage::{Entry, Storage};
use freshet_types::{Error, Options, Result};
use std::sync::Arc;

/// Reads and writes files by location.
#[derive(Debug, Clone)]
pub struct LakeIo(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    roots: Vec<Storage>,
    /// Folder that relative locations belong to.
    relative_to: Option<String>,
    /// Location prefixes that are read from elsewhere.
    moved: Vec<(String, String)>,
}

impl LakeIo {
    /// Files below `roots` (URLs); `options` hold the credentials.
    pub fn open(roots: &[&str], options: &Options) -> Result<Self> {
        let roots = roots.iter().map(|root| Storage::open(root, options)).collect::<Result<Vec<_>>>()?;
        Ok(Self(Arc::new(Inner { options: options.clone(), roots, relative_to: None, moved: Vec::new() })))
    }

    /// The same with one more root.
    pub fn with_root(&self, root: &str) -> Result<Self> {
        if self.place(root).is_ok() {
            return Ok(self.clone());
        }
        let mut roots = self.0.roots.clone();
        roots.push(Storage::open(root, &self.0.options)?);
        Ok(self.copy(roots, self.0.relative_to.clone(), self.0.moved.clone()))
    }

    /// The same where locations without scheme and leading slash stand below `folder`.
    #[must_use]
    pub fn relative_to(&self, folder: &str) -> Self {
        self.copy(self.0.roots.clone(), Some(folder.trim_end_matches('/').to_string()), self.0.moved.clone())
    }

    /// The same where what metadata places below `from` is found below `to`.
    #[must_use]
    pub fn moved(&self, from: &str, to: &str) -> Self {
        let mut moved = self.0.moved.clone();
        moved.push((from.trim_end_matches('/').to_string(), to.trim_end_matches('/').to_string()));
        self.copy(self.0.roots.clone(), self.0.relative_to.clone(), moved)
    }

    fn copy(&self, roots: Vec<Storage>, relative_to: Option<String>, moved: Vec<(String, String)>) -> Self {
        Self(Arc::new(Inner { options: self.0.options.clone(), roots, relative_to, moved }))
    }

    /// The storage that holds `location`, and the path in it.
    ///
    /// # Errors
    /// `lake.outside` when it lies in none of the roots.
    pub fn place(&self, location: &str) -> Result<(&Storage, String)> {
        let location = self.translate(location);
        for root in &self.0.roots {
            if let Some(path) = root.relative(&location) {
                return Ok((root, path));
            }
        }
        Err(Error::denied("lake.outside", format!("file \"{location}\" lies outside of the lake"))
            .hint("add its folder to the catalog's option 'allowed-locations'"))
    }

    fn translate(&self, location: &str) -> String {
        for (from, to) in &self.0.moved {
            if let Some(rest) = location.strip_prefix(from.as_str()).filter(|r| r.is_empty() || r.starts_with('/')) {
                return format!("{to}{rest}");
            }
        }
        if let Some(folder) = &self.0.relative_to {
            let bare = location.strip_prefix("file://").unwrap_or(location);
            if !bare.starts_with('/') && !bare.contains("://") {
                return format!("{folder}/{}", bare.trim_start_matches("./"));
            }
        }
        location.to_string()
    }

    /// The whole file.
    pub fn read(&self, location: &str) -> Result<Bytes> {
        let (storage, path) = self.place(location)?;
        storage.read_all(&path)
    }

    /// `length` bytes from `offset` on.
    pub fn read_range(&self, location: &str, offset: u64, length: u64) -> Result<Bytes> {
        use std::io::{Read, Seek, SeekFrom};
        let (storage, path) = self.place(location)?;
        let mut file = storage.open_random(&path)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(|e| Error::unavailable("storage.unavailable", format!("file \"{location}\": {e}")))?;
        if bytes.len() as u64 != length {
            return Err(Error::data("lake.short_file", format!("file \"{location}\" ends early")));
        }
        Ok(bytes.into())
    }

    /// Writes a whole file; durable when the call returns.
    pub fn write(&self, location: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let (storage, path) = self.place(location)?;
        storage.put_durable(&path, bytes)
    }

    /// Size and time of a file, if it exists.
    pub fn stat(&self, location: &str) -> Result<Option<Entry>> {
        let (storage, path) = self.place(location)?;
        storage.stat(&path)
    }

    /// Deletes a file; that there is none is fine.
    pub fn delete(&self, location: &str) -> Result<()> {
        let (storage, path) = self.place(location)?;
        storage.delete(&path)
    }

    /// All files at or below `folder`, with full locations in the form that our own metadata uses.
    pub fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let (storage, path) = self.place(folder)?;
        let mut entries = storage.list(&path)?;
        for entry in &mut entries {
            entry.path = storage.url_of(&entry.path);
        }
        Ok(entries)
    }

    /// The normal form of a location, to compare those that were written in different ways.
    pub fn normal(&self, location: &str) -> String {
        match self.place(location) {
            Ok((storage, path)) => storage.url_of(&path),
            Err(_) => location.to_string(),
        }
    }
}

/// A folder name for a table, database or job: what could lead elsewhere or upset a storage is replaced, and told apart by a
/// checksum of the whole name.
pub(crate) fn folder_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    if !name.is_empty() && name.chars().all(plain) && !name.starts_with('.') {
        return name.to_string();
    }
    let kept: String = name.chars().map(|c| if plain(c) && c != '.' { c } else { '_' }).take(60).collect();
    format!("{kept}-{:08x}", crc32fast::hash(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_outside_of_the_roots_are_refused() {
        let io = LakeIo::open(&["file:///lake"], &Options::default()).unwrap();
        assert_eq!(io.place("file:///lake/a/b").unwrap().1, "a/b");
        assert_eq!(io.place("/lake/a/b").unwrap().1, "a/b");
        for outside in ["file:///etc/passwd", "/lake/../etc/passwd", "s3://other/lake/a", "/lakes/a"] {
            assert_eq!(io.place(outside).unwrap_err().code(), "lake.outside", "{outside}");
        }
    }

    #[test]
    fn relative_and_moved_locations_are_found() {
        let io = LakeIo::open(&["file:///lake"], &Options::default()).unwrap();
        let io = io.relative_to("/lake/x").moved("gs://bucket/table", "/lake/t");
        assert_eq!(io.place("data/f").unwrap().1, "x/data/f");
        assert_eq!(io.place("./data/f").unwrap().1, "x/data/f");
        assert_eq!(io.place("file://data/f").unwrap().1, "x/data/f");
        assert_eq!(io.place("gs://bucket/table/data/f").unwrap().1, "t/data/f");
    }

    #[test]
    fn folder_names_are_tame() {
        assert_eq!(folder_name("orders_1"), "orders_1");
        for wild in ["..", "a/b", "", "ü", ".x"] {
            let name = folder_name(wild);
            assert!(!name.contains(['/', 'ü']) && !name.starts_with('.'), "{name}");
        }
        assert_ne!(folder_name("a/b"), folder_name("a_b"));
    }
}
