//! Reads topics: finds partitions and where to begin and end in them.

mod decode;
mod reader;
#[cfg(test)]
mod tests;

pub(super) use decode::record_format;

use super::io::{KafkaIo, Librdkafka, Partition};
use super::options::{self, Layout, Place, ScanOptions};
use freshet_connector_api::{Boundedness, Offset, Source, SourceReader, Split, SplitId, TableSpec};
use freshet_types::{Error, Result};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const METADATA: &[&str] = &["topic", "partition", "offset", "timestamp", "timestamp-type", "headers", "leader-epoch"];

/// Position of a split: the next offset, and for a bounded source the one before which reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) next: i64,
    pub(super) end: Option<i64>,
}

impl Position {
    pub(super) fn text(self) -> Offset {
        Offset(match self.end {
            Some(end) => format!("{}/{end}", self.next),
            None => self.next.to_string(),
        })
    }

    pub(super) fn parse(offset: &Offset) -> Result<Self> {
        let (next, end) = match offset.0.split_once('/') {
            Some((next, end)) => (next, Some(end)),
            None => (offset.0.as_str(), None),
        };
        let number = |text: &str| {
            text.parse()
                .map_err(|_| Error::internal("kafka.offset", format!("\"{}\" is no position of a topic", offset.0)))
        };
        Ok(Self { next: number(next)?, end: end.map(number).transpose()? })
    }
}

/// One table, read.
pub(super) struct KafkaSource {
    inner: Arc<Inner>,
    known: Mutex<Known>,
}

/// Partitions that were found before; later ones are new and begin at their first record.
#[derive(Default)]
struct Known {
    /// None before the job looked for the first time, be it in an earlier run.
    partitions: Option<HashSet<Partition>>,
    /// Whether this run has looked.
    looked: bool,
}

/// What source and readers share.
pub(super) struct Inner {
    table: TableSpec,
    layout: Layout,
    scan: ScanOptions,
    io: Arc<dyn KafkaIo>,
}

impl KafkaSource {
    pub(super) fn new(table: &TableSpec) -> Result<Self> {
        let io = Arc::new(Librdkafka::new(options::client_settings(&table.options)?));
        Self::with_io(table, io)
    }

    pub(super) fn with_io(table: &TableSpec, io: Arc<dyn KafkaIo>) -> Result<Self> {
        options::check_metadata(table, METADATA, false)?;
        let layout = Layout::parse(table)?;
        let scan = ScanOptions::parse(&table.options)?;
        let inner = Arc::new(Inner { table: table.clone(), layout, scan, io });
        let all: Vec<usize> = (0..table.columns.len()).collect();
        decode::Decoder::new(&inner.table, &inner.layout, &all)?;
        Ok(Self { inner, known: Mutex::default() })
    }
}

impl Inner {
    /// The offsets that a place means.
    fn resolve(&self, place: &Place, partitions: &[Partition]) -> Result<Vec<i64>> {
        let each = |find: &dyn Fn(&Partition) -> Result<i64>| partitions.iter().map(find).collect::<Result<Vec<_>>>();
        match place {
            Place::Earliest => each(&|p| Ok(self.io.bounds(p)?.0)),
            Place::Latest => each(&|p| Ok(self.io.bounds(p)?.1)),
            Place::Timestamp(ms) => {
                let found = self.io.offsets_at(partitions, *ms)?;
                let pairs = partitions.iter().zip(found);
                pairs.map(|(p, offset)| offset.map_or_else(|| Ok(self.io.bounds(p)?.1), Ok)).collect()
            }
            Place::Group => {
                let found = self.io.group_offsets(partitions)?;
                let otherwise = |p: &Partition| match &self.scan.reset {
                    Some(place) => self.resolve(place, std::slice::from_ref(p)).map(|o| o[0]),
                    None => Err(Error::invalid(
                        "kafka.no_group_offset",
                        format!("the group has no offset in partition \"{}\"", p.split_id()),
                    )
                    .hint("set properties.auto.offset.reset to earliest or latest, or another scan.startup.mode")),
                };
                partitions.iter().zip(found).map(|(p, offset)| offset.map_or_else(|| otherwise(p), Ok)).collect()
            }
            Place::Specific(offsets) => {
                let otherwise = |p: &Partition| self.resolve(&Place::Group, std::slice::from_ref(p)).map(|o| o[0]);
                each(&|p| offsets.get(&p.number).map_or_else(|| otherwise(p), |offset| Ok(*offset)))
            }
        }
    }

    /// Refuses a partition of a checkpoint whose topic the table no longer names.
    fn check_topic(&self, partition: &Partition) -> Result<()> {
        if self.scan.topics.contain(&partition.topic) {
            return Ok(());
        }
        let text = format!("the checkpoint stands in topic \"{}\", which the table does not name", partition.topic);
        Err(Error::invalid("kafka.topic_changed", text)
            .at("table", &self.table.name)
            .hint("name the topic again, start over with --from-scratch, or give the job another name"))
    }

    /// Where reading ends.
    fn ends(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>> {
        match &self.scan.end {
            None => Ok(vec![None; partitions.len()]),
            Some(place) => Ok(self.resolve(place, partitions)?.into_iter().map(Some).collect()),
        }
    }
}

impl Source for KafkaSource {
    fn boundedness(&self) -> Boundedness {
        if self.inner.scan.end.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        let inner = &self.inner;
        let partitions = inner.io.partitions(&inner.scan.topics)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = if known.partitions.is_some() { &Place::Earliest } else { &inner.scan.start };
        let is_old = |p: &Partition| known.partitions.as_ref().is_some_and(|known| known.contains(p));
        let (old, new): (Vec<Partition>, Vec<Partition>) = partitions.into_iter().partition(is_old);
        let starts = inner.resolve(place, &new)?;
        let ends = inner.ends(&new)?;
        let split = |p: &Partition, next, end| Split { id: p.split_id().into(), start: Position { next, end }.text() };
        let mut splits: Vec<Split> =
            new.iter().zip(starts).zip(ends).map(|((p, next), end)| split(p, next, end)).collect();
        if !known.looked {
            // The checkpoint says where these begin.
            splits.extend(old.iter().map(|p| split(p, 0, None)));
        }
        known.looked = true;
        known.partitions.get_or_insert_default().extend(new);
        Ok(splits)
    }

    fn resume(&self, splits: &[SplitId]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.partitions = Some(splits.iter().filter_map(|id| Partition::of_split(id)).collect());
    }

    fn discovery_interval(&self) -> Option<Duration> {
        self.inner.scan.discovery_interval
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(reader::KafkaReader::new(&self.inner, projection)?))
    }
}
