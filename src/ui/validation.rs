//! The result of `validate`: as text the counts, and then the first findings; as JSON one object with every one of them,
//! written as they come.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::Value;

use super::console::Console;
use super::findings::FindingTeller;
use super::observer::EventPrinter;
use super::{OutputFormat, forecast, json, text};
use crate::domain::event::{Event, Observer};
use crate::domain::finding::{Finding, Severity};
use crate::domain::forecast::{ForecastReport, RefusedLine};
use crate::domain::report::ValidateReport;
use crate::limits;

/// Takes findings and gives the result. Tells progress meanwhile.
pub struct Findings {
    console: Arc<Console>,
    teller: EventPrinter,
    shown: Vec<Finding>,
    hidden: BTreeMap<Severity, u64>,
    /// Text for stdout that is not written yet; empty where the result is not JSON.
    json: String,
    is_first: bool,
    refused: Vec<RefusedLine>,
    refused_hidden: u64,
    fault: Option<io::Error>,
}

impl Findings {
    pub(super) fn new(console: Arc<Console>, input: &str) -> Self {
        let is_json = console.options().output == OutputFormat::Json;
        let json = if is_json { json::validate_start(input) } else { String::new() };
        let teller = EventPrinter::new(Arc::clone(&console));
        Self {
            console,
            teller,
            shown: Vec::new(),
            hidden: BTreeMap::new(),
            json,
            is_first: true,
            refused: Vec::new(),
            refused_hidden: 0,
            fault: None,
        }
    }

    /// The result to stdout. As text, the first findings of each severity follow on stderr.
    ///
    /// # Errors
    /// Where stdout cannot be written; a reader that has left is no fault.
    pub fn close(
        mut self,
        report: &ValidateReport,
        forecast: Option<&ForecastReport>,
        exit_status: u8,
    ) -> io::Result<()> {
        drop(self.teller);
        if self.console.options().output == OutputFormat::Json {
            self.json.push_str(&json::validate_end(report, forecast.map(forecast::as_json), exit_status));
            return self.fault.take().map_or_else(|| self.console.print(&self.json), Err);
        }
        self.console.print(&text::validate_report(report, self.console.stdout_style()))?;
        let mut details = FindingTeller::new(Arc::clone(&self.console));
        self.shown.iter().for_each(|finding| details.tell(finding));
        self.hidden.into_iter().for_each(|(severity, count)| details.hide(severity, count));
        details.close();
        if let Some(forecast) = forecast {
            self.console.print(&forecast::as_text(forecast, self.console.stdout_style()))?;
            let lines = self.refused.iter().map(forecast::refused_text);
            let more = (self.refused_hidden > 0).then(|| forecast::hidden_text(self.refused_hidden));
            lines.chain(more).for_each(|line| self.console.warn(&line));
        }
        Ok(())
    }

    /// No more findings will come, but rows that `link` would refuse.
    pub fn begin_refused(&mut self) {
        if self.console.options().output == OutputFormat::Json {
            self.json.push_str("],\"refused_rows\":[");
            self.is_first = true;
        }
    }

    /// Takes a row that `link` would refuse.
    pub fn refused(&mut self, line: &RefusedLine) {
        if self.console.options().output == OutputFormat::Json {
            self.write(&forecast::refused_json(line));
        } else if self.refused.len() < limits::VERDICTS_SHOWN_MAX {
            self.refused.push(line.clone());
        } else {
            self.refused_hidden += 1;
        }
    }

    fn keep(&mut self, finding: &Finding) {
        let alike = self.shown.iter().filter(|shown| shown.severity == finding.severity).count();
        if alike < limits::FINDINGS_SHOWN_MAX {
            self.shown.push(finding.clone());
        } else {
            *self.hidden.entry(finding.severity).or_default() += 1;
        }
    }

    fn write(&mut self, item: &Value) {
        if !std::mem::take(&mut self.is_first) {
            self.json.push(',');
        }
        self.json.push_str(json::encode(item).trim_end());
        if self.json.len() >= limits::RESULT_BUFFER_BYTES && self.fault.is_none() {
            self.fault = self.console.print(&self.json).err();
            self.json.clear();
        }
    }
}

impl Observer for Findings {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Found(finding) if self.console.options().output == OutputFormat::Json => {
                self.write(&json::finding(finding));
            }
            Event::Found(finding) => self.keep(finding),
            _ => self.teller.on(event),
        }
    }
}
