//! Replays a ledger without holding all of its events: results wait in a batch, are sorted, and folded into the rows.
//!
//! Whether an announcement is still open is known at once, from the table of rows in doubt. Whether it was allowed
//! depends on what came before it, perhaps far before, and is found out when the batch is folded: each result carries
//! whether an announcement preceded it. So `linked` twice is found, and `linked` without an announcement as well.

use std::collections::hash_map::Entry as Slot;

use super::settled::{Entry, STATE_BITS, Settled, pack, unpack};
use super::{KeyMap, Open, View};
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

/// An announcement without a result, and its line.
#[derive(Debug, Clone, Copy)]
struct OpenAt {
    open: Open,
    line: u64,
}

/// Set in a tag when an announcement preceded the result.
const ANNOUNCED: u64 = 1 << STATE_BITS;
/// Set in a tag when it is about an unlink. The line's number is above it: 50 bits.
const UNLINK: u64 = 2 << STATE_BITS;
const LINE_SHIFT: u32 = STATE_BITS + 2;

/// Takes a ledger's events in the order of its lines.
#[derive(Debug)]
pub(in crate::ledger) struct Loader {
    open: KeyMap<OpenAt>,
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
        let unlinking = matches!(event, RowEvent::UnlinkAnnounced | RowEvent::UnlinkEnded(_));
        let announced = matches!(event, RowEvent::Announced | RowEvent::UnlinkAnnounced);
        let slot = self.open.entry(key);
        // What is not in doubt is held against the most permissive of those states here, and against the state that it
        // really was in when the batch is folded.
        let before = match &slot {
            Slot::Occupied(open) => open.get().open.state(),
            Slot::Vacant(_) if unlinking || event == RowEvent::Withdrawn => RowState::Linked,
            Slot::Vacant(_) => RowState::Unprocessed,
        };
        let next = next_state(before, event).map_err(|illegal| Misfit { line, illegal })?;
        if announced {
            let open = slot.or_insert(OpenAt { open: Open { first: at, unlinking }, line });
            open.open.first = open.open.first.min(at);
            return Ok(());
        }
        let mut tag = line << LINE_SHIFT | pack(next) | if unlinking { UNLINK } else { 0 };
        if let Slot::Occupied(open) = slot {
            if matches!(next, RowState::InDoubt | RowState::Unlinking) {
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
            let event = if open.open.unlinking { RowEvent::UnlinkAnnounced } else { RowEvent::Announced };
            next_state(self.settled.state(*key), event).map_err(|illegal| Misfit { line: open.line, illegal })?;
        }
        let in_doubt = self.open.into_iter().map(|(key, open)| (key, open.open)).collect();
        Ok(View::new(in_doubt, self.settled))
    }

    /// Replays the batch, each row's results in the order of their lines, in the settled rows.
    fn fold(&mut self) -> Result<(), Misfit> {
        self.batch.sort_unstable();
        self.settled.absorb(&mut self.batch, |state, tag| {
            replay(state, tag).map_err(|illegal| Misfit { line: tag >> LINE_SHIFT, illegal })
        })
    }
}

