//! Flink's types as Iceberg types, and the Arrow schema that data files have.
//!
//! Iceberg knows microseconds where Flink knows ten precisions, and no 8 or 16-bit integers. What the Iceberg type alone
//! would lose stands in the table property [`COLUMN_TYPES`], by field id, and is believed as long as the column's type
//! still is the one that Flink's type maps to.

use crate::error::Explain;
use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema, TimeUnit};
use freshet_types::sql_type::UNBOUNDED;
use freshet_types::{Error, Result, SqlField, SqlType};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Table property that keeps Flink's types where Iceberg's say less: a JSON object from field id to type.
pub const COLUMN_TYPES: &str = "freshet.column-types";

/// Flink's types of columns whose Iceberg type says less.
#[derive(Debug, Clone, Default)]
pub struct ColumnTypes(BTreeMap<i32, SqlType>);

impl ColumnTypes {
    /// Reads the table property; what cannot be understood is left out, for it only refines the Iceberg type.
    pub fn parse(property: Option<&str>) -> Self {
        let texts: HashMap<String, String> = property.and_then(|p| serde_json::from_str(p).ok()).unwrap_or_default();
        let known = texts.iter().filter_map(|(id, text)| Some((id.parse().ok()?, scalar(text)?)));
        Self(known.collect())
    }

    /// The text of the table property; none when there is nothing to keep.
    pub fn to_property(&self) -> Option<String> {
        let texts: BTreeMap<String, String> = self.0.iter().map(|(id, t)| (id.to_string(), t.to_string())).collect();
        (!texts.is_empty()).then(|| serde_json::to_string(&texts).expect("a map of texts is JSON"))
    }
}

fn scalar(text: &str) -> Option<SqlType> {
    let (name, argument) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')?.trim().parse::<u32>().ok()),
        None => (text, None),
    };
    let digits = || argument.and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 9);
    Some(match name {
        "TINYINT" => SqlType::TinyInt,
        "SMALLINT" => SqlType::SmallInt,
        "CHAR" => SqlType::Char(argument?),
        "VARCHAR" => SqlType::Varchar(argument?),
        "BINARY" => SqlType::Binary(argument?),
        "VARBINARY" => SqlType::Varbinary(argument?),
        "TIME" => SqlType::Time(digits()?),
        "TIMESTAMP" => SqlType::Timestamp(digits()?),
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(digits()?),
        _ => return None,
    })
}

/// The Iceberg schema of a new table, and Flink's types beside it. Ids are given as every catalog gives them: all fields
/// of one level first, then what is nested in them.
///
/// # Errors
/// `lake.type` for a type that the format version cannot hold.
pub fn to_iceberg(
    columns: &[SqlField],
    comments: &[(String, String)],
    primary_key: &[String],
    version: u8,
) -> Result<(Schema, ColumnTypes)> {
    let mut ids = Ids { next: 1, version, types: ColumnTypes::default() };
    let mut fields = ids.fields(columns, primary_key)?;
    for field in &mut fields {
        if let Some((_, comment)) = comments.iter().find(|(name, _)| *name == field.name) {
            *field = Arc::new(NestedField::clone(field).with_doc(comment));
        }
    }
    let mut keys = Vec::new();
    for name in primary_key {
        let field = fields.iter().find(|f| f.name == *name).ok_or_else(|| {
            Error::invalid("lake.key", format!("primary key column \"{name}\" does not exist"))
                .hint("name a column of the table")
        })?;
        // Iceberg's identifier fields are plain values that are never NULL, NaN or approximate.
        let exact = !matches!(
            *field.field_type,
            Type::Primitive(PrimitiveType::Float | PrimitiveType::Double)
                | Type::Struct(_)
                | Type::List(_)
                | Type::Map(_)
        );
        if !exact {
            return Err(Error::unsupported(
                "lake.key",
                format!("primary key column \"{name}\" is {}", field.field_type),
            )
            .hint("choose key columns of an exact, plain type"));
        }
        keys.push(field.id);
    }
    let schema = Schema::builder().with_fields(fields).with_identifier_field_ids(keys).build();
    Ok((schema.explain("the columns do not make an Iceberg schema")?, ids.types))
}

