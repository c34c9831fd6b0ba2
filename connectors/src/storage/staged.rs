//! Files that are written at a checkpoint and become visible when it is committed.
//!
//! ```text
//!              stage, write, finish              publish
//!  local, HDFS  hidden file beside the target     rename
//!  S3           open multipart upload             completion of the upload
//! ```
//!
//! A [`StagedFile`] is all that another process needs to publish or discard after a crash; both are idempotent.

use super::{Backend, Storage, local, runtime, wait};
use bytes::{Bytes, BytesMut};
use freshet_types::{Error, Result};
use futures::future::BoxFuture;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartUpload, ObjectStore, PutMultipartOptions};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Size of a part that is sent to a remote storage; S3 takes 10 000 of at least 5 MiB.
const PART_SIZE: usize = 8 << 20;
/// Parts on their way at the same time; more wait, so that a slow storage slows the job instead of filling memory.
const PARTS_IN_FLIGHT: usize = 4;

/// A durable, invisible file: the token of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Path that it will have.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Hidden file that holds the bytes (local disk, HDFS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// Open upload that holds the bytes (S3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<OpenUpload>,
}

/// A multipart upload that waits to be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUpload {
    /// Id that the storage gave.
    pub id: String,
    /// Ids of the parts, in their order.
    pub parts: Vec<String>,
}

type Part = JoinHandle<object_store::Result<Option<PartId>>>;

enum Target {
    Local { file: File, hidden: PathBuf },
    S3 { store: Arc<object_store::aws::AmazonS3>, at: object_store::path::Path, id: String },
    Hdfs(Box<dyn MultipartUpload>),
}

/// A file that is being written.
pub struct StagedUpload {
    storage: Storage,
    path: String,
    hidden: Option<String>,
    target: Target,
    size: u64,
    buffer: BytesMut,
    waiting: VecDeque<Part>,
    parts: Vec<PartId>,
    sent: usize,
}

impl Storage {
    /// Begins a file that becomes visible at `path` when it is published. `tag` tells attempts apart: the hidden file is
    /// `.<name>.<tag>.staged` in the same folder.
    pub fn stage(&self, path: &str, tag: &str) -> Result<StagedUpload> {
        let path = path.trim_matches('/');
        let at = self.object_path(path)?;
        let hidden = hidden_path(path, tag);
        let (target, hidden) = match &self.backend {
            Backend::Local(root) => {
                let full = root.join(&hidden);
                if let Some(folder) = full.parent() {
                    local::create_folders(folder)?;
                }
                let file = File::create(&full).map_err(|e| local::error(e, &full))?;
                (Target::Local { file, hidden: full }, Some(hidden))
            }
            Backend::S3(store) => {
                let (s3, to) = (Arc::clone(store), at.clone());
                let id = wait(async move { s3.create_multipart(&to).await })?.map_err(|e| self.store_error(e, path))?;
                (Target::S3 { store: Arc::clone(store), at, id }, None)
            }
            Backend::Hdfs(store) => {
                let (hdfs, to) = (Arc::clone(store), self.object_path(&hidden)?);
                let begun = wait(async move { hdfs.put_multipart_opts(&to, PutMultipartOptions::default()).await })?;
                (Target::Hdfs(begun.map_err(|e| self.store_error(e, path))?), Some(hidden))
            }
        };
        Ok(StagedUpload {
            storage: self.clone(),
            path: path.to_string(),
            hidden,
            target,
            size: 0,
            buffer: BytesMut::new(),
            waiting: VecDeque::new(),
            parts: Vec::new(),
            sent: 0,
        })
    }

    /// Gives a staged file another tag; durable when the call returns. An upload to S3 has no name that could carry one.
    pub fn retag(&self, staged: StagedFile, tag: &str) -> Result<StagedFile> {
        let Some(hidden) = &staged.hidden else { return Ok(staged) };
        let new = hidden_path(&staged.path, tag);
        if *hidden != new {
            self.rename_durable(hidden, &new)?;
        }
        Ok(StagedFile { hidden: Some(new), ..staged })
    }

    /// Makes a staged file visible; durable when the call returns. Once it has happened, it may be repeated.
    ///
    /// # Errors
    /// `storage.staged_lost` when neither the staged file nor a published one is there.
    pub fn publish(&self, staged: &StagedFile) -> Result<()> {
        if let Some(upload) = &staged.upload {
            return self.complete(staged, upload);
        }
        let hidden = staged.hidden.as_deref().unwrap_or_default();
        if self.stat(hidden)?.is_some() {
            return self.rename_durable(hidden, &staged.path);
        }
        self.was_published(staged)
    }

    /// Removes a staged file that will not be published. A published one stays.
    pub fn discard(&self, staged: &StagedFile) -> Result<()> {
        if let Some(upload) = &staged.upload {
            return self.discard_upload(&staged.path, &upload.id);
        }
        match &staged.hidden {
            Some(hidden) => self.delete(hidden),
            None => Ok(()),
        }
    }

    /// Ends an upload to S3 that will not be completed; on other storage nothing happens.
    pub fn discard_upload(&self, path: &str, upload_id: &str) -> Result<()> {
        let Backend::S3(store) = &self.backend else { return Ok(()) };
        let (s3, at, id) = (Arc::clone(store), self.object_path(path)?, upload_id.to_string());
        match wait(async move { s3.abort_multipart(&at, &id).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.store_error(e, path)),
        }
    }

