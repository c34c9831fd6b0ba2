//! Aggregates that exist in Flink and not here: they are refused by name.

use crate::functions::to_datafusion;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use freshet_types::Error;

/// A name that is refused, with advice.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Refused {
    name: &'static str,
    advice: &'static str,
    signature: Signature,
}

impl Refused {
    pub(super) fn new(name: &'static str, advice: &'static str) -> Self {
        Self { name, advice, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn refuse<T>(&self) -> Result<T> {
        let text = format!("function \"{}\" is not there yet", self.name.to_uppercase());
        Err(to_datafusion(Error::unsupported("function.unsupported", text).hint(self.advice)))
    }
}

impl AggregateUDFImpl for Refused {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        self.refuse()
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.refuse()
    }
}
