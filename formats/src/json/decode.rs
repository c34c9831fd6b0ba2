//! JSON records to columns.
//!
//! The decoder is made for the declared columns: it goes over the record once, writes wanted values straight into their
//! columns, checks those of unread columns, and passes what is not declared. It guesses that keys come in the order of the record before, so
//! that a key costs one or two comparisons of eight bytes.
//!
//! A record is an object, or an array of objects (one row each), or `null` (no row), as in Flink.

use super::JsonOptions;
use super::cursor::{Cursor, Fault, Step};
use crate::column::{Column, Digits, Kind, RowColumn};
use crate::parse::{self, Misfit, TimeStyle, number};
use crate::{RecordDecoder, RecordError};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use freshet_types::Result;

/// Bytes of records in one batch: Arrow's 32-bit offsets must be able to name each byte of a text column.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// The decoder.
pub(super) struct Decoder {
    schema: SchemaRef,
    root: RowColumn,
    rows: usize,
    bytes: usize,
    ignored: u64,
    rules: Rules,
}

struct Rules {
    fail_on_missing_field: bool,
    ignore_parse_errors: bool,
    style: TimeStyle,
    scratch: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(schema: &SchemaRef, full: &SchemaRef, options: &JsonOptions) -> Result<Self> {
        Ok(Self {
            schema: SchemaRef::clone(schema),
            root: RowColumn::of_record(schema, full)?,
            rows: 0,
            bytes: 0,
            ignored: 0,
            rules: Rules {
                fail_on_missing_field: options.fail_on_missing_field,
                ignore_parse_errors: options.ignore_parse_errors,
                style: options.style,
                scratch: Vec::new(),
            },
        })
    }

    /// Decodes the record and returns the number of rows after it.
    fn record(&mut self, bytes: &[u8]) -> Step<usize> {
        let mut cursor = Cursor::new(bytes);
        let mut rows = self.rows;
        match cursor.next_token() {
            b'{' => {
                self.rules.row(&mut self.root, rows, &mut cursor)?;
                rows += 1;
            }
            b'[' => {
                cursor.at += 1;
                if cursor.next_token() == b']' {
                    cursor.at += 1;
                } else {
                    loop {
                        match cursor.next_token() {
                            b'{' => {
                                self.rules.row(&mut self.root, rows, &mut cursor)?;
                                rows += 1;
                            }
                            b'n' => cursor.literal("null")?,
                            _ => return not_an_object(&mut cursor),
                        }
                        match cursor.next_token() {
                            b',' => cursor.at += 1,
                            b']' => {
                                cursor.at += 1;
                                break;
                            }
                            _ => return cursor.expected("\",\" or \"]\""),
                        }
                    }
                }
            }
            b'n' => cursor.literal("null")?,
            0 if cursor.at == bytes.len() => return cursor.malformed("the record is empty"),
            _ => return not_an_object(&mut cursor),
        }
        cursor.next_token();
        if cursor.at != bytes.len() {
            return cursor.expected("the end of the record");
        }
        Ok(rows)
    }
}

#[cold]
fn not_an_object<T>(cursor: &mut Cursor<'_>) -> Step<T> {
    let start = cursor.clone();
    cursor.skip()?;
    start.misfit("the record is not a JSON object")
}

impl RecordDecoder for Decoder {
    #[inline]
    fn push(&mut self, record: &[u8]) -> std::result::Result<(), RecordError> {
        let record = record.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(record);
        if self.bytes + record.len() > BATCH_BYTES_MAX {
            return Err(RecordError { reason: "the record does not fit into one batch of 2 GiB".to_string() });
        }
        match self.record(record) {
            Ok(rows) => {
                self.rows = rows;
                self.bytes += record.len();
                Ok(())
            }
            Err(fault) => {
                self.root.truncate(self.rows);
                if self.rules.ignore_parse_errors {
                    self.ignored += 1;
                    return Ok(());
                }
                Err(explain(&fault))
            }
        }
    }

