//! Flink's types where DataFusion plans a CAST or a typed literal.

use super::error::inward;
use crate::parse::type_of;
use arrow::datatypes::FieldRef;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType, TimezoneInfo};
use freshet_types::{SqlField, SqlType};
use std::sync::Arc;

/// Plans types.
#[derive(Debug)]
pub(crate) struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, data_type: &DataType) -> DfResult<Option<FieldRef>> {
        let sql_type = match type_of(data_type).map_err(inward)? {
            Some(sql_type) => Some(sql_type),
            None => match data_type {
                DataType::Timestamp(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                    Some(SqlType::Timestamp(digits.map_or(6, |d| d.min(9) as u8)))
                }
                DataType::Time(digits, _) => Some(SqlType::Time(digits.map_or(0, |d| d.min(9) as u8))),
                DataType::Varchar(None) | DataType::String(_) | DataType::Text => Some(SqlType::STRING),
                _ => None,
            },
        };
        Ok(sql_type.map(|t| Arc::new(SqlField::new("", t).to_arrow())))
    }
}
