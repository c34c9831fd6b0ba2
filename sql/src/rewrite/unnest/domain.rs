//! The values of the outer columns that a sub-query names, and their way up through it.

use crate::functions::to_datafusion;
use crate::rewrite::outer::{is_correlated, outer_columns};
use crate::rewrite::ranks;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, JoinConstraint, JoinType, NullEquality, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Case, Distinct, Expr, FetchType, Filter, Join, Limit, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, SkipType, SortExpr, Union, Window, binary_expr, lit,
};
use freshet_types::Error;
use std::sync::Arc;

const AS_JOIN: &str = "write it as a JOIN";

/// The values of the outer columns, each once.
pub(super) struct Domain {
    plan: LogicalPlan,
    /// Outer columns, and their names in the domain.
    columns: Vec<(Column, String)>,
}

impl Domain {
    /// The outer columns that `subquery` names, with their values in `outer`; `around` has names that are taken.
    pub(super) fn new(outer: &Arc<LogicalPlan>, around: &LogicalPlan, subquery: &LogicalPlan) -> PlanResult<Self> {
        let named: Vec<Column> =
            outer_columns(subquery).into_iter().filter(|column| outer.schema().has_column(column)).collect();
        if is_volatile(outer)? {
            return Err(not_there("of rows that are never the same twice (RAND, UUID)", AS_JOIN));
        }
        let prefix = unused_prefix("__outer", [around, subquery]);
        let columns: Vec<(Column, String)> =
            named.into_iter().enumerate().map(|(i, column)| (column, format!("{prefix}{i}"))).collect();
        let values = columns.iter().map(|(column, name)| Expr::Column(column.clone()).alias(name)).collect();
        let values = LogicalPlan::Projection(Projection::try_new(values, Arc::clone(outer))?);
        Ok(Self { plan: LogicalPlan::Distinct(Distinct::All(Arc::new(values))), columns })
    }

    /// The columns of the domain.
    pub(super) fn columns(&self) -> Vec<Expr> {
        self.columns.iter().map(|(_, name)| Expr::Column(Column::new_unqualified(name))).collect()
    }

    /// Outer columns and what they must be equal to, NULL being equal to NULL.
    pub(super) fn keys(&self) -> Vec<(Expr, Expr)> {
        self.columns.iter().map(|(column, _)| Expr::Column(column.clone())).zip(self.columns()).collect()
    }