    fn row_count(&self) -> usize {
        self.rows
    }

    fn ignored_count(&self) -> u64 {
        self.ignored
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.root.take_fields(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)?)
    }
}

#[cold]
fn explain(fault: &Fault) -> RecordError {
    let mut reason = String::new();
    if fault.malformed {
        reason.push_str("not valid JSON: ");
    }
    reason.push_str(&fault.text);
    if !fault.path.is_empty() {
        let path: Vec<&str> = fault.path.iter().rev().map(String::as_str).collect();
        reason.push_str(&format!(" in field \"{}\"", path.join(".")));
    }
    reason.push_str(&format!(" at byte {}", fault.at));
    RecordError { reason }
}

impl Rules {
    /// Decodes an object, whose brace the cursor is at, into row `row`.
    fn row(&mut self, target: &mut RowColumn, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        if target.len() > row {
            target.truncate(row);
        }
        target.open(row);
        let opening = cursor.at;
        let mut seen = Seen::new(self.fail_on_missing_field, target.fields.len());
        cursor.at += 1;
        if cursor.next_token() == b'}' {
            cursor.at += 1;
        } else {
            let mut place = 0;
            loop {
                let (field, key_bytes) = match target.keys.guess(&cursor.bytes[cursor.at..], &mut place) {
                    Some(guess) => guess,
                    None => self.read_key(target, cursor, &mut place)?,
                };
                cursor.at += key_bytes;
                if cursor.peek() <= b' ' {
                    cursor.next_token();
                }
                match field {
                    Some(i) => {
                        seen.mark(i);
                        let column = &mut target.fields[i];
                        if let Err(mut fault) = self.value(column, row, cursor) {
                            fault.path.push(column.name.clone());
                            return Err(fault);
                        }
                    }
                    None => cursor.skip()?,
                }
                match cursor.next_token() {
                    b',' => {
                        cursor.at += 1;
                        if cursor.peek() <= b' ' {
                            cursor.next_token();
                        }
                    }
                    b'}' => {
                        cursor.at += 1;
                        break;
                    }
                    _ => return cursor.expected("\",\" or \"}\""),
                }
            }
        }
        if let Some(i) = seen.first_missing() {
            let name = target.fields[i].name.clone();
            return Cursor { bytes: cursor.bytes, at: opening }.misfit(format!("field \"{name}\" is missing"));
        }
        if let Some(column) = target.missing(row) {
            let text = format!("field \"{}\" is NULL or missing, and its column is NOT NULL", column.name);
            return Cursor { bytes: cursor.bytes, at: opening }.misfit(text);
        }
        Ok(())
    }

    /// Reads a key that was not guessed: its field, and the bytes up to its value. The cursor stays where it is.
    #[cold]
    fn read_key(
        &mut self,
        target: &mut RowColumn,
        cursor: &Cursor<'_>,
        place: &mut usize,
    ) -> Step<(Option<usize>, usize)> {
        let mut ahead = cursor.clone();
        if ahead.peek() != b'"' {
            return ahead.expected("a key");
        }
        let field = target.keys.find(ahead.string(&mut self.scratch)?);
        ahead.colon()?;
        target.keys.learn(&cursor.bytes[cursor.at..ahead.at], field, place);
        Ok((field, ahead.at - cursor.at))
    }

    /// Decodes the value at the cursor, which stands behind white space, into row `row` of `column`.
    #[inline]
    fn value(&mut self, column: &mut Column, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        if cursor.peek() == b'n' {
            column.set_null(row);
            return cursor.literal("null");
        }
        if !self.ignore_parse_errors {
            return self.value_of_type(column, row, cursor);
        }
        let start = cursor.at;
        match self.value_of_type(column, row, cursor) {
            Err(fault) if !fault.malformed => {
                // Flink: a field that cannot be parsed becomes NULL.
                column.truncate(row);
                cursor.at = start;
                cursor.skip()
            }
            result => result,
        }
    }

