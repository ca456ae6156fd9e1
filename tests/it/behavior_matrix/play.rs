//! One case from its first `link` to its last `undo`, judged after each step.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::Destination;
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::RowKey;
use cognito_link::domain::run::{RunOutcome, RunReport, Signal};
use cognito_link::domain::state::RowState;
use cognito_link::engine::ServicePorts;
use cognito_link::engine::testing::{EngineRun, open_ledger};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::limits::{LIST_LAG_MS_MAX, SETTLE_WAITS_MS};
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{Behavior, SignIn};
use serde_json::{Value, json};

use super::record::{Actor, Holding, Maker, MayTake, PoolRecord, Trespass};
use super::scene::{IdentityKey, MatrixCase, MatrixRow, MeantUser, POOL, START, Scene, claims, one_of};
use super::watch::{UnansweredCalls, WatchedService};

/// Runs of a command that are not cut short, at most: the first and two reruns.
const WHOLE_RUNS_MAX: usize = 3;
/// The share of the links that their people use, and that somebody else changes.
const SIGN_INS: f64 = 0.4;
const CHANGES_BY_OTHERS: f64 = 0.12;
/// How long after the last run others begin. What they link again sooner cannot be told from our own link by its date:
/// `undo` allows for the margin of two clocks.
const OTHERS_WAIT_MS: i64 = 10_000;
/// Beyond what two clocks may differ by.
const QUIET_MS: i64 = 10_000;

/// The rule that a case broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// A row is reported linked that is not on its user.
    LinkedIsThere,
    /// A row is reported refused, failed, gone or unlinked that is on its user.
    RefusedIsNotThere,
    /// Something that stood before, or that somebody else made, was taken away.
    NothingElseIsTaken,
    /// One row stopped a run.
    NoRowStopsARun,
    /// A row is not settled, and there is nothing to doubt.
    EveryRowIsSettled,
    /// A link of ours is reported as somebody else's.
    OwnerIsRight,
    /// A link of ours that nobody touched stands after the last `undo`, and nothing explains why.
    UndoUnlinks,
}

/// How a case broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) rule: Rule,
    pub(super) situation: &'static str,
    pub(super) detail: String,
}

/// What cases came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) cases: u64,
    pub(super) runs: u64,
    pub(super) killed: u64,
    pub(super) rows: u64,
    pub(super) links_made: u64,
    pub(super) links_removed: u64,
    /// Rows by their state after the last `link` before the first `undo`.
    pub(super) linked: u64,
    pub(super) already_linked: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) in_doubt: u64,
    /// Links of ours that the last `undo` left where they were.
    pub(super) left_by_undo: u64,
    pub(super) rows_misreported: u64,
    pub(super) links_lost: u64,
    pub(super) runs_stopped: u64,
    pub(super) rows_unsettled: u64,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.cases, other.cases),
            (&mut self.runs, other.runs),
            (&mut self.killed, other.killed),
            (&mut self.rows, other.rows),
            (&mut self.links_made, other.links_made),
            (&mut self.links_removed, other.links_removed),
            (&mut self.linked, other.linked),
            (&mut self.already_linked, other.already_linked),
            (&mut self.refused, other.refused),
            (&mut self.failed, other.failed),
            (&mut self.in_doubt, other.in_doubt),
            (&mut self.left_by_undo, other.left_by_undo),
            (&mut self.rows_misreported, other.rows_misreported),
            (&mut self.links_lost, other.links_lost),
            (&mut self.runs_stopped, other.runs_stopped),
            (&mut self.rows_unsettled, other.rows_unsettled),
        ] {
            *sum += more;
        }
    }
}

/// How a case went.
pub(super) struct CaseResult {
    pub(super) breaches: Vec<Breach>,
    pub(super) figures: Figures,
    /// The steps, the calls that the service received, and the ledger at the end; to be printed where one case is repeated.
    pub(super) trace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Link,
    Undo,
}

