//! What documents show is what happens: the README's console is typed in, and every SQL block is checked.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the tree: Cargo runs tests in the folder of their crate.
fn root() -> PathBuf {
    Path::new("..").canonicalize().unwrap()
}

/// What is typed behind a `$`, and the lines that follow it.
struct Typed<'a> {
    command: &'a str,
    shown: Vec<&'a str>,
}

/// The console of a document: its indented blocks that begin with `$`.
fn console(text: &str) -> Vec<Typed<'_>> {
    let mut all: Vec<Typed<'_>> = Vec::new();
    let mut inside = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(code) = line.strip_prefix("    ") else {
            // An empty line within a block is part of it.
            inside = inside && line.is_empty() && lines.peek().is_some_and(|next| next.starts_with("    "));
            if inside {
                all.last_mut().unwrap().shown.push("");
            }
            continue;
        };
        if let Some(command) = code.strip_prefix("$ ") {
            // The empty line before a command parts blocks.
            if let Some(before) = all.last_mut().filter(|_| inside) {
                before.shown.pop_if(|line| line.is_empty());
            }
            all.push(Typed { command, shown: Vec::new() });
            inside = true;
        } else if inside {
            all.last_mut().unwrap().shown.push(code);
        }
    }
    all
}

/// A line with `#` for each number and single spaces and strokes: figures of a machine change from run to run.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        let is_repeated = shape.ends_with(c) && (c == '#' || c == ' ' || c == '─' || c == '═');
        let is_fraction = c == '#' && shape.ends_with("#.");
        if is_fraction {
            shape.pop();
        } else if !is_repeated {
            shape.push(c);
        }
    }
    shape
}

/// Whether `shown` stands in `said`; `...` stands for any lines.
fn stands_in(shown: &[&str], said: &str) -> bool {
    let said: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
    let mut at = 0;
    for (i, part) in shown.split(|line| *line == "...").enumerate().filter(|(_, part)| !part.is_empty()) {
        let found = (at..=said.len().saturating_sub(part.len())).find(|from| said[*from..].starts_with(part));
        match found {
            Some(from) if i > 0 || from == 0 => at = from + part.len(),
            _ => return false,
        }
    }
    at == said.len() || shown.last() == Some(&"...")
}

#[test]
fn the_console_of_the_readme_shows_what_happens() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_freshet")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let console = console(&readme);
    assert!(console.len() >= 6, "the console was not found");
    for typed in console {
        if let Some(file) = typed.command.strip_prefix("cat ") {
            std::fs::write(folder.path().join(file), typed.shown.join("\n") + "\n").unwrap();
            continue;
        }
        let command = typed.command.replace("./x ", "freshet ");
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let [rows, told] = [output.stdout, output.stderr].map(|t| String::from_utf8(t).unwrap());
        let is_of_this_machine = ["demo", "host_load"].iter().any(|word| command.contains(word));
        let is_right = if is_of_this_machine {
            let shapes: Vec<String> = rows.lines().map(shape).collect();
            typed.shown.iter().filter(|line| **line != "...").all(|line| shapes.contains(&shape(line)))
        } else {
            stands_in(&typed.shown, &rows) || stands_in(&typed.shown, &told)
        };
        assert!(
            is_right,
            "README.md shows for `{}`:\n{}\n--- it wrote:\n{rows}\n--- and told:\n{told}",
            typed.command,
            typed.shown.join("\n")
        );
    }
}

#[test]
fn sql_in_documents_is_accepted() {
    let mut blocks = 0;
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() && !name.starts_with('.') && name != "target" && name != "freshet-data" {
                folders.push(entry.path());
            }
            if !name.ends_with(".md") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            for sql in text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
                let data = tempfile::tempdir().unwrap();
                let file = data.path().join("block.sql");
                std::fs::write(&file, sql).unwrap();
                let mut check = Command::new(env!("CARGO_BIN_EXE_freshet"));
                check.arg("check").arg(&file).arg("--data").arg(data.path().join("data")).env("NO_COLOR", "1");
                let output = check.output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}:\n{sql}\n{told}", entry.path().display());
                blocks += 1;
            }
        }
    }
    assert!(blocks >= 5, "only {blocks} blocks of SQL were found");
}

#[test]
fn what_is_shown_is_compared_as_it_should_be() {
    let typed = console("text\n\n    $ cat a\n    1\n\n    2\n\n    $ run a\n    x\n\ntext\n\n    no console\n");
    let all: Vec<(&str, Vec<&str>)> = typed.into_iter().map(|t| (t.command, t.shown)).collect();
    assert_eq!(all, [("cat a", vec!["1", "", "2"]), ("run a", vec!["x"])]);
    assert!(stands_in(&["a", "b"], "a\nb\n"));
    assert!(!stands_in(&["a"], "a\nb\n"));
    assert!(!stands_in(&["b"], "a\nb\n"));
    assert!(stands_in(&["...", "b"], "a\nb\n"));
    assert!(stands_in(&["a", "...", "d"], "a\nb\nc\nd\n"));
    assert!(!stands_in(&["a", "...", "d"], "a\nb\nc\n"));
    assert_eq!(shape("│ cpu    ┆     18 ┆  42.0 │"), "│ cpu ┆ # ┆ # │");
}
