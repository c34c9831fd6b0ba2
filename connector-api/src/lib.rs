//! Floor 2: what a source and a sink promise.
//!
//! A [`Connector`] is the static part: name, manual, options. From a [`TableSpec`] it makes a [`Source`] or a [`Sink`]:
//! one configured end of a job. What runs are [`SourceReader`]s (each on a thread of its own), [`SinkWriter`]s (one per
//! worker) and one [`SinkCommitter`] per sink.
//!
//! ```text
//!  Source::discover -> splits -> SourceReader::poll -> SourceBatch -> engine -> SinkWriter::write
//!                                                                               SinkWriter::prepare    (durable, invisible)
//!                                                       root file published     SinkCommitter::commit  (visible, idempotent)
//!                                SourceReader::committed
//! ```
//!
//! Must never know: a real system, the engine.

pub mod conformance;
pub mod connector;
pub mod sink;
pub mod source;
pub mod table;

pub use connector::{Connector, ConnectorEnv, ConnectorRegistry};
pub use sink::{AcceptedChanges, Commit, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, WriterContext};
pub use source::{
    AssignedSplit, Boundedness, DeadLetter, Extent, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader, Split,
    SplitId,
};
pub use table::{ColumnOrigin, ColumnSpec, TableSpec};
