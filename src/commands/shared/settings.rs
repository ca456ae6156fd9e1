//! The file of `--config`, and parsers of single settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::SpanRelativeTo;
use serde::Deserialize;

use super::Failure;
use crate::clock::UnixMs;
use crate::domain::identity::PoolId;
use crate::domain::nearest::did_you_mean;
use crate::limits;

/// What the file of `--config` may hold. Every key has the name of its option.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FileSettings {
    pub user_pool_id: Option<String>,
    pub profile: Option<String>,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub allow_insecure_endpoint: Option<bool>,
    pub expect_account: Option<String>,
    /// Whether a run on the pool of these settings is confirmed by the pool's name. This key has no option.
    pub protected: Option<bool>,
    /// IDs of the protected pools among `pools`: a ledger may be of another pool than the options.
    #[serde(skip)]
    pub protected_ids: Vec<String>,
    /// A number, `auto` or `max`.
    pub rate: Option<Scalar>,
    pub share: Option<f64>,
    pub concurrency: Option<usize>,
    pub preset: Option<String>,
    /// Columns with the names to read them under.
    pub map: BTreeMap<String, Scalar>,
    /// Columns with the value of every row.
    pub set: BTreeMap<String, Scalar>,
    pub allow: Vec<String>,
    pub stop_after: Vec<String>,
    pub canary: Option<u64>,
    pub min_rows: Option<u64>,
    /// In percent.
    pub max_shrink: Option<f64>,
    pub max_changes: Option<u64>,
    pub max_changes_pct: Option<f64>,
    /// Settings of single pools, by a name of the user's. They take precedence over those of the whole file.
    pub pools: BTreeMap<String, FileSettings>,
}

