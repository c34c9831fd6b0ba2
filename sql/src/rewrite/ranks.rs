//! The first rows of each group, as a bound on ROW_NUMBER().

use crate::functions::window;
use datafusion::common::{Column, Result as PlanResult};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, Filter, LogicalPlan, SortExpr, Window, WindowFrame, WindowFunctionDefinition, lit,
};
use std::sync::Arc;

/// Keeps `fetch` rows behind the first `skip` of each group; their rank is one more column, the last.
pub(super) fn keep(
    rows: LogicalPlan,
    groups: Vec<Expr>,
    order: Vec<SortExpr>,
    skip: usize,
    fetch: Option<usize>,
) -> PlanResult<LogicalPlan> {
    let row_number = Expr::WindowFunction(Box::new(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(window::row_number()),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by: groups,
            window_frame: WindowFrame::new((!order.is_empty()).then_some(false)),
            order_by: order,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    }));
    let plan = LogicalPlan::Window(Window::try_new(vec![row_number], Arc::new(rows))?);
    let rank = plan.schema().iter().last().map(|field| Expr::Column(Column::from(field))).expect("it was added");
    let number = |n: usize| lit(i64::try_from(n).unwrap_or(i64::MAX));
    let bounds = [
        fetch.map(|fetch| match fetch {
            0 => lit(false),
            fetch => rank.clone().lt_eq(number(skip.saturating_add(fetch))),
        }),
        (skip > 0).then(|| rank.clone().gt(number(skip))),
    ];
    match conjunction(bounds.into_iter().flatten()) {
        Some(bounds) => Ok(LogicalPlan::Filter(Filter::try_new(bounds, Arc::new(plan))?)),
        None => Ok(plan),
    }
}
