//! The folder that committer and writers of a transactional sink share: its errors, and the name of the run in it.

use freshet_types::{Error, Result};
use std::fs::File;
use std::io;
use std::path::Path;

/// Holds the name of the run.
const RUN_FILE: &str = "run";

pub(super) fn storage_error(what: &str, path: &Path, e: &io::Error) -> Error {
    let text = format!("{what} \"{}\": {e}", path.display());
    Error::unavailable("kafka.staging", text).hint("check the disk and the rights of the state folder")
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Notes the run, so that a crash leaves the old name or the new one.
pub(super) fn write_run(folder: &Path, run: &str) -> Result<()> {
    let (path, new) = (folder.join(RUN_FILE), folder.join("run.new"));
    let written = std::fs::write(&new, run)
        .and_then(|()| File::open(&new)?.sync_all())
        .and_then(|()| std::fs::rename(&new, &path))
        .and_then(|()| sync_folder(folder));
    written.map_err(|e| storage_error("the run was not noted in", &path, &e))
}

/// The run that the committer noted.
pub(super) fn run_of(folder: &Path) -> Result<String> {
    let path = folder.join(RUN_FILE);
    std::fs::read_to_string(&path).map_err(|e| storage_error("the run is not noted in", &path, &e))
}
