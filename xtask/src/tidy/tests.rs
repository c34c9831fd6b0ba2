//! Each rule finds what breaks it, and nothing in a tree that keeps to all of them.

use super::{RULES, Tree};
use std::path::Path;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The least tree that has one element of everything.
fn sound(root: &Path) {
    write(
        root,
        "layers.toml",
        "[floors]\nfreshet-engine = 1\nfreshet-sql = 2\nfreshet-cli = 8\nxtask = 9\n[only]\ntimely = [\"freshet-engine\"]\n",
    );
    for (folder, name, dependencies) in [
        ("engine", "freshet-engine", "timely.workspace = true\n"),
        ("sql", "freshet-sql", "freshet-engine = { path = \"../engine\" }\n"),
        ("cli", "freshet-cli", "freshet-sql.workspace = true\n"),
        ("xtask", "xtask", ""),
    ] {
        let manifest = format!(
            "[package]\nname = \"{name}\"\n\n[dependencies]\n{dependencies}\n[dev-dependencies]\nfreshet-cli.workspace = true\n"
        );
        write(root, &format!("{folder}/Cargo.toml"), &manifest);
    }
    write(root, "engine/src/host/mod.rs", "//! The host.\nuse timely::dataflow;\n");
    let registry = |slice: &str, lines: &str| format!("//! All of them.\nstatic {slice}: &[X] = &[{lines}];\n");
    for (file, slice, lines, element, text) in [
        ("formats/src/lib.rs", "FORMATS", "&json::Json", "formats/src/json/mod.rs", "\nimpl Format for Json {"),
        ("connectors/src/lib.rs", "CONNECTORS", "&a::A", "connectors/src/a/mod.rs", "\nimpl Connector for A {"),
        (
            "engine/src/operators/mod.rs",
            "OPERATORS",
            "D { name: \"calc\" }",
            "engine/src/operators/calc/mod.rs",
            "\nimpl OperatorFactory for Calc {",
        ),
        (
            "sql/src/lower/mod.rs",
            "LOWERINGS",
            "(\"scan\", scan::lower)",
            "sql/src/lower/scan.rs",
            "pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {",
        ),
        ("lake/src/maintain/mod.rs", "CHORES", "&compact::C", "lake/src/maintain/compact.rs", "\nimpl Chore for C {"),
        (
            "cli/src/commands/mod.rs",
            "COMMANDS",
            "C { define: run::define }",
            "cli/src/commands/run.rs",
            "pub(super) fn define() -> Command { Command::new(\"run\") }",
        ),
        (
            "sql/src/functions/mod.rs",
            "FUNCTIONS",
            "text::FUNCTIONS",
            "sql/src/functions/text/mod.rs",
            "pub static FUNCTIONS: &[&[Function]] = &[case::FUNCTIONS];",
        ),
    ] {
        write(root, file, &registry(slice, lines));
        write(root, element, &format!("//! One of them.\n{text}\n"));
    }
    write(root, "sql/src/functions/text/case.rs", "//! Upper and lower.\npub static FUNCTIONS: &[Function] = &[];\n");
    write(root, "xtask/src/main.rs", "//! The chores.\nstatic CHORES: &[Chore] = &[Chore { name: \"test\", }];\n");
    write(
        root,
        "README.md",
        "See [the engine](engine/src/host/mod.rs), `freshet run`, `./x test`.\n\n    $ freshet run job.sql\n    cargo xtask test\n",
    );
}

fn findings(root: &Path) -> Vec<String> {
    let tree = Tree { root: root.to_path_buf() };
    let mut found = Vec::new();
    RULES.iter().for_each(|rule| rule(&tree, &mut found).unwrap());
    found
}

/// A sound tree with one file written anew gives one finding, which says `expected`.
fn check(path: &str, text: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    sound(folder.path());
    write(folder.path(), path, text);
    let found = findings(folder.path());
    assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:#?}");
}

#[test]
fn a_sound_tree_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    sound(folder.path());
    assert_eq!(findings(folder.path()), Vec::<String>::new());
}

