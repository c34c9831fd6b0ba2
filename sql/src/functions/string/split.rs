//! Texts cut at a separator.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{ArrayRef, ListBuilder, MapBuilder, StringBuilder};
use freshet_types::{Result, SqlField, SqlType};
use std::collections::HashMap;
use std::sync::Arc;

/// SPLIT_INDEX, SPLIT, STR_TO_MAP.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "split_index",
        Family::String,
        ("SPLIT_INDEX(text, separator, index)", "The part at an index, counted from 0; NULL outside."),
        Arguments::exactly(&[Arg::Text, Arg::Any, Arg::Long]),
        Returns::Is(SqlType0::String),
        split_index,
    ),
    Function::new(
        "split",
        Family::String,
        ("SPLIT(text, separator)", "All parts, as an array; an empty separator gives the characters."),
        Arguments::exactly(&[Arg::Text, Arg::Text]),
        Returns::Is(SqlType0::Strings),
        split,
    ),
    Function::new(
        "str_to_map",
        Family::String,
        (
            "STR_TO_MAP(text[, separator, key_separator])",
            "A map of the `key=value` pairs of a text; without separators they are `,` and `=`.",
        ),
        Arguments::with_optional(&[Arg::Text], &[Arg::Text, Arg::Text]),
        Returns::With(|_| Ok(SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::STRING))))),
        str_to_map,
    ),
];

fn split_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, index) = (call.text(0)?, call.long(2)?);
    let separator_is_code = call.arguments[1].array.data_type().is_integer();
    let separators = if separator_is_code {
        // A number is the code of the separator.
        let codes = arrow::compute::cast(&call.arguments[1].array, &arrow::datatypes::DataType::Int64)?;
        let codes = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&codes).clone();
        let texts: arrow::array::StringArray = codes
            .iter()
            .map(|c| c.and_then(|c| u32::try_from(c).ok()).and_then(char::from_u32).map(String::from))
            .collect();
        texts
    } else {
        let texts = arrow::compute::cast(&call.arguments[1].array, &arrow::datatypes::DataType::Utf8)?;
        arrow::array::AsArray::as_string::<i32>(&texts).clone()
    };
    let column = &call.arguments[1];
    call.slices(|row| {
        let (text, index) = (text.get(row)?, index.get(row)?);
        if column.is_null(row) {
            return None;
        }
        let separator = separators.value(column.at(row));
        let index = usize::try_from(index).ok()?;
        if text.is_empty() {
            return None;
        }
        if separator.is_empty() {
            return None;
        }
        text.split(separator).nth(index)
    })
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        match (text.get(row), separator.get(row)) {
            (Some(text), Some(separator)) => {
                if separator.is_empty() {
                    let mut buffer = [0; 4];
                    text.chars().for_each(|c| lists.values().append_value(c.encode_utf8(&mut buffer)));
                } else {
                    text.split(separator).for_each(|part| lists.values().append_value(part));
                }
                lists.append(true);
            }
            _ => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

/// Separators as regular expressions, each compiled while it stays in use.
#[derive(Default)]
struct Separators {
    compiled: HashMap<String, Option<Arc<fancy_regex::Regex>>>,
}

impl Separators {
    fn get(&mut self, pattern: &str) -> Option<Arc<fancy_regex::Regex>> {
        if self.compiled.len() > 1_000 {
            self.compiled.clear();
        }
        if !self.compiled.contains_key(pattern) {
            self.compiled.insert(pattern.to_string(), super::regexp::compile(pattern).map(Arc::new));
        }
        self.compiled[pattern].clone()
    }
}

/// Java's `String.split`: at most so many pieces; an empty match at the start cuts nothing off, empty pieces at the end
/// are left out where any number is asked for.
fn pieces<'t>(text: &'t str, separator: &fancy_regex::Regex, most: usize) -> Vec<&'t str> {
    let mut all = Vec::new();
    let mut last = 0;
    for found in separator.find_iter(text).map_while(std::result::Result::ok) {
        if all.len() + 1 >= most {
            break;
        }
        if found.end() == 0 || (found.start() == found.end() && found.start() == text.len()) {
            continue;
        }
        all.push(&text[last..found.start()]);
        last = found.end();
    }
    all.push(&text[last..]);
    while most == usize::MAX && all.len() > 1 && all.last().is_some_and(|piece| piece.is_empty()) {
        all.pop();
    }
    all
}

fn str_to_map(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, pairs, keys) = (call.text(0)?, call.text_opt(1)?, call.text_opt(2)?);
    let names = arrow::array::MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    let mut patterns = Separators::default();
    for row in 0..call.rows {
        let pair_separator = pairs.as_ref().map_or(Some(","), |p| p.get(row));
        let key_separator = keys.as_ref().map_or(Some("="), |k| k.get(row));
        let (Some(text), Some(pair_separator), Some(key_separator)) = (text.get(row), pair_separator, key_separator)
        else {
            maps.append(false)?;
            continue;
        };
        let mut seen: Vec<(&str, Option<&str>)> = Vec::new();
        let (Some(pairs), Some(keys)) = (patterns.get(pair_separator), patterns.get(key_separator)) else {
            maps.append(false)?;
            continue;
        };
        for part in pieces(text, &pairs, usize::MAX).into_iter().filter(|_| !text.is_empty()) {
            let halves = pieces(part, &keys, 2);
            let (key, value) = (halves[0], halves.get(1).copied());
            // The last of equal keys stays.
            match seen.iter_mut().find(|(k, _)| *k == key) {
                Some(entry) => entry.1 = value,
                None => seen.push((key, value)),
            }
        }
        for (key, value) in seen {
            maps.keys().append_value(key);
            maps.values().append_option(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}
