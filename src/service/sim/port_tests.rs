use std::time::Duration;

use super::*;
use crate::domain::identity::{AttributeName, DestinationUser, ExternalIdentity};
use crate::service::UserFilter;
use crate::service::sim::fault::{FaultKind, FaultPlan, FaultRule, When};
use crate::service::sim::latency::Latency;
use crate::service::sim::quota::Quota;
use crate::service::sim::request::Operation;
use crate::service::sim::tests::example;

fn request(username: &str, provider: &str, id: &str) -> LinkRequest {
    LinkRequest {
        destination: DestinationUser {
            provider: ProviderName::parse("Cognito").unwrap(),
            value: Personal::from_service(username),
        },
        source: ExternalIdentity::new(
            ProviderName::parse(provider).unwrap(),
            AttributeName::subject(),
            Personal::from_service(id),
        )
        .unwrap(),
    }
}

fn service(faults: FaultPlan) -> Arc<SimService> {
    let world = World::new(1)
        .with_pool(example(true))
        .with_quota(Quota::off())
        .with_latency(Latency::between(100, 100))
        .with_faults(faults);
    SimService::new(world, Clock::starting_at(1_700_000_000_000))
}

#[tokio::test(start_paused = true)]
async fn calls_take_virtual_time_only() {
    let service = service(FaultPlan::none());
    let before = service.clock.now();
    for n in 0..100 {
        let answer = service.link(request("alice", "Google", &format!("x{n}"))).await;
        assert_eq!(answer.is_ok(), n < 5);
    }
    assert_eq!(service.clock.now().duration_since(before), Duration::from_secs(10));
    assert_eq!(service.stats().of(Operation::LinkProvider).calls, 100);
}

#[tokio::test(start_paused = true)]
async fn answers_carry_what_the_adapter_would_read() {
    let service = service(FaultPlan::none());
    let linked = service.link(request("alice", "Google", "1")).await.unwrap();
    assert_eq!(linked.meta.server_unix_ms, Some(1_700_000_000_000));
    assert_eq!(linked.meta.request_id.map(|id| id.len()), Some(36));
    let alice = service.get_user(Personal::from_service("alice")).await.unwrap().value.unwrap();
    assert_eq!(alice.identities.len(), 1);
    assert_eq!(alice.identities[0].created_unix_ms, Some(1_700_000_000_000));
    assert!(alice.email.is_some() && alice.enabled && !alice.is_federated());
    assert_eq!(service.get_user(Personal::from_service("nobody")).await.unwrap().value, None);
    let again = service.link(request("alice", "Google", "1")).await.unwrap_err();
    assert_eq!(
        (again.code(), again.message()),
        ("InvalidParameterException", "SourceUser is already linked to DestinationUser")
    );
}

#[tokio::test(start_paused = true)]
async fn the_directory_reads_pool_providers_and_users() {
    let service = service(FaultPlan::none());
    let pool = service.describe_pool().await.unwrap().value;
    assert_eq!((pool.estimated_user_count, pool.case_sensitive), (8, true));
    let providers = service.list_providers(None).await.unwrap().value;
    assert_eq!(
        providers.providers.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>(),
        ["Google", "OIDC", "SAML", "Facebook"]
    );
    let filter = UserFilter { attribute: "email", prefix: false, value: Personal::from_service("BOB@example.com") };
    let found = service.list_users(UserQuery { filter: Some(filter), ..UserQuery::default() }).await.unwrap().value;
    assert_eq!((found.users.len(), found.users[0].username.expose()), (1, "bob"));
    let page = service.list_users(UserQuery { limit: Some(3), ..UserQuery::default() }).await.unwrap().value;
    let rest = UserQuery { token: page.next_token, ..UserQuery::default() };
    assert_eq!(page.users.len() + service.list_users(rest).await.unwrap().value.users.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn faults_come_out_as_the_adapter_would_tell_them() {
    let faults = FaultPlan::none()
        .with(FaultRule::new(FaultKind::LostAfter, When::Calls(1..=1)))
        .with(FaultRule::new(FaultKind::HalfWritten, When::Calls(2..=2)))
        .with(FaultRule::new(FaultKind::ErrorAfter, When::Calls(3..=3)))
        .with(FaultRule::new(FaultKind::Slow { ms: 60_000 }, When::Calls(4..=4)));
    let service = service(faults);
    let mut codes = Vec::new();
    for id in ["1", "2", "3"] {
        codes.push(service.link(request("alice", "Google", id)).await.unwrap_err().code().to_owned());
    }
    assert_eq!(codes, ["connection_broken", "connection_broken", "InternalErrorException"]);
    let link = service.link(request("alice", "Google", "4"));
    let deadline = service.clock.now() + Duration::from_secs(15);
    assert!(crate::clock::timeout_at(deadline, link).await.is_err(), "the caller gives up first");
    let stats = service.stats();
    assert_eq!((stats.in_flight, stats.links_made), (0, 4), "a call that is given up is not in flight");
}
