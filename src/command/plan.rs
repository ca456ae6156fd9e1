//! The plan: what was foretold of each row, kept until `link` does exactly that.
//!
//! JSON lines: a header, then a line for each valid row of the input, in its order. The header binds the plan to the
//! bytes of the input, to the options that make rows of them, to the pool, and to itself and its own lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::failure::Failure;
use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, Personal, ProviderName};
use crate::domain::row::{Row, RowKey};
use crate::engine::Foretold;
use crate::foresight::verdict::{Forecast, Verdict};
use crate::input::{InputError, InputOptions, InputSource};
use crate::ledger::Binding;
use crate::limits::PLAN_LINE_BYTES_MAX;

/// The version of the format.
const FORMAT: u32 = 1;

/// What a plan says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanHeader {
    /// The version of the format.
    pub plan: u32,
    /// The program that wrote it.
    pub tool: String,
    /// The pool.
    pub pool: String,
    /// Whether it is a simulated one.
    pub simulated: bool,
    /// The input's name.
    pub input: String,
    /// The input's bytes.
    pub input_hash: String,
    /// The options that make rows of them.
    pub options_hash: String,
    /// When the pool was read: what happened later is not in the plan.
    pub scanned_unix_ms: UnixMs,
    /// How it was read.
    pub look_up: String,
    /// Lines that follow.
    pub rows: u64,
    /// Invalid rows, of which there are no lines.
    pub invalid: u64,
    /// Rows by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// How long the links will take at the pace that was asked for, in milliseconds.
    pub eta_ms: Option<u64>,
    /// The header without this member, and the lines that follow, hashed.
    pub hash: String,
}

/// What a plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The input's name, for people.
    pub input: String,
    /// The input's bytes.
    pub input_hash: String,
    /// The options that make rows of them.
    pub options_hash: String,
}

