//! Numbers in other notations.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type};
use freshet_types::Result;
use std::fmt::Write;

/// BIN, HEX, UNHEX, CONV.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "bin",
        Family::Math,
        ("BIN(x)", "The number in binary."),
        Arguments::exactly(&[Arg::Long]),
        Returns::Is(SqlType0::String),
        |call| {
            let x = call.long(0)?;
            call.build_text(|row, out| write!(out, "{:b}", x.get(row)?).ok())
        },
    ),
    Function::new(
        "hex",
        Family::Math,
        ("HEX(x)", "A number, or the bytes of a text, in hexadecimal."),
        Arguments::exactly(&[Arg::Any]),
        Returns::Is(SqlType0::String),
        hex,
    ),
    Function::new(
        "unhex",
        Family::Math,
        ("UNHEX(text)", "The bytes that a hexadecimal text stands for; NULL when it is not one."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::Bytes),
        |call| {
            let text = call.text(0)?;
            call.build_bytes(|row| {
                let text = text.get(row)?;
                // An odd number of digits lacks a zero at its start.
                if text.len() % 2 == 1 { hex::decode(format!("0{text}")).ok() } else { hex::decode(text).ok() }
            })
        },
    ),
    Function::new(
        "conv",
        Family::Math,
        ("CONV(text, from, to)", "A number in base `from` as a number in base `to`, 2 to 36."),
        Arguments::exactly(&[Arg::Text, Arg::Long, Arg::Long]),
        Returns::Is(SqlType0::String),
        conv,
    ),
];

fn hex(call: &Call<'_>) -> Result<ArrayRef> {
    let array = &call.arguments[0].array;
    match array.data_type() {
        t if t.is_integer() => {
            let longs = arrow::compute::cast(array, &DataType::Int64)?;
            let longs = arrow::array::AsArray::as_primitive::<Int64Type>(&longs).clone();
            let column = &call.arguments[0];
            call.build_text(|row, out| {
                if column.is_null(row) {
                    return None;
                }
                write!(out, "{:X}", longs.value(column.at(row))).ok()
            })
        }
        DataType::Binary => {
            let bytes = call.bytes(0)?;
            call.build_text(|row, out| bytes.get(row)?.iter().try_for_each(|b| write!(out, "{b:02X}")).ok())
        }
        DataType::Utf8 => {
            let text = call.text(0)?;
            call.build_text(|row, out| text.get(row)?.bytes().try_for_each(|b| write!(out, "{b:02X}")).ok())
        }
        DataType::Null => call.build_text(|_, _| None),
        other => {
            Err(freshet_types::Error::invalid("function.arguments", format!("function \"HEX\" does not take {other}"))
                .hint("give it a whole number or a text"))
        }
    }
}

fn conv(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, from, to) = (call.text(0)?, call.long(1)?, call.long(2)?);
    call.build_text(|row, out| {
        let (text, from, to) = (text.get(row)?, from.get(row)?, to.get(row)?);
        let (from, to) = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
        if !(2..=36).contains(&from) || !(2..=36).contains(&to) {
            return None;
        }
        let mut value = i128::from_str_radix(text.trim(), from).ok()?;
        if value < 0 {
            out.push('-');
            value = -value;
        }
        let mut digits = Vec::new();
        loop {
            digits.push(char::from_digit((value % i128::from(to)) as u32, to)?.to_ascii_uppercase());
            value /= i128::from(to);
            if value == 0 {
                break;
            }
        }
        out.extend(digits.iter().rev());
        Some(())
    })
}
