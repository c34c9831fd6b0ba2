//! Interval literals: `INTERVAL '10' MINUTES`, `INTERVAL '1 12:00' DAY TO MINUTE`.
//!
//! A literal of two units becomes one of the smaller unit, so that the planner meets a single shape:
//! `INTERVAL '36:00' HOUR TO MINUTE` is `INTERVAL '2160' MINUTE`. Seconds may have a fraction.

use super::cursor::fail;
use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator, Value};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Reads what follows the word INTERVAL.
pub(super) fn read(p: &mut Parser) -> Result<Expr, ParserError> {
    let start = p.peek_token_ref().span.start;
    let minus = p.consume_token(&Token::Minus);
    let _ = !minus && p.consume_token(&Token::Plus);
    let Expr::Interval(mut interval) = p.parse_interval()? else {
        return fail(start, "an interval is a text and a unit", "write INTERVAL '10' MINUTE");
    };
    let Some(first) = interval.leading_field.clone() else {
        return fail(start, "the unit of the interval is missing", "write INTERVAL '10' MINUTE");
    };
    let written = match interval.value.as_ref() {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => text.trim().to_string(),
            Value::Number(text, _) => text.to_string(),
            _ => return fail(start, "an interval is a text and a unit", "write INTERVAL '10' MINUTE"),
        },
        _ => return fail(start, "an interval is a text and a unit", "write INTERVAL '10' MINUTE"),
    };
    let last = interval.last_field.clone().unwrap_or_else(|| first.clone());
    let Some(text) = single(&written, &first, &last) else {
        let units = if interval.last_field.is_some() { format!("{first} TO {last}") } else { first.to_string() };
        return fail(
            start,
            &format!("the interval '{written}' does not fit {units}"),
            "write a number for one unit; years and months as '1-6', days and time as '2 12:30:15.5'",
        );
    };
    interval.value = Box::new(Expr::Value(Value::SingleQuotedString(text).into()));
    interval = Interval {
        leading_field: Some(last),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
        ..interval
    };
    let literal = Expr::Interval(interval);
    Ok(if minus { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(literal) } } else { literal })
}

/// How many of `last` the text of `first TO last` is; none when it does not fit.
fn single(written: &str, first: &DateTimeField, last: &DateTimeField) -> Option<String> {
    use DateTimeField as F;
    let (negative, digits) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let rank = |field: &F| {
        Some(match field {
            F::Year | F::Years => 0,
            F::Month | F::Months => 1,
            F::Day | F::Days => 2,
            F::Hour | F::Hours => 3,
            F::Minute | F::Minutes => 4,
            F::Second | F::Seconds => 5,
            _ => return None,
        })
    };
    let sign = if negative { "-" } else { "" };
    if first == last {
        // Weeks, quarters, milliseconds have no rank, and no second unit.
        let fits = digits.chars().all(|c| c.is_ascii_digit() || c == '.')
            && digits.chars().any(|c| c.is_ascii_digit())
            && digits.matches('.').count() <= usize::from(rank(first) == Some(5));
        return fits.then(|| format!("{sign}{digits}"));
    }
    let (from, to) = (rank(first)?, rank(last)?);
    if from >= to || (from < 2) != (to < 2) {
        return None;
    }
    let parts: Vec<&str> = if from < 2 {
        digits.split('-').collect()
    } else if from == 2 {
        let (day, time) = digits.split_once(' ')?;
        std::iter::once(day).chain(time.trim().split(':')).collect()
    } else {
        digits.split(':').collect()
    };
    if parts.len() != to - from + 1 {
        return None;
    }
    const PER: [u64; 6] = [1, 12, 1, 24, 60, 60];
    let mut sum: u64 = 0;
    let mut fraction = "";
    for (i, part) in parts.iter().enumerate() {
        let unit = from + i;
        let whole = match part.split_once('.') {
            Some((whole, rest)) if unit == 5 && rest.chars().all(|c| c.is_ascii_digit()) => {
                fraction = rest;
                whole
            }
            _ => part,
        };
        let n: u64 = whole.parse().ok()?;
        if i > 0 && n >= PER[unit] {
            return None;
        }
        sum = if i == 0 { n } else { sum.checked_mul(PER[unit])?.checked_add(n)? };
    }
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{sum}{point}{fraction}"))
}
