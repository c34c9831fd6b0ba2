//! The reading end: each file is a split, read one after the other in the order of their names.

mod bytes;
mod layout;
mod locate;
mod reader;

use super::options;
use crate::storage::Entry;
use freshet_connector_api::{Boundedness, Extent, Offset, Source, SourceReader, Split, TableSpec};
use freshet_types::Result;
use layout::Layout;
use locate::Files;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) struct FileSource {
    table: TableSpec,
    files: Arc<Files>,
    interval: Option<Duration>,
    /// Bytes of the files that were found last.
    found_bytes: AtomicU64,
}

impl FileSource {
    pub(super) fn new(table: &TableSpec) -> Result<Self> {
        let interval = table.options.duration("source.monitor-interval")?;
        let files = Arc::new(Files::new(&table.options, interval.is_some())?);
        let source = Self { table: table.clone(), files, interval, found_bytes: AtomicU64::new(0) };
        // What cannot be read is said when the table is used, not when the first file is there.
        let (format, format_options) = options::format(&table.options)?;
        let layout = Layout::new(table, &(0..table.columns.len()).collect::<Vec<_>>())?;
        if format.framing(&format_options) != freshet_formats::Framing::File {
            format.decoder(&layout.decoded, &layout.full, &format_options)?;
        }
        Ok(source)
    }
}

impl Source for FileSource {
    fn boundedness(&self) -> Boundedness {
        if self.interval.is_some() { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        let found = self.files.list().map_err(|e| e.at("table", &self.table.name))?;
        self.found_bytes.store(found.iter().map(|entry| entry.size).sum(), Ordering::Relaxed);
        Ok(found
            .iter()
            .map(|Entry { path, .. }| Split { id: path.as_str().into(), start: Offset("0".into()) })
            .collect())
    }

    fn discovery_interval(&self) -> Option<Duration> {
        self.interval
    }

    fn extent(&self) -> Option<Extent> {
        Some(Extent::Bytes(self.found_bytes.load(Ordering::Relaxed)))
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        let (format, format_options) = options::format(&self.table.options)?;
        let layout = Layout::new(&self.table, projection)?;
        let reader = reader::FileSplitReader::new(Arc::clone(&self.files), layout, format, format_options)?;
        Ok(Box::new(reader))
    }
}
