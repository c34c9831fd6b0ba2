//! Values, parts and existence by path.

use super::path::{Found, Path};
use crate::functions::call::{Call, TextColumn};
use crate::functions::cast::{CastOptions, OnFailure, cast_array};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{ArrayRef, AsArray, StringBuilder};
use freshet_types::{Error, Result, SqlType};
use serde_json::Value;
use std::sync::Arc;

/// JSON_VALUE, JSON_QUERY, JSON_EXISTS.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "json_value",
        Family::Json,
        (
            "JSON_VALUE(json, path [RETURNING type] [{NULL | ERROR | DEFAULT x} ON EMPTY] [... ON ERROR])",
            "The scalar at a path, as STRING or another type.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Text, Arg::Any, Arg::Text, Arg::Any]),
        Returns::Is(SqlType0::String),
        json_value,
    ),
    Function::new(
        "json_query",
        Family::Json,
        (
            "JSON_QUERY(json, path [{WITHOUT | WITH [UN]CONDITIONAL} ARRAY WRAPPER] [... ON EMPTY] [... ON ERROR])",
            "The object or array at a path, as JSON.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Text, Arg::Text, Arg::Text]),
        Returns::Is(SqlType0::String),
        json_query,
    ),
    Function::new(
        "json_exists",
        Family::Json,
        (
            "JSON_EXISTS(json, path [{TRUE | FALSE | UNKNOWN | ERROR} ON ERROR])",
            "Whether there is something at a path.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Text]),
        Returns::Is(SqlType0::Boolean),
        json_exists,
    ),
];

/// Paths of a column, each compiled once while it stays the same.
struct Paths<'a> {
    column: TextColumn<'a>,
    last: Option<(&'a str, Path)>,
}

impl<'a> Paths<'a> {
    fn new(column: TextColumn<'a>) -> Self {
        Self { column, last: None }
    }

    /// The path of a row; none when it is NULL.
    fn get(&mut self, row: usize) -> Result<Option<&Path>> {
        let Some(text) = self.column.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            let path = Path::parse(text).ok_or_else(|| {
                Error::invalid("function.json_path", format!("'{text}' is not a JSON path"))
                    .hint("write a path such as $.name, $['a b'] or lax $.list[0]; filters are not there")
            })?;
            self.last = Some((text, path));
        }
        Ok(self.last.as_ref().map(|(_, path)| path))
    }
}

fn word<'a>(call: &'a Call<'_>, i: usize, default: &'a str) -> Result<&'a str> {
    Ok(call.text_opt(i)?.and_then(|t| t.get(0)).unwrap_or(default))
}

fn failed(call: &Call<'_>, what: &str) -> Error {
    call.error(what).hint("use NULL ON ERROR or DEFAULT ... ON ERROR to go on")
}

/// The text of a scalar; none for objects, arrays and null.
fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if number.is_f64() => {
            let mut text = String::new();
            freshet_types::text::append_double(number.as_f64()?, &mut text);
            text
        }
        Value::Number(number) => number.to_string(),
        _ => return None,
    })
}

enum Outcome {
    Value(String),
    Null,
    Empty,
    Error,
}

