//! Reads records from connections: one that is made, or all that come in.

use super::options::SocketOptions;
use crate::records::{Framing, Piece, RecordCutter};
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnOrigin, DeadLetter, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader,
    Split, SplitId, TableSpec,
};
use freshet_formats::RecordDecoder;
use freshet_types::{ChangeBatch, Error, Result};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// Pause before connecting again to someone who hung up.
const HANG_UP_WAIT: Duration = Duration::from_millis(200);
/// Pause between looks at all connections of a server.
const LOOK_WAIT: Duration = Duration::from_millis(2);
const CONNECTIONS_MAX: usize = 1_024;

pub(super) struct SocketSource {
    table: TableSpec,
    options: SocketOptions,
}

impl SocketSource {
    pub(super) fn new(table: &TableSpec) -> Result<Self> {
        if let Some(column) = table.columns.iter().find(|c| c.origin != ColumnOrigin::Physical) {
            return Err(Error::unsupported("connector.metadata", "connector \"socket\" has no metadata columns")
                .at("column", &column.field.name));
        }
        let source = Self { table: table.clone(), options: SocketOptions::parse(&table.options)? };
        source.framing_and_decoder(&table.schema())?;
        Ok(source)
    }

    fn framing_and_decoder(&self, schema: &SchemaRef) -> Result<(Framing, Box<dyn RecordDecoder>)> {
        let name = self.table.options.required("format")?;
        let format = freshet_formats::find(name)?;
        let options = freshet_formats::split_options(&self.table.options, "", name);
        let framing = Framing::of(format.framing(&options), &options).ok_or_else(|| {
            Error::unsupported("socket.format", format!("format \"{name}\" has no single records"))
                .hint("use json, csv or raw")
        })?;
        let framing = Framing { delimiter: self.options.delimiter, ..framing };
        Ok((framing, format.decoder(schema, &self.table.schema(), &options)?))
    }
}

impl Source for SocketSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn is_replayable(&self) -> bool {
        false
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: self.options.address().into(), start: Offset("0".into()) }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        let schema: SchemaRef = Arc::new(self.table.read_schema().project(projection)?);
        let (framing, decoder) = self.framing_and_decoder(&schema)?;
        Ok(Box::new(SocketReader {
            options: self.options.clone(),
            framing,
            decoder,
            schema,
            split: None,
            listener: None,
            connections: Vec::new(),
            hung_up: false,
        }))
    }
}

struct SocketReader {
    options: SocketOptions,
    framing: Framing,
    decoder: Box<dyn RecordDecoder>,
    schema: SchemaRef,
    /// The split and the number of records so far.
    split: Option<(SplitId, u64)>,
    listener: Option<TcpListener>,
    connections: Vec<Connection>,
    hung_up: bool,
}

struct Connection {
    stream: TcpStream,
    cutter: RecordCutter,
}

impl Connection {
    /// Reads what is there; zero when nothing is.
    fn fill(&mut self) -> u64 {
        match self.cutter.fill(&mut self.stream as &mut dyn Read) {
            Ok(count) => count as u64,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            // A connection that breaks has ended; its last record may be cut.
            Err(_) => {
                self.cutter.end_stream();
                0
            }
        }
    }
}

fn unavailable(what: &str, address: &str, e: &std::io::Error) -> Error {
    Error::unavailable("socket.unavailable", format!("{what} \"{address}\": {e}"))
}

