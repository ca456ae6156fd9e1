//! Who controls a run: `cognito-link control`, keys, SIGUSR1, `--pause-file` and `--window`. All of them send the same
//! requests to the engine.

mod keys;
mod next_step;
mod preparation;
mod socket;
mod window;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{CommandContext, Failure, headings};
use crate::clock::{Clock, UnixMs, machine_unix_ms, sleep};
use crate::domain::control::{ControlAction, ControlRequest, ControlSource};
use crate::domain::outlook::{WindowOutlook, time_within};
use crate::engine::ControlMessage;
use crate::ledger::record::RunId;
use crate::limits::{CONTROL_WAITING_MAX, PAUSE_FILE_INTERVAL_MS, WINDOW_INTERVAL_MS, WINDOWS_MAX};
use crate::ui::{MessageCode, Ui};
use keys::{KEYS, Keys};
pub use preparation::Preparation;
use socket::{ControlSocket, Respondent, user_name};
pub use socket::{ask, socket_path};
use window::{Window, WindowSchedule};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = headings::PACE)]
pub struct ControlArgs {
    /// Time of day in which the run may send, and its rate, such as `22:00-06:00@20`, or `else@5` (can be repeated)
    ///
    /// Of several that are open the first one counts. Outside all of them, and without `else`, the run waits. The rate is
    /// optional, and never exceeds that of `--rate`.
    #[arg(long, value_name = "FROM-TO[@RATE]", hide_short_help = true)]
    pub window: Vec<Window>,
    /// Time zone of `--window`, such as Europe/Berlin or UTC; that of the machine by default
    #[arg(long, value_name = "NAME", requires = "window", hide_short_help = true)]
    pub time_zone: Option<String>,
    /// File that pauses the run as long as it exists
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub pause_file: Option<PathBuf>,
}

impl ControlArgs {
    /// Checks the options before anything is read.
    pub fn plan(&self) -> Result<ControlPlan, Failure> {
        if self.window.len() > WINDOWS_MAX {
            return Err(Failure::Usage(format!("--window: at most {WINDOWS_MAX} windows")));
        }
        let schedule = WindowSchedule::new(&self.window, self.time_zone.as_deref()).map_err(Failure::Usage)?;
        Ok(ControlPlan { schedule, pause_file: self.pause_file.clone() })
    }
}

/// What controls a run besides people.
#[derive(Debug, Clone, Default)]
pub struct ControlPlan {
    schedule: Option<WindowSchedule>,
    pause_file: Option<PathBuf>,
}

/// Everything that controls a run. It must be dropped before the ledger: then the socket is gone before its lock.
pub struct RunControls {
    socket: Option<ControlSocket>,
    _keys: Option<Keys>,
}

impl RunControls {
    /// Ends the controls of a run that has ended.
    pub async fn close(self, ui: &Ui) {
        ui.run_ended();
        if let Some(socket) = &self.socket {
            socket.connections().answered().await;
        }
    }
}

impl ControlPlan {
    /// Whether the run sends by windows.
    pub fn has_windows(&self) -> bool {
        self.schedule.is_some()
    }

    /// Returns the schedule of the windows, for the time left.
    pub fn outlook(&self) -> Option<Arc<dyn WindowOutlook>> {
        self.schedule.clone().map(|schedule| Arc::new(schedule) as Arc<dyn WindowOutlook>)
    }