fn json_value(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut paths) = (call.text(0)?, Paths::new(call.text(1)?));
    let (on_empty, on_error) = (word(call, 2, "NULL")?, word(call, 4, "NULL")?);
    // What DEFAULT means is read as the result's type like any other text.
    let default = |i: usize| -> Result<Option<ArrayRef>> {
        let Some(column) = call.arguments.get(i) else { return Ok(None) };
        let from = SqlType::from_data_type(column.array.data_type()).unwrap_or(SqlType::Null);
        Ok(Some(cast_array(&column.array, &from, &SqlType::STRING, &options(call, OnFailure::Fail))?))
    };
    let defaults = [default(3)?, default(5)?];
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    for row in 0..call.rows {
        let Some(json) = text.get(row) else {
            out.append_null();
            continue;
        };
        let Some(path) = paths.get(row)? else {
            out.append_null();
            continue;
        };
        let outcome = match serde_json::from_str::<Value>(json) {
            Err(_) => Outcome::Error,
            Ok(document) => match path.find(&document) {
                Found::One(Value::Null) => Outcome::Empty,
                Found::One(value) => match scalar(value) {
                    Some(text) => Outcome::Value(text),
                    None => Outcome::Error,
                },
                Found::Empty => Outcome::Empty,
                Found::Many(_) | Found::Missing => Outcome::Error,
            },
        };
        let outcome = match outcome {
            Outcome::Empty if on_empty == "NULL" => Outcome::Null,
            Outcome::Error if on_error == "NULL" => Outcome::Null,
            other => other,
        };
        let or_default = |out: &mut StringBuilder, i: usize| {
            let place = call.arguments.get(3 + 2 * i).map_or(0, |c| c.at(row));
            let value = defaults[i].as_ref().map(|a| a.as_string::<i32>().clone());
            out.append_option(value.as_ref().and_then(|v| v.iter().nth(place).flatten()));
        };
        match outcome {
            Outcome::Value(value) => out.append_value(value),
            Outcome::Null => out.append_null(),
            Outcome::Empty if on_empty == "ERROR" => return Err(failed(call, "there is nothing at the path")),
            Outcome::Error if on_error == "ERROR" => return Err(failed(call, "there is no scalar at the path")),
            Outcome::Empty => or_default(&mut out, 0),
            Outcome::Error => or_default(&mut out, 1),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn options(call: &Call<'_>, on_failure: OnFailure) -> CastOptions {
    CastOptions { on_failure, zone: call.context.time_zone }
}

fn json_query(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut paths) = (call.text(0)?, Paths::new(call.text(1)?));
    let (wrapper, on_empty, on_error) = (word(call, 2, "WITHOUT")?, word(call, 3, "NULL")?, word(call, 4, "NULL")?);
    call.try_build_text(|row, out| {
        let (Some(json), Some(path)) = (text.get(row), paths.get(row)?) else { return Ok(None) };
        let document = serde_json::from_str::<Value>(json);
        let mut empty = false;
        let result = match &document {
            Err(_) => None,
            Ok(document) => match path.find(document) {
                Found::One(Value::Null) | Found::Empty => {
                    empty = true;
                    None
                }
                Found::One(value) => {
                    let nested = value.is_array() || value.is_object();
                    match wrapper {
                        "UNCONDITIONAL" => Some(Value::Array(vec![value.clone()])),
                        "CONDITIONAL" if !nested => Some(Value::Array(vec![value.clone()])),
                        _ if nested => Some(value.clone()),
                        _ => None,
                    }
                }
                Found::Many(values) => {
                    let list = Value::Array(values.into_iter().cloned().collect());
                    Some(if wrapper == "UNCONDITIONAL" { Value::Array(vec![list]) } else { list })
                }
                Found::Missing => None,
            },
        };
        match result {
            // Flink writes the keys of objects in their order.
            Some(mut value) => {
                value.sort_all_objects();
                out.push_str(&value.to_string());
            }
            None => match if empty { on_empty } else { on_error } {
                "EMPTY ARRAY" => out.push_str("[]"),
                "EMPTY OBJECT" => out.push_str("{}"),
                "ERROR" => return Err(failed(call, "there is no object or array at the path")),
                _ => return Ok(None),
            },
        }
        Ok(Some(()))
    })
}

fn json_exists(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut paths) = (call.text(0)?, Paths::new(call.text(1)?));
    let on_error = word(call, 2, "FALSE")?;
    let mut out = arrow::array::BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let (Some(json), Some(path)) = (text.get(row), paths.get(row)?) else {
            out.append_null();
            continue;
        };
        let found = serde_json::from_str::<Value>(json).ok().and_then(|document| match path.find(&document) {
            Found::One(value) => Some(!value.is_null()),
            Found::Many(values) => Some(!values.is_empty()),
            Found::Empty => Some(false),
            Found::Missing => None,
        });
        match (found, on_error) {
            (Some(found), _) => out.append_value(found),
            (None, "TRUE") => out.append_value(true),
            (None, "UNKNOWN") => out.append_null(),
            (None, "ERROR") => return Err(failed(call, "there is nothing at the path")),
            (None, _) => out.append_value(false),
        }
    }
    Ok(Arc::new(out.finish()))
}