impl FileSettings {
    /// Reads the file. An error names line and column. `options` are the names of all options: those without a field here
    /// are left to [`read_option_values`].
    pub fn read(path: &Path, options: &BTreeSet<String>) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
        let own_text = without_option_values(&text, options);
        let failure = |start: usize, message: &str| {
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Failure::Usage(format!("{}, line {line}, column {column}: {message}", path.display()))
        };
        let settings: Self = toml::from_str(&own_text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let message = error.message().trim();
            // Of the names of all options, serde knows only those with a field.
            let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            let message = unknown.map_or_else(
                || match key_of_value(&text, start) {
                    Some(key) if message.starts_with("invalid type") || message.starts_with("expected a number") => {
                        format!("`{key}`: {}", in_words(message))
                    }
                    _ => message.to_owned(),
                },
                |key| {
                    let known = OWN_KEYS.into_iter().chain(options.iter().map(String::as_str));
                    format!(
                        "unknown key `{key}`; a key has the name of an option, and `protected` and `pools` are keys{}",
                        did_you_mean(key, known)
                    )
                },
            );
            failure(start, &message)
        })?;
        for (name, pool) in &settings.pools {
            if pool.user_pool_id.is_none() || !pool.pools.is_empty() {
                let message = format!("[pools.{name}] needs a user-pool-id, and no pools of its own");
                return Err(match start_of_table(&text, name) {
                    Some(start) => failure(start, &message),
                    None => Failure::Usage(format!("{}: {message}", path.display())),
                });
            }
        }
        Ok(settings)
    }

    /// Whether a pool is marked as protected: by its table, or as that of `user-pool-id`, or as every pool where neither the
    /// file nor a table names one.
    pub fn protects(&self, pool: &PoolId) -> bool {
        let is_of_file = self.user_pool_id.as_deref().is_none_or(|id| id == pool.as_str());
        (self.protected == Some(true) && is_of_file) || self.protected_ids.iter().any(|id| id == pool.as_str())
    }

    /// Returns the settings for a pool: that of the table with this name, or with the pool's id.
    pub fn for_pool(mut self, name: Option<&str>, id: Option<&str>) -> Result<Self, Failure> {
        let usage = |message: String| Err(Failure::Usage(message));
        let pools = std::mem::take(&mut self.pools);
        let is_protected = |pool: &&Self| pool.protected == Some(true);
        self.protected_ids = pools.values().filter(is_protected).filter_map(|pool| pool.user_pool_id.clone()).collect();
        let names = || pools.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let id = id.or(if name.is_none() { self.user_pool_id.as_deref() } else { None });
        let has_id = |pool: &Self| id.is_some() && pool.user_pool_id.as_deref() == id;
        let found = if let Some(name) = name {
            match pools.get(name) {
                None if pools.is_empty() => {
                    return usage(format!("--pool {name}: the settings have no pools; pass a file with --config"));
                }
                None => {
                    let near = did_you_mean(name, pools.keys().map(String::as_str));
                    return usage(format!("--pool {name}: the settings have {}{near}", names()));
                }
                Some(pool) if id.is_some() && !has_id(pool) => {
                    return usage(format!("--pool {name} has another ID than --user-pool-id"));
                }
                found => found,
            }
        } else {
            let mut same = pools.values().filter(|pool| has_id(pool));
            let found = same.next();
            if same.next().is_some() {
                return usage("several pools of the settings have this ID: name one with --pool".to_owned());
            }
            found
        };
        Ok(match found.cloned() {
            Some(pool) => self.with(pool),
            None => self,
        })
    }

    /// These settings, with those of `pool` where it has them.
    fn with(self, pool: Self) -> Self {
        let table = |whole, own: BTreeMap<String, Scalar>| if own.is_empty() { whole } else { own };
        let list = |whole, own: Vec<String>| if own.is_empty() { whole } else { own };
        Self {
            user_pool_id: pool.user_pool_id.or(self.user_pool_id),
            profile: pool.profile.or(self.profile),
            region: pool.region.or(self.region),
            endpoint_url: pool.endpoint_url.or(self.endpoint_url),
            allow_insecure_endpoint: pool.allow_insecure_endpoint.or(self.allow_insecure_endpoint),
            expect_account: pool.expect_account.or(self.expect_account),
            protected: pool.protected.or(self.protected),
            protected_ids: self.protected_ids,
            rate: pool.rate.or(self.rate),
            share: pool.share.or(self.share),
            concurrency: pool.concurrency.or(self.concurrency),
            preset: pool.preset.or(self.preset),
            map: table(self.map, pool.map),
            set: table(self.set, pool.set),
            allow: list(self.allow, pool.allow),
            // The pool's limits change those of the whole file.
            stop_after: [self.stop_after, pool.stop_after].concat(),
            canary: pool.canary.or(self.canary),
            min_rows: pool.min_rows.or(self.min_rows),
            max_shrink: pool.max_shrink.or(self.max_shrink),
            max_changes: pool.max_changes.or(self.max_changes),
            max_changes_pct: pool.max_changes_pct.or(self.max_changes_pct),
            pools: BTreeMap::new(),
        }
    }

    /// Returns a table as the options `--map` and `--set` have it.
    pub fn pairs(table: &BTreeMap<String, Scalar>) -> Vec<String> {
        table.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// Returns where the header of the table of a pool is; `None` where the pool is written in another form.
fn start_of_table(text: &str, pool: &str) -> Option<usize> {
    let is_header = |line: &str| {
        let inner = line.trim().strip_prefix('[').and_then(|line| line.split_once(']'));
        let plain = inner.map(|(inner, _)| inner.replace([' ', '\t', '"', '\''], ""));
        plain.is_some_and(|plain| plain == format!("pools.{pool}"))
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_header(line) {
            return Some(start + line.len() - line.trim_start().len());
        }
        start += line.len();
    }
    None
}

/// Returns the key of the value that starts here, where both are on one line.
fn key_of_value(text: &str, start: usize) -> Option<&str> {
    let line = text.get(..start)?.rsplit('\n').next()?;
    line.trim_end().strip_suffix('=').map(str::trim).filter(|key| !key.is_empty())
}

/// Returns a message of serde about a type in the words of the documents.
fn in_words(message: &str) -> String {
    let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "u64" | "usize" => "a whole number",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a map" => "a table such as { NAME = \"VALUE\" }",
        "a sequence" => "a list such as [\"VALUE\"]",
        other => other,
    };
    let value = found.split_once(' ').map(|(_, value)| value.trim_matches('`'));
    let found = match (found.split(' ').next(), value) {
        (Some("string"), Some(value)) => format!("the text {value}"),
        (Some("integer"), Some(value)) => format!("the number {value}"),
        (Some("floating"), Some(value)) => {
            format!("the number {}", value.trim_start_matches("point ").trim_matches('`'))
        }
        (Some("boolean"), Some(value)) => value.to_owned(),
        (Some("sequence"), _) => "a list".to_owned(),
        (Some("map"), _) => "a table".to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {expected}, not {found}")
}

/// Keys of [`FileSettings`]: they have rules of their own.
const OWN_KEYS: [&str; 20] = [
    "user-pool-id",
    "profile",
    "region",
    "endpoint-url",
    "allow-insecure-endpoint",
    "expect-account",
    "protected",
    "rate",
    "share",
    "concurrency",
    "preset",
    "map",
    "set",
    "allow",
    "stop-after",
    "min-rows",
    "max-shrink",
    "max-changes",
    "max-changes-pct",
    "pools",
];
/// The options that name a table of `pools`.
pub const DEFAULT_POOL_KEYS: [&str; 2] = ["pool", "user-pool-id"];

/// Values of options, by name, and where they are from.
pub type OptionValues = BTreeMap<String, (Vec<String>, String)>;

type SpannedTable = BTreeMap<toml::Spanned<String>, toml::Spanned<toml::Value>>;

/// The tables of single pools, with the places of their keys.
#[derive(Deserialize)]
struct SpannedPools {
    #[serde(default)]
    pools: BTreeMap<String, SpannedTable>,
}

fn is_option_key(key: &str, options: &BTreeSet<String>) -> bool {
    options.contains(key) && key != "config" && !OWN_KEYS.contains(&key)
}

/// Reads the options that have no field in [`FileSettings`], those of the chosen pool included; `None` for a file that
/// cannot be read.
pub fn read_option_values(
    path: &Path,
    options: &BTreeSet<String>,
    pool: Option<&str>,
    id: Option<&str>,
) -> Option<OptionValues> {
    let table: toml::Table = toml::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    let id_of = |table: &toml::Table| table.get("user-pool-id").and_then(|id| id.as_str().map(str::to_owned));
    let id = id.map(str::to_owned).or_else(|| id_of(&table));
    let pools = table.get("pools").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let chosen = match pool {
        Some(name) => pools.get(name),
        None => pools.values().find(|pool| id.is_some() && pool.as_table().and_then(id_of) == id),
    };
    let mut values = OptionValues::new();
    for table in [Some(&table), chosen.and_then(toml::Value::as_table)].into_iter().flatten() {
        for (key, value) in table.iter().filter(|(key, _)| is_option_key(key, options)) {
            let texts = match value {
                toml::Value::Array(values) => values.iter().map(text_of).collect(),
                value => vec![text_of(value)],
            };
            values.insert(key.clone(), (texts, path.display().to_string()));
        }
    }
    Some(values)
}

fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        // No option has such a value: its parser refuses it.
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => format!("{value:?}"),
    }
}

