//! What a link costs the client: `cargo bench --bench client`.
//!
//! The whole of `link` (input read twice, pace, SDK, ledger on disk), the bare SDK call and a bare HTTP POST against one
//! simulator without quota and latency, in one run; CPU is this process's, user and system, as the server is a process
//! of its own. Ratios are what counts: times are this machine's.

#![allow(clippy::disallowed_methods, reason = "measures real time")]
// A benchmark prints, and what it needs that is not there is its end.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::ProviderUserIdentifierType;
use cognito_link::clock::Clock;
use cognito_link::commands::link::InputCheck;
use cognito_link::commands::shared::rows::{InputRows, RowGuidance};
use cognito_link::commands::shared::run::{run_engine, run_start};
use cognito_link::domain::event::IgnoreEvents;
use cognito_link::domain::identity::PoolId;
use cognito_link::domain::state::RetryChoice;
use cognito_link::engine::{EngineOptions, RunContext, ServicePorts, WritePort};
use cognito_link::foresight::preflight::preflight;
use cognito_link::input::{InputOptions, InputSource};
use cognito_link::ledger::record::RunId;
use cognito_link::ledger::{Binding, Corrections, Ledger};
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::cognito::{Cognito, ConnectionTarget};
use cognito_sim::{Account, Latency, Pool, PoolSettings, Quota, Server};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

const POOL: &str = "sim-local-1_Client";
const CALLS: u64 = 20_000;
const IN_FLIGHT: u64 = 32;
const TARGET: &str = "AWSCognitoIdentityProviderService.AdminLinkProviderForUser";

fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return serve();
    }
    let (mut server, address) = start_server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    println!("\n{CALLS} links, {IN_FLIGHT} in flight, one thread\n");
    println!("| client | CPU a link | links/s | CPU, bare SDK call = 1 |\n| --- | --- | --- | --- |");
    // Once for the caches, not counted.
    runtime.block_on(post_all(address, "warm", CALLS / 4));
    let mut lines = Vec::new();
    for round in 0..3 {
        let measured = [
            ("bare HTTP POST (hyper)", measure(|| runtime.block_on(post_all(address, &format!("p{round}"), CALLS)))),
            ("bare SDK call", measure(|| runtime.block_on(call_all(address, &format!("s{round}"), CALLS)))),
            ("`link`, all in", measure(|| runtime.block_on(link_all(address, folder.path(), round)))),
        ];
        lines.push(measured);
    }
    let _ = server.kill();
    let _ = server.wait();
    let best = |index: usize| {
        lines.iter().map(|line| line[index].1).min_by(|left, right| left.0.cmp(&right.0)).unwrap_or_default()
    };
    let sdk = best(1).0.as_secs_f64();
    for (index, (name, _)) in lines[0].iter().enumerate() {
        let (cpu, wall) = best(index);
        println!(
            "| {name} | {:.0} us | {:.0} | {:.2} |",
            cpu.as_secs_f64() * 1e6 / CALLS as f64,
            CALLS as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() / sdk
        );
    }
    println!("\nThe best of three rounds each.");
}

/// The simulator, without quota and latency, until its stdin closes.
fn serve() {
    let mut pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
    pool.ensure_provider("Google").unwrap();
    let world = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off());
    let server = Server::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    println!("{}", server.address());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().lock().read_line(&mut String::new());
    drop(server.stop());
}

fn start_server() -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut server = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().parse().unwrap())
}

/// CPU and wall time of some work.
fn measure(work: impl FnOnce()) -> (Duration, Duration) {
    let (cpu, wall) = (cpu_time(), Instant::now());
    work();
    (cpu_time().saturating_sub(cpu), wall.elapsed())
}

