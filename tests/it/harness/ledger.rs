//! A ledger as a script would read it: an object a line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// States that a settled row may have.
const OUTCOME_STATES: [&str; 5] = ["linked", "already_linked", "refused", "failed", "in_doubt"];

/// The whole lines of a ledger.
pub(crate) struct LedgerFile {
    lines: Vec<Value>,
}

impl LedgerFile {
    /// Reads it; one that is not there yet is empty, and half a line at its end is left out.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| serde_json::from_str(line).expect("a ledger line is JSON")).collect();
        Self { lines }
    }

    /// What it belongs to.
    pub(crate) fn first_line(&self) -> &Value {
        &self.lines[0]
    }

    /// Where its first run wrote, and as whom.
    pub(crate) fn run_origin(&self) -> &Value {
        let start = self.lines.iter().find(|line| line["type"] == "run_started");
        &start.expect("a run has started")["origin"]
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter()
    }

    /// How many rows have a result.
    pub(crate) fn outcomes(&self) -> usize {
        self.lines.iter().filter(|line| line["state"].is_string()).count()
    }

    /// Keys of rows that were announced at any time.
    pub(crate) fn announced(&self) -> BTreeSet<String> {
        self.lines.iter().filter(|line| line["type"] == "announced").map(key_of).collect()
    }

    /// Each row's newest state: an announcement without a result is `announced`.
    pub(crate) fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for line in &self.lines {
            if let Some(state) = line["state"].as_str() {
                assert!(OUTCOME_STATES.contains(&state), "{state}");
                states.insert(key_of(line), state.to_owned());
            } else if line["type"] == "announced" {
                states.insert(key_of(line), "announced".to_owned());
            } else if line["type"] == "withdrawn" {
                states.remove(&key_of(line));
            }
        }
        states
    }

    /// Each settled row's newest state, or its code where it has one.
    pub(crate) fn codes(&self) -> BTreeMap<String, String> {
        let settled = self.lines.iter().filter(|line| line["state"].is_string());
        let word = |line: &Value| line["code"].as_str().or(line["state"].as_str()).unwrap_or_default().to_owned();
        settled.map(|line| (key_of(line), word(line))).collect()
    }

    /// How many rows stand in a state.
    pub(crate) fn count(&self, state: &str) -> usize {
        self.states().values().filter(|held| *held == state).count()
    }
}

/// A ledger whose records were changed by somebody who knows how to compute the hashes.
pub(crate) fn resealed(text: &str) -> String {
    let mut state = [0_u8; 32];
    let seal = |line: &str| {
        let (record, _) = line.rsplit_once(",\"hash\":").expect("a line ends with its hash");
        state = Sha256::new().chain_update(state).chain_update(record).finalize().into();
        let hash = u64::from_be_bytes(*state.first_chunk().expect("it has 32 bytes"));
        format!("{record},\"hash\":\"{hash:016x}\"}}\n")
    };
    text.lines().map(seal).collect()
}

fn key_of(line: &Value) -> String {
    line["key"].as_str().expect("a row has a key").to_owned()
}
