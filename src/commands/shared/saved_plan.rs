//! The saved plan: the forecast of each row, which `validate --save-plan` writes and `link --plan` follows.
//!
//! The file has JSON lines: a header, then one line for each valid row of the input, in its order. The header binds the
//! plan to the bytes of the input, to the options that make rows of them, to the pool, and to its own lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{ExpectedPool, Failure, place_of, pool_kind};
use crate::clock::{Clock, UnixMs};
use crate::domain::endpoint::CustomEndpoint;
use crate::domain::identity::{DestinationUser, Personal, PoolId, ProviderName};
use crate::domain::row::{Row, RowKey};
use crate::engine::PlannedOutcome;
use crate::foresight::prediction::{PredictedOutcome, Prediction};
use crate::input::{InputError, InputOptions, InputSource, OutputFile, copy_of_object, write_error};
use crate::ledger::Binding;
use crate::ledger::record::TOOL_VERSION;
use crate::limits::PLAN_LINE_BYTES_MAX;
use crate::ui::format;

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanHeader {
    pub plan: u32,
    pub tool: String,
    pub pool: String,
    pub simulated: bool,
    /// The endpoint that the pool was read from, where it is not AWS's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Name of the input, for people.
    pub input: String,
    pub input_hash: String,
    /// Hash of the options that make rows of the bytes.
    pub options_hash: String,
    /// When the pool was read. Later changes are not in the plan.
    pub scanned_unix_ms: UnixMs,
    pub look_up: String,
    pub rows: u64,
    /// Number of invalid rows, which have no line.
    pub invalid: u64,
    pub verdicts: BTreeMap<String, u64>,
    /// Estimated time of the links, in milliseconds.
    pub eta_ms: Option<u64>,
    /// Whether the lines have the last change of users, which `--order recent` needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_changes: bool,
    /// Arguments of the command that made the plan, for suggested commands; older plans have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Hash of the lines and of the header without this member.
    pub hash: String,
}

/// The input that a plan is for, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedInput {
    pub name: String,
    pub content_hash: String,
    pub options_hash: String,
}

