//! Reads files one after the other: cuts records and decodes them, or hands a whole file to its format.

use super::bytes::{ByteSource, changed};
use super::layout::{self, Layout};
use super::locate::Files;
use crate::records::{Framing, Piece, RecordCutter};
use arrow::array::{ArrayRef, RecordBatch};
use freshet_connector_api::{AssignedSplit, DeadLetter, Offset, Poll, PollLimit, SourceBatch, SourceReader, SplitId};
use freshet_formats::{FileReader, Format, RecordDecoder, RefusedRow};
use freshet_types::{ChangeBatch, Error, ErrorKind, Options, Result};
use std::collections::VecDeque;
use std::sync::Arc;

/// A batch is given when it has read so many bytes, however few rows they make.
const BATCH_BYTES: u64 = 32 << 20;
/// A batch is given when it has so many dead letters, or so many bytes of them.
const DEAD_MAX: usize = 1_024;
const DEAD_BYTES_MAX: usize = 16 << 20;
/// Offset of a file that could not be read to its end.
const END: &str = "end";

pub(super) struct FileSplitReader {
    files: Arc<Files>,
    layout: Layout,
    format: &'static dyn Format,
    format_options: Options,
    /// How records lie in the files; none when the format owns whole files.
    framing: Option<Framing>,
    /// Decodes records of all files in turn.
    decoder: Option<Box<dyn RecordDecoder>>,
    waiting: VecDeque<AssignedSplit>,
    open: Option<OpenFile>,
}

struct OpenFile {
    split: SplitId,
    values: Vec<ArrayRef>,
    body: Body,
    /// Bytes read from outside that were reported.
    reported: u64,
}

enum Body {
    Records {
        cutter: RecordCutter,
        source: ByteSource,
        /// Whether a byte-order mark may stand before the first record; in raw bytes it would be part of it.
        marked: bool,
    },
    Rows {
        reader: Box<dyn FileReader>,
        position: u64,
        bytes: u64,
    },
    /// Nothing is left.
    End(Offset),
    /// The file cannot be read: one dead letter says why.
    Broken(Error),
}

/// Where a split stands.
struct Place {
    /// Position of the next record, or number of rows before.
    position: u64,
    /// Size that the file had, for a format that owns whole files: a file that is another one is noticed.
    size: Option<u64>,
}

impl Place {
    fn text(&self) -> Offset {
        Offset(match self.size {
            Some(size) => format!("{}/{size}", self.position),
            None => self.position.to_string(),
        })
    }

    fn parse(offset: &Offset) -> Result<Self> {
        let (position, size) = match offset.0.split_once('/') {
            Some((position, size)) => (position, Some(size)),
            None => (offset.0.as_str(), None),
        };
        match (position.parse(), size.map(str::parse).transpose()) {
            (Ok(position), Ok(size)) => Ok(Self { position, size }),
            _ => Err(Error::data("source.offset", format!("offset \"{}\" is no position in a file", offset.0))
                .hint("start over with --from-scratch")),
        }
    }
}

/// What one poll gathers.
#[derive(Default)]
struct Gathered {
    rows: Option<RecordBatch>,
    row_count: usize,
    dead: Vec<DeadLetter>,
    dead_bytes: usize,
    /// Records that the format lets go, because the table asks for that.
    ignored: u64,
    broken: Option<Error>,
    finished: bool,
}

impl FileSplitReader {
    pub(super) fn new(
        files: Arc<Files>,
        layout: Layout,
        format: &'static dyn Format,
        format_options: Options,
    ) -> Result<Self> {
        let framing = Framing::of(format.framing(&format_options), &format_options);
        let decoder = framing.map(|_| format.decoder(&layout.decoded, &layout.full, &format_options)).transpose()?;
        Ok(Self { files, layout, format, format_options, framing, decoder, waiting: VecDeque::new(), open: None })
    }

