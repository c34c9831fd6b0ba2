//! Keeps the records of a checkpoint in a file until they are written in its transaction.

use super::encode::RowEncoder;
use super::folder::{run_of, storage_error, sync_folder};
use super::{Chooser, Target};
use crate::kafka::io::OutRecord;
use freshet_connector_api::{Prepared, SinkWriter, WriterContext};
use freshet_types::{ChangeBatch, CheckpointId, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a checkpoint's root file says about the records of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    /// Which run of the job the marks belong to: one that starts anew counts its checkpoints from the beginning.
    pub(super) run: String,
    /// Name of the staged file; none when there are no records.
    pub(super) file: Option<String>,
    pub(super) record_count: u64,
}

pub(super) struct StagedWriter {
    target: Arc<Target>,
    encoder: RowEncoder,
    chooser: Chooser,
    folder: PathBuf,
    run: String,
    name_prefix: String,
    file_count: u64,
    open: Option<Open>,
}

struct Open {
    name: String,
    file: BufWriter<File>,
    record_count: u64,
}

impl StagedWriter {
    pub(super) fn new(target: &Arc<Target>, context: &WriterContext) -> Result<Self> {
        let folder = target.folder(&context.job_id);
        Ok(Self {
            encoder: RowEncoder::new(&target.table, &target.layout)?,
            chooser: Chooser::new(target, context.worker)?,
            run: run_of(&folder)?,
            folder,
            name_prefix: format!("{}-{}-{}", context.attempt, context.worker, uuid::Uuid::new_v4().simple()),
            file_count: 0,
            open: None,
            target: Arc::clone(target),
        })
    }

    fn open(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            let name = format!("{}-{}.staged", self.name_prefix, self.file_count);
            self.file_count += 1;
            let path = self.folder.join(&name);
            let file = File::create_new(&path).map_err(|e| storage_error("no staged file", &path, &e))?;
            self.open = Some(Open { name, file: BufWriter::with_capacity(1 << 18, file), record_count: 0 });
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }
}

impl SinkWriter for StagedWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.open()?;
        let Self { encoder, chooser, open, folder, target, .. } = self;
        let open = open.as_mut().expect("it was just opened");
        encoder.encode(changes, &mut |record| {
            record.partition = chooser.choose();
            open.record_count += 1;
            append(&mut open.file, record)
                .map_err(|e| storage_error("records were not staged in", folder, &e).at("topic", &target.options.topic))
        })
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        let (run, folder) = (self.run.clone(), self.folder.clone());
        let open = self.open.take();
        Ok(Box::new(move || {
            let (mut file, mut record_count) = (None, 0);
            if let Some(open) = open {
                let inner = open.file.into_inner().map_err(io::IntoInnerError::into_error);
                let synced = inner.and_then(|f| f.sync_all()).and_then(|()| sync_folder(&folder));
                synced.map_err(|e| storage_error("records were not staged in", &folder, &e))?;
                (file, record_count) = (Some(open.name), open.record_count);
            }
            serde_json::to_vec(&Token { run, file, record_count })
                .map_err(|e| Error::internal("kafka.token", e.to_string()))
        }))
    }
}

// A record in a staged file: presence bits, then partition, timestamp, key, value and headers as far as they are there;
// numbers little-endian, bytes behind their length.
const HAS_PARTITION: u8 = 1;
const HAS_TIMESTAMP: u8 = 2;
const HAS_KEY: u8 = 4;
const HAS_VALUE: u8 = 8;

