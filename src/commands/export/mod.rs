//! `export`: writes every link of the pool to a file that `validate` and `link` accept, in the order of the users.

mod pool_snapshot;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::shared::result::result_json;
use super::shared::run_view::by_code_json;
use super::shared::settings::parse_share;
use super::shared::{
    CommandContext, Failure, OpenPool, PoolArgs, RateChoice, SimulationArgs, check_outputs, headings, parse_provider,
    pool_options, temporary_file_error, temporary_file_stop,
};
use crate::clock::Clock;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::finding::FindingCode;
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::foresight::destination::{destination_of_user, linked_identities};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::{ScanOptions, ScanResult, scan};
use crate::input::Format;
use crate::input::{LinkRow, LinkRowWriter, OutputFile, Sorter, UnreadableRows};
use crate::limits::OUTPUT_CHUNK_BYTES;
use crate::service::{PoolUser, UserDirectory};
use crate::ui::{MessageCode, OutputFormat, Ui, format, shell_path, shell_word};
use pool_snapshot::PoolSnapshot;

const EXAMPLE: &str = "Example: cognito-link export --user-pool-id us-east-1_AbCdEfGhI --out links.csv";

/// Write every link of the pool to a file that `validate` and `link` accept
///
/// Never writes to the pool.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ExportArgs {
    /// File to write, replaced only by a complete one; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// Format of the file
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// Provider whose links are written, by its name in the pool (can be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_provider)]
    pub provider: Vec<ProviderName>,
    /// File to write the whole pool to: users, links and settings, for `link --simulate --pool-file FILE`
    #[arg(long, value_name = "FILE")]
    pub pool_snapshot: Option<PathBuf>,
    #[command(flatten)]
    pub pool: PoolArgs,
    /// Share of the read quota that the scan takes, over 0 up to 1 [default: 0.8]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, help_heading = headings::PACE, hide_short_help = true)]
    pub share: Option<f64>,
    #[command(flatten)]
    pub simulation: SimulationArgs,
}

pub async fn cmd_export(args: ExportArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, seed, .. } = context;
    let file_path = if args.out.as_os_str() == "-" { None } else { Some(args.out.as_path()) };
    if file_path.is_none() && ui.output() == OutputFormat::Json {
        return Err(Failure::Usage(
            "--output json needs --out FILE: without it, the links are on stdout, where the result would be".to_owned(),
        ));
    }
    let providers: BTreeSet<ProviderName> = args.provider.iter().cloned().collect();
    let reads = RateChoice::of_reads(args.share, &context.file_settings)?.read_pace();
    // A wrong path is reported before a large pool is read.
    let outputs = [("--out", file_path), ("--pool-snapshot", args.pool_snapshot.as_deref()), args.simulation.output()];
    check_outputs(&outputs, &args.simulation.files_read(), context.force)?;
    let pool = OpenPool::open(&args.pool, &args.simulation, *seed, context).await?;
    pool.check_providers("--provider", &providers)?;
    let mut snapshot = match &args.pool_snapshot {
        Some(path) => Some(PoolSnapshot::begin(path, &pool, *seed, context).await?),
        None => None,
    };

    // Read.
    let mut observer = ui.observer();
    let also = &mut |user: &_| snapshot.as_mut().map_or(Ok(()), |snapshot| snapshot.add_user(user));
    let (directory, options) = (pool.directory.clone(), ScanOptions { reads, seed: *seed });
    let (links, scanned) =
        read_links(directory, &pool.knowledge, &providers, options, *clock, observer.as_mut(), also).await?;
    drop(observer);
    pool.address.close()?;
    if let Some(snapshot) = snapshot {
        snapshot.finish(ui)?;
    }

    // Write.
    ui.status("sorting");
    let exported = write_to(file_path, links, args.format, ui)?;
    ui.clear_status();
    warn_about_unreadable_rows(&exported.unreadable, ui);
    let out = args.out.display().to_string();
    let links_and_users =
        format!("{} of {}", format::counted(exported.links, "link"), format::counted(exported.users, "user"));
    match ui.output() {
        OutputFormat::Text if file_path.is_none() => ui.note(MessageCode::OutputWritten, &links_and_users),
        OutputFormat::Text => ui.data(&format!("{out}: {links_and_users}\n"))?,
        OutputFormat::Json => ui.json(&export_json(&out, &exported, scanned.reads))?,
    }
    for step in next_steps(&args, file_path, &exported, context) {
        ui.hint(&step);
    }
    Ok(Exit::Success)
}

