//! Naive twin: tries every window that could hold the row.

use crate::operators::proving::{Answer, Reference, Row, add, text};
use crate::operators::windows::WindowSpec;

/// All windows `[start, end)` that hold `time`, found by trying.
pub(crate) fn windows_by_trying(spec: WindowSpec, time: i64) -> Vec<(i64, i64)> {
    let mut windows = Vec::new();
    for start in time - 300..=time {
        let (lengths, step, offset) = match spec {
            WindowSpec::Tumble { size_ms, offset_ms } => (vec![size_ms], size_ms, offset_ms),
            WindowSpec::Hop { size_ms, slide_ms, offset_ms } => (vec![size_ms], slide_ms, offset_ms),
            WindowSpec::Cumulate { size_ms, step_ms, offset_ms } => {
                ((1..=size_ms / step_ms).map(|n| n * step_ms).collect(), size_ms, offset_ms)
            }
        };
        if (start - offset).rem_euclid(step) == 0 {
            windows.extend(lengths.into_iter().map(|l| (start, start + l)).filter(|(_, end)| time < *end));
        }
    }
    windows
}

pub(super) struct Naive {
    pub(super) spec: WindowSpec,
    pub(super) answer: Answer,
}

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            for (start, end) in windows_by_trying(self.spec, row.t) {
                add(&mut self.answer, format!("{}|{start}|{end}|{}", text(row), end - 1), *weight);
            }
        }
    }

    fn answer(&self) -> Answer {
        self.answer.clone()
    }
}