impl PlannedInput {
    pub fn of(source: &InputSource, options: &InputOptions) -> Result<Self, InputError> {
        Ok(Self {
            name: source.name().to_owned(),
            content_hash: source.fingerprint()?,
            // Any option may make other rows of the same bytes.
            options_hash: format!("{:032x}", xxh3_128(format!("{options:?}").as_bytes())),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct PlanLine {
    row: u64,
    key: String,
    verdict: String,
    /// The user that a look-up or a choice found, where the row does not name it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The last change of the user of a row that will be linked, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<UnixMs>,
}

/// Writes a plan. It has mode 0600, and gets its name only when it is complete.
pub struct PlanWriter {
    path: PathBuf,
    lines: BufWriter<File>,
    hasher: Xxh3,
    rows: u64,
    has_changes: bool,
}

impl PlanWriter {
    pub fn create(path: &Path) -> Result<Self, InputError> {
        let lines = tempfile::tempfile().map_err(|error| write_error(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            lines: BufWriter::new(lines),
            hasher: Xxh3::new(),
            rows: 0,
            has_changes: false,
        })
    }

    pub fn write(&mut self, row: &Row, forecast: &Prediction) -> Result<(), InputError> {
        // Where the pool ignores case, its spelling of a user name is what a later look at the user finds.
        let is_as_given = |user: &DestinationUser| user.value == *row.link.destination.value();
        let user = forecast.user.as_ref().filter(|user| {
            forecast.outcome == PredictedOutcome::Link && user.provider.is_native() && !is_as_given(user)
        });
        let line = PlanLine {
            row: row.number.0,
            key: row.key.to_string(),
            verdict: forecast.outcome.as_str().to_owned(),
            user: user.map(|user| user.value.expose().to_owned()),
            changed: forecast.changed_unix_ms.filter(|_| forecast.outcome == PredictedOutcome::Link),
        };
        self.has_changes |= line.changed.is_some();
        let text = line_of(&line).map_err(|error| write_error(&self.path, error))?;
        self.hasher.update(&text);
        self.rows += 1;
        self.lines.write_all(&text).map_err(|error| write_error(&self.path, error))
    }

    /// Completes the header and gives the file its name. Returns the digest of the plan.
    pub fn finish(self, header: PlanHeader) -> Result<String, InputError> {
        let Self { path, lines, hasher, rows, has_changes } = self;
        let fault = |error| write_error(&path, error);
        let mut lines = lines.into_inner().map_err(|error| fault(error.into_error()))?;
        lines.rewind().map_err(fault)?;
        let header = PlanHeader { rows, has_changes, ..header };
        let header = PlanHeader { hash: header.hash_with(&hasher).map_err(fault)?, ..header };
        let mut file = OutputFile::create(&path)?;
        let first = line_of(&header).map_err(fault)?;
        file.write(&first)?;
        let mut digest = Sha256::new_with_prefix(&first);
        let mut lines = BufReader::new(lines);
        loop {
            let read = lines.fill_buf().map_err(fault)?;
            if read.is_empty() {
                break;
            }
            file.write(read)?;
            digest.update(read);
            let count = read.len();
            lines.consume(count);
        }
        file.finish()?;
        Ok(digest_text(digest))
    }
}

impl PlanHeader {
    pub fn new(input: PlannedInput, binding: &Binding) -> Self {
        Self {
            plan: FORMAT,
            tool: TOOL_VERSION.to_owned(),
            pool: binding.pool.to_string(),
            simulated: binding.simulated,
            endpoint: binding.endpoint.as_ref().map(CustomEndpoint::to_string),
            input: input.name,
            input_hash: input.content_hash,
            options_hash: input.options_hash,
            scanned_unix_ms: 0,
            look_up: String::new(),
            rows: 0,
            invalid: 0,
            verdicts: BTreeMap::new(),
            eta_ms: None,
            has_changes: false,
            arguments: Vec::new(),
            hash: String::new(),
        }
    }

    fn hash_with(&self, lines: &Xxh3) -> io::Result<String> {
        let mut hasher = lines.clone();
        hasher.update(&serde_json::to_vec(&Self { hash: String::new(), ..self.clone() })?);
        Ok(format!("{:032x}", hasher.digest128()))
    }

    /// Returns the number of rows that are not linked and will not be.
    pub fn refused(&self) -> u64 {
        self.rows.saturating_sub(self.count("link") + self.count("already_linked"))
    }

    /// Returns the number of rows with this verdict.
    pub fn count(&self, verdict: &str) -> u64 {
        self.verdicts.get(verdict).copied().unwrap_or_default()
    }

    /// Returns the pool, and its endpoint where that is not AWS's own, as [`place_of`] does.
    fn place(&self) -> String {
        let at = self.endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
        format!("{} {}{at}", pool_kind(self.simulated), self.pool)
    }

    /// Refuses a plan that is for another pool or endpoint than the service has shown itself to be.
    pub fn check_binding(&self, path: &Path, binding: &Binding) -> Result<(), Failure> {
        if self.place() == place_of(binding) {
            return Ok(());
        }
        Err(Failure::Mismatch(format!(
            "{}: the plan is for {}, and this run for {}; nothing was sent, make a new plan",
            path.display(),
            self.place(),
            place_of(binding)
        )))
    }

    /// As [`PlanHeader::check_binding`], as far as that shows before the service is called.
    pub fn refuse_other_pool(&self, path: &Path, run: &ExpectedPool) -> Result<(), Failure> {
        let held = PoolId::parse(&self.pool).ok().map(|pool| {
            let endpoint = self.endpoint.as_deref().and_then(CustomEndpoint::parse);
            Binding { pool, simulated: self.simulated, endpoint }
        });
        match held.and_then(|held| run.other_than(&held)) {
            Some(expected) => self.check_binding(path, &expected),
            None => Ok(()),
        }
    }

    /// Refuses a plan that is for another input, or too old.
    pub fn check(
        &self,
        path: &Path,
        source: &InputSource,
        options: &InputOptions,
        age_max: Duration,
        clock: Clock,
    ) -> Result<(), Failure> {
        let mismatch = |why: String| {
            Err(Failure::Mismatch(format!("{}: {why}; nothing was sent, make a new plan", path.display())))
        };
        let age_ms = clock.unix_ms().saturating_sub(self.scanned_unix_ms);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        if age > age_max {
            let (age, age_max) = (format::duration(age), format::duration(age_max));
            return mismatch(format!("the pool was read {age} ago, and --plan-max-age is {age_max}"));
        }
        let input = PlannedInput::of(source, options)?;
        if input.content_hash != self.input_hash {
            return mismatch(format!(
                "{} is another file than the plan was made for, or has changed since",
                input.name
            ));
        }
        if input.options_hash != self.options_hash {
            return mismatch("the input is read with other options than the plan was made with".to_owned());
        }
        Ok(())
    }
}

pub struct SavedPlan {
    lines: BufReader<File>,
    rows_read: u64,
}

/// A plan as it was when it was opened: a change of its file since does not reach it.
pub struct PrivatePlan {
    pub header: PlanHeader,
    pub plan: SavedPlan,
    /// `sha256:` and the digest of its bytes.
    pub digest: String,
    /// All of its bytes, in a file without a name.
    pub copy: File,
}

/// Copies a plan to an unnamed temporary file, and reads all of the copy once: a damaged plan is refused before anything is
/// sent.
pub fn open_private_copy(path: &Path) -> Result<PrivatePlan, Failure> {
    let mut given = open_file(path)?;
    let mut copied = || -> io::Result<(File, File)> {
        let mut copy = tempfile::NamedTempFile::new()?;
        io::copy(&mut given, &mut copy)?;
        // Two descriptors with a position each: one for the rows of the plan, one for its signature.
        Ok((copy.reopen()?, copy.reopen()?))
    };
    let (lines, copy) = copied().map_err(|error| super::temporary_file_error(&error))?;
    let (header, plan, digest) = read_plan(path, lines)?;
    Ok(PrivatePlan { header, plan, digest, copy })
}

fn open_file(path: &Path) -> Result<File, Failure> {
    if let Some(copy) = copy_of_object(path)? {
        return Ok(copy.into_file());
    }
    File::open(path).map_err(|error| Failure::Usage(format!("plan {}: {error}", path.display())))
}

fn digest_text(digest: Sha256) -> String {
    let bytes: [u8; 32] = digest.finalize().into();
    bytes.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read_plan(path: &Path, file: File) -> Result<(PlanHeader, SavedPlan, String), Failure> {
    let name = path.display();
    let mut lines = BufReader::new(file);
    let io_fault = |error: io::Error| Failure::Usage(format!("plan {name}: {error}"));
    let mut first = Vec::new();
    lines.by_ref().take(PLAN_LINE_BYTES_MAX as u64).read_until(b'\n', &mut first).map_err(io_fault)?;
    let header: PlanHeader = serde_json::from_slice(&first)
        .map_err(|_| Failure::Mismatch(format!("{name} is not a plan; write one with `validate --save-plan`")))?;
    if header.plan != FORMAT {
        return Err(Failure::Mismatch(format!(
            "{name} has format {}, and this version reads format {FORMAT}; make a new plan",
            header.plan
        )));
    }
    let start = lines.stream_position().map_err(io_fault)?;
    let mut hasher = Xxh3::new();
    let mut digest = Sha256::new_with_prefix(&first);
    loop {
        let read = lines.fill_buf().map_err(io_fault)?;
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        digest.update(read);
        let count = read.len();
        lines.consume(count);
    }
    if header.hash_with(&hasher).map_err(io_fault)? != header.hash {
        return Err(Failure::Mismatch(format!("{name} is damaged or was edited; make a new plan")));
    }
    lines.seek(io::SeekFrom::Start(start)).map_err(io_fault)?;
    Ok((header, SavedPlan { lines, rows_read: 0 }, digest_text(digest)))
}

impl SavedPlan {
    /// Returns the forecast of a row, and the last change of a user who will be linked. Rows come in the order of the
    /// input; lines of other shards are skipped. An error means that plan and input do not belong together.
    pub fn next_for(&mut self, row: &Row) -> Result<(PlannedOutcome, Option<UnixMs>), String> {
        let not_in_plan = || format!("row {}: not in the plan; make a new plan", row.number);
        let line = loop {
            let line = self.read_line()?.ok_or_else(not_in_plan)?;
            if line.row >= row.number.0 {
                break line;
            }
        };
        if line.row != row.number.0 || RowKey::parse(line.key.as_bytes()) != Some(row.key) {
            return Err(not_in_plan());
        }
        let user = line.user.as_deref().map(Personal::from_service);
        let outcome = match PredictedOutcome::parse(&line.verdict).ok_or_else(not_in_plan)? {
            PredictedOutcome::Link => {
                PlannedOutcome::Link(user.map(|value| DestinationUser { provider: ProviderName::native(), value }))
            }
            PredictedOutcome::AlreadyLinked => PlannedOutcome::AlreadyLinked,
            PredictedOutcome::Refused(code) => PlannedOutcome::Refused(code),
        };
        Ok((outcome, line.changed))
    }

    fn read_line(&mut self) -> Result<Option<PlanLine>, String> {
        let mut text = Vec::new();
        let limit = PLAN_LINE_BYTES_MAX as u64;
        let read = self.lines.by_ref().take(limit).read_until(b'\n', &mut text);
        self.rows_read += 1;
        match read {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_slice(&text).map(Some).map_err(|_| self.unreadable()),
            Err(error) => Err(format!("cannot read the plan: {error}")),
        }
    }

    fn unreadable(&self) -> String {
        format!("cannot read row {} of the plan; make a new plan", self.rows_read)
    }
}

fn line_of(value: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok([serde_json::to_vec(value)?, b"\n".to_vec()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, Destination, ExternalIdentity};
    use crate::domain::outcome::RefusalCode;
    use crate::domain::row::{Link, RowNumber};

    fn row(number: u64, destination: Destination) -> Row {
        let source = ExternalIdentity::new(
            ProviderName::parse("Okta").unwrap(),
            AttributeName::subject(),
            Personal::from_service(&format!("Id{number}")),
        );
        let link = Link { destination, source: source.unwrap() };
        let key = RowKey::of(&PoolId::parse("us-east-1_A").unwrap(), &link);
        Row { number: RowNumber(number), link, key }
    }

    fn rows() -> [Row; 4] {
        let personal = Personal::from_service;
        [
            row(1, Destination::Username(personal("alice"))),
            row(2, Destination::Email(personal("b@example.com"))),
            row(4, Destination::Username(personal("carol"))),
            row(5, Destination::Sub(personal("0-1"))),
        ]
    }

    fn header() -> PlanHeader {
        let input = PlannedInput { name: "pairs.csv".into(), content_hash: "0".into(), options_hash: "1".into() };
        let binding = Binding::new(PoolId::parse("us-east-1_A").unwrap(), false, None);
        PlanHeader::new(input, &binding)
    }

    /// A plan for [`rows`] in this folder.
    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("plan.jsonl");
        let bob = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("bob") };
        let refused = PredictedOutcome::Refused(RefusalCode::UserNotFound);
        let forecasts = [
            (PredictedOutcome::Link, None),
            (PredictedOutcome::Link, Some(bob)),
            (PredictedOutcome::AlreadyLinked, None),
            (refused, None),
        ];
        let mut writer = PlanWriter::create(&path).unwrap();
        for (row, (outcome, user)) in rows().iter().zip(forecasts) {
            // Only what will be linked keeps its date.
            let changed_unix_ms = (row.number.0 > 1).then_some(7);
            let forecast = Prediction { outcome, user, hint: None, doubt: None, concerns: Vec::new(), changed_unix_ms };
            writer.write(row, &forecast).unwrap();
        }
        writer.finish(header()).unwrap();
        path
    }

    #[test]
    fn a_plan_reads_back_in_the_order_of_the_rows() {
        let folder = tempfile::tempdir().unwrap();
        let PrivatePlan { header, mut plan, .. } = open_private_copy(&written(folder.path())).unwrap();
        assert_eq!((header.rows, header.pool.as_str(), header.has_changes), (4, "us-east-1_A", true));
        let bob = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("bob") };
        let [first, second, third, fourth] = rows();
        assert_eq!(plan.next_for(&first), Ok((PlannedOutcome::Link(None), None)));
        assert_eq!(plan.next_for(&second), Ok((PlannedOutcome::Link(Some(bob)), Some(7))));
        // The rows between are of another shard.
        assert_eq!(plan.next_for(&fourth), Ok((PlannedOutcome::Refused(RefusalCode::UserNotFound), None)));
        assert!(plan.next_for(&third).is_err_and(|error| error.contains("row 4: not in the plan")));
    }

    #[test]
    fn a_row_that_is_another_one_is_not_in_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        let PrivatePlan { mut plan, .. } = open_private_copy(&written(folder.path())).unwrap();
        let other = row(1, Destination::Username(Personal::from_service("mallory")));
        assert!(plan.next_for(&other).is_err());
    }

    #[test]
    fn a_plan_is_private_and_complete_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let unfinished = folder.path().join("unfinished");
        PlanWriter::create(&unfinished).unwrap();
        assert!(!unfinished.exists());
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_and_a_private_copy_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        let digest = digest_text(Sha256::new_with_prefix(&bytes));
        let mut private = open_private_copy(&path).unwrap();
        assert_eq!(private.digest, digest);
        std::fs::write(&path, "changed").unwrap();
        let mut copied = Vec::new();
        private.copy.read_to_end(&mut copied).unwrap();
        assert_eq!(copied, bytes);
        for row in rows() {
            private.plan.next_for(&row).unwrap();
        }
    }

    #[test]
    fn a_damaged_plan_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        for (damaged, expected) in [
            (text.replace("already_linked", "link"), "is damaged or was edited"),
            (text.lines().take(3).collect::<Vec<_>>().join("\n") + "\n", "is damaged"),
            (text.replacen("\"scanned_unix_ms\":0", "\"scanned_unix_ms\":9", 1), "is damaged or was edited"),
            (text.replacen("\"plan\":1", "\"plan\":2", 1), "has format 2"),
            ("destination_username\nalice\n".to_owned(), "is not a plan"),
            (String::new(), "is not a plan"),
        ] {
            std::fs::write(&path, damaged).unwrap();
            let failure = open_private_copy(&path).map(drop).unwrap_err();
            assert_eq!(failure.exit(), crate::exit::Exit::Mismatch);
            assert!(failure.to_string().contains(expected), "{failure}");
        }
    }
}
