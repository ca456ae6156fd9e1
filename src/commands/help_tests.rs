//! The help of every command, as snapshots at one width.

use clap::CommandFactory;
use insta::assert_snapshot;

use super::Cli;

/// Lines of a usual terminal.
const SCREEN_LINES: usize = 50;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_of_every_command() {
    let mut program = Cli::command().term_width(100);
    program.build();
    let names: Vec<String> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert_snapshot!("program_short", program.render_help());
    assert_snapshot!("program_long", program.render_long_help());
    for name in names.iter().filter(|name| *name != "help") {
        let command = program.find_subcommand_mut(name).unwrap();
        let short = command.render_help().to_string();
        assert!(short.lines().count() <= SCREEN_LINES, "{name} -h has {} lines", short.lines().count());
        assert!(short.contains("Example: cognito-link "), "{name} -h has an example");
        assert_snapshot!(format!("{name}_short"), short);
        assert_snapshot!(format!("{name}_long"), command.render_long_help());
    }
}