fn append(out: &mut impl Write, record: &OutRecord) -> io::Result<()> {
    let bit = |there: bool, bit: u8| if there { bit } else { 0 };
    out.write_all(&[bit(record.partition.is_some(), HAS_PARTITION)
        | bit(record.timestamp_ms.is_some(), HAS_TIMESTAMP)
        | bit(record.key.is_some(), HAS_KEY)
        | bit(record.value.is_some(), HAS_VALUE)])?;
    if let Some(partition) = record.partition {
        out.write_all(&partition.to_le_bytes())?;
    }
    if let Some(ms) = record.timestamp_ms {
        out.write_all(&ms.to_le_bytes())?;
    }
    for bytes in [&record.key, &record.value].into_iter().flatten() {
        append_bytes(out, bytes)?;
    }
    out.write_all(&(record.headers.len() as u32).to_le_bytes())?;
    for (key, value) in &record.headers {
        append_bytes(out, key.as_bytes())?;
        out.write_all(&[u8::from(value.is_some())])?;
        append_bytes(out, value.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

fn append_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a record has more than 4 GiB"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Shows every record of a staged file; the file must hold exactly as many as its token says.
pub(super) fn each_record(
    path: &Path,
    record_count: u64,
    take: &mut dyn FnMut(&OutRecord) -> Result<()>,
) -> Result<()> {
    let file = File::open(path).map_err(|e| {
        let text = format!("the staged records of a checkpoint are not in \"{}\": {e}", path.display());
        Error::data("kafka.staged_missing", text)
            .hint("bring the state folder back, or start the job without its checkpoint")
    })?;
    let broken = |e: io::Error| {
        Error::data("kafka.staged_broken", format!("the staged records in \"{}\" are cut: {e}", path.display()))
            .hint("start the job without its checkpoint")
    };
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut record = OutRecord::default();
    for _ in 0..record_count {
        read(&mut file, &mut record).map_err(broken)?;
        take(&record)?;
    }
    if file.read(&mut [0]).map_err(broken)? != 0 {
        return Err(broken(io::Error::other("there are more of them than the checkpoint says")));
    }
    Ok(())
}

fn read(file: &mut impl Read, record: &mut OutRecord) -> io::Result<()> {
    let bits = array::<1>(file)?[0];
    record.partition = if bits & HAS_PARTITION != 0 { Some(i32::from_le_bytes(array(file)?)) } else { None };
    record.timestamp_ms = if bits & HAS_TIMESTAMP != 0 { Some(i64::from_le_bytes(array(file)?)) } else { None };
    record.key = if bits & HAS_KEY != 0 { Some(read_bytes(file)?) } else { None };
    record.value = if bits & HAS_VALUE != 0 { Some(read_bytes(file)?) } else { None };
    record.headers.clear();
    for _ in 0..u32::from_le_bytes(array(file)?) {
        let key = String::from_utf8(read_bytes(file)?).map_err(io::Error::other)?;
        let there = array::<1>(file)?[0] != 0;
        let value = read_bytes(file)?;
        record.headers.push((key, there.then_some(value)));
    }
    Ok(())
}

fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_bytes(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u64::from(u32::from_le_bytes(array(file)?));
    let mut bytes = Vec::new();
    if file.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = OutRecord> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20));
        let headers = proptest::collection::vec((".{0,5}", bytes()), 0..3);
        (any::<Option<i32>>(), any::<Option<i64>>(), bytes(), bytes(), headers).prop_map(
            |(partition, timestamp_ms, key, value, headers)| OutRecord { partition, timestamp_ms, key, value, headers },
        )
    }

    proptest! {
        #[test]
        fn records_come_back_and_cut_files_are_noticed(records in proptest::collection::vec(record(), 0..10), cut: usize) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.staged");
            let mut bytes = Vec::new();
            for record in &records {
                append(&mut bytes, record).unwrap();
            }
            std::fs::write(&path, &bytes).unwrap();
            let count = records.len() as u64;
            let mut found = Vec::new();
            each_record(&path, count, &mut |r| { found.push(r.clone()); Ok(()) }).unwrap();
            prop_assert_eq!(&found, &records);
            if !bytes.is_empty() {
                std::fs::write(&path, &bytes[..cut % bytes.len()]).unwrap();
                prop_assert!(each_record(&path, count, &mut |_| Ok(())).is_err());
                prop_assert!(each_record(&path, 0, &mut |_| Ok(())).is_err() || cut % bytes.len() == 0);
            }
        }
    }
}