/// Returns what to do with the files that were written.
fn next_steps(
    args: &ExportArgs,
    file: Option<&Path>,
    exported: &ExportedLinks,
    context: &CommandContext<'_>,
) -> Vec<String> {
    let path = |path: &Path| shell_path(&path.display().to_string());
    let allowed: Vec<String> =
        exported.unreadable.suspicions.keys().map(|code| format!(" --allow {}", code.as_str())).collect();
    let mut steps = Vec::new();
    if let Some(file) = file.filter(|_| exported.links > 0) {
        let providers: Vec<String> =
            args.provider.iter().map(|name| format!(" --provider {}", shell_word(name.as_str()))).collect();
        let pool = pool_options(&args.pool, &args.simulation, context);
        let options = format!("{}{}{pool}", allowed.concat(), providers.concat());
        steps.push(format!("see later what has changed in the pool: `cognito-link reconcile {}{options}`", path(file)));
    }
    if let Some(snapshot) = &args.pool_snapshot {
        let snapshot = path(snapshot);
        steps.push(format!(
            "rehearse links to this pool: `cognito-link link FILE --simulate --pool-file {snapshot} --rehearse`"
        ));
    }
    steps
}

/// Takes each user as well, as often as it is read.
type TakeUser<'a> = &'a mut (dyn FnMut(&PoolUser) -> io::Result<()> + Send);

/// Reads the whole pool. Returns the links of these providers, or all links.
async fn read_links(
    directory: Arc<dyn UserDirectory>,
    knowledge: &PoolKnowledge,
    providers: &BTreeSet<ProviderName>,
    options: ScanOptions,
    clock: Clock,
    observer: &mut (dyn RunObserver + Send),
    also: TakeUser<'_>,
) -> Result<(Sorter, ScanResult), Failure> {
    let mut links = Sorter::default();
    let (mut users, estimated) = (0, knowledge.facts.estimated_user_count);
    observer.on(&RunEvent::Scanning { users, estimated });
    let is_selected =
        |provider: &str, _: &str| providers.is_empty() || providers.iter().any(|name| name.as_str() == provider);
    let mut take_page = |page: Vec<PoolUser>| {
        users += page.len() as u64;
        observer.on(&RunEvent::Scanning { users, estimated });
        for user in &page {
            add_links(user, knowledge.facts.case_sensitive, &mut links, &is_selected)
                .and_then(|()| also(user))
                .map_err(|error| temporary_file_stop(&error))?;
        }
        Ok(())
    };
    let scanned = scan(directory, options, clock, &mut take_page).await?;
    Ok((links, scanned))
}