/// How a run is cut short.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Never,
    Crash { after: Duration, kept: usize },
    Drain { after: Duration },
}

impl Cut {
    fn at_random(rng: &mut Rng, probability: f64) -> Self {
        let is_cut = rng.chance(probability);
        let after = Duration::from_millis(100 + rng.below(4_000));
        let kept = usize::try_from(rng.below(4_000)).unwrap();
        match (is_cut, rng.chance(0.3)) {
            (false, _) => Self::Never,
            (true, true) => Self::Drain { after },
            (true, false) => Self::Crash { after, kept },
        }
    }
}

/// Plays a case and judges it.
pub(super) fn play(case: &MatrixCase) -> CaseResult {
    let mut play = Play::new(case);
    let mut rng = Rng::new(case.seed).fork("play");
    play.run_to_the_end(Command::Link, &mut rng, 0.4);
    play.count_states();
    play.wait(&mut rng);
    if rng.chance(0.4) {
        play.change_by_others(&mut rng);
    }
    if rng.chance(0.6) {
        play.sign_in(&mut rng);
    }
    play.wait(&mut rng);
    if case.has_extra_events() {
        play.link_after_killed_undo();
    }
    play.run_to_the_end(Command::Undo, &mut rng, 0.3);
    if rng.chance(0.3) {
        play.wait(&mut rng);
        play.run_to_the_end(Command::Link, &mut rng, 0.2);
        play.wait(&mut rng);
        play.run_to_the_end(Command::Undo, &mut rng, 0.0);
    }
    play.undo_links_that_were_too_young();
    play.finish()
}

/// What the simulator knows of a row.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct RowTruth {
    /// Whether the identity is on the user that the row means.
    stands: bool,
    /// Whether a call of ours put it where it is.
    is_ours: bool,
    /// Whether others changed the link since: what the ledger says of it then is nobody's report.
    is_touched: bool,
    is_date_rewritten: bool,
    /// Whether the ledger marks the link as recovered: somebody else may have made it.
    is_recovered: bool,
    /// Whether the service answers the call for a link that stood before with success, and no look shows that it is not ours;
    /// `undo` leaves it because of its date.
    repeat_succeeds: bool,
    /// Whether the service made the link, refused the call, and hides the link from every look before the row is refused.
    is_refused_unseen: bool,
    /// Whether the service hides a second link of the same row.
    may_be_there_twice: bool,
}

impl RowTruth {
    /// The rule that is broken where the ledger says this of the row.
    fn rule_broken_by(self, state: RowState) -> Option<Rule> {
        let Self {
            stands,
            is_ours,
            is_touched,
            is_date_rewritten,
            is_recovered,
            repeat_succeeds,
            is_refused_unseen,
            may_be_there_twice,
        } = self;
        let ours_stands = stands && is_ours;
        match state {
            RowState::AlreadyLinked if ours_stands && !is_touched => Some(Rule::OwnerIsRight),
            RowState::Linked if stands && !is_ours && !is_recovered && !is_touched && !repeat_succeeds => {
                Some(Rule::OwnerIsRight)
            }
            RowState::Linked | RowState::AlreadyLinked => (!stands && !is_touched).then_some(Rule::LinkedIsThere),
            RowState::Refused(_) if ours_stands && is_refused_unseen => None,
            RowState::Refused(_) => (stands && !is_touched).then_some(Rule::RefusedIsNotThere),
            RowState::Undone if may_be_there_twice => None,
            RowState::Unprocessed | RowState::Undone | RowState::Failed | RowState::Kept(RefusalCode::Gone) => {
                ours_stands.then_some(Rule::RefusedIsNotThere)
            }
            // Where a sign-in rewrites the date, our own link looks like one that others made again.
            RowState::Kept(RefusalCode::Moved) => {
                (ours_stands && !is_touched && !is_date_rewritten).then_some(Rule::RefusedIsNotThere)
            }
            RowState::Kept(_) | RowState::InDoubt | RowState::Unlinking => None,
        }
    }
}

