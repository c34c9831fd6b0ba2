//! Reads the partitions that one worker was given.
//!
//! Records are gathered into the decoder of their partition; each batch is of one partition. A bounded reader has a
//! consumer per topic, because the client tells the number of a partition that ended, but not its topic.

use super::decode::Decoder;
use super::{Inner, Position};
use crate::kafka::io::{ConsumerSettings, KafkaConsumer, Partition, Record, Seen};
use freshet_connector_api::{AssignedSplit, DeadLetter, Offset, Poll, PollLimit, SourceBatch, SourceReader, SplitId};
use freshet_types::{Error, Result};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct KafkaReader {
    inner: Arc<Inner>,
    projection: Vec<usize>,
    with_headers: bool,
    /// By topic, or one for all when reading does not end.
    consumers: BTreeMap<String, Box<dyn KafkaConsumer>>,
    splits: Vec<SplitState>,
    /// Splits (by place) whose rows are to be handed out.
    ready: VecDeque<usize>,
    /// Which split the last record belonged to: the next one mostly does, too.
    last: usize,
}

struct SplitState {
    id: SplitId,
    partition: Partition,
    position: Position,
    decoder: Decoder,
    dead: Vec<DeadLetter>,
    bytes: u64,
    /// Whether there is something to hand out, be it a moved position.
    moved: bool,
    /// Whether a consumer reads it.
    consumed: bool,
    /// Whether the end was reached; and whether that was said.
    ended: bool,
    told_end: bool,
    /// In a bounded source, an offset that was there before its consumer began to read: news of the end of the partition
    /// are newer than that.
    high: i64,
}

impl SplitState {
    fn take(&mut self, record: &Record<'_>) {
        if self.ended {
            return;
        }
        if let Some(end) = self.position.end.filter(|end| record.offset >= *end) {
            // Nothing before the end is still to come.
            self.position.next = self.position.next.max(end);
            self.ended = true;
            return;
        }
        // After a lost connection the client may give a record again.
        if record.offset < self.position.next {
            return;
        }
        self.moved = true;
        self.position.next = record.offset + 1;
        self.bytes += (record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len)) as u64;
        if let Err(reason) = self.decoder.push(record) {
            self.dead.push(DeadLetter {
                raw: record.value.unwrap_or_default().to_vec(),
                split: Arc::clone(&self.id),
                offset: Offset(record.offset.to_string()),
                reason,
            });
        }
        if self.position.end.is_some_and(|end| self.position.next >= end) {
            self.ended = true;
        }
    }

    fn batch(&mut self) -> Result<SourceBatch> {
        self.moved = false;
        let split_finished = self.ended && !self.told_end;
        self.told_end |= self.ended;
        // A split that has ended forgets where: when its job is started again, it may have grown.
        let end = if self.ended { None } else { self.position.end };
        Ok(SourceBatch {
            split: Arc::clone(&self.id),
            changes: self.decoder.finish()?,
            next: Position { next: self.position.next, end }.text(),
            dead: std::mem::take(&mut self.dead),
            ignored: self.decoder.take_ignored(),
            split_finished,
            bytes: std::mem::take(&mut self.bytes),
        })
    }

    fn has_news(&self) -> bool {
        self.moved || (self.ended && !self.told_end)
    }
}

impl KafkaReader {
    pub(super) fn new(inner: &Arc<Inner>, projection: &[usize]) -> Result<Self> {
        let decoder = Decoder::new(&inner.table, &inner.layout, projection)?;
        Ok(Self {
            inner: Arc::clone(inner),
            projection: projection.to_vec(),
            with_headers: decoder.wants_headers(),
            consumers: BTreeMap::new(),
            splits: Vec::new(),
            ready: VecDeque::new(),
            last: 0,
        })
    }

    fn is_bounded(&self) -> bool {
        self.inner.scan.end.is_some()
    }

    fn consumer_name(&self, partition: &Partition) -> String {
        if self.is_bounded() { partition.topic.clone() } else { String::new() }
    }

    fn consumer(&mut self, name: &str) -> Result<&mut Box<dyn KafkaConsumer>> {
        if !self.consumers.contains_key(name) {
            let settings = ConsumerSettings { tells_end: self.is_bounded(), with_headers: self.with_headers };
            let consumer = self.inner.io.consumer(settings)?;
            self.consumers.insert(name.to_string(), consumer);
        }
        Ok(self.consumers.get_mut(name).expect("it was just made"))
    }