    /// Returns the time of so many writes at this rate, from now on, with the rates and the closed hours of the windows.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    pub fn time_of_writes(&self, writes: u64, per_second: f64, now: UnixMs) -> Option<Duration> {
        self.time_of(writes as f64, &|window| per_second.min(window.unwrap_or(f64::INFINITY)), now)
    }

    /// Returns the time of so many reads. A window holds them, and its rate is that of the writes.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    pub fn time_of_reads(&self, reads: u64, per_second: f64, now: UnixMs) -> Option<Duration> {
        self.time_of(reads as f64, &|_| per_second, now)
    }

    fn time_of(&self, calls: f64, per_second: &dyn Fn(Option<f64>) -> f64, now: UnixMs) -> Option<Duration> {
        match &self.schedule {
            Some(schedule) => time_within(schedule, now, calls, per_second),
            None => Duration::try_from_secs_f64(calls / per_second(None)).ok(),
        }
    }

    /// Starts to listen, in place of what answered before the run. The ledger's lock must be held.
    pub fn start(
        &self,
        preparation: Option<Preparation>,
        ledger: &Path,
        run: RunId,
        command: &'static str,
        context: &CommandContext<'_>,
    ) -> Result<(RunControls, mpsc::Receiver<ControlMessage>), Failure> {
        let CommandContext { ui, .. } = context;
        let (sender, requests) = mpsc::channel(CONTROL_WAITING_MAX);
        self.watch(&sender, None)?;
        let failed = |error| Failure::System(format!("cannot listen for signals: {error}"));
        let mut questions = signal(SignalKind::user_defined1()).map_err(failed)?;
        let asked = sender.clone();
        tokio::spawn(async move {
            while questions.recv().await.is_some() {
                if !send(&asked, ControlSource::Signal, ControlAction::ReportState).await {
                    return;
                }
            }
        });
        let socket = match ControlSocket::listen(ledger, run, command, Respondent::Run(sender.clone())) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let path = socket_path(ledger).display().to_string();
                ui.warn(
                    MessageCode::ControlUnreachable,
                    &format!("`cognito-link control` cannot reach this run: no socket at {path}: {error}"),
                );
                None
            }
        };
        if let Some(preparation) = preparation.filter(|_| socket.is_some()) {
            preparation.hand_over();
        }
        ui.run_begins();
        let keys = if ui.takes_keys() { Keys::start(sender, own_user()) } else { None };
        if keys.is_some() {
            ui.note(MessageCode::Keys, KEYS);
        }
        Ok((RunControls { socket, _keys: keys }, requests))
    }

    /// Starts what controls a rehearsal: the windows alone, in its time.
    pub fn start_rehearsal(&self, clock: Clock) -> Result<mpsc::Receiver<ControlMessage>, Failure> {
        let (sender, requests) = mpsc::channel(CONTROL_WAITING_MAX);
        let windows_alone = Self { pause_file: None, ..self.clone() };
        windows_alone.watch(&sender, Some(clock))?;
        Ok(requests)
    }

    /// Watches the schedule and the pause file. What holds at the start is requested before this returns.
    fn watch(&self, sender: &mpsc::Sender<ControlMessage>, clock: Option<Clock>) -> Result<(), Failure> {
        let full = |_| Failure::System("the requests at the start do not fit".to_owned());
        if let Some(schedule) = &self.schedule {
            let now = clock.map_or_else(machine_unix_ms, |clock| clock.unix_ms());
            let first = ControlAction::SetWindow(schedule.at(now).0);
            sender.try_send(message(ControlSource::Window, first)).map_err(full)?;
            tokio::spawn(watch_windows(schedule.clone(), clock, sender.clone()));
        }
        if let Some(path) = &self.pause_file {
            let exists = path
                .try_exists()
                .map_err(|error| Failure::Usage(format!("--pause-file {}: {error}", path.display())))?;
            if exists {
                sender.try_send(message(ControlSource::PauseFile, ControlAction::Pause)).map_err(full)?;
            }
            tokio::spawn(watch_pause_file(path.clone(), exists, sender.clone()));
        }
        Ok(())
    }
}

fn message(source: ControlSource, action: ControlAction) -> ControlMessage {
    ControlMessage { request: ControlRequest { action, source, user: None }, reply: None }
}

/// Returns whether the run still listens.
async fn send(sender: &mpsc::Sender<ControlMessage>, source: ControlSource, action: ControlAction) -> bool {
    sender.send(message(source, action)).await.is_ok()
}

/// Sends what the schedule says, until the run ends. By the machine's clock, which may be set meanwhile, or by a clock in
/// virtual time.
async fn watch_windows(schedule: WindowSchedule, clock: Option<Clock>, sender: mpsc::Sender<ControlMessage>) {
    let mut last = None;
    loop {
        let now = clock.map_or_else(machine_unix_ms, |clock| clock.unix_ms());
        let (state, next) = schedule.at(now);
        if last.replace(state) != Some(state)
            && !send(&sender, ControlSource::Window, ControlAction::SetWindow(state)).await
        {
            return;
        }
        let until_next = next.map_or(WINDOW_INTERVAL_MS, |next| next.saturating_sub(now).try_into().unwrap_or(1));
        let pause = if clock.is_some() { until_next } else { until_next.min(WINDOW_INTERVAL_MS) };
        tokio::select! {
            () = sleep(Duration::from_millis(pause.max(1))) => {}
            () = sender.closed() => return,
        }
    }
}

/// Sends whether the file exists at each change. `existed` is what the run knows already.
async fn watch_pause_file(path: PathBuf, mut existed: bool, sender: mpsc::Sender<ControlMessage>) {
    loop {
        // Where it cannot be seen, nothing is changed.
        let exists = path.try_exists().unwrap_or(existed);
        let action = if exists { ControlAction::Pause } else { ControlAction::Resume };
        if exists != existed && !send(&sender, ControlSource::PauseFile, action).await {
            return;
        }
        existed = exists;
        tokio::select! {
            () = sleep(Duration::from_millis(PAUSE_FILE_INTERVAL_MS)) => {}
            () = sender.closed() => return,
        }
    }
}

/// The user who runs this program.
fn own_user() -> Option<String> {
    let (stream, _other) = UnixStream::pair().ok()?;
    stream.peer_cred().ok().map(|peer| user_name(peer.uid()))
}

/// Returns the state of the run of a ledger; `None` where none is live.
pub fn live_run(ledger: &Path, ui: &Ui) -> Option<wire::RunState> {
    match ask(ledger, wire::WireRequest::Status) {
        Ok(Some(wire::WireAnswer::State(state))) => Some(*state),
        Ok(Some(wire::WireAnswer::Error { .. }) | None) => None,
        Err(error) => {
            ui.note(
                MessageCode::ControlUnreachable,
                &format!("the run of {} cannot be asked: {error}", ledger.display()),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_file_that_is_gone_before_the_watcher_starts_resumes_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pause");
        std::fs::write(&path, "").unwrap();
        let plan = ControlPlan { schedule: None, pause_file: Some(path.clone()) };
        let (sender, mut requests) = mpsc::channel(CONTROL_WAITING_MAX);
        plan.watch(&sender, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        for expected in [ControlAction::Pause, ControlAction::Resume] {
            assert_eq!(requests.recv().await.unwrap().request.action, expected);
        }
    }
}
