//! CAST and TRY_CAST as Flink does them, and the casts that Flink puts in by itself.
//!
//! Numbers narrow by cutting bits (`CAST(128 AS TINYINT)` is -128), decimals that do not fit become NULL, text that
//! cannot be read fails (NULL under TRY_CAST), text is cut or padded to the length of a CHAR, timestamps are cut to
//! their precision, TIMESTAMP and TIMESTAMP_LTZ meet in the zone of the session.
//!
//! Source: Flink documentation, "CAST"; Java's narrowing conversions.

mod kernel;
mod number;
pub(crate) mod temporal;
mod text;

pub use kernel::cast_array;
pub(crate) use kernel::{LocalTimes, count, per_second, with_unit};
pub(crate) use number::{decimal_fits, divide_half_up, divide_half_up_wide, rescale};
pub use temporal::{instant_from_local, local_from_instant};
pub(crate) use temporal::{parse_date, parse_timestamp};
pub(crate) use text::parse_decimal;

use super::udf::field_of;
use super::{FunctionContext, to_datafusion};
use arrow::array::Array;
use arrow::datatypes::{DataType, FieldRef};
use chrono_tz::Tz;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    Cast as ExprCast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use freshet_types::{Error, Result, SqlField, SqlType};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What happens to a value without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// CAST: the statement fails.
    Fail,
    /// TRY_CAST: NULL.
    Null,
}

/// How values are cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CastOptions {
    /// What happens to a value without a result.
    pub on_failure: OnFailure,
    /// Zone of the session.
    pub zone: Tz,
}

/// CAST to one type, as a function of one argument.
#[derive(Debug)]
pub struct FlinkCast {
    target: SqlType,
    options: CastOptions,
    signature: Signature,
}

impl FlinkCast {
    /// A cast to `target`.
    pub fn new(target: SqlType, options: CastOptions) -> Self {
        Self { target, options, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// Whether a value of `argument` may have no result.
    pub(crate) fn can_fail(&self, argument: &Expr, schema: &dyn datafusion::common::ExprSchema) -> bool {
        use datafusion::logical_expr::ExprSchemable;
        let text = |t: DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        self.options.on_failure == OnFailure::Fail
            && !self.target.is_text()
            && argument.get_type(schema).map_or(true, |t| text(t.clone()) || t.is_nested())
    }

    /// The type that it casts to.
    pub fn target(&self) -> &SqlType {
        &self.target
    }
}

impl PartialEq for FlinkCast {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.options == other.options
    }
}

impl Eq for FlinkCast {}

impl Hash for FlinkCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
        self.options.on_failure.hash(state);
    }
}

impl ScalarUDFImpl for FlinkCast {
    fn name(&self) -> &str {
        match self.options.on_failure {
            OnFailure::Fail => "flink_cast",
            OnFailure::Null => "flink_try_cast",
        }
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        let word = if self.options.on_failure == OnFailure::Fail { "CAST" } else { "TRY_CAST" };
        Ok(format!("{word}({} AS {})", args[0].schema_name(), self.target))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.target.to_arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let from = &args.arg_fields[0];
        // A decimal that does not fit becomes NULL, so only casts that cannot lose a value keep NOT NULL.
        let total = !matches!(self.target, SqlType::Decimal(..)) && self.options.on_failure == OnFailure::Fail;
        Ok(field_of(self.name(), self.target.clone(), from.is_nullable() || !total))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let from = SqlField::from_arrow(&args.arg_fields[0]).map(|f| f.sql_type);
        let from = from.unwrap_or(SqlType::Null);
        let run = |array: &Arc<dyn Array>| cast_array(array, &from, &self.target, &self.options).map_err(to_datafusion);
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(run(array)?)),
            ColumnarValue::Scalar(value) => {
                let result = run(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
            }
        }
    }
}

/// Whether a cast keeps every value and its meaning, so that Arrow's own cast does the same and the optimiser may look
/// through it.
fn is_plain_widening(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (Null, _) => !to.is_nested(),
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float64)
        | (Float32, Float64)
        | (Utf8View | LargeUtf8, Utf8)
        | (BinaryView | LargeBinary, Binary) => true,
        (Int64, Float64) => true,
        (Int8, Decimal128(p, s)) => i16::from(*p) - i16::from(*s) >= 3,
        (Int16, Decimal128(p, s)) => i16::from(*p) - i16::from(*s) >= 5,
        (Int32, Decimal128(p, s)) => i16::from(*p) - i16::from(*s) >= 10,
        (Int64, Decimal128(p, s)) => i16::from(*p) - i16::from(*s) >= 19,
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s2 >= s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(*p1) - i16::from(*s1)
        }
        (Timestamp(a, None), Timestamp(b, None)) => b >= a && *b != arrow::datatypes::TimeUnit::Nanosecond,
        (Timestamp(a, Some(_)), Timestamp(b, Some(_))) => b >= a && *b != arrow::datatypes::TimeUnit::Nanosecond,
        (Date32, Timestamp(unit, None)) => *unit != arrow::datatypes::TimeUnit::Nanosecond,
        _ => false,
    }
}

