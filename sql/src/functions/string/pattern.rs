//! Patterns of LIKE and SIMILAR TO, as the rewriting of expressions needs them.

use super::regexp::compile;
use crate::functions::{FunctionContext, to_datafusion};
use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use freshet_types::{Error, Result};
use std::sync::Arc;

/// A pattern whose escape character is the backslash, from one with another escape character or none.
///
/// # Errors
/// `operator.escape` when something other than `%`, `_` or the escape character itself is escaped.
pub(crate) fn with_backslash(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next) if next == c || matches!(next, '%' | '_') => {
                    if matches!(next, '%' | '_' | '\\') {
                        out.push('\\');
                    }
                    out.push(next);
                }
                _ => {
                    return Err(Error::invalid("operator.escape", format!("the pattern '{pattern}' escapes nothing"))
                        .hint(format!("write {c} only before %, _ or {c}")));
                }
            }
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// Whether each backslash of a pattern escapes something.
pub(crate) fn is_backslashed(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !matches!(chars.next(), Some('%' | '_' | '\\')) {
            return false;
        }
    }
    true
}

/// SIMILAR TO's pattern as a regular expression over the whole text.
fn similar_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?s:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            if let Some(next) = chars.next() {
                out.push_str(&fancy_regex::escape(&next.to_string()));
            }
            continue;
        }
        match c {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        match c {
            '%' if !in_class => out.push_str(".*"),
            '_' if !in_class => out.push('.'),
            '.' | '\\' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '^' if !in_class => out.push_str("\\^"),
            other => out.push(other),
        }
    }
    out.push_str(")$");
    out
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Kind {
    LikePattern,
    Similar,
}

/// The run-time half of LIKE with a pattern that is not a literal, and SIMILAR TO.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pattern {
    kind: Kind,
    escape: Option<char>,
    signature: Signature,
}

fn call(kind: Kind, escape: Option<char>, args: Vec<Expr>) -> Expr {
    let signature = Signature::any(args.len(), Volatility::Immutable);
    let udf = ScalarUDF::new_from_impl(Pattern { kind, escape, signature });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
}

/// A pattern that is not a literal, with the backslash as escape character.
pub(crate) fn like_pattern(pattern: Expr, escape: Option<char>, _: &FunctionContext) -> Expr {
    call(Kind::LikePattern, escape, vec![pattern])
}

/// Whether an expression is one of [`like_pattern`].
pub(crate) fn is_like_pattern(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call)
        if call.func.inner().downcast_ref::<Pattern>().is_some_and(|p| p.kind == Kind::LikePattern))
}

/// `text SIMILAR TO pattern`.
pub(crate) fn similar(text: Expr, pattern: Expr, escape: Option<char>, _: &FunctionContext) -> Expr {
    call(Kind::Similar, escape, vec![text, pattern])
}

impl ScalarUDFImpl for Pattern {
    fn name(&self) -> &str {
        match self.kind {
            Kind::LikePattern => "like_pattern",
            Kind::Similar => "similar_to",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(match self.kind {
            Kind::LikePattern => DataType::Utf8,
            Kind::Similar => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let arrays: Vec<ArrayRef> =
            arrays.iter().map(|a| Ok(arrow::compute::cast(a, &DataType::Utf8)?)).collect::<PlanResult<_>>()?;
        let result: ArrayRef = match self.kind {
            Kind::LikePattern => {
                let patterns = arrays[0].as_string::<i32>();
                let ready = patterns
                    .iter()
                    .map(|p| p.map(|p| with_backslash(p, self.escape)).transpose())
                    .collect::<Result<StringArray>>();
                Arc::new(ready.map_err(to_datafusion)?)
            }
            Kind::Similar => {
                Arc::new(self.similar(arrays[0].as_string(), arrays[1].as_string()).map_err(to_datafusion)?)
            }
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Pattern {
    fn similar(&self, texts: &StringArray, patterns: &StringArray) -> Result<BooleanArray> {
        let mut known: Option<(&str, fancy_regex::Regex)> = None;
        texts
            .iter()
            .zip(patterns)
            .map(|(text, pattern)| {
                let (Some(text), Some(pattern)) = (text, pattern) else { return Ok(None) };
                if known.as_ref().is_none_or(|(p, _)| *p != pattern) {
                    let regex = compile(&similar_pattern(pattern, self.escape)).ok_or_else(|| {
                        Error::invalid("operator.pattern", format!("'{pattern}' is not a pattern of SIMILAR TO"))
                    })?;
                    known = Some((pattern, regex));
                }
                Ok(known.as_ref().map(|(_, regex)| regex.is_match(text).unwrap_or(false)))
            })
            .collect()
    }
}
