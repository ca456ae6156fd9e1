//! The commands that follow a validation.

use std::path::Path;

use crate::commands::shared::next_command::{compare_step, config_option, explain_step, same_command, split_step};
use crate::commands::shared::{CommandContext, InputArgs};
use crate::domain::outcome::RefusalCode;
use crate::domain::report::PredictionReport;
use crate::ui::shell_path;

/// What a validation came to, as far as the next command depends on it.
pub(super) struct ValidationOutcome<'a> {
    pub(super) invalid: u64,
    /// Whether something forbids the links.
    pub(super) is_forbidden: bool,
    pub(super) compared: Compared<'a>,
}

/// Whether the rows were compared with a pool.
#[derive(Clone, Copy)]
pub(super) enum Compared<'a> {
    No {
        /// Whether `--offline` kept the command away from a pool that it names.
        kept_offline: bool,
    },
    Forecast {
        report: &'a PredictionReport,
        /// Whether it is the dry run of `link`.
        is_dry_run: bool,
    },
}

/// What the next command repeats, or depends on, of the options of this one.
pub(super) struct ValidationCommand<'a> {
    pub(super) input: &'a Path,
    pub(super) reading: &'a InputArgs,
    /// The options for the input, the pool and the settings, each after a space.
    pub(super) options: String,
    pub(super) choices: Option<&'a Path>,
    pub(super) splits: bool,
    /// Whether a plan is saved, which has a suggestion of its own.
    pub(super) saves_plan: bool,
}

/// Returns what to do next. Standard input cannot be read again, so nothing is suggested for it.
pub(super) fn next_steps(
    command: &ValidationCommand<'_>,
    outcome: &ValidationOutcome<'_>,
    context: &CommandContext<'_>,
) -> Vec<String> {
    let Some(input) = command.reading.with_input(command.input) else { return Vec::new() };
    let without_pool = input + &config_option(context.config.as_deref());
    let path = |path: &Path| shell_path(&path.display().to_string());
    let with_pool = path(command.input) + &command.options;
    let mut steps = Vec::new();
    if outcome.invalid > 0 && !command.splits {
        steps.push(split_step(Some(&without_pool)));
    }
    match outcome.compared {
        Compared::Forecast { report, is_dry_run } => {
            let mut verdicts = report.by_verdict.keys();
            steps.extend(verdicts.find(|verdict| RefusalCode::parse(verdict).is_some()).map(|code| explain_step(code)));
            if outcome.is_forbidden || command.saves_plan {
                return steps;
            }
            if report.writes == 0 {
                if steps.is_empty() {
                    let reconcile = format!("cognito-link reconcile {with_pool}");
                    steps.push(format!("nothing is to be linked; compare in both directions: `{reconcile}`"));
                }
                return steps;
            }
            let link = if is_dry_run {
                same_command(&context.arguments, Some("--dry-run"), "")
            } else {
                let choices = command.choices.map_or(String::new(), |file| format!(" --choices {}", path(file)));
                format!("cognito-link link {with_pool}{choices}")
            };
            steps.push(format!("link the rows: `{link}`"));
        }
        Compared::No { .. } if outcome.is_forbidden || outcome.invalid > 0 => {}
        Compared::No { kept_offline: true } => {
            steps.push(compare_step(&with_pool, Some("")));
        }
        Compared::No { kept_offline: false } => {
            let rehearsal = format!("cognito-link link {without_pool} --simulate --rehearse");
            steps.push(format!("rehearse the run without a pool: `{rehearsal}`"));
            steps.push(compare_step(&without_pool, None));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::*;
    use crate::commands::shared::pool_options;
    use crate::commands::{Cli, Command};
    use crate::ui::testing::Screen;

    fn steps(line: &str, outcome: &ValidationOutcome<'_>) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let cli = Cli::try_parse_from(["cognito-link".to_owned()].into_iter().chain(words.clone())).unwrap();
        let ui = Screen::new().ui();
        let mut context = crate::commands::testing::context(&ui);
        (context.config, context.arguments) = (cli.output.config, words);
        let (input, reading, pool, simulation) = match &cli.command {
            Command::Validate(args) => (&args.input, &args.reading, &args.pool, &args.simulation),
            // A dry run.
            Command::Link(args) => (&args.input, &args.reading, &args.pool, &args.simulation),
            other => panic!("{other:?}"),
        };
        let validate = if let Command::Validate(args) = &cli.command { Some(args) } else { None };
        let command = ValidationCommand {
            input,
            reading,
            options: reading.on_command_line() + &pool_options(pool, simulation, &context),
            choices: validate.and_then(|args| args.choices.as_deref()),
            splits: validate.is_some_and(|args| args.split.is_some()),
            saves_plan: validate.is_some_and(|args| args.save_plan.is_some()),
        };
        next_steps(&command, outcome, &context)
    }

    const VALID: ValidationOutcome<'static> =
        ValidationOutcome { invalid: 0, is_forbidden: false, compared: Compared::No { kept_offline: false } };

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
        let kept = ValidationOutcome { compared: Compared::No { kept_offline: true }, ..VALID };
        let expected = "compare the rows with the pool: `cognito-link validate in.csv --config c.toml --pool prod`";
        assert_eq!(steps("validate in.csv --offline --config c.toml --pool prod", &kept), [expected]);
        let invalid = ValidationOutcome { invalid: 2, ..VALID };
        let expected = "write the invalid rows to a file: `cognito-link validate in.csv --split DIR`";
        assert_eq!(steps("validate in.csv", &invalid), [expected]);
        assert_eq!(steps("validate in.csv --split dir", &invalid), [""; 0]);
        assert_eq!(steps("validate -", &VALID), [""; 0], "stdin cannot be read again");
        assert_eq!(steps("validate in.csv", &ValidationOutcome { is_forbidden: true, ..VALID }), [""; 0]);
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
        let forecast = |report, is_dry_run, is_forbidden| ValidationOutcome {
            compared: Compared::Forecast { report, is_dry_run },
            is_forbidden,
            ..VALID
        };
        let found = forecast(&some, false, false);
        let line = "validate in.csv --user-pool-id us-east-1_Abc --choices c.csv";
        let expected = "link the rows: `cognito-link link in.csv --user-pool-id us-east-1_Abc --choices c.csv`";
        assert_eq!(steps(line, &found), [explain, expected]);
        assert_eq!(steps("validate in.csv --pool a --save-plan plan", &found), [explain]);
        let dry_run = forecast(&some, true, false);
        let expected = "link the rows: `cognito-link link in.csv --simulate --canary 3`";
        assert_eq!(steps("link in.csv --simulate --dry-run --canary 3", &dry_run), [explain, expected]);
        let all =
            PredictionReport { by_verdict: BTreeMap::from([("already_linked", 1)]), ..PredictionReport::default() };
        let expected = "nothing is to be linked; compare in both directions: `cognito-link reconcile in.csv --pool a`";
        assert_eq!(steps("validate in.csv --pool a", &forecast(&all, false, false)), [expected]);
        for outcome in [forecast(&some, false, true), forecast(&none, false, false)] {
            assert_eq!(steps(line, &outcome), [explain]);
        }
    }
}