    fn complete(&self, staged: &StagedFile, upload: &OpenUpload) -> Result<()> {
        let Backend::S3(store) = &self.backend else {
            return Err(Error::invalid("storage.staged_elsewhere", "a staged file belongs to another kind of storage")
                .at("url", self.url())
                .hint("start the job with the path that it had"));
        };
        let (s3, at, id) = (Arc::clone(store), self.object_path(&staged.path)?, upload.id.clone());
        let parts = upload.parts.iter().map(|part| PartId { content_id: part.clone() }).collect();
        match wait(async move { s3.complete_multipart(&at, &id, parts).await })? {
            Ok(_) => Ok(()),
            // After a completion the id is unknown; after any other error the outcome is. The file itself tells.
            Err(object_store::Error::NotFound { .. }) => self.was_published(staged),
            Err(e) if e.to_string().contains("NoSuchUpload") => self.was_published(staged),
            Err(e) => self.was_published(staged).map_err(|_| self.store_error(e, &staged.path)),
        }
    }

    fn was_published(&self, staged: &StagedFile) -> Result<()> {
        match self.stat(&staged.path)? {
            Some(found) if found.size == staged.size => Ok(()),
            _ => Err(Error::data(
                "storage.staged_lost",
                format!("output of a checkpoint is gone: file \"{}\" is neither staged nor published", staged.path),
            )
            .at("url", self.url())
            .hint("find out who removes staged files, then start the job over with --from-scratch")),
        }
    }
}

/// `folder/.name.tag.staged`
fn hidden_path(path: &str, tag: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}.{tag}.staged"),
        None => format!(".{path}.{tag}.staged"),
    }
}

impl StagedUpload {
    /// Path that the file will have.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Id of the open upload, on S3.
    pub fn upload_id(&self) -> Option<&str> {
        match &self.target {
            Target::S3 { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if let Target::Local { file, hidden } = &mut self.target {
            return file.write_all(bytes).map_err(|e| local::error(e, hidden));
        }
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PART_SIZE {
            let part = self.buffer.split_to(PART_SIZE).freeze();
            self.send(part)?;
        }
        Ok(())
    }

    fn send(&mut self, part: Bytes) -> Result<()> {
        while self.waiting.len() >= PARTS_IN_FLIGHT {
            self.await_part()?;
        }
        let index = self.sent;
        self.sent += 1;
        let upload: BoxFuture<'static, object_store::Result<Option<PartId>>> = match &mut self.target {
            Target::Local { .. } => return Ok(()),
            Target::S3 { store, at, id } => {
                let (store, at, id) = (Arc::clone(store), at.clone(), id.clone());
                Box::pin(async move { store.put_part(&at, &id, index, part.into()).await.map(Some) })
            }
            Target::Hdfs(upload) => {
                let put = upload.put_part(part.into());
                Box::pin(async move { put.await.map(|()| None) })
            }
        };
        self.waiting.push_back(runtime().spawn(upload));
        Ok(())
    }

    fn await_part(&mut self) -> Result<()> {
        let Some(part) = self.waiting.pop_front() else { return Ok(()) };
        let part = wait(part)?.map_err(|_| Error::internal("storage.panicked", "an upload panicked"))?;
        self.parts.extend(part.map_err(|e| self.storage.store_error(e, &self.path))?);
        Ok(())
    }

    /// Ends the file under another tag, such as one that carries the number of its checkpoint; durable when the call
    /// returns.
    pub fn finish_as(self, tag: &str) -> Result<StagedFile> {
        let storage = self.storage.clone();
        let staged = self.finish()?;
        storage.retag(staged, tag)
    }

    /// Ends the file; it is durable when the call returns.
    pub fn finish(mut self) -> Result<StagedFile> {
        let rest = self.buffer.split().freeze();
        if !rest.is_empty() || (self.sent == 0 && matches!(self.target, Target::S3 { .. })) {
            self.send(rest)?;
        }
        while !self.waiting.is_empty() {
            self.await_part()?;
        }
        let Self { storage, path, hidden, target, size, parts, .. } = self;
        let mut upload = None;
        match target {
            Target::Local { file, hidden } => {
                file.sync_all().map_err(|e| local::error(e, &hidden))?;
                local::sync_folder(hidden.parent())?;
            }
            Target::S3 { id, .. } => {
                upload = Some(OpenUpload { id, parts: parts.into_iter().map(|p| p.content_id).collect() });
            }
            Target::Hdfs(mut hdfs) => {
                wait(async move { hdfs.complete().await })?.map_err(|e| storage.store_error(e, &path))?;
            }
        }
        Ok(StagedFile { path, size, hidden, upload })
    }

    /// Gives the file up.
    pub fn abandon(self) -> Result<()> {
        let Self { storage, path, target, .. } = self;
        match target {
            Target::Local { file, hidden } => {
                drop(file);
                local::delete(&hidden)
            }
            Target::S3 { id, .. } => storage.discard_upload(&path, &id),
            Target::Hdfs(mut hdfs) => {
                wait(async move { hdfs.abort().await })?.map_err(|e| storage.store_error(e, &path))
            }
        }
    }
}