struct Play<'a> {
    case: &'a MatrixCase,
    scene: Scene,
    record: PoolRecord,
    disk: MemoryStorage,
    now: UnixMs,
    include_recovered: bool,
    unanswered: UnansweredCalls,
    /// When the last run began.
    run_began: UnixMs,
    /// When an `undo` was killed last: an announced unlink may have been sent or not.
    undo_killed: Option<UnixMs>,
    /// Rows whose call a run that drained left without a result.
    left_in_doubt: BTreeSet<RowKey>,
    /// Rows whose person has signed in since the first run.
    signed_in: BTreeSet<RowKey>,
    lists_deleted_provider: bool,
    breaches: Vec<Breach>,
    figures: Figures,
    trace: String,
}

impl<'a> Play<'a> {
    fn new(case: &'a MatrixCase) -> Self {
        let scene = Scene::new(case);
        let record = PoolRecord::before_the_first_run(&scene.account);
        let include_recovered = Rng::new(case.seed).fork("recovered").chance(0.5);
        let figures = Figures { cases: 1, rows: scene.rows.len() as u64, ..Figures::default() };
        let (disk, breaches, trace) = (MemoryStorage::default(), Vec::new(), String::new());
        Self {
            case,
            scene,
            record,
            disk,
            now: START,
            include_recovered,
            unanswered: UnansweredCalls::default(),
            run_began: START,
            undo_killed: None,
            left_in_doubt: BTreeSet::new(),
            signed_in: BTreeSet::new(),
            lists_deleted_provider: case.has_extra_events(),
            breaches,
            figures,
            trace,
        }
    }

    fn note(&mut self, line: &str) {
        let _ = writeln!(self.trace, "{:>9} ms  {line}", self.now - START);
    }

    fn breach(&mut self, rule: Rule, situation: &'static str, detail: String) {
        self.note(&format!("BROKEN {rule:?}: {situation}: {detail}"));
        match rule {
            Rule::LinkedIsThere | Rule::RefusedIsNotThere | Rule::OwnerIsRight => self.figures.rows_misreported += 1,
            Rule::NothingElseIsTaken => self.figures.links_lost += 1,
            Rule::NoRowStopsARun => self.figures.runs_stopped += 1,
            Rule::EveryRowIsSettled | Rule::UndoUnlinks => self.figures.rows_unsettled += 1,
        }
        self.breaches.push(Breach { rule, situation, detail });
    }

    /// From a second to a few minutes.
    fn wait(&mut self, rng: &mut Rng) {
        self.now += one_of(rng, &[1_000, 20_000, 120_000, 600_000]);
    }

    /// Runs of one command until one has settled every row: the first perhaps cut short, then at most two reruns.
    fn run_to_the_end(&mut self, command: Command, rng: &mut Rng, cut_probability: f64) {
        let mut cut = Cut::at_random(rng, cut_probability);
        let mut whole_runs = 0;
        while whole_runs < WHOLE_RUNS_MAX {
            let report = self.run(command, cut);
            let is_whole = report.as_ref().is_some_and(|report| report.ended == RunOutcome::Completed);
            let is_settled = report.as_ref().is_some_and(|report| report.counts.failed + report.counts.in_doubt == 0);
            let is_stopped = report.as_ref().is_some_and(|report| matches!(report.ended, RunOutcome::Stopped(_)));
            whole_runs += usize::from(is_whole || is_stopped);
            cut = Cut::Never;
            let is_last = is_whole && is_settled || whole_runs == WHOLE_RUNS_MAX;
            self.judge(command, is_whole, is_last);
            if is_last {
                return;
            }
            if self.case.has_extra_events() && report.is_none() {
                self.change_by_others(&mut Rng::new(self.case.seed).fork("changes after a crash"));
            }
            self.wait(rng);
        }
    }

