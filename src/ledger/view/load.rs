//! Replays a ledger without holding all of its events: results wait in a batch, are sorted, and folded into the rows.
//!
//! Whether an announcement is still open is known at once, from the table of rows in doubt. Whether it was allowed
//! depends on what came before it, perhaps far before, and is found out when the batch is folded: each result carries
//! whether an announcement preceded it. So `linked` twice is found, and `linked` without an announcement as well.

use std::collections::hash_map::Entry as Slot;

use super::settled::{Entry, STATE_BITS, Settled, pack, unpack};
use super::{KeyMap, View};
use crate::clock::UnixMs;
use crate::domain::row::RowKey;
use crate::domain::state::{IllegalEvent, RowEvent, RowState, next_state};
use crate::limits::VIEW_LOAD_BATCH_ROWS;

/// A line that cannot follow the lines before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Misfit {
    /// The line's number, from 1.
    pub(in crate::ledger) line: u64,
    /// What cannot follow what.
    pub(in crate::ledger) illegal: IllegalEvent,
}

/// An announcement without a result.
#[derive(Debug, Clone, Copy)]
struct Open {
    first: UnixMs,
    line: u64,
}

/// Set in a tag when an announcement preceded the result. The line's number is above it: 51 bits.
const ANNOUNCED: u64 = 1 << STATE_BITS;
const LINE_SHIFT: u32 = STATE_BITS + 1;

/// Takes a ledger's events in the order of its lines.
#[derive(Debug)]
pub(in crate::ledger) struct Loader {
    open: KeyMap<Open>,
    batch: Vec<Entry>,
    batch_max: usize,
    settled: Settled,
}

impl Loader {
    /// A loader that folds in batches of the usual size.
    pub(in crate::ledger) fn new() -> Self {
        Self::with_batch(VIEW_LOAD_BATCH_ROWS)
    }

    fn with_batch(batch_max: usize) -> Self {
        Self { open: KeyMap::default(), batch: Vec::new(), batch_max, settled: Settled::default() }
    }

    /// The next event.
    ///
    /// # Errors
    /// [`Misfit`] for this line or an earlier one.
    pub(in crate::ledger) fn apply(
        &mut self,
        line: u64,
        key: RowKey,
        event: RowEvent,
        at: UnixMs,
    ) -> Result<(), Misfit> {
        let open = match (self.open.entry(key), event) {
            (Slot::Occupied(mut open), RowEvent::Announced) => {
                open.get_mut().first = open.get().first.min(at);
                return Ok(());
            }
            (Slot::Vacant(slot), RowEvent::Announced) => {
                slot.insert(Open { first: at, line });
                return Ok(());
            }
            (slot, _) => slot,
        };
        // What is not in doubt is held against `Unprocessed` here, the most permissive of those states, and against
        // the state that it really was in when the batch is folded.
        let before = if matches!(open, Slot::Occupied(_)) { RowState::InDoubt } else { RowState::Unprocessed };
        let next = next_state(before, event).map_err(|illegal| Misfit { line, illegal })?;
        let mut tag = line << LINE_SHIFT | pack(next);
        if let Slot::Occupied(open) = open {
            if next == RowState::InDoubt {
                return Ok(());
            }
            open.remove();
            tag |= ANNOUNCED;
        }
        self.batch.push(Entry { key, tag });
        if self.batch.len() >= self.batch_max { self.fold() } else { Ok(()) }
    }

    /// Where every row stands after the last event.
    ///
    /// # Errors
    /// [`Misfit`] for any line.
    pub(in crate::ledger) fn finish(mut self) -> Result<View, Misfit> {
        self.fold()?;
        for (key, open) in &self.open {
            next_state(self.settled.state(*key), RowEvent::Announced)
                .map_err(|illegal| Misfit { line: open.line, illegal })?;
        }
        let in_doubt = self.open.into_iter().map(|(key, open)| (key, open.first)).collect();
        Ok(View::new(in_doubt, self.settled))
    }

    /// Replays the batch, each row's results in the order of their lines, and leaves the last one of each.
    fn fold(&mut self) -> Result<(), Misfit> {
        self.batch.sort_unstable();
        let mut kept = 0;
        for at in 0..self.batch.len() {
            let Entry { key, tag } = self.batch[at];
            let repeated = kept > 0 && self.batch[kept - 1].key == key;
            let state = if repeated { unpack(self.batch[kept - 1].tag) } else { self.settled.state(key) };
            let next = replay(state, tag).map_err(|illegal| Misfit { line: tag >> LINE_SHIFT, illegal })?;
            kept += usize::from(!repeated);
            self.batch[kept - 1] = Entry { key, tag: pack(next) };
        }
        self.batch.truncate(kept);
        self.settled.absorb(&mut self.batch);
        Ok(())
    }
}

fn replay(mut state: RowState, tag: u64) -> Result<RowState, IllegalEvent> {
    if tag & ANNOUNCED != 0 {
        state = next_state(state, RowEvent::Announced)?;
    }
    match unpack(tag) {
        RowState::Unprocessed => next_state(state, RowEvent::Withdrawn),
        settled => next_state(state, RowEvent::Settled(settled)),
    }
}
