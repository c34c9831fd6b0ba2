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
mod slt;

use std::collections::BTreeMap;
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
    /// Whether a case is a file of many queries, of which the number that passes is kept.
    is_counted: bool,
}

static SETS: &[ExamSet] = &[
    ExamSet { name: "nexmark", run: nexmark::run, is_counted: false },
    ExamSet { name: "flink_cases", run: flink_cases::run, is_counted: false },
    ExamSet { name: "arroyo", run: arroyo::run, is_counted: false },
    ExamSet { name: "bad_input", run: bad_input::run, is_counted: false },
    ExamSet { name: "iceberg", run: iceberg::run, is_counted: false },
    ExamSet { name: "sqlite_slt", run: slt::sqlite, is_counted: true },
    ExamSet { name: "risingwave_slt", run: slt::risingwave, is_counted: true },
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
        broken.extend(report(set, &outcomes, bless, verbose || case.is_some(), case.is_some())?);
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("no longer passing, or wrong: {}", broken.join(", "))) }
}

/// Prints the figures of a set; gives the cases that passed before and the wrong ones.
fn report(
    set: &ExamSet,
    outcomes: &[(String, Outcome)],
    bless: bool,
    verbose: bool,
    partial: bool,
) -> Result<Vec<String>, String> {
    let name = set.name;
    let kept_file = PathBuf::from(format!("xtask/exams/{name}.txt"));
    let kept = read_kept(&std::fs::read_to_string(&kept_file).unwrap_or_default(), set.is_counted)?;
    let (mut passed, mut wrong, mut skipped) = (BTreeMap::<String, usize>::new(), Vec::new(), 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (case, outcome) in outcomes {
        match outcome {
            Outcome::Pass => *passed.entry(case.clone()).or_default() += 1,
            Outcome::Refused(reason) => {
                *reasons.entry(reason.clone()).or_default() += 1;
                if verbose {
                    println!("  refused {name}/{case}: {reason}");
                }
            }
            Outcome::Wrong(why) => {
                wrong.push(format!("{name}/{case}"));
                if verbose {
                    println!("  WRONG   {name}/{case}: {why}");
                }
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                if verbose {
                    println!("  skipped {name}/{case}: {why}");
                }
            }
        }
    }
    let refused: usize = reasons.values().sum();
    let passes: usize = passed.values().sum();
    println!("{name}: {passes} passed, {} wrong, {refused} refused, {skipped} skipped", wrong.len());
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(if verbose { usize::MAX } else { 12 }) {
        println!("  {count:>4} refused: {reason}");
    }
    if !partial {
        let fewer = kept.iter().filter(|(case, count)| passed.get(*case).is_none_or(|now| now < count));
        wrong.extend(fewer.map(|(case, _)| format!("{name}/{case} (passed before)")));
        if bless {
            let mut all = kept.clone();
            for (case, now) in passed {
                let count = all.entry(case).or_default();
                *count = now.max(*count);
            }
            let line = |(case, count): (String, usize)| {
                if set.is_counted { format!("{count} {case}\n") } else { format!("{case}\n") }
            };
            std::fs::create_dir_all("xtask/exams").map_err(|e| e.to_string())?;
            std::fs::write(&kept_file, all.into_iter().map(line).collect::<String>()).map_err(|e| e.to_string())?;
        }
    }
    wrong.dedup();
    Ok(wrong)
}

/// How often each case passed when the list was kept: once each, or as the line says.
fn read_kept(text: &str, is_counted: bool) -> Result<BTreeMap<String, usize>, String> {
    text.lines()
        .map(|line| {
            if !is_counted {
                return Ok((line.to_string(), 1));
            }
            let (count, case) = line.split_once(' ').ok_or_else(|| format!("\"{line}\" has no count"))?;
            Ok((case.to_string(), count.parse().map_err(|_| format!("\"{count}\" is no count"))?))
        })
        .collect()
}
