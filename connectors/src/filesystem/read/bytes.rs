//! The bytes of a file in order, decompressed by the file's extension, with a guard against bombs.

use crate::storage::Storage;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use freshet_types::{Error, Result};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A file may grow to so many times its size ...
const RATIO_MAX: u64 = 500;
/// ... once it has given so many bytes.
const FREE_BYTES: u64 = 64 << 20;
/// Largest window of a zstd file, as a power of two: 128 MiB, what the zstd tool takes without being asked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Deflate,
    Zstd,
}

impl Compression {
    /// The compression that a file's extension names.
    ///
    /// # Errors
    /// `filesystem.compression` for one that is not there.
    pub(super) fn of(path: &str) -> Result<Self> {
        let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, e)| e);
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Ok(Compression::Gzip),
            "deflate" => Ok(Compression::Deflate),
            "zst" | "zstd" => Ok(Compression::Zstd),
            "bz2" | "xz" | "lzma" | "lz4" | "snappy" | "zip" | "br" => Err(Error::unsupported(
                "filesystem.compression",
                format!("file \"{path}\" is compressed with {extension}"),
            )
            .hint("compress it with gzip or zstd, or exclude it with source.path.regex-pattern")),
            _ => Ok(Compression::None),
        }
    }
}

/// What is known about the bytes below the decompressor.
#[derive(Debug, Default)]
struct Below {
    count: AtomicU64,
    failed: AtomicBool,
}

struct Counted {
    inner: Box<dyn Read + Send>,
    below: Arc<Below>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(out) {
            Ok(count) => {
                self.below.count.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
            Err(e) => {
                if e.kind() != io::ErrorKind::Interrupted {
                    self.below.failed.store(true, Ordering::Relaxed);
                }
                Err(e)
            }
        }
    }
}

/// A file's content, from a position on.
pub(super) struct ByteSource {
    reader: Box<dyn Read + Send>,
    below: Arc<Below>,
    compressed: bool,
    given: u64,
}

impl ByteSource {
    /// Opens `path` at `position` of its (decompressed) content.
    pub(super) fn open(storage: &Storage, path: &str, position: u64) -> Result<Self> {
        let compression = Compression::of(path)?;
        let compressed = compression != Compression::None;
        let below = Arc::new(Below::default());
        let inner = storage.open_stream(path, if compressed { 0 } else { position })?;
        let counted = Counted { inner, below: Arc::clone(&below) };
        let broken = |e: io::Error| Error::data("filesystem.compressed", format!("file \"{path}\" is broken: {e}"));
        let reader: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(MultiGzDecoder::new(counted)),
            Compression::Deflate => Box::new(ZlibDecoder::new(counted)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(counted).map_err(broken)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
                Box::new(decoder)
            }
        };
        let mut source = Self { reader, below, compressed, given: 0 };
        if compressed && position > 0 {
            let skipped = io::copy(&mut (&mut source).take(position), &mut io::sink());
            let skipped = skipped.map_err(|e| source.error(e, path))?;
            if skipped < position {
                return Err(changed(path));
            }
        }
        Ok(source)
    }

    /// Bytes read from outside so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.below.count.load(Ordering::Relaxed)
    }

    /// What a failed read means: trouble below may pass, broken bytes do not.
    pub(super) fn error(&self, e: io::Error, path: &str) -> Error {
        if self.below.failed.swap(false, Ordering::Relaxed) {
            return Error::unavailable("storage.unavailable", format!("file \"{path}\" stopped midway: {e}"));
        }
        Error::data("filesystem.compressed", format!("file \"{path}\" is broken: {e}"))
    }
}

/// A file is not what it was when the checkpoint was taken.
pub(super) fn changed(path: &str) -> Error {
    Error::data("filesystem.changed", format!("file \"{path}\" is not what it was when it was read before"))
        .hint("bring the old file back, or start over with --from-scratch")
}

impl Read for ByteSource {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(out)?;
        self.given += count as u64;
        if self.compressed && self.given > FREE_BYTES && self.given / RATIO_MAX > self.bytes_read() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it grows to more than {RATIO_MAX} times its size"),
            ));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freshet_types::Options;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_files_are_read_from_any_position() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
        let text: Vec<u8> = (0..50_000u32).flat_map(u32::to_le_bytes).collect();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let (first, second) = text.split_at(1_000);
        storage.put_durable("x.gz", [gzip(first), gzip(second)].concat()).unwrap();
        storage.put_durable("x.zst", zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        storage.put_durable("x.deflate", zlib.finish().unwrap()).unwrap();
        storage.put_durable("x.txt", text.clone()).unwrap();
        for path in ["x.gz", "x.zst", "x.deflate", "x.txt"] {
            for position in [0, 1, 999, 1_000, 150_000, 200_000] {
                let mut read = Vec::new();
                ByteSource::open(&storage, path, position).unwrap().read_to_end(&mut read).unwrap();
                assert!(read == text[position as usize..], "{path} from {position}");
            }
        }
        assert_eq!(ByteSource::open(&storage, "x.gz", 200_001).err().unwrap().code(), "filesystem.changed");
    }

    #[test]
    fn bombs_and_broken_files_are_told_from_storage_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
        let zeros = vec![0; 100 << 20];
        storage.put_durable("bomb.zst", zstd::encode_all(&zeros[..], 1).unwrap()).unwrap();
        let mut cut = gzip(&zeros[..100_000]);
        cut.truncate(cut.len() - 20);
        storage.put_durable("cut.gz", cut).unwrap();
        storage.put_durable("text.gz", "not gzip at all").unwrap();
        for path in ["bomb.zst", "cut.gz", "text.gz"] {
            let mut source = ByteSource::open(&storage, path, 0).unwrap();
            let e = io::copy(&mut source, &mut io::sink()).unwrap_err();
            assert_eq!(source.error(e, path).code(), "filesystem.compressed", "{path}");
        }
        assert_eq!(Compression::of("x.csv.bz2").unwrap_err().code(), "filesystem.compression");
    }
}
