//! The commands that follow a validation.

use super::ValidateArgs;
use crate::commands::shared::next_command::same_command;
use crate::commands::shared::{CommandContext, pool_options};
use crate::domain::outcome::RefusalCode;
use crate::domain::report::PredictionReport;
use crate::ui::shell_path;

/// What a validation came to, as far as the next command depends on it.
pub(super) struct ValidationOutcome<'a> {
    pub(super) invalid: u64,
    pub(super) forecast: Option<&'a PredictionReport>,
    /// Whether something forbids the links.
    pub(super) is_forbidden: bool,
    /// Whether `--offline` kept the command away from a pool.
    pub(super) is_kept_offline: bool,
    /// Whether it is the dry run of `link`.
    pub(super) is_dry_run: bool,
}

/// Returns the options for the input, the pool and the settings, for a suggested command.
pub(super) fn suggested_options(args: &ValidateArgs, context: &CommandContext<'_>) -> String {
    args.reading.on_command_line() + &pool_options(&args.pool, &args.simulation, context)
}

/// Returns what to do next. Standard input cannot be read again, so nothing is suggested for it.
pub(super) fn next_steps(
    args: &ValidateArgs,
    outcome: &ValidationOutcome<'_>,
    context: &CommandContext<'_>,
) -> Vec<String> {
    let Some(without_pool) = args.reading.with_input(&args.input, context.config.as_deref()) else { return Vec::new() };
    let path = |path: &std::path::Path| shell_path(&path.display().to_string());
    let with_pool = path(&args.input) + &suggested_options(args, context);
    let mut steps = Vec::new();
    if outcome.invalid > 0 && args.split.is_none() {
        steps.push(format!("write the invalid rows to a file: `cognito-link validate {without_pool} --split DIR`"));
    }
    let verdicts = outcome.forecast.into_iter().flat_map(|forecast| forecast.by_verdict.keys());
    if let Some(code) = verdicts.copied().find(|verdict| RefusalCode::parse(verdict).is_some()) {
        steps.push(format!("read what a code means and what to do: `cognito-link explain {code}`"));
    }
    match outcome.forecast {
        _ if outcome.is_forbidden => {}
        // A plan has a suggestion of its own.
        Some(forecast) if forecast.writes == 0 || args.save_plan.is_some() => {}
        Some(_) if outcome.is_dry_run => {
            let command = same_command(&context.arguments, Some("--dry-run"), "");
            steps.push(format!("link the rows: `{command}`"));
        }
        Some(_) => {
            let choices = args.choices.as_deref().map_or(String::new(), |file| format!(" --choices {}", path(file)));
            steps.push(format!("link the rows: `cognito-link link {with_pool}{choices}`"));
        }
        None if outcome.invalid > 0 => {}
        None if outcome.is_kept_offline => {
            steps.push(format!("compare the rows with the pool: `cognito-link validate {with_pool}`"));
        }
        None => {
            let rehearsal = format!("cognito-link link {without_pool} --simulate --rehearse");
            steps.push(format!("rehearse the run without a pool: `{rehearsal}`"));
            steps.push(format!(
                "compare the rows with a pool: `cognito-link validate {without_pool} --user-pool-id ID`"
            ));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::*;
    use crate::commands::{Cli, Command};
    use crate::ui::testing::Screen;

    fn steps(line: &str, outcome: &ValidationOutcome<'_>) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let cli = Cli::try_parse_from(["cognito-link".to_owned()].into_iter().chain(words.clone())).unwrap();
        let args = match cli.command {
            Command::Validate(args) => *args,
            // A dry run.
            Command::Link(args) => ValidateArgs {
                input: args.input,
                reading: args.reading,
                split: None,
                choices: None,
                min_rows: None,
                offline: false,
                pool: args.pool,
                save_plan: None,
                lookup: None,
                rate: None,
                share: None,
                simulation: args.simulation,
            },
            other => panic!("{other:?}"),
        };
        let ui = Screen::new().ui();
        let mut context = crate::commands::testing::context(&ui);
        (context.config, context.arguments) = (cli.output.config, words);
        next_steps(&args, outcome, &context)
    }

    const VALID: ValidationOutcome<'static> = ValidationOutcome {
        invalid: 0,
        forecast: None,
        is_forbidden: false,
        is_kept_offline: false,
        is_dry_run: false,
    };

    #[test]
    fn a_check_without_a_pool_is_followed_by_one_with_a_pool() {
        let line = "validate in.csv --map source_value=id --preset okta --config prod.toml";
        let rehearsal = "cognito-link link in.csv --preset okta --map source_value=id --config prod.toml --simulate \
                         --rehearse";
        let forecast = "cognito-link validate in.csv --preset okta --map source_value=id --config prod.toml \
                        --user-pool-id ID";
        let expected = [
            format!("rehearse the run without a pool: `{rehearsal}`"),
            format!("compare the rows with a pool: `{forecast}`"),
        ];
        assert_eq!(steps(line, &VALID), expected);
        let kept = ValidationOutcome { is_kept_offline: true, ..VALID };
        let expected = "compare the rows with the pool: `cognito-link validate in.csv --config c.toml --pool prod`";
        assert_eq!(steps("validate in.csv --offline --config c.toml --pool prod", &kept), [expected]);
        let invalid = ValidationOutcome { invalid: 2, ..VALID };
        let expected = "write the invalid rows to a file: `cognito-link validate in.csv --split DIR`";
        assert_eq!(steps("validate in.csv", &invalid), [expected]);
        assert_eq!(steps("validate in.csv --split dir", &invalid), [""; 0]);
        assert_eq!(steps("validate -", &VALID), [""; 0], "stdin cannot be read again");
    }

    #[test]
    fn a_forecast_is_followed_by_the_links_that_it_is_for() {
        let forecast = |writes| PredictionReport {
            by_verdict: BTreeMap::from([("already_linked", 1), ("link", writes), ("user_not_found", 3)]),
            writes,
            ..PredictionReport::default()
        };
        let (some, none) = (forecast(5), forecast(0));
        let explain = "read what a code means and what to do: `cognito-link explain user_not_found`";
        let found = ValidationOutcome { forecast: Some(&some), ..VALID };
        let line = "validate in.csv --user-pool-id us-east-1_Abc --choices c.csv";
        let link = "link the rows: `cognito-link link in.csv --user-pool-id us-east-1_Abc --choices c.csv`";
        assert_eq!(steps(line, &found), [explain, link]);
        assert_eq!(steps("validate in.csv --pool a --save-plan plan", &found), [explain]);
        let dry_run = ValidationOutcome { is_dry_run: true, ..found };
        let link = "link the rows: `cognito-link link in.csv --simulate --canary 3`";
        assert_eq!(steps("link in.csv --simulate --dry-run --canary 3", &dry_run), [explain, link]);
        for outcome in [
            ValidationOutcome { is_forbidden: true, forecast: Some(&some), ..VALID },
            ValidationOutcome { forecast: Some(&none), ..VALID },
        ] {
            assert_eq!(steps(line, &outcome), [explain]);
        }
    }
}
