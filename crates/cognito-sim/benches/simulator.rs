//! The simulator is not the bottleneck: calls a second over HTTP on one core, links a second in virtual time, memory
//! and page times of large pools. Prints a table, and fails where a target is missed.
//!
//!     cargo bench -p cognito-sim

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use cognito_sim::{
    Account, Answer, Latency, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, Server,
    SharedAccount,
};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const NOW: i64 = 1_700_000_000_000;
const POOL: &str = "sim-local-1_Example01";
const HTTP_LINKS: usize = 60_000;
const HTTP_CONNECTIONS: usize = 4;
const VIRTUAL_LINKS: usize = 1_000_000;
const VIRTUAL_IN_FLIGHT: usize = 64;
const MILLION: usize = 1_000_000;

fn main() -> Outcome<()> {
    let mut missed = Vec::new();
    let mut row = |what: &str, figure: f64, unit: &str, target: &str, fits: bool| {
        print_row(what, figure, unit, target);
        if !fits {
            missed.push(what.to_owned());
        }
    };
    // Memory first: what later measurements free would be taken again unseen.
    let before = resident_mib()?;
    let mut pools = Vec::new();
    for users in [1_000, 100_000, MILLION] {
        pools.push((users, filled(users)?));
    }
    let memory = resident_mib()? - before;
    row("1.1 million users in memory", memory, "MiB", "under 1,024", memory < 1_024.0);
    let mut page_us = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    for (users, pool) in pools {
        let time = runtime.block_on(page_time_us(pool))?;
        row(&format!("a page of 60 of {users} users, with its JSON"), time, "µs", "", true);
        page_us.push(time);
    }
    let ratio = page_us[2] / page_us[0];
    row("page time, a million users to a thousand", ratio, "times", "under 2", ratio < 2.0);
    let (wall_per_second, core_per_second) = links_over_http()?;
    row("links over HTTP, by the wall clock", wall_per_second, "/s", "", true);
    row("links over HTTP, a core of the server", core_per_second, "/s", "over 5,000", core_per_second > 5_000.0);
    let seconds = links_in_virtual_time()?.as_secs_f64();
    row("a million links in virtual time, a core", seconds, "s", "under 30", seconds < 30.0);
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print_row(what: &str, figure: f64, unit: &str, target: &str) {
    println!("{what:42} {figure:>12.1} {unit:<6} {target}");
}

#[expect(clippy::cast_precision_loss, reason = "shown figures")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn filled(users: usize) -> Outcome<Pool> {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.add_provider(Provider::new("Google", ProviderKind::Google, 0))?;
    for n in 0..users {
        let user = NewUser::named(&format!("user-{n:07}")).with_email(&format!("User{n}@example.com"));
        pool.add_user(user.with_identity(NewIdentity::linked("Google", &format!("10{n:019}"))))?;
    }
    Ok(pool)
}

fn calm(pool: Pool) -> Account {
    Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off())
}