    /// The rows that a part of the sub-query has for each value of the domain: its columns, and the domain's.
    pub(super) fn through(&self, plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
        if self.columns.is_empty() {
            return Ok(plan.clone());
        }
        if !is_correlated(plan) {
            return LogicalPlanBuilder::from(plan.clone()).cross_join(self.plan.clone())?.build();
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let fields = projection.schema.iter();
                let exprs = projection.expr.iter().zip(fields).map(|(expr, (qualifier, field))| {
                    let inner = self.inner(expr.clone())?;
                    let is_same = matches!(inner, Expr::Alias(_) | Expr::Column(_)) && inner == *expr;
                    Ok(if is_same { inner } else { inner.unalias().alias_qualified(qualifier.cloned(), field.name()) })
                });
                self.select(exprs.collect::<PlanResult<_>>()?, self.through(&projection.input)?)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let names = alias.input.schema().columns().into_iter().zip(alias.schema.iter());
                let exprs = names.map(|(column, (qualifier, field))| {
                    Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
                });
                self.select(exprs.collect(), self.through(&alias.input)?)
            }
            LogicalPlan::Filter(filter) => {
                let predicate = self.inner(filter.predicate.clone())?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(self.through(&filter.input)?))?))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(self.through(input)?))))
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.through(&sort.input),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            other => Err(not_there(&format!("with {}", kind_of(other)), AS_JOIN)),
        }
    }

    /// An expression of the sub-query over the columns of the domain.
    fn inner(&self, expr: Expr) -> PlanResult<Expr> {
        let replaced = expr.transform_up(|e| {
            let Expr::OuterReferenceColumn(_, column) = &e else { return Ok(Transformed::no(e)) };
            Ok(match self.columns.iter().find(|(outer, _)| outer == column) {
                Some((_, name)) => Transformed::yes(Expr::Column(Column::new_unqualified(name))),
                None => Transformed::no(e),
            })
        });
        Ok(replaced?.data)
    }

    /// These columns, and the domain's.
    fn select(&self, mut exprs: Vec<Expr>, input: LogicalPlan) -> PlanResult<LogicalPlan> {
        exprs.extend(self.columns());
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
    }

    /// The same values under other names.
    fn renamed(&self) -> Self {
        let columns = self.columns.iter().map(|(outer, name)| (outer.clone(), format!("{name}r"))).collect();
        Self { plan: self.plan.clone(), columns }
    }

    /// `plan` with the columns of the domain under the names of `other`.
    fn rename(&self, other: &Self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        let own = |column: &Column| self.columns.iter().position(|(_, name)| *name == column.name);
        let exprs = plan.schema().columns().into_iter().map(|column| match own(&column) {
            Some(i) if column.relation.is_none() => Expr::Column(column).alias(&other.columns[i].1),
            _ => Expr::Column(column),
        });
        Ok(LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(plan))?))
    }

    /// The first rows for each value are those of the lowest ranks.
    fn limit(&self, limit: &Limit) -> PlanResult<LogicalPlan> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(not_there("with LIMIT of more than a number", AS_JOIN));
        };
        let below = |input: &Arc<LogicalPlan>| LogicalPlan::Limit(Limit { input: Arc::clone(input), ..limit.clone() });
        let (input, order) = match limit.input.as_ref() {
            // Its columns, and what the rows are ordered by, stand below.
            LogicalPlan::Projection(projection) => {
                let limited = Projection::try_new(projection.expr.clone(), Arc::new(below(&projection.input)))?;
                return self.through(&LogicalPlan::Projection(limited));
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => (&sort.input, sort.expr.clone()),
            _ => (&limit.input, Vec::new()),
        };
        let rows = self.through(input)?;
        let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let order = order.into_iter().map(|by| Ok(SortExpr { expr: self.inner(by.expr)?, ..by }));
        let ranked = ranks::keep(rows, self.columns(), order.collect::<PlanResult<_>>()?, skip, fetch)?;
        self.select(columns, ranked)
    }

    /// One row for each group and value; without groups also for values without rows.
    fn aggregate(&self, aggregate: &Aggregate) -> PlanResult<LogicalPlan> {
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(not_there("with GROUPING SETS", AS_JOIN));
        }
        let names = NamePreserver::new_for_projection();
        let inner = |exprs: &[Expr]| {
            let inner = exprs.iter().map(|expr| Ok(names.save(expr).restore(self.inner(expr.clone())?)));
            inner.collect::<PlanResult<Vec<_>>>()
        };
        let (mut groups, calls) = (inner(&aggregate.group_expr)?, inner(&aggregate.aggr_expr)?);
        groups.extend(self.columns());
        let input = self.through(&aggregate.input)?;
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, calls)?);
        if !aggregate.group_expr.is_empty() {
            return Ok(grouped);
        }
        let right = self.renamed();
        let joined = self.with_its(&right, self.rename(&right, grouped)?)?;
        let fields = aggregate.schema.iter().zip(&aggregate.aggr_expr);
        let values = fields.map(|((qualifier, field), call)| {
            let column = Expr::Column(Column::from((qualifier, field)));
            match call.clone().unalias() {
                // Of no rows COUNT makes 0, where every other aggregate makes NULL.
                Expr::AggregateFunction(call) if call.func.name() == "count" => {
                    zero_for_null(column).alias_qualified(qualifier.cloned(), field.name())
                }
                _ => column,
            }
        });
        self.select(values.collect(), joined)
    }

    /// Windows within each value.
    fn window(&self, window: &Window) -> PlanResult<LogicalPlan> {
        let input = self.through(&window.input)?;
        let within = window.window_expr.iter().map(|expr| {
            let within = self.inner(expr.clone())?.unalias().transform_up(|e| match e {
                Expr::WindowFunction(mut call) => {
                    call.params.partition_by.extend(self.columns());
                    Ok(Transformed::yes(Expr::WindowFunction(call)))
                }
                other => Ok(Transformed::no(other)),
            });
            Ok(within?.data)
        });
        let within = within.collect::<PlanResult<Vec<_>>>()?;
        let made: Vec<Expr> =
            within.iter().map(|e| Expr::Column(Column::new_unqualified(e.schema_name().to_string()))).collect();
        let plan = LogicalPlan::Window(Window::try_new(within, Arc::new(input))?);
        let width = window.input.schema().fields().len();
        let columns = window.schema.iter().enumerate().map(|(i, (qualifier, field))| match i.checked_sub(width) {
            Some(call) => made[call].clone().alias_qualified(qualifier.cloned(), field.name()),
            None => Expr::Column(Column::from((qualifier, field))),
        });
        self.select(columns.collect(), plan)
    }

    /// Each side has the domain where it needs it: the side whose rows are all kept, and whatever names outer columns.
    fn join(&self, join: &Join) -> PlanResult<LogicalPlan> {
        let (left, right) = (is_correlated(&join.left), is_correlated(&join.right));
        let condition = join.filter.iter().chain(join.on.iter().flat_map(|(l, r)| [l, r])).any(Expr::contains_outer);
        let (left, right) = match join.join_type {
            JoinType::Inner => (left || !right, right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => (true, right || condition),
            JoinType::Right => (left || condition, true),
            _ => return Err(not_there("with this kind of join", AS_JOIN)),
        };
        let mut conditions = Vec::new();
        let mut on = Vec::new();
        for (l, r) in &join.on {
            match l.contains_outer() || r.contains_outer() {
                true => conditions.push(self.inner(l.clone())?.eq(self.inner(r.clone())?)),
                false => on.push((l.clone(), r.clone())),
            }
        }
        if let Some(filter) = &join.filter {
            conditions.push(self.inner(filter.clone())?);
        }
        // Equality in the condition would take on what the keys mean by it.
        let null_equals_null = join.null_equality == NullEquality::NullEqualsNull;
        if null_equals_null && !conditions.is_empty() {
            return Err(not_there("with a join on IS NOT DISTINCT FROM", AS_JOIN));
        }
        let sides = |plan: &Arc<LogicalPlan>, with: bool| match with {
            true => self.through(plan),
            false => Ok(plan.as_ref().clone()),
        };
        let (mut l, mut r) = (sides(&join.left, left)?, sides(&join.right, right)?);
        if left && right {
            // The side whose rows are all kept has its own names.
            let other = self.renamed();
            match join.join_type {
                JoinType::Right => l = self.rename(&other, l)?,
                _ => r = self.rename(&other, r)?,
            }
            let (mut a, mut b) = (self.columns(), other.columns());
            if join.join_type == JoinType::Right {
                std::mem::swap(&mut a, &mut b);
            }
            let pairs = a.into_iter().zip(b);
            match null_equals_null {
                true => on.extend(pairs),
                false => conditions.extend(pairs.map(|(a, b)| binary_expr(a, Operator::IsNotDistinctFrom, b))),
            }
        }
        let joined = LogicalPlan::Join(Join::try_new(
            Arc::new(l),
            Arc::new(r),
            on,
            conjunction(conditions),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?);
        self.select(join.schema.columns().into_iter().map(Expr::Column).collect(), joined)
    }

    /// Every value with the row that has it under the names of `other`, or without one.
    fn with_its(&self, other: &Self, rows: LogicalPlan) -> PlanResult<LogicalPlan> {
        Ok(LogicalPlan::Join(Join::try_new(
            Arc::new(self.plan.clone()),
            Arc::new(rows),
            self.columns().into_iter().zip(other.columns()).collect(),
            None,
            JoinType::Left,
            JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?))
    }

    fn union(&self, union: &Union) -> PlanResult<LogicalPlan> {
        let inputs = union.inputs.iter().map(|input| {
            let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
            Ok(Arc::new(self.select(columns, self.through(input)?)?))
        });
        let united = Union::try_new_with_loose_types(inputs.collect::<PlanResult<_>>()?)?;
        let united = LogicalPlan::Union(united);
        let made = united.schema().columns().into_iter();
        let columns = made
            .zip(union.schema.iter())
            .map(|(column, (qualifier, field))| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
        self.select(columns.collect(), united)
    }
}

fn is_volatile(plan: &LogicalPlan) -> PlanResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        found = found || node.expressions().iter().any(Expr::is_volatile);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn zero_for_null(count: Expr) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(count.clone().is_null()), Box::new(lit(0_i64)))],
        else_expr: Some(Box::new(count)),
    })
}

/// First word of a node, for messages.
fn kind_of(plan: &LogicalPlan) -> String {
    let text = plan.display().to_string();
    text.split([':', ' ']).next().unwrap_or_default().to_uppercase()
}

pub(super) fn not_there(what: &str, hint: &str) -> DataFusionError {
    let error = Error::unsupported("query.unsupported", format!("a correlated sub-query {what} is not there yet"));
    to_datafusion(error.hint(hint))
}

/// The word, a number and `_`, so that no column of the plans has a name that begins with it.
pub(super) fn unused_prefix<const N: usize>(word: &str, plans: [&LogicalPlan; N]) -> String {
    let mut taken: Vec<String> = Vec::new();
    for plan in plans {
        // It fails only where the closure does.
        let _ = plan.apply(|node| {
            taken.extend(node.schema().fields().iter().map(|f| f.name().clone()).filter(|name| name.starts_with(word)));
            Ok(TreeNodeRecursion::Continue)
        });
    }
    let mut prefixes = (0..).map(|level| format!("{word}{level}_"));
    prefixes.find(|prefix| !taken.iter().any(|name| name.starts_with(prefix.as_str()))).expect("numbers do not end")
}
