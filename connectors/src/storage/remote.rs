//! Listings and look-ups on S3 and HDFS.

use super::{Backend, Entry, Storage, wait};
use freshet_types::Result;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

fn entry(storage: &Storage, meta: &ObjectMeta) -> Entry {
    Entry {
        path: relative(storage, &meta.location),
        size: meta.size,
        modified_ms: meta.last_modified.timestamp_millis(),
    }
}

fn relative(storage: &Storage, location: &Path) -> String {
    let full = location.as_ref();
    let base = storage.base().as_ref();
    full.strip_prefix(base).unwrap_or(full).trim_start_matches('/').to_string()
}

pub(super) fn list(storage: &Storage, path: &str) -> Result<Vec<Entry>> {
    let (store, at) = (storage.object_store(), storage.object_path(path)?);
    let listed = wait(async move {
        let prefix = (!at.as_ref().is_empty()).then_some(&at);
        store.list(prefix).try_collect::<Vec<_>>().await
    })?;
    let found: Vec<Entry> = match listed {
        // A key that ends in a slash stands for a folder that someone made with a browser.
        Ok(found) => found.iter().map(|m| entry(storage, m)).collect(),
        Err(object_store::Error::NotFound { .. }) => Vec::new(),
        Err(e) => return Err(storage.store_error(e, path)),
    };
    if found.is_empty() {
        return Ok(stat(storage, path)?.into_iter().collect());
    }
    Ok(found)
}

pub(super) fn list_folder(storage: &Storage, path: &str) -> Result<Vec<String>> {
    let (store, at) = (storage.object_store(), storage.object_path(path)?);
    let listed = wait(async move {
        let prefix = (!at.as_ref().is_empty()).then_some(&at);
        store.list_with_delimiter(prefix).await
    })?;
    let listed = match listed {
        Ok(listed) => listed,
        Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
        Err(e) => return Err(storage.store_error(e, path)),
    };
    let folders = listed.common_prefixes.iter().filter_map(|p| Some(format!("{}/", p.filename()?)));
    Ok(folders.chain(listed.objects.iter().filter_map(|m| Some(m.location.filename()?.to_string()))).collect())
}

pub(super) fn stat(storage: &Storage, path: &str) -> Result<Option<Entry>> {
    let at = storage.object_path(path)?;
    if at.as_ref().is_empty() {
        return Ok(None);
    }
    let store = storage.object_store();
    match wait(async move { store.head(&at).await })? {
        Ok(meta) => Ok(Some(entry(storage, &meta))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        // The name node answers a look at a folder through a file with an error of its own.
        Err(e) if matches!(storage.backend, Backend::Hdfs(_)) && e.to_string().contains("ParentNotDirectory") => {
            Ok(None)
        }
        Err(e) => Err(storage.store_error(e, path)),
    }
}
