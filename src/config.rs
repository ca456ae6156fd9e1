//! Settings, resolved and validated: flags, then the environment, then the file of `--config`.

mod selection;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::identity::PoolId;
use crate::domain::shard::Shard;
use crate::limits;
pub use selection::{row_ranges, since};

/// A setting that cannot be used. Its text names the option and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// What the file of `--config` may hold; every key is named as its option.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FileSettings {
    /// `--user-pool-id`.
    pub user_pool_id: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// `--rate`, a number or `auto`.
    pub rate: Option<Scalar>,
    /// `--share`.
    pub share: Option<f64>,
    /// `--concurrency`.
    pub concurrency: Option<usize>,
    /// `--preset`.
    pub preset: Option<String>,
    /// `--map`, as a table of columns and names.
    pub map: BTreeMap<String, Scalar>,
    /// `--set`, as a table of columns and values.
    pub set: BTreeMap<String, Scalar>,
    /// `--allow`, as a list of codes.
    pub allow: Vec<String>,
}

impl FileSettings {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or has a key or value that is none; the line is named.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            ConfigError(format!("{}, line {line}: {}", path.display(), error.message().trim()))
        })
    }

    /// `map` or `set` as their options would have it.
    #[must_use]
    pub fn pairs(table: &BTreeMap<String, Scalar>) -> Vec<String> {
        table.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// A value that may be written with or without quotes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// In quotes.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
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

/// A pool's id and the Region that it is in.
///
/// # Errors
/// When the id has the wrong shape, or another Region is named.
pub fn pool(id: &str, region: Option<&str>) -> Result<PoolId, ConfigError> {
    let pool = PoolId::parse(id).map_err(|error| ConfigError(format!("--user-pool-id '{id}': {error}")))?;
    match region {
        Some(region) if region != pool.region() => Err(ConfigError(format!(
            "--region {region} contradicts the pool's id {id}, which is in {}; leave --region out",
            pool.region()
        ))),
        _ => Ok(pool),
    }
}

/// Checks an address in place of the Region's own.
///
/// # Errors
/// When it is not an `http` or `https` one with a host.
pub fn endpoint_url(url: &str) -> Result<String, ConfigError> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace)) {
        return Ok(url.to_owned());
    }
    Err(ConfigError(format!("--endpoint-url '{url}': expected an address such as https://cognito-idp.example.com")))
}

/// How fast a run may write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// A share of the service's quota.
    Auto,
    /// As fast as the service lets it.
    Max,
    /// So many writes a second.
    PerSecond(f64),
}

/// Reads `--rate`.
///
/// # Errors
/// When it is neither `auto` nor `max` nor a number within the bounds.
pub fn rate(text: &str) -> Result<Rate, ConfigError> {
    match text {
        "auto" => return Ok(Rate::Auto),
        "max" => return Ok(Rate::Max),
        _ => {}
    }
    let bounds = limits::RATE_PER_SECOND_MIN..=limits::RATE_PER_SECOND_MAX;
    match text.parse::<f64>() {
        Ok(number) if bounds.contains(&number) => Ok(Rate::PerSecond(number)),
        _ => Err(ConfigError(format!(
            "--rate '{text}': expected auto, max, or a number of writes a second from {} to {}",
            bounds.start(),
            bounds.end()
        ))),
    }
}

/// What `--shard` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// This one.
    Given(Shard),
    /// The one that the scheduler's variables tell, of so many where that is said.
    Auto(Option<u32>),
}

/// Reads `--shard`.
///
/// # Errors
/// When it is neither `INDEX/COUNT`, nor `auto`, nor `auto/COUNT`.
pub fn shard(text: &str) -> Result<ShardChoice, ConfigError> {
    let wrong = |error| ConfigError(format!("--shard '{text}': {error}; or auto, or auto/COUNT"));
    match text.split_once('/') {
        None if text == "auto" => Ok(ShardChoice::Auto(None)),
        Some(("auto", count)) => {
            let shard = Shard::parse(&format!("0/{count}")).map_err(wrong)?;
            Ok(ShardChoice::Auto(Some(shard.count())))
        }
        _ => Shard::parse(text).map(ShardChoice::Given).map_err(wrong),
    }
}