    fn open(&self, split: AssignedSplit) -> Result<OpenFile> {
        let storage = self.files.storage()?;
        let path = &*split.id;
        let entry = storage.stat(path)?.ok_or_else(|| {
            Error::not_found("filesystem.not_found", format!("file \"{path}\" has gone"))
                .at("url", storage.url())
                .hint("bring the file back, or start over with --from-scratch")
        })?;
        let mut file = OpenFile {
            split: Arc::clone(&split.id),
            values: Vec::new(),
            body: Body::End(split.from.clone()),
            reported: 0,
        };
        if split.from.0 == END {
            return Ok(file);
        }
        let place = Place::parse(&split.from)?;
        let position = place.position;
        let opened = self.layout.file_values(storage, &entry).and_then(|values| {
            file.values = values;
            match self.framing {
                Some(framing) => {
                    let source = ByteSource::open(storage, path, position)?;
                    let marked = self.format.name() != "raw";
                    Ok(Body::Records { cutter: RecordCutter::new(framing, position), source, marked })
                }
                None => {
                    let schema = &self.layout.decoded;
                    let mut reader = self.format.open(storage.open_random(path)?, schema, &self.format_options)?;
                    reader.skip(position)?;
                    Ok(Body::Rows { reader, position, bytes: entry.size })
                }
            }
        });
        let is_plain = super::bytes::Compression::of(path).is_ok_and(|c| c == super::bytes::Compression::None);
        let is_cut = match place.size {
            None => self.framing.is_some() && is_plain && position > entry.size,
            Some(size) => size > entry.size || size != entry.size && !self.format.files_grow(),
        };
        if is_cut {
            return Err(changed(path));
        }
        file.body = match opened {
            Ok(body) => body,
            Err(e) if e.code() == "filesystem.changed" => return Err(e),
            Err(e) if matches!(e.kind(), ErrorKind::Data | ErrorKind::Unsupported) => Body::Broken(e),
            Err(e) => return Err(e),
        };
        Ok(file)
    }
}

/// Cuts and decodes until there are enough rows.
fn read_records(
    (cutter, source, marked): (&mut RecordCutter, &mut ByteSource, bool),
    decoder: &mut dyn RecordDecoder,
    split: &SplitId,
    limit: PollLimit,
    gathered: &mut Gathered,
) -> Result<()> {
    let before = source.bytes_read();
    let ignored_before = decoder.ignored_count();
    let mut at = cutter.position();
    while decoder.row_count() < limit.rows && gathered.dead.len() < DEAD_MAX && gathered.dead_bytes < DEAD_BYTES_MAX {
        let Some(piece) = cutter.next() else {
            if cutter.is_finished() {
                gathered.finished = true;
                break;
            }
            if source.bytes_read() - before > BATCH_BYTES {
                break;
            }
            if let Err(e) = cutter.fill(source) {
                match source.error(e, split) {
                    e if e.kind() == ErrorKind::Data => gathered.broken = Some(e),
                    // What was gathered is handed out first; the next poll meets the trouble again, or not.
                    _ if decoder.row_count() + gathered.dead.len() > 0 || decoder.ignored_count() > ignored_before => {}
                    e => return Err(e),
                }
                break;
            }
            if at == 0 && marked {
                cutter.skip_byte_order_mark();
                at = cutter.position();
            }
            continue;
        };
        let (raw, reason) = match piece {
            Piece::Record(record) => match decoder.push(record) {
                Ok(()) => {
                    at = cutter.position();
                    continue;
                }
                // A blank line that is no record is none.
                Err(_) if record.is_empty() => {
                    at = cutter.position();
                    continue;
                }
                Err(e) => (cutter.refuse().to_vec(), e.reason),
            },
            Piece::TooLong(kept, length) => {
                let kept_bytes = kept.len();
                (kept, format!("the record has {length} bytes; only the first {kept_bytes} are kept"))
            }
        };
        gathered.dead_bytes += raw.len();
        gathered.dead.push(DeadLetter { raw, split: Arc::clone(split), offset: Offset(at.to_string()), reason });
        at = cutter.position();
    }
    gathered.row_count = decoder.row_count();
    gathered.ignored = decoder.ignored_count() - ignored_before;
    // Without columns a decoder counts, and has nothing to hand out.
    gathered.rows = Some(decoder.finish()?);
    Ok(())
}

