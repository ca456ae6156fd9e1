//! `cognito-link` links existing users of an Amazon Cognito user pool to identities of external providers, in bulk.
//!
//! This page is the map of the house: read it first. The README is for those who run the program; this is for those
//! who change it.
//!
//! # From above
//!
//! ```text
//!  INPUT ─► input ─► commands ─► engine ─► service ─► Cognito, or the simulator
//!                       │        │  ▲ └──► ledger
//!                       │        │  └───── pace (budget, cool-down, back-off)
//!                       │        └───────► events ─► ui (progress, findings, reports, log)
//!                       └─ foresight (is the pool there? who is meant? what will come of it?)
//! ```
//!
//! The input is read once to check every row by itself and beside the others (`input::across`), before anything is sent
//! (`commands::link::InputCheck`); where something is wrong, once more to tell it in the order of the rows. The last reading works: one loop, the dispatcher, takes rows from a bounded channel, owns
//! the ledger, the counters, the budgets and the observer, and hands single calls to workers.
//!
//! # The way of a row
//!
//! | step | where | what happens |
//! | --- | --- | --- |
//! | read | `input::reader`, `input::csv`, `input::jsonl` | bytes become a record with the columns that matter |
//! | checked | `input::sound` where there is nothing to tell, else `input::check`; `input::across` | a record becomes a `domain::row::Row`, or an invalid row with findings |
//! | admitted | `engine::dispatcher::intake` | the ledger says: skip it, attempt it, or settle it first; it waits in the lane of its destination |
//! | foretold, where that is asked for | `foresight::scan`, `foresight::index`, `foresight::verdict` | the pool is read once, and each row gets the verdict that `link` would reach |
//! | looked up | `foresight::resolve` | an e-mail address or a `sub` becomes exactly one user, or a refusal |
//! | announced | `engine::dispatcher::sending`, `ledger` | its intent, with the very values to be sent, is on disk before the call |
//! | called | `engine::worker`, `service::cognito` | one attempt, in a slot of the budget |
//! | classified | `service::classify` | one table over code, text and kind of transport fault |
//! | settled | `engine::job`, `engine::settle` | what is in doubt is read back; the policy neither waits nor calls |
//! | recorded, counted, told | `engine::dispatcher::answers` | ledger first, then counters, then observer |
//!
//! A comparison (`commands::reconcile`) reads the file, then the pool (`foresight::scan`), then the file again, a
//! `domain::drift::Standing` for each row; what is missing goes the same way as any row, from *admitted* on.
//!
//! Where a row stands is `domain::state::RowState`; `domain::state::next_state` is the one table of what may follow, used
//! live and when a ledger is read back.
//!
//! `undo` goes the same way with the links of a ledger for rows (`ledger::made`): looked at, announced, called, settled,
//! recorded. Its policy is `engine::undo`, and what a look means is `engine::undo_look`.
//!
//! `doctor` (`commands::doctor`) sends no row anywhere: it makes single reads, and what they show is a
//! `domain::checkup::Check`, which knows by itself whether that is good.
//!
//! # Rooms
//!
//! A room may import from rooms of a lower level that its line names, and from no other. `tests/architecture.rs` holds
//! this table as data and reads the sources.
//!
//! | level | room | what lives there | may import from |
//! | --- | --- | --- | --- |
//! | 0 | [`clock`] | the only reader of a clock; every wait | - |
//! | 0 | [`exit`] | the documented statuses | - |
//! | 0 | [`limits`] | every bound and default, with its unit in its name | - |
//! | 0 | [`seed`] | a small seeded generator: every random wait | - |
//! | 1 | [`domain`] | plain values: identities, rows, states, outcomes, findings, events, counts that balance; no I/O, no async, no format | limits |
//! | 2 | [`input`] | rows from CSV and JSON lines, packed or plain; presets for other people's exports; result files | clock, seed, limits, domain |
//! | 2 | [`service`] | the ports, faults and their table; `cognito`, the adapter; `sim`, the simulated pool | clock, seed, limits, domain |
//! | 2 | [`pace`] | the budget under a hard ceiling, the shared cool-down, the back-off | clock, seed, limits, domain |
//! | 2 | [`ledger`] | what was announced and what came of it: one append-only file | clock, seed, limits, domain |
//! | 2 | [`ui`] | the only talker: results on stdout, talk on stderr | clock, seed, limits, domain |
//! | 3 | [`foresight`] | what can be known before a row is sent | clock, seed, limits, domain, service, pace |
//! | 4 | [`engine`] | dispatcher, workers, and the policy of a row | clock, seed, limits, domain, service, pace, ledger, foresight |
//! | 5 | [`commands`] | one module for each command: its arguments, what it does, how the result is printed; what they share | clock, exit, seed, limits, domain, input, service, pace, ledger, ui, foresight, engine |
//! | 6 | `main` | parse, run, exit | commands, exit |
//!
//! Within `service`, the adapter and the simulator do not know each other, and nobody but `commands` knows either: the rest of
//! the house holds a [`service::UserDirectory`], which reads, and a [`service::IdentityLinker`] or a
//! [`service::IdentityUnlinker`], which write, and never both of these.
//!
//! # Invariants
//!
//! Each is said as something that does not happen, with the place that sees to it and what watches over it.
//!
//! | never | seen to by | watched by |
//! | --- | --- | --- |
//! | a link or unlink call that the ledger has not announced durably | `engine::dispatcher::sending`: only what a sync has covered may be sent | `tests/it/seeds.rs` and `undo_seeds.rs`, over seeds with crashes |
//! | an unlink of what this ledger did not link, or did not just see on its user | `ledger::made` hands out linked rows only, `domain::state` lets no other be announced; `engine::undo` looks first | the same, and their tests |
//! | a row read that has no state, or two | `domain::summary::Counts::balance`, asked at the end of every run and report | the same, and its unit tests |
//! | a state that does not follow from the one before | `domain::state::next_state` | the whole table as a test |
//! | a second owner of the ledger or the counters, a lock in the engine | workers talk by their return value, the reader by a bounded channel | `tests/architecture.rs` |
//! | a second process that writes the same ledger | `ledger::storage`: the lock is taken before the first byte is read | its tests |
//! | an AWS name outside `service::cognito`, a terminal outside `ui` | the ports, the observer | `tests/architecture.rs` |
//! | a link of somebody else that a comparison overwrites | `commands::reconcile` hands rows to the engine, which reads before it judges | `tests/it/reconcile_seeds.rs`, and a second client in `tests/it/reconcile.rs` |
//! | a channel, file, line, loop or wait without a bound | [`limits`], with assertions between the bounds when it is compiled | `tests/architecture.rs` for channels |
//! | time or chance that was not handed in | [`clock`], [`seed`] | `tests/architecture.rs`; equal seeds give equal ledgers in `tests/it/seeds.rs` |
//! | an attempt of a row past the budget, or a second layer of retries | `engine::dispatcher::sending` takes a slot for each; the SDK's own retries are off | the tests of [`pace`] |
//! | a wait that holds a slot or a place among the calls in flight | waiting rows stand in `engine::window`, not in a worker | its tests |
//! | two calls for one destination in flight | the lanes of `engine::window` | its tests |
//! | a refusal or a success that rests on "already linked" alone | `engine::job` reads the destination first | its tests |
//! | a native user as a source | `domain::identity::ExternalIdentity` cannot be built so | its tests |
//! | a call that deletes, disables or changes a user | the ports have none; an unlink names an `ExternalIdentity`, so never a native user | `UserDirectory`, `IdentityLinker`, `IdentityUnlinker` have seven functions together, `LimitReader` two that read |
//! | a personal value in a log, an error text or an event | `domain::identity::Personal` has no text of its own, events hold numbers and keys | `tests/architecture.rs`: who may `expose()` |
//! | a simulated ledger before a real pool, or the reverse | `ledger::Binding`, compared when a ledger is opened; regions `sim-…` exist nowhere | the tests of [`ledger`] |
//! | a forecast that is not what `link` reaches, when nothing else touches the pool | `foresight::verdict`: the order of a link call's own checks | `tests/it/forecast.rs`, over seeds |
//! | a plan followed for another input or pool, or further than it goes | `commands::shared::saved_plan`, before anything is sent and row by row | `tests/it/plan.rs` |
//! | a writing half in a command that must not write, or both halves in one run | only `engine::worker` names both; `commands::link` and `commands::reconcile` alone ask for [`service::IdentityLinker`], `commands::undo` alone for [`service::IdentityUnlinker`] | `tests/architecture.rs` |
//!
//! # Words
//!
//! **Link**: an external identity signs in as an existing user. **Destination**: that user. **Source**: that identity, made
//! of provider, attribute and value. **Row key**: 128 bits over pool, destination and source; a row keeps it when the
//! file is sorted or edited. **Announce**: write the intent before the call. **In doubt**: announced, and its outcome is not
//! known. **Settle**: find the outcome by reading the destination. **Refused**: no for good, by the service or by the plan.
//! **Standing**: how a row stands to the pool: linked, missing, moved, blocked. **Drift**: standings other than linked, and
//! extra links. **Failed**: attempts exhausted, and reading showed that none had an effect. **Recovered**: a link that was found by
//! reading, made so close to our announcement that somebody else could have made it a moment before. **Budget**: slots of
//! one category of calls. **Cool-down**: the shared pause after a throttle. **Back-off**: one row's wait after a transient
//! fault. **Undone**: linked by this tool and taken back; `link` may link it again. **Kept**: linked by this tool, and `undo` refused
//! to take it back. **Verdict**: what `link` will reach for a row, told beforehand. **Plan**: the verdicts of a file, kept until `link`
//! does exactly that. **Lane**: the line of rows for one destination. **Drain**: take nothing new, finish what is in flight.

pub mod clock;
pub mod commands;
pub mod domain;
pub mod engine;
pub mod exit;
pub mod foresight;
pub mod input;
pub mod ledger;
pub mod limits;
pub mod pace;
pub mod seed;
pub mod service;
pub mod ui;
