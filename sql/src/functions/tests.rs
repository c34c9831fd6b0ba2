//! Flink's functions and typing by example: each expression is planned from SQL, rewritten and evaluated twice, once
//! with its literals and once with columns in their places.

use super::{FunctionContext, aggregate, planner, scalar, window};
use crate::parse::{parse_expression, type_of};
use crate::rewrite::{self, RewriteContext};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue, TableReference, ToDFSchema};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF, col,
};
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use datafusion::physical_expr::create_physical_expr;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{Error, Result, SqlField, VirtualClock};
use std::collections::HashMap;
use std::sync::Arc;

/// 2024-02-29 12:34:56.789 UTC.
const NOW_MS: i64 = 1_709_210_096_789;

struct Names {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    aggregate: HashMap<String, Arc<AggregateUDF>>,
    window: HashMap<String, Arc<WindowUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
}

#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, data_type: &ast::DataType) -> PlanResult<Option<FieldRef>> {
        let sql_type = type_of(data_type).map_err(super::to_datafusion)?;
        Ok(sql_type.map(|t| Arc::new(SqlField::new("", t).to_arrow())))
    }
}

impl ContextProvider for Names {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        datafusion::common::plan_err!("no table {name}")
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(&name.to_lowercase()).cloned()
    }
    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(&name.to_lowercase()).cloned()
    }
    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.window.get(&name.to_lowercase()).cloned()
    }
    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        self.scalar.keys().cloned().collect()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }
    fn udaf_names(&self) -> Vec<String> {
        self.aggregate.keys().cloned().collect()
    }
    fn udwf_names(&self) -> Vec<String> {
        self.window.keys().cloned().collect()
    }
}

pub(super) struct Harness {
    names: Names,
    context: RewriteContext,
}

impl Harness {
    pub(super) fn new(zone: &str) -> Self {
        let functions = FunctionContext {
            time_zone: zone.parse().unwrap(),
            clock: Arc::new(VirtualClock::at(NOW_MS)),
            query_time_ms: Some(NOW_MS),
            database: "db".into(),
        };
        let names = Names {
            scalar: scalar(&functions).into_iter().map(|f| (f.name().to_string(), f)).collect(),
            aggregate: aggregate().into_iter().map(|f| (f.name().to_string(), f)).collect(),
            window: window().into_iter().map(|f| (f.name().to_string(), f)).collect(),
            planners: planner::expr_planners(&functions),
            options: ConfigOptions::default(),
        };
        Self { names, context: RewriteContext { functions } }
    }

    /// The rewritten expression, over a schema.
    fn plan(&self, sql: &str, schema: &DFSchema) -> Result<Expr> {
        let ast = parse_expression(sql)?;
        let options = ParserOptions::new().with_enable_ident_normalization(false).with_parse_float_as_decimal(true);
        let planner = SqlToRel::new_with_options(&self.names, options);
        let expr = planner.sql_to_expr(ast, schema, &mut PlannerContext::new()).map_err(super::from_datafusion)?;
        let expr = rewrite::apply_to_expression(expr, schema, &self.context)?;
        // DataFusion's own coercion must find nothing to do.
        let coerced = expr.clone().rewrite(&mut TypeCoercionRewriter::new(schema)).map_err(super::from_datafusion)?;
        Ok(coerced.data)
    }

    fn evaluate(&self, expr: &Expr, batch: &RecordBatch) -> Result<(ArrayRef, Field)> {
        let schema = batch.schema().to_dfschema().unwrap();
        let physical = create_physical_expr(expr, &schema, &ExecutionProps::new()).map_err(super::from_datafusion)?;
        let value = physical.evaluate(batch).map_err(super::from_datafusion)?;
        let field = expr.to_field(&schema).map_err(super::from_datafusion)?.1;
        Ok((value.into_array(batch.num_rows()).map_err(super::from_datafusion)?, field.as_ref().clone()))
    }

    fn text(&self, array: &ArrayRef, field: &Field, row: usize) -> String {
        if array.data_type() == &DataType::Null || array.is_null(row) {
            return "NULL".into();
        }
        let style = TextStyle { zone: self.context.functions.time_zone, ..TextStyle::default() };
        let mut out = String::new();
        ColumnText::new(field, &style).append(array.as_ref(), row, &mut out).unwrap();
        out
    }

