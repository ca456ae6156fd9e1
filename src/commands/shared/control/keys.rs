//! The keys that control a run on its terminal. Line editing and echo are off as long as the value lives; Ctrl-C and
//! Ctrl-Z keep their meaning.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::sync::mpsc;

use crate::domain::control::{ControlAction, ControlRequest, ControlSource};
use crate::engine::ControlMessage;

/// What the keys are, for people.
pub(super) const KEYS: &str = "keys: p pause or resume, + faster, - slower, ? state, Ctrl-C stop";
/// Tenths of a second that one read of the terminal waits for a key.
const READ_TENTHS: u8 = 2;

/// Reads keys until it is dropped, which gives the terminal its settings back.
pub(super) struct Keys {
    ends: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    before: Termios,
}

impl Keys {
    /// `None` where there is no terminal that belongs to this program.
    pub(super) fn start(requests: mpsc::Sender<ControlMessage>, user: Option<String>) -> Option<Self> {
        if !is_in_foreground() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        set_key_mode(&before).ok()?;
        let ends = Arc::new(AtomicBool::new(false));
        let (must_end, settings) = (Arc::clone(&ends), before.clone());
        let read = move || read_keys(&must_end, &settings, &requests, user.as_ref());
        let reader = std::thread::Builder::new().name("keys".to_owned()).spawn(read).ok();
        let keys = Self { ends, reader, before };
        // Where no thread could be started, dropping it restores the terminal.
        keys.reader.is_some().then_some(keys)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            // A read ends by itself within its time. A panic in it has nothing to report.
            let _ = reader.join();
        }
        // In the background the terminal is somebody else's, and changing it would stop this process.
        if is_in_foreground() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        }
    }
}

/// Whether the terminal of stdin takes keys for this process and not for another one.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Single keys, without echo; signals and output as before.
fn set_key_mode(before: &Termios) -> rustix::io::Result<()> {
    let mut settings = before.clone();
    settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    settings.special_codes[SpecialCodeIndex::VMIN] = 0;
    settings.special_codes[SpecialCodeIndex::VTIME] = READ_TENTHS;
    tcsetattr(io::stdin(), OptionalActions::Now, &settings)
}

fn read_keys(ends: &AtomicBool, settings: &Termios, requests: &mpsc::Sender<ControlMessage>, user: Option<&String>) {
    let mut was_in_foreground = true;
    while !ends.load(Ordering::SeqCst) {
        // A read in the background would stop this process.
        if !is_in_foreground() {
            was_in_foreground = false;
            std::thread::park_timeout(std::time::Duration::from_millis(u64::from(READ_TENTHS) * 100));
            continue;
        }
        // The shell has set the terminal for itself in the meantime.
        if !std::mem::replace(&mut was_in_foreground, true) && set_key_mode(settings).is_err() {
            return;
        }
        let mut keys = [0; 16];
        let length = match rustix::io::read(io::stdin(), &mut keys) {
            Ok(length) => length,
            Err(rustix::io::Errno::INTR) => 0,
            // The terminal is gone.
            Err(_) => return,
        };
        for action in keys[..length].iter().filter_map(|key| action_of(*key)) {
            let request = ControlRequest { action, source: ControlSource::Key, user: user.cloned() };
            if requests.blocking_send(ControlMessage { request, reply: None }).is_err() {
                return;
            }
        }
    }
}

fn action_of(key: u8) -> Option<ControlAction> {
    match key {
        b'p' | b'P' => Some(ControlAction::TogglePause),
        b'+' | b'=' => Some(ControlAction::Faster),
        b'-' => Some(ControlAction::Slower),
        b'?' | b'h' => Some(ControlAction::ReportState),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_what_they_request() {
        for (key, action) in [
            (b'p', Some(ControlAction::TogglePause)),
            (b'+', Some(ControlAction::Faster)),
            (b'-', Some(ControlAction::Slower)),
            (b'?', Some(ControlAction::ReportState)),
            (b'q', None),
            (b'\n', None),
            (0x1b, None),
        ] {
            assert_eq!(action_of(key), action, "{}", key.escape_ascii());
        }
    }
}