    #[inline]
    fn value_of_type(&mut self, column: &mut Column, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        match &mut column.kind {
            Kind::BigInt(v) => {
                if let Some(value) = cursor.int() {
                    v.push(row, value);
                    return Ok(());
                }
            }
            Kind::Int(v) => {
                let start = cursor.at;
                if let Some(value) = cursor.int() {
                    if let Ok(value) = i32::try_from(value) {
                        v.push(row, value);
                        return Ok(());
                    }
                    cursor.at = start;
                }
            }
            Kind::Text(v) if cursor.peek() == b'"' => {
                let (text, plain) = cursor.plain_string()?;
                v.open(row);
                v.data.extend_from_slice(text);
                if !plain {
                    cursor.escaped_string(Some(&mut v.data))?;
                }
                v.close();
                return Ok(());
            }
            Kind::Unread(len) => {
                cursor.skip()?;
                *len = row + 1;
                return Ok(());
            }
            Kind::Row(v) if cursor.peek() == b'{' => return self.row(v, row, cursor),
            Kind::Timestamp(v, digits) => {
                if let Some(value) = timestamp(cursor, *digits, false, self.style)? {
                    v.push(row, value);
                    return Ok(());
                }
            }
            Kind::Instant(v, digits) => {
                if let Some(value) = timestamp(cursor, *digits, true, self.style)? {
                    v.push(row, value);
                    return Ok(());
                }
            }
            Kind::List(_) => return self.list(column, row, cursor),
            Kind::Map(_) => return self.map(column, row, cursor),
            _ => {}
        }
        self.other_value(column, row, cursor)
    }

    /// All that [`Rules::value_of_type`] has no quick way for.
    fn other_value(&mut self, column: &mut Column, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        let start = cursor.at;
        match cursor.peek() {
            b'"' => {
                let mut scratch = std::mem::take(&mut self.scratch);
                let result = match cursor.string(&mut scratch) {
                    Ok(text) => parse::push_text(column, row, text, self.style).or_else(|misfit| {
                        Cursor { bytes: cursor.bytes, at: start }.misfit(parse::explain(column, text, misfit))
                    }),
                    Err(fault) => Err(fault),
                };
                self.scratch = scratch;
                result
            }
            b'-' | b'0'..=b'9' => {
                let token = cursor.number()?;
                let fits = match &mut column.kind {
                    // Jackson cuts the fraction off for INT and BIGINT only.
                    Kind::Int(v) if !token.whole => number::whole_part(token.text)
                        .and_then(|n| i32::try_from(n).map_err(|_| Misfit::Range))
                        .map(|n| v.push(row, n)),
                    Kind::BigInt(v) if !token.whole => number::whole_part(token.text).map(|n| v.push(row, n)),
                    Kind::Boolean(_) | Kind::Binary(_) => Err(Misfit::Form),
                    _ => parse::push_text(column, row, token.text, self.style),
                };
                fits.or_else(|misfit| {
                    Cursor { bytes: cursor.bytes, at: start }.misfit(parse::explain(column, token.text, misfit))
                })
            }
            first @ (b't' | b'f') => {
                let word = if first == b't' { "true" } else { "false" };
                cursor.literal(word)?;
                match &mut column.kind {
                    Kind::Boolean(v) => v.push(row, first == b't'),
                    Kind::Text(v) => v.push(row, word.as_bytes()),
                    Kind::Null => {}
                    _ => {
                        let text = parse::explain(column, word.as_bytes(), Misfit::Form);
                        return Cursor { bytes: cursor.bytes, at: start }.misfit(text);
                    }
                }
                Ok(())
            }
            b'{' | b'[' => {
                cursor.skip()?;
                match &mut column.kind {
                    Kind::Text(v) => {
                        v.open(row);
                        super::compact::append(&cursor.bytes[start..cursor.at], &mut v.data);
                        v.close();
                        Ok(())
                    }
                    Kind::Null => Ok(()),
                    _ => {
                        let what = if cursor.bytes[start] == b'{' { "an object" } else { "an array" };
                        let text = format!("{what} is not a value of type {}", column.label);
                        Cursor { bytes: cursor.bytes, at: start }.misfit(text)
                    }
                }
            }
            _ => cursor.expected("a value"),
        }
    }

