//! A screen for tests: what is typed, printed and drawn, without a terminal.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};

use super::{ColorChoice, OutputFormat, ProgressChoice, Streams, Terminals, Ui, UiOptions};
use crate::domain::finding::FindingCode;
use crate::domain::identity::PoolId;
use crate::domain::outcome::{RefusalCode, ServiceText};
use crate::domain::report::{FailureLine, LedgerReport, RunLine};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::RowState;
use crate::domain::stop::{Aim, Ended, RunReport};
use crate::domain::summary::Counts;

/// The columns of the test's terminal.
pub(super) const WIDTH: u16 = 120;

#[derive(Debug, Clone)]
pub(super) struct Screen {
    options: UiOptions,
    typed: String,
    stdout: Sheet,
    stderr: Sheet,
    bar: Sheet,
    at_messages: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug, Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Prints on a sheet, and notes what the bar showed at that moment.
struct Printer {
    sheet: Sheet,
    bar: Sheet,
    at_messages: Arc<Mutex<Vec<String>>>,
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at_messages.lock().unwrap().push(self.bar.text());
        self.sheet.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal of one line, which is all that the bar draws on.
#[derive(Debug)]
struct OneLine(Sheet);

impl TermLike for OneLine {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.0.lock().unwrap().extend_from_slice(text.trim_end().as_bytes());
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.0.lock().unwrap().clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// Three pipes, nothing asked for.
    pub(super) fn new() -> Self {
        let options = UiOptions {
            output: OutputFormat::Text,
            color: ColorChoice::Never,
            progress: ProgressChoice::Auto,
            quiet: false,
            show_values: false,
            terminals: Terminals::default(),
        };
        let (stdout, stderr, bar) = (Sheet::default(), Sheet::default(), Sheet::default());
        Self { options, typed: String::new(), stdout, stderr, bar, at_messages: Arc::default() }
    }

    pub(super) fn terminals(mut self) -> Self {
        self.options.terminals = Terminals { stdin: true, stdout: true, stderr: true };
        self
    }

    pub(super) fn quiet(mut self) -> Self {
        self.options.quiet = true;
        self
    }

    pub(super) fn json(mut self) -> Self {
        self.options.output = OutputFormat::Json;
        self
    }

    pub(super) fn colored(mut self) -> Self {
        self.options.color = ColorChoice::Always;
        self
    }

    pub(super) fn showing_values(mut self) -> Self {
        self.options.show_values = true;
        self
    }

    pub(super) fn progress(mut self, progress: ProgressChoice) -> Self {
        self.options.progress = progress;
        self
    }

    pub(super) fn typed(mut self, typed: &str) -> Self {
        typed.clone_into(&mut self.typed);
        self
    }

    pub(super) fn ui(&self) -> Ui {
        let print_on = |sheet: &Sheet| Printer {
            sheet: sheet.clone(),
            bar: self.bar.clone(),
            at_messages: Arc::clone(&self.at_messages),
        };
        let streams = Streams {
            stdin: Box::new(Cursor::new(self.typed.clone().into_bytes())),
            stdout: Box::new(print_on(&self.stdout)),
            stderr: Box::new(print_on(&self.stderr)),
        };
        let target = ProgressDrawTarget::term_like(Box::new(OneLine(self.bar.clone())));
        Ui::assemble(self.options, streams, target)
    }

    pub(super) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(super) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// What the bar shows now.
    pub(super) fn bar(&self) -> String {
        self.bar.text()
    }

    /// What the bar showed at each message.
    pub(super) fn drawn_at_messages(&self) -> Vec<String> {
        self.at_messages.lock().unwrap().clone()
    }
}

/// A run with rows in most states.
pub(super) fn run_report_example() -> RunReport {
    RunReport {
        aim: Aim::Link,
        pool: PoolId::parse("sim-local-1_Example01").unwrap(),
        simulated: true,
        ended: Ended::Completed,
        counts: Counts {
            read: 1_000,
            linked: 986,
            already_linked: 3,
            refused: 7,
            failed: 1,
            in_doubt: 1,
            invalid: 2,
            unprocessed: 0,
            skipped: 240,
            repeated: 0,
            undone: 0,
            kept: [].into(),
            by_refusal: [(RefusalCode::IdentityHasProfile, 3), (RefusalCode::UserNotFound, 4)].into(),
            by_finding: [(FindingCode::MissingValue, 2)].into(),
        },
        not_read: None,
        writes: 748,
        reads: 12,
        throttled: 0,
        missed: None,
        elapsed: Duration::from_millis(38_200),
    }
}

/// A ledger of two runs, with a refusal that quotes an address.
pub(super) fn ledger_report_example() -> LedgerReport {
    let said = ServiceText {
        code: "InvalidParameterException".into(),
        message: "Merging is not currently supported, 'jane\x1b@example.com'".into(),
    };
    let failure = |row, key: &[u8], state, said| FailureLine {
        row: RowNumber(row),
        key: RowKey::parse(key).unwrap(),
        state,
        said,
    };
    let refused = RowState::Refused(RefusalCode::IdentityHasProfile);
    let run = |id: &str, started_unix_ms, ended: Option<&str>| RunLine {
        id: id.into(),
        command: "link".into(),
        input: "pairs.csv".into(),
        started_unix_ms,
        ended: ended.map(str::to_owned),
    };
    LedgerReport {
        ledgers: vec!["pairs.csv.ledger".into()],
        pool: "us-east-1_AbCdEfGhI".into(),
        simulated: false,
        counts: Counts {
            read: 3,
            linked: 1,
            refused: 1,
            failed: 1,
            by_refusal: [(RefusalCode::IdentityHasProfile, 1)].into(),
            ..Counts::default()
        },
        runs: vec![run("01ab", 1_772_352_000_000, Some("interrupted")), run("02cd", 1_772_355_600_500, None)],
        unprocessed_known: false,
        shards: None,
        failures: vec![
            failure(17, b"00000000000000000000000000000011", refused, Some(said)),
            failure(18, b"00000000000000000000000000000012", RowState::Failed, None),
        ],
        failures_left_out: 5,
    }
}
