//! Files by URL: one blocking interface to local disk, S3 and HDFS.
//!
//! A [`Storage`] is a URL that has been opened; all paths are relative to it and separated by `/`. What is written through
//! [`Storage::put_durable`], [`Storage::put_if_absent`] and [`Storage::rename_durable`] has reached the disk (file and
//! folder fsynced), S3 or the HDFS data nodes when the call returns. Output of a checkpoint goes through
//! [`Storage::stage`]: durable and invisible until [`Storage::publish`].
//!
//! Calls block and may be made from any thread. Secrets never stand in an error.

mod local;
mod location;
mod range;
mod remote;
mod runtime;
mod staged;
#[cfg(test)]
mod tests;

pub use freshet_formats::RandomRead;
pub use location::STORAGE_OPTIONS;
pub use range::RangeReader;
pub use runtime::{runtime, wait};
pub use staged::{StagedFile, StagedUpload};

use bytes::Bytes;
use freshet_types::{Error, Options, Result};
use hdfs_native_object_store::HdfsObjectStore;
use location::Location;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::fmt;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

/// A file that [`Storage::list`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the storage's URL; empty when the URL itself names the file.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, in milliseconds since 1970-01-01 00:00 UTC.
    pub modified_ms: i64,
}

#[derive(Clone)]
enum Backend {
    /// Folder or file on a local disk.
    Local(PathBuf),
    S3(Arc<AmazonS3>),
    Hdfs(Arc<HdfsObjectStore>),
}

/// A URL that has been opened.
#[derive(Clone)]
pub struct Storage {
    backend: Backend,
    store: Arc<dyn ObjectStore>,
    /// Path of the URL in `store`.
    base: Path,
    /// Normal form, without a slash at the end.
    url: String,
    /// Texts that must not stand in an error.
    secrets: Arc<[String]>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.url)
    }
}

impl Storage {
    /// Opens `url`: `file:///folder`, a bare path (relative to the working directory or not), `s3://bucket/prefix`,
    /// `hdfs://host:port/path` or `hdfs://nameservice/path`. Nothing is created and no connection is made.
    ///
    /// # Errors
    /// `storage.scheme`, `storage.url`, `storage.path`, `option.invalid`.
    pub fn open(url: &str, options: &Options) -> Result<Storage> {
        location::open(Location::parse(url)?, options)
    }

    /// The URL in its normal form: `file:///folder`, `s3://bucket/prefix`, `hdfs://host:port/path`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of `path`.
    pub fn url_of(&self, path: &str) -> String {
        match path.trim_matches('/') {
            "" => self.url.clone(),
            path => format!("{}/{path}", self.url),
        }
    }

    /// The relative path of a full URL (or a bare local path) that lies in this storage; none when it lies elsewhere.
    pub fn relative(&self, url: &str) -> Option<String> {
        let full = Location::parse(url).ok()?.url();
        if full == self.url {
            return Some(String::new());
        }
        full.strip_prefix(&self.url)?.strip_prefix('/').map(str::to_string)
    }

    /// Whether files lie on a local disk.
    pub fn is_local(&self) -> bool {
        matches!(self.backend, Backend::Local(_))
    }

    /// Whether staged files are open uploads, which no listing shows (S3), rather than hidden files.
    pub fn stages_uploads(&self) -> bool {
        matches!(self.backend, Backend::S3(_))
    }

    /// The local path of `path`, for storage on a local disk.
    pub fn local_path(&self, path: &str) -> Option<PathBuf> {
        match &self.backend {
            Backend::Local(root) if path.is_empty() => Some(root.clone()),
            Backend::Local(root) => Some(root.join(path)),
            _ => None,
        }
    }

