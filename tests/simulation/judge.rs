//! What the simulator recorded, compared with what the ledger says.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::{Link, Row, RowKey};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{open_ledger, row_of};
use cognito_link::ledger::RowStanding;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::limits::{LIST_LAG_MS_MAX, SETTLE_WAITS_MS};
use cognito_sim::{Behavior, Operation};
use serde::Deserialize;

use super::actor::Others;
use super::scene::{POOL, Pair, START, Scene};

/// What is allowed for two clocks: `undo` takes a link for ours until so long after the result of our call.
const CLOCKS_MS: i64 = 5_000;

pub(crate) fn row_with(pair: &Pair, number: u64) -> Row {
    let provider = ProviderName::parse(pair.provider).unwrap();
    let source =
        ExternalIdentity::new(provider, AttributeName::subject(), Personal::from_service(&pair.value)).unwrap();
    let destination = Destination::Username(Personal::from_service(&pair.username));
    row_of(POOL, number, Link { destination, source })
}

pub(crate) fn key_of(pair: &Pair) -> RowKey {
    row_with(pair, 1).key
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// Also what stood before the first run.
    Others,
    Us,
}

/// A change of who holds an identity, from then on.
#[derive(Debug, Clone)]
struct Change {
    /// The service's time.
    at_ms: UnixMs,
    by: Maker,
    /// `None` where the identity was unlinked.
    holder: Option<String>,
    operation: Operation,
    /// Whether the service refused the call that made the change.
    was_refused: bool,
}

/// Who held an identity when, in order.
#[derive(Debug, Default)]
struct History(Vec<Change>);

impl History {
    fn holder(&self) -> Option<(&str, Maker)> {
        let last = self.0.last()?;
        last.holder.as_deref().map(|holder| (holder, last.by))
    }

    /// Whether the identity was ever on this user, put there by somebody for whom `is_maker` holds.
    fn was_on(&self, username: &str, is_maker: impl Fn(Maker) -> bool) -> bool {
        self.0.iter().any(|change| change.holder.as_deref() == Some(username) && is_maker(change.by))
    }

    /// The change that put the identity on this user last.
    fn last_on(&self, username: &str) -> Option<&Change> {
        self.0.iter().rfind(|change| change.holder.as_deref() == Some(username))
    }

    fn is_touched_by_others(&self) -> bool {
        self.0.iter().any(|change| change.by == Maker::Others && change.operation != Operation::ListUsers)
    }
}

/// What the ledger says of a row beside its state.
#[derive(Debug, Clone, Default)]
struct Claim {
    is_recovered: bool,
    announced: UnixMs,
    settled: UnixMs,
    /// When its unlink was announced last.
    unlink_announced: UnixMs,
    /// When the row ended refused, each time.
    refused: Vec<UnixMs>,
    is_open: bool,
}

/// A line of a ledger about a row.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    key: &'a str,
    at: UnixMs,
    #[serde(default)]
    recovered: bool,
    #[serde(default)]
    state: &'a str,
}

/// The claims of a ledger by key, as its lines make them.
fn claims(bytes: &[u8]) -> BTreeMap<String, Claim> {
    let mut claims: BTreeMap<String, Claim> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let starts = [
            &br#"{"type":"announced""#[..],
            br#"{"type":"unlink_announced""#,
            br#"{"type":"settled""#,
            br#"{"type":"withdrawn""#,
        ];
        if !starts.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        // A crash may have torn the last line.
        let Ok(Line { kind, key, at, recovered, state }) = serde_json::from_slice(line) else { continue };
        let claim = claims.entry(key.to_owned()).or_default();
        match kind {
            "announced" if !claim.is_open => (claim.announced, claim.is_open) = (at, true),
            "unlink_announced" => claim.unlink_announced = at,
            "settled" => {
                claim.settled = at;
                claim.is_recovered = recovered;
                claim.is_open = state == "in_doubt";
                if state == "refused" {
                    claim.refused.push(at);
                }
            }
            "withdrawn" => claim.is_open = false,
            _ => {}
        }
    }
    claims
}