struct Ids {
    next: i32,
    version: u8,
    types: ColumnTypes,
}

impl Ids {
    fn take(&mut self) -> i32 {
        self.next += 1;
        self.next - 1
    }

    fn fields(&mut self, columns: &[SqlField], never_null: &[String]) -> Result<Vec<NestedFieldRef>> {
        let ids: Vec<i32> = columns.iter().map(|_| self.take()).collect();
        let mut fields = Vec::with_capacity(columns.len());
        for (column, id) in columns.iter().zip(ids) {
            let field_type = self.field_type(&column.sql_type, id).map_err(|e| e.at("column", column.name.clone()))?;
            let required = !column.nullable || never_null.contains(&column.name);
            fields.push(Arc::new(NestedField::new(id, &column.name, field_type, required)));
        }
        Ok(fields)
    }

    fn field_type(&mut self, sql_type: &SqlType, id: i32) -> Result<Type> {
        let primitive = match sql_type {
            SqlType::Array(element) => {
                let id = self.take();
                let inner = self.field_type(&element.sql_type, id)?;
                return Ok(Type::List(ListType::new(Arc::new(NestedField::list_element(
                    id,
                    inner,
                    !element.nullable,
                )))));
            }
            SqlType::Map(key, value) => {
                let key_id = self.take();
                let key = self.field_type(key, key_id)?;
                let value_id = self.take();
                let inner = self.field_type(&value.sql_type, value_id)?;
                return Ok(Type::Map(MapType::new(
                    Arc::new(NestedField::map_key_element(key_id, key)),
                    Arc::new(NestedField::map_value_element(value_id, inner, !value.nullable)),
                )));
            }
            SqlType::Row(fields) => return Ok(Type::Struct(StructType::new(self.fields(fields, &[])?))),
            scalar => primitive(scalar, self.version)?,
        };
        if from_primitive(&primitive) != *sql_type {
            self.types.0.insert(id, sql_type.clone());
        }
        Ok(Type::Primitive(primitive))
    }
}

fn primitive(sql_type: &SqlType, version: u8) -> Result<PrimitiveType> {
    let too_fine = |instead: &str| {
        Error::unsupported("lake.type", format!("type {sql_type} is finer than an Iceberg table can hold"))
            .hint(instead)
    };
    Ok(match sql_type {
        SqlType::Boolean => PrimitiveType::Boolean,
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int => PrimitiveType::Int,
        SqlType::BigInt => PrimitiveType::Long,
        SqlType::Float => PrimitiveType::Float,
        SqlType::Double => PrimitiveType::Double,
        SqlType::Decimal(precision, scale) if *scale >= 0 => {
            PrimitiveType::Decimal { precision: u32::from(*precision), scale: *scale as u32 }
        }
        SqlType::Char(_) | SqlType::Varchar(_) => PrimitiveType::String,
        SqlType::Binary(_) | SqlType::Varbinary(_) => PrimitiveType::Binary,
        SqlType::Date => PrimitiveType::Date,
        SqlType::Time(0..=6) => PrimitiveType::Time,
        SqlType::Time(_) => return Err(too_fine("write TIME(6)")),
        SqlType::Timestamp(0..=6) => PrimitiveType::Timestamp,
        SqlType::TimestampLtz(0..=6) => PrimitiveType::Timestamptz,
        SqlType::Timestamp(_) if version >= 3 => PrimitiveType::TimestampNs,
        SqlType::TimestampLtz(_) if version >= 3 => PrimitiveType::TimestamptzNs,
        SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => {
            return Err(too_fine("write a precision of at most 6, or 'format-version' = '3'"));
        }
        _ => {
            return Err(Error::unsupported("lake.type", format!("an Iceberg table has no type for {sql_type}"))
                .hint("CAST the column to a type such as BIGINT or STRING"));
        }
    })
}

