//! A table by its folder, without a catalog: for a look at tables that somebody copied or that another program keeps.
//!
//! Its files are looked for in that folder, wherever the metadata says that they once were. Where the metadata holds
//! relative locations and the table lies where they say, they may name files beside the table.

use crate::io::LakeIo;
use crate::metadata;
use crate::table::LakeTable;
use freshet_types::{Clock, Options, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The table in a local folder (or of one of its metadata files), if it is one.
pub(crate) fn open(folder: &str, clock: &Arc<dyn Clock>) -> Result<Option<LakeTable>> {
    let local = folder.strip_prefix("file://").unwrap_or(folder);
    if local.contains("://") {
        return Ok(None);
    }
    let Some((folder, file)) = places(Path::new(local)) else { return Ok(None) };
    let folder = std::path::absolute(&folder).unwrap_or(folder).display().to_string();
    let file = std::path::absolute(&file).unwrap_or(file).display().to_string();
    let io = LakeIo::open(&[&folder], &Options::default())?;
    let found = metadata::parse(&io.read(&file)?, &file)?;
    let location = found.location().to_string();
    let own = bare(&location).to_string();
    let listed = found.current_snapshot().map(|s| bare(s.manifest_list()));
    let base = [Some(own.as_str()), listed].into_iter().flatten().find_map(|place| base(&folder, place));
    let base = base.unwrap_or(&folder);
    let mut io = io.with_root(base)?.relative_to(base);
    for from in [location.clone(), own.clone(), format!("./{own}"), format!("file://{own}")] {
        io = io.moved(&from, &folder);
    }
    LakeTable::from_files(io, &file, Arc::clone(clock)).map(Some)
}

/// A location without what may stand before a relative one.
fn bare(location: &str) -> &str {
    location.strip_prefix("file://").unwrap_or(location).trim_start_matches("./")
}

/// What a relative location of the table or of a file in it is relative to: `folder` ends as the location begins, and what
/// stands before that is the place. None where the location is not relative, or does not lie in `folder`.
fn base<'a>(folder: &'a str, location: &str) -> Option<&'a str> {
    if location.starts_with('/') || location.contains("://") {
        return None;
    }
    let ends = location.match_indices('/').map(|(at, _)| at).chain([location.len()]);
    let before = ends.rev().find_map(|end| folder.strip_suffix(&location[..end])?.strip_suffix('/'));
    before.filter(|b| !b.is_empty())
}

/// The folder of a table and its newest metadata file.
fn places(path: &Path) -> Option<(PathBuf, PathBuf)> {
    if path.is_file() {
        let is_metadata = path.to_str().is_some_and(|p| p.ends_with(".metadata.json"));
        let folder = path.parent().filter(|_| is_metadata)?.parent()?;
        return Some((folder.to_path_buf(), path.to_path_buf()));
    }
    let metadata_folder = path.join("metadata");
    let mut names: Vec<String> = std::fs::read_dir(&metadata_folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz"))
        .collect();
    names.sort_by_key(|name| (metadata::version_of(name), name.clone()));
    // Hadoop's pointer to the current version.
    let hint = std::fs::read_to_string(metadata_folder.join("version-hint.text")).unwrap_or_default();
    let hinted = [format!("v{}.", hint.trim()), format!("{}.", hint.trim())];
    let current = names.iter().find(|name| !hint.is_empty() && hinted.iter().any(|h| name.starts_with(h.as_str())));
    let name = current.or(names.last())?;
    Some((path.to_path_buf(), metadata_folder.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Job, Lake, expected, rows, summary};
    use freshet_types::SystemClock;

    #[test]
    fn relative_locations_begin_where_the_tables_own_does() {
        let places =
            [("data/db/t", Some("/here")), ("db/t/metadata/x.avro", Some("/here/data")), ("t", Some("/here/data/db"))];
        let others = ["other/t", "a/db/t", "metadata/x.avro", "", "/here/data/db/t", "s3://b/data/db/t"];
        for (location, expected) in places.into_iter().chain(others.map(|location| (location, None))) {
            assert_eq!(base("/here/data/db/t", location), expected, "{location}");
        }
    }

    #[test]
    fn a_copied_table_is_read_where_it_lies_now() {
        let lake = Lake::new();
        let table = lake.table(vec![], &[]);
        let mut job = Job::start(&table, &lake, 1, None);
        job.checkpoint(1, &[rows(0..10)]);
        job.checkpoint(2, &[rows(10..20)]);
        let from = table.loaded().io.place(table.metadata().location()).unwrap().0.local_path("default/t").unwrap();
        let to = lake.folder.path().join("copy");
        std::fs::rename(&from, &to).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let copy = open(to.to_str().unwrap(), &clock).unwrap().unwrap();
        assert_eq!(summary(&copy), expected(0..20));
        std::fs::write(to.join("metadata/version-hint.text"), "00001").unwrap();
        assert!(open(to.to_str().unwrap(), &clock).unwrap().is_some());
        assert!(open(lake.folder.path().to_str().unwrap(), &clock).unwrap().is_none());
        assert!(open("s3://bucket/t", &clock).unwrap().is_none());
    }
}
