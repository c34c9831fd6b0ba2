//! Reads a remote file by ranges: whoever reads in order gets the next range while he works on this one.

use super::{hide, runtime};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

const RANGE_MIN: u64 = 256 << 10;
const RANGE_MAX: u64 = 8 << 20;

type Fetched = Receiver<object_store::Result<Bytes>>;

/// A remote file as `Read + Seek`.
pub struct RangeReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    position: u64,
    /// Bytes at hand, and where they begin.
    at_hand: (u64, Bytes),
    /// The range that is on its way.
    ahead: Option<(Range<u64>, Fetched)>,
    /// Size of the next range; doubles while the reader goes on where it stopped.
    step: u64,
    /// Whether the reader said that it goes on.
    in_order: bool,
    secrets: Arc<[String]>,
}

impl RangeReader {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64, secrets: Arc<[String]>) -> Self {
        Self {
            store,
            path,
            size,
            position: 0,
            at_hand: (0, Bytes::new()),
            ahead: None,
            step: RANGE_MIN,
            in_order: false,
            secrets,
        }
    }

    /// The same reader for someone who reads in order: it begins with large ranges.
    pub(super) fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// Size of the file in bytes, as it was when the reader was made.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn request(&self, from: u64) -> Option<(Range<u64>, Fetched)> {
        let range = from..(from + self.step).min(self.size);
        if range.is_empty() {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        let (store, path, wanted) = (Arc::clone(&self.store), self.path.clone(), range.clone());
        runtime().spawn(async move {
            // Nobody waits any more when the reader has gone elsewhere.
            let _ = sender.send(store.get_range(&path, wanted).await);
        });
        Some((range, receiver))
    }

    fn fetch(&mut self) -> io::Result<()> {
        let (start, bytes) = &self.at_hand;
        let goes_on = self.in_order || (!bytes.is_empty() && self.position == start + bytes.len() as u64);
        let (range, fetched) = match self.ahead.take() {
            Some((range, fetched)) if range.contains(&self.position) => (range, fetched),
            _ => {
                self.step = if self.in_order { RANGE_MAX / 2 } else { RANGE_MIN };
                self.request(self.position).expect("the caller looked for the end of the file")
            }
        };
        let bytes = fetched
            .recv()
            .map_err(|_| io::Error::other("the call to the storage panicked"))?
            .map_err(|e| io::Error::other(hide(&self.secrets, &e.to_string())))?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(io::Error::other("the storage gave fewer bytes than the file has"));
        }
        self.at_hand = (range.start, bytes);
        if goes_on {
            self.step = (self.step * 2).min(RANGE_MAX);
            self.ahead = self.request(range.end);
        }
        Ok(())
    }
}

impl Read for RangeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || out.is_empty() {
            return Ok(0);
        }
        let (start, bytes) = &self.at_hand;
        if !(*start..*start + bytes.len() as u64).contains(&self.position) {
            self.fetch()?;
        }
        let (start, bytes) = &self.at_hand;
        let from = (self.position - start) as usize;
        let count = out.len().min(bytes.len() - from);
        out[..count].copy_from_slice(&bytes[from..from + count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for RangeReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.size.checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position = position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}
