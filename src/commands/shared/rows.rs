//! The rows of an input as the engine takes them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::choices::Choices;
use super::part::InputPart;
use super::recent_first::{MostRecent, RecentFirst};
use super::saved_plan::SavedPlan;
use super::{input_stop, temporary_file_stop};
use crate::clock::UnixMs;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::identity::PoolId;
use crate::domain::row::{Row, RowNumber};
use crate::domain::run::{StopCause, StopError};
use crate::domain::shard::Shard;
use crate::engine::{IncomingRow, PlannedOutcome, RowBatch, RowBatchFuture, RowSource};
use crate::input::{
    CheckedRow, CrossRowFindings, FirstReading, InputError, InputOptions, InputReader, InputRecord, InputSource,
};
use crate::limits::{READER_BATCH_ROWS, READER_BATCHES_MAX};

/// What is known of rows before the pool is read.
pub enum RowGuidance {
    None,
    Choices(Choices),
    Plan(Box<SavedPlan>),
}

impl RowGuidance {
    pub fn choices(&self) -> Option<&Choices> {
        match self {
            Self::Choices(choices) => Some(choices),
            Self::None | Self::Plan(_) => None,
        }
    }
}

/// Reads rows when the engine asks for them: for runs in virtual time, which must not wait for a thread.
pub struct InputRows {
    reader: InputReader,
    pool: PoolId,
    shard: Option<Shard>,
    part: InputPart,
    guidance: RowGuidance,
    /// Where the rows of a plan are linked by the last change of their users.
    recent: Option<RecentFirst>,
    /// Rows that are handed out elsewhere.
    without: BTreeSet<RowNumber>,
}

impl InputRows {
    pub fn open(
        source: &InputSource,
        options: &InputOptions,
        cross_row: &Arc<CrossRowFindings>,
        pool: &PoolId,
        shard: Option<Shard>,
        guidance: RowGuidance,
    ) -> Result<Self, InputError> {
        Ok(Self {
            reader: InputReader::with_cross_row(source, options, cross_row)?,
            pool: pool.clone(),
            shard,
            part: InputPart::default(),
            guidance,
            recent: None,
            without: BTreeSet::new(),
        })
    }

    /// Leaves out the rows that are not in a part.
    pub fn in_part(self, part: InputPart) -> Self {
        Self { part, ..self }
    }

    /// Returns the rows that a plan links after all others, by the last change of their users.
    pub fn recent_first(self) -> Self {
        Self { recent: Some(RecentFirst::default()), ..self }
    }

    /// Does not hand out the rows with these numbers.
    pub fn without(self, without: BTreeSet<RowNumber>) -> Self {
        Self { without, ..self }
    }

