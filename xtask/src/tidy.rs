//! `cargo xtask tidy`: the rules that a compiler does not check.
//!
//! - A crate depends only on crates of lower floors, and only the listed crates import the fenced ones (`layers.toml`).
//! - Every Rust file opens with a sentence that says what it is for.
//! - Every connector, format and operator folder has its line in its registry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks the tree below the current folder.
pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let mut found = Vec::new();
    let layers = Layers::read()?;
    layers.check(&mut found)?;
    headers(&mut found)?;
    registries(&mut found)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("{} findings:\n  {}", found.len(), found.join("\n  ")))
}

/// `layers.toml`, read line by line: it is ours and holds two flat tables.
struct Layers {
    floors: BTreeMap<String, u32>,
    only: BTreeMap<String, Vec<String>>,
}

impl Layers {
    fn read() -> Result<Self, String> {
        let text = fs::read_to_string("layers.toml").map_err(|e| format!("layers.toml: {e}"))?;
        let mut layers = Layers { floors: BTreeMap::new(), only: BTreeMap::new() };
        let mut table = "";
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                table = name;
                continue;
            }
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("layers.toml: \"{line}\" is not KEY = VALUE"))?;
            let (key, value) = (key.trim().to_string(), value.trim());
            match table {
                "floors" => {
                    let floor = value.parse().map_err(|_| format!("layers.toml: \"{value}\" is no floor"))?;
                    layers.floors.insert(key, floor);
                }
                "only" => {
                    let names =
                        value.trim_matches(['[', ']']).split(',').map(|n| n.trim().trim_matches('"').to_string());
                    layers.only.insert(key, names.collect());
                }
                other => return Err(format!("layers.toml: unknown table [{other}]")),
            }
        }
        Ok(layers)
    }

    fn check(&self, found: &mut Vec<String>) -> Result<(), String> {
        for entry in fs::read_dir(".").map_err(|e| e.to_string())?.flatten() {
            let manifest = entry.path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            let Some(name) = text.lines().find_map(|l| l.strip_prefix("name = ")).map(|n| n.trim_matches('"')) else {
                continue;
            };
            let Some(floor) = self.floors.get(name) else {
                found.push(format!("{}: crate \"{name}\" has no floor in layers.toml", manifest.display()));
                continue;
            };
            let dependencies = text.split("[dependencies]").nth(1).unwrap_or("");
            let dependencies = dependencies.split("[dev-dependencies]").next().unwrap_or("");
            for dependency in
                dependencies.lines().filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|d| !d.is_empty())
            {
                if self.floors.get(dependency).is_some_and(|other| other >= floor) {
                    found.push(format!("{name} (floor {floor}) depends on {dependency}, which is not below it"));
                }
                if self.only.get(dependency).is_some_and(|who| !who.iter().any(|w| w == name)) {
                    found.push(format!("{name} depends on {dependency}, which is fenced in layers.toml"));
                }
            }
        }
        for file in rust_files(Path::new("engine/src"))? {
            let is_host = file.starts_with("engine/src/host") || file.ends_with("host.rs");
            if !is_host && fs::read_to_string(&file).is_ok_and(|t| t.contains("use timely")) {
                found.push(format!("{}: only engine/src/host imports timely", file.display()));
            }
        }
        Ok(())
    }
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten() {
            let path = entry.path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(e) if e == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

fn headers(found: &mut Vec<String>) -> Result<(), String> {
    for entry in fs::read_dir(".").map_err(|e| e.to_string())?.flatten() {
        if !entry.path().join("Cargo.toml").exists() {
            continue;
        }
        for folder in ["src", "tests", "examples", "benches"] {
            let folder = entry.path().join(folder);
            if !folder.is_dir() {
                continue;
            }
            for file in rust_files(&folder)? {
                let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
                if !text.starts_with("//!") {
                    found.push(format!(
                        "{}: begins without a sentence that says what it is for (//! ...)",
                        file.display()
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Folders whose elements must be named in a registry, and the files that hold it.
const REGISTRIES: &[(&str, &str)] = &[
    ("formats/src", "formats/src/lib.rs"),
    ("connectors/src", "connectors/src/lib.rs"),
    ("engine/src/operators", "engine/src/operators/mod.rs"),
];

fn registries(found: &mut Vec<String>) -> Result<(), String> {
    for (folder, registry) in REGISTRIES {
        let text = fs::read_to_string(registry).map_err(|e| format!("{registry}: {e}"))?;
        for entry in fs::read_dir(folder).map_err(|e| format!("{folder}: {e}"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !text.contains(&format!("mod {name};")) {
                found.push(format!("{}: not in {registry}", entry.path().display()));
            }
        }
    }
    Ok(())
}
