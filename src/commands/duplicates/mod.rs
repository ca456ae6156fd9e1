//! `duplicates`: finds the users of a pool who are probably one person, with one scan. Deletes and links nothing.
//!
//! No two users of a pool can be merged while both exist: a native user is never a source, and the identity of a federated
//! profile is refused (`identity_has_profile`) until the profile is deleted. So the pairs are for the time after that.

pub mod address_groups;
mod report;
mod view;
mod work_list;

use std::path::PathBuf;

use clap::Args;

use super::export::warn_about_unreadable_rows;
use super::shared::settings::parse_share;
use super::shared::{
    CommandContext, Failure, OpenPool, PoolArgs, RateChoice, SimulationArgs, check_outputs, headings, parse_provider,
    temporary_file_stop,
};
use crate::domain::event::RunEvent;
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::foresight::scan::{ScanOptions, scan};
use crate::input::{Format, LinkRow, LinkRowWriter, OutputFile, UnreadableRows};
use crate::service::PoolUser;
use address_groups::{AddressTrust, Duplicate, DuplicateSearch};
use report::DuplicatesReport;
use work_list::WorkList;

const EXAMPLE: &str =
    "Example: cognito-link duplicates --user-pool-id us-east-1_AbCdEfGhI --pairs pairs.csv --work-list work.jsonl";

/// Find users of the pool who are probably one person
///
/// Reads the whole pool once. Deletes and links nothing: it writes pairs for `link`, and a list of what people must do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct DuplicatesArgs {
    /// File to write pairs to, which `link` accepts once the profiles in the work list are deleted
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// File to write every finding to, as JSON lines: users, dates, identities, and commands to run after a backup
    #[arg(long, value_name = "FILE")]
    pub work_list: Option<PathBuf>,
    /// Provider that vouches for its addresses although the pool does not show it (can be repeated)
    ///
    /// A profile has no verified address where its provider does not map `email_verified`. Name a provider only if your
    /// organization controls the addresses that it asserts: whoever can choose one there is taken for its owner.
    #[arg(long, value_name = "NAME", value_parser = parse_provider)]
    pub trust_email: Vec<ProviderName>,
    #[command(flatten)]
    pub pool: PoolArgs,
    /// Share of the read quota that the scan takes, over 0 up to 1 [default: 0.8]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, help_heading = headings::PACE, hide_short_help = true)]
    pub share: Option<f64>,
    #[command(flatten)]
    pub simulation: SimulationArgs,
}

pub async fn cmd_duplicates(args: DuplicatesArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, seed, .. } = context;
    let reads = RateChoice::of_reads(args.share, &context.file_settings)?.read_pace();
    // A wrong path is reported before a large pool is read.
    let outputs =
        [("--pairs", args.pairs.as_deref()), ("--work-list", args.work_list.as_deref()), args.simulation.output()];
    check_outputs(&outputs, &args.simulation.files_read(), context.force)?;
    let trust = AddressTrust { providers: args.trust_email.iter().cloned().collect() };
    let pool = OpenPool::open(&args.pool, &args.simulation, *seed, context).await?;
    pool.check_providers("--trust-email", &trust.providers)?;

    // Read.
    let facts = &pool.knowledge.facts;
    let mut search = DuplicateSearch::new(trust, pool.knowledge.providers.keys(), facts.case_sensitive);
    let (mut users, estimated) = (0, facts.estimated_user_count);
    let mut observer = ui.observer();
    observer.on(&RunEvent::Scanning { users, estimated });
    let mut take_page = |page: Vec<PoolUser>| {
        users += page.len() as u64;
        observer.on(&RunEvent::Scanning { users, estimated });
        page.iter().try_for_each(|user| search.add(user)).map_err(|error| temporary_file_stop(&error))
    };
    let options = ScanOptions { reads, seed: *seed };
    let scanned = scan(pool.directory.clone(), options, *clock, &mut take_page).await?;
    drop(observer);
    pool.address.close()?;

    // Compare and write.
    ui.status("comparing");
    let mut report = DuplicatesReport {
        pool: pool.binding.pool.to_string(),
        simulated: pool.binding.simulated,
        pairs_file: args.pairs.clone(),
        work_list: args.work_list.clone(),
        users: scanned.users,
        reads: scanned.reads,
        elapsed: scanned.elapsed,
        ..DuplicatesReport::default()
    };
    let mut files = ResultFiles::create(&args)?;
    let list = WorkList { pool: &pool.binding.pool, pairs: args.pairs.as_deref() };
    search.finish(&mut |found| {
        files.write(&found, list)?;
        report.pairs += found.pairs().count() as u64;
        report.add(found);
        Ok(())
    })?;
    report.unreadable = files.finish()?;
    ui.clear_status();

    // Result.
    warn_about_unreadable_rows(&report.unreadable, ui);
    view::print_report(&report, ui)?;
    Ok(Exit::Success)
}

/// The files that were requested. They appear when they are complete.
struct ResultFiles {
    pairs: Option<OutputFile>,
    rows: LinkRowWriter,
    work_list: Option<OutputFile>,
}

impl ResultFiles {
    fn create(args: &DuplicatesArgs) -> Result<Self, Failure> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
        let (mut pairs, rows) = (create(&args.pairs)?, LinkRowWriter::new(Format::Csv));
        if let Some(file) = &mut pairs {
            file.write(&rows.header().map_err(Failure::Output)?)?;
        }
        Ok(Self { pairs, rows, work_list: create(&args.work_list)? })
    }

    fn write(&mut self, found: &Duplicate, list: WorkList<'_>) -> Result<(), Failure> {
        if let Some(file) = &mut self.work_list {
            file.write(list.line(found).as_bytes())?;
        }
        let Some(file) = &mut self.pairs else { return Ok(()) };
        for (native, identity) in found.pairs() {
            let link = LinkRow {
                destination_username: native.username.expose(),
                destination_provider: "",
                source_provider: &identity.provider_name,
                source_value: identity.user_id.expose(),
            };
            file.write(&self.rows.row(&link).map_err(Failure::Output)?)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<UnreadableRows, Failure> {
        for file in self.pairs.into_iter().chain(self.work_list) {
            file.finish()?;
        }
        Ok(self.rows.unreadable().clone())
    }
}
