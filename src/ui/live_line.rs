//! The line that is drawn again and again at the bottom of a terminal: it is never wider than the terminal, and leaves
//! nothing behind where the terminal becomes narrower.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use crate::limits::{LIVE_LINE_COLUMNS_DEFAULT, LIVE_LINE_HZ};

/// Fewer columns for the text than this, and the bar is left out.
const TEXT_COLUMNS_MIN: usize = 60;
/// The columns of what stands before the text: the spinner, and the bar with its brackets.
const SPINNER_COLUMNS: usize = 2;
const BAR_COLUMNS: usize = 23;

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
        let up = if rows > 1 { format!("\x1b[{}A", rows - 1) } else { String::new() };
        self.draw(&format!("\r{up}\x1b[J"));
    }

    fn draw(&mut self, text: &str) {
        // There is no other place to report an error.
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes());
        let _ = stderr.flush();
    }
}

/// What indicatif draws on. It pads a line to the width of the terminal, and a terminal that becomes narrower would wrap
/// the padding. So the padding is dropped, and the wrapped rows are counted here.
#[derive(Clone)]
struct Drawing(Arc<Mutex<Drawn>>);

struct Drawn {
    terminal: Box<dyn Terminal>,
    /// Written, and not on the terminal yet.
    pending: String,
    /// Columns of what is on the terminal now.
    columns: usize,
}

impl Drawing {
    fn on(terminal: Box<dyn Terminal>) -> Self {
        Self(Arc::new(Mutex::new(Drawn { terminal, pending: String::new(), columns: 0 })))
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last column stays free: some terminals start a new row as soon as it is written.
    fn columns(&self) -> usize {
        self.drawn().terminal.columns().saturating_sub(1)
    }
}

impl fmt::Debug for Drawing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Drawing")
    }
}

impl TermLike for Drawing {
    /// Not 0: indicatif divides by it.
    fn width(&self) -> u16 {
        u16::try_from(self.columns().max(1)).unwrap_or(u16::MAX)
    }

    /// The line is drawn on a terminal of any height.
    fn height(&self) -> u16 {
        u16::MAX
    }

    // It is always the one line, and `clear_line` finds its first row.
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
        self.drawn().pending.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut drawn = self.drawn();
        if drawn.columns > 0 {
            // A terminal that has become narrower has wrapped the line.
            let rows = drawn.columns.div_ceil(drawn.terminal.columns().max(1));
            drawn.terminal.erase(rows);
            drawn.columns = 0;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut drawn = self.drawn();
        let text = std::mem::take(&mut drawn.pending);
        let text = text.trim_end_matches(' ');
        if !text.is_empty() {
            drawn.terminal.draw(text);
            drawn.columns += text.chars().count();
        }
        Ok(())
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
    /// What stays of it where there is no room.
    pub(super) short: Option<String>,
}

/// Parts with a rank up to this stay until the others are short.
const RANK_KEPT: u8 = 1;

impl Part {
    pub(super) fn new(rank: u8, text: String) -> Self {
        Self { rank, text, short: None }
    }

    pub(super) fn or_short(self, short: String) -> Self {
        Self { short: Some(short), ..self }
    }
}

impl LiveText {
    /// A text of one part.
    pub(super) fn plain(text: String) -> Self {
        Self { bar: None, parts: vec![Part::new(0, text)] }
    }