/// Adds the links of a user that are selected by provider and value: user, provider of its profile, provider, value.
pub(super) fn add_links(
    user: &PoolUser,
    case_sensitive: bool,
    sorter: &mut Sorter,
    is_selected: &dyn Fn(&str, &str) -> bool,
) -> io::Result<()> {
    let links = linked_identities(user).map(|held| (held.provider_name.as_str(), held.user_id.expose()));
    let mut links = links.filter(|(provider, value)| is_selected(provider, value)).peekable();
    if links.peek().is_none() {
        return Ok(());
    }
    let named = destination_of_user(user, case_sensitive);
    let profile_of = if named.provider.is_native() { "" } else { named.provider.as_str() };
    for (provider, value) in links {
        sorter.add(&[named.value.expose(), profile_of, provider, value])?;
    }
    Ok(())
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ExportedLinks {
    links: u64,
    /// Users with at least one of the links.
    users: u64,
    /// Rows that `validate` and `link` do not accept as they are.
    unreadable: UnreadableRows,
}

/// Writes to a file, which is complete or absent, or to stdout.
fn write_to(path: Option<&Path>, links: Sorter, format: Format, ui: &Ui) -> Result<ExportedLinks, Failure> {
    if let Some(path) = path {
        let mut file = OutputFile::create(path)?;
        let exported = write_links(links, format, &mut |bytes| Ok(file.write(bytes)?))?;
        file.finish()?;
        return Ok(exported);
    }
    let mut chunk = Vec::with_capacity(OUTPUT_CHUNK_BYTES);
    let print = |chunk: &mut Vec<u8>| -> Result<(), Failure> {
        ui.data(&String::from_utf8_lossy(chunk))?;
        chunk.clear();
        Ok(())
    };
    let exported = write_links(links, format, &mut |bytes| {
        chunk.extend_from_slice(bytes);
        if chunk.len() < OUTPUT_CHUNK_BYTES { Ok(()) } else { print(&mut chunk) }
    })?;
    print(&mut chunk)?;
    Ok(exported)
}

/// Writes links sorted by user, provider and value, bytewise, each link once.
fn write_links(
    links: Sorter,
    format: Format,
    out: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<ExportedLinks, Failure> {
    let mut writer = LinkRowWriter::new(format);
    out(&writer.header().map_err(|error| temporary_file_error(&error))?)?;
    let (mut users, mut last) = (0, None);
    for record in links.finish().map_err(|error| temporary_file_error(&error))? {
        let record = record.map_err(|error| temporary_file_error(&error))?;
        let [username, profile_of, provider, value] = record.as_slice() else { continue };
        let link = LinkRow {
            destination_username: username,
            destination_provider: profile_of,
            source_provider: provider,
            source_value: value,
        };
        out(&writer.row(&link).map_err(|error| temporary_file_error(&error))?)?;
        let user = Some((username.clone(), profile_of.clone()));
        users += u64::from(user != last);
        last = user;
    }
    Ok(ExportedLinks { links: writer.rows(), users, unreadable: writer.unreadable().clone() })
}

pub(super) fn warn_about_unreadable_rows(unreadable: &UnreadableRows, ui: &Ui) {
    if unreadable.with_allow > 0 {
        let codes = unreadable.suspicions.keys().map(|code| format!("--allow {}", code.as_str()));
        ui.warn(
            MessageCode::RowsNotAccepted,
            &format!(
                "{} look damaged in the pool; validate and link accept them with {}",
                format::counted(unreadable.with_allow, "row"),
                codes.collect::<Vec<_>>().join(" ")
            ),
        );
    }
    if unreadable.never > 0 {
        let codes: Vec<&str> = unreadable.errors.keys().map(|code| code.as_str()).collect();
        ui.warn(
            MessageCode::RowsNotAccepted,
            &format!(
                "{} are in the file although validate and link do not accept them: {}",
                format::counted(unreadable.never, "row"),
                codes.join(", ")
            ),
        );
    }
}

fn export_json(out: &str, exported: &ExportedLinks, reads: u64) -> serde_json::Value {
    let unreadable = &exported.unreadable;
    let body = json!({
        "out": out,
        "links_written": exported.links,
        "users_of_links": exported.users,
        "reads": reads,
        "rows_that_need_allow": unreadable.with_allow,
        "suspicions_by_code": by_code_json(&unreadable.suspicions, FindingCode::as_str),
        "rows_that_cannot_be_read": unreadable.never,
        "errors_by_code": by_code_json(&unreadable.errors, FindingCode::as_str),
    });
    result_json("export_report", Exit::Success, body)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::ui::testing::Screen;

    #[test]
    fn a_result() {
        let unreadable = UnreadableRows {
            with_allow: 3,
            suspicions: [(FindingCode::NumberDamaged, 2), (FindingCode::SurroundingSpace, 1)].into(),
            never: 1,
            errors: [(FindingCode::ControlCharacter, 1)].into(),
        };
        let exported = ExportedLinks { links: 1_400, users: 700, unreadable };
        let screen = Screen::new().json();
        warn_about_unreadable_rows(&exported.unreadable, &screen.ui());
        screen.ui().json(&export_json("links.csv", &exported, 12)).unwrap();
        assert_snapshot!(screen.both());
    }
}
