//! The policy of a row as tables.

use super::*;
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, PoolId, ProviderName};
use crate::domain::row::{Link, RowKey, RowNumber};
use crate::service::{AnswerMeta, LinkedIdentity, Transport};

const POLICY: Policy = Policy { attempts_max: 3, settle_with: SettleWith::ListUsers, case_sensitive: true };
const ANNOUNCED: UnixMs = 1_000_000_000;

fn source() -> ExternalIdentity {
    ExternalIdentity::new(
        ProviderName::parse("Google").unwrap(),
        AttributeName::subject(),
        Personal::from_service("AbC1"),
    )
    .unwrap()
}

fn job_for(destination: Destination, in_doubt_since: Option<UnixMs>) -> Job {
    let link = Link { destination, source: source() };
    let key = RowKey::of(&PoolId::parse("us-east-1_A").unwrap(), &link);
    let mut job = Job::new(Row { number: RowNumber(1), link, key });
    job.start(in_doubt_since, false, ANNOUNCED + 1_000);
    job
}

/// A row that is announced and about to be linked.
fn announced() -> Job {
    let mut job = job_for(Destination::Username(Personal::from_service("alice")), None);
    job.announced = Some(Announced::read_back(ANNOUNCED));
    job.announced_now = true;
    job.step = Step::Link;
    job
}

fn answer(status: u16, code: &str, message: &str) -> Fault {
    let (code, message) = (code.to_owned(), message.to_owned());
    Fault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
}

fn invalid(message: &str) -> Fault {
    answer(400, "InvalidParameterException", message)
}

fn timeout() -> Fault {
    Fault::Transport { kind: Transport::Timeout, detail: "timeout".into() }
}

fn user(name: &str, identities: &[(&str, bool, UnixMs)]) -> PoolUser {
    let identities = identities.iter().map(|(id, primary, created)| LinkedIdentity {
        user_id: Personal::from_service(id),
        provider_name: "Google".into(),
        provider_type: "Google".into(),
        issuer: None,
        primary: *primary,
        created_unix_ms: Some(*created),
    });
    PoolUser {
        username: Personal::from_service(name),
        sub: None,
        email: Some(Personal::from_service("a@example.com")),
        status: "CONFIRMED".into(),
        enabled: true,
        identities: identities.collect(),
    }
}

/// Reads the destination until the row goes on or ends; every look sees these users. Also counts the looks.
fn settle(job: &mut Job, policy: &Policy, seen: &[PoolUser]) -> (Next, usize) {
    let mut rng = Rng::new(1);
    for looks in 1..20 {
        let page = UserPage { users: seen.to_vec(), next_token: None };
        let next = job.on_users(Ok(page), policy, &mut rng);
        if !job.is_looking() || matches!(next, Next::Finish(_)) {
            return (next, looks);
        }
    }
    panic!("the row looks for ever");
}

fn refused(next: &Next) -> Option<RefusalCode> {
    match next {
        Next::Finish(Outcome::Refused { code, .. }) => Some(*code),
        _ => None,
    }
}

#[test]
fn a_clean_answer_is_linked() {
    let mut job = announced();
    assert_eq!(job.on_link(None), Next::Finish(Outcome::Linked { recovered: false }));
    assert_eq!(job.attempts, 1);
}

#[test]
fn a_throttle_costs_no_attempt() {
    let mut job = announced();
    for _ in 0..100 {
        let next = job.on_link(Some(&answer(400, "TooManyRequestsException", "Rate exceeded")));
        assert_eq!(next, Next::Pause { throttled: true });
    }
    let unreached = Fault::Transport { kind: Transport::Connect, detail: String::new() };
    assert_eq!(job.on_link(Some(&unreached)), Next::Pause { throttled: false });
    assert_eq!((job.attempts, &job.step), (0, &Step::Link));
}

