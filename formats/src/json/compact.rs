//! Copies a JSON value into a STRING the way Jackson prints a tree: no white space, only the escapes that are needed.

/// Appends `value`, which is valid JSON, to `out`.
pub(super) fn append(value: &[u8], out: &mut Vec<u8>) {
    let mut cursor = super::cursor::Cursor::new(value);
    let mut scratch = Vec::new();
    while cursor.at < value.len() {
        match cursor.peek() {
            b' ' | b'\n' | b'\r' | b'\t' => cursor.at += 1,
            b'"' => {
                let text = cursor.string(&mut scratch).expect("the value has been checked");
                append_string(text, out);
            }
            byte => {
                out.push(byte);
                cursor.at += 1;
            }
        }
    }
}

/// Appends `text` in quotes, escaping what JSON demands and no more.
#[inline]
pub(super) fn append_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut start = 0;
    for (i, byte) in text.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[start..i]);
        start = i + 1;
        out.push(b'\\');
        match byte {
            b'"' | b'\\' => out.push(*byte),
            b'\n' => out.push(b'n'),
            b'\r' => out.push(b'r'),
            b'\t' => out.push(b't'),
            8 => out.push(b'b'),
            12 => out.push(b'f'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(&[b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}
