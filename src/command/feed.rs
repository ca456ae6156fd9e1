//! The rows of an input as the engine takes them: from a thread that reads ahead a little, or in line.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::guide::Guide;
use crate::domain::identity::PoolId;
use crate::domain::row::{Row, RowKey};
use crate::domain::shard::Shard;
use crate::domain::stop::{Stop, StopCause};
use crate::engine::{Incoming, NextBatch, RowFeed};
use crate::input::{Across, InputError, InputOptions, Reader, Record, Source};
use crate::limits::{READER_BATCH_ROWS, READER_BATCHES_MAX};

type Batch = Result<Vec<Incoming>, Stop>;

/// Rows that a thread of its own reads, so that a slow disk or pipe keeps no call waiting.
#[derive(Debug)]
pub struct ThreadedFeed {
    batches: mpsc::Receiver<Batch>,
}

impl ThreadedFeed {
    /// Starts to read.
    ///
    /// # Errors
    /// Where the input cannot be read at all, or no thread can be had.
    pub fn start(
        source: &Source,
        options: &InputOptions,
        across: &Arc<Across>,
        pool: &PoolId,
        shard: Option<Shard>,
    ) -> Result<Self, InputError> {
        Self::guided(source, options, across, pool, shard, Guide::None)
    }

    /// The same for rows of which something is known.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn guided(
        source: &Source,
        options: &InputOptions,
        across: &Arc<Across>,
        pool: &PoolId,
        shard: Option<Shard>,
        guide: Guide,
    ) -> Result<Self, InputError> {
        let mut rows = Batches { guide, ..Batches::new(source, options, across, pool, shard)? };
        let (sender, batches) = mpsc::channel(READER_BATCHES_MAX);
        let name = source.name().to_owned();
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                // A receiver that is gone wants no more rows.
                while let Some(batch) = rows.next() {
                    if sender.blocking_send(batch).is_err() {
                        return;
                    }
                }
            })
            .map_err(|source| InputError::Open { name, source })?;
        Ok(Self { batches })
    }
}

impl RowFeed for ThreadedFeed {
    fn next_batch(&mut self) -> NextBatch<'_> {
        Box::pin(self.batches.recv())
    }
}

/// Rows that are read when they are asked for: for runs in virtual time, which must not wait for a thread.
pub struct InlineFeed {
    rows: Batches,
}

impl InlineFeed {
    /// Starts to read.
    ///
    /// # Errors
    /// Where the input cannot be read at all.
    pub fn start(
        source: &Source,
        options: &InputOptions,
        across: &Arc<Across>,
        pool: &PoolId,
        shard: Option<Shard>,
    ) -> Result<Self, InputError> {
        Ok(Self { rows: Batches::new(source, options, across, pool, shard)? })
    }
}

impl RowFeed for InlineFeed {
    fn next_batch(&mut self) -> NextBatch<'_> {
        Box::pin(async {
            // Calls in flight must get their turn although there is always a row to be had.
            tokio::task::yield_now().await;
            self.rows.next()
        })
    }
}

struct Batches {
    reader: Reader,
    pool: PoolId,
    shard: Option<Shard>,
    guide: Guide,
}

impl Batches {
    fn new(
        source: &Source,
        options: &InputOptions,
        across: &Arc<Across>,
        pool: &PoolId,
        shard: Option<Shard>,
    ) -> Result<Self, InputError> {
        Ok(Self { reader: Reader::across(source, options, across)?, pool: pool.clone(), shard, guide: Guide::None })
    }

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Vec::with_capacity(READER_BATCH_ROWS);
        let shard = self.shard;
        let ours = |record: &Result<Record, InputError>| record.as_ref().map_or(true, |record| is_of(shard, record));
        for record in self.reader.by_ref().filter(ours).take(READER_BATCH_ROWS) {
            let io = |detail| Stop::new(StopCause::InputIo, detail);
            let guided =
                record.map_err(|error| io(error.to_string())).and_then(|record| match incoming(record, &self.pool) {
                    Incoming::Row(row) => self.guide.of(row).map_err(io),
                    other => Ok(other),
                });
            match guided {
                Ok(incoming) => batch.push(incoming),
                // What was read before is handed on first; the reader says the same again or ends.
                Err(stop) => return Some(Err(stop)),
            }
        }
        if batch.is_empty() { None } else { Some(Ok(batch)) }
    }
}

/// Whether a row is one of this shard's; without shards every row is.
pub(super) fn is_of(shard: Option<Shard>, record: &Record) -> bool {
    match (shard, &record.link) {
        (None, _) => true,
        (Some(shard), Some(link)) => shard.has(&link.destination),
        (Some(shard), None) => shard.has_invalid(record.number),
    }
}

pub(super) fn incoming(record: Record, pool: &PoolId) -> Incoming {
    let is_valid = record.is_valid();
    match record.link {
        Some(link) if is_valid => {
            let key = RowKey::of(pool, &link);
            Incoming::Row(Row { number: record.number, link, key })
        }
        link => {
            let key = link.map(|link| RowKey::of(pool, &link));
            Incoming::Invalid { number: record.number, findings: record.findings, key }
        }
    }
}
