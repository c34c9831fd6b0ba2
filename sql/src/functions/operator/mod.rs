//! Arithmetic on DECIMAL with Flink's result types: exact, rounded half up where the scale is cut, NULL where the
//! result does not fit.
//!
//! `p1, s1` and `p2, s2` are precision and scale of the operands:
//!
//! | operator | precision | scale |
//! |---|---|---|
//! | `+ -` | max(p1-s1, p2-s2) + s + 1 | s = max(s1, s2) |
//! | `*` | p1 + p2 + 1 | s1 + s2 |
//! | `/` | p1 - s1 + s2 + s | s = max(6, s1 + p2 + 1) |
//! | `%` | min(p1-s1, p2-s2) + s | s = max(s1, s2) |
//!
//! A precision over 38 becomes 38, at the cost of the scale, of which at least 6 digits stay.
//!
//! Source: Flink, `LogicalTypeMerging`.

use super::cast::decimal_fits;
use super::{to_datafusion, udf::field_of};
use arrow::array::*;
use arrow::datatypes::*;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecimalOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`, with the sign of the dividend.
    Modulo,
}

impl DecimalOperator {
    /// The operator of an expression, if it is arithmetic.
    pub fn from_operator(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Plus => Self::Add,
            Operator::Minus => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            Operator::Divide => Self::Divide,
            Operator::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    /// Precision and scale of the result.
    pub fn result(self, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> (u8, i8) {
        let [p1, s1, p2, s2] = [i16::from(p1), i16::from(s1), i16::from(p2), i16::from(s2)];
        let (precision, scale) = match self {
            Self::Add | Self::Subtract => {
                let s = s1.max(s2);
                ((p1 - s1).max(p2 - s2) + s + 1, s)
            }
            Self::Multiply => (p1 + p2 + 1, s1 + s2),
            Self::Divide => {
                let s = (s1 + p2 + 1).max(6);
                (p1 - s1 + s2 + s, s)
            }
            // Of whole numbers it has the type of the divisor.
            Self::Modulo if s1 == 0 && s2 == 0 => (p2, 0),
            Self::Modulo => {
                let s = s1.max(s2);
                ((p1 - s1).min(p2 - s2) + s, s)
            }
        };
        adjust(precision, scale)
    }
}

/// Brings a precision down to 38.
pub(crate) fn adjust(precision: i16, scale: i16) -> (u8, i8) {
    if precision <= 38 {
        return (precision.max(1) as u8, scale as i8);
    }
    let whole = precision - scale;
    (38, (38 - whole).max(scale.min(6)).min(38) as i8)
}

/// An operator on two decimals, as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DecimalArithmetic {
    operator: DecimalOperator,
    signature: Signature,
}

/// `left operator right` for two expressions of type DECIMAL.
pub fn decimal_arithmetic(operator: DecimalOperator, left: Expr, right: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    let udf = ScalarUDF::new_from_impl(DecimalArithmetic { operator, signature });
    Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(Arc::new(udf), vec![left, right]))
}

fn parts(data_type: &DataType) -> Result<(u8, i8)> {
    match data_type {
        DataType::Decimal128(p, s) => Ok((*p, *s)),
        other => Err(Error::internal("decimal.argument", format!("decimal arithmetic on {other}"))),
    }
}

impl ScalarUDFImpl for DecimalArithmetic {
    fn name(&self) -> &str {
        match self.operator {
            DecimalOperator::Add => "decimal_add",
            DecimalOperator::Subtract => "decimal_subtract",
            DecimalOperator::Multiply => "decimal_multiply",
            DecimalOperator::Divide => "decimal_divide",
            DecimalOperator::Modulo => "decimal_modulo",
        }
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        Ok(format!("{} {} {}", args[0].schema_name(), self.operator.symbol(), args[1].schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        // To know what a correlated sub-query gives over no rows, DataFusion puts a NULL without a type for its aggregates.
        if types.contains(&DataType::Null) {
            return Ok(DataType::Null);
        }
        let left = parts(&types[0]).map_err(to_datafusion)?;
        let right = parts(&types[1]).map_err(to_datafusion)?;
        let (p, s) = self.operator.result(left, right);
        Ok(DataType::Decimal128(p, s))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let sql_type = match self.return_type(&types)? {
            DataType::Decimal128(p, s) => SqlType::Decimal(p, s),
            _ => SqlType::Null,
        };
        Ok(field_of(self.name(), sql_type, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if args.return_field.data_type() == &DataType::Null {
            return Ok(ColumnarValue::Scalar(ScalarValue::Null));
        }
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let mut sides = Vec::with_capacity(2);
        for argument in &args.args {
            sides.push(match argument {
                ColumnarValue::Array(array) => (Arc::clone(array), false),
                ColumnarValue::Scalar(value) => (value.to_array()?, true),
            });
        }
        let (p, s) = parts(args.return_field.data_type()).map_err(to_datafusion)?;
        let result = compute(self.operator, &sides[0], &sides[1], rows, (p, s)).map_err(to_datafusion)?;
        let result: ArrayRef = Arc::new(result.with_precision_and_scale(p, s)?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn compute(
    operator: DecimalOperator,
    left: &(ArrayRef, bool),
    right: &(ArrayRef, bool),
    rows: usize,
    (p, s): (u8, i8),
) -> Result<Decimal128Array> {
    let (_, s1) = parts(left.0.data_type())?;
    let (_, s2) = parts(right.0.data_type())?;
    let a = left.0.as_primitive::<Decimal128Type>();
    let b = right.0.as_primitive::<Decimal128Type>();
    let mut out = Decimal128Builder::with_capacity(rows);
    for row in 0..rows {
        let (i, j) = (if left.1 { 0 } else { row }, if right.1 { 0 } else { row });
        if a.is_null(i) || b.is_null(j) {
            out.append_null();
            continue;
        }
        let value = one(operator, (a.value(i), s1), (b.value(j), s2), s)?;
        out.append_option(value.filter(|v| decimal_fits(*v, p)));
    }
    Ok(out.finish())
}

/// One result with `scale` digits after the point; none when it leaves 128 bits.
fn one(operator: DecimalOperator, (a, s1): (i128, i8), (b, s2): (i128, i8), scale: i8) -> Result<Option<i128>> {
    if b == 0 && matches!(operator, DecimalOperator::Divide | DecimalOperator::Modulo) {
        return Err(Error::data("value.division_by_zero", "division by zero")
            .hint("guard the divisor, as in `a / NULLIF(b, 0)`"));
    }
    Ok(match operator {
        DecimalOperator::Add | DecimalOperator::Subtract | DecimalOperator::Modulo => {
            let common = s1.max(s2);
            let narrow = || -> Option<i128> {
                let (x, y) = (up(a, common - s1)?, up(b, common - s2)?);
                match operator {
                    DecimalOperator::Add => x.checked_add(y),
                    DecimalOperator::Subtract => x.checked_sub(y),
                    _ => x.checked_rem(y),
                }
            };
            match narrow() {
                Some(v) if common == scale => Some(v),
                Some(v) => super::cast::rescale(v, common, scale),
                None => {
                    let (x, y) = (up_wide(a, common - s1), up_wide(b, common - s2));
                    let wide = match operator {
                        DecimalOperator::Add => x.wrapping_add(y),
                        DecimalOperator::Subtract => x.wrapping_sub(y),
                        _ => x.checked_rem(y).unwrap_or(i256::ZERO),
                    };
                    down_wide(wide, common - scale)
                }
            }
        }
        DecimalOperator::Multiply => match a.checked_mul(b) {
            Some(v) if s1 + s2 == scale => Some(v),
            Some(v) => super::cast::rescale(v, s1 + s2, scale),
            None => down_wide(i256::from_i128(a).wrapping_mul(i256::from_i128(b)), s1 + s2 - scale),
        },
        DecimalOperator::Divide => {
            // a / 10^s1 / (b / 10^s2) = a * 10^(scale + s2 - s1) / b / 10^scale
            let shift = scale + s2 - s1;
            match up(a, shift) {
                Some(x) => Some(super::cast::divide_half_up(x, b)),
                None => super::cast::divide_half_up_wide(up_wide(a, shift), i256::from_i128(b)),
            }
        }
    })
}

#[inline]
fn up(value: i128, digits: i8) -> Option<i128> {
    match digits {
        0 => Some(value),
        1..=38 => value.checked_mul(10i128.pow(digits as u32)),
        _ => None,
    }
}

fn up_wide(value: i128, digits: i8) -> i256 {
    let ten = i256::from_i128(10);
    i256::from_i128(value).wrapping_mul(ten.wrapping_pow(u32::try_from(digits).unwrap_or(0)))
}

fn down_wide(value: i256, digits: i8) -> Option<i128> {
    if digits <= 0 {
        return value.to_i128();
    }
    super::cast::divide_half_up_wide(value, i256::from_i128(10).wrapping_pow(digits as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecimalOperator::*;
    use proptest::prelude::*;

    #[test]
    fn result_types_are_those_of_flink() {
        for (operator, left, right, result) in [
            (Add, (10, 2), (5, 4), (13, 4)),
            (Subtract, (38, 10), (38, 10), (38, 9)),
            (Multiply, (3, 3), (19, 0), (23, 3)),
            (Multiply, (38, 18), (38, 18), (38, 6)),
            (Divide, (10, 2), (5, 1), (17, 8)),
            (Divide, (38, 18), (38, 18), (38, 6)),
            (Modulo, (10, 2), (5, 4), (5, 4)),
        ] {
            assert_eq!(operator.result(left, right), result, "{operator:?} {left:?} {right:?}");
        }
    }

    proptest! {
        #[test]
        fn wide_and_narrow_paths_agree(a in -10i128.pow(18)..10i128.pow(18), b in 1i128..10i128.pow(15), s1 in 0i8..9, s2 in 0i8..9) {
            let (_, scale) = Divide.result((18, s1), (15, s2));
            let narrow = one(Divide, (a, s1), (b, s2), scale).unwrap();
            let wide = crate::functions::cast::divide_half_up_wide(up_wide(a, scale + s2 - s1), i256::from_i128(b));
            prop_assert_eq!(narrow, wide);
            prop_assert_eq!(one(Divide, (-a, s1), (b, s2), scale).unwrap(), narrow.map(|v| -v));
        }
    }
}
