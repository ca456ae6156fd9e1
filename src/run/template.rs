//! `template`, put together.

use super::settings;
use crate::cli::{Exporter, InputFormat};
use crate::command::{Failure, template};
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) fn run(format: InputFormat, preset: Option<Exporter>, ui: &Ui) -> Result<Exit, Failure> {
    let preset = preset.map(settings::preset);
    let text = match format {
        InputFormat::Csv => template::csv(preset),
        InputFormat::Jsonl => template::jsonl(preset),
    };
    ui.data(&text)?;
    Ok(Exit::Success)
}
