//! Keeps a generated source at its rate without losing rows to the sleep between polls.

use freshet_types::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Counts how many rows may come by now.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Arc<dyn Clock>,
    per_second: u64,
    /// First moment, and rows since.
    start_ms: Option<i64>,
    given: u64,
}

impl Pace {
    /// `per_second` rows; at least a tenth of a second's rows (and one) come at once, so that nobody waits for the first.
    pub(crate) fn new(clock: Arc<dyn Clock>, per_second: u64) -> Self {
        Self { clock, per_second: per_second.max(1), start_ms: None, given: 0 }
    }

    fn allowed(&self, now_ms: i64, start_ms: i64) -> u64 {
        let passed = u128::from(now_ms.saturating_sub(start_ms).max(0).unsigned_abs());
        let rows = passed * u128::from(self.per_second) / 1_000;
        (u64::try_from(rows).unwrap_or(u64::MAX)).saturating_add((self.per_second / 10).max(1))
    }

    /// How many of `wanted` rows may come, after waiting for the first at most `wait`.
    pub(crate) fn take(&mut self, wanted: u64, wait: Duration) -> u64 {
        let now_ms = self.clock.now_ms();
        let start_ms = *self.start_ms.get_or_insert(now_ms);
        let mut open = self.allowed(now_ms, start_ms).saturating_sub(self.given);
        if open == 0 && !wait.is_zero() {
            let next = Duration::from_millis((1_000 / self.per_second).max(1));
            std::thread::sleep(next.min(wait));
            open = self.allowed(self.clock.now_ms(), start_ms).saturating_sub(self.given);
        }
        let count = open.min(wanted);
        self.given += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freshet_types::VirtualClock;

    #[test]
    fn rows_follow_the_clock() {
        let clock = Arc::new(VirtualClock::at(5_000));
        let mut pace = Pace::new(Arc::clone(&clock) as Arc<dyn Clock>, 100);
        assert_eq!(pace.take(1_000, Duration::ZERO), 10);
        assert_eq!(pace.take(1_000, Duration::ZERO), 0);
        clock.advance_ms(250);
        assert_eq!(pace.take(20, Duration::ZERO), 20);
        assert_eq!(pace.take(1_000, Duration::ZERO), 5);
    }
}
