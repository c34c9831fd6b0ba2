//! Holds the rows that carry their window until the window is complete, so that what comes behind sees it whole, once.
//!
//! State: the rows of open windows, in the order of arrival.
//!
//! # Invariants
//! - CW-1: the rows of a window leave in one epoch, the first whose watermark closes it.
//! - CW-2: a row of a window that has left is late: it is counted and dropped, also after a restart.
//!
//! Cost: memory O(rows of open windows); rows are kept in the batches that they came in.

#[cfg(test)]
mod tests;

use crate::operators::segment::{FrozenTable, FrozenTables, SpreadRows, key_groups};
use crate::operators::windows::{check_time_column, times_ms};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use freshet_types::{ChangeBatch, Error, KeyGroup, Result, Watermark, take_rows};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose windows are held.
#[derive(Debug, Clone)]
pub struct CollectWindowsConfig {
    /// Schema of the input; also of the output.
    pub input: SchemaRef,
    /// Key columns, by which the operator is routed.
    pub keys: Vec<usize>,
    /// Column with the end of the row's window.
    pub end: usize,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct CollectWindows {
    config: CollectWindowsConfig,
}

impl CollectWindows {
    /// Checks the config. The output has the input's schema.
    pub fn new(config: CollectWindowsConfig) -> Result<Self> {
        check_time_column(config.input.field(config.end))?;
        Ok(Self { config })
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.config.input)
    }
}

impl OperatorFactory for CollectWindows {
    fn name(&self) -> &'static str {
        "collect_windows"
    }

    fn describe(&self) -> String {
        format!("rows up to {}", self.config.input.field(self.config.end).name())
    }

    fn state_fingerprint(&self) -> Option<String> {
        let CollectWindowsConfig { input, keys, end } = &self.config;
        let types: Vec<String> = input.fields().iter().map(|f| f.data_type().to_string()).collect();
        Some(format!("collect_windows 2 {keys:?} {end} [{}]", types.join(",")))
    }

    fn is_emptied_by_the_end(&self) -> bool {
        true
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Running {
            config: self.config.clone(),
            windows: BTreeMap::new(),
            watermark: context.watermark,
            late: 0,
        }))
    }
}

const ROWS: &str = "rows";

/// Rows of one window.
#[derive(Default)]
struct Held {
    parts: Vec<RecordBatch>,
    /// How many of the parts are in a segment.
    saved: usize,
}

struct Running {
    config: CollectWindowsConfig,
    /// By the window's end.
    windows: BTreeMap<i64, Held>,
    /// Watermark up to which windows have left.
    watermark: Watermark,
    late: u64,
}

impl Running {
    /// Puts rows to their windows; gives the number of those that are late.
    fn hold(&mut self, rows: &RecordBatch) -> Result<u64> {
        let ends = times_ms(rows.column(self.config.end), self.config.input.field(self.config.end).name())?;
        let mut by_end: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut late = 0;
        for (i, end) in ends.values().iter().enumerate() {
            if self.watermark.closes(*end) {
                late += 1;
            } else {
                by_end.entry(*end).or_default().push(i as u32);
            }
        }
        for (end, picks) in by_end {
            let part =
                if picks.len() == rows.num_rows() { rows.clone() } else { take_rows(rows, &UInt32Array::from(picks))? };
            self.windows.entry(end).or_default().parts.push(part);
        }
        Ok(late)
    }
}

/// The rows, each as often as its weight says.
pub(crate) fn expanded(changes: &ChangeBatch) -> Result<RecordBatch> {
    if (0..changes.row_count()).all(|i| changes.weight(i) == 1) {
        return Ok(changes.rows().clone());
    }
    let picks: UInt32Array =
        (0..changes.row_count()).flat_map(|i| std::iter::repeat_n(i as u32, changes.weight(i) as usize)).collect();
    take_rows(changes.rows(), &picks)
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if !changes.is_append_only() {
            return Err(Error::internal("collect_windows.retraction", "rows of a window were taken back"));
        }
        self.late += self.hold(&expanded(&changes)?)?;
        Ok(())
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if end.watermark <= self.watermark {
            return Ok(());
        }
        while let Some(entry) = self.windows.first_entry() {
            if !end.watermark.closes(*entry.key()) {
                break;
            }
            for part in entry.remove().parts {
                out.emit(ChangeBatch::inserts(part));
            }
        }
        self.watermark = end.watermark;
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let (mut parts, mut picks, mut groups): (Vec<RecordBatch>, Vec<(usize, usize)>, Vec<KeyGroup>) =
            Default::default();
        for held in self.windows.values_mut() {
            let from = if kind == SegmentKind::Base { 0 } else { held.saved };
            for part in &held.parts[from..] {
                let keys: Vec<ArrayRef> = self.config.keys.iter().map(|k| Arc::clone(part.column(*k))).collect();
                groups.extend(key_groups(&keys, part.num_rows())?);
                picks.extend((0..part.num_rows()).map(|row| (parts.len(), row)));
                parts.push(part.clone());
            }
            held.saved = held.parts.len();
        }
        let mut tables = Vec::new();
        if !parts.is_empty() {
            tables.push(FrozenTable::Grouped {
                name: ROWS,
                groups,
                rows: SpreadRows { parts, picks, more: Vec::new() },
            });
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        while let Some((_, _, _, rows)) = reader.next()? {
            let rows = RecordBatch::try_new(Arc::clone(&self.config.input), rows.columns().to_vec())?;
            self.hold(&rows)?;
        }
        // Windows that left after they were saved are still in older segments.
        let now = self.watermark;
        self.windows.retain(|end, _| !now.closes(*end));
        self.windows.values_mut().for_each(|held| held.saved = held.parts.len());
        Ok(())
    }

    fn counters(&self) -> Counters {
        let parts = || self.windows.values().flat_map(|held| &held.parts);
        Counters {
            late_rows: self.late,
            state_rows: parts().map(|p| p.num_rows() as u64).sum(),
            state_bytes: parts().map(|p| p.get_array_memory_size() as u64).sum(),
            ..Counters::default()
        }
    }
}
