//! The simulator gives the same answers on the pure pool, in this process as JSON, and over HTTP on a socket.
//!
//! One table of calls, `conformance/table.rs`, runs in three ways; every error of the catalogue has a case.

pub(crate) mod table;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::Value;
use table::{Case, POOL, cases, summary};

use crate::account::{Account, Answer, Latency, SharedAccount};
use crate::error::ApiError;
use crate::operation::Operation;
use crate::pool::Pool;
use crate::pool_file;
use crate::quota::Quota;
use crate::server::Server;
use crate::wire::{self, Call, Reply};

const NOW: i64 = 1_700_000_000_000;

/// The summary of a success, or class and text of an error.
type Outcome = Result<Value, (String, String)>;

fn quiet_account(pool: Pool) -> Account {
    Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off())
}

fn outcome(operation: &str, is_success: bool, body: &[u8]) -> Outcome {
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    if is_success { Ok(summary(operation, &body)) } else { Err((text("__type"), text("message"))) }
}

/// The state machine alone. Calls on the account, or on another pool, go to an account of their own.
struct PurePool {
    pool: Pool,
    account: Account,
}

impl PurePool {
    fn new(pool: Pool) -> Self {
        let mut text = Vec::new();
        pool_file::write(&mut text, &pool).unwrap();
        let account = Account::new(1).with_pool(pool_file::read(text.as_slice()).unwrap());
        Self { pool, account }
    }

    fn call(&mut self, name: &str, body: &[u8]) -> Outcome {
        let result = self.reply(name, body);
        outcome(name, result.is_ok(), &wire::encode(&result))
    }

    fn reply(&mut self, name: &str, body: &[u8]) -> Result<Reply, ApiError> {
        let operation = Operation::by_name(name).unwrap();
        let request = wire::decode(operation, body)?;
        let pool = &mut self.pool;
        if request.pool.as_deref() != Some(POOL) {
            return self.account.begin(NOW, operation, Ok(request)).0.result;
        }
        match request.call {
            Call::Link(call) => pool.link(NOW, &call).answer.map(|()| Reply::Done),
            Call::Disable(user) => pool.disable(NOW, user.as_ref()).map(|_| Reply::Done),
            Call::GetUser(name) => pool.get_user(&name.unwrap()).map(Reply::User),
            Call::ListUsers(call) => pool.list_users(NOW, &call, "some-request").map(Reply::Users),
            Call::CreateUser(call) => pool.create_user(NOW, &call).map(Reply::CreatedUser),
            Call::DeleteUser(name) => pool.delete_user(&name.unwrap()).map(|_| Reply::Empty),
            Call::DescribePool => Ok(Reply::Pool(Box::new(pool.describe()))),
            Call::ListProviders { limit, token } => {
                pool.list_providers(limit, token.as_deref(), "some-request").map(Reply::Providers)
            }
            Call::DescribeProvider(name) => pool
                .describe_provider(&name.unwrap())
                .map(|provider| Reply::Provider(POOL.to_owned(), Box::new(provider))),
            Call::CreateProvider(call) => {
                pool.create_provider(NOW, *call).map(|provider| Reply::Provider(POOL.to_owned(), Box::new(provider)))
            }
            Call::ListAppClients { limit, token } => pool
                .list_app_clients(limit, token.as_deref(), "some-request")
                .map(|page| Reply::AppClients(POOL.to_owned(), page)),
            Call::DescribeAppClient(client) => {
                pool.describe_app_client(&client.unwrap()).map(|client| Reply::AppClient(POOL.to_owned(), client))
            }
            _ => unreachable!("{name} is a call on the account, and names no pool"),
        }
    }
}

async fn call_in_process(account: &SharedAccount, name: &str, body: &[u8]) -> Outcome {
    match account.call(NOW, name, body).await {
        Answer::Complete(response) => outcome(name, response.status == 200, &response.body),
        _ => unreachable!("no fault was ordered"),
    }
}

fn call_on_socket(address: SocketAddr, name: &str, body: &[u8]) -> Outcome {
    let service =
        if name == "GetServiceQuota" { "ServiceQuotasV20190624" } else { "AWSCognitoIdentityProviderService" };
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: unverified\r\n\
         X-Amz-Target: {service}.{name}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    outcome(name, head.starts_with("HTTP/1.1 200 "), body.as_bytes())
}

/// The answers to the last call of a case, in each way.
async fn outcomes(case: &Case) -> [(&'static str, Outcome); 3] {
    let mut pure = PurePool::new(case.pool());
    let in_process = SharedAccount::new(quiet_account(case.pool()));
    let server = Server::start(quiet_account(case.pool()), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let mut last = None;
    for (name, body) in &case.calls {
        let body = body.to_string().into_bytes();
        last = Some([
            ("pure pool", pure.call(name, &body)),
            ("in process", call_in_process(&in_process, name, &body).await),
            ("on a socket", call_on_socket(server.address(), name, &body)),
        ]);
    }
    drop(server.stop());
    last.unwrap()
}

#[tokio::test]
async fn every_case_has_its_answer_in_three_ways() {
    for case in cases() {
        for (way, outcome) in outcomes(&case).await {
            case.check(way, outcome);
        }
    }
}

/// Errors that no call of an AWS client can cause: unsigned, unreadable and misdirected requests and sign-ins, which the
/// tests of server and pool cover; injected faults, which those of the account cover; and what the service could answer
/// otherwise, which the tests of behaviors cover; and errors of operations that only other clients use, which the tests of
/// administration cover.
const ERRORS_ELSEWHERE: [&str; 30] = [
    "access_denied",
    "attribute_required",
    "body_too_large",
    "custom_attribute_required",
    "deletion_protected",
    "expired_token",
    "forbidden",
    "in_unknown_words",
    "internal",
    "limit_is_rate",
    "login_option_not_available",
    "no_such_path",
    "password_policy",
    "profile_name_taken",
    "provider_not_in_pool",
    "schema_bound",
    "schema_bounds_crossed",
    "schema_length",
    "schema_name_twice",
    "sign_in_mismatch",
    "sign_up_not_allowed",
    "standard_attribute_type",
    "throttled",
    "too_many_attribute_names",
    "unknown_operation",
    "unreadable",
    "unsigned",
    "user_disabled",
    "value_outside",
    "verified_alias_exists",
];

#[test]
fn every_error_of_the_catalogue_has_a_case() {
    let catalogue = include_str!("../error.rs");
    let errors: BTreeSet<&str> =
        catalogue.lines().filter_map(|line| line.trim().strip_prefix("pub(crate) fn ")?.split('(').next()).collect();
    let of_cases: BTreeSet<&str> = cases().iter().filter_map(|case| case.error).collect();
    let covered: BTreeSet<&str> = of_cases.iter().copied().chain(ERRORS_ELSEWHERE).collect();
    assert_eq!(errors, covered);
}
