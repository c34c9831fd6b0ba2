//! Reads sqllogictest text: statements, queries with the values that they must give, includes.

use std::path::Path;

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
                let included = file.parent().unwrap_or(file).join(name);
                // What was kept aside is not there; its own queries are not asked.
                if depth < 4 && included.is_file() {
                    read_into(&included, records, depth + 1)?;
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

/// The lines up to the next empty one.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.take_while(|l| !l.trim().is_empty()).collect()
}
