//! For developers: sources with scripted events, sinks to look into, real components, the crash harness. Never shipped.

pub mod collect;
pub mod crash;
pub mod events;
pub mod services;
