//! Drives sources: finds splits, gives them to workers, reads them on threads of their own.
//!
//! ```text
//!  discover ── Assigned ──> worker ── ToReader ──> reader thread
//!                             ^                        │
//!                             └────── FromReader ──────┘   (bounded: back-pressure)
//! ```
//!
//! A worker hears of a split before its reader does, so that the split holds the watermark back from the start.

pub(crate) mod assign;
pub(crate) mod discover;
pub(crate) mod progress;
pub(crate) mod reader;
