//! Functions on days, times and instants.

pub mod difference;
pub mod epoch;
pub mod extract;
pub mod floor;
pub mod format;
pub mod now;
pub mod parse;
mod pattern;
pub(crate) mod shift;
mod unit;

use super::Function;
use crate::functions::call::Call;
use crate::functions::cast::{LocalTimes, parse_timestamp};
use chrono::NaiveDateTime;
use freshet_types::Result;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] = &[
    now::FUNCTIONS,
    extract::FUNCTIONS,
    floor::FUNCTIONS,
    format::FUNCTIONS,
    parse::FUNCTIONS,
    epoch::FUNCTIONS,
    difference::FUNCTIONS,
];

/// Argument `i` as wall time in the zone of the session; text is read as a timestamp, and NULL when it is none.
pub(crate) fn local_times<'a>(
    call: &'a Call<'_>,
    i: usize,
) -> Result<Box<dyn Fn(usize) -> Option<NaiveDateTime> + 'a>> {
    let column = &call.arguments[i];
    if column.array.data_type() == &arrow::datatypes::DataType::Null {
        return Ok(Box::new(|_| None));
    }
    if column.array.data_type() == &arrow::datatypes::DataType::Utf8 {
        let text = call.text(i)?;
        return Ok(Box::new(move |row| parse_timestamp(text.get(row)?)));
    }
    let times = LocalTimes::new(&column.array, call.context.time_zone)?;
    Ok(Box::new(move |row| times.get(column.at(row))))
}