    /// Reads from one consumer until `rows` wait or nothing more is there. Whether anything came.
    fn gather(&mut self, name: &str, rows: usize, wait: Duration) -> Result<bool> {
        let Some(consumer) = self.consumers.get_mut(name) else { return Ok(false) };
        let (splits, last) = (&mut self.splits, &mut self.last);
        let (mut any, mut count, mut reached) = (false, 0, Vec::new());
        let mut wait = wait;
        let result = loop {
            let mut see = |seen: Seen<'_>| match seen {
                Seen::End { partition } => reached.push(partition),
                Seen::Record(record) => {
                    let is_it =
                        |s: &SplitState| s.partition.number == record.partition && s.partition.topic == record.topic;
                    if !splits.get(*last).is_some_and(is_it) {
                        match splits.iter().position(is_it) {
                            Some(place) => *last = place,
                            None => return,
                        }
                    }
                    splits[*last].take(&record);
                    count += 1;
                }
            };
            match consumer.poll(wait, &mut see) {
                Ok(true) => any = true,
                Ok(false) => break Ok(any),
                Err(e) => break Err(e),
            }
            wait = Duration::ZERO;
            if count >= rows {
                break Ok(any);
            }
        };
        for number in reached {
            self.reach_end(name, number)?;
        }
        match result {
            // What came before the error is handed out first; the client meanwhile looks for the broker by itself.
            Err(e) if any && e.is_retryable() => Ok(true),
            result => result,
        }
    }

    /// A partition was read to the end of what it holds now: is that where reading ends?
    fn reach_end(&mut self, topic: &str, number: i32) -> Result<()> {
        let io = Arc::clone(&self.inner.io);
        let is_it = |s: &&mut SplitState| s.partition.number == number && s.partition.topic == topic && !s.ended;
        let Some(split) = self.splits.iter_mut().find(is_it) else { return Ok(()) };
        let Some(end) = split.position.end else { return Ok(()) };
        if end <= split.high {
            // The last offsets belong to marks of transactions, which are no records.
            split.position.next = split.position.next.max(end);
            split.ended = true;
            return Ok(());
        }
        // Reading ends further on than the partition reached when it began. How far it reaches now is younger than the
        // news of its end: reads on from here, and waits for the next.
        let (_, high) = io.bounds(&split.partition)?;
        if high > split.high {
            split.high = high;
            let (partition, next) = (split.partition.clone(), split.position.next);
            if let Some(consumer) = self.consumers.get_mut(topic) {
                consumer.remove(&partition)?;
                consumer.add(&[(partition, next)])?;
            }
        }
        Ok(())
    }

    fn collect_ready(&mut self) -> Result<()> {
        for place in 0..self.splits.len() {
            let split = &self.splits[place];
            if !split.has_news() {
                continue;
            }
            if split.ended && split.consumed {
                let (partition, name) = (split.partition.clone(), self.consumer_name(&split.partition));
                if let Some(consumer) = self.consumers.get_mut(&name) {
                    consumer.remove(&partition)?;
                    self.splits[place].consumed = false;
                }
            }
            self.ready.push_back(place);
        }
        Ok(())
    }
}

impl SourceReader for KafkaReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        let mut begun: BTreeMap<String, Vec<(Partition, i64)>> = BTreeMap::new();
        let mut taken = Vec::new();
        for split in splits {
            let partition = Partition::of_split(&split.id).ok_or_else(|| {
                Error::internal("kafka.split", format!("\"{}\" is no partition of a topic", split.id))
            })?;
            self.inner.check_topic(&partition)?;
            let mut position = Position::parse(&split.from)?;
            let mut high = 0;
            if self.is_bounded() {
                if position.end.is_none() {
                    position.end = self.inner.ends(std::slice::from_ref(&partition))?[0];
                }
                high = self.inner.io.bounds(&partition)?.1;
            } else {
                position.end = None;
            }
            let ended = position.end.is_some_and(|end| position.next >= end);
            if !ended {
                begun.entry(self.consumer_name(&partition)).or_default().push((partition.clone(), position.next));
            }
            taken.push(SplitState {
                id: split.id,
                partition,
                position,
                decoder: Decoder::new(&self.inner.table, &self.inner.layout, &self.projection)?,
                dead: Vec::new(),
                bytes: 0,
                moved: false,
                consumed: !ended,
                ended,
                told_end: false,
                high,
            });
        }
        for (name, partitions) in begun {
            self.consumer(&name)?.add(&partitions)?;
        }
        // Only now: when something above fails, the engine assigns the same splits again.
        self.splits.extend(taken);
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        if self.ready.is_empty() {
            if self.splits.iter().all(|s| s.told_end) {
                return Ok(Poll::Finished);
            }
            let names: Vec<String> = self.consumers.keys().cloned().collect();
            let wait = limit.wait / names.len().max(1) as u32;
            let mut rows = limit.rows;
            for name in names {
                self.gather(&name, rows.max(1), wait)?;
                rows = rows.saturating_sub(self.splits.iter().map(|s| s.decoder.row_count()).sum());
                if rows == 0 {
                    break;
                }
            }
            self.collect_ready()?;
        }
        match self.ready.pop_front() {
            Some(place) => Ok(Poll::Batch(self.splits[place].batch()?)),
            None => Ok(Poll::Pending),
        }
    }

    fn committed(&mut self, offsets: &[(SplitId, Offset)]) -> Result<()> {
        let mut stored: BTreeMap<String, Vec<(Partition, i64)>> = BTreeMap::new();
        for (id, offset) in offsets {
            if let Some(partition) = Partition::of_split(id) {
                let name = self.consumer_name(&partition);
                stored.entry(name).or_default().push((partition, Position::parse(offset)?.next));
            }
        }
        for (name, offsets) in stored {
            if let Some(consumer) = self.consumers.get_mut(&name) {
                consumer.commit(&offsets)?;
            }
        }
        Ok(())
    }
}
