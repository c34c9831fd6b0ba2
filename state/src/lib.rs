//! Floor 1: what a job keeps on disk between two lives: checkpoint root files and segments of operator state.
//!
//! A [`JobFolder`] is locked by one process. At a checkpoint each worker writes [`SegmentWriter`] files; when all of them
//! are durable, [`JobFolder::publish`] makes the checkpoint real by one rename of its [`Root`] file. Byte layout:
//! `FORMAT.md` beside this crate.
//!
//! # Invariants
//! - CP-1: a root file names only files that are durable before it appears.
//! - What the newest two root files name is never deleted; what neither names is.
//! - A flipped bit anywhere in a root file or a segment is found before anything is handed out.
//!
//! Must never know: operators, SQL.

mod disk;
mod folder;
mod glance;
mod root;
mod segment;

pub use folder::JobFolder;
pub use glance::{JobGlance, glance, latest_checkpoint};
pub use root::{FORMAT_VERSION, JobCounters, OperatorRoot, Root, SinkRoot, SourceRoot, SplitRoot};
pub use segment::{SegmentBlock, SegmentKind, SegmentReader, SegmentRef, SegmentWriter, live_segments, next_kind};
