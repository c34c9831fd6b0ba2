//! A crate depends only on crates of lower floors, and only the listed crates import the fenced ones (`layers.toml`).

use super::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// `layers.toml`, read line by line: it is ours and holds two flat tables.
struct Layers {
    floors: BTreeMap<String, u32>,
    only: BTreeMap<String, Vec<String>>,
}

impl Layers {
    fn read(text: &str) -> Result<Self, String> {
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
}

/// Names below `[dependencies]`; those of tests and build scripts may reach up.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || (line.starts_with("[target.") && line.ends_with(".dependencies]"));
            if let Some(name) = line.strip_prefix("[dependencies.").and_then(|l| l.strip_suffix(']')) {
                names.push(name);
            }
        } else if inside && !line.starts_with('#') {
            names.extend(line.split(['.', ' ', '=']).next().filter(|n| !n.is_empty()));
        }
    }
    names
}

pub(super) fn check(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    let layers = Layers::read(&tree.read("layers.toml")?)?;
    let mut seen = BTreeSet::new();
    for folder in tree.crates()? {
        let manifest = tree.read(format!("{folder}/Cargo.toml"))?;
        let Some(name) = manifest.lines().find_map(|l| l.strip_prefix("name = ")).map(|n| n.trim_matches('"')) else {
            continue;
        };
        seen.insert(name.to_string());
        let Some(floor) = layers.floors.get(name) else {
            found.push(format!("{folder}/Cargo.toml: crate \"{name}\" has no floor in layers.toml"));
            continue;
        };
        for dependency in dependencies(&manifest) {
            if layers.floors.get(dependency).is_some_and(|other| other >= floor) {
                found.push(format!("{name} (floor {floor}) depends on {dependency}, which is not below it"));
            }
            if layers.only.get(dependency).is_some_and(|who| !who.iter().any(|w| w == name)) {
                found.push(format!("{name} depends on {dependency}, which is fenced in layers.toml"));
            }
        }
    }
    let gone = layers.floors.keys().filter(|name| !seen.contains(*name));
    found.extend(gone.map(|name| format!("layers.toml: no crate is named \"{name}\"")));
    for file in tree.files("engine/src", ".rs")? {
        let is_host = file.starts_with("engine/src/host/") || file == "engine/src/host.rs";
        let text = tree.read(&file)?;
        if !is_host && (text.contains("use timely") || text.contains("timely::")) {
            found.push(format!("{file}: only engine/src/host imports timely"));
        }
    }
    Ok(())
}