/// What an `undo` removed, and how much of it nobody can help.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Removals {
    pub(crate) removed: u64,
    pub(crate) exempt: u64,
}

pub(crate) struct Judge {
    /// Events of the service that were judged before.
    events_judged: usize,
    histories: BTreeMap<(String, String), History>,
}

impl Judge {
    pub(crate) fn before_the_first_run(scene: &Scene) -> Self {
        let mut histories: BTreeMap<(String, String), History> = BTreeMap::new();
        scene.account.with(|account| {
            for held in account.held_identities(POOL) {
                let change = Change {
                    at_ms: held.created_ms,
                    by: Maker::Others,
                    holder: Some(held.username),
                    // No call: it was there.
                    operation: Operation::ListUsers,
                    was_refused: false,
                };
                histories.entry((held.provider, held.value)).or_default().0.push(change);
            }
        });
        Self { events_judged: 0, histories }
    }

    fn history(&self, pair: &Pair) -> Option<&History> {
        self.histories.get(&(pair.provider.to_owned(), pair.value.clone()))
    }

    /// Reads what happened since the last time, and judges each removal of ours. `claims` are those of the ledger before
    /// the run that removed.
    pub(crate) fn advance(
        &mut self,
        scene: &Scene,
        others: &Others,
        ledger_before: &[u8],
        breaches: &mut Vec<String>,
    ) -> Removals {
        let claims = OnceCell::new();
        let mut removals = Removals::default();
        scene.account.with(|account| {
            assert_eq!(account.link_events_dropped(), 0, "the record of the service is whole");
            for event in account.link_events().skip(self.events_judged) {
                self.events_judged += 1;
                if !event.made {
                    continue;
                }
                let by = if others.is_theirs(&event.request_id) { Maker::Others } else { Maker::Us };
                let is_named = |pair: &Pair| pair.provider == event.provider && pair.value == event.value;
                if by == Maker::Us && !scene.known.iter().any(is_named) {
                    breaches.push(format!("{} stood in no file that was checked", event.value));
                }
                let history = self.histories.entry((event.provider.clone(), event.value.clone())).or_default();
                let is_unlink = event.operation == Operation::DisableProvider;
                if is_unlink && by == Maker::Us {
                    removals.removed += 1;
                    let taken = history.0.last().cloned().expect("what is unlinked was linked");
                    if taken.by == Maker::Others {
                        let sent = event.at_ms - scene.clock_skew_ms;
                        if may_take(
                            &taken,
                            &event.value,
                            sent,
                            scene,
                            others,
                            claims.get_or_init(|| self::claims(ledger_before)),
                        ) {
                            removals.exempt += 1;
                        } else {
                            let since = event.at_ms - taken.at_ms;
                            breaches.push(format!(
                                "undo removed a link of others: {} on {:?}, {since} ms old",
                                event.value, taken.holder
                            ));
                        }
                    }
                }
                let holder = event.username.clone().filter(|_| !is_unlink);
                let was_refused = event.refusal.is_some();
                history.0.push(Change { at_ms: event.at_ms, by, holder, operation: event.operation, was_refused });
            }
        });
        removals
    }

    /// Compares every row that ever stood in the file with what the pool holds and held. Returns how many are wrong because
    /// no look of the program could show better.
    pub(crate) fn judge_rows(&self, scene: &Scene, disk: &MemoryStorage, breaches: &mut Vec<String>) -> u64 {
        let bytes = disk.bytes();
        let claims = claims(&bytes);
        let ledger = open_ledger(&MemoryStorage::holding(bytes), POOL, Clock::starting_at(START));
        let view = ledger.view();
        let (mut counted, mut unseen) = (0, 0);
        for pair in &scene.known {
            let key = key_of(pair);
            let state = view.state(key);
            counted += u64::from(state != RowState::Unprocessed && !view.is_superseded(key));
            let claim = claims.get(&key.to_string()).cloned().unwrap_or_default();
            if self.history(pair).is_some_and(|history| is_unseen(scene, pair, history, state, &claim)) {
                unseen += 1;
            } else if let Some(wrong) = self.what_is_wrong(scene, pair, state, claim.is_recovered) {
                breaches.push(format!("{} of {} is {state:?}: {wrong}", pair.value, pair.username));
            }
        }
        let counts = view.counts();
        if counts.balance().is_err() || counts.read - counts.invalid != counted {
            breaches.push(format!("rows without one state: {counts:?}, {counted} rows"));
        }
        unseen
    }

