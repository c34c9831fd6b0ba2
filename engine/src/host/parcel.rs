//! What travels on the edges of the dataflow: changes and watermarks, each with the worker that it goes to.

use crate::epochs::EpochInfo;
use crate::source_driver::progress::Standing;
use freshet_types::{ChangeBatch, Watermark};
use std::io::Write;
use std::sync::Arc;
use timely::Accountable;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};

/// The end of an epoch on one worker of one edge. Every worker sends one to every worker that reads the edge, in every
/// epoch; it carries what the end of the epoch means, so that nobody has to ask.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// Worker that sends it.
    pub(crate) from: usize,
    pub(crate) watermark: Watermark,
    /// What the watermark is worth.
    pub(crate) standing: Standing,
    pub(crate) end: Arc<EpochInfo>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Changes(ChangeBatch),
    Mark(Mark),
}

#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// Worker that it goes to.
    pub(crate) to: usize,
    pub(crate) body: Body,
}

/// Some envelopes of one epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parcel(pub(crate) Vec<Envelope>);

impl Accountable for Parcel {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

/// Workers are threads of one process, between which parcels move as they are.
///
/// Several processes need each edge's schema here, to write changes as Arrow IPC; a job asks for threads only.
impl ContainerBytes for Parcel {
    fn from_bytes(_bytes: timely::bytes::arc::Bytes) -> Self {
        unreachable!("workers are threads of one process")
    }

    fn length_in_bytes(&self) -> usize {
        unreachable!("workers are threads of one process")
    }

    fn into_bytes<W: Write>(&self, _writer: &mut W) {
        unreachable!("workers are threads of one process")
    }
}

/// Hands envelopes to the workers that they name. The number of envelopes stays: progress tracking counts them.
pub(crate) struct Deliver;

impl Distributor<Parcel> for Deliver {
    fn partition<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, parcel: &mut Parcel, time: &T, pushers: &mut [P]) {
        let mut parts: Vec<Vec<Envelope>> = pushers.iter().map(|_| Vec::new()).collect();
        for envelope in parcel.0.drain(..) {
            parts[envelope.to].push(envelope);
        }
        for (part, pusher) in parts.into_iter().zip(pushers) {
            if !part.is_empty() {
                Message::push_at(&mut Parcel(part), time.clone(), pusher);
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, _time: &T, _pushers: &mut [P]) {}
}
