//! What names mean to DataFusion's planner: tables, views and functions of the session.

use super::error::inward;
use super::special_tables::{FILE, SpecialTable, TABLE};
use super::{Functions, Planner};
use crate::catalog::{ResolvedTable, TablePath, ViewDefinition};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Column, Result as DfResult, TableReference};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use freshet_types::{Error, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// Names as one query sees them.
pub(crate) struct Names<'p, 'a> {
    planner: &'p Planner<'a>,
    functions: &'p Functions,
    /// Catalog and database in which short names are looked up; none for the session's.
    home: Option<(String, String)>,
    /// Views that are being planned around this query.
    around: Vec<TablePath>,
}

impl<'p, 'a> Names<'p, 'a> {
    /// Names of the session.
    pub(crate) fn new(planner: &'p Planner<'a>, functions: &'p Functions) -> Self {
        Self { planner, functions, home: None, around: Vec::new() }
    }

    fn source(&self, table: &SpecialTable) -> Result<Arc<dyn TableSource>> {
        let resolved = self.planner.resolve(&table.parts, self.home.as_ref())?;
        match resolved {
            ResolvedTable::View(view)
                if table.options.is_empty() && table.as_of.is_none() && table.snapshot.is_none() =>
            {
                self.view(&view)
            }
            ResolvedTable::View(view) => Err(Error::invalid(
                "view.options",
                format!("view \"{}\" takes neither options nor a version", view.path.name),
            )
            .hint("put them behind the table inside the view")),
            other => Ok(self.planner.table(&other, table)? as Arc<dyn TableSource>),
        }
    }

    fn view(&self, view: &ViewDefinition) -> Result<Arc<dyn TableSource>> {
        let plan = self.view_plan(view)?;
        Ok(Arc::new(View { schema: Arc::new(plan.schema().as_arrow().clone()), plan }))
    }

    /// The plan of a view, whose names mean what they meant where it was made.
    pub(crate) fn view_plan(&self, view: &ViewDefinition) -> Result<LogicalPlan> {
        if self.around.contains(&view.path) {
            return Err(Error::invalid("view.circle", format!("view \"{}\" reads from itself", view.path.name))
                .hint("create it anew over a table"));
        }
        let mut around = self.around.clone();
        around.push(view.path.clone());
        let names = Names { planner: self.planner, functions: self.functions, home: Some(view.home.clone()), around };
        self.planner
            .tree(&view.query, &names)
            .and_then(|plan| with_column_names(plan, &view.columns))
            // Places are those of the text that made the view.
            .map_err(|e| e.without_span().at("view", view.path.name.clone()))
    }
}

/// Gives the columns of a plan other names, where there are any.
pub(crate) fn with_column_names(plan: LogicalPlan, names: &[String]) -> Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    if columns.len() != names.len() {
        return Err(Error::invalid(
            "view.columns",
            format!("the query gives {} columns, but {} names stand there", columns.len(), names.len()),
        )
        .hint("name each column of the query"));
    }
    let exprs: Vec<Expr> = columns.into_iter().zip(names).map(|(c, name)| Expr::Column(c).alias(name)).collect();
    LogicalPlanBuilder::from(plan).project(exprs).and_then(LogicalPlanBuilder::build).map_err(super::outward)
}

/// A view, planned where it is named.
struct View {
    schema: SchemaRef,
    plan: LogicalPlan,
}

impl TableSource for View {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

impl ContextProvider for Names<'_, '_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        let parts = match name {
            TableReference::Bare { table } => vec![table.to_string()],
            TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
            TableReference::Full { catalog, schema, table } => {
                vec![catalog.to_string(), schema.to_string(), table.to_string()]
            }
        };
        self.source(&SpecialTable { parts, ..SpecialTable::default() }).map_err(inward)
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> DfResult<Arc<dyn TableSource>> {
        let found = match name {
            FILE => match SpecialTable::from_arguments(&args) {
                Some(file) => self.planner.file(&file).map(|t| t as Arc<dyn TableSource>),
                None => Err(Error::internal("plan.file", "a file has no path")),
            },
            TABLE => match SpecialTable::from_arguments(&args) {
                Some(table) => self.source(&table),
                None => Err(Error::internal("plan.table", "a table has no name")),
            },
            other => Err(super::window_tvf::unknown_function(other)),
        };
        found.map_err(inward)
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.functions.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.functions.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(super::types::FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar.get(&name.to_lowercase()).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate.get(&name.to_lowercase()).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window.get(&name.to_lowercase()).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.planner.options
    }

    fn udf_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.scalar.keys().filter(|n| !n.starts_with("__")).cloned().collect();
        names.sort();
        names
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.aggregate.keys().cloned().collect();
        names.sort();
        names
    }

    fn udwf_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.window.keys().cloned().collect();
        names.sort();
        names
    }
}

/// A column of a plan by position.
pub(crate) fn column_at(plan: &LogicalPlan, index: usize) -> Expr {
    Expr::Column(Column::from(plan.schema().qualified_field(index)))
}
