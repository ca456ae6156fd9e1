//! A context for tests of commands.

use super::shared::settings::FileSettings;
use super::shared::{CommandContext, MetricsOfRun};
use crate::clock::Clock;
use crate::ledger::record::RunId;
use crate::ui::Ui;

pub fn context(ui: &Ui) -> CommandContext<'_> {
    let (clock, file_settings) = (Clock::starting_at(1_795_000_000_000), FileSettings::default());
    let (arguments, metrics) = (Vec::new(), MetricsOfRun::default());
    CommandContext { ui, clock, seed: 1, run: RunId(1), file_settings, force: false, config: None, arguments, metrics }
}
