//! Carries our errors through DataFusion's planner, and says DataFusion's own in our words.

use crate::parse::byte_of;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, SchemaError, Span};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::Spanned;
use freshet_types::{Error, suggest};

/// Wraps an error of ours so that it survives the way through a DataFusion trait.
pub(crate) fn inward(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The error that a DataFusion call ended with: ours if there is one inside, otherwise DataFusion's in our words.
pub(crate) fn outward(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => match other.downcast::<DataFusionError>() {
                Ok(inner) => outward(*inner),
                Err(other) => Error::internal("plan.failed", "the plan failed").because(other),
            },
        },
        DataFusionError::Diagnostic(diagnostic, inner) => placed(outward(*inner), diagnostic.span.as_ref()),
        DataFusionError::Context(_, inner) => outward(*inner),
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => outward(inner),
            Err(shared) => Error::invalid("plan.invalid", first_line(&shared.to_string())),
        },
        DataFusionError::Collection(mut all) if !all.is_empty() => outward(all.remove(0)),
        DataFusionError::SchemaError(schema, _) => of_schema(&schema),
        DataFusionError::Plan(text) => of_plan(&first_line(&text)),
        DataFusionError::NotImplemented(text) if is_of_subquery(&text) => left_subquery(),
        DataFusionError::NotImplemented(text) => Error::unsupported("plan.unsupported", first_line(&text)),
        DataFusionError::SQL(e, _) => Error::invalid("sql.syntax", first_line(&e.to_string())),
        DataFusionError::ArrowError(e, _) => Error::from(*e),
        DataFusionError::Execution(text) => Error::data("value.invalid", first_line(&text)),
        DataFusionError::ResourcesExhausted(text) => Error::exhausted("memory.exhausted", first_line(&text)),
        other => Error::internal("plan.failed", first_line(&other.to_string())),
    }
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        // A name that DataFusion gave: what it pulled out of a sub-query is not shown by it.
        SchemaError::FieldNotFound { field, .. } if field.flat_name().starts_with("__correlated_sq") => left_subquery(),
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|f| f.name.as_str()).collect();
            let error =
                Error::not_found("column.unknown", format!("no column named \"{}\"", plain(&field.flat_name())))
                    .hint(suggest::hint(&field.name, "columns", names));
            placed(error, field.spans().first().as_ref())
        }
        SchemaError::AmbiguousReference { field } => {
            Error::invalid("column.ambiguous", format!("column \"{}\" stands for more than one column", field.name))
                .hint("write the table's name or alias before it")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::invalid("column.duplicate", format!("column \"{name}\" stands there twice"))
                .hint("give one of them another name with AS")
        }
    }
}

/// The planning errors that people meet most, in our words and with a mend; the others as they are.
fn of_plan(text: &str) -> Error {
    if text.starts_with("accessing outer reference columns") || is_of_subquery(text) {
        return left_subquery();
    }
    if let Some(name) = text.strip_prefix("invalid function '").and_then(|rest| rest.split('\'').next()) {
        let names = crate::functions::list();
        let name = name.to_uppercase();
        if names.iter().any(|f| f.name.eq_ignore_ascii_case(&name)) {
            return Error::unsupported("query.unsupported", format!("{name} with OVER is not there yet"));
        }
        let near = suggest::nearest(&name, names.iter().map(|f| f.name));
        let error = Error::not_found("function.unknown", format!("no function named \"{name}\""));
        return error.hint(match near {
            Some(near) => format!("did you mean \"{}\"?", near.to_uppercase()),
            None => "write SHOW FUNCTIONS to list all functions".to_string(),
        });
    }
    if text.contains("must appear in the GROUP BY clause") || text.contains("must be in GROUP BY") {
        let name = text.split("column \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?");
        let name = name.rsplit('.').next().unwrap_or(name);
        return Error::invalid("group_by.column", format!("column \"{name}\" is neither grouped by nor aggregated"))
            .hint(format!("add {name} to GROUP BY, or wrap it in an aggregate such as MAX({name})"));
    }
    if text.contains("queries have different number of columns") {
        return Error::invalid("union.columns", "the queries of a set operation give different numbers of columns")
            .hint("let each of them select as many columns as the first");
    }
    if text.contains("not allowed in the WHERE clause") {
        return Error::invalid("where.aggregate", "WHERE cannot hold an aggregate: it is decided row by row")
            .hint("put the condition into HAVING, behind GROUP BY");
    }
    if text.contains("must be aggregated to return at most one row") {
        return Error::unsupported(
            "query.unsupported",
            "a correlated sub-query as a value that may give many rows is not there yet",
        )
        .hint("aggregate its column, such as MAX(x), or keep one row: ORDER BY x LIMIT 1");
    }
    Error::invalid("plan.invalid", text)
}