    /// `undo` is killed, and `link` is the next command.
    fn link_after_killed_undo(&mut self) {
        let mut rng = Rng::new(self.case.seed).fork("killed undo");
        let after = Duration::from_millis(100 + rng.below(4_000));
        self.run(Command::Undo, Cut::Crash { after, kept: usize::try_from(rng.below(4_000)).unwrap() });
        self.judge(Command::Undo, false, false);
        self.now += one_of(&mut rng, &[500, 5_000, 20_000, 120_000]);
        self.run_to_the_end(Command::Link, &mut rng, 0.2);
        self.wait(&mut rng);
    }

    /// Where a list lags for long, an `undo` soon after `link` may not see a link, and leaves it with a code that says so. One
    /// more `undo`, after the time within which lists are taken to show every write, must remove it.
    fn undo_links_that_were_too_young(&mut self) {
        let is_unseen = |state| state == RowState::Kept(RefusalCode::LinkNotSeen);
        if self.case.behaves(Behavior::ListLag40s) && self.states().into_iter().any(is_unseen) {
            self.now += LIST_LAG_MS_MAX + QUIET_MS;
            self.run(Command::Undo, Cut::Never);
            self.judge(Command::Undo, true, true);
        }
    }

    fn run(&mut self, command: Command, cut: Cut) -> Option<RunReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        self.note(&format!("{command:?}, {cut:?}"));
        self.run_began = self.now;
        let report = runtime.block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = Arc::new(WatchedService {
                inner: InProcessService::sharing(self.scene.account.clone(), clock, POOL),
                clock,
                unanswered: Arc::clone(&self.unanswered),
                lists_deleted_provider: self.lists_deleted_provider,
            });
            let run = match command {
                Command::Link => {
                    let rows = self.scene.rows.iter().map(|row| row.row.clone());
                    EngineRun::new(&self.disk, POOL, ServicePorts::linking(service), clock).rows(rows)
                }
                Command::Undo => {
                    let selection =
                        UndoSelection { include_recovered: self.include_recovered, ..UndoSelection::default() };
                    EngineRun::new(&self.disk, POOL, ServicePorts::unlinking(service), clock).links(selection)
                }
            };
            let run = run.options(self.scene.options());
            let report = match cut {
                Cut::Never => Some(run.run().await),
                Cut::Drain { after } => Some(run.signal_after(after, Signal::Terminate).run().await),
                Cut::Crash { after, .. } => run.run_until_crash(after).await,
            };
            self.now = clock.unix_ms();
            report
        });
        self.figures.runs += 1;
        if let (Cut::Crash { kept, .. }, None) = (cut, &report) {
            self.disk = self.disk.after_crash(kept);
            if command == Command::Undo {
                self.undo_killed = Some(self.now);
            }
            self.figures.killed += 1;
        }
        if let Some(report) = &report {
            assert_eq!(report.counts.balance(), Ok(()), "the counts of the run balance");
            if let RunOutcome::Stopped(error) = &report.ended {
                let detail = format!("{command:?} stopped: {}", error.printable_detail(true));
                self.breach(Rule::NoRowStopsARun, "the run", detail);
            }
        }
        if report.as_ref().is_some_and(|report| report.ended != RunOutcome::Completed) {
            let rows = self.scene.rows.iter().zip(self.states());
            let in_doubt = rows.filter(|(_, state)| *state == RowState::InDoubt).map(|(row, _)| row.row.key);
            self.left_in_doubt.extend(in_doubt);
        }
        let actor = if command == Command::Link { Actor::Link } else { Actor::Undo };
        self.advance(actor);
        report
    }

    fn advance(&mut self, actor: Actor) {
        let (links, profiles) = (self.case.behaves(Behavior::HeldMoves), self.case.behaves(Behavior::MergingLinks));
        let may_take = MayTake { links: links || profiles, profiles };
        for Trespass { link, act } in self.record.advance(&self.scene.account, actor, may_take) {
            // Whoever includes recovered links removes what others made at the time of our call.
            if actor == Actor::Undo && self.include_recovered && self.record.is_touched_by_others(&link) {
                continue;
            }
            let row = self.scene.rows.iter().find(|row| row.identity() == link);
            if actor == Actor::Undo && row.is_some_and(|row| self.looks_like_ours_since_a_sign_in(row)) {
                continue;
            }
            let situation = row.map_or("no row", |row| row.situation);
            self.breach(Rule::NothingElseIsTaken, situation, format!("{act}: {link:?}"));
        }
    }

    fn states(&self) -> Vec<RowState> {
        let ledger = open_ledger(&MemoryStorage::holding(self.disk.bytes()), POOL, Clock::starting_at(self.now));
        self.scene.rows.iter().map(|row| ledger.state(row.row.key)).collect()
    }

    /// The link of a row on the user that the row means; ours where both we and others made one.
    fn link_on_its_user(&self, row: &MatrixRow) -> Option<&Holding> {
        let meant = match &row.meant {
            MeantUser::Named(name) => name.as_str(),
            MeantUser::Profile(provider, id) => self.record.user_created_by(provider, id)?,
            MeantUser::Nobody => return None,
        };
        let link = row.identity();
        let is_there =
            |holding: &&Holding| !holding.primary && self.scene.folded(&holding.username) == self.scene.folded(meant);
        let ours = |holding: &&Holding| holding.maker == Maker::Us;
        self.record.holdings(&link).filter(is_there).max_by_key(ours)
    }

    fn is_on_its_user(&self, row: &MatrixRow) -> bool {
        self.link_on_its_user(row).is_some()
    }

    /// Compares what the ledger says of every row with the pool. `is_whole` says that the run saw every row, `is_last`
    /// that there is no further rerun.
    fn judge(&mut self, command: Command, is_whole: bool, is_last: bool) {
        let recovered = self.recovered_rows();
        for (row, state) in self.scene.rows.clone().into_iter().zip(self.states()) {
            let key = row.identity();
            let found = self.link_on_its_user(&row);
            let truth = RowTruth {
                stands: found.is_some(),
                is_ours: found.is_some_and(|holding| holding.maker == Maker::Us),
                is_touched: self.record.is_touched_by_others(&key),
                is_date_rewritten: self.case.behaves(Behavior::DatesRewritten),
                is_recovered: recovered.contains(&row.row.key.to_string()),
                repeat_succeeds: self.case.behaves(Behavior::RepeatSucceeds) && !self.shows_older_links(&row),
                is_refused_unseen: self.may_be_refused_unseen(&row, state),
                may_be_there_twice: self.may_hide_a_second_link(&row),
            };
            let is_unsettled = match state {
                RowState::Unprocessed | RowState::Undone => command == Command::Link && is_whole,
                RowState::InDoubt | RowState::Failed => {
                    command == Command::Link && is_last && !self.may_stay_in_doubt(&row)
                }
                RowState::Unlinking => is_last && !self.may_stay_in_doubt(&row) && !self.may_hide_an_unlink(),
                _ => false,
            };
            let rule = truth.rule_broken_by(state).or_else(|| is_unsettled.then_some(Rule::EveryRowIsSettled));
            if let Some(rule) = rule {
                let holders: Vec<&str> = self.record.holdings(&key).map(|holding| &*holding.username).collect();
                let detail = format!("{state:?} after {command:?}, on {holders:?}, ours: {}", truth.is_ours);
                self.breach(rule, row.situation, detail);
            }
        }
    }

    /// Whether the service may refuse a call that made the link, and hide it for longer than the program looks.
    fn may_be_refused_unseen(&self, row: &MatrixRow, state: RowState) -> bool {
        let behaves = |behavior| self.case.behaves(behavior);
        let looks_ms: u64 = SETTLE_WAITS_MS.iter().sum();
        let is_list_late = self.scene.reading_lag_ms > looks_ms.cast_signed();
        let is_user_hidden = behaves(Behavior::NamesKeepCase) && row.situation == "name in other case";
        match state {
            RowState::Refused(RefusalCode::IdentityHasProfile) if behaves(Behavior::MergingLinks) => is_list_late,
            RowState::Refused(RefusalCode::UserNotFound) if is_user_hidden => behaves(Behavior::RefusalsLink),
            RowState::Refused(_) => behaves(Behavior::RefusalsLink) && is_list_late,
            _ => false,
        }
    }

    /// Whether a sign-in gives an older link by an attribute a date between our first call and the answer to the last one. No
    /// look has shown it before: the service hides it, or answers the repeated call with success.
    fn looks_like_ours_since_a_sign_in(&self, row: &MatrixRow) -> bool {
        let is_unseen =
            self.case.behaves(Behavior::RepeatSucceeds) || self.case.behaves(Behavior::AttributeLinksHidden);
        self.case.behaves(Behavior::DatesRewritten)
            && is_unseen
            && row.attribute().is_some()
            && self.signed_in.contains(&row.row.key)
    }

    /// Whether the user may have the identity twice, by its subject since a sign-in and by the attribute of a later call, and
    /// the service hides the second one from `undo`.
    fn may_hide_a_second_link(&self, row: &MatrixRow) -> bool {
        let was_in_doubt = self.figures.killed > 0
            || self.left_in_doubt.contains(&row.row.key)
            || !self.unanswered_calls_for(row).is_empty();
        self.case.behaves(Behavior::AttributeLinksHidden)
            && row.attribute().is_some()
            && was_in_doubt
            && self.signed_in.contains(&row.row.key)
    }

    /// Whether `link` sees that a link stood before: it reads back every call with success, and the pool shows the link by its
    /// value, with its date.
    fn shows_older_links(&self, row: &MatrixRow) -> bool {
        self.scene.reads_back && row.attribute().is_none() && !self.case.behaves(Behavior::DatesAbsent)
    }

    /// Whether a list may not show yet what a killed `undo` has done.
    fn may_hide_an_unlink(&self) -> bool {
        self.undo_killed.is_some_and(|killed| killed.saturating_add(LIST_LAG_MS_MAX) >= self.run_began)
    }

    /// When calls for a row were sent that had no answer, also those that name a link by an attribute by its subject.
    fn unanswered_calls_for(&self, row: &MatrixRow) -> Vec<UnixMs> {
        let by_link = row.identity();
        let by_subject = IdentityKey {
            provider: by_link.provider.clone(),
            attribute: "Cognito_Subject".to_owned(),
            value: format!("subject of {}", by_link.value),
        };
        let unanswered = self.unanswered.lock().unwrap();
        let mut sent: Vec<UnixMs> =
            [by_link, by_subject].iter().filter_map(|key| unanswered.get(key)).flatten().copied().collect();
        sent.sort_unstable();
        sent
    }

    /// Whether the service may hide from a reader what became of a row.
    fn may_stay_in_doubt(&self, row: &MatrixRow) -> bool {
        let behaves = |behavior| self.case.behaves(behavior);
        let name = row.row.link.destination.value().expose();
        let was_killed = self.figures.killed > 0;
        let was_left = self.left_in_doubt.contains(&row.row.key);
        let unanswered = self.unanswered_calls_for(row);
        // A list may lag behind such a call for so long, and no run has begun since.
        unanswered.last().is_some_and(|sent| sent.saturating_add(LIST_LAG_MS_MAX) >= self.run_began)
            // What such a call did, or one that a killed or drained run left without a result, cannot be seen where the pool
            // may not show the link.
            || (was_killed || was_left || !unanswered.is_empty() || behaves(Behavior::AttributeLinksHidden))
                && row.attribute().is_some()
            || behaves(Behavior::NamesKeepCase) && row.situation == "name in other case"
            || behaves(Behavior::FilterKeepsBackslashes) && name.contains(['\\', '"'])
            || behaves(Behavior::MappedUsernames) && matches!(row.row.link.destination, Destination::Federated { .. })
            || behaves(Behavior::LimitIsThrottle)
            || behaves(Behavior::UnknownTexts)
            || matches!(row.meant, MeantUser::Nobody)
            || row.situation.ends_with("as user name")
    }

    fn count_states(&mut self) {
        for state in self.states() {
            match state {
                RowState::Linked | RowState::Kept(_) => self.figures.linked += 1,
                RowState::AlreadyLinked => self.figures.already_linked += 1,
                RowState::Refused(_) => self.figures.refused += 1,
                RowState::Failed => self.figures.failed += 1,
                _ => self.figures.in_doubt += 1,
            }
        }
    }

    /// Some of the people who were linked sign in.
    fn sign_in(&mut self, rng: &mut Rng) {
        for row in self.scene.rows.clone() {
            let is_used = rng.chance(SIGN_INS) && self.is_on_its_user(&row);
            let IdentityKey { provider, value, .. } = row.identity();
            if !is_used {
                continue;
            }
            let user_id = if row.attribute().is_some() { format!("subject of {value}") } else { value };
            let sign_in = SignIn { provider, user_id, claims: claims(&row), ..SignIn::default() };
            let now = self.now;
            let signed_in = self.scene.account.with(|account| account.sign_in(now, POOL, &sign_in));
            if signed_in.is_ok() {
                self.signed_in.insert(row.row.key);
            }
            let who = signed_in.map(|who| who.username).map_err(|error| error.message);
            self.note(&format!("{} of {} signs in: {who:?}", row.situation, row.row.number));
            self.advance(Actor::SignIn);
            self.now += 100;
        }
    }

    /// Somebody with other tools unlinks some of what was linked; a part of it is linked again, to the same user or to
    /// another.
    fn change_by_others(&mut self, rng: &mut Rng) {
        self.now += OTHERS_WAIT_MS;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        for row in self.scene.rows.clone() {
            let (is_changed, what) = (rng.chance(CHANGES_BY_OTHERS), rng.below(3));
            if !is_changed || row.attribute().is_some() || !self.is_on_its_user(&row) {
                continue;
            }
            let IdentityKey { provider, value, .. } = row.identity();
            let holder = self.link_on_its_user(&row).map(|holding| holding.username.clone());
            let source = json!({
                "ProviderName": provider, "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": value,
            });
            let to = |name: &str| json!({ "ProviderName": "Cognito", "ProviderAttributeValue": name });
            let mut calls = vec![("AdminDisableProviderForUser", json!({ "UserPoolId": POOL, "User": source }))];
            let holder = holder.unwrap_or_default();
            let destination =
                [None, Some(to(&holder)), Some(to("somebody-else"))][usize::try_from(what).unwrap()].clone();
            if let Some(destination) = destination {
                let body = json!({ "UserPoolId": POOL, "DestinationUser": destination, "SourceUser": source });
                calls.push(("AdminLinkProviderForUser", body));
            }
            self.note(&format!("others change {} of {}, to {what}", row.situation, row.row.number));
            for (operation, body) in calls {
                self.now += 1_500;
                let (account, now) = (self.scene.account.clone(), self.now);
                runtime.block_on(async { account.call(now, operation, body.to_string().as_bytes()).await });
                self.advance(Actor::Others);
            }
            self.now += 1_500;
        }
        // An unlink call names the identity only, and takes it from whoever holds it. So `undo` reads the user first, and
        // what that reading cannot show yet it cannot know.
        self.now += self.scene.reading_lag_ms;
    }

    /// The rows whose link the ledger marks as recovered.
    fn recovered_rows(&self) -> BTreeSet<String> {
        let mut recovered = BTreeSet::new();
        let bytes = self.disk.bytes();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // A crash may have torn the last line.
            let Ok(record) = serde_json::from_slice::<Value>(line) else { continue };
            let key = record["key"].as_str().unwrap_or_default().to_owned();
            match (record["type"].as_str(), record["recovered"].as_bool()) {
                (Some("settled"), Some(true)) => recovered.insert(key),
                (Some("settled"), _) => recovered.remove(&key),
                _ => false,
            };
        }
        recovered
    }

    /// Looks for links of ours that `undo` should have unlinked.
    fn judge_what_undo_left(&mut self) {
        let recovered = self.recovered_rows();
        for (row, state) in self.scene.rows.clone().into_iter().zip(self.states()) {
            let is_ours = self.link_on_its_user(&row).is_some_and(|holding| holding.maker == Maker::Us);
            if !is_ours || self.record.is_touched_by_others(&row.identity()) {
                continue;
            }
            let is_explained = match state {
                RowState::Linked => !self.include_recovered && recovered.contains(&row.row.key.to_string()),
                RowState::Kept(code) => self.explains(&row, code),
                // The other rules judge these.
                _ => true,
            };
            if !is_explained {
                self.breach(Rule::UndoUnlinks, row.situation, format!("{state:?} after the last undo"));
            }
        }
    }

    /// Whether `undo` may leave a link of ours with this code.
    fn explains(&self, row: &MatrixRow, code: RefusalCode) -> bool {
        let behaves = |behavior| self.case.behaves(behavior);
        let is_by_attribute = row.attribute().is_some();
        match code {
            RefusalCode::LinkNotSeen | RefusalCode::UsedSince | RefusalCode::FormUnknown => is_by_attribute,
            RefusalCode::DateUnknown => behaves(Behavior::DatesAbsent),
            RefusalCode::Moved => behaves(Behavior::DatesRewritten),
            RefusalCode::UserNotSeen => self.may_stay_in_doubt(row),
            RefusalCode::Unrecognised => behaves(Behavior::UnknownTexts),
            _ => false,
        }
    }

    fn finish(mut self) -> CaseResult {
        self.judge_what_undo_left();
        let states = self.states();
        let is_ours = |row: &&MatrixRow| self.link_on_its_user(row).is_some_and(|holding| holding.maker == Maker::Us);
        let left = self.scene.rows.iter().filter(is_ours);
        self.figures.left_by_undo = left.count() as u64;
        let calls = self.scene.account.stats();
        (self.figures.links_made, self.figures.links_removed) = (calls.links_made, calls.links_removed);
        if calls.passwords_disabled > 0 {
            self.breach(Rule::NothingElseIsTaken, "the run", "a password was disabled".to_owned());
        }
        let lines: Vec<String> = self
            .scene
            .rows
            .iter()
            .zip(states)
            .map(|(row, state)| {
                let attribute = row.attribute().unwrap_or("subject");
                format!(
                    "row {} {}: {:?} {:?} by {attribute}: {state:?}",
                    row.row.number,
                    row.situation,
                    row.meant,
                    row.identity()
                )
            })
            .collect();
        for line in lines {
            self.note(&line);
        }
        self.scene.account.with(|account| {
            for event in account.link_events() {
                let (at, operation, refusal) = (event.at_ms, event.operation, event.refusal.unwrap_or("ok"));
                let (made, to, from) = (event.made, &event.username, &event.taken_from);
                let identity = (&event.provider, &event.attribute, &event.value);
                let _ = writeln!(
                    self.trace,
                    "service {at}: {operation:?} {identity:?}: {refusal}, made: {made}, user: {to:?}, from: {from:?}"
                );
            }
        });
        self.trace.push_str(&String::from_utf8_lossy(&self.disk.bytes()));
        CaseResult { breaches: self.breaches, figures: self.figures, trace: self.trace }
    }
}
