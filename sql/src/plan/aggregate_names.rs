//! Keeps aggregates apart whose names would be equal: DataFusion leaves casts out of names, so that `AVG(i)` and
//! `AVG(CAST(i AS DOUBLE))` in one SELECT would be one column that stands there twice.

use crate::functions::AGGREGATES;
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, Select, Value, Visit, VisitMut, Visitor, VisitorMut};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Gives the casts in aggregates that differ by nothing else a form that has a name.
pub(super) fn tell_apart(select: &mut Select) {
    let mut seen = Seen::default();
    let _ = Visit::visit(select, &mut seen);
    seen.0.retain(|_, written| written.len() > 1);
    if !seen.0.is_empty() {
        let _ = VisitMut::visit(select, &mut Mend(seen.0.into_values().flatten().collect()));
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if AGGREGATES.iter().any(|a| function.name.to_string().eq_ignore_ascii_case(a.name)))
}

/// Aggregates as they are written, by how they read without casts.
#[derive(Default)]
struct Seen(BTreeMap<String, BTreeSet<String>>);

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if is_aggregate(expr) {
            let mut bare = expr.clone();
            let _ = VisitMut::visit(&mut bare, &mut WithoutCasts);
            self.0.entry(bare.to_string()).or_default().insert(expr.to_string());
        }
        ControlFlow::Continue(())
    }
}

struct WithoutCasts;

impl VisitorMut for WithoutCasts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, .. } = expr {
            *expr = std::mem::replace(inner.as_mut(), Expr::Identifier(Ident::new("")));
        }
        ControlFlow::Continue(())
    }
}

/// The aggregates whose casts must show.
struct Mend(BTreeSet<String>);

impl VisitorMut for Mend {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_aggregate(expr) && self.0.contains(&expr.to_string()) {
            let _ = VisitMut::visit(expr, &mut ShowCasts);
        }
        ControlFlow::Continue(())
    }
}

/// `CAST(x AS t)` as `CASE WHEN 't' IS NOT NULL THEN CAST(x AS t) END`, which the optimiser takes back.
struct ShowCasts;

impl VisitorMut for ShowCasts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type, kind, .. } = &*expr {
            let name = Value::SingleQuotedString(format!("{kind:?} {data_type}")).with_empty_span();
            let condition = Expr::IsNotNull(Box::new(Expr::Value(name)));
            let result = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
            *expr = Expr::Case {
                case_token: ast::helpers::attached_token::AttachedToken::empty(),
                end_token: ast::helpers::attached_token::AttachedToken::empty(),
                operand: None,
                conditions: vec![ast::CaseWhen { condition, result }],
                else_result: None,
            };
        }
        ControlFlow::Continue(())
    }
}
