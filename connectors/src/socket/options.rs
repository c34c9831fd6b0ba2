//! Options of `socket`.

use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default(
        "hostname",
        OptionKind::Text,
        "localhost",
        "machine to connect to, or address to listen on",
    ),
    OptionSpec::required("port", OptionKind::Int, "port to connect to or to listen on"),
    OptionSpec::with_default("byte-delimiter", OptionKind::Int, "10", "byte behind each record"),
    OptionSpec::with_default(
        "mode",
        OptionKind::OneOf(&["client", "server"]),
        "client",
        "whether to connect, or to listen (on this machine only) for any number of connections",
    ),
];

/// What a table's options say.
#[derive(Debug, Clone)]
pub(super) struct SocketOptions {
    pub(super) hostname: String,
    pub(super) port: u16,
    pub(super) delimiter: u8,
    pub(super) listens: bool,
}

impl SocketOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        options.required("port")?;
        let int = |name: &str, default: i64, most: i64| match options.int(name)? {
            Some(n) if !(0..=most).contains(&n) => {
                Err(Error::invalid("option.invalid", format!("option \"{name}\" is {n}"))
                    .hint(format!("write a number from 0 to {most}")))
            }
            n => Ok(n.unwrap_or(default)),
        };
        Ok(Self {
            hostname: options.get("hostname").unwrap_or("localhost").to_string(),
            port: int("port", 0, i64::from(u16::MAX))? as u16,
            delimiter: int("byte-delimiter", 10, 255)? as u8,
            listens: options.get("mode").is_some_and(|m| m.eq_ignore_ascii_case("server")),
        })
    }

    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.hostname, self.port)
    }
}
