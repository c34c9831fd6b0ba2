//! What the records of an Avro file are made of, just enough to go over their bytes.
//!
//! Source: Apache Avro specification, "Binary Encoding".

use super::binary::{broken, take_bytes, take_long};
use serde_json::Value;
use std::collections::HashMap;
use std::io;

const DEPTH_MAX: usize = 128;

/// The types of a schema; named ones are referred to by their place.
pub(super) struct Layout {
    root: Node,
    named: Vec<Node>,
}

#[derive(Clone)]
enum Node {
    Null,
    Boolean,
    Long,
    Fixed(usize),
    Bytes,
    Enum(usize),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    Record(Vec<Node>),
    Named(usize),
}

impl Layout {
    /// Reads a schema.
    pub(super) fn parse(schema: &[u8]) -> io::Result<Self> {
        let schema: Value =
            serde_json::from_slice(schema).map_err(|e| broken(format!("the schema is not valid JSON: {e}")))?;
        let mut parser = Parser { named: Vec::new(), names: HashMap::new() };
        let root = parser.node(&schema, "", 0)?;
        Ok(Self { root, named: parser.named })
    }

    /// Checks that `data` holds `count` records and nothing else.
    pub(super) fn check(&self, data: &[u8], count: u64) -> io::Result<()> {
        let mut rest = data;
        // Values without bytes, such as NULL, must not be counted without end.
        let mut budget = (1 << 20) + data.len() as u64 * 8;
        if count > budget {
            return Err(broken("a block has more records than its bytes can hold"));
        }
        for _ in 0..count {
            self.pass(&self.root, &mut rest, &mut budget, 0)?;
        }
        if rest.is_empty() { Ok(()) } else { Err(broken("a block has more bytes than its records")) }
    }

    fn pass(&self, node: &Node, rest: &mut &[u8], budget: &mut u64, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(broken("values are nested too deeply"));
        }
        *budget = budget.checked_sub(1).ok_or_else(|| broken("a block has more values than its bytes can hold"))?;
        match node {
            Node::Null => {}
            Node::Long => {
                take_long(rest)?;
            }
            Node::Boolean => pass_bytes(1, rest)?,
            Node::Fixed(len) => pass_bytes(*len, rest)?,
            Node::Bytes => {
                take_bytes(rest)?;
            }
            Node::Enum(symbols) => {
                index(take_long(rest)?, *symbols)?;
            }
            Node::Union(branches) => {
                let branch = index(take_long(rest)?, branches.len())?;
                self.pass(&branches[branch], rest, budget, depth + 1)?;
            }
            Node::Record(fields) => {
                for field in fields {
                    self.pass(field, rest, budget, depth + 1)?;
                }
            }
            Node::Named(place) => self.pass(&self.named[*place], rest, budget, depth + 1)?,
            Node::Array(item) | Node::Map(item) => loop {
                let count = take_long(rest)?;
                if count == 0 {
                    break;
                }
                if count < 0 {
                    take_long(rest)?;
                }
                for _ in 0..count.unsigned_abs() {
                    if matches!(node, Node::Map(_)) {
                        take_bytes(rest)?;
                    }
                    self.pass(item, rest, budget, depth + 1)?;
                }
            },
        }
        Ok(())
    }
}

fn pass_bytes(len: usize, rest: &mut &[u8]) -> io::Result<()> {
    *rest = rest.get(len..).ok_or_else(|| broken("a value is longer than its block"))?;
    Ok(())
}

fn index(value: i64, len: usize) -> io::Result<usize> {
    usize::try_from(value)
        .ok()
        .filter(|i| *i < len)
        .ok_or_else(|| broken("a union or an enumeration has no such branch"))
}

struct Parser {
    named: Vec<Node>,
    names: HashMap<String, usize>,
}

