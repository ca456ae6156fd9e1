//! A scan of a million users: how much of the read budget it uses, in virtual time, and how much of the pool is kept.
//! Prints a table, and fails where a target is missed. The figures follow from the seed, but for memory and time.
//!
//!     cargo bench --bench scan

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use cognito_link::clock::Clock;
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::row::Link;
use cognito_link::foresight::pool_index::RequiredUsersBuilder;
use cognito_link::foresight::pool_index::{PoolIndex, PoolIndexBuilder};
use cognito_link::foresight::scan::{ScanOptions, ScanResult, scan};
use cognito_link::limits::LIST_QUOTA_PER_SECOND;
use cognito_link::pace::{Pace, RateQuota};
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{Account, Latency, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota};

type Outcome<T> = Result<T, Box<dyn Error>>;

const POOL: &str = "sim-local-1_Example01";
const MILLION: u64 = 1_000_000;

fn main() -> Outcome<()> {
    let mut missed = Vec::new();
    let world = Account::new(1).with_pool(pool()?).with_quota(Quota::documented()).with_latency(Latency::usual());
    let clock = Clock::starting_at(1_800_000_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let service = runtime.block_on(async { InProcessService::new(world, clock) });
    say(
        "| rows of the file | users read | reads | throttled | of the budget | users kept | memory of the index | the service's time in ours |",
    );
    say("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for rows in [100, 10_000, MILLION] {
        let before = resident_kib()?;
        let (index, scanned, wall_seconds) = runtime.block_on(read(&service, clock, rows))?;
        let memory_kib = resident_kib()?.saturating_sub(before);
        let share = share_of_budget(&scanned);
        say(&format!(
            "| {rows} | {} | {} | {} | {:.1} % | {} | {:.1} MiB | {:.0} s in {wall_seconds:.1} s |",
            scanned.users,
            scanned.reads,
            scanned.throttled,
            share * 100.0,
            index.user_count(),
            as_f64(memory_kib) / 1_024.0,
            scanned.elapsed.as_secs_f64()
        ));
        if share < 0.97 {
            missed.push(format!("{rows} rows: {:.1} % of the read budget", share * 100.0));
        }
        if scanned.users != MILLION {
            missed.push(format!("{rows} rows: {} users were read", scanned.users));
        }
        // Each row names a user, and asks for an identity that at most one other user holds.
        if as_f64(index.user_count() as u64) > 2.0 * as_f64(rows) {
            missed.push(format!("{rows} rows: {} users were kept", index.user_count()));
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn say(line: &str) {
    println!("{line}");
}

/// A million users, every tenth of them with an identity.
fn pool() -> Outcome<Pool> {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.add_provider(Provider::new("Okta", ProviderKind::Oidc, 0))?;
    for number in 0..MILLION {
        let mut user =
            NewUser::named(&format!("user-{number}")).with_verified_email(&format!("person-{number}@example.com"));
        if number.is_multiple_of(10) {
            user = user.with_identity(NewIdentity::linked("Okta", &format!("00uHeld{number:09}")));
        }
        pool.add_user(user)?;
    }
    Ok(pool)
}

/// Row `number` links a user far from those of the other rows.
fn link(number: u64) -> Outcome<Link> {
    let number = number * 7_919 % MILLION;
    let destination = Destination::Username(Personal::from_service(&format!("user-{number}")));
    let value = Personal::from_service(&format!("00uHeld{:09}", number / 2));
    let source = ExternalIdentity::new(ProviderName::parse("Okta")?, AttributeName::subject(), value)?;
    Ok(Link { destination, source })
}

async fn read(service: &Arc<InProcessService>, clock: Clock, rows: u64) -> Outcome<(PoolIndex, ScanResult, f64)> {
    let mut wanted = RequiredUsersBuilder::default();
    for number in 0..rows {
        wanted.add(&link(number)?);
    }
    let mut builder = PoolIndexBuilder::new(wanted.build(), true);
    let limit = RateQuota { per_second: LIST_QUOTA_PER_SECOND, ..RateQuota::assumed(1.0, 1) };
    let options = ScanOptions { reads: Pace::within(limit, None), seed: 1 };
    let mut take = |users| {
        builder.add_users(users);
        Ok(())
    };
    let started = Instant::now();
    let scanned = scan(service.clone(), options, clock, &mut take).await?;
    Ok((builder.build(), scanned, started.elapsed().as_secs_f64()))
}

/// Answered pages against the calls that the quota would have let through in that time.
fn share_of_budget(scanned: &ScanResult) -> f64 {
    as_f64(scanned.reads - scanned.throttled) / (scanned.elapsed.as_secs_f64() * LIST_QUOTA_PER_SECOND)
}

#[expect(clippy::cast_precision_loss, reason = "shown figures")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}