/// Blanks out what [`read_option_values`] reads, so that lines and columns stay as they are.
fn without_option_values(text: &str, options: &BTreeSet<String>) -> String {
    let mut kept = text.to_owned();
    let mut spans = Vec::new();
    let Ok(table) = toml::from_str::<SpannedTable>(text) else { return kept };
    let mut note = |key: &toml::Spanned<String>, end: usize| {
        if is_option_key(key.get_ref(), options) {
            spans.push(key.span().start..end);
        }
    };
    for (key, value) in &table {
        note(key, value.span().end);
    }
    let pools = toml::from_str::<SpannedPools>(text).map(|found| found.pools).unwrap_or_default();
    for (key, value) in pools.values().flatten() {
        note(key, value.span().end);
    }
    for span in spans {
        if let Some(part) = text.get(span.clone()) {
            let blank: String =
                part.chars().map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) }).collect();
            kept.replace_range(span, &blank);
        }
    }
    kept
}

/// A value that may be written with or without quotes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a text in quotes")]
pub enum Scalar {
    Text(String),
    Integer(i64),
    Number(f64),
}

impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(formatter),
            Self::Integer(number) => number.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
        }
    }
}

/// `--rate`: how fast a run may write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    Auto,
    Max,
    PerSecond(f64),
}

pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let bounds = limits::RATE_PER_SECOND_MIN..=limits::RATE_PER_SECOND_MAX;
    match text {
        "auto" => Ok(Rate::Auto),
        "max" => Ok(Rate::Max),
        _ => parse_number(text, bounds, "auto, max, or a number of writes a second").map(Rate::PerSecond),
    }
}

