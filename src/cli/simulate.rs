//! `simulate`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

const AFTER_HELP: &str = "\
Faults: throttled, storm=TIME (everything is throttled so long), error-before and error-after (HTTP 500 before or after \
the work was done), lost-before and lost-after (the connection closes without an answer), reset-before and reset-after, \
half-written, slow=TIME, expired-credentials, access-denied. CALLS is a share as in 1% or 0.01, a call's number, or \
numbers as in 7..9 or 7.. for all from the seventh on. For a file, one a line or as JSON:
  {\"faults\":[{\"kind\":\"slow\",\"for\":\"3s\",\"rate\":0.01,\"operation\":\"ListUsers\"}],\"list_lag\":\"800ms\",\"background\":{\"UserUpdate\":\"5\"}}

Times of changing rates count from the first call. Statistics: GET /_simulator/stats. A sign-in through a provider: POST \
/_simulator/sign-in with UserPoolId, ProviderName, UserId and, if need be, Claims and Issuer.";

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SimulateArgs {
    /// Where to listen; loopback only, port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What the pool holds; empty otherwise.
    #[arg(long, value_name = "FILE")]
    pub pool_file: Option<PathBuf>,
    /// Write the pool to this file at the end.
    #[arg(long, value_name = "FILE")]
    pub save_pool: Option<PathBuf>,
    /// Make users and providers when a request names them, as `link --simulate` does without a pool file.
    #[arg(long)]
    pub create_on_reference: bool,
    /// Do not tell user names apart by case, as pools made in the console do; a pool file says so itself.
    #[arg(long, conflicts_with = "pool_file")]
    pub case_insensitive: bool,
    /// Calls a second of a quota category, of writes where none is named; may change, as in 25,10@60s; or `off`.
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]|off", default_value = "25")]
    pub quota: Vec<String>,
    /// How many seconds' worth of calls may come at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub burst: f64,
    /// Calls a second of other tenants on the same quota, at random times; may change as well.
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]")]
    pub background: Vec<String>,
    /// The latency in milliseconds, MIN..MAX, or `off`.
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200")]
    pub latency: String,
    /// Something that goes wrong, such as lost-after@1% or slow=3s@7..9:ListUsers; or list-lag=TIME.
    #[arg(long, value_name = "FAULT@CALLS[:OPERATION]")]
    pub fault: Vec<String>,
    /// A file of faults, one a line or as JSON.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Behave in another way where nobody knows what the service does.
    #[arg(long, value_enum, value_name = "BEHAVIOUR")]
    pub guess: Vec<Guess>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Behaviour that differs from the default guess.
#[expect(clippy::doc_markdown, reason = "shown as help, where quotes of code would stand out")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Guess {
    /// A repeated link is refused with the text from before mid-2024, "Invalid SourceUser: Cognito users …".
    OldAlreadyLinkedText,
    /// A source that is linked to somebody else is refused with "Merging is not currently supported …".
    LinkedElsewhereIsMerging,
    /// A source that is linked to somebody else is refused with AliasExistsException.
    LinkedElsewhereIsAlias,
    /// A link takes the sub of its destination in place of the user name.
    DestinationBySub,
    /// The identity from which a user was born does not count among the five.
    OwnIdentityDoesNotCount,
    /// A link by an attribute stays as it was made when it is used, and is undone by that attribute.
    AttributeLinkStays,
    /// Taking back what is not linked is refused with UserNotFoundException.
    UnlinkSaysUserNotFound,
}
