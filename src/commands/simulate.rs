//! `simulate`: serves a simulated user pool on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::net::TcpListener;

use super::shared::simulator::{self, Conditions, SIMULATED_POOL_ID};
use super::shared::{CommandContext, Failure, headings};
use crate::exit::Exit;
use crate::service::sim::fault::FaultPlan;
use crate::service::sim::schedule::category_rates;
use crate::service::sim::settings::{Guesses, LinkedElsewhere};
use crate::service::sim::{Pool, PoolSettings, SharedWorld, server};

const EXAMPLE: &str = "Example: cognito-link simulate --listen 127.0.0.1:4566 --create-on-reference";

const AFTER_LONG_HELP: &str = "\
Faults: throttled, storm=TIME (all calls are throttled for this time), error-before and error-after (HTTP 500 before or \
after the work is done), lost-before and lost-after (the connection closes without an answer), reset-before and \
reset-after, half-written, slow=TIME, expired-credentials, access-denied. CALLS is a share such as 1% or 0.01, the number \
of a call, or a range such as 7..9, or 7.. for all calls from the seventh. A file has one fault on each line, or JSON:
  {\"faults\":[{\"kind\":\"slow\",\"for\":\"3s\",\"rate\":0.01,\"operation\":\"ListUsers\"}],\"list_lag\":\"800ms\",\"background\":{\"UserUpdate\":\"5\"}}

Times of changing rates count from the first call. Statistics: GET /_simulator/stats. Sign-in through a provider: POST \
/_simulator/sign-in with UserPoolId, ProviderName, UserId and, where needed, Claims and Issuer.

Example: cognito-link simulate --listen 127.0.0.1:4566 --create-on-reference";

/// Serve a simulated user pool on this machine, over the real wire protocol
///
/// Any AWS SDK or tool can use it as its endpoint. Stop it with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = AFTER_LONG_HELP)]
pub struct SimulateArgs {
    /// Address to listen on, loopback only; port 0 takes a free port and prints it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Content of the pool; empty by default
    #[arg(long, value_name = "FILE")]
    pub pool_file: Option<PathBuf>,
    /// File to write the pool to at the end
    #[arg(long, value_name = "FILE")]
    pub save_pool: Option<PathBuf>,
    /// Create users and providers when a request names them, as `link --simulate` does without a pool file
    #[arg(long)]
    pub create_on_reference: bool,
    /// Ignore the case of user names, as pools created in the console do; a pool file has its own setting
    #[arg(long, conflicts_with = "pool_file")]
    pub case_insensitive: bool,
    /// Quota in calls per second, of writes or of a category, which may change, such as 25,10@60s; or `off`
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]|off", default_value = "25")]
    pub quota: Vec<String>,
    /// Seconds of the quota that may be used at once
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, hide_short_help = true)]
    pub burst: f64,
    /// Calls per second of other clients on the same quota, at random times; may change like the quota
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]", hide_short_help = true)]
    pub background: Vec<String>,
    /// Latency in milliseconds, or `off`
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200")]
    pub latency: String,
    /// Fault to inject, such as lost-after@1% or slow=3s@7..9:ListUsers, or list-lag=TIME (can be repeated)
    #[arg(long, value_name = "FAULT@CALLS[:OPERATION]")]
    pub fault: Vec<String>,
    /// File of faults to inject, one on each line or JSON
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Undocumented behavior in which the pool differs from the default (can be repeated)
    #[arg(long, value_enum, value_name = "BEHAVIOR", help_heading = headings::ADVANCED, hide_short_help = true)]
    pub guess: Vec<Guess>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = headings::ADVANCED, hide_short_help = true)]
    pub seed: u64,
}

#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand out")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Guess {
    /// A repeated link is refused with the text from before mid-2024, "Invalid SourceUser: Cognito users …"
    OldAlreadyLinkedText,
    /// A source that is linked to another user is refused with "Merging is not currently supported …"
    LinkedElsewhereIsMerging,
    /// A source that is linked to another user is refused with AliasExistsException
    LinkedElsewhereIsAlias,
    /// A link accepts the sub of its destination in place of the user name
    DestinationBySub,
    /// The identity of the user's own profile does not count among the five
    OwnIdentityDoesNotCount,
    /// A link by an attribute stays as it was made when it is used, and is undone by that attribute
    AttributeLinkStays,
    /// Unlinking what is not linked is refused with UserNotFoundException
    UnlinkSaysUserNotFound,
}

pub async fn cmd_simulate(args: &SimulateArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    if !(args.burst.is_finite() && args.burst >= 0.0) {
        return Err(Failure::Usage(format!("--burst {}: expected a number of seconds", args.burst)));
    }
    let conditions = Conditions {
        quota: simulator::quota("--quota", &args.quota, args.burst)?,
        latency: simulator::latency("--latency", &args.latency)?,
        faults: faults(args)?,
    };
    let pool = match &args.pool_file {
        Some(path) => simulator::load_pool(path)?,
        None => Pool::new(PoolSettings::new(SIMULATED_POOL_ID).case_sensitive(!args.case_insensitive)),
    };
    let pool = if args.create_on_reference { pool.creating_on_reference() } else { pool };
    let pool_id = pool.settings().id.clone();
    let world = SharedWorld::new(conditions.world(args.seed).with_guesses(guesses(&args.guess)).with_pool(pool));
    let usage = |error: server::SimError| Failure::Usage(error.to_string());
    let listener = server::bind(args.listen).map_err(usage)?;
    let listener = TcpListener::from_std(listener).map_err(|error| Failure::System(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| Failure::System(error.to_string()))?;
    let mut stop = (context.listen_for_signals)()?;
    // Scripts with port 0 read the first line.
    context.ui.data(&format!("http://{address}\n"))?;
    context.ui.note(&format!("simulating pool {pool_id} on http://{address}; stop it with Ctrl-C"));
    server::serve(world.clone(), listener, async {
        stop.recv().await;
    })
    .await
    .map_err(usage)?;
    if let Some(path) = &args.save_pool {
        let world = world.take();
        if let Some(pool) = world.pool(&pool_id) {
            simulator::save_pool(path, pool)?;
        }
    }
    Ok(Exit::Success)
}

/// Returns the faults of the file, then those of the command line.
fn faults(args: &SimulateArgs) -> Result<FaultPlan, Failure> {
    let mut plan = args.faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), simulator::load_faults)?;
    for line in &args.fault {
        plan.add(line).map_err(|error| Failure::Usage(format!("--fault {error}")))?;
    }
    for text in &args.background {
        let rates = category_rates(text).map_err(|error| Failure::Usage(format!("--background '{text}': {error}")))?;
        plan.background.push(rates);
    }
    Ok(plan)
}

fn guesses(given: &[Guess]) -> Guesses {
    let mut guesses = Guesses::default();
    for guess in given {
        match guess {
            Guess::OldAlreadyLinkedText => guesses.old_already_linked_text = true,
            Guess::LinkedElsewhereIsMerging => guesses.linked_elsewhere = LinkedElsewhere::Merging,
            Guess::LinkedElsewhereIsAlias => guesses.linked_elsewhere = LinkedElsewhere::AliasExists,
            Guess::DestinationBySub => guesses.destination_by_sub = true,
            Guess::OwnIdentityDoesNotCount => guesses.own_identity_counts = false,
            Guess::AttributeLinkStays => guesses.attribute_link_stays = true,
            Guess::UnlinkSaysUserNotFound => guesses.unlink_says_user_not_found = true,
        }
    }
    guesses
}