    /// The store below, rooted at the file system's root, the bucket or the name node, for asynchronous readers.
    /// Writes through it are not durable on a local disk.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Place of this storage's URL in [`Storage::object_store`].
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Place of `path` in [`Storage::object_store`].
    ///
    /// # Errors
    /// `storage.path` for a path with `..`, an empty part, or NUL.
    pub fn object_path(&self, path: &str) -> Result<Path> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Ok(self.base.clone());
        }
        let wrong = path.contains('\0') || path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
        let full = if self.base.as_ref().is_empty() { path.to_string() } else { format!("{}/{path}", self.base) };
        match Path::parse(&full) {
            Ok(parsed) if !wrong => Ok(parsed),
            _ => Err(Error::invalid("storage.path", format!("path \"{path}\" does not name a file of this storage"))
                .at("url", &self.url)
                .hint("leave out empty parts, \".\" and \"..\"")),
        }
    }

    fn local(&self, path: &str) -> Result<Option<PathBuf>> {
        match &self.backend {
            Backend::Local(root) => {
                self.object_path(path)?;
                let path = path.trim_matches('/');
                Ok(Some(if path.is_empty() { root.clone() } else { root.join(path) }))
            }
            _ => Ok(None),
        }
    }

    /// All files at or below `path`, ordered by path. A folder that does not exist has none.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let path = path.trim_matches('/');
        let mut entries = match self.local(path)? {
            Some(folder) => local::list(&folder, path)?,
            None => remote::list(self, path)?,
        };
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Names of the folders and files directly below `path`; a folder's name ends in `/`. Ordered.
    pub fn list_folder(&self, path: &str) -> Result<Vec<String>> {
        let path = path.trim_matches('/');
        let mut names = match self.local(path)? {
            Some(folder) => local::list_folder(&folder)?,
            None => remote::list_folder(self, path)?,
        };
        names.sort();
        Ok(names)
    }

    /// Size and time of the file at `path`; none when there is no file (a folder is none).
    pub fn stat(&self, path: &str) -> Result<Option<Entry>> {
        match self.local(path)? {
            Some(file) => local::stat(&file, path),
            None => remote::stat(self, path),
        }
    }

    /// Whether there is a file at `path`.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.stat(path)?.is_some())
    }

    /// Opens a file to be read from any position.
    pub fn open_random(&self, path: &str) -> Result<Box<dyn RandomRead>> {
        match self.local(path)? {
            Some(file) => Ok(Box::new(local::open(&file)?)),
            None => Ok(Box::new(self.range_reader(path)?)),
        }
    }

    /// Opens a file to be read in order from byte `offset` on.
    pub fn open_stream(&self, path: &str, offset: u64) -> Result<Box<dyn Read + Send>> {
        use std::io::SeekFrom;
        match self.local(path)? {
            Some(path) => {
                let mut file = local::open(&path)?;
                file.seek(SeekFrom::Start(offset)).map_err(|e| local::error(e, &path))?;
                Ok(Box::new(file))
            }
            None => {
                let mut reader = self.range_reader(path)?.in_order();
                reader.seek(SeekFrom::Start(offset)).map_err(|e| self.read_error(e, path))?;
                Ok(Box::new(reader))
            }
        }
    }

    fn range_reader(&self, path: &str) -> Result<RangeReader> {
        let entry = self.stat(path)?.ok_or_else(|| self.no_file(path))?;
        Ok(RangeReader::new(Arc::clone(&self.store), self.object_path(path)?, entry.size, Arc::clone(&self.secrets)))
    }

    /// The whole file.
    pub fn read_all(&self, path: &str) -> Result<Bytes> {
        if let Some(file) = self.local(path)? {
            let mut bytes = Vec::new();
            local::open(&file)?.read_to_end(&mut bytes).map_err(|e| local::error(e, &file))?;
            return Ok(bytes.into());
        }
        let (store, at) = (Arc::clone(&self.store), self.object_path(path)?);
        wait(async move { store.get(&at).await?.bytes().await })?.map_err(|e| self.store_error(e, path))
    }

    /// Writes a whole file, in place of one that may be there; durable when the call returns. Folders are created.
    pub fn put_durable(&self, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let bytes = bytes.into();
        if let Some(file) = self.local(path)? {
            return local::put(&file, &bytes);
        }
        let (store, at) = (Arc::clone(&self.store), self.object_path(path)?);
        wait(async move { store.put(&at, bytes.into()).await })?.map_err(|e| self.store_error(e, path))?;
        Ok(())
    }

    /// Writes a whole file unless there is one already; durable when the call returns. `false`: there was one.
    ///
    /// On S3 a repeated request may find what it wrote itself: whoever gets `false` reads the file before he believes it.
    pub fn put_if_absent(&self, path: &str, bytes: impl Into<Bytes>) -> Result<bool> {
        let bytes = bytes.into();
        if let Some(file) = self.local(path)? {
            return local::put_if_absent(&file, &bytes);
        }
        let (store, at) = (Arc::clone(&self.store), self.object_path(path)?);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match wait(async move { store.put_opts(&at, bytes.into(), options).await })? {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(e) => Err(self.store_error(e, path)),
        }
    }

    /// Renames a file, over one that may be there; durable when the call returns. S3 has no rename: it copies and deletes.
    pub fn rename_durable(&self, from: &str, to: &str) -> Result<()> {
        if let (Some(from), Some(to)) = (self.local(from)?, self.local(to)?) {
            return local::rename(&from, &to);
        }
        let (store, source, target) = (Arc::clone(&self.store), self.object_path(from)?, self.object_path(to)?);
        wait(async move { store.rename(&source, &target).await })?.map_err(|e| self.store_error(e, from))
    }

    /// Deletes a file; that there is none is fine.
    pub fn delete(&self, path: &str) -> Result<()> {
        if let Some(file) = self.local(path)? {
            return local::delete(&file);
        }
        let (store, at) = (Arc::clone(&self.store), self.object_path(path)?);
        match wait(async move { store.delete(&at).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.store_error(e, path)),
        }
    }

    /// Our error for one of the store below, without secrets.
    pub fn store_error(&self, e: object_store::Error, path: &str) -> Error {
        use object_store::Error as E;
        let text = hide(&self.secrets, &e.to_string());
        let error = match e {
            E::NotFound { .. } => return self.no_file(path),
            E::AlreadyExists { .. } => {
                Error::already_exists("storage.exists", format!("file \"{path}\" is there already"))
            }
            E::Precondition { .. } => {
                Error::conflict("storage.precondition", format!("file \"{path}\" was changed by someone else: {text}"))
            }
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                Error::denied("storage.denied", format!("access to \"{path}\" was refused: {text}"))
                    .hint("check the credentials and the rights of their owner")
            }
            E::NotSupported { .. } | E::NotImplemented { .. } => {
                Error::unsupported("storage.unsupported", format!("the storage does not offer this: {text}"))
            }
            E::InvalidPath { .. } => Error::invalid("storage.path", format!("path \"{path}\" is not valid: {text}")),
            _ if text.contains("AccessControlException") => {
                Error::denied("storage.denied", format!("access to \"{path}\" was refused: {text}"))
                    .hint("set HADOOP_USER_NAME to a user who may, or change the rights of the folder")
            }
            _ => Error::unavailable("storage.unavailable", format!("the storage does not answer: {text}"))
                .hint("check the address and that the service runs"),
        };
        error.at("url", &self.url)
    }

    fn read_error(&self, e: std::io::Error, path: &str) -> Error {
        Error::unavailable("storage.unavailable", format!("file \"{path}\" stopped midway: {e}")).at("url", &self.url)
    }

    fn no_file(&self, path: &str) -> Error {
        Error::not_found("storage.not_found", format!("no file at \"{}\"", self.url_of(path)))
    }
}

/// `text` without the secrets.
fn hide(secrets: &[String], text: &str) -> String {
    secrets.iter().fold(text.to_string(), |text, secret| text.replace(secret.as_str(), "***"))
}
