//! From a query's syntax tree to a job: names, types, logical plan, checks of the target, dataflow graph.
//!
//! ```text
//!  ast::Query --prepare--> SqlToRel --group windows--> rewrite (Flink's typing) --> rules safe for streams --> lower
//! ```

mod aggregate_names;
mod cell;
mod column_aliases;
mod context;
mod error;
mod fields;
mod group_window;
mod job;
mod mended_rules;
mod open;
mod optimize;
mod order;
mod prepare;
mod row_in;
mod special_tables;
mod table;
mod target;
mod types;
mod window_tvf;

#[cfg(test)]
mod tests;

pub(crate) use job::changelog_mode;
pub use job::{COLLECTOR, ChangelogInfo, JobPlan, SinkInfo, SourceInfo};
pub use order::OrderBy;
pub use window_tvf::{WINDOW_COLUMNS, WindowShape};

pub(crate) use context::column_at;
pub(crate) use error::{columns_place, inward, outward};
pub(crate) use open::watermark_type;
pub(crate) use optimize::{analyze, optimize_batch};
pub(crate) use table::{ColumnFrom, Origin, Table, own_schema, table_of};
pub(crate) use window_tvf::{WindowTvf, interval_ms};

use crate::catalog::{Catalog, ResolvedTable, ViewDefinition};
use crate::config::Config;
use crate::functions::{self, FunctionContext};
use crate::rewrite::RewriteContext;
pub(crate) use context::Names;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::planner::{ExprPlanner, RelationPlanner};
use datafusion::logical_expr::{AggregateUDF, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Query, Statement as AstStatement};
use freshet_connector_api::{ConnectorEnv, ConnectorRegistry};
use freshet_types::{Result, SqlField};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Functions as one kind of execution sees them.
pub(crate) struct Functions {
    pub(crate) scalar: HashMap<String, Arc<ScalarUDF>>,
    pub(crate) aggregate: HashMap<String, Arc<AggregateUDF>>,
    pub(crate) window: HashMap<String, Arc<WindowUDF>>,
    pub(crate) expr_planners: Vec<Arc<dyn ExprPlanner>>,
    pub(crate) relation_planners: Vec<Arc<dyn RelationPlanner>>,
    pub(crate) context: FunctionContext,
}

impl Functions {
    fn new(context: FunctionContext) -> Self {
        let mut scalar: HashMap<String, Arc<ScalarUDF>> =
            functions::scalar(&context).into_iter().map(|f| (f.name().to_string(), f)).collect();
        scalar.extend(group_window::stand_ins().into_iter().map(|f| (f.name().to_string(), f)));
        let cell = cell::stand_in();
        scalar.insert(cell.name().to_string(), cell);
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(fields::RowFields)];
        expr_planners.extend(functions::planner::expr_planners(&context));
        Self {
            scalar,
            aggregate: functions::aggregate().into_iter().map(|f| (f.name().to_string(), f)).collect(),
            window: functions::window().into_iter().map(|f| (f.name().to_string(), f)).collect(),
            expr_planners,
            relation_planners: vec![
                Arc::new(column_aliases::ColumnAliases),
                Arc::new(window_tvf::WindowFunctions),
                Arc::new(special_tables::SpecialTables),
            ],
            context,
        }
    }
}

/// Plans queries and INSERTs over a catalog.
pub struct Planner<'a> {
    catalog: &'a Catalog,
    config: &'a Config,
    connectors: &'a ConnectorRegistry,
    env: &'a ConnectorEnv,
    options: ConfigOptions,
    stream: Functions,
    tables: Mutex<HashMap<String, Arc<Table>>>,
}

impl<'a> Planner<'a> {
    /// A planner for one statement or statement set: tables are looked up once and kept.
    pub fn new(
        catalog: &'a Catalog,
        config: &'a Config,
        connectors: &'a ConnectorRegistry,
        env: &'a ConnectorEnv,
    ) -> Self {
        let mut planner = Self {
            catalog,
            config,
            connectors,
            env,
            options: optimize::planner_options(),
            stream: Functions::new(FunctionContext::default()),
            tables: Mutex::new(HashMap::new()),
        };
        planner.stream = Functions::new(planner.function_context(None));
        planner
    }

