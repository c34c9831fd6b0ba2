//! Where the rows of a SELECT go: the seam between a running query and whoever shows it.

use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;
use freshet_types::{ChangeBatch, Result, Watermark};

/// What is known about a result before its first row.
#[derive(Debug, Clone)]
pub struct ResultInfo {
    /// Columns, those included that rows are only ordered by.
    pub schema: SchemaRef,
    /// How many of the columns are shown.
    pub visible: usize,
    /// Whether no row is ever taken back.
    pub append_only: bool,
    /// Whether the query ends by itself.
    pub bounded: bool,
    /// Whether the rows as they stand at the end are asked for, rather than each change
    /// (`SET 'sql-client.execution.result-mode' = 'table'`).
    pub materialised: bool,
    /// ORDER BY of the outermost query: column, ascending, nulls first. Applied to the final rows.
    pub order_by: Vec<OrderTerm>,
    /// Zone in which instants are shown.
    pub zone: Tz,
    /// After how many rows the query is over, though its inputs may go on.
    pub ends_after: Option<usize>,
}

impl ResultInfo {
    /// Rows that are all there and in order.
    pub fn of_rows(schema: SchemaRef, zone: Tz) -> Self {
        let visible = schema.fields().len();
        Self {
            schema,
            visible,
            append_only: true,
            bounded: true,
            materialised: false,
            order_by: Vec::new(),
            zone,
            ends_after: None,
        }
    }

    /// Schema of the columns that are shown.
    pub fn visible_schema(&self) -> SchemaRef {
        let shown: Vec<usize> = (0..self.visible).collect();
        std::sync::Arc::new(self.schema.project(&shown).expect("visible columns are columns"))
    }
}

/// One term of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTerm {
    /// Index of the column.
    pub column: usize,
    /// Smallest first.
    pub ascending: bool,
    /// NULL before everything else.
    pub nulls_first: bool,
}

/// Takes the rows of one query.
pub trait ResultWriter: Send {
    /// The query starts.
    fn start(&mut self, info: &ResultInfo) -> Result<()>;

    /// Rows appear and disappear.
    fn changes(&mut self, changes: &ChangeBatch) -> Result<()>;

    /// A consistent cut has been reached: every change of the epoch has been written.
    fn epoch(&mut self, _watermark: Watermark) -> Result<()> {
        Ok(())
    }

    /// The query has ended.
    fn finish(&mut self) -> Result<()>;
}
