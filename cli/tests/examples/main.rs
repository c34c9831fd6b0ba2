//! The folders of `examples/` on the real binary, with real components: each gives what its `expected.tsv` says.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]

mod example;
mod files;
mod flights;
mod kafka;
mod socket;
mod topic;

use example::Example;

/// Each folder has what the list of examples promises, and its README names each of its files.
#[test]
fn every_folder_has_its_parts() {
    let mut folders = 0;
    for entry in std::fs::read_dir(example::root()).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        folders += 1;
        for part in ["README.md", "job.sql", "expected.tsv"] {
            assert!(folder.join(part).is_file(), "{}: no {part}", folder.display());
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        let list = std::fs::read_to_string(example::root().join("README.md")).unwrap();
        assert!(list.contains(&format!("[{name}]({name})")), "{name} is not in the list of examples");
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        for file in Example::new(&name).sql_files() {
            assert!(readme.contains(&file), "{name}/README.md does not say what {file} is for");
        }
    }
    assert_eq!(folders, 6);
}
