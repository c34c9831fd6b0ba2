//! LISTAGG: texts joined in the order of arrival.

use super::distinct::Distinct;
use crate::functions::to_datafusion;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;
use freshet_types::Error;
use std::sync::Arc;

/// LISTAGG.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ListAgg {
    signature: Signature,
}

impl ListAgg {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for ListAgg {
    fn name(&self) -> &str {
        "listagg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![DataType::Utf8; types.len()])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if types.is_empty() || types.len() > 2 {
            let text = format!("function \"LISTAGG\" does not take {} arguments", types.len());
            let error = Error::invalid("function.arguments", text).hint("call it as LISTAGG(x[, separator])");
            return Err(to_datafusion(error));
        }
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let separator = match args.exprs.get(1) {
            None => ",".to_string(),
            Some(expr) => match expr.downcast_ref::<Literal>().map(|l| l.value().try_as_str()) {
                Some(Some(text)) => text.unwrap_or_default().to_string(),
                _ => return plan_err!("the separator of LISTAGG must be a literal"),
            },
        };
        let inner = One { separator, text: None };
        if args.is_distinct {
            return Ok(Box::new(Distinct::new(DataType::Utf8, Box::new(inner))));
        }
        Ok(Box::new(inner))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct {
            return Ok(vec![Distinct::state_field(args.name, &DataType::Utf8)]);
        }
        Ok(vec![Arc::new(Field::new(format!("{}[text]", args.name), DataType::Utf8, true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct One {
    separator: String,
    text: Option<String>,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_string::<i32>().iter().flatten() {
            match &mut self.text {
                Some(text) => {
                    text.push_str(&self.separator);
                    text.push_str(value);
                }
                None => self.text = Some(value.to_string()),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8(self.text.clone()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.text.as_ref().map_or(0, String::capacity)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Utf8(self.text.clone())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}
