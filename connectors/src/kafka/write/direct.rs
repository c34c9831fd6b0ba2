//! Hands records to the producer as rows come; a checkpoint waits until the broker has them.

use super::encode::RowEncoder;
use super::{Chooser, Target};
use crate::kafka::io::KafkaProducer;
use crate::kafka::options::Delivery;
use freshet_connector_api::{Prepared, SinkWriter, WriterContext};
use freshet_types::{ChangeBatch, CheckpointId, Result};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct DirectWriter {
    target: Arc<Target>,
    encoder: RowEncoder,
    chooser: Chooser,
    producer: Arc<Mutex<Box<dyn KafkaProducer>>>,
}

impl DirectWriter {
    pub(super) fn new(target: &Arc<Target>, context: &WriterContext) -> Result<Self> {
        Ok(Self {
            encoder: RowEncoder::new(&target.table, &target.layout)?,
            chooser: Chooser::new(target, context.worker)?,
            producer: Arc::new(Mutex::new(target.io.producer(None)?)),
            target: Arc::clone(target),
        })
    }
}

impl SinkWriter for DirectWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let chooser = &mut self.chooser;
        self.encoder.encode(changes, &mut |record| {
            record.partition = chooser.choose();
            producer.send(&self.target.options.topic, record)
        })
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        let producer = Arc::clone(&self.producer);
        let may_lose = self.target.options.delivery == Delivery::Never;
        Ok(Box::new(move || {
            match producer.lock().unwrap_or_else(PoisonError::into_inner).flush() {
                Err(error) if may_lose => tracing::warn!(%error, "rows may be lost"),
                result => result?,
            }
            Ok(Vec::new())
        }))
    }
}
