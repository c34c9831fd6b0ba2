//! What every file of code keeps to: it says what it is for, is finished, and runs on any machine.

use super::Tree;

/// Every Rust file opens with a sentence that says what it is for.
pub(super) fn headers_say_what_a_file_is_for(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    for file in tree.files("", ".rs")? {
        let text = tree.read(&file)?;
        let says = text.lines().next().and_then(|l| l.strip_prefix("//! ")).unwrap_or_default();
        if says.split_whitespace().count() < 2 {
            found.push(format!("{file}: begins without a sentence that says what it is for (//! ...)"));
        }
    }
    Ok(())
}

/// Work that is not done is refused by name at run time; a test that does not pass is not there.
pub(super) fn nothing_is_left_for_later(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    // In two parts, or this file would be a finding.
    let left = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    let left = left.into_iter().chain([format!("#[{}", "ignore")]);
    let left: Vec<String> = left.collect();
    for file in tree.files("", ".rs")? {
        let text = tree.read(&file)?;
        for (number, line) in text.lines().enumerate() {
            if left.iter().any(|l| line.contains(l.as_str())) {
                found.push(format!("{file}:{}: {} is left for later", number + 1, line.trim()));
            }
        }
    }
    Ok(())
}

/// A path that is only on the machine of whoever wrote it.
pub(super) fn no_path_of_one_machine(tree: &Tree, found: &mut Vec<String>) -> Result<(), String> {
    let homes = ["root", "home", "Users"].map(|name| format!("/{name}/"));
    for end in [".rs", ".md", ".sql", ".toml", ".py", ".java", ".sh"] {
        for file in tree.files("", end)? {
            let text = tree.read(&file)?;
            for (number, line) in text.lines().enumerate() {
                let is_path = |home: &String| {
                    line.match_indices(home.as_str()).any(|(at, _)| {
                        // `hdfs://host/home/x` and `lake/root/` are no paths of this machine.
                        line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"}>.-_".contains(c))
                    })
                };
                if homes.iter().any(is_path) {
                    found.push(format!("{file}:{}: a path of one machine: {}", number + 1, line.trim()));
                }
            }
        }
    }
    Ok(())
}