    /// What functions know of the session; `query_time_ms` is the one time of a batch query.
    fn function_context(&self, query_time_ms: Option<i64>) -> FunctionContext {
        FunctionContext {
            time_zone: self.time_zone(),
            clock: Arc::clone(&self.env.clock),
            query_time_ms,
            database: self.catalog.current_database().to_string(),
        }
    }

    /// Functions of a batch query, which has one time.
    pub(crate) fn batch_functions(&self) -> Functions {
        Functions::new(self.function_context(Some(self.env.clock.now_ms())))
    }

    pub(crate) fn stream_functions(&self) -> &Functions {
        &self.stream
    }

    pub(crate) fn env(&self) -> &ConnectorEnv {
        self.env
    }

    pub(crate) fn options(&self) -> &ConfigOptions {
        &self.options
    }

    /// Zone of the session.
    pub(crate) fn time_zone(&self) -> chrono_tz::Tz {
        self.config.time_zone()
    }

    /// What Flink's typing goes by.
    pub(crate) fn rewrite_context(&self, functions: &Functions) -> RewriteContext {
        RewriteContext { functions: functions.context.clone() }
    }

    /// What a name stands for.
    fn resolve(&self, parts: &[String], home: Option<&(String, String)>) -> Result<ResolvedTable> {
        match home {
            Some(home) => self.catalog.resolve_from(parts, home),
            None => self.catalog.resolve(parts),
        }
    }

    /// The plan of a query as it was written, without Flink's typing.
    pub(crate) fn tree(&self, query: &Query, names: &Names<'_, '_>) -> Result<LogicalPlan> {
        let mut query = query.clone();
        prepare::prepare(&mut query)?;
        let planner = SqlToRel::new_with_options(names, parser_options());
        let plan = planner.sql_statement_to_plan(AstStatement::Query(Box::new(query))).map_err(outward)?;
        group_window::expand(cell::unwrap(plan)?)
    }

    /// The plan of a query with Flink's typing.
    pub(crate) fn typed_tree(&self, query: &Query, functions: &Functions) -> Result<LogicalPlan> {
        let plan = self.tree(query, &Names::new(self, functions))?;
        analyze(plan, &self.rewrite_context(functions), &self.options)
    }

    /// Columns of a query's result.
    pub fn query_schema(&self, query: &Query) -> Result<Vec<SqlField>> {
        let plan = self.typed_tree(query, &self.stream)?;
        fields_of(&plan)
    }

    /// Columns of a view.
    ///
    /// # Errors
    /// Those of names, types and constructs.
    pub fn view_schema(&self, view: &ViewDefinition) -> Result<Vec<SqlField>> {
        let plan = Names::new(self, &self.stream).view_plan(view)?;
        fields_of(&analyze(plan, &self.rewrite_context(&self.stream), &self.options)?)
    }

    /// Whether a query reads lake tables and VALUES only, so that it is answered at once rather than watched.
    pub fn is_batch(&self, query: &Query) -> Result<bool> {
        let plan = self.tree(query, &Names::new(self, &self.stream))?;
        self.reads_lake_only(&plan)
    }

    /// Whether a plan reads lake tables and VALUES only.
    pub(crate) fn reads_lake_only(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut only_lake = true;
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && !table_of(&scan.source).is_some_and(|t| matches!(t.origin, Origin::External(..)))
            {
                only_lake = false;
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(outward)?;
        Ok(only_lake)
    }
}

/// Columns of a plan as Flink names and types them.
pub(crate) fn fields_of(plan: &LogicalPlan) -> Result<Vec<SqlField>> {
    plan.schema()
        .fields()
        .iter()
        .map(|field| {
            SqlField::from_arrow(field).ok_or_else(|| {
                freshet_types::Error::unsupported(
                    "type.unsupported",
                    format!("column \"{}\" is of type {}, which SQL has no name for", field.name(), field.data_type()),
                )
            })
        })
        .collect()
}

/// Settings of the step from syntax to plan: names keep their case and
/// place, numbers with a point are decimals, NULL is lowest.
fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_collect_spans(true)
        .with_enable_ident_normalization(false)
        .with_parse_float_as_decimal(true)
        .with_map_string_types_to_utf8view(false)
        .with_default_null_ordering(NullOrdering::NullsMin)
}
