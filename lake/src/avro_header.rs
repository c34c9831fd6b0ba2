//! The header of an Avro file: its key-value pairs can be read, and some added that its writer left out.

/// Where the pairs of a header end, and the pairs.
struct Header<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
    /// Sync marker, then blocks.
    rest: &'a [u8],
}

const MAGIC: &[u8] = b"Obj\x01";

fn number(bytes: &mut &[u8]) -> Option<i64> {
    let (mut value, mut shift) = (0_u64, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(((value >> 1) as i64) ^ -((value & 1) as i64));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
    None
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    if length > bytes.len() {
        return None;
    }
    let (text, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(text)
}

fn header(file: &[u8]) -> Option<Header<'_>> {
    let mut bytes = file.strip_prefix(MAGIC)?;
    let mut pairs = Vec::new();
    loop {
        let mut count = number(&mut bytes)?;
        if count == 0 {
            return Some(Header { pairs, rest: bytes });
        }
        if count < 0 {
            // A negative count is followed by the size of the block.
            number(&mut bytes)?;
            count = count.checked_neg()?;
        }
        for _ in 0..count {
            pairs.push((text(&mut bytes)?, text(&mut bytes)?));
        }
    }
}

/// All pairs whose keys are text. None for what is no Avro file.
pub(crate) fn pairs(file: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let pairs = header(file)?.pairs.into_iter();
    Some(pairs.filter_map(|(key, value)| Some((std::str::from_utf8(key).ok()?, value))).collect())
}

/// The value of a key.
pub(crate) fn value<'a>(file: &'a [u8], key: &str) -> Option<&'a [u8]> {
    header(file)?.pairs.into_iter().find(|(k, _)| *k == key.as_bytes()).map(|(_, v)| v)
}

/// The file with more pairs in its header; those that it has stay as they are. None for what is no Avro file.
pub(crate) fn with_pairs(file: &[u8], more: &[(&str, String)]) -> Option<Vec<u8>> {
    let header = header(file)?;
    let missing = more.iter().filter(|(key, _)| !header.pairs.iter().any(|(k, _)| *k == key.as_bytes()));
    let added = missing.map(|(key, value)| (key.as_bytes(), value.as_bytes()));
    Some(written(header.pairs.iter().copied().chain(added).collect(), header.rest))
}

/// The file with another value for a key that it has. None for what is no Avro file.
pub(crate) fn with_value(file: &[u8], key: &str, value: &str) -> Option<Vec<u8>> {
    let header = header(file)?;
    let changed = |(k, v)| if k == key.as_bytes() { (k, value.as_bytes()) } else { (k, v) };
    Some(written(header.pairs.iter().copied().map(changed).collect(), header.rest))
}

fn written(pairs: Vec<(&[u8], &[u8])>, rest: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_number(&mut out, pairs.len() as i64);
    for (key, value) in pairs {
        for part in [key, value] {
            put_number(&mut out, part.len() as i64);
            out.extend_from_slice(part);
        }
    }
    put_number(&mut out, 0);
    out.extend_from_slice(rest);
    out
}

fn put_number(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_are_added_once() {
        let mut file = MAGIC.to_vec();
        put_number(&mut file, 1);
        for part in ["avro.schema", "\"int\""] {
            put_number(&mut file, part.len() as i64);
            file.extend_from_slice(part.as_bytes());
        }
        put_number(&mut file, 0);
        file.extend_from_slice(b"rest");
        let more = [("avro.schema", "other".to_string()), ("schema", "{}".to_string())];
        let changed = with_pairs(&file, &more).unwrap();
        assert_eq!(value(&changed, "avro.schema"), Some(&b"\"int\""[..]));
        assert_eq!(value(&changed, "schema"), Some(&b"{}"[..]));
        assert!(changed.ends_with(b"rest"));
        assert_eq!(with_pairs(&changed, &more).unwrap(), changed);
        let replaced = with_value(&changed, "schema", "[]").unwrap();
        assert_eq!(value(&replaced, "schema"), Some(&b"[]"[..]));
        assert!(replaced.ends_with(b"rest"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut file = MAGIC.to_vec();
            file.extend_from_slice(&bytes);
            let _ = value(&file, "x");
            let _ = with_pairs(&bytes, &[]);
        }
    }
}