fn from_primitive(primitive: &PrimitiveType) -> SqlType {
    match primitive {
        PrimitiveType::Boolean => SqlType::Boolean,
        PrimitiveType::Int => SqlType::Int,
        PrimitiveType::Long => SqlType::BigInt,
        PrimitiveType::Float => SqlType::Float,
        PrimitiveType::Double => SqlType::Double,
        PrimitiveType::Decimal { precision, scale } => SqlType::Decimal(*precision as u8, *scale as i8),
        PrimitiveType::Date => SqlType::Date,
        PrimitiveType::Time => SqlType::Time(6),
        PrimitiveType::Timestamp => SqlType::Timestamp(6),
        PrimitiveType::Timestamptz => SqlType::TimestampLtz(6),
        PrimitiveType::TimestampNs => SqlType::Timestamp(9),
        PrimitiveType::TimestamptzNs => SqlType::TimestampLtz(9),
        PrimitiveType::String => SqlType::Varchar(UNBOUNDED),
        PrimitiveType::Uuid => SqlType::Binary(16),
        PrimitiveType::Fixed(n) => SqlType::Binary(u32::try_from(*n).unwrap_or(UNBOUNDED)),
        PrimitiveType::Binary => SqlType::Varbinary(UNBOUNDED),
    }
}

/// The columns of a table as Flink sees them.
pub fn sql_columns(schema: &Schema, types: &ColumnTypes) -> Vec<SqlField> {
    schema.as_struct().fields().iter().map(|f| sql_field(f, types)).collect()
}

fn sql_field(field: &NestedField, types: &ColumnTypes) -> SqlField {
    SqlField { name: field.name.clone(), sql_type: sql_type(field, types), nullable: !field.required }
}

fn sql_type(field: &NestedField, types: &ColumnTypes) -> SqlType {
    let unnamed = |f: &NestedField| Box::new(SqlField { name: String::new(), ..sql_field(f, types) });
    match &*field.field_type {
        Type::Primitive(is) => match types.0.get(&field.id) {
            Some(kept) if primitive(kept, 3).is_ok_and(|maps_to| maps_to == *is) => kept.clone(),
            _ => from_primitive(is),
        },
        Type::Struct(fields) => SqlType::Row(fields.fields().iter().map(|f| sql_field(f, types)).collect()),
        Type::List(list) => SqlType::Array(unnamed(&list.element_field)),
        Type::Map(map) => SqlType::Map(Box::new(sql_type(&map.key_field, types)), unnamed(&map.value_field)),
    }
}

/// The Arrow schema of the columns as queries see them.
pub fn table_schema(schema: &Schema, types: &ColumnTypes) -> ArrowSchema {
    ArrowSchema::new(sql_columns(schema, types).iter().map(SqlField::to_arrow).collect::<Vec<_>>())
}

/// The Arrow schema of data files, with field ids at every level.
pub fn file_schema(schema: &Schema) -> ArrowSchema {
    ArrowSchema::new(schema.as_struct().fields().iter().map(|f| file_field(f)).collect::<Vec<_>>())
}

fn file_field(field: &NestedField) -> Field {
    let metadata = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_string(), field.id.to_string())]);
    Field::new(&field.name, file_type(&field.field_type), !field.required).with_metadata(metadata)
}

/// The Arrow type that a data file has for an Iceberg type.
pub fn file_type(field_type: &Type) -> DataType {
    let zone = || Some("UTC".into());
    match field_type {
        Type::Primitive(primitive) => match primitive {
            PrimitiveType::Boolean => DataType::Boolean,
            PrimitiveType::Int => DataType::Int32,
            PrimitiveType::Long => DataType::Int64,
            PrimitiveType::Float => DataType::Float32,
            PrimitiveType::Double => DataType::Float64,
            PrimitiveType::Decimal { precision, scale } => DataType::Decimal128(*precision as u8, *scale as i8),
            PrimitiveType::Date => DataType::Date32,
            PrimitiveType::Time => DataType::Time64(TimeUnit::Microsecond),
            PrimitiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            PrimitiveType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, zone()),
            PrimitiveType::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
            PrimitiveType::TimestamptzNs => DataType::Timestamp(TimeUnit::Nanosecond, zone()),
            PrimitiveType::String => DataType::Utf8,
            PrimitiveType::Uuid => DataType::FixedSizeBinary(16),
            PrimitiveType::Fixed(n) => DataType::FixedSizeBinary(i32::try_from(*n).unwrap_or(i32::MAX)),
            PrimitiveType::Binary => DataType::Binary,
        },
        Type::Struct(fields) => DataType::Struct(fields.fields().iter().map(|f| file_field(f)).collect::<Fields>()),
        Type::List(list) => DataType::List(Arc::new(file_field(&list.element_field).with_name("element"))),
        Type::Map(map) => {
            let pair = vec![
                file_field(&map.key_field).with_name("key").with_nullable(false),
                file_field(&map.value_field).with_name("value"),
            ];
            let entries = Field::new("key_value", DataType::Struct(pair.into()), false);
            DataType::Map(Arc::new(entries), false)
        }
    }
}

