//! What readers of whole files share: one handle read from many places, and panics of a decoder turned into errors.

use crate::RandomRead;
use freshet_types::caught::caught;
use freshet_types::{Error, Result};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that several readers share; each read says where it begins.
#[derive(Clone)]
pub(crate) struct SharedFile {
    file: Arc<Mutex<Box<dyn RandomRead>>>,
    len: u64,
}

impl SharedFile {
    /// Takes over `file`.
    pub(crate) fn new(mut file: Box<dyn RandomRead>) -> Result<Self> {
        let len = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        Ok(Self { file: Arc::new(Mutex::new(file)), len })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read(buffer)
    }

    /// Reads exactly `length` bytes from `at` on. Nothing is allocated for a range that the file does not have.
    pub(crate) fn read_exact_at(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        if at.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// A reader of its own that begins at `at`.
    pub(crate) fn reader(&self, at: u64) -> io::BufReader<Reader> {
        io::BufReader::with_capacity(64 << 10, Reader { file: self.clone(), at })
    }
}

/// Reads on from a place of a [`SharedFile`].
pub(crate) struct Reader {
    file: SharedFile,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The error of a file that cannot be read at all.
pub(crate) fn unreadable(e: io::Error) -> Error {
    Error::unavailable("file.read", "the file cannot be read").because(e)
}

/// Runs `work` of a library that may panic over a broken file, and makes an error of that.
///
/// # Errors
/// What `work` returns, or `code` when it panicked.
pub(crate) fn guard<T>(code: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|text| {
        Err(Error::data(code, format!("the file is broken: {text}")).hint("write the file anew"))
    })
}
