//! What documents name is there: the files that they link to, the commands that they tell people to type.

use super::Tree;
use std::collections::BTreeSet;

/// A relative link of a document leads to a file or a folder.
pub(super) fn links_lead_somewhere(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    for file in tree.files("", ".md")? {
        let text = tree.read(&file)?;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let path = link.split('#').next().unwrap_or_default();
            let is_elsewhere = path.is_empty() || path.contains("://") || path.contains(' ');
            if !is_elsewhere && !tree.root.join(folder).join(path).exists() {
                found.push(format!("{file}: the link to \"{link}\" leads nowhere"));
            }
        }
    }
    Ok(())
}

/// `freshet WORD`, `cargo xtask WORD` and `./x WORD` in a document are commands.
pub(super) fn commands_are_there(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    let commands = names(tree, "cli/src/commands", "Command::new(\"")?;
    let chores = names(tree, "xtask/src/main.rs", "Chore { name: \"")?
        .into_iter()
        .chain(names(tree, "xtask/src/main.rs", "        name: \"")?)
        .collect::<BTreeSet<_>>();
    let either: BTreeSet<String> = commands.union(&chores).cloned().collect();
    let spoken = [("freshet ", &commands), ("cargo xtask ", &chores), ("./x ", &either)];
    for file in tree.files("", ".md")? {
        for (number, line) in tree.read(&file)?.lines().enumerate() {
            for (before, known) in spoken {
                for (at, _) in line.match_indices(before) {
                    // Only where it is typed: in a line of code, or between backticks.
                    let is_typed = line[..at].ends_with(['`', '$']) || line[..at].ends_with("$ ") || {
                        line.starts_with("    ") && line[..at].trim().is_empty()
                    };
                    let word: String =
                        line[at + before.len()..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    if is_typed && !word.is_empty() && !known.contains(&word) {
                        found.push(format!("{file}:{}: there is no command \"{before}{word}\"", number + 1));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The names that stand behind `before` in the files at `path`.
fn names(tree: &Tree, path: &str, before: &str) -> Result<BTreeSet<String>, String> {
    let files = if path.ends_with(".rs") { vec![path.to_string()] } else { tree.files(path, ".rs")? };
    let mut names = BTreeSet::new();
    for file in files {
        let text = tree.read(&file)?;
        names.extend(text.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(n, _)| n.to_string()));
    }
    Ok(names)
}
