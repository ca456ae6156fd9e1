//! What several commands share: groups of arguments, settings, the service, the engine, and how results are printed.

pub mod bounds;
pub mod check_view;
pub mod choices;
pub mod control;
mod failure;
pub mod hidden_arguments;
mod hooks;
mod input;
mod ledger_copy;
mod metrics;
mod monitor;
pub mod next_command;
mod objects;
mod outputs;
mod pace;
pub mod part;
mod pool;
pub mod pool_findings;
pub mod recent_first;
pub mod result;
pub mod retry;
pub mod rows;
pub mod run;
mod run_target;
pub mod run_view;
pub mod saved_plan;
pub mod settings;
pub mod shard;
pub mod signature;
pub mod simulator;
pub mod stop_after;

pub use failure::{Failure, exit_for_signal, exit_for_stop, input_stop, temporary_file_error, temporary_file_stop};
pub use hooks::HookArgs;
pub use input::{InputArgs, note_preset};
pub use metrics::MonitoredRun;
pub use monitor::{MetricsOfRun, Monitor, MonitorArgs};
pub use objects::{misplaced_object, parse_object_address, serve_objects};
pub use outputs::check_outputs;
pub use pace::{AdvancedArgs, PaceArgs, RateChoice, WritePace};
pub use pool::{
    EarlierLedger, ExpectedPool, OpenPool, PoolAddress, PoolArgs, binding_of, check_providers, connect, listed,
    note_endpoint, pool_options, pool_options_of_run, real_pool_options, warn_about_missing_providers,
};
pub use run_target::{GuardArgs, Proposal, RunTarget, confirm_step, recorded_arguments};
pub use shard::{parse_shard, resolve_shard, warn_about_undivided_array};
pub use simulator::SimulationArgs;

use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::domain::identity::ProviderName;
use crate::domain::object::ObjectAddress;
use crate::domain::shard::Shard;
use crate::ledger::Binding;
use crate::ledger::record::RunId;
use crate::ledger::storage::FileAccess;
use crate::ui::{MessageCode, Ui, escape, format, shell_path};
use settings::FileSettings;

/// What every command gets besides its arguments.
pub struct CommandContext<'a> {
    pub ui: &'a Ui,
    pub clock: Clock,
    /// The seed of random waits where `--seed` gives none.
    pub seed: u64,
    /// The id of this execution, in events and in the ledger.
    pub run: RunId,
    pub file_settings: FileSettings,
    /// Whether outputs may replace existing files.
    pub force: bool,
    /// The settings file that was given.
    pub config: Option<PathBuf>,
    /// The arguments of the program, for the ledger and for suggested commands.
    pub arguments: Vec<String>,
    pub metrics: MetricsOfRun,
}

/// Headings of the help that several commands use.
pub mod headings {
    pub const INPUT: &str = "Input";
    pub const POOL: &str = "Pool and credentials";
    pub const PACE: &str = "Pace and limits";
    pub const LEDGER: &str = "Ledger and resume";
    pub const OUTPUT: &str = "Output and logging";
    pub const SIMULATOR: &str = "Simulator";
    pub const ADVANCED: &str = "Advanced";
    /// The groups as the help has them.
    pub const IN_ORDER: [&str; 7] = [INPUT, POOL, PACE, LEDGER, OUTPUT, SIMULATOR, ADVANCED];
}

pub fn parse_provider(name: &str) -> Result<ProviderName, String> {
    ProviderName::parse(name).map_err(|error| error.to_string())
}

/// Returns the ledger of an input by default: beside it, one for each shard, and another one for simulated runs, so that
/// a simulated run never stands in the way of the real one.
pub fn default_ledger_path(input: &Path, shard: Option<Shard>, simulated: bool) -> Result<PathBuf, Failure> {
    if input.as_os_str() == "-" {
        return Err(Failure::Usage("the input is stdin, so there is no default ledger: name one with --ledger".into()));
    }
    if ObjectAddress::is_meant(input) {
        let name = input.display();
        return Err(Failure::Usage(format!(
            "{name}: the input is at S3, and a ledger is on a local disk or a shared file system: name one with --ledger"
        )));
    }
    let mut path = input.as_os_str().to_owned();
    if let Some(shard) = shard {
        path.push(format!(".shard-{}-of-{}", shard.index(), shard.count()));
    }
    path.push(if simulated { ".simulated.ledger" } else { ".ledger" });
    Ok(PathBuf::from(path))
}

/// Warns of half a line at the end of a ledger, which opening it has removed.
pub fn warn_about_cut_line(cut_bytes: u64, ui: &Ui) {
    if cut_bytes > 0 {
        ui.warn(MessageCode::LedgerLineCut, &format!(
            "the ledger ended in an incomplete line of {}, as a crash leaves it; the line was removed, and its row is \
             settled again",
            format::counted(cut_bytes, "byte")
        ));
    }
}

/// Warns where others can read a ledger, which holds names and identities.
pub fn warn_about_access(path: &Path, access: FileAccess, ui: &Ui) {
    let shown = path.display().to_string();
    if access.open_to_others {
        ui.warn(
            MessageCode::LedgerAccess,
            &format!(
                "ledger {} can be read or written by other users of this machine; close it with `chmod 600 {}`",
                escape(&shown),
                shell_path(&shown)
            ),
        );
    }
    if access.owned_by_another_user {
        ui.warn(
            MessageCode::LedgerAccess,
            &format!("ledger {} belongs to another user of this machine, who can change it", escape(&shown)),
        );
    }
}

/// Returns a pool, and its endpoint where that is not AWS's own, for people.
pub fn place_of(Binding { pool, simulated, endpoint }: &Binding) -> String {
    let at = endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
    format!("{} {pool}{at}", pool_kind(*simulated))
}

pub fn pool_kind(simulated: bool) -> &'static str {
    if simulated { "simulated pool" } else { "pool" }
}
