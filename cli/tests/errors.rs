//! Deliberately wrong files: `freshet check` says what is wrong, where, and how to mend it.
//!
//! Each `tests/errors/NAME.sql` has its expected text in `NAME.txt`; `FRESHET_BLESS=1` writes it anew (read it before a commit).

use std::path::Path;
use std::process::Command;

#[test]
fn every_wrong_file_is_told_how_to_be_mended() {
    // Cargo runs tests in the folder of their crate: a path of the build would name a clone that may be gone.
    let folder = Path::new("../tests/errors");
    let bless = std::env::var_os("FRESHET_BLESS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "sql"));
    files.sort();
    assert!(files.len() >= 30, "thirty wrong files were promised, {} are there", files.len());
    let mut different = Vec::new();
    for file in &files {
        let data = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
            .current_dir(folder)
            .args(["check", "--data"])
            .arg(data.path())
            .arg(file.file_name().unwrap())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(output.status.code(), Some(1), "{name} was not refused as an error:\n{text}");
        assert!(text.starts_with("error: ") || text.contains("\nerror: "), "{name}: no error line in\n{text}");
        assert!(!text.contains("panicked") && !text.contains("internal"), "{name}: our bug, not theirs:\n{text}");
        let expected_file = file.with_extension("txt");
        if bless {
            std::fs::write(&expected_file, &text).unwrap();
        } else if std::fs::read_to_string(&expected_file).unwrap_or_default() != text {
            different.push(format!("--- {name}\n{text}"));
        }
    }
    assert!(different.is_empty(), "texts changed; read them, then FRESHET_BLESS=1:\n{}", different.join("\n"));
}
