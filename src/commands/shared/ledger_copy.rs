//! `--ledger-copy`: copies of the ledger at S3, at the start of a run, every few minutes and at its end.
//!
//! A run never reads a copy. It is for who reports on the run from elsewhere, and for a machine that is lost.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::{Failure, headings, parse_object_address};
use crate::clock;
use crate::domain::object::ObjectAddress;
use crate::input::{InputError, copy_to_object, write_error};
use crate::limits::{LEDGER_COPY_INTERVAL_MS, LEDGER_LINE_BYTES_MAX};
use crate::ui::{MessageCode, Ui, escape, shell_path};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = headings::LEDGER)]
pub struct LedgerCopyArgs {
    /// Object of S3 to copy the ledger to: before the first call, every 5 minutes, and at the end; replaces an object
    #[arg(long, value_name = "S3_ADDRESS", hide_short_help = true, value_parser = parse_object_address)]
    pub ledger_copy: Option<ObjectAddress>,
}

/// The copies of one run, which a thread of its own makes.
pub(super) struct LedgerCopies {
    /// Requests the last copy. Its sender gets the word when it is there.
    last: mpsc::Sender<SyncSender<()>>,
}

impl LedgerCopies {
    /// Makes the first copy: what cannot be written ends the command before anything is sent. Later faults are warnings,
    /// because a run does not need its copies.
    pub(super) fn start(args: &LedgerCopyArgs, ledger: &Path, ui: &Ui) -> Result<Option<Self>, Failure> {
        let Some(object) = &args.ledger_copy else { return Ok(None) };
        let mut copy = LedgerCopy { ledger: ledger.to_owned(), object: object.clone(), copied: None };
        copy.copy()?;
        let failed = |error: io::Error| Failure::System(format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (last, requests) = mpsc::channel(1);
        let ui = ui.clone();
        let copy_again = move || {
            runtime.block_on(copy_until_last(requests, |is_last| {
                if let Err(error) = copy.copy() {
                    ui.warn(MessageCode::LedgerCopyFailed, &copy.failure(&error, is_last));
                }
            }));
        };
        std::thread::Builder::new().name("ledger-copy".to_owned()).spawn(copy_again).map_err(failed)?;
        Ok(Some(Self { last }))
    }

    /// Makes the last copy, and waits for it.
    pub(super) fn finish(&self) {
        let (done, is_done) = sync_channel(1);
        if self.last.try_send(done).is_ok() {
            // An error means that the thread has ended, which it does after a last copy only.
            let _ = is_done.recv();
        }
    }
}

/// Makes a copy every few minutes, and a last one when that is requested.
async fn copy_until_last(mut requests: mpsc::Receiver<SyncSender<()>>, mut copy: impl FnMut(bool)) {
    loop {
        let due = clock::deadline_in(Duration::from_millis(LEDGER_COPY_INTERVAL_MS));
        match clock::timeout_at(due, requests.recv()).await {
            Err(_) => copy(false),
            Ok(Some(done)) => {
                copy(true);
                let _ = done.send(());
                return;
            }
            Ok(None) => return,
        }
    }
}

struct LedgerCopy {
    ledger: PathBuf,
    object: ObjectAddress,
    /// Bytes of the last copy.
    copied: Option<u64>,
}

impl LedgerCopy {
    /// Copies the whole lines that are there now, unless the last copy has them all.
    fn copy(&mut self) -> Result<(), InputError> {
        let length = whole_lines(&self.ledger).map_err(|error| write_error(&self.ledger, error))?;
        if self.copied != Some(length) {
            copy_to_object(&self.object, &self.ledger, length)?;
            self.copied = Some(length);
        }
        Ok(())
    }

    fn failure(&self, error: &InputError, is_last: bool) -> String {
        let ledger = self.ledger.display().to_string();
        if is_last {
            format!(
                "the copy of the ledger is not up to date: {error}; copy it with `aws s3 cp {} {}`",
                shell_path(&ledger),
                shell_path(&self.object.to_string())
            )
        } else {
            format!("ledger {} was not copied this time, and the run goes on: {error}", escape(&ledger))
        }
    }
}

/// Returns the length of a ledger up to its last whole line: the run may be writing the next one.
fn whole_lines(ledger: &Path) -> io::Result<u64> {
    let mut file = File::open(ledger)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(LEDGER_LINE_BYTES_MAX as u64 + 1);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(length - start).read_to_end(&mut end)?;
    Ok(memchr::memrchr(b'\n', &end).map_or(0, |at| start + at as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn copies_come_every_five_minutes_and_at_the_end() {
        let clock = clock::Clock::starting_at(0);
        let (last, requests) = mpsc::channel(1);
        let (done, is_done) = sync_channel(1);
        tokio::spawn(async move {
            clock::sleep(Duration::from_secs(700)).await;
            last.send(done).await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut copies = Vec::new();
        copy_until_last(requests, |is_last| copies.push((clock.elapsed().as_secs(), is_last))).await;
        assert_eq!(copies, [(300, false), (600, false), (700, true)]);
        is_done.try_recv().unwrap();
    }

    #[test]
    fn a_copy_ends_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let long = "x".repeat(LEDGER_LINE_BYTES_MAX - 1) + "\n";
        for (content, expected) in [
            (String::new(), 0),
            ("half".to_owned(), 0),
            ("one\n".to_owned(), 4),
            ("one\ntwo\nhal".to_owned(), 8),
            (format!("one\n{long}"), 4 + LEDGER_LINE_BYTES_MAX as u64),
            (format!("one\n{}", &long[..LEDGER_LINE_BYTES_MAX - 1]), 4),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(whole_lines(&path).unwrap(), expected);
        }
    }
}