/// Reads a share of a quota: over 0, at most 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "expected a share of the quota over 0 and up to 1".to_owned())
}

/// Reads a number within bounds, which the error names.
pub fn parse_number<N: FromStr + PartialOrd + fmt::Display>(
    text: &str,
    bounds: RangeInclusive<N>,
    what: &str,
) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| format!("expected {what} from {} to {}", bounds.start(), bounds.end()))
}

/// Reads a whole number.
pub fn parse_count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number, such as 500".to_owned())
}

/// Reads a number that has no bound but that zero makes no sense.
pub fn parse_at_least_one<N: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "expected a whole number, at least 1".to_owned())
}

pub fn parse_concurrency(text: &str) -> Result<usize, String> {
    parse_number(text, 1..=limits::CONCURRENCY_MAX, "a number")
}

pub fn parse_percent(text: &str) -> Result<f64, String> {
    parse_number(text, 0.0..=100.0, "a number")
}

/// Reads a duration such as `90s`, `45m`, `1h30m` or `2d`. A day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let duration = span.ok().and_then(|span| Duration::try_from(span).ok()).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "expected a duration over 0, such as 90s, 45m, 1h30m or 2d".to_owned())
}

/// Reads the number of an AWS account.
pub fn parse_account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| text.to_owned()).ok_or_else(|| "expected the 12 digits of an AWS account".to_owned())
}

/// Reads an address in place of the Region's own. One with a user or a password is refused: calls are signed, and neither
/// would be sent.
pub fn parse_endpoint_url(url: &str) -> Result<String, String> {
    if url.contains('@') {
        return Err("an endpoint takes no user and no password; leave out what is before the @".to_owned());
    }
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace)) {
        return Ok(url.to_owned());
    }
    Err("expected an address such as https://cognito-idp.example.com".to_owned())
}

/// Row numbers and ranges of them, such as `5,10-20`.
pub fn parse_row_ranges(text: &str) -> Result<Vec<RangeInclusive<u64>>, String> {
    text.split(',')
        .map(|part| parse_row_range(part.trim()))
        .collect::<Option<_>>()
        .ok_or_else(|| "expected row numbers from 1, such as 5,10-20".to_owned())
}

fn parse_row_range(part: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1..=last).contains(&first).then_some(first..=last)
}

