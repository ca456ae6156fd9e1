//! One seed from its first step to its last, judged after each run.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs, sleep};
use cognito_link::commands::link::InputCheck;
use cognito_link::commands::shared::part::InputPart;
use cognito_link::commands::shared::rows::{InputRows, RowGuidance};
use cognito_link::domain::control::{ControlAction, ControlRequest, ControlSource};
use cognito_link::domain::event::IgnoreEvents;
use cognito_link::domain::row::{Row, RowKey};
use cognito_link::domain::run::{RunOutcome, RunReport, Signal, StopCause};
use cognito_link::domain::state::RetryChoice;
use cognito_link::engine::testing::{self, EngineRun};
use cognito_link::engine::{ControlMessage, EngineOptions, ServicePorts};
use cognito_link::input::{CrossRowFindings, InputOptions, InputReader, InputSource};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::limits::PIN_BLOCK_BYTES;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;

use cognito_sim::Behavior;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::actor::{CrowdedService, Others};
use super::judge::{Judge, judge_end_of_links};
use super::scene::{POOL, START, Scene, index, one_of};

/// Longer than any list lags, and longer than the program takes a list to lag.
const QUIET_MS: i64 = 200_000;
/// Reruns in which rows whose calls were lost are settled: each may lose a call again.
const LAST_RERUNS_MAX: usize = 8;
/// The name by which ledgers know the file.
const FILE_NAME: &str = "people.csv";

/// What seeds came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) runs: u64,
    pub(crate) kills: u64,
    /// Runs that somebody holds, unless they end before.
    pub(crate) pauses: u64,
    pub(crate) acts_of_others: u64,
    pub(crate) links_made: u64,
    pub(crate) links_of_others: u64,
    pub(crate) links_undone: u64,
    /// Links of others that `undo` removed because no client could know.
    pub(crate) removals_exempt: u64,
    /// Rows that are wrong after a run because no look of the program could show better.
    pub(crate) rows_exempt: u64,
    /// Runs that stopped because the file was not as it was checked.
    pub(crate) inputs_changed: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.runs, other.runs),
            (&mut self.kills, other.kills),
            (&mut self.pauses, other.pauses),
            (&mut self.acts_of_others, other.acts_of_others),
            (&mut self.links_made, other.links_made),
            (&mut self.links_of_others, other.links_of_others),
            (&mut self.links_undone, other.links_undone),
            (&mut self.removals_exempt, other.removals_exempt),
            (&mut self.rows_exempt, other.rows_exempt),
            (&mut self.inputs_changed, other.inputs_changed),
        ] {
            *sum += more;
        }
    }
}

/// How a seed went.
pub(crate) struct Story {
    pub(crate) breaches: Vec<String>,
    pub(crate) figures: Figures,
    /// The steps, what the service did, and the ledger.
    pub(crate) trace: String,
}

/// How a run is cut short.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Never,
    Kill { after: Duration, kept: usize },
    Drain { after: Duration },
}

impl Cut {
    fn at_random(rng: &mut Rng) -> Self {
        let longest = one_of(rng, &[400, 3_000, 40_000]);
        let after = Duration::from_millis(rng.below(longest));
        let kept = index(rng, 2_000);
        match rng.below(5) {
            0 | 1 => Self::Kill { after, kept },
            2 => Self::Drain { after },
            _ => Self::Never,
        }
    }
}

/// What else a run does, in one seed of three.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    reads_back: bool,
    /// When somebody holds the run, and for how long.
    pause: Option<(Duration, Duration)>,
}

impl Ways {
    fn at_random(rng: &mut Rng) -> Self {
        let longest = one_of(rng, &[300, 3_000]);
        let after = Duration::from_millis(rng.below(longest));
        let lasts = Duration::from_millis(one_of(rng, &[50, 5_000, 300_000]));
        Self { reads_back: rng.chance(0.3), pause: rng.chance(0.6).then_some((after, lasts)) }
    }
}

