//! Goes over an Avro file before the decoder sees it: unpacks each block, and checks that its length, its sync marker and
//! the number of its records are what they say. A decoder that trusts them would loop, allocate without bound or lose rows.
//!
//! Source: Apache Avro specification, "Object Container Files".

use super::binary::{broken, put_bytes, put_long, take_bytes, take_long};
use super::layout::Layout;
use crate::file::SharedFile;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MAGIC: &[u8; 4] = b"Obj\x01";
/// Bytes of a block once it is unpacked; writers end blocks after some thousand bytes to some megabytes.
const BLOCK_BYTES_MAX: usize = 256 << 20;
const HEADER_BYTES_MAX: usize = 16 << 20;

/// The file as it would be without compression, block by block.
pub(super) struct Container {
    file: SharedFile,
    /// Where the next block begins.
    at: u64,
    codec: Codec,
    layout: Layout,
    sync: [u8; 16],
    /// What is handed out now, from `from` on.
    ready: Vec<u8>,
    from: usize,
    pub(super) ahead: Arc<Ahead>,
}

/// Rows at the current place that nobody wants. Shared with the reader, which cannot reach the container otherwise.
#[derive(Default)]
pub(super) struct Ahead {
    /// Rows to leave out before the first block that is read.
    blocks: AtomicU64,
    /// Those of them that lie within that block.
    rest: AtomicU64,
    /// Whether blocks may be read; until then there is only the header.
    started: AtomicBool,
}

impl Ahead {
    /// Leaves out `rows` more; before anything is read.
    pub(super) fn add(&self, rows: u64) {
        self.blocks.fetch_add(rows, Ordering::Relaxed);
    }