    /// The value of an expression, from its literals and from columns.
    pub(super) fn value(&self, sql: &str) -> String {
        let empty = DFSchema::empty();
        let expr = match self.plan(sql, &empty) {
            Ok(expr) => expr,
            Err(e) => return format!("ERROR {}", e.text()),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        let (array, field) = match self.evaluate(&expr, &one) {
            Ok(result) => result,
            Err(e) => return format!("ERROR {}", e.text()),
        };
        let value = self.text(&array, &field, 0);
        self.check_columns(sql, &expr, &value);
        value
    }

    /// Puts columns in the place of literals: a row of the literals, a row of NULLs, the row of the literals again.
    fn check_columns(&self, sql: &str, expr: &Expr, value: &str) {
        let mut columns: Vec<(FieldRef, ArrayRef)> = Vec::new();
        let replaced = expr
            .clone()
            .transform_down(|e| match e {
                // Their result's type, or their meaning, hangs on the literal.
                Expr::ScalarFunction(ref call)
                    if matches!(
                        call.func.name(),
                        "round"
                            | "truncate"
                            | "extract"
                            | "floor"
                            | "ceil"
                            | "timestampdiff"
                            | "timestampadd"
                            | "json_object"
                            | "json_array"
                            | "map"
                            | "map_from_arrays"
                            | "rand"
                            | "rand_integer"
                            | "typeof"
                            | "get_field"
                            | "decimal_divide"
                            | "decimal_modulo"
                    ) =>
                {
                    Ok(Transformed::new(e, false, TreeNodeRecursion::Jump))
                }
                Expr::Like(_) => Ok(Transformed::new(e, false, TreeNodeRecursion::Jump)),
                Expr::Literal(literal, _) if !literal.is_null() && !literal.data_type().is_nested() => {
                    let name = format!("c{}", columns.len());
                    let field = Arc::new(Field::new(&name, literal.data_type(), true));
                    let null = ScalarValue::try_from(&literal.data_type())?;
                    let array = ScalarValue::iter_to_array([literal.clone(), null, literal])?;
                    columns.push((field, array));
                    Ok(Transformed::new(col(name), true, TreeNodeRecursion::Jump))
                }
                other => Ok(Transformed::no(other)),
            })
            .unwrap()
            .data;
        if columns.is_empty() {
            return;
        }
        let (fields, arrays): (Vec<FieldRef>, Vec<ArrayRef>) = columns.into_iter().unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let (array, field) = match self.evaluate(&replaced, &batch) {
            Ok(result) => result,
            Err(e) => panic!("{sql} on columns: {e:?}"),
        };
        assert_eq!(array.len(), 3, "{sql}");
        for row in [0, 2] {
            assert_eq!(self.text(&array, &field, row), value, "{sql} on columns, row {row}");
        }
    }

    /// The type of an expression.
    pub(super) fn type_of(&self, sql: &str) -> String {
        let expr = match self.plan(sql, &DFSchema::empty()) {
            Ok(expr) => expr,
            Err(e) => return format!("ERROR {}", e.text()),
        };
        let (_, field) = expr.to_field(&DFSchema::empty()).unwrap();
        SqlField::from_arrow(&field).unwrap().sql_type.to_string()
    }
}

fn check(harness: &Harness, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let value = harness.value(sql);
        let fits = match expected.strip_prefix("ERROR ") {
            Some(part) => value.starts_with("ERROR ") && value.contains(part),
            None => value == *expected,
        };
        if !fits {
            wrong.push(format!("{sql}\n  expected {expected}\n  got      {value}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn text() {
    check(&Harness::new("UTC"), cases::TEXT);
}

#[test]
fn numbers() {
    check(&Harness::new("UTC"), cases::NUMBERS);
}

#[test]
fn times() {
    check(&Harness::new("UTC"), cases::TIMES);
}

#[test]
fn times_in_shanghai() {
    check(&Harness::new("Asia/Shanghai"), cases::TIMES_IN_SHANGHAI);
}

#[test]
fn casts() {
    check(&Harness::new("UTC"), cases::CASTS);
}

#[test]
fn choices_and_comparisons() {
    check(&Harness::new("UTC"), cases::CHOICES);
}

#[test]
fn collections() {
    check(&Harness::new("UTC"), cases::COLLECTIONS);
}

#[test]
fn json() {
    check(&Harness::new("UTC"), cases::JSON);
}

#[test]
fn types() {
    let harness = Harness::new("UTC");
    let mut wrong = Vec::new();
    for (sql, expected) in cases::TYPES {
        let got = harness.type_of(sql);
        if got != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each strict function is NULL when one of its arguments is.
#[test]
fn null_in_null_out() {
    let harness = Harness::new("UTC");
    for call in cases::STRICT {
        let (name, arguments) = call.split_once('(').unwrap();
        let arguments: Vec<&str> = arguments.strip_suffix(')').unwrap().split(", ").collect();
        for place in 0..arguments.len() {
            // Units and the like are words, not values.
            if arguments[place].starts_with(|c: char| c.is_ascii_uppercase())
                && !arguments[place].contains(['(', ' ', '\''])
            {
                continue;
            }
            let mut with_null = arguments.clone();
            with_null[place] = "NULL";
            let sql = format!("{name}({})", with_null.join(", "));
            // Flink 2.3 says that NULL is no JSON.
            let expected = if name == "IS_JSON" { "FALSE" } else { "NULL" };
            assert_eq!(harness.value(&sql), expected, "{sql}");
        }
    }
}

#[test]
fn random_functions_stay_in_their_bounds() {
    let harness = Harness::new("UTC");
    for _ in 0..20 {
        let value: f64 = harness.value("RAND()").parse().unwrap();
        assert!((0.0..1.0).contains(&value));
        assert!((0..7).contains(&harness.value("RAND_INTEGER(7)").parse::<i32>().unwrap()));
    }
    assert_eq!(harness.value("RAND(5)"), harness.value("RAND(5)"));
    assert_ne!(harness.value("UUID()"), harness.value("UUID()"));
    assert_eq!(harness.value("CHAR_LENGTH(UUID())"), "36");
}

#[test]
fn names_are_unique_and_documented() {
    let mut names = std::collections::HashSet::new();
    for listed in super::list() {
        assert!(names.insert(listed.name), "{} is there twice", listed.name);
        assert!(!listed.doc.is_empty() && listed.signature.to_lowercase().contains(|c: char| c.is_alphabetic()));
        assert_eq!(listed.name, listed.name.to_lowercase());
    }
    assert!(names.len() > 190, "{}", names.len());
}

#[test]
fn errors_name_the_function_and_how_to_call_it() {
    let harness = Harness::new("UTC");
    let error: Error = harness.plan("SPLIT_INDEX('a')", &DFSchema::empty()).unwrap_err();
    assert_eq!(error.code(), "function.arguments");
    assert_eq!(error.text(), "function \"SPLIT_INDEX\" does not take 1 arguments");
    assert_eq!(error.hint_text(), Some("call it as SPLIT_INDEX(text, separator, index)"));
}

mod cases;
mod flink;
