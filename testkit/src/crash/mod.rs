//! The crash harness: a seeded random job, killed again and again, compared row for row with a model computed in batch.
//!
//! One seed decides the input, the job, the faults and the worker counts. The model ([`model`]) is plain Rust over vectors:
//! it shares no code with the engine.
//!
//! ```text
//! stream:  the job watches folders that fill up, so it never ends by itself     killed 3 to 6 times
//! to end:  the same job reads what is left and ends                             killed once or twice, then not
//!          every sink holds the model's rows once; `freshet lake verify` finds nothing; a run more changes nothing
//! later:   one more file; what is printed of updating queries takes the old model's rows to the new one's
//! ```

mod harness;
mod input;
mod model;
mod pieces;

use harness::{Fault, Harness, Mode};
use input::Input;
use pieces::{PIECES, Piece};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Runs the real binary at `binary` through the faults of `seed`.
///
/// # Errors
/// A text that says which invariant was broken, with the faults that led there.
pub fn run(binary: &Path, seed: u64) -> Result<String, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut pieces: Vec<&'static Piece> = PIECES.iter().collect();
    pieces.shuffle(&mut rng);
    pieces.truncate(rng.random_range(1..6));
    let names: Vec<&str> = pieces.iter().map(|p| p.name).collect();
    let mut story = format!("seed {seed} ({}): ", names.join(", "));
    let batch_count = rng.random_range(8..20);
    let mut input = Input::generate(&mut rng, batch_count);
    let harness = Harness::new(binary, folder.path(), pieces, &mut rng);
    let outcome = faults(&harness, &mut input, &mut rng, &mut story);
    match outcome {
        Ok(()) => Ok(format!("{story}{} events", input.given().events.len())),
        Err(why) => Err(format!("{story}\n  {why}")),
    }
}

fn faults(harness: &Harness, input: &mut Input, rng: &mut ChaCha8Rng, story: &mut String) -> Result<(), String> {
    input.prepare(&harness.folder).map_err(|e| e.to_string())?;
    input.write_next(&harness.folder).map_err(|e| e.to_string())?;
    let mut landed = 0;
    for mode in [Mode::Watch, Mode::ToEnd] {
        let count = if mode == Mode::Watch { rng.random_range(3..7) } else { rng.random_range(1..3) };
        if mode == Mode::ToEnd {
            while input.write_next(&harness.folder).map_err(|e| e.to_string())? {}
        }
        for _ in 0..count {
            let (fault, workers) = (fault(rng), workers(rng));
            let died = harness.die(input, mode, workers, &fault)?;
            landed += usize::from(died);
            let _ = write!(story, "{fault:?} at {workers}{}; ", if died { "" } else { " (came to its end)" });
        }
    }
    if landed < 3 {
        return Err("fewer than three faults hit a running job: the harness proves nothing".into());
    }
    harness.finish(workers(rng))?;
    let given = input.given();
    harness.compare(&given)?;
    harness.finish(workers(rng))?;
    harness.compare(&given).map_err(|e| format!("a run that had nothing to do changed something: {e}"))?;
    input.add_later(rng);
    input.write_next(&harness.folder).map_err(|e| e.to_string())?;
    let lines = harness.finish(workers(rng))?;
    let later = input.given();
    harness.compare(&later).map_err(|e| format!("after one more file: {e}"))?;
    harness.compare_lines(&lines, &given, &later)
}

fn workers(rng: &mut ChaCha8Rng) -> usize {
    *[1, 2, 4].choose(rng).expect("the list is not empty")
}

fn fault(rng: &mut ChaCha8Rng) -> Fault {
    match rng.random_range(0..4) {
        0 => Fault::Kill(Duration::from_millis(rng.random_range(5..400))),
        1 => Fault::KillAfterCheckpoint(Duration::from_millis(rng.random_range(0..60))),
        _ => {
            let name = *freshet_types::failpoint::FAILPOINTS.choose(rng).expect("there are failpoints");
            Fault::Point(format!("{name}:{}", rng.random_range(1..6)))
        }
    }
}