    fn what_is_wrong(&self, scene: &Scene, pair: &Pair, state: RowState, is_recovered: bool) -> Option<String> {
        let nothing = History::default();
        let history = self.history(pair).unwrap_or(&nothing);
        let ours_stands = history.holder() == Some((&*pair.username, Maker::Us));
        let wrong = |text: &str| Some(format!("{text}; {:?}", history.0));
        match state {
            RowState::Linked if is_recovered => {
                let was_there = history.was_on(&pair.username, |_| true);
                if was_there { None } else { wrong("it was never on its user") }
            }
            RowState::Linked | RowState::Kept(_) if !is_recovered => {
                let is_claimed_rightly = history.was_on(&pair.username, |by| by == Maker::Us)
                    || scene.behaves(Behavior::RepeatSucceeds) && history.was_on(&pair.username, |_| true);
                // `undo` says so of what it removes itself.
                let removed_by_us = state == RowState::Linked && was_removed_by_us(history, pair);
                match (is_claimed_rightly, removed_by_us, state) {
                    (false, ..) => wrong("no call of ours made it"),
                    (_, true, _) => wrong("our own call removed it"),
                    (.., RowState::Kept(RefusalCode::Gone)) if ours_stands => wrong("our link is there"),
                    _ => None,
                }
            }
            RowState::AlreadyLinked if ours_stands => wrong("it is ours"),
            RowState::AlreadyLinked if !history.was_on(&pair.username, |by| by == Maker::Others) => {
                wrong("others never put it there")
            }
            RowState::Refused(_) | RowState::Failed | RowState::Unprocessed | RowState::Undone if ours_stands => {
                wrong("our link is there")
            }
            _ => None,
        }
    }

    /// Looks for links of ours that the last `undo` should have removed.
    pub(crate) fn judge_end_of_undo(&self, scene: &Scene, disk: &MemoryStorage, breaches: &mut Vec<String>) {
        let bytes = disk.bytes();
        let claims = claims(&bytes);
        let ledger = open_ledger(&MemoryStorage::holding(bytes), POOL, Clock::starting_at(START));
        for pair in &scene.known {
            let Some(history) = self.history(pair) else { continue };
            if history.holder() != Some((&*pair.username, Maker::Us)) {
                continue;
            }
            let key = key_of(pair);
            let state = ledger.view().state(key);
            let is_recovered = claims.get(&key.to_string()).is_some_and(|claim| claim.is_recovered);
            let is_explained = match state {
                RowState::Linked => is_recovered && !scene.include_recovered,
                RowState::Kept(_) => history.is_touched_by_others() || !scene.behaviors.is_empty(),
                RowState::InDoubt | RowState::Unlinking => {
                    !scene.behaviors.is_empty() || !scene.keys().contains_key(&key)
                }
                // The other rules judge these.
                _ => true,
            };
            if !is_explained {
                breaches.push(format!("{} of {} is {state:?} after the last undo", pair.value, pair.username));
            }
        }
    }

    pub(crate) fn links_of(&self) -> (u64, u64) {
        let made = |by: Maker| {
            let links = self.histories.values().flat_map(|history| &history.0);
            links.filter(|change| change.by == by && change.operation == Operation::LinkProvider).count() as u64
        };
        (made(Maker::Us), made(Maker::Others))
    }
}