#[test]
fn a_claim_is_believed_only_when_the_destination_shows_it() {
    let already = || invalid("SourceUser is already linked to DestinationUser");
    let old_text = || invalid("Invalid SourceUser: Cognito users with a username/password may not be passed in ...");
    let here = |created| vec![user("alice", &[("AbC1", false, created)])];
    let not_here = || vec![user("alice", &[("abc1", false, 5)])];
    let before = || Next::Finish(Outcome::AlreadyLinked);
    let ours = || Next::Finish(Outcome::Linked { recovered: false });
    for (fault, seen, expected) in [
        (already(), here(5), before()),
        (old_text(), here(5), before()),
        (already(), here(ANNOUNCED + 60_000), ours()),
        (answer(400, "LimitExceededException", "full"), here(5), before()),
        (answer(400, "AliasExistsException", ""), here(5), before()),
    ] {
        let mut job = announced();
        assert_eq!(job.on_link(Some(&fault)), Next::Step(Wait::None), "a claim is checked at once");
        assert_eq!(settle(&mut job, &POLICY, &seen).0, expected, "{}", fault.message());
    }
    for (fault, expected, expected_looks) in [
        (already(), RefusalCode::LinkedElsewhere, 2),
        (answer(400, "LimitExceededException", "full"), RefusalCode::TooManyIdentities, 1),
        (answer(400, "AliasExistsException", ""), RefusalCode::AliasExists, 1),
        (invalid("something new"), RefusalCode::Unrecognised, 1),
    ] {
        let mut job = announced();
        job.on_link(Some(&fault));
        let (next, looks) = settle(&mut job, &POLICY, &not_here());
        assert_eq!((refused(&next), looks), (Some(expected), expected_looks), "{}", fault.message());
    }
}

#[test]
fn the_text_for_two_situations_is_told_apart() {
    for (extra, expected) in [
        (Some(user("Google_AbC1", &[])), RefusalCode::NativeUserInTheWay),
        (Some(user("Google_AbC1", &[("AbC1", true, 5)])), RefusalCode::IdentityHasProfile),
        (None, RefusalCode::LinkedElsewhere),
    ] {
        let mut job = announced();
        job.on_link(Some(&invalid("Invalid SourceUser: Cognito users with a username/password may not be ...")));
        let mut seen = vec![user("alice", &[])];
        seen.extend(extra);
        let (next, looks) = settle(&mut job, &POLICY, &seen);
        assert_eq!((refused(&next), looks), (Some(expected), 3));
    }
}

#[test]
fn a_lost_answer_is_settled_by_reading() {
    let mut job = announced();
    assert!(matches!(job.on_link(Some(&timeout())), Next::Step(Wait::Settling(_))), "it may still be at work");
    let linked = [user("alice", &[("AbC1", false, ANNOUNCED + 60_000)])];
    assert_eq!(settle(&mut job, &POLICY, &linked).0, Next::Finish(Outcome::Linked { recovered: false }));
}

#[test]
fn a_call_without_effect_is_attempted_again_and_then_failed() {
    let mut job = announced();
    let absent = [user("alice", &[])];
    for _ in 1..POLICY.attempts_max {
        job.on_link(Some(&answer(500, "InternalErrorException", "")));
        let (next, looks) = settle(&mut job, &POLICY, &absent);
        assert!(matches!(next, Next::Step(Wait::BackOff(_))), "{next:?}");
        assert_eq!((&job.step, looks), (&Step::Link, 5));
    }
    job.on_link(Some(&answer(500, "InternalErrorException", "")));
    let (next, _) = settle(&mut job, &POLICY, &absent);
    assert!(matches!(next, Next::Finish(Outcome::Failed { text }) if text.code == "InternalErrorException"));
}

#[test]
fn after_a_lost_answer_a_refusal_is_looked_at_patiently() {
    let mut job = announced();
    job.on_link(Some(&timeout()));
    settle(&mut job, &POLICY, &[user("alice", &[])]);
    job.on_link(Some(&answer(400, "LimitExceededException", "full")));
    let (next, looks) = settle(&mut job, &POLICY, &[user("alice", &[])]);
    assert_eq!((refused(&next), looks), (Some(RefusalCode::TooManyIdentities), 5));
}

#[test]
fn reading_that_fails_leaves_doubt() {
    let mut job = announced();
    job.on_link(Some(&timeout()));
    let mut rng = Rng::new(1);
    let broken = answer(500, "InternalErrorException", "");
    for _ in 1..POLICY.attempts_max {
        let next = job.on_users(Err(&broken), &POLICY, &mut rng);
        assert!(matches!(next, Next::Step(Wait::BackOff(_))));
    }
    let next = job.on_users(Err(&broken), &POLICY, &mut rng);
    assert!(matches!(next, Next::Finish(Outcome::InDoubt { text }) if text.code == "timeout"));
    // A user that cannot be seen proves nothing either.
    let mut job = announced();
    job.on_link(Some(&invalid("SourceUser is already linked to DestinationUser")));
    assert!(matches!(settle(&mut job, &POLICY, &[]).0, Next::Finish(Outcome::InDoubt { .. })));
}