    /// Lets blocks be read.
    pub(super) fn start(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Rows of what was read that are not wanted; told once.
    pub(super) fn take_rest(&self) -> u64 {
        self.rest.swap(0, Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

struct Header<'a> {
    schema: &'a [u8],
    codec: &'a [u8],
    sync: [u8; 16],
    len: usize,
}

fn parse_header(bytes: &[u8]) -> io::Result<Header<'_>> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| broken("this is not an Avro file"))?;
    let (mut schema, mut codec) = (&[][..], &b"null"[..]);
    loop {
        let count = take_long(&mut rest)?;
        if count == 0 {
            break;
        }
        if count < 0 {
            take_long(&mut rest)?;
        }
        for _ in 0..count.unsigned_abs() {
            match (take_bytes(&mut rest)?, take_bytes(&mut rest)?) {
                (b"avro.schema", value) => schema = value,
                (b"avro.codec", value) => codec = value,
                _ => {}
            }
        }
    }
    let sync = *rest.first_chunk::<16>().ok_or_else(|| broken("the header does not end"))?;
    Ok(Header { schema, codec, sync, len: bytes.len() - rest.len() + 16 })
}

impl Container {
    pub(super) fn open(file: SharedFile) -> io::Result<Self> {
        let mut wanted = 64 << 10;
        let (bytes, header_len) = loop {
            let len = usize::try_from(file.len()).unwrap_or(usize::MAX).min(wanted);
            let bytes = file.read_exact_at(0, len)?;
            match parse_header(&bytes) {
                Ok(header) => {
                    let len = header.len;
                    break (bytes, len);
                }
                Err(e) if !bytes.starts_with(MAGIC) || len as u64 == file.len() || wanted >= HEADER_BYTES_MAX => {
                    return Err(e);
                }
                Err(_) => wanted *= 8,
            }
        };
        let header = parse_header(&bytes)?;
        let codec = match header.codec {
            b"null" | b"" => Codec::Null,
            b"deflate" => Codec::Deflate,
            b"snappy" => Codec::Snappy,
            b"zstandard" => Codec::Zstandard,
            other => return Err(broken(format!("codec \"{}\" is not supported", String::from_utf8_lossy(other)))),
        };
        let layout = Layout::parse(header.schema)?;
        // The decoder gets the same header, for blocks that are unpacked already.
        let mut ready = MAGIC.to_vec();
        put_long(2, &mut ready);
        put_bytes(b"avro.schema", &mut ready);
        put_bytes(header.schema, &mut ready);
        put_bytes(b"avro.codec", &mut ready);
        put_bytes(b"null", &mut ready);
        put_long(0, &mut ready);
        ready.extend_from_slice(&header.sync);
        let sync = header.sync;
        Ok(Self { at: header_len as u64, file, codec, layout, sync, ready, from: 0, ahead: Arc::default() })
    }

    /// Makes the next block ready that is not left out; none is ready at the end of the file.
    fn load(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.from = 0;
        while self.at < self.file.len() {
            let head_len = (self.file.len() - self.at).min(20) as usize;
            let head = self.file.read_exact_at(self.at, head_len)?;
            let mut rest = &head[..];
            let count = u64::try_from(take_long(&mut rest)?).map_err(|_| broken("a block has a negative count"))?;
            let size = usize::try_from(take_long(&mut rest)?).map_err(|_| broken("a block has a negative size"))?;
            let start = self.at + (head.len() - rest.len()) as u64;
            // Checks the length against the file before anything is allocated.
            let end = start
                .checked_add(size as u64)
                .and_then(|end| end.checked_add(16))
                .filter(|end| *end <= self.file.len())
                .ok_or_else(|| broken("the file ends within a block"))?;
            if self.file.read_exact_at(end - 16, 16)? != self.sync {
                return Err(broken("a block does not end with the sync marker"));
            }
            self.at = end;
            let unwanted = self.ahead.blocks.load(Ordering::Relaxed);
            if count <= unwanted {
                self.ahead.blocks.store(unwanted - count, Ordering::Relaxed);
                continue;
            }
            self.ahead.blocks.store(0, Ordering::Relaxed);
            self.ahead.rest.fetch_add(unwanted, Ordering::Relaxed);
            let data = self.unpack(self.file.read_exact_at(start, size)?)?;
            self.layout.check(&data, count)?;
            if data.is_empty() {
                return Err(broken("a block holds records of no size"));
            }
            put_long(count as i64, &mut self.ready);
            put_bytes(&data, &mut self.ready);
            self.ready.extend_from_slice(&self.sync);
            return Ok(());
        }
        Ok(())
    }

    fn unpack(&self, packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let too_large = || broken("a block is larger than 256 MiB");
        let unpacked = |reader: &mut dyn Read| {
            let mut data = Vec::new();
            reader.take(BLOCK_BYTES_MAX as u64 + 1).read_to_end(&mut data)?;
            if data.len() > BLOCK_BYTES_MAX { Err(too_large()) } else { Ok(data) }
        };
        match self.codec {
            Codec::Null if packed.len() > BLOCK_BYTES_MAX => Err(too_large()),
            Codec::Null => Ok(packed),
            Codec::Deflate => unpacked(&mut flate2::read::DeflateDecoder::new(&packed[..])),
            Codec::Zstandard => unpacked(&mut zstd::Decoder::new(&packed[..])?),
            Codec::Snappy => {
                let (packed, sum) = packed.split_last_chunk::<4>().ok_or_else(|| broken("a block is too short"))?;
                if snap::raw::decompress_len(packed).map_err(|e| broken(e.to_string()))? > BLOCK_BYTES_MAX {
                    return Err(too_large());
                }
                let data = snap::raw::Decoder::new().decompress_vec(packed).map_err(|e| broken(e.to_string()))?;
                if crc32fast::hash(&data) != u32::from_be_bytes(*sum) {
                    return Err(broken("the checksum of a block is wrong"));
                }
                Ok(data)
            }
        }
    }
}

impl Read for Container {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Container {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.ready.len() && self.ahead.started.load(Ordering::Relaxed) {
            self.load()?;
        }
        Ok(&self.ready[self.from..])
    }

    fn consume(&mut self, amount: usize) {
        self.from += amount;
    }
}