/// Looks for rows of the file that are not settled after others have left and several runs have been whole.
pub(crate) fn judge_end_of_links(scene: &Scene, disk: &MemoryStorage, breaches: &mut Vec<String>) {
    let ledger = open_ledger(&MemoryStorage::holding(disk.bytes()), POOL, Clock::starting_at(START));
    let view = ledger.view();
    for (key, pair) in scene.keys() {
        let state = view.state(key);
        let is_open = match state {
            // One that is invalid beside other rows, or replaced by a correction, is not sent; `undo` settles its unlink.
            RowState::Failed if view.invalid_code(key).is_some() || view.standing(key) != RowStanding::Current => false,
            RowState::Unlinking if scene.is_for_two_users(&pair) => false,
            // The service may give one text for a link that is there and for an identity that somebody else holds: after a
            // call without an answer they cannot be told apart, and the call of every run may have none.
            RowState::InDoubt if is_held_by_another(scene, &pair) => false,
            RowState::Unprocessed | RowState::Undone => {
                view.invalid_code(key).is_none() && !view.is_superseded(key) && !scene.is_repeated(&pair)
            }
            RowState::Failed | RowState::InDoubt | RowState::Unlinking => scene.behaviors.is_empty(),
            _ => false,
        };
        if is_open {
            breaches.push(format!("{} of {} is {state:?} after the last link", pair.value, pair.username));
        }
    }
}

fn is_held_by_another(scene: &Scene, pair: &Pair) -> bool {
    scene.account.with(|account| {
        let mut held = account.held_identities(POOL);
        held.any(|held| held.provider == pair.provider && held.value == pair.value && held.username != pair.username)
    })
}

/// Whether the row is wrong although the program looked as long as it says it does. Some time a reader must believe what it
/// reads: see `docs/reliability.md`.
fn is_unseen(scene: &Scene, pair: &Pair, history: &History, state: RowState, claim: &Claim) -> bool {
    let lag_ms = scene.reading_lag_ms();
    // A list still shows the link long after an unlink call without an answer.
    // The time within which a list may lag counts from the announcement, and a paused run calls later.
    if let (RowState::Linked, Some(removed)) = (state, history.0.last())
        && was_removed_by_us(history, pair)
    {
        return removed.at_ms + lag_ms > claim.unlink_announced + LIST_LAG_MS_MAX;
    }
    // The link may have been removed since the row was found so: `already_linked` stays.
    let was_ours = history.last_on(&pair.username).is_some_and(|made| made.by == Maker::Us);
    if !was_ours || state != RowState::AlreadyLinked && history.holder() != Some((&*pair.username, Maker::Us)) {
        return false;
    }
    match state {
        RowState::Kept(RefusalCode::Gone) | RowState::Undone => lag_ms > LIST_LAG_MS_MAX,
        RowState::AlreadyLinked if shows_older(scene, history, |holder| holder == pair.username) => {
            lag_ms > LIST_LAG_MS_MAX || history.last_on(&pair.username).is_some_and(|made| made.was_refused)
        }
        // A refused row that is sent again, and drained before its call, is unprocessed.
        RowState::Refused(_) | RowState::AlreadyLinked | RowState::Unprocessed => {
            was_refused_unseen(scene, pair, history, state, claim)
        }
        _ => false,
    }
}

/// Whether an older link of the identity, on a user for whom `is_on` holds, was unlinked so shortly before our call that a
/// list still showed it. On the same user it has a date before our call, and is taken for the link that stands; on another
/// one it explains a refusal. The row claims less than is true.
fn shows_older(scene: &Scene, history: &History, is_on: impl Fn(&str) -> bool) -> bool {
    let Some(ours) = history.0.last() else { return false };
    history.0.array_windows().any(|[older, unlinked]| {
        older.holder.as_deref().is_some_and(&is_on)
            && unlinked.holder.is_none()
            && ours.at_ms - unlinked.at_ms <= scene.reading_lag_ms()
    })
}