    fn list(&mut self, column: &mut Column, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        if cursor.peek() != b'[' {
            return self.other_value(column, row, cursor);
        }
        column.set_null(row);
        let Kind::List(list) = &mut column.kind else { unreachable!("the caller has matched a list") };
        let mut end = list.spans.open(row);
        cursor.at += 1;
        if cursor.next_token() == b']' {
            cursor.at += 1;
        } else {
            loop {
                let at = cursor.at;
                cursor.next_token();
                self.value(&mut list.item, end, cursor)?;
                end += 1;
                if !list.item.nullable && list.item.len() != end {
                    return Cursor { bytes: cursor.bytes, at }.misfit("an element of an ARRAY of NOT NULL is NULL");
                }
                match cursor.next_token() {
                    b',' => {
                        cursor.at += 1;
                        cursor.next_token();
                    }
                    b']' => {
                        cursor.at += 1;
                        break;
                    }
                    _ => return cursor.expected("\",\" or \"]\""),
                }
            }
        }
        list.spans.close(end);
        Ok(())
    }

    fn map(&mut self, column: &mut Column, row: usize, cursor: &mut Cursor<'_>) -> Step<()> {
        if cursor.peek() != b'{' {
            return self.other_value(column, row, cursor);
        }
        column.set_null(row);
        let Kind::Map(map) = &mut column.kind else { unreachable!("the caller has matched a map") };
        let first = map.spans.open(row);
        let mut end = first;
        cursor.at += 1;
        if cursor.next_token() == b'}' {
            cursor.at += 1;
        } else {
            loop {
                let at = cursor.at;
                if cursor.next_token() != b'"' {
                    return cursor.expected("a key");
                }
                let (text, plain) = cursor.plain_string()?;
                map.keys.open(end);
                map.keys.data.extend_from_slice(text);
                if !plain {
                    cursor.escaped_string(Some(&mut map.keys.data))?;
                }
                map.keys.close();
                cursor.colon()?;
                self.value(&mut map.value, end, cursor)?;
                end += 1;
                if !map.value.nullable && map.value.len() != end {
                    return Cursor { bytes: cursor.bytes, at }.misfit("a value of a MAP of NOT NULL is NULL");
                }
                match cursor.next_token() {
                    b',' => cursor.at += 1,
                    b'}' => {
                        cursor.at += 1;
                        break;
                    }
                    _ => return cursor.expected("\",\" or \"}\""),
                }
            }
        }
        map.replace_doubles(first, end);
        map.spans.close(end);
        Ok(())
    }
}

/// Passes a string that holds a timestamp; passes nothing and returns none when something else stands here.
#[inline]
fn timestamp(cursor: &mut Cursor<'_>, digits: Digits, instant: bool, style: TimeStyle) -> Step<Option<i64>> {
    if cursor.peek() != b'"' {
        return Ok(None);
    }
    let start = cursor.at;
    let (text, plain) = cursor.plain_string()?;
    if plain && let Ok(value) = parse::time::timestamp(text, digits, instant, style) {
        return Ok(Some(value));
    }
    cursor.at = start;
    Ok(None)
}

/// Fields that an object has held; kept only where a missing one is an error.
struct Seen(Option<Vec<bool>>);

impl Seen {
    #[inline]
    fn new(wanted: bool, fields: usize) -> Self {
        Self(wanted.then(|| vec![false; fields]))
    }

    #[inline]
    fn mark(&mut self, field: usize) {
        if let Some(seen) = &mut self.0 {
            seen[field] = true;
        }
    }

    #[inline]
    fn first_missing(&self) -> Option<usize> {
        self.0.as_ref()?.iter().position(|seen| !seen)
    }
}
