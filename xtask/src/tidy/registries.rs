//! Whatever implements a kind has its line in the registry of its kind.

use super::{Tree, between};

/// A kind of thing: where its elements lie, how one is known, and the slice that names them all.
struct Registry {
    folder: &'static str,
    /// What stands in the file of an element.
    mark: &'static str,
    file: &'static str,
    slice: &'static str,
}

static REGISTRIES: &[Registry] = &[
    Registry { folder: "formats/src", mark: "\nimpl Format for ", file: "formats/src/lib.rs", slice: "FORMATS" },
    Registry {
        folder: "connectors/src",
        mark: "\nimpl Connector for ",
        file: "connectors/src/lib.rs",
        slice: "CONNECTORS",
    },
    Registry {
        folder: "engine/src/operators",
        mark: "\nimpl OperatorFactory for ",
        file: "engine/src/operators/mod.rs",
        slice: "OPERATORS",
    },
    Registry {
        folder: "sql/src/lower",
        mark: "fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>>",
        file: "sql/src/lower/mod.rs",
        slice: "LOWERINGS",
    },
    Registry {
        folder: "lake/src/maintain",
        mark: "\nimpl Chore for ",
        file: "lake/src/maintain/mod.rs",
        slice: "CHORES",
    },
    Registry {
        folder: "cli/src/commands",
        mark: "fn define() -> Command",
        file: "cli/src/commands/mod.rs",
        slice: "COMMANDS",
    },
];

pub(super) fn check(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    for registry in REGISTRIES {
        let text = tree.read(registry.file)?;
        let Some(slice) = between(&text, &format!("static {}: ", registry.slice), "];") else {
            found.push(format!("{}: there is no {}", registry.file, registry.slice));
            continue;
        };
        let mut elements = 0;
        for file in tree.files(registry.folder, ".rs")? {
            let is_test = file.ends_with("/tests.rs") || file.contains("/tests/") || file.ends_with("/testing.rs");
            if is_test || file == registry.file || !tree.read(&file)?.contains(registry.mark) {
                continue;
            }
            elements += 1;
            let name = element(registry.folder, &file);
            let is_named = slice.contains(&format!("{name}::")) || slice.contains(&format!("\"{name}\""));
            if !is_named {
                found.push(format!("{file}: \"{name}\" is not in {} of {}", registry.slice, registry.file));
            }
        }
        if elements == 0 {
            found.push(format!("{}: nothing there looks like an element of {}", registry.folder, registry.slice));
        }
    }
    functions(tree, found)
}

/// The folder, or the file, of `file` directly below `folder`.
fn element<'a>(folder: &str, file: &'a str) -> &'a str {
    let below = file.strip_prefix(folder).unwrap_or(file).trim_start_matches('/');
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

/// A file of functions is named in the slice of its family, and that one in the slice of all.
fn functions(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    const FOLDER: &str = "sql/src/functions";
    for file in tree.files(FOLDER, ".rs")? {
        let text = tree.read(&file)?;
        if !text.contains(" static FUNCTIONS: &[") || file == format!("{FOLDER}/mod.rs") {
            continue;
        }
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", &file));
        let (registry, name) = match name {
            "mod.rs" => (format!("{FOLDER}/mod.rs"), element(FOLDER, &file).to_string()),
            _ => (format!("{folder}/mod.rs"), name.trim_end_matches(".rs").to_string()),
        };
        if !tree.read(&registry)?.contains(&format!("{name}::FUNCTIONS")) {
            found.push(format!("{file}: \"{name}\" is not in FUNCTIONS of {registry}"));
        }
    }
    Ok(())
}