impl Bound {
    /// Of this input, read in this way.
    ///
    /// # Errors
    /// Where the input cannot be read.
    pub fn of(source: &InputSource, options: &InputOptions) -> Result<Self, InputError> {
        Ok(Self {
            input: source.name().to_owned(),
            input_hash: source.fingerprint()?,
            // Any option may make other rows of the same bytes.
            options_hash: format!("{:032x}", xxh3_128(format!("{options:?}").as_bytes())),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    row: u64,
    key: String,
    verdict: String,
    /// The user name that a look-up or a choice found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// Whether a plan can be written there: told before the pool is read. Leaves nothing behind.
///
/// # Errors
/// Where it cannot.
pub fn probe(path: &Path) -> Result<(), InputError> {
    tempfile::tempfile_in(folder_of(path)).map(drop).map_err(|error| fault(path, error))
}

/// Writes a plan. It has mode 0600, and stands under its name only when it is whole.
pub(super) struct PlanWriter {
    path: PathBuf,
    lines: BufWriter<File>,
    hasher: Xxh3,
    rows: u64,
}

impl PlanWriter {
    pub(super) fn create(path: &Path) -> Result<Self, InputError> {
        let lines = tempfile::tempfile_in(folder_of(path)).map_err(|error| fault(path, error))?;
        Ok(Self { path: path.to_owned(), lines: BufWriter::new(lines), hasher: Xxh3::new(), rows: 0 })
    }

    pub(super) fn write(&mut self, row: &Row, forecast: &Forecast) -> Result<(), InputError> {
        let looked_up = row.link.destination.needs_look_up() && forecast.verdict == Verdict::Link;
        let user = forecast.user.as_ref().filter(|_| looked_up);
        let line = Line {
            row: row.number.0,
            key: row.key.to_string(),
            verdict: forecast.verdict.as_str().to_owned(),
            user: user.map(|user| user.value.expose().to_owned()),
        };
        let mut text = serde_json::to_vec(&line).map_err(|error| fault(&self.path, error.into()))?;
        text.push(b'\n');
        self.hasher.update(&text);
        self.rows += 1;
        self.lines.write_all(&text).map_err(|error| fault(&self.path, error))
    }

    /// Puts header and lines under the plan's name; rows and hash of the lines are filled in here.
    pub(super) fn finish(self, header: PlanHeader) -> Result<(), InputError> {
        let Self { path, lines, hasher, rows } = self;
        let written = || -> io::Result<()> {
            let mut lines = lines.into_inner().map_err(io::IntoInnerError::into_error)?;
            let header = PlanHeader { rows, ..header };
            let header = PlanHeader { hash: header.hash_with(&hasher)?, ..header };
            let mut file = BufWriter::new(NamedTempFile::new_in(folder_of(&path))?);
            serde_json::to_writer(&mut file, &header)?;
            file.write_all(b"\n")?;
            lines.rewind()?;
            io::copy(&mut lines, &mut file)?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        written().map_err(|error| fault(&path, error))
    }
}

impl PlanHeader {
    /// The header of a plan for this input and pool, its lines still to come.
    #[must_use]
    pub fn new(bound: Bound, binding: &Binding, tool: &str) -> Self {
        Self {
            plan: FORMAT,
            tool: tool.to_owned(),
            pool: binding.pool.to_string(),
            simulated: binding.simulated,
            input: bound.input,
            input_hash: bound.input_hash,
            options_hash: bound.options_hash,
            scanned_unix_ms: 0,
            look_up: String::new(),
            rows: 0,
            invalid: 0,
            verdicts: BTreeMap::new(),
            eta_ms: None,
            hash: String::new(),
        }
    }

    /// The hash of the plan, its lines being in `lines`.
    fn hash_with(&self, lines: &Xxh3) -> io::Result<String> {
        let mut hasher = lines.clone();
        hasher.update(&serde_json::to_vec(&Self { hash: String::new(), ..self.clone() })?);
        Ok(format!("{:032x}", hasher.digest128()))
    }

    /// Rows with this verdict.
    #[must_use]
    pub fn count(&self, verdict: &str) -> u64 {
        self.verdicts.get(verdict).copied().unwrap_or_default()
    }
}

/// A plan that is being followed.
pub struct Plan {
    lines: BufReader<File>,
    rows_read: u64,
}

/// Opens a plan and reads it once, to know before anything is sent that it is whole.
///
/// # Errors
/// [`Failure::Usage`] where it cannot be opened, [`Failure::Mismatch`] where it is no plan, of another format or damaged.
pub fn open(path: &Path) -> Result<(PlanHeader, Plan), Failure> {
    let name = path.display();
    let file = File::open(path).map_err(|error| Failure::Usage(format!("--plan {name}: {error}")))?;
    let mut lines = BufReader::new(file);
    let io_fault = |error: io::Error| Failure::Usage(format!("--plan {name}: {error}"));
    let mut first = Vec::new();
    lines.by_ref().take(PLAN_LINE_BYTES_MAX as u64).read_until(b'\n', &mut first).map_err(io_fault)?;
    let header: PlanHeader = serde_json::from_slice(&first)
        .map_err(|_| Failure::Mismatch(format!("{name} is not a plan; `validate --save-plan` writes one")))?;
    if header.plan != FORMAT {
        let told = format!("{name} has format {}, and this version reads {FORMAT}; make a new plan", header.plan);
        return Err(Failure::Mismatch(told));
    }
    let start = lines.stream_position().map_err(io_fault)?;
    let mut hasher = Xxh3::new();
    loop {
        let read = lines.fill_buf().map_err(io_fault)?;
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        let count = read.len();
        lines.consume(count);
    }
    if header.hash_with(&hasher).map_err(io_fault)? != header.hash {
        return Err(Failure::Mismatch(format!("{name} is damaged, or was edited; make a new plan")));
    }
    lines.seek(io::SeekFrom::Start(start)).map_err(io_fault)?;
    Ok((header, Plan { lines, rows_read: 0 }))
}

impl Plan {
    /// What the plan says of a row. Rows come in the input's order; those of other shards are passed over.
    ///
    /// # Errors
    /// Where the plan does not have the row: the two do not belong together.
    pub fn of(&mut self, row: &Row) -> Result<Foretold, String> {
        let strange = || format!("row {}: not in the plan; make a new plan", row.number);
        let line = loop {
            let line = self.read_line()?.ok_or_else(strange)?;
            if line.row >= row.number.0 {
                break line;
            }
        };
        if line.row != row.number.0 || RowKey::parse(line.key.as_bytes()) != Some(row.key) {
            return Err(strange());
        }
        let user = line.user.as_deref().map(Personal::from_service);
        match Verdict::parse(&line.verdict).ok_or_else(strange)? {
            Verdict::Link => {
                Ok(Foretold::Link(user.map(|value| DestinationUser { provider: ProviderName::native(), value })))
            }
            Verdict::AlreadyLinked => Ok(Foretold::AlreadyLinked),
            Verdict::Refused(code) => Ok(Foretold::Refused(code)),
        }
    }

    fn read_line(&mut self) -> Result<Option<Line>, String> {
        let mut text = Vec::new();
        let limit = PLAN_LINE_BYTES_MAX as u64;
        let read = self.lines.by_ref().take(limit).read_until(b'\n', &mut text);
        self.rows_read += 1;
        match read {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_slice(&text).map(Some).map_err(|_| self.unreadable()),
            Err(error) => Err(format!("the plan: {error}")),
        }
    }

    fn unreadable(&self) -> String {
        format!("the plan cannot be read on at its row {}; make a new plan", self.rows_read)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn fault(path: &Path, source: io::Error) -> InputError {
    InputError::Write { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests;
