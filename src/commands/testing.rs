//! A context for tests of commands.

use super::shared::CommandContext;
use super::shared::settings::FileSettings;
use crate::clock::Clock;
use crate::ui::Ui;

pub fn context(ui: &Ui) -> CommandContext<'_> {
    CommandContext { ui, clock: Clock::starting_at(1_795_000_000_000), seed: 1, file_settings: FileSettings::default() }
}
