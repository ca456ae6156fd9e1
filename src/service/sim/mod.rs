//! The simulator: a user pool that behaves as Amazon Cognito does, for rehearsals and for tests.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `user`, `provider`, `schema` | what a pool holds |
//! | `settings` | what a pool is, and the guesses |
//! | `pool` | the pool and its indices: a pure state machine, with the time passed in |
//! | `link`, `unlink`, `sign_in`, `page`, `token`, `filter`, `lag` | what one operation does to it |
//! | `user_admin`, `provider_admin`, `account` | making users, providers and pools, and telling limits |
//! | `operation`, `request` | the operations and their quota categories; requests and replies, typed |
//! | `error` | the one catalogue of error classes and texts, each marked as known or guessed |
//! | `quota`, `background`, `schedule`, `latency` | what surrounds a pool: throttling, other tenants, rates that change, time |
//! | `fault`, `fault_text`, `stats` | misfortune on order, as text or JSON, and what was seen of it all |
//! | `world`, `decide` | a whole simulated account, and how it decides every call at its arrival |
//! | `shared` | a world that several callers hold |
//! | `port` | the ports over a world in this process, without sockets: under a paused clock a run takes no time |
//! | `members`, `api`, `answer`, `wire`, `stream`, `server` | the same over HTTP, as the service speaks it |
//! | `pool_file`, `pool_lines` | a pool as a JSON file |
//!
//! Nothing here reads a clock or draws a number of its own: the same seed and the same calls at the same times give
//! the same answers. Where a fact about the service is a guess, the default is the answer that catches a client which
//! trusts too much, and [`settings::Guesses`] has the other one.

mod account;
mod answer;
pub mod api;
mod background;
pub mod decide;
pub mod error;
pub mod fault;
pub mod fault_text;
pub mod filter;
mod lag;
pub mod latency;
pub mod link;
mod members;
pub mod operation;
mod page;
pub mod pool;
pub mod pool_file;
mod pool_lines;
pub mod port;
pub mod provider;
mod provider_admin;
pub mod quota;
pub mod request;
pub mod schedule;
pub mod schema;
pub mod server;
pub mod settings;
pub mod shared;
pub mod sign_in;
pub mod snapshot;
pub mod stats;
mod stream;
mod token;
pub mod unlink;
pub mod user;
mod user_admin;
mod wire;
pub mod world;

pub use answer::{SIGN_IN_PATH, STATS_PATH};
pub use error::ApiError;
pub use pool::Pool;
pub use port::SimService;
pub use server::Server;
pub use settings::PoolSettings;
pub use shared::SharedWorld;
pub use stats::Stats;
pub use world::World;

#[cfg(test)]
mod tests;