/// Whether DataFusion says that it has no place for a sub-query which its rules did not make a join.
fn is_of_subquery(text: &str) -> bool {
    text.contains("does not support logical expression")
        && ["OuterReferenceColumn(", "Exists(", "InSubquery(", "ScalarSubquery("].iter().any(|e| text.contains(e))
}

fn left_subquery() -> Error {
    Error::unsupported("query.unsupported", "a sub-query of this form is not there yet").hint("write it as a JOIN")
}

/// The error with the place in the script that a node of the plan carries, unless it knows a nearer one.
fn placed(error: Error, place: Option<&Span>) -> Error {
    match place.and_then(bytes_of) {
        Some((start, end)) => error.span(start, end),
        None => error,
    }
}

/// The error with the place in the script of a part of the syntax tree, unless it knows a nearer one.
pub(crate) fn placed_at(error: DataFusionError, part: &impl Spanned) -> DataFusionError {
    inward(placed_in(outward(error), part))
}

/// The same for an error of ours.
pub(crate) fn placed_in(error: Error, part: &impl Spanned) -> Error {
    placed(error, Span::try_from_sqlparser_span(part.span()).as_ref())
}

/// Bytes of the script that a place stands for.
fn bytes_of(place: &Span) -> Option<(usize, usize)> {
    byte_of(place.start.line, place.start.column).zip(byte_of(place.end.line, place.end.column))
}

/// The part of the script from the first to the last column that `exprs` name.
pub(crate) fn columns_place<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Option<(usize, usize)> {
    let mut whole: Option<(usize, usize)> = None;
    for expr in exprs {
        let looked = expr.apply(|e| {
            if let Expr::Column(column) = e
                && let Some((start, end)) = column.spans().first().as_ref().and_then(bytes_of)
            {
                let (from, to) = whole.unwrap_or((start, end));
                whole = Some((from.min(start), to.max(end)));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(looked.is_ok(), "looking has no way to fail");
    }
    whole
}

fn plain(name: &str) -> String {
    name.replace('"', "")
}

/// DataFusion's texts as ours: one line, lowercase at the start, no final stop.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let mut letters = line.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_errors_survive_the_way_through_datafusion() {
        let ours = Error::invalid("window.size", "the window has no size").hint("write a size");
        let through = inward(ours).context("while planning").context("of a query");
        let back = outward(through);
        assert_eq!(back.code(), "window.size");
        assert_eq!(back.hint_text(), Some("write a size"));
    }

    #[test]
    fn foreign_texts_are_said_in_our_words() {
        let e = outward(DataFusionError::Plan("Something is wrong.\nbacktrace".into()));
        assert_eq!(e.text(), "something is wrong");
        let e = outward(DataFusionError::Plan("Invalid function 'uppr'.\nDid you mean 'x'?".into()));
        assert_eq!((e.code(), e.hint_text()), ("function.unknown", Some("did you mean \"UPPER\"?")));
        assert_eq!(outward(DataFusionError::NotImplemented("X".into())).kind(), freshet_types::ErrorKind::Unsupported);
    }
}
