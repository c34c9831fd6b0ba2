//! `cargo xtask tidy`: the rules that a compiler does not check.

mod documents;
mod floors;
mod registries;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// One rule: looks at the tree and tells what breaks it.
type Rule = fn(&Tree, &mut Vec<String>) -> Result<(), String>;

static RULES: &[Rule] = &[
    floors::check,
    sources::headers_say_what_a_file_is_for,
    sources::nothing_is_left_for_later,
    sources::no_path_of_one_machine,
    registries::check,
    documents::links_lead_somewhere,
    documents::commands_are_there,
];

/// Checks the tree below the current folder.
pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let tree = Tree { root: PathBuf::from(".") };
    let mut found = Vec::new();
    for rule in RULES {
        rule(&tree, &mut found)?;
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("{} findings:\n  {}", found.len(), found.join("\n  ")))
}

/// The files of the project.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn read(&self, path: impl AsRef<Path>) -> Result<String, String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Folders of the crates, by the manifests in them.
    fn crates(&self) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(&self.root).map_err(|e| format!("{}: {e}", self.root.display()))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|e| e.path().join("Cargo.toml").exists())
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Every file below `folder` whose name ends with `end`, as paths from the root.
    fn files(&self, folder: &str, end: &str) -> Result<Vec<String>, String> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_string()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            for entry in fs::read_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if entry.path().is_dir() {
                    if !name.starts_with('.') && name != "target" && name != "freshet-data" {
                        folders.push(below);
                    }
                } else if name.ends_with(end) {
                    files.push(below);
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The text between `open` and the first `close` behind it.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests;