impl SocketReader {
    fn connect(&mut self) -> Result<()> {
        let address = self.options.address();
        let fail = |e: &std::io::Error| {
            unavailable("no connection to", &address, e)
                .hint("start the server, such as nc -lk 9999; the job goes on by itself")
        };
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs().map_err(|e| fail(&e))? {
            match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
                Ok(stream) => {
                    self.connections.push(Connection { stream, cutter: RecordCutter::new(self.framing, 0) });
                    return Ok(());
                }
                Err(e) => last = e,
            }
        }
        Err(fail(&last))
    }

    fn listen(&mut self) -> Result<()> {
        let address = self.options.address();
        let found = address.to_socket_addrs().map_err(|e| unavailable("no address for", &address, &e))?;
        let Some(local) = found.into_iter().find(|a| a.ip().is_loopback()) else {
            return Err(Error::denied("socket.exposed", format!("\"{address}\" can be reached from other machines"))
                .hint("listen on localhost: connections are neither encrypted nor authenticated"));
        };
        let listener = TcpListener::bind(local)
            .map_err(|e| unavailable("nothing listens on", &address, &e).hint("choose a port that is free"))?;
        listener.set_nonblocking(true).map_err(|e| unavailable("nothing listens on", &address, &e))?;
        self.listener = Some(listener);
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        while self.connections.len() < CONNECTIONS_MAX {
            match listener.accept() {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.connections.push(Connection { stream, cutter: RecordCutter::new(self.framing, 0) });
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => break,
                Err(e) => return Err(unavailable("no more connections on", &self.options.address(), &e)),
            }
        }
        Ok(())
    }

    /// Decodes what was read; gives the dead letters and the number of records.
    fn decode(&mut self, rows: usize, split: &SplitId, before: u64) -> (Vec<DeadLetter>, u64) {
        let (mut dead, mut count) = (Vec::new(), 0);
        for connection in &mut self.connections {
            while self.decoder.row_count() < rows && dead.len() < rows {
                let (raw, reason) = match connection.cutter.next() {
                    None => break,
                    Some(Piece::Record(record)) => match self.decoder.push(record) {
                        Ok(()) => {
                            count += 1;
                            continue;
                        }
                        // A blank line that is no record is none.
                        Err(_) if record.is_empty() => continue,
                        Err(e) => (connection.cutter.refuse().to_vec(), e.reason),
                    },
                    Some(Piece::TooLong(kept, length)) => {
                        let kept_bytes = kept.len();
                        (kept, format!("the record has {length} bytes; only the first {kept_bytes} are kept"))
                    }
                };
                let offset = Offset((before + count).to_string());
                dead.push(DeadLetter { raw, split: Arc::clone(split), offset, reason });
                count += 1;
            }
        }
        (dead, count)
    }

    fn drop_finished(&mut self) {
        let before = self.connections.len();
        self.connections.retain(|c| !c.cutter.is_finished());
        self.hung_up |= self.connections.len() < before;
    }
}

impl SourceReader for SocketReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            self.split = Some((split.id, split.from.0.parse().unwrap_or(0)));
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some((split, before)) = self.split.clone() else { return Ok(Poll::Finished) };
        let ignored_before = self.decoder.ignored_count();
        if self.options.listens {
            if self.listener.is_none() {
                self.listen()?;
            }
            self.accept()?;
        } else if self.connections.is_empty() {
            if std::mem::take(&mut self.hung_up) {
                std::thread::sleep(HANG_UP_WAIT.min(limit.wait));
            }
            self.connect()?;
        }
        let (mut dead, mut count) = self.decode(limit.rows, &split, before);
        let (mut bytes, mut waited) = (0, Duration::ZERO);
        while count == 0 {
            for connection in &mut self.connections {
                if !self.options.listens {
                    let wait = limit.wait.max(Duration::from_millis(1));
                    let set = connection.stream.set_read_timeout(Some(wait));
                    set.map_err(|e| unavailable("no connection to", &self.options.address(), &e))?;
                }
                bytes += connection.fill();
            }
            (dead, count) = self.decode(limit.rows, &split, before);
            self.drop_finished();
            if !self.options.listens || waited >= limit.wait {
                break;
            }
            if count == 0 && bytes == 0 {
                std::thread::sleep(LOOK_WAIT);
                waited += LOOK_WAIT;
                self.accept()?;
            }
        }
        self.drop_finished();
        if count == 0 && bytes == 0 {
            return Ok(Poll::Pending);
        }
        let next = before + count;
        self.split = Some((Arc::clone(&split), next));
        let row_count = self.decoder.row_count();
        let rows = self.decoder.finish()?;
        let rows = crate::rows::batch(&self.schema, rows.columns().to_vec(), row_count)?;
        Ok(Poll::Batch(SourceBatch {
            split,
            changes: ChangeBatch::inserts(rows),
            next: Offset(next.to_string()),
            dead,
            ignored: self.decoder.ignored_count() - ignored_before,
            split_finished: false,
            bytes,
        }))
    }
}
