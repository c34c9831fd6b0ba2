//! What Avro files hold.

use super::Avro;
use crate::Format;
use crate::conformance::{check_files, flat_types, nested_types};
use arrow::datatypes::{Schema, SchemaRef};
use freshet_types::{Options, SqlField};
use std::io::Cursor;
use std::sync::Arc;

#[test]
fn conforms() {
    let all: Vec<SqlField> = flat_types().into_iter().chain(nested_types()).collect();
    check_files(&Avro, &[], &all);
    for codec in ["deflate", "zstandard", "null"] {
        check_files(&Avro, &[("codec", codec)], &all[..6]);
    }
}

#[test]
fn what_is_no_avro_file_is_refused() {
    let schema: SchemaRef = Arc::new(Schema::empty());
    for bytes in [&b""[..], b"Obj\x01", b"{\"a\":1}\n"] {
        let error = Avro.open(Box::new(Cursor::new(bytes)), &schema, &Options::default()).err().unwrap();
        assert_eq!(error.code(), "avro.corrupt");
    }
}
