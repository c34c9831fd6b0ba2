//! Reads sqllogictest text: statements, queries with the values that they must give, includes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One record of a file.
pub(crate) enum Record {
    /// A statement; whether it must fail.
    Statement { sql: String, fails: bool },
    /// A query with its answer.
    Query(Asked),
}

/// A query and what it must give.
pub(crate) struct Asked {
    pub(crate) sql: String,
    /// One letter for each column: `I`, `R`, `T`.
    pub(crate) types: String,
    pub(crate) sort: Sort,
    /// Lines of the answer, or one line `N values hashing to H`.
    pub(crate) expected: Vec<String>,
    /// Why the answer does not apply to Flink.
    pub(crate) not_for_us: bool,
    /// Whether it must fail.
    pub(crate) fails: bool,
}

/// What is brought into order before answers are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Not,
    Rows,
    Values,
}

/// Records of a file, with those of the files that it includes.
pub(crate) fn read(file: &Path) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    read_into(file, &mut records, 0)?;
    Ok(records)
}

fn read_into(file: &Path, records: &mut Vec<Record>, depth: usize) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut lines = text.lines().peekable();
    let mut not_for_us = false;
    while let Some(line) = lines.next() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("include") => {
                let name = words.next().unwrap_or_default();
                // What was kept aside is not there; its own queries are not asked.
                for included in included(file, name) {
                    if depth < 4 {
                        read_into(&included, records, depth + 1)?;
                    }
                }
            }
            Some("skipif" | "onlyif") => not_for_us = true,
            Some("halt") => break,
            Some("statement") => {
                let fails = words.next() != Some("ok");
                let sql = block(&mut lines).join("\n");
                if !std::mem::take(&mut not_for_us) {
                    records.push(Record::Statement { sql, fails });
                }
            }
            Some("query") => {
                let types = words.next().unwrap_or_default().to_string();
                let sort = match words.next() {
                    Some("rowsort") => Sort::Rows,
                    Some("valuesort") => Sort::Values,
                    _ => Sort::Not,
                };
                let fails = types == "error";
                let all = block(&mut lines);
                let at = all.iter().position(|l| l.trim() == "----").unwrap_or(all.len());
                let expected = all.get(at + 1..).unwrap_or_default().iter().map(ToString::to_string).collect();
                let sql = all[..at].join("\n");
                let not_for_us = std::mem::take(&mut not_for_us);
                records.push(Record::Query(Asked { sql, types, sort, expected, not_for_us, fails }));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files that an `include` of `file` names, in order; `*` and `**` as usual.
fn included(file: &Path, name: &str) -> Vec<PathBuf> {
    let base = file.parent().unwrap_or(file);
    if !name.contains('*') {
        return Vec::from_iter(Some(base.join(name)).filter(|f| f.is_file()));
    }
    let pattern = base.join(name.trim_start_matches("./")).display().to_string();
    let pattern = regex::escape(&pattern).replace(r"/\*\*/", "/(.*/)?").replace(r"\*", "[^/]*");
    let pattern = regex::Regex::new(&format!("^{pattern}$")).expect("an escaped text with wildcards");
    files(base, |f| pattern.is_match(&f.display().to_string()))
}

/// Those of `files` that none of them includes: each is a case.
pub(crate) fn roots(files: Vec<PathBuf>) -> Result<Vec<PathBuf>, String> {
    let mut parts = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        for name in text.lines().filter_map(|l| l.strip_prefix("include ")) {
            parts.extend(included(file, name.trim()).iter().filter_map(|f| f.canonicalize().ok()));
        }
    }
    Ok(files.into_iter().filter(|f| f.canonicalize().is_ok_and(|f| !parts.contains(&f))).collect())
}

/// Files below `folder` that are wanted, in order.
pub(crate) fn files(folder: &Path, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines up to the next empty one.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.take_while(|l| !l.trim().is_empty()).collect()
}