fn control(action: ControlAction) -> ControlMessage {
    ControlMessage { request: ControlRequest { action, source: ControlSource::Socket, user: None }, reply: None }
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Link { retry: RetryChoice, edited_after_check: bool },
    Undo { superseded: bool },
}

/// The rows of a file as it was checked, each with the key of the row that it corrects, and the rows as they are read
/// again; `None` where the file is not the same any more.
type CheckedFile = (Vec<(Row, Option<RowKey>)>, Option<InputRows>);

/// Plays a seed and judges it.
pub(crate) fn play(seed: u64) -> Story {
    let mut play = Play::new(seed);
    let mut rng = Rng::new(seed).fork("steps");
    let retries = [RetryChoice::NOTHING, RetryChoice::UNDONE, RetryChoice::EVERYTHING];
    let link = |rng: &mut Rng| Command::Link { retry: one_of(rng, &retries), edited_after_check: rng.chance(0.1) };
    let command = link(&mut rng);
    play.run(command, Cut::at_random(&mut rng));
    for _ in 0..2 + rng.below(3) {
        match rng.below(10) {
            0..=2 => {
                play.scene.edit(&mut rng);
                let text = play.scene.text(0);
                play.note(&format!("the file is edited: {}", text.replace('\n', " ")));
            }
            3 => {
                let pair = play.scene.known[index(&mut rng, play.scene.known.len())].clone();
                play.note(&format!("others act on {pair:?}"));
                runtime().block_on(async { play.others.act(play.now, &pair) });
            }
            4..=6 => {
                let command = link(&mut rng);
                play.run(command, Cut::at_random(&mut rng));
            }
            _ => {
                let command = Command::Undo { superseded: rng.chance(0.3) };
                play.run(command, Cut::at_random(&mut rng));
            }
        }
        play.now += one_of(&mut rng, &[100, 1_000, 20_000, 130_000]);
    }
    play.finish()
}

struct Play {
    seed: u64,
    scene: Scene,
    others: Arc<Others>,
    judge: Judge,
    disk: MemoryStorage,
    now: UnixMs,
    folder: tempfile::TempDir,
    crowd: f64,
    ways: Rng,
    breaches: Vec<String>,
    figures: Figures,
    trace: String,
}

impl Play {
    fn new(seed: u64) -> Self {
        let scene = Scene::new(seed);
        let judge = Judge::before_the_first_run(&scene);
        let mut play = Self {
            seed,
            others: Others::new(scene.account.clone(), seed),
            judge,
            disk: MemoryStorage::default(),
            now: START,
            folder: tempfile::tempdir().unwrap(),
            crowd: scene.crowd,
            ways: Rng::new(seed).fork("ways"),
            breaches: Vec::new(),
            figures: Figures::default(),
            trace: String::new(),
            scene,
        };
        let Scene { behaviors, settle_with, list_lag_ms, clock_skew_ms, crowd, include_recovered, .. } = &play.scene;
        play.trace = format!(
            "behaviors {:?}, {settle_with:?}, lag {list_lag_ms} ms, skew {clock_skew_ms} ms, others {crowd}, undo \
             recovered: {include_recovered}\n",
            behaviors.iter().map(|behavior| behavior.name()).collect::<Vec<_>>()
        );
        let text = play.scene.text(0);
        play.note(&format!("the file: {}", text.replace('\n', " ")));
        play
    }