fn replay(mut state: RowState, tag: u64) -> Result<RowState, IllegalEvent> {
    let is_unlink = tag & UNLINK != 0;
    if tag & ANNOUNCED != 0 {
        state = next_state(state, if is_unlink { RowEvent::UnlinkAnnounced } else { RowEvent::Announced })?;
    }
    match unpack(tag) {
        ended if is_unlink => next_state(state, RowEvent::UnlinkEnded(ended)),
        RowState::Unprocessed => next_state(state, RowEvent::Withdrawn),
        settled => next_state(state, RowEvent::Settled(settled)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::outcome::RefusalCode;
    use crate::seed::Rng;

    const EVENTS: [RowEvent; 12] = [
        RowEvent::Announced,
        RowEvent::Withdrawn,
        RowEvent::Settled(RowState::Linked),
        RowEvent::Settled(RowState::AlreadyLinked),
        RowEvent::Settled(RowState::Refused(RefusalCode::AliasExists)),
        RowEvent::Settled(RowState::Failed),
        RowEvent::Settled(RowState::InDoubt),
        RowEvent::UnlinkAnnounced,
        RowEvent::UnlinkEnded(RowState::Undone),
        RowEvent::UnlinkEnded(RowState::Linked),
        RowEvent::UnlinkEnded(RowState::Kept(RefusalCode::Gone)),
        RowEvent::UnlinkEnded(RowState::Unlinking),
    ];

    fn key(number: u64) -> RowKey {
        RowKey::parse(format!("{:016x}{number:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).as_bytes()).unwrap()
    }

    /// What a plain replay, event by event, comes to: state and earliest announcement of each row in doubt.
    #[derive(Default)]
    struct Plain(BTreeMap<RowKey, (RowState, Option<UnixMs>)>);

    impl Plain {
        fn apply(&mut self, key: RowKey, event: RowEvent, at: UnixMs) -> Result<(), IllegalEvent> {
            let (state, announced) = self.0.get(&key).copied().unwrap_or((RowState::Unprocessed, None));
            let next = next_state(state, event)?;
            let announced = match event {
                RowEvent::Announced | RowEvent::UnlinkAnnounced => Some(announced.map_or(at, |first| first.min(at))),
                _ => announced.filter(|_| matches!(next, RowState::InDoubt | RowState::Unlinking)),
            };
            self.0.insert(key, (next, announced));
            Ok(())
        }
    }

    fn replayed(events: &[(RowKey, RowEvent, UnixMs)], batch_max: usize) -> Result<View, Misfit> {
        let mut loader = Loader::with_batch(batch_max);
        for (line, (key, event, at)) in (2..).zip(events) {
            loader.apply(line, *key, *event, *at)?;
        }
        loader.finish()
    }

    /// Any sequence of events, legal or not, for a few rows and in batches of any size: refused exactly when a plain
    /// replay refuses it, and else the same states and times.
    #[test]
    fn the_loader_agrees_with_a_plain_replay() {
        let mut rng = Rng::new(5);
        let (mut legal_count, mut refused_count) = (0, 0);
        for round in 0..6_000_u64 {
            let length = rng.below(24);
            let mut events = Vec::new();
            let mut plain = Plain::default();
            let mut legal = true;
            for at in 0..length {
                let key = key(rng.below(4));
                let event = EVENTS[usize::try_from(rng.below(EVENTS.len() as u64)).unwrap()];
                let at = 1_000 + (at * 37 % 11).cast_signed();
                let allowed = plain.apply(key, event, at).is_ok();
                // Most rounds leave the illegal events out, so that long legal sequences come up too.
                if allowed || round % 4 == 0 {
                    events.push((key, event, at));
                    legal &= allowed;
                }
            }
            let batch_max = usize::try_from(1 + rng.below(6)).unwrap();
            let view = replayed(&events, batch_max);
            assert_eq!(view.is_ok(), legal, "{events:?}");
            if let Ok(view) = view {
                legal_count += 1;
                for (key, (state, announced)) in &plain.0 {
                    assert_eq!((view.state(*key), view.announced_at(*key)), (*state, *announced), "{events:?}");
                }
                let held = plain.0.values().filter(|(state, _)| *state != RowState::Unprocessed).count();
                assert_eq!((view.states().count(), view.counts().balance()), (held, Ok(())));
            } else {
                refused_count += 1;
            }
        }
        assert!(legal_count > 4_000 && refused_count > 500, "{legal_count} {refused_count}");
    }

    #[test]
    fn the_line_that_does_not_fit_is_named() {
        use RowState::{InDoubt, Linked, Unprocessed};
        let (announced, linked) = (EVENTS[0], EVENTS[2]);
        let cases: [(&[RowEvent], u64, RowState, RowEvent); 6] = [
            (&[linked], 2, Unprocessed, linked),
            (&[announced, linked, linked], 4, Unprocessed, linked),
            (&[announced, linked, announced], 4, Linked, announced),
            (&[announced, linked, announced, linked], 5, Linked, announced),
            (&[EVENTS[3], EVENTS[3]], 3, RowState::AlreadyLinked, EVENTS[3]),
            (&[EVENTS[6]], 2, Unprocessed, RowEvent::Settled(InDoubt)),
        ];
        for (events, line, state, event) in cases {
            let events: Vec<_> = events.iter().map(|event| (key(1), *event, 0)).collect();
            let misfit = replayed(&events, 100).map(|_| ()).unwrap_err();
            assert_eq!(misfit, Misfit { line, illegal: IllegalEvent { state, event } });
        }
    }
}
