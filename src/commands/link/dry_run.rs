//! `link --dry-run`: `validate` with a pool, for the rows that `link` would work on, and with the guards that it has.

use super::{LinkArgs, ReadBackChoice};
use crate::commands::shared::bounds::ChangeBounds;
use crate::commands::shared::next_command::same_command;
use crate::commands::shared::{CommandContext, Failure, resolve_shard};
use crate::commands::validate::{DryRun, ValidateArgs};
use crate::ui::{MessageCode, Ui, shell_path};

impl LinkArgs {
    /// The command that reads what this one would read, and holds nothing that can write. What only a ledger shows is
    /// refused where there is one: a dry run reads none.
    pub(super) fn without_writing(self, context: &CommandContext<'_>) -> Result<(ValidateArgs, DryRun), Failure> {
        let CommandContext { ui, file_settings: file, .. } = context;
        if let Some(plan) = &self.plan {
            let plan = shell_path(&plan.display().to_string());
            return Err(Failure::Usage(format!(
                "--dry-run follows no plan, because {plan} has the forecast of each row; make a new one with `cognito-link \
                 validate {} --save-plan FILE`, with the options of this command for input and pool",
                shell_path(&self.input.display().to_string())
            )));
        }
        if self.simulation.simulate && self.simulation.pool_file.is_none() {
            // With one of these options a rehearsal is refused.
            let is_refused =
                self.verify || self.ledger.is_some() || self.choices.is_some() || self.simulation.save_pool.is_some();
            let rehearsal = (!is_refused).then(|| same_command(&context.arguments, Some("--dry-run"), "--rehearse"));
            let rehearsal = rehearsal.map(|command| format!(": `{command}`"));
            let step = format!("rehearse the run, which needs no such file{}", rehearsal.unwrap_or_default());
            return Err(Failure::EmptySimulation { step });
        }
        let shard = resolve_shard(self.shard)?;
        let control = self.control.plan()?;
        let mut bounds = ChangeBounds::new(self.max_changes, self.max_changes_pct, file)?;
        let of_ledger = [
            (self.part.limit.is_some(), "--limit", "; name the rows with --rows"),
            (self.max_changes.is_some(), "--max-changes", ""),
            (self.max_changes_pct.is_some(), "--max-changes-pct", ""),
            (self.input_limits.max_shrink.is_some(), "--max-shrink", ""),
        ];
        let is_bounded = bounds != ChangeBounds::default();
        let given = of_ledger.iter().find(|(is_given, ..)| *is_given);
        let ledger = match self.ledger_path(shard) {
            Err(failure) if is_bounded || given.is_some() => return Err(failure),
            path => path.ok().filter(|path| path.exists()),
        };
        if let Some(ledger) = ledger {
            if let Some((_, option, advice)) = given {
                let ledger = ledger.display();
                return Err(Failure::Usage(format!(
                    "{option} needs ledger {ledger}, which --dry-run does not read{advice}"
                )));
            }
            let of_settings = if is_bounded { "the bounds of changes in the settings, " } else { "" };
            ui.note(
                MessageCode::OptionsWithoutEffect,
                &format!("not checked, because --dry-run reads no ledger: {of_settings}--max-shrink"),
            );
            bounds = ChangeBounds::default();
        }
        self.note_options_without_effect(ui);
        let validate = ValidateArgs {
            input: self.input,
            reading: self.reading,
            split: None,
            choices: self.choices,
            min_rows: self.input_limits.min_rows,
            offline: false,
            pool: self.pool,
            save_plan: None,
            lookup: None,
            rate: self.pace.rate,
            share: self.pace.share,
            simulation: self.simulation,
        };
        Ok((validate, DryRun { shard, rows: self.part, guards: Some(self.guards), bounds, control }))
    }

    /// Says which of the given options only mean something where calls are sent.
    fn note_options_without_effect(&self, ui: &Ui) {
        let given = [
            (self.canary.is_some(), "--canary"),
            (self.read_back == ReadBackChoice::Always, "--read-back"),
            (self.verify, "--verify"),
            (!self.retry.is_empty(), "--retry"),
            (self.relink, "--relink"),
        ];
        let given: Vec<&str> = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, name)| name).collect();
        if !given.is_empty() {
            ui.note(
                MessageCode::OptionsWithoutEffect,
                &format!("without effect in a dry run, which sends nothing and reads no ledger: {}", given.join(", ")),
            );
        }
    }
}
