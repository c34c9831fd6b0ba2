//! Cuts a stream of bytes into records, without copying one.
//!
//! Hot: the search for record ends is `memchr`, and a record is a slice of the buffer.

use freshet_types::Options;
use std::io::{self, Read};

/// Longest record that is decoded; a longer one becomes a dead letter.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;
/// Bytes of an overlong record that are kept for the dead letter.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Bytes that are asked for at once.
pub(crate) const READ_BYTES: usize = 512 << 10;

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Byte behind each record.
    pub(crate) delimiter: u8,
    /// Quoting, inside which a delimiter does not count.
    pub(crate) quoting: Option<Quoting>,
}

/// How fields are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoting {
    /// Byte around a quoted field.
    pub(crate) quote: u8,
    /// Byte between fields: a quote opens only at the start of a field.
    pub(crate) separator: u8,
    /// Byte that takes the meaning from the one behind it.
    pub(crate) escape: Option<u8>,
}

impl Quoting {
    /// Whether a quoted field of `record` does not end, or text stands behind its end, or a quote in the midst of a field.
    fn is_broken(self, record: &[u8]) -> bool {
        let mut at = 0;
        loop {
            if record.get(at) == Some(&self.quote) {
                at += 1;
                loop {
                    let Some(byte) = record.get(at) else { return true };
                    let next = record.get(at + 1);
                    if *byte == self.quote {
                        if next != Some(&self.quote) {
                            break;
                        }
                        at += 2;
                    } else if Some(*byte) == self.escape {
                        at += 2;
                    } else {
                        at += 1;
                    }
                }
                match record.get(at + 1) {
                    None => return false,
                    Some(byte) if *byte == self.separator => at += 2,
                    Some(_) => return true,
                }
                continue;
            }
            loop {
                match record.get(at) {
                    None => return false,
                    Some(byte) if Some(*byte) == self.escape => at += 2,
                    // Taken for text elsewhere; here it tells that an earlier quote was the odd one.
                    Some(byte) if *byte == self.quote => return true,
                    Some(byte) if *byte == self.separator => break,
                    Some(_) => at += 1,
                }
            }
            at += 1;
        }
    }
}

impl Framing {
    /// The framing of a format's records; none for a format that owns whole files. Which byte separates fields decides
    /// where a quote opens, hence the look at the two options that formats with quotes share.
    pub(crate) fn of(framing: freshet_formats::Framing, options: &Options) -> Option<Self> {
        match framing {
            freshet_formats::Framing::Lines | freshet_formats::Framing::QuotedLines(0) => {
                Some(Framing { delimiter: b'\n', quoting: None })
            }
            freshet_formats::Framing::QuotedLines(quote) => {
                let byte = |name| options.get(name).and_then(one_byte);
                let separator = byte("field-delimiter").unwrap_or(b',');
                Some(Framing {
                    delimiter: b'\n',
                    quoting: Some(Quoting { quote, separator, escape: byte("escape-character") }),
                })
            }
            freshet_formats::Framing::File => None,
        }
    }
}

/// The byte that an option means: itself, or one of Java's escapes such as `\t` and `\u0001`.
fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        b"\\t" => Some(b'\t'),
        [b'\\', b'u', hex @ ..] => u8::try_from(u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?).ok(),
        [b'\\', byte] => Some(*byte),
        _ => None,
    }
}

/// What the cutter found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A record, without its end.
    Record(&'a [u8]),
    /// The beginning of a record that is too long, and its length.
    TooLong(Vec<u8>, u64),
}

/// Cuts bytes into records.
#[derive(Debug)]
pub(crate) struct RecordCutter {
    framing: Framing,
    /// Bytes `start..end` wait; those before `scanned` hold no record end.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    end: usize,
    in_quotes: bool,
    /// Where the last quote closed, counted from `start`: a quote right behind it is part of the field.
    closed_at: Option<usize>,
    /// Whether nothing follows the buffer.
    ended: bool,
    /// Position in the stream of the next record.
    position: u64,
    /// Where the last record began and ended in the buffer.
    last: (usize, usize),
    /// Beginning and length of an overlong record whose end is looked for.
    overlong: Option<(Vec<u8>, u64)>,
    record_bytes_max: usize,
    read_bytes: usize,
}

