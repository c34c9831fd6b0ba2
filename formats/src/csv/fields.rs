//! Splits a CSV record into its fields.

use super::CsvOptions;

/// Goes over the fields of one record.
pub(super) struct Fields<'a> {
    record: &'a [u8],
    /// Where the next field begins; none behind the last.
    at: Option<usize>,
}

/// One field: its text is in the record, or in the scratch buffer when it had to be put together.
pub(super) struct RawField<'s> {
    pub(super) text: &'s [u8],
    pub(super) quoted: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(record: &'a [u8]) -> Self {
        Self { record, at: Some(0) }
    }

    /// The next field; none behind the last.
    #[inline]
    pub(super) fn next<'s>(
        &mut self,
        options: &CsvOptions,
        scratch: &'s mut Vec<u8>,
    ) -> Result<Option<RawField<'s>>, &'static str>
    where
        'a: 's,
    {
        let Some(at) = self.at else { return Ok(None) };
        let rest = &self.record[at..];
        if options.quote.is_some() && rest.first().copied() == options.quote {
            return self.quoted(at + 1, options, scratch).map(Some);
        }
        if let Some(escape) = options.escape
            && memchr::memchr(escape, rest).is_some()
        {
            return Ok(Some(self.escaped(at, escape, options, scratch)));
        }
        let len = memchr::memchr(options.delimiter, rest);
        self.at = len.map(|len| at + len + 1);
        Ok(Some(RawField { text: &rest[..len.unwrap_or(rest.len())], quoted: false }))
    }

    fn quoted<'s>(
        &mut self,
        start: usize,
        options: &CsvOptions,
        scratch: &'s mut Vec<u8>,
    ) -> Result<RawField<'s>, &'static str>
    where
        'a: 's,
    {
        let quote = options.quote.unwrap_or(b'"');
        let escape = options.escape.unwrap_or(quote);
        let mut from = start;
        let mut whole = true;
        scratch.clear();
        loop {
            let Some(len) = memchr::memchr2(quote, escape, &self.record[from..]) else {
                return Err("a quoted field does not end");
            };
            let at = from + len;
            let next = self.record.get(at + 1).copied();
            if self.record[at] != quote {
                // The escape; a quote that is also the escape is handled as a quote.
                scratch.extend_from_slice(&self.record[from..at]);
                scratch.push(resolve(next.ok_or("a quoted field does not end")?));
                from = at + 2;
                whole = false;
                continue;
            }
            match next {
                Some(byte) if byte == quote => {
                    scratch.extend_from_slice(&self.record[from..=at]);
                    from = at + 2;
                    whole = false;
                }
                Some(byte) if byte != options.delimiter => {
                    return Err("a closing quote is followed by something else than a delimiter");
                }
                next => {
                    self.at = next.map(|_| at + 2);
                    if whole {
                        return Ok(RawField { text: &self.record[start..at], quoted: true });
                    }
                    scratch.extend_from_slice(&self.record[from..at]);
                    return Ok(RawField { text: scratch, quoted: true });
                }
            }
        }
    }

    fn escaped<'s>(
        &mut self,
        start: usize,
        escape: u8,
        options: &CsvOptions,
        scratch: &'s mut Vec<u8>,
    ) -> RawField<'s> {
        let mut from = start;
        scratch.clear();
        loop {
            let Some(len) = memchr::memchr2(options.delimiter, escape, &self.record[from..]) else {
                scratch.extend_from_slice(&self.record[from..]);
                self.at = None;
                break;
            };
            let at = from + len;
            scratch.extend_from_slice(&self.record[from..at]);
            if self.record[at] == options.delimiter {
                self.at = Some(at + 1);
                break;
            }
            match self.record.get(at + 1) {
                Some(byte) => scratch.push(resolve(*byte)),
                None => scratch.push(escape),
            }
            from = (at + 2).min(self.record.len());
        }
        RawField { text: scratch, quoted: false }
    }
}

/// What an escaped character means, as Jackson has it.
fn resolve(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        other => other,
    }
}
