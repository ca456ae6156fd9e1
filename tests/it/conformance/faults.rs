//! Injected faults reach a caller of the ports in this process as they reach one over the SDK on a socket.

use std::net::{Ipv4Addr, SocketAddr};

use cognito_link::clock::Clock;
use cognito_link::domain::identity::{Personal, PoolId};
use cognito_link::service::cognito::{Cognito, ConnectionTarget};
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{CallFault, IdentityLinker, UserDirectory};
use cognito_sim::{Account, FaultPlan, Latency, Quota, Server};
use serde_json::json;

use super::clients::link_request;
use super::table::{POOL, cases};

fn account(fault: &str) -> Account {
    let mut plan = FaultPlan::none();
    plan.add(&format!("{fault}@1:AdminLinkProviderForUser")).unwrap();
    Account::new(1).with_quota(Quota::off()).with_latency(Latency::off()).with_faults(plan).with_pool(cases()[0].pool())
}

/// The fault's word and status, and whether the link was made all the same.
async fn outcome(linker: &dyn IdentityLinker, directory: &dyn UserDirectory) -> (String, Option<u16>, bool) {
    let body = json!({
        "UserPoolId": POOL,
        "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": "alice" },
        "SourceUser": { "ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": "1" },
    });
    let fault = linker.link(link_request(&body).unwrap()).await.unwrap_err();
    let status = match &fault {
        CallFault::Answered { status, .. } => Some(*status),
        _ => None,
    };
    let alice = directory.get_user(Personal::from_service("alice")).await.unwrap().value.unwrap();
    (fault.code().to_owned(), status, !alice.identities.is_empty())
}

#[tokio::test]
async fn faults_are_the_same_in_process_and_on_a_socket() {
    for (fault, word, status, made) in [
        ("throttled", "TooManyRequestsException", Some(400), false),
        ("error-before", "InternalErrorException", Some(500), false),
        ("error-after", "InternalErrorException", Some(500), true),
        ("lost-before", "connection_broken", None, false),
        ("lost-after", "connection_broken", None, true),
        ("reset-before", "connection_broken", None, false),
        ("reset-after", "connection_broken", None, true),
        ("half-written", "connection_broken", None, true),
        ("expired-credentials", "ExpiredTokenException", Some(400), false),
        ("access-denied", "AccessDeniedException", Some(400), false),
    ] {
        let expected = (word.to_owned(), status, made);
        let service = InProcessService::new(account(fault), Clock::starting_at(1_700_000_000_000));
        assert_eq!(outcome(service.as_ref(), service.as_ref()).await, expected, "{fault} in process");
        let server = Server::start(account(fault), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let target = ConnectionTarget::Simulator {
            endpoint_url: format!("http://{}", server.address()),
            access_key: "SIMULATED".to_owned(),
        };
        let cognito = Cognito::connect(&target, "sim-local-1", PoolId::parse(POOL).unwrap()).await.unwrap();
        let (linker, directory) = (cognito.linker(), cognito.directory());
        assert_eq!(outcome(linker.as_ref(), directory.as_ref()).await, expected, "{fault} on a socket");
    }
}
