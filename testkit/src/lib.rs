//! For developers: sources with scripted events, real components, the crash harness. Never shipped.

pub mod crash;
pub mod events;
pub mod services;
