//! Limits that are checked before anything is sent: an input that is too small, and a run that would change too much.

use clap::Args;

use super::settings::{FileSettings, parse_count, parse_percent};
use super::{Failure, headings};
use crate::domain::run::{StopCause, StopError};
use crate::limits::{INPUT_ROWS_MIN, SHRINK_PERCENT_MAX};
use crate::ui::format::{count, counted};

#[derive(Debug, Default, Args)]
#[command(next_help_heading = headings::PACE)]
pub struct InputLimitArgs {
    /// Minimum number of rows in the input; with fewer, nothing is sent [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_count, hide_short_help = true)]
    pub min_rows: Option<u64>,
    /// Percentage of its rows that the input may have lost since the last run with this input and ledger [default: 20]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, hide_short_help = true)]
    pub max_shrink: Option<f64>,
}

/// How small an input may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputLimits {
    pub rows_min: u64,
    pub shrink_percent_max: f64,
}

impl InputLimits {
    pub fn new(min_rows: Option<u64>, max_shrink: Option<f64>, file: &FileSettings) -> Result<Self, Failure> {
        let shrink = max_shrink.or(file.max_shrink).unwrap_or(SHRINK_PERCENT_MAX);
        check_percent("max-shrink", shrink)?;
        Ok(Self { rows_min: min_rows.or(file.min_rows).unwrap_or(INPUT_ROWS_MIN), shrink_percent_max: shrink })
    }

    /// Refuses an input of so many rows. `rows_before` is what the last run with the same input had.
    #[expect(clippy::cast_precision_loss, reason = "a share of counts")]
    pub fn check(self, rows: u64, rows_before: Option<u64>) -> Result<(), Failure> {
        if rows < self.rows_min {
            return Err(Failure::SmallInput(format!(
                "the input has {}, fewer than --min-rows {}; nothing was sent",
                counted(rows, "row"),
                count(self.rows_min)
            )));
        }
        let Some(before) = rows_before.filter(|before| rows < *before) else { return Ok(()) };
        let lost = (before - rows) as f64 * 100.0 / before as f64;
        if lost <= self.shrink_percent_max {
            return Ok(());
        }
        Err(Failure::SmallInput(format!(
            "the input has {}, {lost:.0} % fewer than the {} of the last run with this ledger, over --max-shrink {}; \
             nothing was sent",
            counted(rows, "row"),
            count(before),
            self.shrink_percent_max
        )))
    }
}

/// How much one run may change. The smaller bound holds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ChangeBounds {
    pub changes_max: Option<u64>,
    /// Links in percent of the file's rows.
    pub percent_max: Option<f64>,
}

impl ChangeBounds {
    pub fn new(max_changes: Option<u64>, max_changes_pct: Option<f64>, file: &FileSettings) -> Result<Self, Failure> {
        let percent_max = max_changes_pct.or(file.max_changes_pct);
        check_percent("max-changes-pct", percent_max.unwrap_or_default())?;
        Ok(Self { changes_max: max_changes.or(file.max_changes), percent_max })
    }

    /// These bounds, and the defaults where there are none.
    pub fn or(self, changes_max: u64, percent_max: f64) -> Self {
        Self {
            changes_max: self.changes_max.or(Some(changes_max)),
            percent_max: self.percent_max.or(Some(percent_max)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "shares of counts")]
    pub fn check(self, changes: u64, rows: u64) -> Result<(), StopError> {
        let stop = |bound: String| {
            let advice = "nothing was sent; check these links, then raise the bound";
            StopError::new(
                StopCause::Bound,
                format!("{} would be made, over {bound}; {advice}", counted(changes, "link")),
            )
        };
        if let Some(most) = self.changes_max.filter(|most| changes > *most) {
            return Err(stop(format!("--max-changes {most}")));
        }
        match self.percent_max.filter(|most| changes as f64 * 100.0 > most * rows as f64) {
            Some(most) => Err(stop(format!("--max-changes-pct {most} of {rows} rows"))),
            None => Ok(()),
        }
    }
}

impl ChangeBounds {
    /// Returns the bounds that so many links of so many rows cross, raised to what these need.
    pub fn raised_for(self, changes: u64, rows: u64) -> Self {
        let crosses = |bounds: Self| bounds.check(changes, rows).is_err();
        let changes_max = crosses(Self { percent_max: None, ..self }).then_some(changes);
        let percent_max = crosses(Self { changes_max: None, ..self }).then(|| {
            let percent = u128::from(changes) * 100;
            u32::try_from(percent.div_ceil(u128::from(rows.max(1)))).map_or(100.0, f64::from)
        });
        Self { changes_max, percent_max }
    }
}

/// Refuses a percentage of the settings file that is none.
fn check_percent(name: &str, percent: f64) -> Result<(), Failure> {
    parse_percent(&percent.to_string()).map_err(|error| Failure::Usage(format!("{name} {percent}: {error}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_too_small_is_refused() {
        let check = |min_rows, max_shrink, rows, before| {
            let limits = InputLimits::new(min_rows, max_shrink, &FileSettings::default()).unwrap();
            limits.check(rows, before).map_err(|failure| failure.to_string())
        };
        assert!(check(None, None, 0, None).is_err_and(|error| error.contains("0 rows, fewer than --min-rows 1")));
        assert!(check(Some(0), None, 0, None).is_ok() && check(None, None, 1, None).is_ok());
        assert!(check(Some(1_000), None, 999, None).is_err() && check(Some(1_000), None, 1_000, None).is_ok());
        assert!(check(None, None, 800, Some(1_000)).is_ok() && check(None, None, 2_000, Some(1_000)).is_ok());
        let shrunk = check(None, None, 799, Some(1_000)).unwrap_err();
        assert_eq!(
            shrunk,
            "the input has 799 rows, 20 % fewer than the 1,000 of the last run with this ledger, over --max-shrink 20; \
             nothing was sent"
        );
        assert!(check(None, Some(100.0), 1, Some(1_000)).is_ok() && check(None, Some(0.0), 999, Some(1_000)).is_err());
        let file = FileSettings { max_shrink: Some(200.0), ..FileSettings::default() };
        assert!(InputLimits::new(None, None, &file).is_err());
    }

    #[test]
    fn the_smaller_bound_of_changes_holds() {
        let check =
            |changes_max, percent_max, changes| ChangeBounds { changes_max, percent_max }.check(changes, 1_000).is_ok();
        assert!(check(None, None, 1_000) && check(Some(10), None, 10) && !check(Some(10), None, 11));
        assert!(check(None, Some(5.0), 50) && !check(None, Some(5.0), 51) && !check(Some(60), Some(5.0), 55));
        for (changes, rows) in [(1, 3), (2, 3), (51, 1_000), (600, 601), (1_000, 1_000), (7, 7)] {
            let bounds = ChangeBounds { changes_max: Some(0), percent_max: Some(0.1) };
            let raised = bounds.raised_for(changes, rows);
            assert!(raised.changes_max.is_some() && raised.check(changes, rows).is_ok(), "{raised:?}");
            assert!(raised.percent_max.is_some_and(|percent| percent <= 100.0), "{raised:?}");
            assert_eq!(raised.raised_for(changes, rows), ChangeBounds::default());
        }
        let bounds = ChangeBounds::default().or(500, 5.0);
        assert_eq!((bounds.changes_max, bounds.percent_max), (Some(500), Some(5.0)));
    }
}
