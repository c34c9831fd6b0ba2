//! Any other aggregate function of DataFusion: the argument rows of each group, and the function computed anew for groups
//! that changed.
//!
//! Rows keep their order of arrival, so that LISTAGG and ARRAY_AGG see it; a row that is taken back goes from its first
//! place, as in Flink. Cost: memory O(rows), one evaluation per changed group and epoch.

use super::{Accumulator, multiset};
use crate::operators::fault::from_datafusion;
use crate::operators::key_table::{decode_rows, row_converter};
use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::row::RowConverter;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::scalar::ScalarValue;
use freshet_types::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
struct Log {
    rows: Vec<Box<[u8]>>,
    /// Rows that were taken back, and are still among `rows` (or yet to come).
    taken_back: Vec<Box<[u8]>>,
    /// The result, until the group changes.
    result: Option<ScalarValue>,
}

impl Log {
    fn bytes(&self) -> usize {
        self.rows.iter().chain(&self.taken_back).map(|row| row.len() + 16).sum()
    }

    /// Lets rows that were taken back meet those that are there; gives the bytes that were freed.
    fn settle(&mut self) -> usize {
        if self.taken_back.is_empty() {
            return 0;
        }
        let before = self.bytes();
        let mut debts: HashMap<&[u8], usize> = HashMap::new();
        for row in &self.taken_back {
            *debts.entry(row).or_default() += 1;
        }
        let keep: Vec<bool> = self
            .rows
            .iter()
            .map(|row| match debts.get_mut(&row[..]) {
                Some(debt) if *debt > 0 => {
                    *debt -= 1;
                    false
                }
                _ => true,
            })
            .collect();
        let still_owed: Vec<bool> = self
            .taken_back
            .iter()
            .map(|row| match debts.get_mut(&row[..]) {
                Some(debt) if *debt > 0 => {
                    *debt -= 1;
                    true
                }
                _ => false,
            })
            .collect();
        let mut keep = keep.into_iter();
        self.rows.retain(|_| keep.next().expect("one flag for each row"));
        let mut still_owed = still_owed.into_iter();
        self.taken_back.retain(|_| still_owed.next().expect("one flag for each row"));
        before - self.bytes()
    }
}

/// Argument rows of each group and the function over them.
pub(super) struct Other {
    logs: Vec<Log>,
    converter: RowConverter,
    function: AggregateFunctionExpr,
    result: DataType,
    bytes: usize,
}

impl Other {
    /// `function` over the columns `arguments` of `input`.
    pub(super) fn new(
        function: &Arc<AggregateUDF>,
        arguments: &[usize],
        input: &Schema,
        result: &DataType,
        _append_only: bool,
    ) -> Result<Self> {
        if arguments.is_empty() {
            return Err(Error::invalid(
                "aggregate.arguments",
                format!("the aggregate \"{}\" has no argument", function.name()),
            )
            .hint("give it a column"));
        }
        let fields: Vec<_> = arguments.iter().map(|a| input.field(*a).clone()).collect();
        let types: Vec<DataType> = fields.iter().map(|f| f.data_type().clone()).collect();
        let columns =
            fields.iter().enumerate().map(|(i, f)| Arc::new(Column::new(f.name(), i)) as Arc<dyn PhysicalExpr>);
        let function = AggregateExprBuilder::new(Arc::clone(function), columns.collect())
            .schema(Arc::new(Schema::new(fields)))
            .alias(function.name())
            .build()
            .map_err(from_datafusion)?;
        Ok(Self { logs: Vec::new(), converter: row_converter(&types)?, function, result: result.clone(), bytes: 0 })
    }

    fn evaluate(&self, rows: &[Box<[u8]>]) -> Result<ScalarValue> {
        let mut accumulator = self.function.create_accumulator().map_err(from_datafusion)?;
        if !rows.is_empty() {
            let arguments = decode_rows(&self.converter, rows.iter().map(|row| Some(&row[..])))?;
            accumulator.update_batch(&arguments).map_err(from_datafusion)?;
        }
        accumulator.evaluate().map_err(from_datafusion)
    }
}

impl Accumulator for Other {
    fn grow(&mut self, groups: usize) {
        self.logs.resize_with(groups.max(self.logs.len()), Log::default);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let rows = self.converter.convert_columns(arguments)?;
        for (i, g) in groups.iter().enumerate() {
            let (log, row) = (&mut self.logs[*g as usize], rows.row(i));
            let weight = weights.map_or(1, |w| w[i]);
            let target = if weight > 0 { &mut log.rows } else { &mut log.taken_back };
            for _ in 0..weight.unsigned_abs() {
                target.push(row.data().into());
            }
            self.bytes += (row.data().len() + 16) * weight.unsigned_abs() as usize;
            log.result = None;
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let mut results = Vec::with_capacity(groups.len());
        for g in groups {
            let log = &mut self.logs[*g as usize];
            self.bytes -= log.settle();
            if log.result.is_none() {
                let rows = std::mem::take(&mut log.rows);
                let result = self.evaluate(&rows);
                let log = &mut self.logs[*g as usize];
                log.rows = rows;
                log.result = Some(result?);
            }
            results.push(self.logs[*g as usize].result.clone().expect("set just above"));
        }
        if results.is_empty() {
            return Ok(arrow::array::new_empty_array(&self.result));
        }
        let array = ScalarValue::iter_to_array(results).map_err(from_datafusion)?;
        Ok(if *array.data_type() == self.result { array } else { cast(&array, &self.result)? })
    }

    fn is_empty(&self, group: u32) -> bool {
        let log = &self.logs[group as usize];
        log.rows.is_empty() && log.taken_back.is_empty()
    }

    fn clear(&mut self, group: u32) {
        let log = std::mem::take(&mut self.logs[group as usize]);
        self.bytes -= log.bytes();
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        for g in groups {
            self.bytes -= self.logs[*g as usize].settle();
        }
        let logs = || groups.iter().map(|g| &self.logs[*g as usize]);
        let rows = logs().flat_map(|log| log.rows.iter().chain(&log.taken_back)).map(|row| Some(&row[..]));
        let columns = decode_rows(&self.converter, rows)?;
        let weights = logs()
            .flat_map(|log| std::iter::repeat_n(1, log.rows.len()).chain(std::iter::repeat_n(-1, log.taken_back.len())))
            .collect();
        let lengths = logs().map(|log| log.rows.len() + log.taken_back.len());
        Ok(vec![multiset::weighted_lists(columns, weights, lengths)?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (columns, groups, weights) = multiset::from_weighted_lists(&state[0], groups);
        self.update(&columns, &groups, Some(&weights))
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}
