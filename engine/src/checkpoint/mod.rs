//! Checkpoints: what each worker hands over, how it becomes durable, and how a job goes on from it.
//!
//! ```text
//!  worker 0: freeze, prepare ─┐
//!  worker 1: freeze, prepare ─┼─> coordinator: write segments ─> root file ─> commit sinks ─> tell sources
//!  worker n: freeze, prepare ─┘    (a thread of its own: rows flow on meanwhile)
//! ```
//!
//! # Invariants
//! - CP-1: a root file names only files that are durable before it appears.
//! - CP-2: a sink commits a checkpoint only after the root file of that checkpoint is durable.
//! - A checkpoint is published only after the one before it is committed, so that recovery has one to finish, not two.
//!
//! # After the end of the input
//! A finished job can be started again when there is something new. Its windows were closed by the end of the input, but
//! its watermarks go on from the last one that came from data: new rows behind it are late, as they would have been
//! without the pause. New rows of a window that only the end of the input had closed open that window again, and it
//! gives a second result over the new rows; nothing that was written is written again.

pub(crate) mod coordinator;
pub(crate) mod kind;
pub(crate) mod part;
pub(crate) mod recover;