impl OpenFile {
    fn read(&mut self, decoder: Option<&mut Box<dyn RecordDecoder>>, limit: PollLimit) -> Result<(Gathered, Offset)> {
        let mut gathered = Gathered::default();
        let next = match &mut self.body {
            Body::Records { cutter, source, marked } => {
                let decoder =
                    decoder.ok_or_else(|| Error::internal("filesystem.decoder", "records without a decoder"))?;
                read_records((cutter, source, *marked), decoder.as_mut(), &self.split, limit, &mut gathered)?;
                Offset(cutter.position().to_string())
            }
            Body::Rows { reader, position, bytes } => {
                match reader.next(limit.rows) {
                    Ok(Some(rows)) => {
                        gathered.row_count = rows.num_rows();
                        *position += rows.num_rows() as u64;
                        gathered.rows = Some(rows);
                        while gathered.dead.len() < DEAD_MAX
                            && let Some(RefusedRow { raw, reason }) = reader.take_refused()
                        {
                            let offset = Offset(position.to_string());
                            gathered.dead.push(DeadLetter { raw, split: Arc::clone(&self.split), offset, reason });
                            *position += 1;
                        }
                    }
                    Ok(None) => gathered.finished = true,
                    Err(e) if e.kind() == ErrorKind::Data => gathered.broken = Some(e),
                    Err(e) => return Err(e),
                }
                Place { position: *position, size: Some(*bytes) }.text()
            }
            Body::End(offset) => {
                gathered.finished = true;
                offset.clone()
            }
            Body::Broken(_) => {
                let broken = std::mem::replace(&mut self.body, Body::End(Offset(END.into())));
                if let Body::Broken(e) = broken {
                    gathered.broken = Some(e);
                }
                Offset(END.into())
            }
        };
        if let Some(e) = gathered.broken.take() {
            gathered.finished = true;
            gathered.dead.push(DeadLetter {
                raw: self.split.as_bytes().to_vec(),
                split: Arc::clone(&self.split),
                offset: next,
                reason: format!("the rest of the file cannot be read: {e}"),
            });
            return Ok((gathered, Offset(END.into())));
        }
        Ok((gathered, next))
    }

    /// Bytes read from outside since the last call.
    fn new_bytes(&mut self, finished: bool) -> u64 {
        let total = match &self.body {
            Body::Records { source, .. } => source.bytes_read(),
            // A format reads where it likes: the file counts when it has been read.
            Body::Rows { bytes, .. } if finished => *bytes,
            _ => self.reported,
        };
        let new = total - self.reported;
        self.reported = total;
        new
    }
}

impl SourceReader for FileSplitReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        self.waiting.extend(splits);
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        if self.open.is_none() {
            let Some(split) = self.waiting.front().cloned() else { return Ok(Poll::Finished) };
            // Only a file that could be opened leaves the queue: trouble may pass.
            self.open = Some(self.open(split)?);
            self.waiting.pop_front();
        }
        let file = self.open.as_mut().expect("a file was just opened");
        let limit = PollLimit { rows: limit.rows.max(1), ..limit };
        let (gathered, next) = file.read(self.decoder.as_mut(), limit)?;
        let decoded = if layout::is_empty(&self.layout.decoded) { None } else { gathered.rows.as_ref() };
        let rows = self.layout.rows(decoded, gathered.row_count, &file.values)?;
        let batch = SourceBatch {
            split: Arc::clone(&file.split),
            changes: ChangeBatch::inserts(rows),
            next,
            dead: gathered.dead,
            ignored: gathered.ignored,
            split_finished: gathered.finished,
            bytes: file.new_bytes(gathered.finished),
        };
        if gathered.finished {
            self.open = None;
        }
        Ok(Poll::Batch(batch))
    }
}
