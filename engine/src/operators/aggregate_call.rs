//! What an aggregate computes: function, argument columns, filter, DISTINCT and the type that Flink gives the result.

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::logical_expr::AggregateUDF;
use std::fmt;
use std::sync::Arc;

/// An aggregate function.
#[derive(Debug, Clone)]
pub enum AggregateFunction {
    /// Rows in which no argument is NULL.
    Count,
    /// All rows.
    CountStar,
    /// Sum; NULL over no values. Integers wrap as in Flink, a decimal that leaves the result type is NULL.
    Sum,
    /// Mean. Integers truncate toward zero, decimals round half up to the scale of the result.
    Avg,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Value of the first row that has one, by arrival; append-only input.
    FirstValue,
    /// Value of the last row that has one, by arrival; append-only input.
    LastValue,
    /// Any other function of DataFusion, computed anew for groups that changed.
    Other(Arc<AggregateUDF>),
}

impl AggregateFunction {
    /// Name as in SQL.
    pub fn name(&self) -> &str {
        match self {
            Self::Count => "count",
            Self::CountStar => "count(*)",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::FirstValue => "first_value",
            Self::LastValue => "last_value",
            Self::Other(function) => function.name(),
        }
    }
}

/// One aggregate of an operator.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// Which function.
    pub function: AggregateFunction,
    /// Argument columns of the input.
    pub arguments: Vec<usize>,
    /// Boolean column of the input; rows in which it is not true do not count.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Name of the output column.
    pub name: String,
    /// Type of the result, as Flink has it; the planner decides.
    pub result: FieldRef,
}

impl AggregateCall {
    /// The output column.
    pub(crate) fn field(&self) -> FieldRef {
        Arc::new(self.result.as_ref().clone().with_name(&self.name))
    }

    /// Text for EXPLAIN.
    pub(crate) fn describe(&self, input: &SchemaRef) -> String {
        AggregateText { call: self, input }.to_string()
    }

    /// What decides whether saved state still fits.
    pub(crate) fn fingerprint(&self, input: &SchemaRef) -> String {
        let types: Vec<String> = self.arguments.iter().map(|a| input.field(*a).data_type().to_string()).collect();
        format!(
            "{}{}({}){}->{}",
            self.function.name(),
            if self.distinct { " distinct" } else { "" },
            types.join(","),
            if self.filter.is_some() { " filtered" } else { "" },
            self.result.data_type()
        )
    }
}

struct AggregateText<'a> {
    call: &'a AggregateCall,
    input: &'a SchemaRef,
}

impl fmt::Display for AggregateText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, input } = self;
        if let AggregateFunction::CountStar = call.function {
            f.write_str("count(*)")?;
        } else {
            let columns: Vec<&str> = call.arguments.iter().map(|a| input.field(*a).name().as_str()).collect();
            let distinct = if call.distinct { "distinct " } else { "" };
            write!(f, "{}({distinct}{})", call.function.name(), columns.join(", "))?;
        }
        if let Some(filter) = call.filter {
            write!(f, " filter {}", input.field(filter).name())?;
        }
        write!(f, " as {}", call.name)
    }
}
