//! A part of the input first: `--limit`, `--rows` and `--where`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use clap::Args;

use super::settings::{parse_at_least_one, parse_row_ranges};
use super::{Failure, headings};
use crate::domain::nearest::did_you_mean;
use crate::domain::row::RowNumber;
use crate::domain::run::RunOutcome;
use crate::input::InputReader;

#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = headings::INPUT)]
pub struct PartArgs {
    /// Link at most N rows that are not done: the first ones, or with --order recent those with the latest changes
    #[arg(long, value_name = "N", value_parser = parse_at_least_one::<u64>, hide_short_help = true)]
    pub limit: Option<u64>,
    /// Link only rows with these numbers in the input, such as 5,10-20 (can be repeated)
    #[arg(long, value_name = "ROWS", value_parser = parse_row_ranges, hide_short_help = true)]
    pub rows: Vec<Vec<RangeInclusive<u64>>>,
    /// Link only rows with this value in a column of the input, named as in the input (can be repeated)
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = parse_condition, hide_short_help = true)]
    pub conditions: Vec<(String, String)>,
}

impl PartArgs {
    /// Names the command that links the other rows; `None` without a part, and where the run ended before the part did.
    pub fn resume_text(&self, ended: &RunOutcome) -> Option<String> {
        if *ended != RunOutcome::Completed {
            return None;
        }
        let given = [
            (self.limit.is_some(), "--limit"),
            (!self.rows.is_empty(), "--rows"),
            (!self.conditions.is_empty(), "--where"),
        ];
        let given: Vec<&str> = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, name)| name).collect();
        (!given.is_empty())
            .then(|| format!("run the same command without {} to link the other rows", given.join(" and ")))
    }
}

fn parse_condition(text: &str) -> Result<(String, String), String> {
    let condition = text.split_once('=').filter(|(column, _)| !column.is_empty());
    let (column, value) =
        condition.ok_or_else(|| "expected the column, `=` and a value, such as team=pilot".to_owned())?;
    Ok((column.to_owned(), value.to_owned()))
}

/// The rows that a run works on. The others are left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputPart {
    /// Rows to work on at most.
    pub limit: Option<u64>,
    /// The row at which that many are reached, once the input was checked.
    pub end: Option<RowNumber>,
    /// The rows that were chosen in another order than that of the input.
    chosen: Option<Arc<BTreeSet<RowNumber>>>,
    rows: Vec<RangeInclusive<u64>>,
    conditions: Vec<(String, String)>,
}

impl InputPart {
    /// Fails where a condition names a column that the header does not have.
    pub fn new(args: &PartArgs, reader: &InputReader) -> Result<Self, Failure> {
        let columns = reader.layout().column_names();
        let unknown = args.conditions.iter().find(|(column, _)| columns.is_some_and(|names| !names.contains(column)));
        if let Some((column, _)) = unknown {
            let columns = columns.unwrap_or_default();
            let near = did_you_mean(column, columns.iter().map(String::as_str));
            let columns = columns.join(", ");
            return Err(Failure::Usage(format!(
                "--where {column}: the input has no such column; it has {columns}{near}"
            )));
        }
        let (rows, conditions) = (args.rows.concat(), args.conditions.clone());
        Ok(Self { limit: args.limit, end: None, chosen: None, rows, conditions })
    }

    /// The same part without its limit.
    pub fn without_limit(&self) -> Self {
        Self { limit: None, end: None, ..self.clone() }
    }

    /// Of the part without its limit, these rows.
    pub fn only(&self, chosen: BTreeSet<RowNumber>) -> Self {
        Self { chosen: Some(Arc::new(chosen)), ..self.without_limit() }
    }

    /// Whether the part depends on values, which are only at hand while a row is read.
    pub fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether the number of a row is in the part. Values are not compared.
    pub fn has_number(&self, number: RowNumber) -> bool {
        let is_before_end = self.end.is_none_or(|end| number <= end);
        let is_chosen = self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&number));
        is_before_end && is_chosen && (self.rows.is_empty() || self.rows.iter().any(|range| range.contains(&number.0)))
    }

    /// Whether the row that the reader has read last is in the part.
    pub fn has_row(&self, number: RowNumber, reader: &InputReader) -> bool {
        let is_met = |(column, value): &(String, String)| {
            reader.raw().text_of(reader.layout(), column).is_some_and(|text| text == value.as_str())
        };
        self.has_number(number) && self.conditions.iter().all(is_met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{Signal, StopCause, StopError};

    #[test]
    fn the_other_rows_follow_only_after_the_whole_part() {
        let limited = PartArgs { limit: Some(20), rows: vec![Vec::new()], ..PartArgs::default() };
        let other_rows = "run the same command without --limit and --rows to link the other rows";
        assert_eq!(limited.resume_text(&RunOutcome::Completed).as_deref(), Some(other_rows));
        assert_eq!(PartArgs::default().resume_text(&RunOutcome::Completed), None);
        for ended in [
            RunOutcome::Interrupted(Signal::Interrupt),
            RunOutcome::Stopped(StopError::new(StopCause::Drained, String::new())),
        ] {
            assert_eq!(limited.resume_text(&ended), None, "{ended:?}");
        }
    }
}
