//! Debug builds wrap each operator in these checks, so that a broken promise is found where it is broken.

use crate::{Counters, EpochEnd, Frozen, Node, Operator, Output, SegmentKind, StateReader};
use arrow::datatypes::{DataType, SchemaRef};
use freshet_types::{ChangeBatch, Epoch, Error, Result, Watermark, invariant};

/// `operator`, which fails when what it takes or gives breaks the contract: schemas, growing epochs (EP-1) and watermarks
/// (EP-2), append-only edges (ZS-3). `inputs` are the nodes that it reads.
pub fn checked(operator: Box<dyn Operator>, node: &Node, inputs: &[&Node]) -> Box<dyn Operator> {
    let edge =
        |node: &Node| Edge { types: types(&node.schema), append_only: node.append_only, name: node.state_id.clone() };
    Box::new(Checked {
        operator,
        inputs: inputs.iter().map(|n| edge(n)).collect(),
        output: edge(node),
        epoch: None,
        watermark: Watermark::MIN,
    })
}

struct Edge {
    types: Vec<DataType>,
    append_only: bool,
    name: String,
}

fn types(schema: &SchemaRef) -> Vec<DataType> {
    schema.fields().iter().map(|f| f.data_type().clone()).collect()
}

impl Edge {
    fn check(&self, side: &str, changes: &ChangeBatch) -> Result<()> {
        let broken =
            |says: String| Err(Error::internal("engine.contract", says).at("node", &self.name).at("side", side));
        let found = types(&changes.schema());
        if found != self.types {
            return broken(format!("rows have columns {found:?}, the graph says {:?}", self.types));
        }
        if self.append_only && !changes.is_append_only() {
            return broken(format!("{}: {}", invariant::APPEND_ONLY_EDGE.id, invariant::APPEND_ONLY_EDGE.says));
        }
        for (field, column) in changes.schema().fields().iter().zip(changes.rows().columns()) {
            if !field.is_nullable() && column.null_count() > 0 {
                return broken(format!("column \"{}\" holds NULL though it is NOT NULL", field.name()));
            }
        }
        Ok(())
    }
}

struct Checked {
    operator: Box<dyn Operator>,
    inputs: Vec<Edge>,
    output: Edge,
    epoch: Option<Epoch>,
    watermark: Watermark,
}

struct CheckedOutput<'a> {
    edge: &'a Edge,
    inner: &'a mut dyn Output,
    failure: Option<Error>,
}

impl Output for CheckedOutput<'_> {
    fn emit(&mut self, changes: ChangeBatch) {
        if let Err(error) = self.edge.check("output", &changes) {
            self.failure.get_or_insert(error);
        }
        self.inner.emit(changes);
    }
}

impl Operator for Checked {
    fn on_changes(&mut self, input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        match self.inputs.get(input) {
            Some(edge) => edge.check("input", &changes)?,
            None => return Err(Error::internal("engine.contract", format!("there is no input {input}"))),
        }
        let mut out = CheckedOutput { edge: &self.output, inner: out, failure: None };
        self.operator.on_changes(input, changes, &mut out)?;
        out.failure.map_or(Ok(()), Err)
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if self.epoch.is_some_and(|last| end.epoch <= last) {
            return Err(Error::internal(
                "engine.contract",
                format!("{}: {}", invariant::EPOCHS_GROW.id, invariant::EPOCHS_GROW.says),
            ));
        }
        if end.watermark < self.watermark {
            return Err(Error::internal(
                "engine.contract",
                format!("{}: {}", invariant::WATERMARK_GROWS.id, invariant::WATERMARK_GROWS.says),
            ));
        }
        (self.epoch, self.watermark) = (Some(end.epoch), end.watermark);
        let mut out = CheckedOutput { edge: &self.output, inner: out, failure: None };
        self.operator.on_epoch(end, &mut out)?;
        out.failure.map_or(Ok(()), Err)
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        self.operator.freeze(kind)
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        self.operator.restore(reader)
    }

    fn counters(&self) -> Counters {
        self.operator.counters()
    }
}
