//! `--shard`: one part of an input for each machine of an array.

use super::Failure;
use crate::domain::shard::Shard;
use crate::ui::{MessageCode, Ui};

/// Variables in which schedulers number the machines of an array, from 0, and count them.
const BATCH_INDEX: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
const BATCH_SIZE: &str = "AWS_BATCH_JOB_ARRAY_SIZE";
const KUBERNETES_INDEX: &str = "JOB_COMPLETION_INDEX";

/// `--shard` as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    Given(Shard),
    /// From the variables of the scheduler; the count may be given.
    Auto(Option<u32>),
}

/// Reads `INDEX/COUNT`, `auto` or `auto/COUNT`.
pub fn parse_shard(text: &str) -> Result<ShardChoice, String> {
    let wrong = |error| format!("{error}; or auto, or auto/COUNT");
    match text.split_once('/') {
        None if text == "auto" => Ok(ShardChoice::Auto(None)),
        Some(("auto", count)) => {
            let shard = Shard::parse(&format!("0/{count}")).map_err(wrong)?;
            Ok(ShardChoice::Auto(Some(shard.count())))
        }
        _ => Shard::parse(text).map(ShardChoice::Given).map_err(wrong),
    }
}

pub fn resolve_shard(choice: Option<ShardChoice>) -> Result<Option<Shard>, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    choice.map(|choice| resolve(choice, &variable)).transpose()
}

fn resolve(choice: ShardChoice, variable: &dyn Fn(&str) -> Option<String>) -> Result<Shard, Failure> {
    let number = |name: &str| variable(name).and_then(|text| text.trim().parse::<u32>().ok());
    let given_count = match choice {
        ShardChoice::Given(shard) => return Ok(shard),
        ShardChoice::Auto(count) => count,
    };
    let index = number(BATCH_INDEX).or_else(|| number(KUBERNETES_INDEX));
    let (Some(index), Some(count)) = (index, given_count.or_else(|| number(BATCH_SIZE))) else {
        return Err(Failure::Usage(format!(
            "--shard auto needs the number of this machine in {BATCH_INDEX} or {KUBERNETES_INDEX}, and the number of \
             machines in {BATCH_SIZE} or as --shard auto/COUNT"
        )));
    };
    Shard::new(index, count).map_err(|error| Failure::Usage(format!("--shard: machine {index} of {count}: {error}")))
}

/// Warns where an array of machines works on one input that is not divided.
pub fn warn_about_undivided_array(shard: Option<Shard>, ui: &Ui) {
    let in_array = std::env::var_os(BATCH_INDEX).is_some() || std::env::var_os(KUBERNETES_INDEX).is_some();
    if shard.is_none() && in_array {
        ui.warn(
            MessageCode::InputNotDivided,
            "this machine is one of an array and works on the whole input; pass --shard auto to work on one part of it",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_comes_from_the_flag_and_the_scheduler() {
        let batch = [(BATCH_INDEX, "2"), (BATCH_SIZE, "5")];
        let kubernetes = [(KUBERNETES_INDEX, "3"), ("HOME", "/")];
        for (text, variables, expected) in [
            ("1/4", batch, Some("1/4")),
            ("auto", batch, Some("2/5")),
            ("auto/3", batch, Some("2/3")),
            ("auto/2", batch, None),
            ("auto", kubernetes, None),
            ("auto/8", kubernetes, Some("3/8")),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(held, _)| *held == name).map(|(_, value)| (*value).to_owned());
            let shard = resolve(parse_shard(text).unwrap(), &variable).ok().map(|shard| shard.to_string());
            assert_eq!(shard.as_deref(), expected, "{text} with {variables:?}");
        }
        assert!(parse_shard("4/4").is_err() && parse_shard("auto/0").is_err() && parse_shard("auto/x").is_err());
    }
}
