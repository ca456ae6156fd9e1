//! The line that is drawn again and again at the bottom of a terminal: it is never wider than the terminal, and leaves
//! nothing behind where the terminal becomes narrower.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::clock;
use crate::limits::{LIVE_LINE_COLUMNS_DEFAULT, PROGRESS_INTERVAL_MS};

/// Columns that are filled in proportion.
const BAR_COLUMNS: u64 = 20;
/// Fewer columns for the text than this, and the bar is left out.
const TEXT_COLUMNS_MIN: usize = 60;
const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// The terminal that the line is on.
pub(super) trait Terminal: Send {
    fn columns(&self) -> usize;
    /// Removes the line, which may have been wrapped onto so many rows.
    fn erase(&mut self, rows: usize);
    fn draw(&mut self, text: &str);
}

/// The terminal of stderr.
pub(super) struct StderrTerminal;

impl Terminal for StderrTerminal {
    fn columns(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
        size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(LIVE_LINE_COLUMNS_DEFAULT)
    }

    fn erase(&mut self, rows: usize) {
        let mut text = "\r".to_owned();
        if rows > 1 {
            let _ = write!(text, "\x1b[{}A", rows - 1);
        }
        self.draw(&(text + "\x1b[J"));
    }

    fn draw(&mut self, text: &str) {
        // There is no other place to report an error.
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes());
        let _ = stderr.flush();
    }
}

/// What the line shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveText {
    /// What is done, of how much, where both are known.
    pub(super) bar: Option<(u64, u64)>,
    pub(super) parts: Vec<Part>,
}

/// A part of the text. Of a long text, the parts with the highest rank are left out first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) rank: u8,
    pub(super) text: String,
}

impl LiveText {
    /// A text of one part.
    pub(super) fn plain(text: String) -> Self {
        Self { bar: None, parts: vec![Part { rank: 0, text }] }
    }

    /// The text and the bar in at most so many columns.
    fn fitted(&self, columns: usize, turn: usize) -> String {
        let spinner = SPINNER[turn % SPINNER.len()];
        let filled = self.bar.filter(|_| columns >= TEXT_COLUMNS_MIN).map(|(done, total)| bar(done, total));
        let head = filled.map_or_else(|| format!("{spinner} "), |bar| format!("{spinner} [{bar}] "));
        let text = fit(&self.parts, columns.saturating_sub(head.chars().count()));
        (head + &text).chars().take(columns).collect()
    }
}

fn bar(done: u64, total: u64) -> String {
    let filled = (u128::from(done.min(total)) * u128::from(BAR_COLUMNS)).checked_div(u128::from(total)).unwrap_or(0);
    (0..u128::from(BAR_COLUMNS))
        .map(|column| match column {
            _ if column < filled => '=',
            _ if column == filled && done > 0 => '>',
            _ => ' ',
        })
        .collect()
}

/// Joins the parts. Where they are too long, those with the highest rank are left out, and the last one is cut.
pub(super) fn fit(parts: &[Part], columns: usize) -> String {
    let mut kept: Vec<&Part> = parts.iter().collect();
    loop {
        let text = kept.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(", ");
        let last = kept.iter().enumerate().max_by_key(|(at, part)| (part.rank, *at)).map(|(at, _)| at);
        match last {
            Some(at) if text.chars().count() > columns && kept.len() > 1 => {
                kept.remove(at);
            }
            _ => return text.chars().take(columns).collect(),
        }
    }
}

/// The line itself. Nothing is drawn where there is no terminal.
pub(super) struct LiveLine {
    terminal: Option<Box<dyn Terminal>>,
    /// Least time between two drawings.
    interval: Duration,
    shown: Option<LiveText>,
    /// Columns of what is on the terminal now.
    drawn_columns: usize,
    drawn_at: Option<std::time::Instant>,
    turn: usize,
}

impl LiveLine {
    pub(super) fn hidden() -> Self {
        Self { terminal: None, interval: Duration::ZERO, shown: None, drawn_columns: 0, drawn_at: None, turn: 0 }
    }

    pub(super) fn on_stderr() -> Self {
        Self { interval: Duration::from_millis(PROGRESS_INTERVAL_MS), ..Self::on(Box::new(StderrTerminal)) }
    }

    /// Draws each text at once.
    pub(super) fn on(terminal: Box<dyn Terminal>) -> Self {
        Self { terminal: Some(terminal), ..Self::hidden() }
    }