    fn note(&mut self, line: &str) {
        let _ = writeln!(self.trace, "{:>9} ms  {line}", self.now - START);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// Reads the file as the program does: to check it, and again for the run.
    fn read_file(&mut self, edited_after_check: bool) -> CheckedFile {
        // A longer file has several blocks, of which a part may be read before it is changed.
        let blank_lines = if edited_after_check && self.seed.is_multiple_of(4) { PIN_BLOCK_BYTES * 2 / 3 } else { 0 };
        std::fs::write(self.path(), self.scene.text(blank_lines)).unwrap();
        let (options, pool) = (InputOptions::default(), Scene::pool_id());
        let source = InputSource::open(&self.path()).unwrap();
        let check = InputCheck {
            source: &source,
            options: &options,
            pool: &pool,
            shard: None,
            part: &InputPart::default(),
            ledger: None,
            retry: RetryChoice::NOTHING,
        };
        let checked = check.run(&mut IgnoreEvents).unwrap_or_else(|_| panic!("the file is readable"));
        let none = Arc::new(CrossRowFindings::default());
        let rows = InputReader::with_cross_row(&source, &options, &none).unwrap().map(|record| {
            let record = record.unwrap();
            let key = record.key(&pool);
            (Row { number: record.number, link: record.link.expect("every row names a link"), key }, record.retry_of)
        });
        let rows = rows.collect();
        let mut rng = Rng::new(self.seed).fork("change");
        let (is_changed_first, is_changed_later) = (rng.chance(0.5), rng.chance(0.5));
        if edited_after_check && is_changed_first {
            self.change_a_byte(&mut rng);
        }
        let again = InputRows::open(&source, &options, &checked.cross_row, &pool, None, RowGuidance::None).ok();
        if edited_after_check && (is_changed_later || !is_changed_first) {
            self.change_a_byte(&mut rng);
        }
        (rows, again)
    }

    fn change_a_byte(&self, rng: &mut Rng) {
        let mut text = std::fs::read(self.path()).unwrap();
        let at = index(rng, text.len());
        text[at] ^= 1;
        std::fs::write(self.path(), text).unwrap();
    }

    fn run(&mut self, command: Command, cut: Cut) -> Option<RunReport> {
        let ways = if self.seed.is_multiple_of(3) { Ways::at_random(&mut self.ways) } else { Ways::default() };
        self.note(&format!("{command:?}, {cut:?}, {ways:?}"));
        let ledger_before = self.disk.bytes();
        let file = match command {
            Command::Link { edited_after_check, .. } => Some(self.read_file(edited_after_check)),
            Command::Undo { .. } => None,
        };
        if let Some((_, None)) = file {
            // The program ends before it calls anything.
            self.figures.inputs_changed += 1;
            return None;
        }
        self.others.set(&self.scene.known, self.crowd);
        let report = runtime().block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = Arc::new(CrowdedService {
                inner: InProcessService::sharing(self.scene.account.clone(), clock, POOL),
                clock,
                others: Arc::clone(&self.others),
            });
            let options = EngineOptions {
                settle_with: self.scene.settle_with,
                reads_back: ways.reads_back,
                ..testing::options(self.seed)
            };
            let run = match (command, file) {
                (Command::Link { retry, .. }, Some((rows, Some(again)))) => {
                    EngineRun::new(&self.disk, POOL, ServicePorts::linking(service), clock)
                        .input(FILE_NAME, &rows)
                        .source(again)
                        .options(EngineOptions { retry, ..options })
                }
                (Command::Undo { superseded }, _) => {
                    let include_recovered = self.scene.include_recovered;
                    let selection = UndoSelection { superseded, include_recovered, ..UndoSelection::default() };
                    EngineRun::new(&self.disk, POOL, ServicePorts::unlinking(service), clock)
                        .links(selection)
                        .options(options)
                }
                (Command::Link { .. }, _) => unreachable!("`link` has read its file"),
            };
            let (requests, receiver) = mpsc::channel(2);
            if let Some((after, lasts)) = ways.pause {
                tokio::spawn(async move {
                    sleep(after).await;
                    // A run may have ended before.
                    let _ = requests.send(control(ControlAction::Pause)).await;
                    sleep(lasts).await;
                    let _ = requests.send(control(ControlAction::Resume)).await;
                });
            }
            let run = run.control(receiver);
            let run = async {
                match cut {
                    Cut::Never => Some(run.run().await),
                    Cut::Drain { after } => Some(run.signal_after(after, Signal::Terminate).run().await),
                    Cut::Kill { after, .. } => run.run_until_crash(after).await,
                }
            };
            let report = tokio::select! {
                biased;
                report = run => report,
                () = self.others.act_in_the_background(clock) => unreachable!("others go on for ever"),
            };
            self.now = clock.unix_ms();
            report
        });
        self.figures.runs += 1;
        self.figures.pauses += u64::from(ways.pause.is_some());
        if let (Cut::Kill { kept, .. }, None) = (cut, &report) {
            self.disk = self.disk.after_crash(kept);
            self.figures.kills += 1;
        }
        if let Some(report) = &report {
            let ended = match &report.ended {
                RunOutcome::Stopped(error) => format!("stopped by {:?}", error.cause),
                ended => format!("{ended:?}"),
            };
            self.note(&format!("{ended}: {:?}", report.counts));
            if report.counts.balance().is_err() {
                self.breaches.push("the counts of a run do not balance".to_owned());
            }
            self.judge_stop(command, report);
        }
        let removals = self.judge.advance(&self.scene, &self.others, &ledger_before, &mut self.breaches);
        self.figures.links_undone += removals.removed;
        self.figures.removals_exempt += removals.exempt;
        let mut broken = Vec::new();
        self.figures.rows_exempt += self.judge.judge_rows(&self.scene, &self.disk, &mut broken);
        for breach in &broken {
            self.note(&format!("BROKEN {breach}"));
        }
        self.breaches.append(&mut broken);
        report
    }

    /// No row stops a run, and a file that is not as it was checked does.
    fn judge_stop(&mut self, command: Command, report: &RunReport) {
        let is_edited = matches!(command, Command::Link { edited_after_check: true, .. });
        match &report.ended {
            RunOutcome::Stopped(_) if is_edited => {
                self.figures.inputs_changed += 1;
            }
            // One call of five is throttled, and of few calls in a minute it may be each.
            RunOutcome::Stopped(error)
                if error.cause == StopCause::Bound && self.scene.behaves(Behavior::LimitIsThrottle) => {}
            RunOutcome::Stopped(error) => {
                self.breaches.push(format!("{command:?} stopped: {}", error.printable_detail(true)));
            }
            RunOutcome::Completed | RunOutcome::Interrupted(_) => {}
        }
    }

    /// Others leave, and every command is run until nothing is left to do.
    fn finish(mut self) -> Story {
        self.crowd = 0.0;
        self.now += QUIET_MS;
        for retry in [RetryChoice::EVERYTHING].into_iter().chain([RetryChoice::UNDONE; LAST_RERUNS_MAX]) {
            let report = self.run(Command::Link { retry, edited_after_check: false }, Cut::Never);
            self.now += QUIET_MS;
            if report.is_some_and(|report| report.counts.failed + report.counts.in_doubt == 0) {
                break;
            }
        }
        judge_end_of_links(&self.scene, &self.disk, &mut self.breaches);
        for superseded in [false, true].into_iter().chain([false; LAST_RERUNS_MAX]) {
            let report = self.run(Command::Undo { superseded }, Cut::Never);
            self.now += QUIET_MS;
            if superseded && report.is_some_and(|report| report.counts.failed + report.counts.in_doubt == 0) {
                break;
            }
        }
        self.judge.judge_end_of_undo(&self.scene, &self.disk, &mut self.breaches);
        (self.figures.links_made, self.figures.links_of_others) = self.judge.links_of();
        self.figures.acts_of_others = self.others.acts();
        let others = Arc::clone(&self.others);
        self.scene.account.with(|account| {
            for event in account.link_events() {
                let who = if others.is_theirs(&event.request_id) { "others" } else { "we" };
                let (at, operation, refusal) = (event.at_ms - START, event.operation, event.refusal.unwrap_or("ok"));
                let (value, to, from) = (&event.value, &event.username, &event.taken_from);
                let made = event.made;
                let _ = writeln!(
                    self.trace,
                    "{at:>9} ms  service: {who}: {operation:?} {value}: {refusal}, made: {made}, user: {to:?}, from: {from:?}"
                );
            }
        });
        self.trace.push_str(&String::from_utf8_lossy(&self.disk.bytes()));
        Story { breaches: self.breaches, figures: self.figures, trace: self.trace }
    }
}

/// A runtime in virtual time.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}
