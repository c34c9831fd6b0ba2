//! `cargo xtask exams`: cases that others wrote, each set against a kept list of what passes, which may only grow.
//!
//! A refused statement is a gap, counted by reason; a wrong row is a defect. The material lies in `../shared/exams` (or
//! `$FRESHET_EXAMS`); without it the chore says so and fails. `--bless` keeps the present passes; `--verbose` shows each
//! case that does not pass.

mod arroyo;
mod arroyo_dialect;
mod bad_input;
mod flink_cases;
mod iceberg;
mod nexmark;
mod rows;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a case ended.
pub(crate) enum Outcome {
    /// The rows are right.
    Pass,
    /// The statement is refused: what the error says.
    Refused(String),
    /// The rows are wrong, or the run failed: what differs.
    Wrong(String),
    /// The case does not apply: why.
    Skipped(&'static str),
}

/// Runs the cases of a folder, or one of them.
type RunSet = fn(&Path, Option<&str>) -> Result<Vec<(String, Outcome)>, String>;

/// A set of cases.
struct ExamSet {
    name: &'static str,
    run: RunSet,
}

static SETS: &[ExamSet] = &[
    ExamSet { name: "nexmark", run: nexmark::run },
    ExamSet { name: "flink_cases", run: flink_cases::run },
    ExamSet { name: "arroyo", run: arroyo::run },
    ExamSet { name: "bad_input", run: bad_input::run },
    ExamSet { name: "iceberg", run: iceberg::run },
];

/// Runs the sets that are named, or all; `SET/CASE` runs one case.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let folder = std::env::var_os("FRESHET_EXAMS").map_or_else(|| PathBuf::from("../shared/exams"), PathBuf::from);
    if !folder.is_dir() {
        return Err(format!("no exams at \"{}\"; set FRESHET_EXAMS to their folder", folder.display()));
    }
    let bless = arguments.iter().any(|a| a == "--bless");
    let verbose = arguments.iter().any(|a| a == "--verbose");
    let wanted: Vec<(&str, Option<&str>)> = arguments
        .iter()
        .filter(|a| !a.starts_with("--"))
        .map(|a| a.split_once('/').map_or((a.as_str(), None), |(set, case)| (set, Some(case))))
        .collect();
    let mut broken = Vec::new();
    for set in SETS.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|(name, _)| *name == s.name)) {
        let case = wanted.iter().find(|(name, _)| *name == set.name).and_then(|(_, case)| *case);
        let outcomes = (set.run)(&folder.join(set.name), case)?;
        broken.extend(report(set.name, &outcomes, bless, verbose || case.is_some(), case.is_some())?);
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("no longer passing, or wrong: {}", broken.join(", "))) }
}

/// Prints the figures of a set; gives the cases that passed before and the wrong ones.
fn report(
    set: &str,
    outcomes: &[(String, Outcome)],
    bless: bool,
    verbose: bool,
    partial: bool,
) -> Result<Vec<String>, String> {
    let kept_file = PathBuf::from(format!("xtask/exams/{set}.txt"));
    let kept: BTreeSet<String> =
        std::fs::read_to_string(&kept_file).unwrap_or_default().lines().map(String::from).collect();
    let (mut passed, mut wrong, mut skipped) = (BTreeSet::new(), Vec::new(), 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (case, outcome) in outcomes {
        match outcome {
            Outcome::Pass => drop(passed.insert(case.clone())),
            Outcome::Refused(reason) => {
                *reasons.entry(reason.clone()).or_default() += 1;
                if verbose {
                    println!("  refused {set}/{case}: {reason}");
                }
            }
            Outcome::Wrong(why) => {
                wrong.push(format!("{set}/{case}"));
                if verbose {
                    println!("  WRONG   {set}/{case}: {why}");
                }
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                if verbose {
                    println!("  skipped {set}/{case}: {why}");
                }
            }
        }
    }
    let refused: usize = reasons.values().sum();
    println!("{set}: {} passed, {} wrong, {refused} refused, {skipped} skipped", passed.len(), wrong.len());
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(if verbose { usize::MAX } else { 12 }) {
        println!("  {count:>4} refused: {reason}");
    }
    if !partial {
        wrong.extend(kept.difference(&passed).map(|case| format!("{set}/{case} (passed before)")));
        if bless {
            let all: Vec<String> = kept.union(&passed).cloned().collect();
            std::fs::create_dir_all("xtask/exams").map_err(|e| e.to_string())?;
            std::fs::write(&kept_file, all.join("\n") + "\n").map_err(|e| e.to_string())?;
        }
    }
    Ok(wrong)
}