    /// Shows this text, at once or with a later one.
    pub(super) fn show(&mut self, text: LiveText) {
        let is_first = self.shown.replace(text).is_none();
        if is_first || self.drawn_at.is_none_or(|at| clock::machine_instant().duration_since(at) >= self.interval) {
            self.turn = self.turn.wrapping_add(1);
            self.draw();
        }
    }

    /// Removes the line for good.
    pub(super) fn clear(&mut self) {
        self.erase();
        self.shown = None;
    }

    /// Removes the line until [`Self::draw`]: something else is about to be printed.
    pub(super) fn erase(&mut self) {
        let Some(terminal) = &mut self.terminal else { return };
        if self.drawn_columns > 0 {
            // A terminal that has become narrower has wrapped the line.
            terminal.erase(self.drawn_columns.div_ceil(terminal.columns().max(1)));
            self.drawn_columns = 0;
        }
    }

    pub(super) fn draw(&mut self) {
        self.erase();
        let (Some(terminal), Some(shown)) = (&mut self.terminal, &self.shown) else { return };
        // The last column stays free: some terminals start a new row as soon as it is written.
        let text = shown.fitted(terminal.columns().saturating_sub(1), self.turn);
        terminal.draw(&text);
        self.drawn_columns = text.chars().count();
        self.drawn_at = Some(clock::machine_instant());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A terminal that wraps its rows again when it becomes narrower.
    #[derive(Clone, Default)]
    struct Reflowing(Arc<Mutex<(usize, String)>>);

    impl Reflowing {
        fn set_columns(&self, columns: usize) {
            self.0.lock().unwrap().0 = columns;
        }

        fn rows(&self) -> Vec<String> {
            let (columns, text) = self.0.lock().unwrap().clone();
            text.chars().collect::<Vec<_>>().chunks(columns).map(|row| row.iter().collect()).collect()
        }
    }

    impl Terminal for Reflowing {
        fn columns(&self) -> usize {
            self.0.lock().unwrap().0
        }

        fn erase(&mut self, rows: usize) {
            let mut left = self.rows();
            left.truncate(left.len().saturating_sub(rows));
            self.0.lock().unwrap().1 = left.concat();
        }

        fn draw(&mut self, text: &str) {
            self.0.lock().unwrap().1.push_str(text);
        }
    }

    fn text() -> LiveText {
        let part = |rank, text: &str| Part { rank, text: text.to_owned() };
        LiveText {
            bar: Some((240, 1_000)),
            parts: vec![
                part(2, "240 of 1,000 rows done (24 %)"),
                part(0, "paused"),
                part(3, "19.9/s"),
                part(4, "0 throttled"),
                part(1, "38 s left"),
            ],
        }
    }

    #[test]
    fn what_matters_least_goes_first() {
        let fitted = |columns| text().fitted(columns, 0);
        assert_eq!(
            fitted(100),
            "| [====>               ] 240 of 1,000 rows done (24 %), paused, 19.9/s, 0 throttled, 38 s left"
        );
        assert_eq!(fitted(60), "| [====>               ] paused, 38 s left");
        assert_eq!(fitted(59), "| 240 of 1,000 rows done (24 %), paused, 19.9/s, 38 s left");
        assert_eq!(fitted(40), "| paused, 38 s left");
        assert_eq!(fitted(12), "| paused");
        assert_eq!(fitted(5), "| pau");
        for columns in 0..130 {
            assert!(fitted(columns).chars().count() <= columns);
        }
    }

    #[test]
    fn a_terminal_that_becomes_narrower_keeps_no_fragments() {
        let terminal = Reflowing::default();
        terminal.set_columns(120);
        let mut line = LiveLine::on(Box::new(terminal.clone()));
        for columns in [120, 100, 80, 41, 40, 20, 7, 3, 60, 120, 30] {
            terminal.set_columns(columns);
            line.show(text());
            let rows = terminal.rows();
            assert_eq!(rows.len(), 1, "{columns} columns: {rows:?}");
            assert!(rows[0].starts_with(SPINNER), "{rows:?}");
        }
        line.clear();
        assert!(terminal.rows().is_empty());
    }

    #[test]
    fn a_bar_fills_up() {
        for (done, total, expected) in [
            (0, 10, "                    "),
            (5, 10, "==========>         "),
            (10, 10, "===================="),
            (11, 10, "===================="),
            (0, 0, "                    "),
            (u64::MAX, u64::MAX, "===================="),
        ] {
            assert_eq!(bar(done, total), expected, "{done} of {total}");
        }
    }
}
