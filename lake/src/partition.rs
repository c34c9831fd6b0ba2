//! PARTITIONED BY as an Iceberg partition spec, and back.

use crate::error::Explain;
use freshet_sql::catalog::external::PartitionTerm;
use freshet_types::{Error, Result, suggest};
use iceberg::spec::{PartitionSpec, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec};

const TRANSFORMS: &[&str] = &["identity", "bucket", "truncate", "years", "months", "days", "hours"];

/// The partition spec of a new table.
///
/// # Errors
/// `lake.partition` for a column or transform that does not exist or does not fit.
pub(crate) fn to_spec(terms: &[PartitionTerm], schema: &Schema) -> Result<UnboundPartitionSpec> {
    let mut spec = UnboundPartitionSpec::builder().with_spec_id(0);
    for term in terms {
        let field = schema.as_struct().fields().iter().find(|f| f.name == term.column).ok_or_else(|| {
            Error::invalid("lake.partition", format!("partition column \"{}\" does not exist", term.column)).hint(
                suggest::hint(&term.column, "columns", schema.as_struct().fields().iter().map(|f| f.name.as_str())),
            )
        })?;
        let transform = transform(term)?;
        let result = transform.result_type(&field.field_type).map_err(|_| {
            Error::invalid(
                "lake.partition",
                format!(
                    "column \"{}\" of type {} cannot be partitioned by {}",
                    term.column, field.field_type, transform
                ),
            )
            .hint("choose a transform that fits the column's type")
        })?;
        check_value(&result).map_err(|e| e.at("column", &term.column))?;
        spec = spec.add_partition_field(field.id, field_name(term), transform).explain("partitions")?;
    }
    Ok(spec.build())
}

/// Refuses partition values that manifests cannot hold in a form that reads back.
pub(crate) fn check_value(result: &Type) -> Result<()> {
    match result {
        Type::Primitive(PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs) => {
            Err(Error::unsupported("lake.partition", format!("a partition cannot be a single {result}"))
                .hint("partition by days(...) or hours(...) of the column"))
        }
        _ => Ok(()),
    }
}

fn transform(term: &PartitionTerm) -> Result<Transform> {
    let number = || {
        term.argument.filter(|n| *n > 0).ok_or_else(|| {
            Error::invalid("lake.partition", format!("{} needs a number above 0", term.transform))
                .hint(format!("write {}(16, {})", term.transform, term.column))
        })
    };
    Ok(match term.transform.to_ascii_lowercase().as_str() {
        "identity" => Transform::Identity,
        "bucket" => Transform::Bucket(number()?),
        "truncate" => Transform::Truncate(number()?),
        "year" | "years" => Transform::Year,
        "month" | "months" => Transform::Month,
        "day" | "days" => Transform::Day,
        "hour" | "hours" => Transform::Hour,
        other => {
            return Err(Error::invalid("lake.partition", format!("no partition transform named \"{other}\""))
                .hint(suggest::hint(other, "transforms", TRANSFORMS.iter().copied())));
        }
    })
}

/// Names as Spark gives them, so that the same definition makes the same spec.
fn field_name(term: &PartitionTerm) -> String {
    let column = &avro_name(&term.column, char::is_ascii_alphanumeric);
    match term.transform.to_ascii_lowercase().trim_end_matches('s') {
        "bucket" => format!("{column}_bucket"),
        "truncate" => format!("{column}_trunc"),
        unit @ ("year" | "month" | "day" | "hour") => format!("{column}_{unit}"),
        _ => column.clone(),
    }
}

/// A name that Avro takes, as Iceberg's Java library makes it: manifests hold partition fields under their names.
pub(crate) fn avro_name(name: &str, plain: impl Fn(&char) -> bool) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => out.push(c),
            c if i == 0 && c.is_ascii_digit() => out.extend(['_', c]),
            c if plain(&c) => out.push(c),
            c => out.push_str(&format!("_x{:X}", u32::from(c))),
        }
    }
    out
}

/// PARTITIONED BY of an existing table; fields that no longer partition (void) are left out.
pub(crate) fn from_spec(spec: &PartitionSpec, schema: &Schema) -> Vec<PartitionTerm> {
    let term = |transform: &str, argument, source| {
        Some(PartitionTerm {
            transform: transform.to_string(),
            argument,
            column: schema.name_by_field_id(source)?.to_string(),
        })
    };
    spec.fields()
        .iter()
        .filter_map(|field| match field.transform {
            Transform::Identity => term("identity", None, field.source_id),
            Transform::Bucket(n) => term("bucket", Some(n), field.source_id),
            Transform::Truncate(n) => term("truncate", Some(n), field.source_id),
            Transform::Year => term("years", None, field.source_id),
            Transform::Month => term("months", None, field.source_id),
            Transform::Day => term("days", None, field.source_id),
            Transform::Hour => term("hours", None, field.source_id),
            Transform::Void | Transform::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::to_iceberg;
    use freshet_types::{SqlField, SqlType};

    fn term(transform: &str, argument: Option<u32>, column: &str) -> PartitionTerm {
        PartitionTerm { transform: transform.into(), argument, column: column.into() }
    }

    #[test]
    fn fields_have_names_that_manifests_take() {
        assert_eq!(field_name(&term("days", None, "a-b ö")), "a_x2Db_x20_xF6_day");
        assert_eq!(field_name(&term("identity", None, "1st")), "_1st");
    }

    #[test]
    fn values_that_manifests_cannot_hold_are_refused() {
        let columns = [SqlField::new("t", SqlType::Timestamp(9))];
        let (schema, _) = to_iceberg(&columns, &[], &[], 3).unwrap();
        assert_eq!(to_spec(&[term("identity", None, "t")], &schema).unwrap_err().code(), "lake.partition");
        assert!(to_spec(&[term("hours", None, "t")], &schema).is_ok());
    }

    #[test]
    fn terms_survive_the_way_through_a_spec() {
        let columns = [SqlField::new("a", SqlType::BigInt), SqlField::new("t", SqlType::Timestamp(3))];
        let (schema, _) = to_iceberg(&columns, &[], &[], 2).unwrap();
        let terms = vec![term("identity", None, "a"), term("days", None, "t"), term("bucket", Some(4), "a")];
        let spec = to_spec(&terms, &schema).unwrap().bind(schema.clone()).unwrap();
        assert_eq!(spec.fields().iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a", "t_day", "a_bucket"]);
        assert_eq!(from_spec(&spec, &schema), terms);
        for wrong in
            [term("dys", None, "t"), term("days", None, "a"), term("bucket", None, "a"), term("days", None, "x")]
        {
            assert_eq!(to_spec(&[wrong], &schema).unwrap_err().code(), "lake.partition");
        }
    }
}
