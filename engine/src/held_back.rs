//! What stands behind an interval join: for it, event time lags behind by the span of the interval.
//!
//! Such a join gives a pair when its later row comes, so that the times of the earlier row lie behind the watermark by up
//! to the span. Operators that wait for a watermark must wait that much longer, as they do behind Flink's interval join.
//! Source: Flink, `TimeIntervalJoin.getMaxOutputDelay`.

use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use freshet_types::{ChangeBatch, Result, Watermark};
use std::sync::Arc;

/// Makes an operator see watermarks that are `by_ms` lower than those of its epochs.
#[derive(Debug)]
pub struct HeldBack {
    inner: Arc<dyn OperatorFactory>,
    by_ms: i64,
}

impl HeldBack {
    /// Holds the watermarks of `inner` back.
    pub fn new(inner: Arc<dyn OperatorFactory>, by_ms: i64) -> Self {
        Self { inner, by_ms }
    }
}

/// The lower watermark, for an operator or a sink; the end of the input stays the end.
pub(crate) fn held(watermark: Watermark, by_ms: i64) -> Watermark {
    match watermark {
        Watermark::MAX => Watermark::MAX,
        Watermark(ms) => Watermark(ms.saturating_sub(by_ms)),
    }
}

impl OperatorFactory for HeldBack {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn describe(&self) -> String {
        format!("{}, watermark held back by {} ms", self.inner.describe(), self.by_ms)
    }

    fn state_fingerprint(&self) -> Option<String> {
        self.inner.state_fingerprint()
    }

    fn is_emptied_by_the_end(&self) -> bool {
        self.inner.is_emptied_by_the_end()
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        let context = OperatorContext { watermark: held(context.watermark, self.by_ms), ..context.clone() };
        Ok(Box::new(Later { inner: self.inner.create(&context)?, by_ms: self.by_ms }))
    }
}

struct Later {
    inner: Box<dyn Operator>,
    by_ms: i64,
}

impl Operator for Later {
    fn on_changes(&mut self, input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        self.inner.on_changes(input, changes, out)
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        self.inner.on_epoch(&EpochEnd { watermark: held(end.watermark, self.by_ms), ..*end }, out)
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        self.inner.freeze(kind)
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        self.inner.restore(reader)
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freshet_types::Epoch;

    #[test]
    fn watermarks_lag_but_the_end_stays_the_end() {
        assert_eq!(held(Watermark::MIN, 5), Watermark::MIN);
        assert_eq!(held(Watermark(7), 5), Watermark(2));
        assert_eq!(held(Watermark::MAX, 5), Watermark::MAX);
    }

    /// Gives back the watermark that it was made with, and those that it sees.
    #[derive(Debug)]
    struct Seen;

    struct Sees(Watermark);

    impl OperatorFactory for Seen {
        fn name(&self) -> &'static str {
            "sees"
        }

        fn describe(&self) -> String {
            "watermarks".into()
        }

        fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
            Ok(Box::new(Sees(context.watermark)))
        }
    }

    impl Operator for Sees {
        fn on_changes(&mut self, _: usize, _: ChangeBatch, _: &mut dyn Output) -> Result<()> {
            Ok(())
        }

        fn on_epoch(&mut self, end: &EpochEnd, _: &mut dyn Output) -> Result<()> {
            self.0 = end.watermark;
            Ok(())
        }

        fn counters(&self) -> Counters {
            Counters { late_rows: self.0.0 as u64, ..Counters::default() }
        }
    }

    #[test]
    fn an_operator_sees_lower_watermarks_from_its_start_on() {
        let context = OperatorContext { watermark: Watermark(100), ..OperatorContext::new(0, 1) };
        let mut operator = HeldBack::new(Arc::new(Seen), 10).create(&context).unwrap();
        assert_eq!(operator.counters().late_rows, 90);
        let end = EpochEnd { epoch: Epoch(1), watermark: Watermark(200), now_ms: 0 };
        operator.on_epoch(&end, &mut Vec::new()).unwrap();
        assert_eq!(operator.counters().late_rows, 190);
    }
}
