//! Floor 0: the vocabulary that every other crate speaks.
//!
//! A [`ChangeBatch`] is what moves, a [`SqlType`] says what a column holds, [`Epoch`] and [`Watermark`] are the two
//! clocks, [`Options`] are what a user wrote in `WITH (...)`, and [`Error`] is how anything here says no.
//!
//! Must never know: tokio, SQL text, any outside system.

pub mod batch;
pub mod caught;
pub mod clock;
pub mod env;
pub mod error;
pub mod failpoint;
pub mod invariant;
pub mod key;
pub mod options;
pub mod sql_type;
pub mod suggest;
pub mod text;
pub mod time;

pub use batch::{ChangeBatch, take_rows};
pub use clock::{Clock, SystemClock, VirtualClock};
pub use error::{Error, ErrorKind, Result};
pub use key::{KEY_GROUP_COUNT, KeyGroup};
pub use options::{OptionKind, OptionSpec, Options};
pub use sql_type::{SqlField, SqlType};
pub use time::{CheckpointId, Epoch, Watermark};