/// `expr`, a value of `from`, as a value of `target`.
///
/// Nothing is added when the types agree; casts that Arrow does alike become DataFusion casts.
///
/// # Errors
/// `cast.unsupported` when Flink has no such cast.
pub fn cast_expr(
    expr: Expr,
    from: &SqlField,
    target: &SqlType,
    on_failure: OnFailure,
    context: &FunctionContext,
) -> Result<Expr> {
    if from.sql_type == *target {
        return Ok(expr);
    }
    check_supported(&from.sql_type, target)?;
    let arrow_target = target.to_arrow();
    let arrow_from = from.sql_type.to_arrow();
    let keeps_spelling = SqlType::from_data_type(&arrow_target).as_ref() == Some(target);
    if keeps_spelling && arrow_from == arrow_target && !matters_at_run_time(&from.sql_type, target) {
        return Ok(strip_spelling(expr, from, target, context));
    }
    if keeps_spelling && is_plain_widening(&arrow_from, &arrow_target) {
        // A cast of a literal NULL is a typed NULL: the optimiser sees through that best.
        if let Expr::Literal(ScalarValue::Null, _) = expr
            && let Ok(null) = ScalarValue::try_from(&arrow_target)
        {
            return Ok(Expr::Literal(null, None));
        }
        // DataFusion's cast keeps the metadata of its input, which would then say the wrong type.
        if SqlType::from_data_type(&arrow_from).as_ref() == Some(&from.sql_type) {
            return Ok(Expr::Cast(ExprCast::new(Box::new(expr), arrow_target)));
        }
    }
    Ok(call(expr, target, on_failure, context))
}

fn call(expr: Expr, target: &SqlType, on_failure: OnFailure, context: &FunctionContext) -> Expr {
    let options = CastOptions { on_failure, zone: context.time_zone };
    let udf = ScalarUDF::new_from_impl(FlinkCast::new(target.clone(), options));
    Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(Arc::new(udf), vec![expr]))
}

/// Whether values of two types that share an Arrow type still differ.
fn matters_at_run_time(from: &SqlType, to: &SqlType) -> bool {
    match (from, to) {
        // CHAR(3) to STRING keeps its blanks.
        (f, SqlType::Varchar(n)) if f.is_text() => *n != freshet_types::sql_type::UNBOUNDED,
        (SqlType::Binary(_) | SqlType::Varbinary(_), SqlType::Varbinary(n)) => *n != freshet_types::sql_type::UNBOUNDED,
        (SqlType::Timestamp(a), SqlType::Timestamp(b)) | (SqlType::TimestampLtz(a), SqlType::TimestampLtz(b)) => b < a,
        (SqlType::Time(a), SqlType::Time(b)) => b < a,
        _ => true,
    }
}

/// A value whose Arrow type is right already, but whose field says another spelling.
fn strip_spelling(expr: Expr, from: &SqlField, target: &SqlType, context: &FunctionContext) -> Expr {
    if SqlType::from_data_type(&from.sql_type.to_arrow()).as_ref() == Some(&from.sql_type) {
        return expr;
    }
    call(expr, target, OnFailure::Fail, context)
}

/// Whether Flink has a cast between two types.
pub fn check_supported(from: &SqlType, to: &SqlType) -> Result<()> {
    use SqlType::*;
    let temporal = |t: &SqlType| matches!(t, Date | Time(_) | Timestamp(_) | TimestampLtz(_));
    let bytes = |t: &SqlType| matches!(t, Binary(_) | Varbinary(_));
    let interval = |t: &SqlType| matches!(t, IntervalYearMonth | IntervalDayTime);
    let allowed = match (from, to) {
        (Null, _) => true,
        (_, t) if t.is_text() => true,
        (f, t) if f.is_text() => t.is_numeric() || *t == Boolean || temporal(t) || bytes(t),
        (Boolean, t) => *t == Boolean || t.is_numeric(),
        (f, t) if f.is_numeric() => {
            if temporal(t) {
                return Err(no_cast(from, to).hint(
                    "use TO_TIMESTAMP_LTZ(number, 0) for seconds or TO_TIMESTAMP_LTZ(number, 3) for milliseconds",
                ));
            }
            t.is_numeric() || *t == Boolean
        }
        (f, t) if bytes(f) => bytes(t),
        (Date, t) => matches!(t, Date | Timestamp(_) | TimestampLtz(_)),
        (Time(_), t) => matches!(t, Time(_) | Timestamp(_) | TimestampLtz(_)),
        (Timestamp(_) | TimestampLtz(_), t) => {
            if t.is_numeric() {
                return Err(no_cast(from, to).hint("use UNIX_TIMESTAMP(CAST(x AS STRING)) or TIMESTAMPDIFF"));
            }
            temporal(t)
        }
        (f, t) if interval(f) => f == t || t.is_numeric(),
        (Array(f), Array(t)) => return check_supported(&f.sql_type, &t.sql_type),
        (Map(fk, fv), Map(tk, tv)) => {
            check_supported(fk, tk)?;
            return check_supported(&fv.sql_type, &tv.sql_type);
        }
        (Row(f), Row(t)) => {
            if f.len() != t.len() {
                return Err(no_cast(from, to).hint("give both rows the same number of fields"));
            }
            for (f, t) in f.iter().zip(t) {
                check_supported(&f.sql_type, &t.sql_type)?;
            }
            true
        }
        _ => false,
    };
    if allowed { Ok(()) } else { Err(no_cast(from, to)) }
}

fn no_cast(from: &SqlType, to: &SqlType) -> Error {
    Error::invalid("cast.unsupported", format!("a value of type {from} cannot be cast to {to}"))
}