/// Checks `--share`.
///
/// # Errors
/// When it is not over 0 and up to 1.
pub fn share(share: f64) -> Result<f64, ConfigError> {
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err(ConfigError(format!("--share {share}: expected a share of the quota over 0 and up to 1")))
    }
}

/// Calls in flight: as asked for, else two seconds' worth of the rate, within the bounds.
///
/// # Errors
/// When the number asked for is out of bounds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, clamped"
)]
pub fn concurrency(asked: Option<usize>, writes_per_second: f64) -> Result<usize, ConfigError> {
    match asked {
        Some(number) if (1..=limits::CONCURRENCY_MAX).contains(&number) => Ok(number),
        Some(number) => {
            Err(ConfigError(format!("--concurrency {number}: expected a number from 1 to {}", limits::CONCURRENCY_MAX)))
        }
        None => {
            let (least, most) = (limits::CONCURRENCY_MIN as f64, limits::CONCURRENCY_MAX as f64);
            Ok((writes_per_second * 2.0).clamp(least, most) as usize)
        }
    }
}

/// Reads a time such as `90s`, `45m`, `1h30m` or `2d`.
///
/// # Errors
/// When it is none, or not over 0.
pub fn duration(option: &str, text: &str) -> Result<Duration, ConfigError> {
    let wrong = || ConfigError(format!("{option} '{text}': expected a time such as 90s, 45m, 8h or 1h30m"));
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).ok().filter(|span| !span.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_and_its_region() {
        assert!(pool("us-east-1_Abc", None).is_ok());
        assert!(pool("us-east-1_Abc", Some("us-east-1")).is_ok());
        assert!(pool("us-east-1_Abc", Some("eu-west-1")).is_err_and(|error| error.0.contains("contradicts")));
        assert!(pool("nonsense", None).is_err_and(|error| error.0.contains("us-east-1_AbCdEfGhI")));
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in ["http://127.0.0.1:4566", "https://example.com/", "http://[::1]:1"] {
            assert_eq!(endpoint_url(good).as_deref(), Ok(good));
        }
        for bad in ["", "example.com", "localhost:4566", "http://", "http:///x", "ftp://x", "https://a b"] {
            assert!(endpoint_url(bad).is_err_and(|error| error.0.contains("--endpoint-url")), "{bad}");
        }
    }

    #[test]
    fn numbers_within_their_bounds() {
        assert_eq!(rate("auto"), Ok(Rate::Auto));
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert_eq!(rate("12.5"), Ok(Rate::PerSecond(12.5)));
        for bad in ["0", "-1", "fast", "NaN", "inf", "1e9", ""] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(share(1.0), Ok(1.0));
        assert!(share(0.0).is_err() && share(1.1).is_err() && share(f64::NAN).is_err());
        assert_eq!(concurrency(None, 20.0), Ok(40));
        assert_eq!(concurrency(None, 0.2), Ok(limits::CONCURRENCY_MIN));
        assert_eq!(concurrency(None, f64::INFINITY), Ok(limits::CONCURRENCY_MAX));
        assert!(concurrency(Some(0), 20.0).is_err());
    }

    #[test]
    fn simulation_and_time() {
        assert_eq!(duration("--d", "1h30m"), Ok(Duration::from_mins(90)));
        assert!(duration("--d", "-5s").is_err() && duration("--d", "soon").is_err() && duration("--d", "0s").is_err());
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
        let settings = FileSettings::read(&path).unwrap();
        assert_eq!(settings.rate, Some(Scalar::Integer(12)));
        assert_eq!(settings.allow, ["provider_prefix"]);
        assert_eq!(FileSettings::pairs(&settings.map), ["source_value=objectId"]);
        std::fs::write(&path, "rate = 12\nspeed = 3\n").unwrap();
        let error = FileSettings::read(&path).unwrap_err();
        assert!(error.0.contains("line 2") && error.0.contains("speed"), "{error}");
    }
}
