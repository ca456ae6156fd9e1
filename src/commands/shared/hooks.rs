//! Hooks: commands of the user's that get the result of a run. Whatever becomes of them changes nothing.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::headings;
use crate::clock::{Clock, timeout_at};
use crate::exit::Exit;
use crate::limits::{HOOK_MS_MAX, HOOK_STDERR_BYTES_MAX};
use crate::ui::{MessageCode, Ui, encode_json, format};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = headings::OUTPUT)]
pub struct HookArgs {
    /// Shell command to run at the end, however the run ended, with the result as JSON on stdin
    ///
    /// It may take one minute. If it fails, this is reported and changes nothing.
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub on_end: Option<String>,
    /// As --on-end, but only if the run ended early: by an error, a limit or a signal
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub on_stop: Option<String>,
}

impl HookArgs {
    pub fn are_given(&self) -> bool {
        self.on_end.is_some() || self.on_stop.is_some()
    }

    /// Runs what the exit status calls for, one after the other.
    pub async fn run(&self, exit: Exit, ui: &Ui, clock: Clock) {
        if !self.are_given() {
            return;
        }
        let result = ui.take_result().unwrap_or(Value::Null);
        let on_stop = self.on_stop.as_deref().filter(|_| ended_early(exit)).map(|command| ("--on-stop", command));
        let on_end = self.on_end.as_deref().map(|command| ("--on-end", command));
        for (option, command) in on_stop.into_iter().chain(on_end) {
            if let Err(reason) = run_hook(command, &result, clock).await {
                ui.warn(MessageCode::HookFailed, &format!("the command of {option} {reason}; the run is not affected"));
            }
        }
    }
}

/// Whether rows were left that the run would have gone on to.
fn ended_early(exit: Exit) -> bool {
    !matches!(exit, Exit::Success | Exit::Incomplete | Exit::Drift)
}

/// Runs a command with the result on stdin. An error says what became of it, as a fragment.
async fn run_hook(command: &str, result: &Value, clock: Clock) -> Result<(), String> {
    // Files, not pipes: a hook may read late, or leave a process behind that keeps its stderr.
    let failed = |error: std::io::Error| format!("could not be started: {error}");
    let (stdin, stderr) = (file_of(&encode_json(result)).map_err(failed)?, tempfile::tempfile().map_err(failed)?);
    let mut hook = Command::new("sh");
    hook.args(["-c", command]).stdin(stdin).stdout(Stdio::null()).stderr(stderr.try_clone().map_err(failed)?);
    // A group of its own, so that what the shell has started can be ended with it.
    hook.kill_on_drop(true).process_group(0);
    let mut child = hook.spawn().map_err(failed)?;
    let status = wait(&mut child, clock, Duration::from_millis(HOOK_MS_MAX)).await?;
    if status.success() { Ok(()) } else { Err(format!("failed: {status}{}", last_words(stderr))) }
}

async fn wait(child: &mut Child, clock: Clock, time_max: Duration) -> Result<ExitStatus, String> {
    if let Ok(status) = timeout_at(clock.now() + time_max, child.wait()).await {
        return status.map_err(|error| format!("cannot be waited for: {error}"));
    }
    // It may have ended just now.
    if let Some(group) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Err(format!("took longer than {} and was ended", format::duration(time_max)))
}

fn file_of(text: &str) -> std::io::Result<std::fs::File> {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Returns the first line of what a hook printed to stderr.
fn last_words(mut stderr: std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut said = Vec::new();
    let read = stderr.rewind().and_then(|()| stderr.take(HOOK_STDERR_BYTES_MAX as u64).read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    match said.lines().find(|line| !line.trim().is_empty()) {
        Some(line) if read.is_ok() => format!(": {}", line.trim()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hook_that_takes_too_long_is_ended_with_what_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        // The shell's child writes later than the shell is ended.
        let script = format!("mkfifo {0} && ((sleep 3; echo late) > {0}) & wait", pipe.display());
        let mut hook = Command::new("sh");
        hook.args(["-c", &script]).process_group(0).kill_on_drop(true);
        let mut child = hook.spawn().unwrap();
        while !pipe.exists() {
            tokio::task::yield_now().await;
        }
        // Opened once somebody writes.
        let mut reader = tokio::task::spawn_blocking(move || std::fs::File::open(pipe).unwrap()).await.unwrap();
        let ended = wait(&mut child, Clock::system(), Duration::ZERO).await;
        assert!(ended.is_err_and(|reason| reason.contains("was ended")));
        let mut written = String::new();
        std::io::Read::read_to_string(&mut reader, &mut written).unwrap();
        assert_eq!(written, "");
    }
}
