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
pub mod kafka;
pub mod nexmark;
pub mod print;
pub mod socket;

mod draw;
mod pace;
mod records;
mod rows;
mod spelling;
#[cfg(test)]
mod testing;

use freshet_connector_api::Connector;

/// Every connector of this build, in the order the manual lists them.
pub static CONNECTORS: &[&dyn Connector] = &[
    &filesystem::Filesystem,
    &kafka::Kafka,
    &socket::Socket,
    &datagen::Datagen,
    &nexmark::Nexmark,
    &host::Host,
    &print::Print,
    &blackhole::Blackhole,
];

#[cfg(test)]
mod tests {
    use super::CONNECTORS;
    use freshet_connector_api::ConnectorRegistry;

    #[test]
    fn names_are_unique_and_everything_is_documented() {
        let mut names: Vec<&str> = CONNECTORS.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CONNECTORS.len());
        for connector in CONNECTORS {
            assert!(!connector.doc().is_empty(), "{}", connector.name());
            for option in connector.options() {
                assert!(!option.doc.is_empty(), "{} of {}", option.name, connector.name());
                if let Some(default) = option.default {
                    option.kind.check(option.name, default).expect("a default is valid");
                }
            }
        }
        let registry = ConnectorRegistry::new(CONNECTORS.iter().copied());
        assert!(registry.find("filesytem").err().expect("no such name").to_string().contains("\"filesystem\""));
    }
}