/// Reads a moment: a time with its date and zone (RFC 3339), or how long ago it was, such as `90m` or `2d`.
pub fn parse_moment(option: &str, text: &str, now: UnixMs) -> Result<UnixMs, Failure> {
    let ago = |duration: Duration| i64::try_from(duration.as_millis()).ok().map(|ago| now.saturating_sub(ago));
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_millisecond()),
        Err(_) => parse_duration(text).ok().and_then(ago),
    };
    match moment {
        Some(moment) if moment > now => Err(Failure::Usage(format!("{option} '{text}' is in the future"))),
        Some(moment) => Ok(moment),
        None => Err(Failure::Usage(format!(
            "{option} '{text}': expected a time such as 2026-03-01T08:00:00Z, or how long ago, such as 90m, 8h or 2d"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_pool_is_that_of_its_table_or_of_the_file() {
        let protects = |text: &str, named: Option<&str>, pool: &str| {
            let file: FileSettings = toml::from_str(text).unwrap();
            file.for_pool(named, None).unwrap().protects(&PoolId::parse(pool).unwrap())
        };
        let of_file = "protected = true\nuser-pool-id = \"us-east-1_A\"";
        assert!(protects(of_file, None, "us-east-1_A") && !protects(of_file, None, "us-east-1_B"));
        assert!(protects("protected = true", None, "us-east-1_B") && !protects("", None, "us-east-1_B"));
        let tables = "[pools.live]\nuser-pool-id = \"us-east-1_A\"\nprotected = true\n\
                      [pools.test]\nuser-pool-id = \"us-east-1_B\"";
        // Also where the options name no pool, as those of `undo`, or another one.
        for named in [None, Some("live"), Some("test")] {
            assert!(protects(tables, named, "us-east-1_A"), "{named:?}");
            assert!(!protects(tables, named, "us-east-1_B"), "{named:?}");
        }
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in ["http://127.0.0.1:4566", "https://example.com/", "http://[::1]:1"] {
            assert_eq!(parse_endpoint_url(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "example.com",
            "localhost:4566",
            "http://",
            "http:///x",
            "ftp://x",
            "https://a b",
            "https://user:secret@host",
        ] {
            assert!(parse_endpoint_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_within_their_bounds() {
        assert_eq!(parse_rate("auto"), Ok(Rate::Auto));
        assert_eq!(parse_rate("max"), Ok(Rate::Max));
        assert_eq!(parse_rate("12.5"), Ok(Rate::PerSecond(12.5)));
        for bad in ["0", "-1", "fast", "NaN", "inf", "1e9", ""] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_share("1.0"), Ok(1.0));
        assert!(["0", "1.1", "NaN", ""].iter().all(|bad| parse_share(bad).is_err()));
        assert_eq!(parse_at_least_one::<u64>("7"), Ok(7));
        let refused = Err("expected a whole number, at least 1".to_owned());
        assert!(
            ["0", "-1", "x", "", "99999999999999999999"].iter().all(|bad| parse_at_least_one::<u64>(bad) == refused)
        );
        assert_eq!((parse_count("0"), parse_count("500")), (Ok(0), Ok(500)));
        assert!(["-1", "x", "1.5", ""].iter().all(|bad| parse_count(bad).is_err_and(|error| error.contains("whole"))));
        assert_eq!(parse_concurrency("7"), Ok(7));
        assert!(["0", "1000000", "-1"].iter().all(|bad| parse_concurrency(bad).is_err()));
        assert_eq!(parse_percent("0.5"), Ok(0.5));
        assert!(["-1", "101", "NaN"].iter().all(|bad| parse_percent(bad).is_err()));
    }

    #[test]
    fn durations_may_have_days() {
        for (text, minutes) in [("90s", 1.5), ("1h30m", 90.0), ("2d", 2_880.0), ("1d 2h", 1_560.0), ("1w", 10_080.0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(minutes * 60.0)), "{text}");
        }
        assert!(parse_duration("7304484d").is_ok());
        for bad in ["", "-5s", "soon", "0s", "d", "1mo", "7304485d", "99999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_and_ranges() {
        assert_eq!(parse_row_ranges("5,10-20, 3"), Ok(vec![5..=5, 10..=20, 3..=3]));
        for bad in ["", "0", "3-2", "a", "1-", "-1", "1,,2", "1.5", "99999999999999999999"] {
            assert!(parse_row_ranges(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_or_how_long_ago() {
        const NOW: UnixMs = 1_795_000_000_000;
        const HOUR: i64 = 3_600_000;
        for (text, expected) in [
            ("90m", NOW - HOUR * 3 / 2),
            ("2d", NOW - 48 * HOUR),
            ("1d 2h", NOW - 26 * HOUR),
            ("1h30m", NOW - HOUR * 3 / 2),
            ("2026-03-01T08:00:00Z", 1_772_352_000_000),
            ("2026-03-01T09:00:00+01:00", 1_772_352_000_000),
        ] {
            assert_eq!(parse_moment("--since", text, NOW).unwrap(), expected, "{text}");
        }
        for bad in ["", "0s", "yesterday", "-2h", "2026-03-01", "d", "2099-01-01T00:00:00Z"] {
            for option in ["--since", "--before"] {
                assert!(parse_moment(option, bad, NOW).is_err_and(|error| error.to_string().contains(option)), "{bad}");
            }
        }
    }

    #[test]
    fn a_pool_has_settings_of_its_own() {
        let read = || -> FileSettings {
            toml::from_str(
                "min-rows = 10\nrate = 5\nstop-after = [\"failed=5\"]\n[pools.live]\nuser-pool-id = \"us-east-1_Live\"\nrate = 20\n\
                 stop-after = [\"refused=1\"]\n[pools.test]\nuser-pool-id = \"us-east-1_Test\"\n[pools.again]\nuser-pool-id = \
                 \"us-east-1_Test\"\nmin-rows = 0\n",
            )
            .unwrap()
        };
        let chosen = |name, id| read().for_pool(name, id).map_err(|failure| failure.to_string());
        let live = chosen(Some("live"), None).unwrap();
        assert_eq!((live.user_pool_id.as_deref(), live.min_rows), (Some("us-east-1_Live"), Some(10)));
        assert_eq!(
            (live.rate.clone(), live.stop_after.join(" ").as_str()),
            (Some(Scalar::Integer(20)), "failed=5 refused=1")
        );
        assert_eq!(chosen(None, Some("us-east-1_Live")).unwrap(), live);
        assert_eq!(chosen(Some("again"), Some("us-east-1_Test")).unwrap().min_rows, Some(0));
        assert_eq!(chosen(None, Some("us-east-1_Else")).unwrap().rate, Some(Scalar::Integer(5)));
        assert_eq!(chosen(None, None).unwrap().user_pool_id, None);
        for (name, id, expected) in [
            (Some("prod"), None, "have again, live, test"),
            (Some("live"), Some("us-east-1_Test"), "another ID"),
            (None, Some("us-east-1_Test"), "several pools"),
        ] {
            assert!(chosen(name, id).is_err_and(|error| error.contains(expected)), "{name:?} {id:?}");
        }
        assert!(chosen(Some("lvie"), None).is_err_and(|error| error.ends_with("; did you mean live?")));
    }

    #[test]
    fn a_file_of_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(
            &path,
            "rate = 12\nshare = 0.5\nallow = [\"provider_prefix\"]\n[map]\nsource_value = \"objectId\"\n",
        )
        .unwrap();
        let options = BTreeSet::from(["attempts".to_owned(), "rate".to_owned(), "window".to_owned()]);
        let settings = FileSettings::read(&path, &options).unwrap();
        assert_eq!(settings.rate, Some(Scalar::Integer(12)));
        assert_eq!(settings.allow, ["provider_prefix"]);
        assert_eq!(FileSettings::pairs(&settings.map), ["source_value=objectId"]);
        std::fs::write(&path, "rate = 12\nspeed = 3\n").unwrap();
        let error = FileSettings::read(&path, &options).unwrap_err().to_string();
        assert!(error.contains("line 2, column 1") && error.contains("unknown key `speed`; a key has"), "{error}");
        std::fs::write(&path, "max-shrnk = 3\n").unwrap();
        let error = FileSettings::read(&path, &options).unwrap_err().to_string();
        assert!(error.contains("`max-shrnk`; a key") && error.ends_with("; did you mean max-shrink?"), "{error}");
        for (text, expected) in [
            ("rate = true\n", "line 1, column 8: `rate`: expected a number, or a text in quotes"),
            (
                "rate = 3\nmin-rows = \"many\"\n",
                "line 2, column 12: `min-rows`: expected a whole number, not the text \"many\"",
            ),
            ("map = [\"a=b\"]\n", "line 1, column 7: `map`: expected a table such as { NAME = \"VALUE\" }, not a list"),
            ("allow = 3\n", "line 1, column 9: `allow`: expected a list such as [\"VALUE\"], not the number 3"),
            ("rate = 3\n[pools.live]\nmin-rows = 3\n", "line 2, column 1: [pools.live] needs a user-pool-id"),
            (
                "[pools.live2]\nuser-pool-id = \"us-east-1_A\"\n\n [ pools.live ]\nmin-rows = 3\n",
                "line 4, column 2: [pools.live] needs a user-pool-id",
            ),
            ("pools = { live = { rate = 3 } }\n", "settings.toml: [pools.live] needs a user-pool-id"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = FileSettings::read(&path, &options).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let text = "window = [\n  \"else@5\",\n]\nattempts = 3\nspeed = 3\n[pools.live]\nattempts = 4\nuser-pool-id = \"us-east-1_A\"\n";
        std::fs::write(&path, text).unwrap();
        let error = FileSettings::read(&path, &options).unwrap_err().to_string();
        assert!(error.contains("line 5, column 1") && error.contains("speed"), "{error}");
        std::fs::write(&path, text.replace("speed = 3\n", "")).unwrap();
        assert_eq!(FileSettings::read(&path, &options).unwrap().pools.len(), 1);
        let values = read_option_values(&path, &options, None, Some("us-east-1_A")).unwrap();
        assert_eq!(values["attempts"].0, ["4"]);
        assert_eq!(values["window"].0, ["else@5"]);
        for key in OWN_KEYS.iter().filter(|key| !matches!(**key, "pools" | "map" | "set")) {
            let read = |value: &str| toml::from_str::<FileSettings>(&format!("{key} = {value}"));
            assert!(["1", "\"x\"", "true", "[]"].into_iter().any(|value| read(value).is_ok()), "{key}");
        }
    }
}