    /// How indicatif draws the text, and the bar where there is room, in so many columns.
    fn style(&self, columns: usize) -> ProgressStyle {
        let has_bar = self.bar.is_some() && columns >= TEXT_COLUMNS_MIN;
        let (template, head) = if has_bar {
            ("{spinner} [{bar:20}] {text}", SPINNER_COLUMNS + BAR_COLUMNS)
        } else {
            ("{spinner} {text}", SPINNER_COLUMNS)
        };
        let text = fit(&self.parts, columns.saturating_sub(head));
        ProgressStyle::with_template(template)
            // A test draws both templates.
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            // The last one is for a bar that is finished, which is never drawn.
            .tick_chars("|/-\\ ")
            .progress_chars("=> ")
            .with_key("text", move |_: &ProgressState, line: &mut dyn fmt::Write| {
                let _ = line.write_str(&text);
            })
    }
}

/// Joins the parts. Where they are too long, those that matter least are left out, then those with a short text have it,
/// then the others are left out. Of the last one, whole words stay.
pub(super) fn fit(parts: &[Part], columns: usize) -> String {
    let mut kept = parts.to_vec();
    loop {
        let text = kept.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(", ");
        if text.chars().count() <= columns {
            return text;
        }
        let last = |chosen: &dyn Fn(&Part) -> bool| {
            let found = kept.iter().enumerate().filter(|(_, part)| chosen(part));
            found.max_by_key(|(at, part)| (part.rank, *at)).map(|(at, _)| at)
        };
        if let Some(at) = last(&|part| part.rank > RANK_KEPT && part.short.is_none()).filter(|_| kept.len() > 1) {
            kept.remove(at);
        } else if let Some(at) = last(&|part| part.short.as_ref().is_some_and(|short| *short != part.text)) {
            kept[at].text = kept[at].short.clone().unwrap_or_default();
        } else if let Some(at) = last(&|_| true).filter(|_| kept.len() > 1) {
            kept.remove(at);
        } else {
            return whole_words(&text, columns);
        }
    }
}

fn whole_words(text: &str, columns: usize) -> String {
    let mut line = String::new();
    for word in text.split(' ') {
        if line.chars().count() + usize::from(!line.is_empty()) + word.chars().count() > columns {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.trim_end_matches([',', ':']) {
        // Not even the first word has room.
        "" => text.chars().take(columns).collect(),
        words => words.to_owned(),
    }
}

/// The line itself. Nothing is drawn where there is no terminal.
pub(super) struct LiveLine {
    drawing: Option<Drawing>,
    /// Most drawings per second, but for short bursts.
    hz: Option<u8>,
    shown: Option<(ProgressBar, LiveText)>,
}

impl LiveLine {
    pub(super) fn hidden() -> Self {
        Self { drawing: None, hz: None, shown: None }
    }

    pub(super) fn on_stderr() -> Self {
        Self { hz: Some(LIVE_LINE_HZ), ..Self::on(Box::new(StderrTerminal)) }
    }

    /// Draws each text at once.
    pub(super) fn on(terminal: Box<dyn Terminal>) -> Self {
        Self { drawing: Some(Drawing::on(terminal)), ..Self::hidden() }
    }

    /// Shows this text, at once or with a later one.
    pub(super) fn show(&mut self, text: LiveText) {
        let Some(drawing) = &self.drawing else { return };
        let bar = self.shown.take().map_or_else(|| new_bar(drawing, self.hz), |(bar, _)| bar);
        bar.set_style(text.style(drawing.columns()));
        bar.update(|state| {
            if let Some((done, total)) = text.bar {
                state.set_pos(done);
                // indicatif draws a full bar for nothing of nothing.
                state.set_len(total.max(1));
            }
        });
        self.shown = Some((bar, text));
    }

    /// Removes the line until the next text.
    pub(super) fn clear(&mut self) {
        if let Some((bar, _)) = self.shown.take() {
            bar.finish_and_clear();
        }
    }

    /// Prints something else with the line removed, and draws the line again.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match (&self.drawing, &self.shown) {
            (Some(drawing), Some((bar, text))) => {
                bar.set_style(text.style(drawing.columns()));
                bar.suspend(print)
            }
            _ => print(),
        }
    }
}

fn new_bar(drawing: &Drawing, hz: Option<u8>) -> ProgressBar {
    let drawing = Box::new(drawing.clone());
    let target = match hz {
        Some(hz) => ProgressDrawTarget::term_like_with_hz(drawing, hz),
        None => ProgressDrawTarget::term_like(drawing),
    };
    ProgressBar::with_draw_target(None, target)
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
        let part = |rank, text: &str| Part::new(rank, text.to_owned());
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

    /// What is drawn, without the spinner.
    fn drawn(text: LiveText, columns: usize) -> String {
        let terminal = Reflowing::default();
        terminal.set_columns(columns);
        let mut line = LiveLine::on(Box::new(terminal.clone()));
        line.show(text);
        let row = terminal.rows().concat();
        assert!(row.starts_with(['|', '/', '-', '\\']), "{row:?}");
        row[1..].trim_start().to_owned()
    }

    #[test]
    fn what_matters_least_goes_first() {
        for (columns, expected) in [
            (101, "[====>               ] 240 of 1,000 rows done (24 %), paused, 19.9/s, 0 throttled, 38 s left"),
            (61, "[====>               ] paused, 38 s left"),
            (60, "240 of 1,000 rows done (24 %), paused, 19.9/s, 38 s left"),
            (41, "paused, 38 s left"),
            (13, "paused"),
            (6, "pau"),
            (3, ""),
        ] {
            assert_eq!(drawn(text(), columns), expected, "{columns} columns");
        }
        for columns in 1..130 {
            let width = drawn(text(), columns).chars().count() + 2;
            assert!(width < columns.max(3), "{width} of {columns}");
        }
    }

    #[test]
    fn a_text_of_one_part_keeps_whole_words() {
        let plain = |columns| drawn(LiveText::plain("checking the input: 1,234 rows".to_owned()), columns);
        assert_eq!(
            [plain(40), plain(25), plain(13), plain(8)],
            ["checking the input: 1,234 rows", "checking the input", "checking", "check"]
        );
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
            assert!(rows[0].starts_with(['|', '/', '-', '\\']), "{rows:?}");
        }
        terminal.set_columns(20);
        line.suspend(|| assert!(terminal.rows().is_empty(), "{:?}", terminal.rows()));
        assert_eq!(terminal.rows().len(), 1, "{:?}", terminal.rows());
        terminal.set_columns(10);
        line.clear();
        assert!(terminal.rows().is_empty());
        line.show(text());
        assert_eq!(terminal.rows().len(), 1, "it comes back");
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
            let text = LiveText { bar: Some((done, total)), ..LiveText::plain("text".to_owned()) };
            assert_eq!(drawn(text, 80), format!("[{expected}] text"), "{done} of {total}");
        }
    }
}
