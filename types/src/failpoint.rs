//! Numbered places at which a test can make the process die, to prove that recovery works.
//!
//! `FRESHET_FAILPOINT=name` aborts at the first pass of `name`, `FRESHET_FAILPOINT=name:7` at the seventh. Without the
//! variable a pass costs one load. Nothing is cleaned up and nothing is flushed: it is as if the power went.

use crate::{Error, Result, env, suggest};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every point, in the order in which a checkpoint and a recovery pass them.
pub static FAILPOINTS: &[&str] = &[
    "source.after_poll",
    "op.freeze",
    "segment.write.torn",
    "segment.fsync",
    "sink.prepare",
    "root.write.torn",
    "root.rename.before",
    "root.rename.after",
    "commit.before",
    "lake.swap.before",
    "lake.swap.after",
    "commit.after",
    "gc.delete",
    "recover.before_sinks",
    "recover.after_sinks",
];

struct Armed {
    name: String,
    passes_left: AtomicU64,
}

static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
    let setting = env::var("FRESHET_FAILPOINT")?;
    let (name, pass) = parse(&setting).ok()?;
    Some(Armed { name: name.to_owned(), passes_left: AtomicU64::new(pass) })
});

fn parse(setting: &str) -> Result<(&str, u64)> {
    let (name, pass) = setting.split_once(':').unwrap_or((setting, "1"));
    if !FAILPOINTS.contains(&name) {
        return Err(Error::invalid("failpoint.unknown", format!("no failpoint named \"{name}\"")).hint(suggest::hint(
            name,
            "failpoints",
            FAILPOINTS.iter().copied(),
        )));
    }
    match pass.parse() {
        Ok(pass) if pass > 0 => Ok((name, pass)),
        _ => Err(Error::invalid("failpoint.pass", format!("\"{pass}\" is not the number of a pass"))
            .hint("write FRESHET_FAILPOINT=NAME or NAME:N with N of at least 1")),
    }
}

/// Refuses a setting that would never fire.
///
/// # Errors
/// `failpoint.unknown`, `failpoint.pass`.
pub fn check() -> Result<()> {
    env::var("FRESHET_FAILPOINT").map_or(Ok(()), |setting| parse(&setting).map(|_| ()))
}

/// Whether this pass of `name` is the one to die at; the caller leaves its half-done work and calls [`abort`].
pub fn reached(name: &str) -> bool {
    debug_assert!(FAILPOINTS.contains(&name), "the failpoint \"{name}\" is listed");
    match &*ARMED {
        Some(armed) if armed.name == name => armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1,
        _ => false,
    }
}

/// Dies here when this is the pass that was asked for.
pub fn pass(name: &str) {
    if reached(name) {
        abort(name);
    }
}

/// Ends the process at once.
pub fn abort(name: &str) -> ! {
    say_why(name);
    std::process::abort()
}

/// Says on standard error why the process died, so that a harness can tell this abort from a crash.
fn say_why(name: &str) {
    use std::io::Write;
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(std::io::stderr(), "failpoint {name}: aborting");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        assert_eq!(parse("commit.after").unwrap(), ("commit.after", 1));
        assert_eq!(parse("op.freeze:12").unwrap(), ("op.freeze", 12));
        assert_eq!(parse("op.frieze").unwrap_err().code(), "failpoint.unknown");
        assert_eq!(parse("op.freeze:0").unwrap_err().code(), "failpoint.pass");
        assert!(!reached("op.freeze"), "nothing is armed here");
    }
}
