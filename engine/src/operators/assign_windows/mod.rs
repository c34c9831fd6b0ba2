//! Copies each row into every window that it belongs to, adding `window_start`, `window_end` and `window_time`. Stateless.
//!
//! Weights stay with their rows. A row that no window holds (hopping windows with gaps) counts as filtered.

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod tests;

use crate::operators::windows::{WindowSpec, check_time_column, times_ms, timestamps, window_fields};
use crate::{Counters, Operator, OperatorContext, OperatorFactory, Output};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use freshet_types::{ChangeBatch, Result};
use std::sync::Arc;

/// Which windows, by which column.
#[derive(Debug, Clone)]
pub struct AssignWindowsConfig {
    /// Schema of the input.
    pub input: SchemaRef,
    /// The time column: TIMESTAMP or TIMESTAMP_LTZ.
    pub time: usize,
    /// The windows.
    pub windows: WindowSpec,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct AssignWindows {
    config: AssignWindowsConfig,
    schema: SchemaRef,
}

impl AssignWindows {
    /// Checks the config and finds the output schema: the input's columns and three more.
    pub fn new(config: AssignWindowsConfig) -> Result<Self> {
        config.windows.check()?;
        let time = config.input.field(config.time);
        check_time_column(time)?;
        let mut fields: Vec<Arc<Field>> = config.input.fields().to_vec();
        fields.extend(window_fields(time).map(Arc::new));
        Ok(Self { schema: Arc::new(Schema::new(fields)), config })
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl OperatorFactory for AssignWindows {
    fn name(&self) -> &'static str {
        "assign_windows"
    }

    fn describe(&self) -> String {
        format!("{} on {}", self.config.windows, self.config.input.field(self.config.time).name())
    }

    fn create(&self, _context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Running { config: self.config.clone(), schema: self.schema(), outside: 0 }))
    }
}

struct Running {
    config: AssignWindowsConfig,
    schema: SchemaRef,
    outside: u64,
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        let AssignWindowsConfig { time, windows, .. } = &self.config;
        let times = times_ms(changes.column(*time), self.config.input.field(*time).name())?;
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (i, time) in times.values().iter().enumerate() {
            let before = rows.len();
            windows.windows_of(*time, |start, end| {
                rows.push(i as u32);
                starts.push(start);
                ends.push(end);
            });
            self.outside += u64::from(rows.len() == before);
        }
        let one_each = rows.len() == changes.row_count() && matches!(windows, WindowSpec::Tumble { .. });
        let changes = if one_each { changes } else { changes.take(&UInt32Array::from(rows))? };
        let last = ends.iter().map(|end| end - 1).collect();
        let added = self.schema.fields().len() - 3;
        let mut columns = changes.rows().columns().to_vec();
        for (i, values) in [starts, ends, last].into_iter().enumerate() {
            columns.push(timestamps(values, self.schema.field(added + i).data_type()));
        }
        out.emit(changes.with_rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?));
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters { filtered_rows: self.outside, ..Counters::default() }
    }
}
