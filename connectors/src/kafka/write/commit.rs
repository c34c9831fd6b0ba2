//! Writes the staged records of a checkpoint in one transaction, once.

use super::folder::{storage_error, write_run};
use super::staged::{Token, each_record};
use super::{Target, mark_partition};
use crate::kafka::io::KafkaProducer;
use freshet_connector_api::{Commit, SinkCommitter, WriterContext};
use freshet_types::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) struct TransactionCommitter {
    target: Arc<Target>,
    folder: PathBuf,
    transactional_id: String,
    /// Made when first needed, and anew after each failure: that ends what it left open.
    producer: Option<Box<dyn KafkaProducer>>,
    /// Last checkpoint that is known to be committed.
    committed: Option<i64>,
}

impl TransactionCommitter {
    pub(super) fn new(target: &Arc<Target>, context: &WriterContext) -> Self {
        Self {
            target: Arc::clone(target),
            folder: target.folder(&context.job_id),
            transactional_id: target.identity(&context.job_id),
            producer: None,
            committed: None,
        }
    }

    fn write(&mut self, group: &str, mark: i64, tokens: &[Token]) -> Result<()> {
        let partition = mark_partition(&self.target);
        if self.producer.is_none() {
            // First the producer: it ends what an earlier one left, so that the mark is final.
            self.producer = Some(self.target.io.producer(Some(&self.transactional_id))?);
            self.committed = self.target.io.mark(group, &partition)?;
        }
        if self.committed.is_some_and(|committed| committed >= mark) {
            return Ok(());
        }
        let producer = self.producer.as_mut().expect("it was just made");
        producer.begin()?;
        for token in tokens {
            if let Some(file) = &token.file {
                let topic = &self.target.options.topic;
                each_record(&self.folder.join(file), token.record_count, &mut |r| producer.send(topic, r))?;
            }
        }
        producer.commit(group, &partition, mark)?;
        self.committed = Some(mark);
        Ok(())
    }

    fn remove(&self, keep: impl Fn(&str) -> bool) -> Result<()> {
        let fail = |e: &std::io::Error| storage_error("staged files were not removed from", &self.folder, e);
        for entry in std::fs::read_dir(&self.folder).map_err(|e| fail(&e))? {
            let path = entry.map_err(|e| fail(&e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(".staged") && !keep(name) {
                std::fs::remove_file(&path).map_err(|e| fail(&e))?;
            }
        }
        Ok(())
    }
}

impl SinkCommitter for TransactionCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|e| storage_error("no folder", &self.folder, &e))?;
        let run = match last {
            Some(last) => {
                self.commit(last)?;
                match parse(&last.tokens)?.into_iter().next() {
                    Some(token) => token.run,
                    None => new_run(),
                }
            }
            None => new_run(),
        };
        write_run(&self.folder, &run)?;
        self.remove(|_| false)
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let tokens = parse(&commit.tokens)?;
        let Some(first) = tokens.first() else { return Ok(()) };
        if tokens.iter().all(|t| t.file.is_none()) {
            return Ok(());
        }
        let mark = i64::try_from(commit.checkpoint.0)
            .map_err(|_| Error::internal("kafka.mark", "a checkpoint's number is too high"))?;
        let group = format!("{}-{}", self.transactional_id, first.run);
        let written = self.write(&group, mark, &tokens);
        if let Err(error) = written {
            // Dropped without an abort: the next producer of this id ends the transaction.
            self.producer = None;
            self.committed = None;
            return Err(error);
        }
        for file in tokens.iter().filter_map(|t| t.file.as_ref()) {
            let path = self.folder.join(file);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(storage_error("a staged file was not removed:", &path, &e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn parse(tokens: &[Vec<u8>]) -> Result<Vec<Token>> {
    let one = |bytes: &Vec<u8>| {
        serde_json::from_slice(bytes).map_err(|e| Error::internal("kafka.token", format!("a token is unreadable: {e}")))
    };
    tokens.iter().map(one).collect()
}

fn new_run() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