/// User and system time of this process so far: fields 14 and 15 of Linux's `stat`, in hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// The same bytes as the SDK's, sent by hand: one connection a task.
async fn post_all(address: SocketAddr, name: &str, calls: u64) {
    let tasks: Vec<_> =
        (0..IN_FLIGHT).map(|task| tokio::spawn(post_some(address, name.to_owned(), task, calls))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn post_some(address: SocketAddr, name: String, task: u64, calls: u64) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for number in 0..calls / IN_FLIGHT {
        let body = format!(
            r#"{{"UserPoolId":"{POOL}","DestinationUser":{{"ProviderName":"Cognito","ProviderAttributeValue":"{name}-{task}-{number}"}},"SourceUser":{{"ProviderName":"Google","ProviderAttributeName":"Cognito_Subject","ProviderAttributeValue":"{name}{task}x{number}"}}}}"#
        );
        let request = hyper::Request::post("/")
            .header("host", address.to_string())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", TARGET)
            .header("authorization", "AWS4-HMAC-SHA256 Credential=SIMULATED/20260101/sim-local-1/cognito-idp/aws4_request, SignedHeaders=host, Signature=00")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.into_body().collect().await.unwrap();
    }
}

async fn call_all(address: SocketAddr, name: &str, calls: u64) {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("sim-local-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("SIMULATED", "simulated", None, None, "bench"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    let client = Client::from_conf(config);
    let tasks: Vec<_> =
        (0..IN_FLIGHT).map(|task| tokio::spawn(call_some(client.clone(), name.to_owned(), task, calls))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn call_some(client: Client, name: String, task: u64, calls: u64) {
    for number in 0..calls / IN_FLIGHT {
        let user = |provider: &str, attribute: Option<&str>, value: String| {
            ProviderUserIdentifierType::builder()
                .provider_name(provider)
                .set_provider_attribute_name(attribute.map(str::to_owned))
                .provider_attribute_value(value)
                .build()
        };
        client
            .admin_link_provider_for_user()
            .user_pool_id(POOL)
            .destination_user(user("Cognito", None, format!("{name}-{task}-{number}")))
            .source_user(user("Google", Some("Cognito_Subject"), format!("{name}{task}x{number}")))
            .send()
            .await
            .unwrap();
    }
}

/// All of `link` but the command line: the first reading, the run, the ledger.
async fn link_all(address: SocketAddr, folder: &std::path::Path, round: u64) {
    let input = folder.join(format!("pairs-{round}.csv"));
    let lines = (0..CALLS).map(|number| format!("l{round}-{number},Google,1074385{round:03}{number:010}7\n"));
    let text = "username,provider,subject\n".to_owned() + &lines.collect::<Vec<_>>().concat();
    std::fs::write(&input, text).unwrap();
    let clock = Clock::system();
    let pool = PoolId::parse(POOL).unwrap();
    let (source, options) = (InputSource::open(&input).unwrap(), InputOptions::default());
    let binding = Binding::new(pool.clone(), true, None);
    let part = cognito_link::commands::shared::part::InputPart::default();
    let check = InputCheck {
        source: &source,
        options: &options,
        pool: &pool,
        shard: None,
        part: &part,
        ledger: None,
        retry: RetryChoice::NOTHING,
    };
    let checked = check.run(&mut IgnoreEvents).unwrap();
    let target =
        ConnectionTarget::Simulator { endpoint_url: format!("http://{address}"), access_key: "SIMULATED".to_owned() };
    let cognito = Cognito::connect(&target, pool.region(), pool.clone()).await.unwrap();
    let services = ServicePorts { directory: cognito.directory(), writer: WritePort::Links(cognito.linker()) };
    let knowledge = preflight(services.directory.as_ref(), clock, &mut Rng::new(1)).await.unwrap();
    let engine_options = EngineOptions {
        writes: Pace::max(1, Some(cognito_link::limits::RATE_PER_SECOND_MAX / 0.9)),
        concurrency: usize::try_from(IN_FLIGHT).unwrap(),
        total: Some(checked.rows),
        seed: 1,
        ..EngineOptions::default()
    };
    let (_none, mut signals) = mpsc::channel(1);
    let rows = InputRows::open(&source, &options, &checked.cross_row, &pool, None, RowGuidance::None).unwrap();
    let mut rows = rows.read_ahead(source.name()).unwrap();
    let ledger_path = folder.join(format!("pairs-{round}.ledger"));
    let (mut ledger, _) = Ledger::open(&ledger_path, &binding, clock.unix_ms()).unwrap();
    let run = RunId(round);
    let start = run_start(run, "link", &input.display().to_string(), None, None, None, clock);
    let context = RunContext {
        pool,
        simulated: true,
        knowledge: &knowledge,
        services,
        ledger: &mut ledger,
        run,
        options: engine_options,
        later_limits: None,
        control: None,
        clock,
        observer: &mut IgnoreEvents,
        undo_observer: None,
    };
    let report = run_engine(context, &start, &Corrections::default(), &mut rows, &mut signals).await.unwrap();
    assert_eq!(report.counts.linked, CALLS);
}
