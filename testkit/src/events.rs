//! A source whose events are scripted: inserts, retractions and watermarks, one per line of a file.
//!
//! Connector `events`: each line of `path` is a JSON object with `"op"` (`+I`, `-U`, `+U`, `-D`) and `"row"`, an object
//! with a field per column. With `'one-by-one' = 'true'` every event is a batch of its own, so that the watermark moves
//! after each. Offsets count lines; the source is replayable. With `'fail-once' = 'tag'` the source fails in the middle of
//! its events, once for each tag, as soon as a checkpoint holds some of them.

use arrow::array::Int64Array;
use arrow::datatypes::{Schema, SchemaRef};
use freshet_connector_api::{
    AssignedSplit, Boundedness, Connector, ConnectorEnv, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader,
    Split, SplitId, TableSpec,
};
use freshet_types::{ChangeBatch, Error, OptionKind, OptionSpec, Options, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The connector.
pub struct Events;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::required("path", OptionKind::Text, "file of events"),
    OptionSpec::optional("one-by-one", OptionKind::Bool, "each event is a batch of its own"),
    OptionSpec::optional("updating", OptionKind::Bool, "whether events take rows back"),
    OptionSpec::optional("fail-once", OptionKind::Text, "fails midway after a checkpoint, once for this tag"),
];

/// Code of the error with which a source fails when it is told to.
pub const FAILED: &str = "events.failed";

impl Connector for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn doc(&self) -> &'static str {
        "scripted events of a test"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        let path = table.options.required("path")?;
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::not_found("events.file", "the file of events cannot be read").because(e).at("file", path)
        })?;
        let events = text.lines().map(parse).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(EventsSource {
            events: events.into(),
            schema: table.schema(),
            one_by_one: table.options.bool("one-by-one")?.unwrap_or(false),
            updating: table.options.bool("updating")?.unwrap_or(false),
            failure: table.options.get("fail-once").map(|tag| PathBuf::from(format!("{path}.{tag}"))),
        }))
    }
}

/// Weight and row of one line.
fn parse(line: &str) -> Result<(i64, String)> {
    let wrong = || Error::data("events.line", format!("\"{line}\" is no event"));
    let event: Value = serde_json::from_str(line).map_err(|_| wrong())?;
    let weight = match event["op"].as_str() {
        Some("+I" | "+U") => 1,
        Some("-U" | "-D") => -1,
        _ => return Err(wrong()),
    };
    Ok((weight, event["row"].to_string()))
}

struct EventsSource {
    events: Arc<[(i64, String)]>,
    schema: SchemaRef,
    one_by_one: bool,
    updating: bool,
    /// File that tells that it has failed already.
    failure: Option<PathBuf>,
}

impl Source for EventsSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn is_append_only(&self) -> bool {
        !self.updating
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "events".into(), start: Offset("0".into()) }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        let schema: SchemaRef =
            Arc::new(Schema::new(projection.iter().map(|i| self.schema.field(*i).clone()).collect::<Vec<_>>()));
        let json = freshet_formats::find("json")?;
        Ok(Box::new(EventsReader {
            events: Arc::clone(&self.events),
            decoder: json.decoder(&schema, &self.schema, &Options::default())?,
            limit: if self.one_by_one { 1 } else { usize::MAX },
            updating: self.updating,
            failure: self.failure.clone().filter(|told| self.events.len() > 1 && !told.exists()),
            is_committed: false,
            next: None,
        }))
    }
}

struct EventsReader {
    events: Arc<[(i64, String)]>,
    decoder: Box<dyn freshet_formats::RecordDecoder>,
    limit: usize,
    updating: bool,
    failure: Option<PathBuf>,
    /// Whether a checkpoint holds some of the events.
    is_committed: bool,
    next: Option<(SplitId, usize)>,
}

impl SourceReader for EventsReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            let position =
                split.from.0.parse().map_err(|_| Error::internal("events.offset", "an offset is a line number"))?;
            self.next = Some((split.id, position));
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some((split, position)) = &mut self.next else { return Ok(Poll::Finished) };
        let mut end = self.events.len().min(*position + limit.rows.min(self.limit).max(1));
        if let Some(told) = &self.failure {
            let middle = self.events.len() / 2;
            if *position >= middle && self.is_committed {
                std::fs::write(told, "")
                    .map_err(|e| Error::unavailable("events.file", "no file can be made").because(e))?;
                return Err(Error::internal(FAILED, "the source fails, as it was told to"));
            }
            if *position >= middle {
                std::thread::sleep(limit.wait.min(Duration::from_millis(1)));
                return Ok(Poll::Pending);
            }
            end = end.min(middle);
        }
        let mut weights = Vec::new();
        for (weight, row) in &self.events[*position..end] {
            self.decoder
                .push(row.as_bytes())
                .map_err(|e| Error::data("events.row", e.reason).at("event", row.clone()))?;
            weights.push(*weight);
        }
        let rows = self.decoder.finish()?;
        let weights = self.updating.then(|| Int64Array::from(weights));
        *position = end;
        let split_finished = end == self.events.len();
        let batch = SourceBatch {
            split: Arc::clone(split),
            changes: ChangeBatch::new(rows, weights),
            next: Offset(end.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished,
            bytes: 0,
        };
        if split_finished {
            self.next = None;
        }
        Ok(Poll::Batch(batch))
    }

    fn committed(&mut self, offsets: &[(SplitId, Offset)]) -> Result<()> {
        self.is_committed |= offsets.iter().any(|(_, offset)| offset.0 != "0");
        Ok(())
    }
}