#[test]
fn what_an_earlier_run_left_is_read_first() {
    let mut job = job_for(Destination::Username(Personal::from_service("alice")), Some(ANNOUNCED));
    assert!(job.is_looking());
    let linked = [user("alice", &[("AbC1", false, ANNOUNCED + 10)])];
    let (next, looks) = settle(&mut job, &POLICY, &linked);
    assert_eq!((next, looks), (Next::Finish(Outcome::Linked { recovered: true }), 1));
    let mut job = job_for(Destination::Username(Personal::from_service("alice")), Some(ANNOUNCED));
    let (next, looks) = settle(&mut job, &POLICY, &[user("alice", &[])]);
    assert_eq!((next, looks, &job.step), (Next::Step(Wait::None), 5, &Step::Announce));
}

#[test]
fn what_was_left_long_ago_is_read_once() {
    let mut job = job_for(Destination::Username(Personal::from_service("alice")), None);
    job.start(Some(ANNOUNCED), false, ANNOUNCED + 120_000);
    let (next, looks) = settle(&mut job, &POLICY, &[user("alice", &[])]);
    assert_eq!((next, looks, &job.step), (Next::Step(Wait::None), 1, &Step::Announce));
}

#[test]
fn a_name_that_no_filter_takes_is_read_the_other_way() {
    let job = job_for(Destination::Username(Personal::from_service(&"\"".repeat(128))), Some(ANNOUNCED));
    assert!(matches!(job.call(&POLICY), Some(Call::Get(_))));
}

#[test]
fn access_stops_the_run() {
    let mut job = announced();
    let next = job.on_link(Some(&answer(400, "AccessDeniedException", "no")));
    assert!(matches!(next, Next::Stop(_)));
    let next = job.on_users(Err(&answer(400, "ExpiredTokenException", "")), &POLICY, &mut Rng::new(1));
    assert!(matches!(next, Next::Stop(_)));
}

#[test]
fn a_destination_is_looked_up_page_by_page() {
    let mut rng = Rng::new(1);
    let mut job = job_for(Destination::Email(Personal::from_service("a@example.com")), None);
    let empty = UserPage { users: vec![], next_token: Some("next".into()) };
    assert_eq!(job.on_users(Ok(empty), &POLICY, &mut rng), Next::Step(Wait::None));
    assert!(matches!(job.call(&POLICY), Some(Call::List(query)) if query.token.as_deref() == Some("next")));
    let page = UserPage { users: vec![user("alice", &[])], next_token: None };
    assert_eq!(job.on_users(Ok(page), &POLICY, &mut rng), Next::Step(Wait::None));
    assert_eq!(job.step, Step::Announce);
    assert_eq!(job.destination.map(|user| user.username()).as_deref(), Some("alice"));
    let mut job = job_for(Destination::Email(Personal::from_service("b@example.com")), None);
    let page = UserPage { users: vec![user("alice", &[])], next_token: None };
    assert_eq!(refused(&job.on_users(Ok(page), &POLICY, &mut rng)), Some(RefusalCode::UserNotFound));
}

/// Who was meant when the call was sent may be another one than those who are found now.
#[test]
fn what_is_in_doubt_stays_so_where_nobody_is_meant_any_more() {
    let twins = || Ok(UserPage { users: vec![user("alice", &[]), user("bob", &[])], next_token: None });
    let email = || Destination::Email(Personal::from_service("a@example.com"));
    let after = |unlinking, answer: Result<UserPage, &Fault>| {
        let mut job = job_for(email(), None);
        job.start(Some(ANNOUNCED), unlinking, ANNOUNCED + 1_000);
        job.on_users(answer, &POLICY, &mut Rng::new(1))
    };
    let refusal = answer(400, "UserNotFoundException", "");
    for answer in [twins(), Err(&refusal)] {
        let next = after(false, answer.clone());
        assert!(matches!(next, Next::Finish(Outcome::InDoubt { .. })), "{next:?}");
        let next = after(true, answer);
        assert!(matches!(next, Next::UnlinkSettled { came_to: UndoOutcome::InDoubt { .. }, then: None }), "{next:?}");
    }
}

#[test]
fn get_user_is_believed_sooner() {
    let policy = Policy { settle_with: SettleWith::GetUser, ..POLICY };
    let mut job = announced();
    job.on_link(Some(&timeout()));
    assert!(matches!(job.call(&policy), Some(Call::Get(_))));
    assert_eq!(settle(&mut job, &policy, &[user("alice", &[])]).1, 2);
}