impl RecordCutter {
    /// A cutter for a stream whose next byte is at `position`.
    pub(crate) fn new(framing: Framing, position: u64) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            end: 0,
            in_quotes: false,
            closed_at: None,
            ended: false,
            position,
            last: (0, 0),
            overlong: None,
            record_bytes_max: RECORD_BYTES_MAX,
            read_bytes: READ_BYTES,
        }
    }

    #[cfg(test)]
    fn with_record_bytes_max(mut self, bytes: usize) -> Self {
        self.record_bytes_max = bytes;
        // Small reads: the tests make many cutters.
        self.read_bytes = 64;
        self
    }

    /// Position in the stream behind the last record that was given.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the stream has ended and every record was given.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended && self.start == self.end && self.overlong.is_none()
    }

    /// Reads more bytes; zero at the end of the stream.
    pub(crate) fn fill(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        if self.buffer.len() - self.end < self.read_bytes {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.scanned -= self.start;
            self.start = 0;
            if self.buffer.len() - self.end < self.read_bytes {
                // At least doubled: a long record is moved a few times only.
                let size = (self.end + self.read_bytes).max(self.buffer.len() * 2);
                self.buffer.resize(size, 0);
            }
        }
        let count = loop {
            match source.read(&mut self.buffer[self.end..self.end + self.read_bytes]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += count;
        self.ended = count == 0;
        Ok(count)
    }

    /// Says that nothing more will come, as [`RecordCutter::fill`] does when it reads nothing.
    pub(crate) fn end_stream(&mut self) {
        self.ended = true;
    }

    /// Drops a byte-order mark at the very beginning of the stream, once enough bytes are there.
    pub(crate) fn skip_byte_order_mark(&mut self) {
        if self.position == 0 && self.buffer[self.start..self.end].starts_with(b"\xEF\xBB\xBF") {
            self.start += 3;
            self.scanned = self.start;
            self.position = 3;
        }
    }

    /// The next record; none when more bytes are needed (or the stream has ended).
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Piece<'_>> {
        if self.overlong.is_some() {
            return self.skip_overlong();
        }
        let Some(at) = self.find_end() else {
            if self.ended && self.start < self.end {
                let (from, to) = (self.start, self.end);
                self.advance(to, to);
                return Some(Piece::Record(self.trim(from, to)));
            }
            if self.end - self.start > self.record_bytes_max {
                // A quote that nobody closes must not take all that follows along: the record ends with its line.
                if self.in_quotes
                    && let Some(line) = memchr::memchr(self.framing.delimiter, &self.buffer[self.start..self.end])
                {
                    let (from, to) = (self.start, self.start + line);
                    self.advance(to + 1, to + 1);
                    return Some(Piece::Record(self.trim(from, to)));
                }
                let kept = &self.buffer[self.start..self.end.min(self.start + KEPT_BYTES_MAX)];
                self.overlong = Some((kept.to_vec(), (self.end - self.start) as u64));
                self.start = self.end;
                self.scanned = self.end;
                self.in_quotes = false;
                self.closed_at = None;
            }
            return None;
        };
        let from = self.start;
        self.advance(at + 1, at + 1);
        if at - from > self.record_bytes_max {
            let kept = self.buffer[from..from + KEPT_BYTES_MAX.min(at - from)].to_vec();
            return Some(Piece::TooLong(kept, (at - from) as u64));
        }
        Some(Piece::Record(self.trim(from, at)))
    }

    fn advance(&mut self, start: usize, scanned: usize) {
        self.position += (start - self.start) as u64;
        self.last = (self.start, start);
        self.start = start;
        self.scanned = scanned;
        self.in_quotes = false;
        self.closed_at = None;
    }

    /// Says that the last record could not be decoded, and gives what of it is lost. When its quotes are broken and it
    /// runs over several lines, that is its first line only: what follows is read anew, so that a stray quote does not
    /// take its neighbours along.
    pub(crate) fn refuse(&mut self) -> &[u8] {
        let (from, end) = self.last;
        let record =
            self.trim(from, if self.buffer[from..end].ends_with(&[self.framing.delimiter]) { end - 1 } else { end });
        let line = memchr::memchr(self.framing.delimiter, record).map(|line| from + line);
        match (self.framing.quoting, line) {
            (Some(quoting), Some(line)) if quoting.is_broken(record) => {
                self.position -= (end - line - 1) as u64;
                self.start = line + 1;
                self.scanned = line + 1;
                self.last = (from, line + 1);
                self.trim(from, line)
            }
            _ => self.trim(from, from + record.len()),
        }
    }

    /// A record without the `\r` of a `\r\n`.
    #[inline]
    fn trim(&self, from: usize, to: usize) -> &[u8] {
        let record = &self.buffer[from..to];
        match record {
            [rest @ .., b'\r'] if self.framing.delimiter == b'\n' => rest,
            record => record,
        }
    }

    #[inline]
    fn find_end(&mut self) -> Option<usize> {
        let Some(quoting) = self.framing.quoting else {
            let found = memchr::memchr(self.framing.delimiter, &self.buffer[self.scanned..self.end]);
            let found = found.map(|i| self.scanned + i);
            self.scanned = found.unwrap_or(self.end);
            return found;
        };
        let quote = quoting.quote;
        loop {
            let rest = &self.buffer[self.scanned..self.end];
            let found = match (self.in_quotes, quoting.escape) {
                (false, _) => memchr::memchr2(quote, self.framing.delimiter, rest),
                (true, None) => memchr::memchr(quote, rest),
                (true, Some(escape)) => memchr::memchr2(quote, escape, rest),
            };
            let Some(at) = found.map(|i| self.scanned + i) else {
                self.scanned = self.end;
                return None;
            };
            if self.in_quotes && self.buffer[at] != quote {
                if at + 1 == self.end && !self.ended {
                    // What is escaped has not been read yet.
                    self.scanned = at;
                    return None;
                }
                self.scanned = (at + 2).min(self.end);
                continue;
            }
            self.scanned = at + 1;
            if self.buffer[at] != quote {
                return Some(at);
            }
            let place = at - self.start;
            if self.in_quotes {
                self.in_quotes = false;
                self.closed_at = Some(place);
            } else {
                // Inside an unquoted field a quote is a character like others; a doubled one closes and opens again.
                let doubled = place > 0 && self.closed_at == Some(place - 1);
                self.in_quotes = place == 0 || doubled || self.buffer[at - 1] == quoting.separator;
            }
        }
    }

    fn skip_overlong(&mut self) -> Option<Piece<'_>> {
        let rest = &self.buffer[self.start..self.end];
        let found = memchr::memchr(self.framing.delimiter, rest);
        let skipped = found.unwrap_or(rest.len());
        if let Some((_, length)) = &mut self.overlong {
            *length += skipped as u64;
        }
        self.start += skipped + usize::from(found.is_some());
        self.scanned = self.start;
        if found.is_none() && !self.ended {
            return None;
        }
        let (kept, length) = self.overlong.take()?;
        self.position += length + u64::from(found.is_some());
        Some(Piece::TooLong(kept, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Drip<'a>(&'a [u8], usize);
    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn cut(text: &[u8], quote: Option<u8>, step: usize, most: usize) -> Vec<(u64, String)> {
        let mut source = Drip(text, step);
        let quoting = quote.map(|quote| Quoting { quote, separator: b',', escape: None });
        let mut cutter = RecordCutter::new(Framing { delimiter: b'\n', quoting }, 0).with_record_bytes_max(most);
        let mut found = Vec::new();
        while !cutter.is_finished() {
            let piece = match cutter.next() {
                Some(Piece::Record(record)) => String::from_utf8_lossy(record).into_owned(),
                Some(Piece::TooLong(kept, length)) => format!("{}... {length}", String::from_utf8_lossy(&kept)),
                None => {
                    cutter.fill(&mut source).unwrap();
                    continue;
                }
            };
            found.push((cutter.position(), piece));
        }
        found
    }

    fn texts(text: &str, quote: Option<u8>) -> Vec<String> {
        cut(text.as_bytes(), quote, 3, RECORD_BYTES_MAX).into_iter().map(|(_, t)| t).collect()
    }

    #[test]
    fn lines_end_in_lf_or_crlf_or_the_end() {
        assert_eq!(texts("a\nbb\r\n\nc", None), ["a", "bb", "", "c"]);
        assert_eq!(texts("", None), Vec::<String>::new());
        assert_eq!(texts("a\r\n", None), ["a"]);
    }

    #[test]
    fn quoted_line_breaks_belong_to_the_record() {
        let quote = Some(b'"');
        assert_eq!(texts("1,\"a\nb\",2\n3\n", quote), ["1,\"a\nb\",2", "3"]);
        assert_eq!(texts("\"say \"\"hi\"\"\nx\"\ny", quote), ["\"say \"\"hi\"\"\nx\"", "y"]);
        assert_eq!(texts("5\" disk,1\nb,2\n", quote), ["5\" disk,1", "b,2"]);
        assert_eq!(texts("a,\"b\nc", quote), ["a,\"b\nc"]);
        assert_eq!(texts("x, \"a\ny\"\n", quote), ["x, \"a", "y\""]);
    }

    #[test]
    fn escaped_quotes_do_not_close() {
        let quoting = Some(Quoting { quote: b'"', separator: b';', escape: Some(b'\\') });
        let text = b"a;\"x\\\"\ny\"\nb\n";
        for step in 1..text.len() {
            let mut source = Drip(text, step);
            let mut cutter = RecordCutter::new(Framing { delimiter: b'\n', quoting }, 0);
            let mut found = Vec::new();
            while !cutter.is_finished() {
                match cutter.next() {
                    Some(Piece::Record(record)) => found.push(record.to_vec()),
                    Some(piece) => panic!("{piece:?}"),
                    None => drop(cutter.fill(&mut source).unwrap()),
                }
            }
            assert_eq!(found, [&b"a;\"x\\\"\ny\""[..], b"b"]);
        }
    }

    #[test]
    fn overlong_records_are_cut_and_the_next_one_is_found() {
        let found = cut(b"ok\n0123456789\nnext\n", None, 4, 5);
        assert_eq!(found.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>()[0], "ok");
        assert!(found[1].1.ends_with("... 10"), "{found:?}");
        assert_eq!((found[1].0, found[2].clone()), (14, (19, "next".to_string())));
        let quoted = cut(b"\"0123456789\nnext\n", Some(b'"'), 4, 5);
        assert_eq!(quoted.last().unwrap().1, "next");
    }

    #[test]
    fn a_stray_quote_costs_its_line_and_no_more() {
        let quoting = Some(Quoting { quote: b'"', separator: b',', escape: None });
        for (text, lost, kept) in [
            ("1,\"a\n2,b\n3,c\n", "1,\"a", "2,b 3,c"),
            ("1,\"a\r\n2,\"b\"\r\n3,c", "1,\"a", "2,\"b\" 3,c"),
            ("1,\"a\n2,\",b\"\n3,c\n", "1,\"a", "2,\",b\" 3,c"),
            // Well quoted, and bad for another reason: lost as a whole.
            ("1,\"a\nb\",x\n3,c\n", "1,\"a\nb\",x", "3,c"),
        ] {
            let mut source = Drip(text.as_bytes(), 2);
            let mut cutter = RecordCutter::new(Framing { delimiter: b'\n', quoting }, 0);
            let (mut dead, mut good) = (Vec::new(), Vec::new());
            while !cutter.is_finished() {
                let record = match cutter.next() {
                    None => {
                        cutter.fill(&mut source).unwrap();
                        continue;
                    }
                    Some(Piece::Record(record)) => String::from_utf8(record.to_vec()).unwrap(),
                    Some(piece) => panic!("{piece:?}"),
                };
                if dead.is_empty() {
                    dead = cutter.refuse().to_vec();
                } else {
                    good.push(record);
                }
            }
            assert_eq!((String::from_utf8(dead).unwrap().as_str(), good.join(" ").as_str()), (lost, kept), "{text:?}");
            assert_eq!(cutter.position(), text.len() as u64);
        }
        // A quote that is never closed gives up at the longest record.
        let found = cut(b"a,\"b\nccccccc\nddd\n", Some(b'"'), 4, 9);
        assert_eq!(found.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>(), ["a,\"b", "ccccccc", "ddd"]);
    }

    proptest! {
        #[test]
        fn positions_and_pieces_do_not_depend_on_the_reads(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'"'), Just(b'a'), Just(b',')], 0..200),
            step in 1usize..50,
            quoted: bool,
        ) {
            let quote = quoted.then_some(b'"');
            let whole = cut(&text, quote, usize::MAX, RECORD_BYTES_MAX);
            prop_assert_eq!(&cut(&text, quote, step, RECORD_BYTES_MAX), &whole);
            // Going on from any position gives the rest.
            for (i, (position, _)) in whole.iter().enumerate() {
                let rest = cut(&text[*position as usize..], quote, step, RECORD_BYTES_MAX);
                let rest: Vec<_> = rest.into_iter().map(|(p, t)| (p + position, t)).collect();
                prop_assert_eq!(&rest[..], &whole[i + 1..]);
            }
        }
    }
}
