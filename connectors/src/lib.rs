//! Floor 5: one folder per outside system.
//!
//! A connector is a folder and one line in [`CONNECTORS`]. [`storage`] is no connector but what several of them, and the
//! lake, stand on: files by URL.
//!
//! Must never know: engine internals, SQL.

pub mod storage;

pub mod blackhole;
pub mod datagen;
pub mod filesystem;
pub mod host;
pub mod nexmark;
pub mod print;
pub mod socket;

mod draw;
mod pace;
mod records;
mod rows;
#[cfg(test)]
mod testing;

use freshet_connector_api::Connector;

/// Every connector of this build, in the order the manual lists them.
pub static CONNECTORS: &[&dyn Connector] = &[
    &filesystem::Filesystem,
    &socket::Socket,
    &datagen::Datagen,
    &nexmark::Nexmark,
    &host::Host,
    &print::Print,
    &blackhole::Blackhole,
];
