//! A [`Function`] as DataFusion sees it.

use super::call::{Call, Column};
use super::function::{Argument, Function, Stability};
use super::{FunctionContext, to_datafusion};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use freshet_types::{Error, SqlField, SqlType};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A scalar function bound to a session.
#[derive(Debug)]
pub struct Scalar {
    name: &'static str,
    function: &'static Function,
    context: Arc<FunctionContext>,
    signature: Signature,
}

impl Scalar {
    /// The function under one of its names.
    pub fn new(name: &'static str, function: &'static Function, context: &Arc<FunctionContext>) -> Self {
        let volatility = match function.stability {
            Stability::Pure => Volatility::Immutable,
            // A batch query has one time; a stream asks the clock again for each batch.
            Stability::Clock if context.query_time_ms.is_some() => Volatility::Stable,
            Stability::Clock | Stability::Random => Volatility::Volatile,
        };
        Self { name, function, context: Arc::clone(context), signature: Signature::user_defined(volatility) }
    }

    /// The definition.
    pub fn function(&self) -> &'static Function {
        self.function
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.context.time_zone == other.context.time_zone
            && self.context.query_time_ms == other.context.query_time_ms
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.context.query_time_ms.hash(state);
    }
}

/// The arguments of a plan, as [`Function::result_type`] wants them.
pub(crate) fn arguments_of<'a>(
    fields: &[FieldRef],
    literals: &[Option<&'a ScalarValue>],
) -> freshet_types::Result<Vec<Argument<'a>>> {
    fields
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let sql_type = SqlField::from_arrow(field).map(|f| f.sql_type).ok_or_else(|| {
                Error::unsupported("type.unknown", format!("values of type {} cannot be used here", field.data_type()))
            })?;
            Ok(Argument { sql_type, nullable: field.is_nullable(), literal: literals.get(i).copied().flatten() })
        })
        .collect()
}

/// A field of `sql_type` that keeps Flink's spelling.
pub(crate) fn field_of(name: &str, sql_type: SqlType, nullable: bool) -> FieldRef {
    Arc::new(SqlField { name: name.to_string(), sql_type, nullable }.to_arrow())
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // DataFusion would drown our error in its own words; it comes up again, as it is, with the type of the result.
        Ok(self.function.coerce(types).unwrap_or_else(|_| types.to_vec()))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        let literals = vec![None; fields.len()];
        let arguments = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &literals };
        Ok(self.return_field_from_args(arguments)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        self.function.coerce(&types).map_err(to_datafusion)?;
        let arguments = arguments_of(args.arg_fields, args.scalar_arguments).map_err(to_datafusion)?;
        let sql_type = self.function.result_type(&arguments).map_err(to_datafusion)?;
        let field = field_of(self.name, sql_type, !self.function.never_null);
        if super::json::builds(self.function) {
            let mut metadata = field.metadata().clone();
            metadata.insert(super::json::JSON_KEY.to_string(), "built".to_string());
            return Ok(Arc::new(field.as_ref().clone().with_metadata(metadata)));
        }
        Ok(field)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Without arguments there is one value for the batch, unless chance decides for each row.
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)))
            && self.function.stability != Stability::Random;
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|argument| {
                Ok(match argument {
                    ColumnarValue::Array(array) => Column { array: plain(array)?, constant: false },
                    ColumnarValue::Scalar(value) => Column { array: plain(&value.to_array()?)?, constant: true },
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let call = Call {
            name: self.name,
            context: &self.context,
            arguments: columns,
            fields: &args.arg_fields,
            rows,
            result: &args.return_field,
        };
        let result = (self.function.evaluate)(&call).map_err(to_datafusion)?;
        // Names and nullability inside nested types may differ from what the plan says.
        let result = if result.data_type() != args.return_field.data_type() && result.data_type().is_nested() {
            arrow::compute::cast(&result, args.return_field.data_type())?
        } else {
            result
        };
        debug_assert_eq!(result.data_type(), args.return_field.data_type(), "type of {}", self.name);
        debug_assert_eq!(result.len(), rows, "rows of {}", self.name);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Views and large variants become the plain arrays that the functions read.
fn plain(array: &arrow::array::ArrayRef) -> Result<arrow::array::ArrayRef> {
    let target = match array.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    Ok(arrow::compute::cast(array, &target)?)
}
