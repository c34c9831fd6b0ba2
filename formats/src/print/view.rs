//! Typed views of a batch's columns, made once per batch, so that writing a value needs no cast.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::*;
use freshet_types::{Error, Result};
use std::sync::Arc;

/// One column of a batch.
#[derive(Debug)]
pub(crate) enum View {
    Null,
    Boolean(BooleanArray),
    TinyInt(Int8Array),
    SmallInt(Int16Array),
    /// INT and months.
    Int(Int32Array),
    /// BIGINT and milliseconds of an interval.
    BigInt(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array, i8),
    Text(StringArray),
    Binary(BinaryArray),
    Date(Int32Array),
    /// Time of day.
    Time(Int64Array, TimeUnit),
    /// Wall time, or an instant where the flag is set.
    Timestamp(Int64Array, TimeUnit, bool),
    List(ListArray, Box<View>),
    /// Keys as text.
    Map(MapArray, StringArray, Box<View>),
    Row(StructArray, Vec<(String, View)>),
}

impl View {
    /// A view of `array`, whose field is `field`.
    ///
    /// # Errors
    /// `format.type`, `format.map_key`
    pub(crate) fn new(field: &Field, array: &ArrayRef) -> Result<View> {
        let refuse = || {
            Error::unsupported("format.type", format!("type {} cannot be written as text", field.data_type()))
                .at("column", field.name())
                .hint("CAST the column AS STRING")
        };
        let ints =
            || Ok::<_, Error>(Int32Array::from(array.to_data().into_builder().data_type(DataType::Int32).build()?));
        let longs =
            || Ok::<_, Error>(Int64Array::from(array.to_data().into_builder().data_type(DataType::Int64).build()?));
        Ok(match array.data_type() {
            DataType::Null => View::Null,
            DataType::Boolean => View::Boolean(array.as_boolean().clone()),
            DataType::Int8 => View::TinyInt(array.as_primitive().clone()),
            DataType::Int16 => View::SmallInt(array.as_primitive().clone()),
            DataType::Int32 => View::Int(array.as_primitive().clone()),
            DataType::Int64 => View::BigInt(array.as_primitive().clone()),
            DataType::Float32 => View::Float(array.as_primitive().clone()),
            DataType::Float64 => View::Double(array.as_primitive().clone()),
            DataType::Decimal128(_, scale) => View::Decimal(array.as_primitive().clone(), *scale),
            DataType::Utf8 => View::Text(array.as_string().clone()),
            DataType::Binary => View::Binary(array.as_binary().clone()),
            DataType::Date32 => View::Date(array.as_primitive::<Date32Type>().reinterpret_cast::<Int32Type>()),
            DataType::Interval(IntervalUnit::YearMonth) => View::Int(ints()?),
            DataType::Duration(TimeUnit::Millisecond) => View::BigInt(longs()?),
            DataType::Time32(unit) => {
                let wide = arrow::compute::cast(&ints()?, &DataType::Int64)?;
                View::Time(wide.as_primitive::<Int64Type>().clone(), *unit)
            }
            DataType::Time64(unit) => View::Time(longs()?, *unit),
            DataType::Timestamp(unit, zone) => View::Timestamp(longs()?, *unit, zone.is_some()),
            DataType::List(item) => {
                let list = array.as_list::<i32>().clone();
                let items = View::new(item, list.values())?;
                View::List(list, Box::new(items))
            }
            DataType::Map(entries, _) => {
                let map = array.as_map().clone();
                let DataType::Struct(pair) = entries.data_type() else { return Err(refuse()) };
                let Some(keys) = map.keys().as_string_opt::<i32>().cloned() else {
                    return Err(Error::unsupported(
                        "format.map_key",
                        format!("a MAP needs text keys here, not {}", map.key_type()),
                    )
                    .at("column", field.name())
                    .hint("CAST the keys AS STRING"));
                };
                let values = View::new(&pair[1], map.values())?;
                View::Map(map, keys, Box::new(values))
            }
            DataType::Struct(fields) => {
                let row = array.as_struct().clone();
                let views = fields
                    .iter()
                    .zip(row.columns())
                    .map(|(f, column)| Ok((f.name().clone(), View::new(f, column)?)))
                    .collect::<Result<_>>()?;
                View::Row(row, views)
            }
            // What other parts of the engine may hand over in place of STRING and BYTES.
            DataType::LargeUtf8 | DataType::Utf8View => {
                View::new(field, &arrow::compute::cast(array, &DataType::Utf8)?)?
            }
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                View::new(field, &arrow::compute::cast(array, &DataType::Binary)?)?
            }
            DataType::Dictionary(_, values) => View::new(field, &arrow::compute::cast(array, values)?)?,
            _ => return Err(refuse()),
        })
    }

    /// Whether row `row` is NULL.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            View::Null => true,
            View::Boolean(a) => a.is_null(row),
            View::TinyInt(a) => a.is_null(row),
            View::SmallInt(a) => a.is_null(row),
            View::Int(a) | View::Date(a) => a.is_null(row),
            View::BigInt(a) | View::Time(a, _) | View::Timestamp(a, _, _) => a.is_null(row),
            View::Float(a) => a.is_null(row),
            View::Double(a) => a.is_null(row),
            View::Decimal(a, _) => a.is_null(row),
            View::Text(a) => a.is_null(row),
            View::Binary(a) => a.is_null(row),
            View::List(a, _) => a.is_null(row),
            View::Map(a, _, _) => a.is_null(row),
            View::Row(a, _) => a.is_null(row),
        }
    }

    /// Refuses a column that [`View::new`] would refuse.
    pub(crate) fn check(field: &Field) -> Result<()> {
        View::new(field, &arrow::array::new_empty_array(field.data_type())).map(|_| ())
    }
}

/// The views of one batch, kept for as long as rows of that batch are asked for.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    columns: Vec<ArrayRef>,
    views: Vec<View>,
}

impl Prepared {
    /// The views of `rows`.
    #[inline]
    pub(crate) fn views(&mut self, rows: &RecordBatch) -> Result<&[View]> {
        // The arrays are held here, so an equal address is the same array.
        let same = self.columns.len() == rows.num_columns()
            && self.columns.iter().zip(rows.columns()).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same || self.views.len() != rows.num_columns() {
            self.prepare(rows)?;
        }
        Ok(&self.views)
    }

    #[cold]
    fn prepare(&mut self, rows: &RecordBatch) -> Result<()> {
        self.views.clear();
        self.columns = rows.columns().to_vec();
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            self.views.push(View::new(field, column)?);
        }
        Ok(())
    }
}