#[test]
fn floors_are_kept() {
    let manifest =
        |dependencies: &str| format!("[package]\nname = \"freshet-engine\"\n[dependencies]\n{dependencies}\n");
    let upwards = "freshet-engine (floor 1) depends on freshet-sql";
    check("engine/Cargo.toml", &manifest("freshet-sql.workspace = true"), upwards);
    check("engine/Cargo.toml", &manifest("freshet-sql = { path = \"../sql\" }"), upwards);
    check("engine/Cargo.toml", &manifest("[dependencies.freshet-sql]\npath = \"../sql\""), upwards);
    let linux = "[target.'cfg(target_os = \"linux\")'.dependencies]\nfreshet-sql.workspace = true";
    check("engine/Cargo.toml", &manifest(linux), upwards);
    check("server/Cargo.toml", "[package]\nname = \"freshet-server\"\n", "has no floor");
    let fenced = "[package]\nname = \"freshet-sql\"\n[dependencies]\ntimely = \"1\"\n";
    check("sql/Cargo.toml", fenced, "freshet-sql depends on timely, which is fenced");
    check("engine/src/bare.rs", "//! The bare loop.\nuse timely::progress;\n", "only engine/src/host imports timely");
    let stale = "[floors]\nfreshet-engine = 1\nfreshet-sql = 2\nfreshet-cli = 8\nxtask = 9\nfreshet-gone = 3\n[only]\n";
    check("layers.toml", stale, "no crate is named \"freshet-gone\"");
}

#[test]
fn sources_say_what_they_are_for_and_are_finished() {
    check("sql/src/new.rs", "fn f() {}\n", "begins without a sentence");
    check("sql/src/new.rs", "//!\nfn f() {}\n", "begins without a sentence");
    check("cli/tests/new.rs", "// Tests.\n", "begins without a sentence");
    check("sql/src/new.rs", &format!("//! Is new.\nfn f() {{ {}!() }}\n", "todo"), "left for later");
    check("sql/src/new.rs", &format!("//! Is new.\n#[{}]\n#[test]\nfn f() {{}}\n", "ignore"), "left for later");
    check("examples/a/job.sql", &format!("'path' = '/{}/data'\n", "root"), "a path of one machine");
    check("docs/a.md", &format!("see /{}/someone/notes\n", "home"), "a path of one machine");
}

#[test]
fn elements_are_in_their_registry() {
    check("formats/src/orc/mod.rs", "//! Is new.\n\nimpl Format for Orc {\n", "\"orc\" is not in FORMATS");
    check("connectors/src/b/mod.rs", "//! Is new.\n\nimpl Connector for B {\n", "\"b\" is not in CONNECTORS");
    let operator = "//! Is new.\n\nimpl OperatorFactory for Sort {\n";
    check("engine/src/operators/sort/mod.rs", operator, "\"sort\" is not in OPERATORS");
    let lowering =
        "//! Is new.\npub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {\n";
    check("sql/src/lower/sort.rs", lowering, "\"sort\" is not in LOWERINGS");
    check("lake/src/maintain/sort.rs", "//! Is new.\n\nimpl Chore for Sort {\n", "\"sort\" is not in CHORES");
    check("cli/src/commands/new.rs", "//! Is new.\nfn define() -> Command {\n", "\"new\" is not in COMMANDS");
    let functions = "//! Is new.\npub static FUNCTIONS: &[Function] = &[];\n";
    check("sql/src/functions/text/trim.rs", functions, "\"trim\" is not in FUNCTIONS of sql/src/functions/text/mod.rs");
    let family = "//! Is new.\npub static FUNCTIONS: &[&[Function]] = &[];\n";
    check("sql/src/functions/geo/mod.rs", family, "\"geo\" is not in FUNCTIONS of sql/src/functions/mod.rs");
}

#[test]
fn documents_name_what_is_there() {
    check("docs/a.md", "See [this](../gone.md).\n", "the link to \"../gone.md\" leads nowhere");
    check("docs/a.md", "Type `freshet fly`.\n", "no command \"freshet fly\"");
    check("docs/a.md", "    $ ./x fly\n", "no command \"./x fly\"");
    check("docs/a.md", "    cargo xtask fly\n", "no command \"cargo xtask fly\"");
}
