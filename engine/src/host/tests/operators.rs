//! Operators small enough to be sure of: a running count, and one that goes wrong.

use super::outside::{Row, batch, schema};
use crate::{
    Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader,
    StateWriter,
};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use freshet_types::key::{hash_rows, key_group};
use freshet_types::{ChangeBatch, Error, KeyGroup, Result, Watermark};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

fn group_of(key: i64) -> KeyGroup {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![key]));
    key_group(hash_rows(&[column], 1).unwrap()[0])
}

/// Counts rows and adds up values per key: `(k, count, sum)`, taken back and given anew at the end of each epoch.
#[derive(Debug, Default, Clone)]
pub(super) struct Count {
    pub(super) version: u32,
    /// What each worker saw at the end of each epoch: worker, epoch, watermark.
    pub(super) seen: Arc<Mutex<Vec<(usize, u64, Watermark)>>>,
    /// Bytes that each key claims to take.
    pub(super) bytes_per_key: u64,
}

impl OperatorFactory for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn describe(&self) -> String {
        "count and sum by k".into()
    }

    fn state_fingerprint(&self) -> Option<String> {
        Some(format!("count v{}", self.version))
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Counting {
            spec: self.clone(),
            context: context.clone(),
            groups: BTreeMap::new(),
            told: BTreeMap::new(),
            dirty: BTreeSet::new(),
            frozen_once: false,
            last: None,
        }))
    }
}

struct Counting {
    spec: Count,
    context: OperatorContext,
    groups: BTreeMap<i64, (i64, i64)>,
    /// What the open epoch began with, for keys that it touched.
    told: BTreeMap<i64, Option<(i64, i64)>>,
    dirty: BTreeSet<i64>,
    frozen_once: bool,
    last: Option<EpochEnd>,
}

impl Operator for Counting {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        let (keys, values) =
            (changes.column(0).as_primitive::<Int64Type>(), changes.column(1).as_primitive::<Int64Type>());
        for i in 0..changes.row_count() {
            let key = keys.value(i);
            assert!(
                self.context.key_groups.contains(&usize::from(group_of(key))),
                "rows come to the owner of their key"
            );
            let old = self.groups.get(&key).copied();
            self.told.entry(key).or_insert(old);
            let (count, sum) = old.unwrap_or_default();
            self.groups.insert(key, (count + changes.weight(i), sum + values.value(i) * changes.weight(i)));
            self.dirty.insert(key);
        }
        Ok(())
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if let Some(last) = self.last.replace(*end) {
            assert!(last.epoch < end.epoch && last.watermark <= end.watermark && last.now_ms <= end.now_ms);
        }
        self.spec.seen.lock().unwrap().push((self.context.worker, end.epoch.0, end.watermark));
        let (mut rows, mut weights): (Vec<Row>, Vec<i64>) = (Vec::new(), Vec::new());
        for (key, old) in std::mem::take(&mut self.told) {
            if let Some((count, sum)) = old {
                rows.push((key, count, sum));
                weights.push(-1);
            }
            let (count, sum) = self.groups[&key];
            rows.push((key, count, sum));
            weights.push(1);
        }
        out.emit(ChangeBatch::new(batch(&rows), Some(weights.into())));
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let keys: Vec<i64> = match kind {
            SegmentKind::Base => self.groups.keys().copied().collect(),
            SegmentKind::Delta => self.dirty.iter().copied().collect(),
        };
        let nothing_new = self.dirty.is_empty() && self.frozen_once;
        self.dirty.clear();
        self.frozen_once = true;
        if nothing_new {
            return Ok(None);
        }
        let rows = keys.into_iter().map(|k| (k, self.groups[&k].0, self.groups[&k].1)).collect();
        Ok(Some(Box::new(FrozenCount(rows))))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        while let Some((_, table, group, rows)) = reader.next()? {
            assert_eq!(table, "groups");
            assert!(self.context.key_groups.contains(&usize::from(group)));
            let int = |c: usize| rows.column(c).as_primitive::<Int64Type>().clone();
            let sums = rows.column(2).as_primitive::<TimestampMillisecondType>();
            for i in 0..rows.num_rows() {
                self.groups.insert(int(0).value(i), (int(1).value(i), sums.value(i)));
            }
        }
        self.frozen_once = true;
        Ok(())
    }

    fn counters(&self) -> Counters {
        let keys = self.groups.len() as u64;
        Counters { state_rows: keys, state_bytes: keys * self.spec.bytes_per_key, ..Counters::default() }
    }
}

struct FrozenCount(Vec<Row>);

impl Frozen for FrozenCount {
    fn write(self: Box<Self>, writer: &mut dyn StateWriter) -> Result<()> {
        for row in self.0 {
            let rows: RecordBatch = batch(&[row]);
            debug_assert_eq!(rows.schema(), schema());
            writer.write("groups", group_of(row.0), &rows)?;
        }
        Ok(())
    }
}

/// Passes rows on until it meets one value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Faulty {
    ErrorAt(i64),
    PanicAt(i64),
}

impl OperatorFactory for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn create(&self, _context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(*self))
    }
}

impl Operator for Faulty {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        let has = |v: i64| changes.column(1).as_primitive::<Int64Type>().values().contains(&v);
        match *self {
            Faulty::ErrorAt(v) if has(v) => return Err(Error::data("test.division", "division by zero")),
            Faulty::PanicAt(v) if has(v) => panic!("the operator has a defect"),
            _ => out.emit(changes),
        }
        Ok(())
    }
}
