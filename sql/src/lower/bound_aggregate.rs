//! An aggregate function some of whose arguments are literals, such as the separator of LISTAGG: the operator sees the
//! other arguments only.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use std::sync::Arc;

/// A function with literals at some places.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bound {
    inner: Arc<AggregateUDF>,
    /// Place among all arguments, and value; ordered by place.
    literals: Vec<(usize, ScalarValue)>,
    signature: Signature,
}

/// `function` without its literal arguments, and the arguments that are left. All literals: nothing is bound.
pub(super) fn bind(function: &Arc<AggregateUDF>, arguments: &[Expr]) -> (Arc<AggregateUDF>, Vec<Expr>) {
    let literals: Vec<(usize, ScalarValue)> = arguments
        .iter()
        .enumerate()
        .filter_map(|(i, e)| match e {
            Expr::Literal(value, _) => Some((i, value.clone())),
            _ => None,
        })
        .collect();
    if literals.is_empty() || literals.len() == arguments.len() {
        return (Arc::clone(function), arguments.to_vec());
    }
    let rest = arguments.iter().filter(|e| !matches!(e, Expr::Literal(..))).cloned().collect::<Vec<_>>();
    let signature = Signature::any(rest.len(), Volatility::Immutable);
    let bound = Bound { inner: Arc::clone(function), literals, signature };
    (Arc::new(AggregateUDF::new_from_impl(bound)), rest)
}

impl Bound {
    /// Puts what the literals stand for among what the other arguments gave.
    fn whole<T>(&self, others: impl IntoIterator<Item = T>, literal: impl Fn(&ScalarValue) -> T) -> Vec<T> {
        let mut all: Vec<T> = others.into_iter().collect();
        for (place, value) in &self.literals {
            all.insert(*place, literal(value));
        }
        all
    }
}

fn field_of(value: &ScalarValue) -> FieldRef {
    Arc::new(Field::new("literal", value.data_type(), value.is_null()))
}

impl AggregateUDFImpl for Bound {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(&self.whole(types.iter().cloned(), ScalarValue::data_type))
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(&self.whole(fields.iter().cloned(), field_of))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let exprs =
            self.whole(args.exprs.iter().cloned(), |v| Arc::new(Literal::new(v.clone())) as Arc<dyn PhysicalExpr>);
        let expr_fields = self.whole(args.expr_fields.iter().cloned(), field_of);
        let inner = self.inner.accumulator(AccumulatorArgs { exprs: &exprs, expr_fields: &expr_fields, ..args })?;
        Ok(Box::new(Whole { inner, literals: self.literals.clone() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let input_fields = self.whole(args.input_fields.iter().cloned(), field_of);
        self.inner.state_fields(StateFieldsArgs { input_fields: &input_fields, ..args })
    }
}

/// The function's accumulator, given all its arguments again.
#[derive(Debug)]
struct Whole {
    inner: Box<dyn Accumulator>,
    literals: Vec<(usize, ScalarValue)>,
}

impl Whole {
    fn columns(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let count = values.first().map_or(0, |v| v.len());
        let mut all = values.to_vec();
        for (place, value) in &self.literals {
            all.insert(*place, value.to_array_of_size(count)?);
        }
        Ok(all)
    }
}

impl Accumulator for Whole {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let all = self.columns(values)?;
        self.inner.update_batch(&all)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let all = self.columns(values)?;
        self.inner.retract_batch(&all)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}