/// Links a second by the wall clock, and by the server's own processor time.
fn links_over_http() -> Outcome<(f64, f64)> {
    let pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
    let server = Server::start(calm(pool), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = server.address();
    let started = Instant::now();
    let clients = (0..HTTP_CONNECTIONS).map(|client| std::thread::spawn(move || send_links(address, client).is_ok()));
    let clients: Vec<_> = clients.collect();
    for client in clients {
        if !client.join().is_ok_and(|sent| sent) {
            return Err("a client of the simulator failed".into());
        }
    }
    let (wall, busy) = (started.elapsed(), server_busy()?);
    let made = server.stop().stats().links_made;
    if made != HTTP_LINKS as u64 {
        return Err(format!("{made} links of {HTTP_LINKS} were made").into());
    }
    Ok((per_second(HTTP_LINKS, wall), per_second(HTTP_LINKS, busy)))
}

fn send_links(address: SocketAddr, client: usize) -> Outcome<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 4_096];
    for n in (client..HTTP_LINKS).step_by(HTTP_CONNECTIONS) {
        let body = format!(
            r#"{{"UserPoolId":"{POOL}","DestinationUser":{{"ProviderName":"Cognito","ProviderAttributeValue":"u{n}"}},"SourceUser":{{"ProviderName":"Google","ProviderAttributeName":"Cognito_Subject","ProviderAttributeValue":"{n}"}}}}"#
        );
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: unverified\r\ncontent-length: {length}\r\n\
             content-type: application/x-amz-json-1.1\r\n\
             x-amz-target: AWSCognitoIdentityProviderService.AdminLinkProviderForUser\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        // The answer is small and comes in one piece.
        let read = stream.read(&mut answer)?;
        if !answer[..read].starts_with(b"HTTP/1.1 200 ") || !answer[..read].ends_with(b"{}") {
            return Err("another answer than {}".into());
        }
    }
    Ok(())
}

/// Processor time of the server's thread so far.
fn server_busy() -> Outcome<Duration> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let folder = thread?.path();
        if std::fs::read_to_string(folder.join("comm"))?.trim() == "simulator" {
            return busy(&folder);
        }
    }
    Err("the server's thread is not there".into())
}

/// Processor time of a thread so far, by its folder in /proc.
fn busy(thread: &Path) -> Outcome<Duration> {
    let times = std::fs::read_to_string(thread.join("schedstat"))?;
    let busy_ns = times.split_whitespace().next().ok_or("no processor time")?.parse()?;
    Ok(Duration::from_nanos(busy_ns))
}

/// Processor time of a million links in this process, at the usual latency, which takes no time under a paused clock.
fn links_in_virtual_time() -> Outcome<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let before = busy(Path::new("/proc/thread-self"))?;
    runtime.block_on(async {
        let pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
        let account = SharedAccount::new(Account::new(1).with_pool(pool).with_quota(Quota::off()));
        let mut in_flight = tokio::task::JoinSet::new();
        let mut made = 0;
        for n in 0..VIRTUAL_LINKS {
            if in_flight.len() == VIRTUAL_IN_FLIGHT {
                made +=
                    usize::from(in_flight.join_next().await.is_some_and(|linked| linked.is_ok_and(|linked| linked)));
            }
            in_flight.spawn(link(account.clone(), n));
        }
        while let Some(linked) = in_flight.join_next().await {
            made += usize::from(linked?);
        }
        if made == VIRTUAL_LINKS { Ok(()) } else { Err::<(), Box<dyn Error>>(format!("{made} links were made").into()) }
    })?;
    Ok(busy(Path::new("/proc/thread-self"))?.saturating_sub(before))
}

async fn link(account: SharedAccount, n: usize) -> bool {
    let body = json!({
        "UserPoolId": POOL,
        "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": format!("user-{n:07}") },
        "SourceUser": {
            "ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": format!("10{n:019}"),
        },
    });
    let answer = account.call(NOW, "AdminLinkProviderForUser", body.to_string().as_bytes()).await;
    matches!(answer, Answer::Complete(response) if response.status == 200)
}

/// The median time of a page, over a chain of pages from the start and again.
async fn page_time_us(pool: Pool) -> Outcome<f64> {
    let account = SharedAccount::new(calm(pool));
    let mut times = Vec::new();
    let mut token = Value::Null;
    for _ in 0..2_000 {
        let body = json!({ "UserPoolId": POOL, "Limit": 60, "PaginationToken": token }).to_string();
        let started = Instant::now();
        let Answer::Complete(response) = account.call(NOW, "ListUsers", body.as_bytes()).await else {
            return Err("no answer".into());
        };
        times.push(started.elapsed());
        token = serde_json::from_slice::<Value>(&response.body)?["PaginationToken"].take();
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// Memory that the process holds.
fn resident_mib() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024.0)
}