impl Parser {
    fn node(&mut self, schema: &Value, space: &str, depth: usize) -> io::Result<Node> {
        if depth > DEPTH_MAX {
            return Err(broken("the schema is nested too deeply"));
        }
        match schema {
            Value::String(name) => self.by_name(name, space),
            Value::Array(branches) => {
                Ok(Node::Union(branches.iter().map(|b| self.node(b, space, depth + 1)).collect::<io::Result<_>>()?))
            }
            Value::Object(parts) => {
                let part = |name: &str| parts.get(name).ok_or_else(|| broken(format!("the schema lacks \"{name}\"")));
                match part("type")? {
                    Value::String(kind) => match kind.as_str() {
                        "array" => Ok(Node::Array(Box::new(self.node(part("items")?, space, depth + 1)?))),
                        "map" => Ok(Node::Map(Box::new(self.node(part("values")?, space, depth + 1)?))),
                        "record" | "error" | "enum" | "fixed" => {
                            let name = part("name")?.as_str().unwrap_or_default();
                            let full = match (name.rsplit_once('.'), parts.get("namespace").and_then(Value::as_str)) {
                                (Some(_), _) => name.to_string(),
                                (None, Some("")) => name.to_string(),
                                (None, Some(space)) => format!("{space}.{name}"),
                                (None, None) if space.is_empty() => name.to_string(),
                                (None, None) => format!("{space}.{name}"),
                            };
                            let inner_space = full.rsplit_once('.').map_or("", |(space, _)| space).to_string();
                            let place = self.named.len();
                            self.named.push(Node::Null);
                            self.names.insert(full, place);
                            let list = |name: &str| {
                                part(name)?
                                    .as_array()
                                    .ok_or_else(|| broken(format!("\"{name}\" of the schema is no list")))
                            };
                            self.named[place] = match kind.as_str() {
                                "enum" => Node::Enum(list("symbols")?.len()),
                                "fixed" => Node::Fixed(
                                    part("size")?
                                        .as_u64()
                                        .and_then(|n| usize::try_from(n).ok())
                                        .ok_or_else(|| broken("a size of the schema is no number"))?,
                                ),
                                _ => {
                                    let mut fields = Vec::new();
                                    for field in list("fields")? {
                                        let field = field
                                            .get("type")
                                            .ok_or_else(|| broken("a field of the schema has no type"))?;
                                        fields.push(self.node(field, &inner_space, depth + 1)?);
                                    }
                                    Node::Record(fields)
                                }
                            };
                            Ok(Node::Named(place))
                        }
                        name => self.by_name(name, space),
                    },
                    inner => self.node(inner, space, depth + 1),
                }
            }
            _ => Err(broken("the schema holds something that is no type")),
        }
    }

    fn by_name(&self, name: &str, space: &str) -> io::Result<Node> {
        Ok(match name {
            "null" => Node::Null,
            "boolean" => Node::Boolean,
            "int" | "long" => Node::Long,
            "float" => Node::Fixed(4),
            "double" => Node::Fixed(8),
            "bytes" | "string" => Node::Bytes,
            _ => {
                let place = self.names.get(&format!("{space}.{name}")).or_else(|| self.names.get(name));
                Node::Named(*place.ok_or_else(|| broken(format!("the schema does not define \"{name}\"")))?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, data: &[u8], count: u64) -> Result<(), String> {
        Layout::parse(schema.as_bytes()).and_then(|l| l.check(data, count)).map_err(|e| e.to_string())
    }

    #[test]
    fn records_fill_their_block() {
        let schema = r#"{"type":"record","name":"a.R","fields":[
            {"name":"n","type":["null","long"]},
            {"name":"t","type":{"type":"array","items":"string"}},
            {"name":"f","type":{"type":"fixed","name":"F","size":2}},
            {"name":"g","type":"F"}]}"#;
        let record = b"\x02\x04\x02\x02x\x00abcd";
        assert_eq!(check(schema, record, 1), Ok(()));
        assert_eq!(check(schema, &record.repeat(3), 3), Ok(()));
        assert!(check(schema, record, 0).unwrap_err().contains("more bytes"));
        assert!(check(schema, record, 2).is_err());
        for cut in 0..record.len() {
            assert!(check(schema, &record[..cut], 1).is_err());
        }
        assert!(check(schema, b"\x04", 1).unwrap_err().contains("no such branch"));
    }

    #[test]
    fn counts_without_bytes_end() {
        assert!(check("{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", b"", 1 << 60).is_err());
        let nulls = r#"{"type":"array","items":"null"}"#;
        assert!(check(nulls, b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00", 1).is_err());
        assert!(check(nulls, b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00\x00", 1).is_err());
        let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
        assert_eq!(check(list, b"\x02\x02\x00", 1), Ok(()));
        assert!(check(list, &[2; 1_000], 1).unwrap_err().contains("too deeply"));
    }
}