    /// Reads ahead a little in a thread of its own, so that a slow disk or pipe delays no call.
    pub fn read_ahead(mut self, name: &str) -> Result<ReadAheadRows, InputError> {
        let (sender, batches) = mpsc::channel(READER_BATCHES_MAX);
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                // A closed channel means that the run needs no more rows.
                while let Some(batch) = self.read_batch() {
                    if sender.blocking_send(batch).is_err() {
                        return;
                    }
                }
            })
            .map_err(|source| InputError::Open { name: name.to_owned(), source })?;
        Ok(ReadAheadRows { batches })
    }

    /// The next rows, as the engine takes them; `None` at the end.
    pub fn read_batch(&mut self) -> Option<Result<Vec<IncomingRow>, StopError>> {
        let mut batch = Vec::with_capacity(READER_BATCH_ROWS);
        while batch.len() < READER_BATCH_ROWS {
            match self.next_row() {
                None => match self.recent.as_mut().and_then(|recent| recent.next_row(&self.pool)) {
                    None if batch.is_empty() => return None,
                    None => break,
                    Some(Ok((row, user))) => batch.push(IncomingRow::Planned(row, PlannedOutcome::Link(user))),
                    Some(Err(error)) => return Some(Err(temporary_file_stop(&error))),
                },
                // The engine keeps what it was given before, and stops.
                Some(Err(stop)) => return Some(Err(stop)),
                Some(Ok((incoming, changed))) => match self.kept_for_later(&incoming, changed) {
                    Ok(true) => {}
                    Ok(false) => batch.push(incoming),
                    Err(error) => return Some(Err(temporary_file_stop(&error))),
                },
            }
        }
        Some(Ok(batch))
    }

    /// Chooses so many of the rows that a plan links, by the last change of their users. `None` where there are no more.
    pub fn most_recent(
        mut self,
        limit: u64,
        is_sent: &dyn Fn(&IncomingRow) -> bool,
    ) -> Result<Option<BTreeSet<RowNumber>>, StopError> {
        let mut recent = MostRecent::new(limit);
        while let Some(row) = self.next_row() {
            let (incoming, changed) = row?;
            if let Some(row) = incoming.row().filter(|_| is_sent(&incoming)) {
                recent.add(row.number, changed);
            }
        }
        Ok(recent.finish())
    }

    /// The next row of the input, with the last change of its user where a plan has it.
    fn next_row(&mut self) -> Option<Result<(IncomingRow, Option<UnixMs>), StopError>> {
        loop {
            match self.reader.next()? {
                Ok(record) if !is_in_shard(self.shard, &record) => {}
                Err(error) => return Some(Err(input_stop(&error))),
                Ok(record) => match self.guided(incoming(record, &self.pool)) {
                    // Whoever works on this row has read its guidance as well.
                    Ok((incoming, _)) if incoming.row().is_some_and(|row| self.without.contains(&row.number)) => {}
                    Ok((incoming, changed)) => {
                        return Some(Ok((self.left_out_of_part(&incoming).unwrap_or(incoming), changed)));
                    }
                    Err(detail) => return Some(Err(StopError::new(StopCause::InputIo, detail))),
                },
            }
        }
    }

    /// A valid row that is not in the part.
    fn left_out_of_part(&self, incoming: &IncomingRow) -> Option<IncomingRow> {
        let (IncomingRow::Row(row) | IncomingRow::Chosen(row, _) | IncomingRow::Planned(row, _)) = incoming else {
            return None;
        };
        (!self.part.has_row(row.number, &self.reader)).then_some(IncomingRow::LeftOut(row.key))
    }

    /// Keeps a row that a plan links, where such rows are ordered. Returns whether it did.
    fn kept_for_later(&mut self, incoming: &IncomingRow, changed: Option<UnixMs>) -> io::Result<bool> {
        let (Some(recent), IncomingRow::Planned(row, PlannedOutcome::Link(user))) = (&mut self.recent, incoming) else {
            return Ok(false);
        };
        recent.add(row, user.as_ref(), changed).map(|()| true)
    }

    /// Returns what is known of a row, and the last change of its user.
    fn guided(&mut self, incoming: IncomingRow) -> Result<(IncomingRow, Option<UnixMs>), String> {
        match (&mut self.guidance, incoming) {
            (RowGuidance::Choices(choices), IncomingRow::Row(row)) => Ok((choices.incoming(row), None)),
            (RowGuidance::Plan(plan), IncomingRow::Row(row)) => {
                let (outcome, changed) = plan.next_for(&row)?;
                Ok((IncomingRow::Planned(row, outcome), changed))
            }
            (_, incoming) => Ok((incoming, None)),
        }
    }
}

impl RowSource for InputRows {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            // There is always a next row, so without this the calls in flight would never be polled.
            tokio::task::yield_now().await;
            self.read_batch().map(|batch| batch.map(RowBatch::from))
        })
    }
}

#[derive(Debug)]
pub struct ReadAheadRows {
    batches: mpsc::Receiver<Result<Vec<IncomingRow>, StopError>>,
}

impl RowSource for ReadAheadRows {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async { self.batches.recv().await.map(|batch| batch.map(RowBatch::from)) })
    }
}

/// Reads the input for the first time, and shows the progress.
pub fn read_first(
    source: &InputSource,
    options: &InputOptions,
    observer: &mut dyn RunObserver,
    mut see: impl FnMut(CheckedRow<'_>),
) -> Result<FirstReading, InputError> {
    let progress_rows = READER_BATCH_ROWS as u64 * 16;
    observer.on(&RunEvent::Checking { rows: 0 });
    let reading = FirstReading::of(source, options, |row| {
        if row.number.0.is_multiple_of(progress_rows) {
            observer.on(&RunEvent::Checking { rows: row.number.0 });
        }
        see(row);
    })?;
    observer.on(&RunEvent::Checking { rows: reading.rows });
    Ok(reading)
}

/// Whether a row belongs to this shard. Without shards every row does.
pub fn is_in_shard(shard: Option<Shard>, record: &InputRecord) -> bool {
    match (shard, &record.link) {
        (None, _) => true,
        (Some(shard), Some(link)) => shard.has(&link.destination),
        (Some(shard), None) => shard.has_invalid(record.number),
    }
}

pub fn incoming(record: InputRecord, pool: &PoolId) -> IncomingRow {
    let key = record.key(pool);
    let is_valid = record.is_valid();
    match record.link {
        Some(link) if is_valid => IncomingRow::Row(Row { number: record.number, link, key }),
        _ => IncomingRow::Invalid { number: record.number, findings: record.findings, key },
    }
}