/// The field id that a field of a data file carries.
pub fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_type() -> Vec<SqlField> {
        let row = SqlType::Row(vec![
            SqlField::new("t", SqlType::Timestamp(0)),
            SqlField::new("list", SqlType::Array(Box::new(SqlField::new("", SqlType::SmallInt).not_null()))),
        ]);
        let types = [
            SqlType::Boolean,
            SqlType::TinyInt,
            SqlType::SmallInt,
            SqlType::Int,
            SqlType::BigInt,
            SqlType::Float,
            SqlType::Double,
            SqlType::Decimal(20, 4),
            SqlType::Char(3),
            SqlType::Varchar(9),
            SqlType::STRING,
            SqlType::Binary(4),
            SqlType::BYTES,
            SqlType::Date,
            SqlType::Time(0),
            SqlType::Timestamp(3),
            SqlType::Timestamp(6),
            SqlType::TimestampLtz(3),
            SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", row.clone()))),
            row,
        ];
        types.into_iter().enumerate().map(|(i, t)| SqlField::new(format!("c{i}"), t)).collect()
    }

    #[test]
    fn types_come_back_as_they_were_declared() {
        let columns = every_type();
        let (schema, types) = to_iceberg(&columns, &[], &[], 2).unwrap();
        let kept = ColumnTypes::parse(types.to_property().as_deref());
        assert_eq!(sql_columns(&schema, &kept), columns);
        assert_eq!(sql_columns(&schema, &ColumnTypes::default())[15].sql_type, SqlType::Timestamp(6));
    }

    #[test]
    fn ids_are_those_that_a_catalog_gives() {
        let (schema, _) = to_iceberg(&every_type(), &[], &[], 2).unwrap();
        let fresh = iceberg::spec::TableMetadataBuilder::new(
            schema.clone(),
            iceberg::spec::PartitionSpec::unpartition_spec(),
            iceberg::spec::SortOrder::unsorted_order(),
            "file:///t".into(),
            iceberg::spec::FormatVersion::V2,
            HashMap::new(),
        );
        assert_eq!(fresh.unwrap().build().unwrap().metadata.current_schema().as_struct(), schema.as_struct());
    }

    #[test]
    fn a_changed_column_type_wins_over_the_property() {
        let (_, types) = to_iceberg(&[SqlField::new("a", SqlType::SmallInt)], &[], &[], 2).unwrap();
        let promoted = Schema::builder()
            .with_fields([Arc::new(NestedField::optional(1, "a", Type::Primitive(PrimitiveType::Long)))])
            .build()
            .unwrap();
        assert_eq!(sql_columns(&promoted, &types)[0].sql_type, SqlType::BigInt);
    }

    #[test]
    fn what_iceberg_cannot_hold_is_refused() {
        for (sql_type, version) in
            [(SqlType::Timestamp(9), 2), (SqlType::Time(9), 3), (SqlType::IntervalDayTime, 3), (SqlType::Null, 2)]
        {
            let e = to_iceberg(&[SqlField::new("a", sql_type)], &[], &[], version).unwrap_err();
            assert_eq!(e.code(), "lake.type");
        }
        assert!(to_iceberg(&[SqlField::new("a", SqlType::Timestamp(9))], &[], &[], 3).is_ok());
    }
}
