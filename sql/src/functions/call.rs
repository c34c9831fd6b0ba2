//! One call of a function on a batch: its arguments as columns, and builders for the result.
//!
//! A constant argument stays one value; when all are constant, the call has one row. A closure answers for one row;
//! `None` is NULL, so that `column.get(row)?` gives NULL for NULL.

use super::FunctionContext;
use arrow::array::*;
use arrow::datatypes::*;
use freshet_types::{Error, Result};
use std::sync::Arc;

/// Arguments and surroundings of a call.
#[derive(Debug)]
pub struct Call<'a> {
    /// Name by which the function was called.
    pub name: &'static str,
    /// Session.
    pub context: &'a FunctionContext,
    /// Arguments: arrays of `rows` rows, or of one.
    pub arguments: Vec<Column>,
    /// Fields of the arguments.
    pub fields: &'a [FieldRef],
    /// Number of results.
    pub rows: usize,
    /// Field of the result.
    pub result: &'a FieldRef,
}

/// An argument.
#[derive(Debug, Clone)]
pub struct Column {
    /// Values.
    pub array: ArrayRef,
    /// Whether the one value stands for all rows.
    pub constant: bool,
}

impl Column {
    /// Place of a row in the array.
    pub fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// Whether the argument is NULL in a row.
    pub fn is_null(&self, row: usize) -> bool {
        // An array without a type has no bitmap to say so.
        self.array.data_type() == &DataType::Null || self.array.is_null(self.at(row))
    }

    /// All values, constants repeated.
    pub fn expand(&self, rows: usize) -> Result<ArrayRef> {
        if !self.constant || self.array.len() == rows {
            return Ok(Arc::clone(&self.array));
        }
        let indices = UInt32Array::from_value(0, rows);
        Ok(arrow::compute::take(&self.array, &indices, None)?)
    }
}

/// A text argument.
#[derive(Debug)]
pub struct TextColumn<'a> {
    array: &'a StringArray,
    constant: bool,
}

impl<'a> TextColumn<'a> {
    /// The text in a row; none when it is NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        let at = if self.constant { 0 } else { row };
        if self.array.is_null(at) { None } else { Some(self.array.value(at)) }
    }

    /// Whether it is the same in all rows.
    pub fn is_constant(&self) -> bool {
        self.constant
    }
}

/// A bytes argument.
#[derive(Debug)]
pub struct BytesColumn<'a> {
    array: &'a BinaryArray,
    constant: bool,
}

impl<'a> BytesColumn<'a> {
    /// The bytes in a row; none when it is NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        let at = if self.constant { 0 } else { row };
        if self.array.is_null(at) { None } else { Some(self.array.value(at)) }
    }
}

/// An argument of a fixed width.
#[derive(Debug)]
pub struct ValueColumn<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    constant: bool,
}

impl<T: ArrowPrimitiveType> ValueColumn<'_, T> {
    /// The value in a row; none when it is NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T::Native> {
        let at = if self.constant { 0 } else { row };
        if self.array.is_null(at) { None } else { Some(self.array.value(at)) }
    }
}

/// A BOOLEAN argument.
#[derive(Debug)]
pub struct BooleanColumn<'a> {
    array: &'a BooleanArray,
    constant: bool,
}

impl BooleanColumn<'_> {
    /// The value in a row; none when it is NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        let at = if self.constant { 0 } else { row };
        if self.array.is_null(at) { None } else { Some(self.array.value(at)) }
    }
}

impl<'a> Call<'a> {
    /// Number of arguments.
    pub fn count(&self) -> usize {
        self.arguments.len()
    }

    /// An error about a value.
    pub fn error(&self, text: impl std::fmt::Display) -> Error {
        Error::data("function.value", format!("function \"{}\": {text}", self.name.to_uppercase()))
    }

    fn wrong(&self, i: usize) -> Error {
        let given = self.arguments[i].array.data_type();
        Error::internal("function.argument_type", format!("argument {} arrives as {given}", i + 1))
            .at("function", self.name)
    }

