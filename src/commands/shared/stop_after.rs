//! `--stop-after`: which failures stop a run, from the defaults, the settings and the options.

use std::str::FromStr;

use super::Failure;
use super::settings::FileSettings;
use crate::domain::nearest::did_you_mean;
use crate::domain::outcome::RefusalCode;
use crate::domain::run::RunPurpose;
use crate::engine::{FailureBound, FailureClass, StopLimits};
use crate::limits::{
    STOP_FAILED_ROWS, STOP_NOT_FOUND_PERCENT, STOP_PROVIDER_ROWS, STOP_UNRECOGNISED_ROWS, STOP_WINDOW_ROWS,
};

/// One value of `--stop-after`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopAfter {
    /// `none`: no failure stops the run.
    None,
    /// `CODE=off`.
    Off(FailureClass),
    /// `CODE=N` or `CODE=P%`.
    At(FailureClass, FailureBound),
}

impl FromStr for StopAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let (name, bound) = text.split_once('=').ok_or("expected none, or CODE=N, CODE=P% or CODE=off")?;
        let class = FailureClass::parse(name).ok_or_else(|| {
            let others = ["refused", "failed", "in_doubt", "no_answer", "provider"];
            let codes = RefusalCode::ALL.iter().map(|code| code.as_str()).chain(others);
            format!(
                "{name} is neither a refusal code nor one of refused, failed, in_doubt, no_answer and provider{}",
                did_you_mean(name, codes)
            )
        })?;
        if bound == "off" {
            return Ok(Self::Off(class));
        }
        let bound = if let Some(percent) = bound.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent: &f64| *percent > 0.0 && *percent <= 100.0);
            FailureBound::Percent(percent.ok_or("expected a percentage over 0 and up to 100")?)
        } else {
            let most = STOP_WINDOW_ROWS as u64;
            let rows = bound.parse().ok().filter(|rows: &u64| (1..=most).contains(rows));
            FailureBound::Rows(rows.ok_or_else(|| format!("expected a number of rows from 1 to {most}"))?)
        };
        match (class, bound) {
            (FailureClass::Provider, FailureBound::Percent(_)) => {
                Err("provider takes a number of rows, of which all are refused".to_owned())
            }
            _ => Ok(Self::At(class, bound)),
        }
    }
}

/// What stops a run by default: signs of a wrong file, a wrong pool or a sick service.
fn default_limits(purpose: RunPurpose) -> StopLimits {
    let failed = FailureBound::Rows(STOP_FAILED_ROWS);
    let mut limits = StopLimits::from([(FailureClass::Failed, failed), (FailureClass::InDoubt, failed)]);
    if purpose == RunPurpose::Link {
        limits.extend([
            (FailureClass::Refusal(RefusalCode::UserNotFound), FailureBound::Percent(STOP_NOT_FOUND_PERCENT)),
            (FailureClass::Refusal(RefusalCode::Unrecognised), FailureBound::Rows(STOP_UNRECOGNISED_ROWS)),
            (FailureClass::Provider, FailureBound::Rows(STOP_PROVIDER_ROWS)),
        ]);
    }
    limits
}

/// Returns the limits of a run: the defaults, changed by the settings, changed by the options.
pub fn stop_limits(purpose: RunPurpose, file: &FileSettings, options: &[StopAfter]) -> Result<StopLimits, Failure> {
    let in_file = file.stop_after.iter().map(|text| {
        text.parse().map_err(|error| Failure::Usage(format!("stop-after '{text}' in the settings: {error}")))
    });
    let in_file: Vec<StopAfter> = in_file.collect::<Result<_, _>>()?;
    let mut limits = default_limits(purpose);
    for change in in_file.iter().chain(options) {
        match *change {
            StopAfter::None => limits.clear(),
            StopAfter::Off(class) => {
                limits.remove(&class);
            }
            StopAfter::At(class, bound) => {
                limits.insert(class, bound);
            }
        }
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let not_found = FailureClass::Refusal(RefusalCode::UserNotFound);
        for (text, expected) in [
            ("none", StopAfter::None),
            ("user_not_found=20%", StopAfter::At(not_found, FailureBound::Percent(20.0))),
            ("user_not_found=off", StopAfter::Off(not_found)),
            ("refused=1000", StopAfter::At(FailureClass::Refused, FailureBound::Rows(1_000))),
            ("in_doubt=1", StopAfter::At(FailureClass::InDoubt, FailureBound::Rows(1))),
            ("failed=0.5%", StopAfter::At(FailureClass::Failed, FailureBound::Percent(0.5))),
            ("no_answer=5%", StopAfter::At(FailureClass::NoAnswer, FailureBound::Percent(5.0))),
            ("provider=50", StopAfter::At(FailureClass::Provider, FailureBound::Rows(50))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "off",
            "refused",
            "refused=",
            "refused=0",
            "refused=1001",
            "refused=0%",
            "refused=101%",
            "NaN=NaN%",
            "refused=NaN%",
            "nobody=3",
            "provider=20%",
        ] {
            assert!(bad.parse::<StopAfter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn options_change_settings_and_settings_change_the_defaults() {
        let limits = |file: &[&str], options: &[&str]| {
            let stop_after = file.iter().map(|text| (*text).to_owned()).collect();
            let file = FileSettings { stop_after, ..FileSettings::default() };
            let options: Vec<StopAfter> = options.iter().map(|text| text.parse().unwrap()).collect();
            let limits = stop_limits(RunPurpose::Link, &file, &options).map_err(|failure| failure.to_string())?;
            Ok::<_, String>(limits.iter().map(|(class, bound)| format!("{class}={bound}")).collect::<Vec<_>>())
        };
        let defaults = ["user_not_found=20%", "unrecognised=10", "failed=100", "in_doubt=100", "provider=20"];
        assert_eq!(limits(&[], &[]).unwrap(), defaults);
        assert_eq!(limits(&["none", "failed=5"], &["refused=2"]).unwrap(), ["refused=2", "failed=5"]);
        assert_eq!(
            limits(&["user_not_found=50%"], &["user_not_found=60%", "provider=off", "unrecognised=off"]).unwrap(),
            ["user_not_found=60%", "failed=100", "in_doubt=100"]
        );
        assert!(limits(&["soon"], &[]).is_err_and(|error| error.contains("settings")));
        let undo = default_limits(RunPurpose::Undo);
        assert_eq!(undo.len(), 2, "undo refuses links that it must leave");
    }
}
