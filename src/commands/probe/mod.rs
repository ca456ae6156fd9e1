//! `probe`: asks a service how it behaves, in scratch pools that it creates and deletes.

mod caller;
mod judge;
mod run;
mod scene;
mod view;

use std::path::PathBuf;

pub use caller::{LeftPool, ProbeStop, UnansweredPool};
use clap::Args;
pub use judge::{ProbeFinding, ProbeVerdict};
pub use run::{Probe, ProbeReport};

use super::shared::result::print_error_report;
use super::shared::run::listen_for_signals;
use super::shared::settings::{parse_endpoint_url, parse_number};
use super::shared::{CommandContext, Failure, PoolArgs, check_outputs, confirm_step, headings};
use crate::exit::Exit;
use crate::input::OutputFile;
use crate::limits;
use crate::seed::Rng;
use crate::service::cognito::{configured_region, connect_probe};

const EXAMPLE: &str = "Example: cognito-link probe --profile test-account --region eu-west-1 --save behaviors.txt";

/// Find out how your account's service behaves where it is not documented
///
/// Creates two scratch pools with made-up users and providers, asks what this program assumes, prints each answer, and
/// deletes the pools, also after an error or Ctrl-C. It calls no other pool. It prints what it creates and the IAM
/// actions that it needs, and asks before it starts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ProbeArgs {
    /// Profile of the AWS configuration files
    #[arg(long, value_name = "NAME", help_heading = headings::POOL)]
    pub profile: Option<String>,
    /// Region to create the scratch pools in, by default that of the environment or the profile
    #[arg(long, value_name = "REGION", help_heading = headings::POOL)]
    pub region: Option<String>,
    /// Address in place of the Region's own: an emulator, a proxy, an interface endpoint
    #[arg(long, value_name = "URL", value_parser = parse_endpoint_url, help_heading = headings::POOL)]
    pub endpoint_url: Option<String>,
    /// Allow an http:// endpoint that is not on this machine
    #[arg(long, hide_short_help = true, help_heading = headings::POOL)]
    pub allow_insecure_endpoint: bool,
    /// Calls per second
    #[arg(long, value_name = "N", default_value_t = limits::PROBE_RATE_PER_SECOND, value_parser = parse_calls_per_second,
        help_heading = headings::PACE)]
    pub rate: f64,
    /// File to write the detected behaviors to, one name of a --behavior of the simulator on each line
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Do not ask before the pools are created
    #[arg(short, long)]
    pub yes: bool,
}

fn parse_calls_per_second(text: &str) -> Result<f64, String> {
    parse_number(text, limits::RATE_PER_SECOND_MIN..=limits::RATE_PER_SECOND_MAX, "a number of calls per second")
}

pub async fn cmd_probe(args: ProbeArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, seed, file_settings, .. } = context;
    check_outputs(&[("--save", args.save.as_deref())], &[], context.force)?;
    let profile = args.profile.clone().or_else(|| file_settings.profile.clone());
    let region = match args.region.clone().or_else(|| file_settings.region.clone()) {
        Some(region) => Some(region),
        None => configured_region(profile.as_deref()).await,
    };
    let region =
        region.ok_or_else(|| Failure::Usage("no Region: name one with --region, or set AWS_REGION".to_owned()))?;
    let pool = PoolArgs {
        user_pool_id: None,
        pool: None,
        profile,
        region: None,
        endpoint_url: args.endpoint_url.clone(),
        allow_insecure_endpoint: args.allow_insecure_endpoint,
    };
    let service = connect_probe(&pool.real_target(file_settings)?, &region).await?;
    let name = scratch_name(*seed);
    view::print_intent(&name, &region, args.rate, ui);
    if !args.yes {
        let question = format!("create the scratch pools {name} in {region}, and delete them at the end?");
        confirm_step(&question, context)?;
    }
    let mut signals = listen_for_signals()?;
    ui.status("asking the service");
    let probe = Probe { name: &name, calls_per_second: args.rate, seed: *seed, clock: *clock };
    let report = probe.run(service.as_ref(), &mut signals).await;
    ui.clear_status();
    view::print_left_pools(&report, &name, &region, &pool, ui);
    if let (Some(path), Ok(_)) = (&args.save, &report.outcome) {
        save(path, &report)?;
    }
    let exit = exit_for_probe(&report);
    match &report.outcome {
        Ok(findings) => {
            view::print_findings(findings, &report, &region, exit, ui)?;
            // What is left has an error for each pool already.
            if let Some(failure) = report.open_questions() {
                failure.print(ui);
            }
        }
        Err(stop) => {
            let failure = stop.failure();
            print_error_report(ui, &failure);
            failure.print(ui);
        }
    }
    Ok(exit)
}

/// The name of the scratch pools: at random, so that it is nobody else's.
fn scratch_name(seed: u64) -> String {
    format!("cognito-link-probe-{:016x}", Rng::new(seed).fork("probe-name").next_u64())
}

fn exit_for_probe(report: &ProbeReport) -> Exit {
    match &report.outcome {
        Err(stop) => stop.failure().exit(),
        Ok(_) => report.failure().map_or(Exit::Success, |failure| failure.exit()),
    }
}

fn save(path: &std::path::Path, report: &ProbeReport) -> Result<(), Failure> {
    let mut file = OutputFile::create(path)?;
    for behavior in report.behaviors() {
        file.write(format!("{behavior}\n").as_bytes())?;
    }
    Ok(file.finish()?)
}
