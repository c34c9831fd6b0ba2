//! Walks over the tokens of one JSON text. What it passes has been checked against RFC 8259 in full, whether its value is
//! wanted or not.

use crate::parse::number;
use wide::u8x16;

/// Levels of nesting below the record.
const DEPTH_MAX: usize = 1_000;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) text: String,
    /// Byte of the record.
    pub(crate) at: usize,
    /// Whether the text is not JSON, rather than JSON that does not fit its column.
    pub(crate) malformed: bool,
    /// Fields from the inside out.
    pub(crate) path: Vec<String>,
}

/// Result of a step. The error is boxed because it is rare and the result is returned for each value.
pub(crate) type Step<T> = Result<T, Box<Fault>>;

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

/// A number's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    pub(crate) text: &'a [u8],
    /// Whether it has neither point nor exponent.
    pub(crate) whole: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The byte at the cursor; 0, which begins no token, at the end.
    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// The byte at the cursor after white space.
    #[inline]
    pub(crate) fn next_token(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' { byte } else { self.skip_space() }
    }

    #[inline(never)]
    fn skip_space(&mut self) -> u8 {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.peek()
    }

    /// A fault of the text itself.
    #[cold]
    pub(crate) fn malformed<T>(&self, text: impl Into<String>) -> Step<T> {
        Err(Box::new(Fault { text: text.into(), at: self.at, malformed: true, path: Vec::new() }))
    }

    /// A value that does not fit its column.
    #[cold]
    pub(crate) fn misfit<T>(&self, text: impl Into<String>) -> Step<T> {
        Err(Box::new(Fault { text: text.into(), at: self.at, malformed: false, path: Vec::new() }))
    }

    /// The fault of not finding what must stand here.
    #[cold]
    pub(crate) fn expected<T>(&self, what: &str) -> Step<T> {
        match self.bytes.get(self.at..).unwrap_or_default() {
            [] => self.malformed(format!("the record ends where {what} is expected")),
            rest => {
                let found = String::from_utf8_lossy(&rest[..rest.len().min(4)]).chars().next().unwrap_or(' ');
                self.malformed(format!("found {found:?} where {what} is expected"))
            }
        }
    }

    /// Passes `word`, a literal such as `null`.
    #[inline]
    pub(crate) fn literal(&mut self, word: &'static str) -> Step<()> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.expected("a value")
    }

    /// Passes a number.
    pub(crate) fn number(&mut self) -> Step<Number<'a>> {
        let start = self.at;
        let mut whole = true;
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return self.expected("a digit"),
        }
        if self.peek() == b'.' {
            whole = false;
            self.at += 1;
            if !self.peek().is_ascii_digit() {
                return self.expected("a digit");
            }
            self.digits();
        }
        if let b'e' | b'E' = self.peek() {
            whole = false;
            self.at += 1;
            if let b'+' | b'-' = self.peek() {
                self.at += 1;
            }
            if !self.peek().is_ascii_digit() {
                return self.expected("a digit");
            }
            self.digits();
        }
        Ok(Number { text: &self.bytes[start..self.at], whole })
    }

    #[inline]
    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    /// Passes a whole number that 64 bits hold; passes nothing and returns none when something else stands here.
    #[inline]
    pub(crate) fn int(&mut self) -> Option<i64> {
        let negative = self.peek() == b'-';
        let start = self.at + usize::from(negative);
        let (value, count) = number::digits19(self.bytes, start);
        let end = start + count;
        let next = self.bytes.get(end).copied().unwrap_or(0);
        if count == 0 || count == 20 || (count > 1 && self.bytes[start] == b'0') || matches!(next, b'.' | b'e' | b'E') {
            return None;
        }
        let value = number::signed(value, negative)?;
        self.at = end;
        Some(value)
    }

    /// Goes to the next quote or backslash of the string that the cursor is in; returns whether a byte before it is not
    /// ASCII.
    #[inline]
    fn run(&mut self) -> Step<bool> {
        let mut not_ascii = 0;
        let mut at = self.at;
        while let Some(chunk) = self.bytes[at..].first_chunk::<16>() {
            let bytes = u8x16::new(*chunk);
            let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
            let ends = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | control;
            let (found, high) = (ends.to_bitmask(), bytes.to_bitmask());
            if found != 0 {
                let byte = found.trailing_zeros();
                not_ascii |= high & !(u32::MAX << byte);
                self.at = at + byte as usize;
                return self.end_run(not_ascii != 0);
            }
            not_ascii |= high;
            at += 16;
        }
        let rest = &self.bytes[at..];
        let len = rest.iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20)).count();
        self.at = at + len;
        self.end_run(not_ascii != 0 || !rest[..len].is_ascii())
    }

    #[inline]
    fn end_run(&self, not_ascii: bool) -> Step<bool> {
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\') => Ok(not_ascii),
            Some(_) => self.malformed("a control character inside a string must be escaped"),
            None => self.malformed("a string does not end"),
        }
    }

    fn check_utf8(&self, start: usize, not_ascii: bool) -> Step<&'a [u8]> {
        let text = &self.bytes[start..self.at];
        if not_ascii && simdutf8::basic::from_utf8(text).is_err() {
            return self.malformed("a string is not valid UTF-8");
        }
        Ok(text)
    }

    /// Passes a string, whose quote the cursor is at, and gives its bytes when it holds no escape. When it holds one, the
    /// cursor stays at the first escape and what stands before it is given.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Step<(&'a [u8], bool)> {
        self.at += 1;
        let start = self.at;
        let not_ascii = self.run()?;
        let text = self.check_utf8(start, not_ascii)?;
        let plain = self.bytes[self.at] == b'"';
        self.at += usize::from(plain);
        Ok((text, plain))
    }

    /// Goes on behind [`Cursor::plain_string`] with what follows the first escape, into `out`.
    #[cold]
    pub(crate) fn escaped_string(&mut self, mut out: Option<&mut Vec<u8>>) -> Step<()> {
        while self.peek() == b'\\' {
            let character = self.escape()?;
            if let Some(out) = &mut out {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            let start = self.at;
            let not_ascii = self.run()?;
            let text = self.check_utf8(start, not_ascii)?;
            if let Some(out) = &mut out {
                out.extend_from_slice(text);
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Step<char> {
        let kind = self.bytes.get(self.at + 1).copied().unwrap_or(0);
        let character = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut unit = self.hex_unit(self.at + 2)?;
                self.at += 6;
                if let 0xD800..0xDC00 = unit
                    && self.bytes[self.at..].starts_with(b"\\u")
                    && let low @ 0xDC00..0xE000 = self.hex_unit(self.at + 2)?
                {
                    self.at += 6;
                    unit = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                }
                return match char::from_u32(unit) {
                    Some(character) => Ok(character),
                    None => self.malformed("half of a surrogate pair stands alone"),
                };
            }
            _ => return self.malformed("an escape that JSON does not know"),
        };
        self.at += 2;
        Ok(character)
    }

    fn hex_unit(&self, at: usize) -> Step<u32> {
        let digits = self.bytes.get(at..at + 4).unwrap_or_default();
        if digits.len() != 4 {
            return self.malformed("an escape does not end");
        }
        digits.iter().try_fold(0, |unit, digit| match char::from(*digit).to_digit(16) {
            Some(value) => Ok(unit << 4 | value),
            None => self.malformed("an escape holds something else than hexadecimal digits"),
        })
    }

    /// Passes a string, whose quote the cursor is at, and gives its bytes, using `scratch` when it holds escapes.
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Step<&'s [u8]>
    where
        'a: 's,
    {
        let (text, plain) = self.plain_string()?;
        if plain {
            return Ok(text);
        }
        scratch.clear();
        scratch.extend_from_slice(text);
        self.escaped_string(Some(scratch))?;
        Ok(scratch)
    }

    #[inline]
    fn skip_string(&mut self) -> Step<()> {
        if self.plain_string()?.1 { Ok(()) } else { self.escaped_string(None) }
    }

    /// Passes a value of any kind.
    pub(crate) fn skip(&mut self) -> Step<()> {
        // One bit per level, set inside an object.
        let mut levels = [0_u64; DEPTH_MAX.div_ceil(64)];
        let mut depth = 0;
        loop {
            match self.next_token() {
                b'"' => self.skip_string()?,
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                open @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return self.malformed(format!("more than {DEPTH_MAX} levels of nesting"));
                    }
                    let bit = 1 << (depth % 64);
                    if open == b'{' {
                        levels[depth / 64] |= bit;
                    } else {
                        levels[depth / 64] &= !bit;
                    }
                    depth += 1;
                    self.at += 1;
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.next_token() == close {
                        self.at += 1;
                        depth -= 1;
                    } else {
                        if open == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                _ => return self.expected("a value"),
            }
            // A value has ended: go up as far as levels end, then on to the next value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = levels[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                match self.next_token() {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.next_token();
                            self.skip_key()?;
                        }
                        break;
                    }
                    b'}' if in_object => self.at += 1,
                    b']' if !in_object => self.at += 1,
                    _ => return self.expected(if in_object { "\",\" or \"}\"" } else { "\",\" or \"]\"" }),
                }
                depth -= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Step<()> {
        if self.peek() != b'"' {
            return self.expected("a key");
        }
        self.skip_string()?;
        self.colon()
    }

    /// Passes the colon behind a key and the white space around it.
    pub(crate) fn colon(&mut self) -> Step<()> {
        if self.next_token() != b':' {
            return self.expected("\":\"");
        }
        self.at += 1;
        self.next_token();
        Ok(())
    }
}
