//! Which files a table names: one file, a folder with what lies below it, or a glob.

use crate::storage::{Entry, Storage};
use freshet_types::{Error, Options, Result};
use regex::Regex;
use std::sync::OnceLock;

/// The files of a table.
pub(super) struct Files {
    path: String,
    options: Options,
    regex: Option<Regex>,
    /// Whether the source waits for files, so that a missing folder is no mistake.
    watched: bool,
    root: OnceLock<Root>,
}

/// The folder that paths of splits are relative to, and which of its files count.
struct Root {
    storage: Storage,
    only: Only,
}

enum Only {
    Everything,
    File(String),
    Glob(Vec<glob::Pattern>),
}

const GLOB: [char; 4] = ['*', '?', '[', '{'];

impl Files {
    pub(super) fn new(options: &Options, watched: bool) -> Result<Self> {
        let path = options.required("path")?.to_string();
        let regex = options.get("source.path.regex-pattern").map(|pattern| {
            Regex::new(&format!("^(?:{pattern})$")).map_err(|e| {
                Error::invalid("option.invalid", format!("option \"source.path.regex-pattern\" is no pattern: {e}"))
                    .hint("write a regular expression such as .*\\.json")
            })
        });
        let files = Self { path, options: options.clone(), regex: regex.transpose()?, watched, root: OnceLock::new() };
        // A wrong URL or credential option is reported at once; nothing is read.
        Storage::open(files.folder_of_glob().map_or(&files.path, |(folder, _)| folder), options)?;
        Ok(files)
    }

    /// Folder in front of the first wildcard, and the pattern behind it.
    fn folder_of_glob(&self) -> Option<(&str, &str)> {
        let first = self.path.find(GLOB)?;
        Some(match self.path[..first].rfind('/') {
            Some(0) => ("/", &self.path[1..]),
            Some(slash) => (&self.path[..slash], &self.path[slash + 1..]),
            None => (".", &self.path),
        })
    }

    fn root(&self) -> Result<Option<&Root>> {
        if let Some(root) = self.root.get() {
            return Ok(Some(root));
        }
        let root = match self.folder_of_glob() {
            Some((folder, pattern)) => {
                let patterns = expand_braces(pattern).iter().map(|p| glob::Pattern::new(p)).collect::<Result<_, _>>();
                let patterns = patterns.map_err(|e| {
                    Error::invalid("filesystem.glob", format!("path \"{}\" is no valid glob: {e}", self.path))
                        .hint("write wildcards as *, ?, [a-z] or {a,b}")
                })?;
                Root { storage: Storage::open(folder, &self.options)?, only: Only::Glob(patterns) }
            }
            None => {
                let storage = Storage::open(&self.path, &self.options)?;
                if storage.stat("")?.is_some() {
                    let (folder, name) = storage.url().rsplit_once('/').unwrap_or_default();
                    let (folder, name) = (if folder == "file://" { "file:///" } else { folder }, name.to_string());
                    Root { storage: Storage::open(folder, &self.options)?, only: Only::File(name) }
                } else if storage.local_path("").is_some_and(|p| !p.is_dir())
                    || !storage.is_local() && storage.list("")?.is_empty()
                {
                    return Ok(None);
                } else {
                    Root { storage, only: Only::Everything }
                }
            }
        };
        Ok(Some(self.root.get_or_init(|| root)))
    }

