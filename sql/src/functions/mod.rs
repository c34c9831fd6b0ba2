//! Flink's functions: one definition for streams and for batch queries.
//!
//! [`FUNCTIONS`], [`AGGREGATES`] and [`WINDOW_FUNCTIONS`] say what there is; [`scalar`], [`aggregate`] and [`window`]
//! turn them into what DataFusion plans with. Names are in lower case and each alias is a function of its own.
//! [`planner::expr_planners`] plans the SQL forms that are not calls: EXTRACT, POSITION, `a[1]`, ROW(...), MAP[...].
//! [`cast`] holds CAST and TRY_CAST; [`operator`] arithmetic on DECIMAL. Both are put in by [`crate::rewrite`].
//!
//! What fails (a CAST without a result, a division by zero) fails the statement; nothing is NULL that Flink would refuse.

pub mod aggregate;
pub mod call;
pub mod cast;
pub mod collection;
pub mod conditional;
pub mod conversion;
pub mod function;
pub mod hash;
pub mod json;
pub mod math;
pub mod operator;
pub mod planner;
pub mod string;
pub mod temporal;
pub mod udf;
pub mod window;

pub use aggregate::AGGREGATES;
pub use function::{Family, Function};
pub use window::WINDOW_FUNCTIONS;

use chrono_tz::Tz;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use freshet_types::{Clock, Error, SystemClock};
use std::sync::Arc;

/// What functions know of the session.
#[derive(Debug, Clone)]
pub struct FunctionContext {
    /// `table.local-time-zone`.
    pub time_zone: Tz,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// The one time of a batch query; none in a stream, where NOW() asks the clock for each batch.
    pub query_time_ms: Option<i64>,
    /// Answer of CURRENT_DATABASE().
    pub database: String,
}

impl Default for FunctionContext {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            clock: Arc::new(SystemClock),
            query_time_ms: None,
            database: "default_database".to_string(),
        }
    }
}

impl FunctionContext {
    /// Milliseconds since 1970-01-01 00:00 UTC that NOW() shows.
    pub fn now_ms(&self) -> i64 {
        self.query_time_ms.unwrap_or_else(|| self.clock.now_ms())
    }
}

/// Every scalar function, family by family; the folder of a family lists its files.
pub static FUNCTIONS: &[&[&[Function]]] = &[
    string::FUNCTIONS,
    math::FUNCTIONS,
    temporal::FUNCTIONS,
    conditional::FUNCTIONS,
    &[conversion::FUNCTIONS],
    collection::FUNCTIONS,
    json::FUNCTIONS,
    &[hash::FUNCTIONS],
];

/// Every scalar function, one by one.
fn each() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().copied().flatten().copied().flatten()
}

/// The definition behind a name.
pub fn find(name: &str) -> Option<&'static Function> {
    let name = name.to_lowercase();
    each().find(|f| f.name == name || f.aliases.contains(&name.as_str()))
}

/// All scalar functions, one for each name.
pub fn scalar(context: &FunctionContext) -> Vec<Arc<ScalarUDF>> {
    let context = Arc::new(context.clone());
    let mut all = Vec::new();
    for function in each() {
        for name in std::iter::once(&function.name).chain(function.aliases) {
            all.push(Arc::new(ScalarUDF::new_from_impl(udf::Scalar::new(name, function, &context))));
        }
    }
    all
}

/// All aggregate functions, one for each name.
pub fn aggregate() -> Vec<Arc<AggregateUDF>> {
    aggregate::all()
}

/// All window functions that are not aggregates, one for each name.
pub fn window() -> Vec<Arc<WindowUDF>> {
    window::all()
}

/// One line of SHOW FUNCTIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Name, in lower case.
    pub name: &'static str,
    /// Group.
    pub family: Family,
    /// How to call it.
    pub signature: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// Every function, by name.
pub fn list() -> Vec<Listed> {
    let scalars = each().flat_map(|f| {
        std::iter::once(&f.name).chain(f.aliases).map(|name| Listed {
            name,
            family: f.family,
            signature: f.signature,
            doc: f.doc,
        })
    });
    let mut all: Vec<Listed> =
        scalars.chain(AGGREGATES.iter().copied()).chain(WINDOW_FUNCTIONS.iter().copied()).collect();
    all.sort_by_key(|f| f.name);
    all
}

/// Carries our error through DataFusion.
pub(crate) fn to_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Our error inside a DataFusion error, or one that says what DataFusion says.
pub fn from_datafusion(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::internal("execution.failed", other.to_string()),
        },
        DataFusionError::Context(_, inner) => from_datafusion(*inner),
        e @ (DataFusionError::Diagnostic(..) | DataFusionError::SchemaError(..)) => crate::plan::outward(e),
        DataFusionError::ArrowError(inner, _) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<DataFusionError>() {
                    Ok(nested) => from_datafusion(*nested),
                    Err(other) => Error::internal("execution.failed", other.to_string()),
                },
            },
            other => other.into(),
        },
        DataFusionError::Shared(inner) => match inner.as_ref() {
            DataFusionError::External(_) => Error::data("execution.failed", inner.to_string()),
            other => Error::internal("execution.failed", other.to_string()),
        },
        DataFusionError::Plan(text) => Error::invalid("plan.invalid", text),
        DataFusionError::NotImplemented(text) => Error::unsupported("plan.unsupported", text),
        DataFusionError::ResourcesExhausted(text) => Error::exhausted("execution.memory", text),
        DataFusionError::Execution(text) => Error::data("execution.failed", text),
        other => Error::internal("execution.failed", other.to_string()),
    }
}

#[cfg(test)]
mod tests;
