//! A simulated Amazon Cognito user pool, for tests and rehearsals.
//!
//! An [`Account`] holds [`Pool`]s, quotas, latency and faults. It is called in three ways, with the same answers:
//!
//! - over HTTP/1.1 on loopback, by any AWS client: [`Server`], or [`StandaloneServer`] with the options of the program;
//! - in this process, with the same JSON bodies and without a socket: [`SharedAccount::call`]. Answers take their time on
//!   tokio's clock, so under a paused clock a run of hours takes seconds;
//! - behind the back of the service, to prepare or inspect it: [`Account::pool_mut`], [`Pool::add_user`],
//!   [`Pool::get_user`], [`Pool::sign_in_with`].
//!
//! The caller passes the time in, and all random numbers come from one seed: the same seed and the same calls at the same
//! times give the same answers. Where a fact about the service is not known, the default is what clients assume, or the
//! answer that catches a client which trusts too much; each [`Behavior`] is an alternative.
//!
//! ```
//! use cognito_sim::{Account, Answer, NewUser, Pool, PoolSettings, SharedAccount};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut pool = Pool::new(PoolSettings::new("sim-local-1_Example01"));
//! pool.add_user(NewUser::named("alice"))?;
//! let account = SharedAccount::new(Account::new(1).with_pool(pool));
//! let body = br#"{"UserPoolId":"sim-local-1_Example01","Username":"alice"}"#;
//! let Answer::Complete(response) = account.call(1_700_000_000_000, "AdminGetUser", body).await else {
//!     unreachable!("no fault was ordered")
//! };
//! assert_eq!(response.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! Each module uses only modules above it.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `clock`, `random`, `limits` | time, seeded random numbers, bounds |
//! | `behavior` | what the service could do differently |
//! | `error`, `operation`, `link_record` | the catalogue of error classes and texts; operations and quota categories; what links did |
//! | `model`, `list_lag` | what a pool holds; what lists do not show yet |
//! | `wire` | typed requests and replies, and their JSON |
//! | `pool` | the pool and its indices |
//! | `users`, `providers`, `links`, `sign_in`, `list_users` | what one operation does to a pool |
//! | `pool_file` | a pool as a JSON file |
//! | `quota`, `fault`, `stats` | throttling and other tenants, fault injection, statistics |
//! | `account` | all of it together: how a call is decided |
//! | `access` | who may call the server |
//! | `server`, `options` | HTTP, and the options of the program |

#![warn(missing_docs)]

mod access;
mod account;
mod app_clients;
mod behavior;
mod caller_identity;
mod clock;
mod error;
mod fault;
mod limits;
mod link_record;
mod links;
mod list_lag;
mod list_users;
mod model;
mod operation;
mod options;
mod pool;
pub mod pool_file;
mod providers;
mod quota;
mod random;
mod server;
mod sign_in;
mod stats;
mod user_table;
mod users;
mod wire;

// The table of conformance names this crate as its other user, `cognito-link`, does.
#[cfg(test)]
extern crate self as cognito_sim;
#[cfg(test)]
mod tests;

pub use account::{Account, Answer, Latency, Response, SharedAccount};
pub use app_clients::AppClient;
pub use behavior::Behavior;
pub use clock::UnixMs;
pub use error::ApiError;
pub use fault::{FaultKind, FaultPlan, FaultPlanError, FaultRule, FaultTrigger};
pub use link_record::{HeldIdentity, LinkEvent, LinkOrigin};
pub use model::{
    AttributeBounds, NewIdentity, NewUser, PoolError, PoolSettings, Provider, ProviderKind, SchemaAttribute, Status,
    UNKNOWN_DATE_UNIX_MS, UserView,
};
pub use operation::{Category, Operation};
pub use options::{
    AFTER_HELP, OptionError, ServerArgs, StandaloneError, StandaloneServer, load_faults, parse_latency, parse_quota,
};
pub use pool::Pool;
pub use quota::{OtherTenantsStats, Quota, RateChange, Schedule, ScheduleError, category_rates};
pub use server::{SIGN_IN_PATH, SIMULATOR_HEADER, STATS_PATH, Server, ServerError};
pub use sign_in::{SignIn, SignedIn};
pub use stats::{OperationStats, SecondStats, Stats};

/// The id of the pool that is simulated when no other is given. No Region of AWS starts with `sim-`.
pub const DEFAULT_POOL_ID: &str = "sim-local-1_Example01";