/// Whether no look showed the link that stands before the row was refused. Either the service made it and refused its call:
/// after a text that contradicts the pool the program looks as long as a list is taken to lag, else 11 s. Or the answer was
/// lost, and a list still showed the identity on another user. Sent again, such a row is what the service says: linked
/// before.
fn was_refused_unseen(scene: &Scene, pair: &Pair, history: &History, state: RowState, claim: &Claim) -> bool {
    let Some(made) = history.last_on(&pair.username) else { return false };
    let believed_after_ms = match state {
        _ if !made.was_refused && !shows_older(scene, history, |holder| holder != pair.username) => return false,
        _ if !made.was_refused => LIST_LAG_MS_MAX,
        RowState::Refused(RefusalCode::ProviderNotFound | RefusalCode::UserNotFound) => LIST_LAG_MS_MAX,
        _ => SETTLE_WAITS_MS.iter().sum::<u64>().cast_signed(),
    };
    // Times of a ledger are the service's, as the program knows them.
    let unseen = made.at_ms..made.at_ms + scene.reading_lag_ms() + CLOCKS_MS;
    scene.reading_lag_ms() > believed_after_ms && claim.refused.iter().any(|refused| unseen.contains(refused))
}

/// Whether the last change was that we took our own link off this user.
fn was_removed_by_us(history: &History, pair: &Pair) -> bool {
    let is_ours = |last: &Change| last.by == Maker::Us && last.operation != Operation::LinkProvider;
    history.0.last().is_some_and(is_ours) && last_holder(history) == Some((&*pair.username, Maker::Us))
}

/// Who held the identity before the last change.
fn last_holder(history: &History) -> Option<(&str, Maker)> {
    let before = history.0.len().checked_sub(2).map(|at| &history.0[at])?;
    before.holder.as_deref().map(|holder| (holder, before.by))
}

/// How old the reading before an unlink call may be. A call that is throttled repeatedly rests on one reading.
const READING_AGE_MS_MAX: i64 = 60_000;

/// Whether no client could know that the link that it removed was somebody else's. An unlink call names only an identity
/// and takes it from whoever holds it, so a client must read first, and two things escape every reading:
///
/// - what others do after the reading, or so shortly before it that the list does not show it yet;
/// - a link that others made between our announcement and the end of our call, clocks included: its date fits ours. Where
///   the call was lost, the row carries the mark `recovered`, and `undo` leaves it unless it is told otherwise.
fn may_take(
    taken: &Change,
    value: &str,
    sent: UnixMs,
    scene: &Scene,
    others: &Others,
    claims: &BTreeMap<String, Claim>,
) -> bool {
    // A date in seconds stands for any moment of its second, and so does one that is a whole second by chance.
    let is_in_seconds = scene.behaves(Behavior::DatesInSeconds) || taken.at_ms % 1_000 == 0;
    let (date_ms, step_ms) = if is_in_seconds { (999, 1_000) } else { (0, 1) };
    let is_for_value = |pair: &&Pair| pair.value == value;
    scene.known.iter().filter(is_for_value).any(|pair| {
        let Some(claim) = claims.get(&key_of(pair).to_string()) else { return false };
        let asked = others.asked_before_unlink(value, sent, &pair.username);
        let shown = asked.map(|asked| asked + scene.clock_skew_ms - scene.reading_lag_ms());
        // An unlink rests on a reading of just now, also after a pause.
        let is_fresh = asked.is_some_and(|asked| sent - asked <= READING_AGE_MS_MAX);
        let is_after_reading = is_fresh && shown.is_some_and(|shown| taken.at_ms >= shown);
        let is_on_its_user = taken.holder.as_deref() == Some(&*pair.username);
        let fits_our_date = is_on_its_user
            && taken.at_ms.div_euclid(step_ms) >= claim.announced.div_euclid(step_ms)
            && taken.at_ms <= claim.settled + CLOCKS_MS + date_ms
            && (!claim.is_recovered || scene.include_recovered);
        is_after_reading || fits_our_date
    })
}