    /// Argument `i` as text.
    pub fn text(&self, i: usize) -> Result<TextColumn<'_>> {
        let column = &self.arguments[i];
        let array = column.array.as_string_opt::<i32>().ok_or_else(|| self.wrong(i))?;
        Ok(TextColumn { array, constant: column.constant })
    }

    /// Argument `i` as text, when there is one.
    pub fn text_opt(&self, i: usize) -> Result<Option<TextColumn<'_>>> {
        if i < self.count() { self.text(i).map(Some) } else { Ok(None) }
    }

    /// Argument `i` as bytes.
    pub fn bytes(&self, i: usize) -> Result<BytesColumn<'_>> {
        let column = &self.arguments[i];
        let array = column.array.as_binary_opt::<i32>().ok_or_else(|| self.wrong(i))?;
        Ok(BytesColumn { array, constant: column.constant })
    }

    /// Argument `i` with values of a fixed width.
    pub fn values<T: ArrowPrimitiveType>(&self, i: usize) -> Result<ValueColumn<'_, T>> {
        let column = &self.arguments[i];
        let array = column.array.as_primitive_opt::<T>().ok_or_else(|| self.wrong(i))?;
        Ok(ValueColumn { array, constant: column.constant })
    }

    /// Argument `i` as BIGINT.
    pub fn long(&self, i: usize) -> Result<ValueColumn<'_, Int64Type>> {
        self.values(i)
    }

    /// Argument `i` as BIGINT, when there is one.
    pub fn long_opt(&self, i: usize) -> Result<Option<ValueColumn<'_, Int64Type>>> {
        if i < self.count() { self.long(i).map(Some) } else { Ok(None) }
    }

    /// Argument `i` as DOUBLE.
    pub fn double(&self, i: usize) -> Result<ValueColumn<'_, Float64Type>> {
        self.values(i)
    }

    /// Argument `i` as BOOLEAN.
    pub fn boolean(&self, i: usize) -> Result<BooleanColumn<'_>> {
        let column = &self.arguments[i];
        let array = column.array.as_boolean_opt().ok_or_else(|| self.wrong(i))?;
        Ok(BooleanColumn { array, constant: column.constant })
    }

    /// A text result: the closure appends to an empty buffer and says whether there is a value.
    pub fn build_text(&self, mut f: impl FnMut(usize, &mut String) -> Option<()>) -> Result<ArrayRef> {
        self.try_build_text(|row, out| Ok(f(row, out)))
    }

    /// A text result of a closure that can fail.
    pub fn try_build_text(&self, mut f: impl FnMut(usize, &mut String) -> Result<Option<()>>) -> Result<ArrayRef> {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut text = String::new();
        for row in 0..self.rows {
            text.clear();
            match f(row, &mut text)? {
                Some(()) => builder.append_value(&text),
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A text result that is part of an argument or a constant: no copy in between.
    pub fn slices<'s>(&self, mut f: impl FnMut(usize) -> Option<&'s str>) -> Result<ArrayRef> {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        for row in 0..self.rows {
            builder.append_option(f(row));
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A BYTES result.
    pub fn build_bytes(&self, mut f: impl FnMut(usize) -> Option<Vec<u8>>) -> Result<ArrayRef> {
        let mut builder = BinaryBuilder::with_capacity(self.rows, self.rows * 16);
        for row in 0..self.rows {
            builder.append_option(f(row));
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A result of a fixed width.
    pub fn build<T: ArrowPrimitiveType>(&self, f: impl FnMut(usize) -> Option<T::Native>) -> Result<ArrayRef> {
        let values: PrimitiveArray<T> = (0..self.rows).map(f).collect();
        Ok(Arc::new(values.with_data_type(self.result.data_type().clone())))
    }

    /// A result of a fixed width, of a closure that can fail.
    pub fn try_build<T: ArrowPrimitiveType>(
        &self,
        f: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let values: PrimitiveArray<T> = (0..self.rows).map(f).collect::<Result<Vec<_>>>()?.into_iter().collect();
        Ok(Arc::new(values.with_data_type(self.result.data_type().clone())))
    }

    /// An INT result.
    pub fn ints(&self, f: impl FnMut(usize) -> Option<i32>) -> Result<ArrayRef> {
        self.build::<Int32Type>(f)
    }

    /// A BIGINT result.
    pub fn longs(&self, f: impl FnMut(usize) -> Option<i64>) -> Result<ArrayRef> {
        self.build::<Int64Type>(f)
    }

    /// A DOUBLE result.
    pub fn doubles(&self, f: impl FnMut(usize) -> Option<f64>) -> Result<ArrayRef> {
        self.build::<Float64Type>(f)
    }

    /// A BOOLEAN result.
    pub fn booleans(&self, f: impl FnMut(usize) -> Option<bool>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(f).collect::<BooleanArray>()))
    }

    /// A result taken row by row from values laid end to end: `place(row)` is an index into `values`, none is NULL.
    pub fn take(&self, values: &ArrayRef, place: impl FnMut(usize) -> Option<u32>) -> Result<ArrayRef> {
        let indices: UInt32Array = (0..self.rows).map(place).collect();
        Ok(arrow::compute::take(values, &indices, None)?)
    }
}
