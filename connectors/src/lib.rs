//! Floor 5: one folder per outside system.
//!
//! A connector is a folder and one line in [`CONNECTORS`]. [`storage`] is no connector but what several of them, and the
//! lake, stand on: files by URL.
//!
//! Must never know: engine internals, SQL.

pub mod storage;

pub mod datagen;
pub mod nexmark;

mod draw;
mod pace;
mod rows;
#[cfg(test)]
mod testing;

use freshet_connector_api::Connector;

/// Every connector of this build, in the order the manual lists them.
pub static CONNECTORS: &[&dyn Connector] = &[&datagen::Datagen, &nexmark::Nexmark];