    /// The files that are there now, ordered by path.
    pub(super) fn list(&self) -> Result<Vec<Entry>> {
        let Some(root) = self.root()? else {
            if self.watched {
                return Ok(Vec::new());
            }
            return Err(Error::not_found("filesystem.not_found", format!("no file or folder at \"{}\"", self.path))
                .hint("check the path; a path that does not begin with / starts at the working directory"));
        };
        let mut files = match &root.only {
            Only::File(name) => root.storage.stat(name)?.into_iter().collect(),
            Only::Everything => root.storage.list("")?,
            Only::Glob(patterns) => {
                let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
                let mut found = root.storage.list("")?;
                found.retain(|e| patterns.iter().any(|p| p.matches_with(&e.path, options)));
                if found.is_empty() && !self.watched {
                    return Err(Error::not_found("filesystem.not_found", format!("no file matches \"{}\"", self.path))
                        .hint("check the path and its wildcards"));
                }
                found
            }
        };
        if !matches!(root.only, Only::File(_)) {
            files.retain(|e| !is_hidden(&e.path));
        }
        if let Some(regex) = &self.regex {
            files.retain(|e| {
                let url = root.storage.url_of(&e.path);
                let name = e.path.rsplit('/').next().unwrap_or(&e.path);
                let absolute =
                    url.split_once("://").map_or(url.as_str(), |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
                [url.as_str(), absolute, name].iter().any(|text| regex.is_match(text))
            });
        }
        Ok(files)
    }

    /// The storage that paths of splits are relative to.
    pub(super) fn storage(&self) -> Result<&Storage> {
        match self.root()? {
            Some(root) => Ok(&root.storage),
            None => Err(Error::not_found("filesystem.not_found", format!("no file or folder at \"{}\"", self.path))
                .hint("bring the files back, or start over with --from-scratch")),
        }
    }
}

/// Whether a file or one of its folders is hidden, as Hadoop has it. A partition folder may begin with `_`.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || (part.starts_with('_') && !part.contains('=')))
}

/// `a{b,c}` as `ab` and `ac`: globs of the shell know it, the glob crate does not.
fn expand_braces(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_string()] };
    let Some((choices, after)) = rest.split_once('}') else { return vec![pattern.to_string()] };
    choices.split(',').flat_map(|choice| expand_braces(&format!("{before}{choice}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, extra: &[(&str, &str)], watched: bool) -> Result<Vec<String>> {
        let mut options: Options = extra.iter().copied().collect();
        options.set("path", path);
        Ok(Files::new(&options, watched)?.list()?.into_iter().map(|e| e.path).collect())
    }

    #[test]
    fn files_folders_and_globs_are_found_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let storage = Storage::open(root, &Options::default()).unwrap();
        for path in ["b.csv", "a.json", "d=1/c.json", "d=2/e.json", ".hidden", "_SUCCESS", "_x/y.json", "_p=1/z.json"] {
            storage.put_durable(path, "").unwrap();
        }
        assert_eq!(names(root, &[], false).unwrap(), ["_p=1/z.json", "a.json", "b.csv", "d=1/c.json", "d=2/e.json"]);
        assert_eq!(names(&format!("{root}/b.csv"), &[], false).unwrap(), ["b.csv"]);
        assert_eq!(names(&format!("file://{root}/*.{{json,csv}}"), &[], false).unwrap(), ["a.json", "b.csv"]);
        assert_eq!(names(&format!("{root}/d=?/*"), &[], false).unwrap(), ["d=1/c.json", "d=2/e.json"]);
        assert_eq!(names(&format!("{root}/**/e.json"), &[], false).unwrap(), ["d=2/e.json"]);
        let regex = |pattern| names(root, &[("source.path.regex-pattern", pattern)], false).unwrap();
        assert_eq!(regex(".*[.]csv"), ["b.csv"]);
        assert_eq!(regex("a[.]json"), ["a.json"]);
        assert_eq!(regex("/.*/d=1/.*"), ["d=1/c.json"]);
    }

    #[test]
    fn missing_paths_are_mistakes_unless_they_are_watched() {
        assert_eq!(names("/no/such/folder", &[], false).unwrap_err().code(), "filesystem.not_found");
        assert_eq!(names("/no/such/*.json", &[], false).unwrap_err().code(), "filesystem.not_found");
        assert!(names("/no/such/folder", &[], true).unwrap().is_empty());
        assert!(names("/no/such/*.json", &[], true).unwrap().is_empty());
        assert_eq!(names("/x", &[("source.path.regex-pattern", "(")], true).unwrap_err().code(), "option.invalid");
    }
}
