//! What follows from answers for a row that is to be linked, as tables.

use super::*;
use crate::clock::UnixMs;
use crate::domain::identity::Destination;
use crate::engine::read_back::SettleWith;
use crate::engine::row_progress::{ReadCall, RowResult};
use crate::engine::testing::row_to;
use crate::limits::SETTLE_WAITS_MS;
use crate::service::{AnswerMeta, LinkedIdentity, Transport};

const POLICY: RowPolicy =
    RowPolicy { attempts_max: 3, settle_with: SettleWith::ListUsers, case_sensitive: true, usernames_are_subs: false };
const ANNOUNCED: UnixMs = 1_000_000_000;
const SUBJECT: &str = "Id000001x";

fn alice() -> Destination {
    Destination::Username(Personal::from_service("alice"))
}

fn started(destination: Destination, left: LeftByEarlierRuns) -> LinkJob {
    let mut job = LinkJob::new(row_to(1, destination));
    job.start(left, POLICY.naming());
    job
}

/// A call that an earlier run announced at `ANNOUNCED`, seen so much later.
fn open_call(later_ms: i64) -> OpenCall {
    OpenCall::from_ledger(ANNOUNCED, ANNOUNCED + later_ms)
}

/// A row that is announced and about to be linked.
fn announced() -> LinkJob {
    let mut job = started(alice(), LeftByEarlierRuns::Nothing);
    job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
    assert!(is_call(&job));
    job
}

fn is_call(job: &LinkJob) -> bool {
    matches!(job.step, LinkStep::Call { .. })
}

fn is_announce(job: &LinkJob) -> bool {
    matches!(job.step, LinkStep::Announce { .. })
}

fn answer(status: u16, code: &str, message: &str) -> CallFault {
    let (code, message) = (code.to_owned(), message.to_owned());
    CallFault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
}

fn invalid(message: &str) -> CallFault {
    answer(400, "InvalidParameterException", message)
}

fn timeout() -> CallFault {
    CallFault::Transport { kind: Transport::Timeout, detail: "timeout".into() }
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

fn page(users: &[PoolUser]) -> UserPage {
    UserPage { users: users.to_vec(), next_token: None }
}

/// Reads until the row goes on or ends; every look sees these users. Also counts the looks.
fn settle(job: &mut LinkJob, policy: RowPolicy, seen: &[PoolUser]) -> (Transition, usize) {
    let mut rng = Rng::new(1);
    for looks in 1..20 {
        let next = job.on_users_answer(Ok(&page(seen)), policy, &mut rng);
        let is_reading = matches!(job.step, LinkStep::ReadBack { .. } | LinkStep::LookForProfile);
        if !is_reading || matches!(next, Transition::Finish(_)) {
            return (next, looks);
        }
    }
    panic!("the row looks for ever");
}

fn refused(next: &Transition) -> Option<RefusalCode> {
    match next {
        Transition::Finish(RowResult::Link(LinkOutcome::Refused { code, .. })) => Some(*code),
        _ => None,
    }
}

fn linked(recovered: bool) -> Transition {
    LinkOutcome::Linked { recovered }.into()
}

fn is_in_doubt(next: &Transition) -> bool {
    matches!(next, Transition::Finish(RowResult::Link(LinkOutcome::InDoubt { .. })))
}

#[test]
fn a_clean_answer_is_linked() {
    let mut job = announced();
    assert_eq!(job.on_link_answer(None), linked(false));
    assert_eq!(job.progress.attempts, 1);
}

#[test]
fn a_throttle_costs_no_attempt() {
    let mut job = announced();
    for _ in 0..100 {
        let next = job.on_link_answer(Some(&answer(400, "TooManyRequestsException", "Rate exceeded")));
        assert_eq!(next, Transition::RepeatCall { throttled: true });
    }
    let unreached = CallFault::Transport { kind: Transport::Connect, detail: String::new() };
    assert_eq!(job.on_link_answer(Some(&unreached)), Transition::RepeatCall { throttled: false });
    assert_eq!((job.progress.attempts, is_call(&job)), (0, true));
}

#[test]
fn a_claim_is_believed_only_when_the_destination_shows_it() {
    let already = || invalid("SourceUser is already linked to DestinationUser");
    let old_text = || invalid("Invalid SourceUser: Cognito users with a username/password may not be passed in ...");
    let here = |created| vec![user("alice", &[(SUBJECT, false, created)])];
    let not_here = || vec![user("alice", &[("id000001x", false, 5)])];
    for (fault, seen, expected) in [
        (already(), here(5), LinkOutcome::AlreadyLinked.into()),
        (old_text(), here(5), LinkOutcome::AlreadyLinked.into()),
        (already(), here(ANNOUNCED + 60_000), linked(false)),
        (answer(400, "LimitExceededException", "full"), here(5), LinkOutcome::AlreadyLinked.into()),
        (answer(400, "AliasExistsException", ""), here(5), LinkOutcome::AlreadyLinked.into()),
    ] {
        let mut job = announced();
        let next = job.on_link_answer(Some(&fault));
        assert_eq!(next, Transition::Continue(Pause::None), "a claim is checked at once");
        assert_eq!(settle(&mut job, POLICY, &seen).0, expected, "{}", fault.message());
    }
    for (fault, expected, expected_looks) in [
        (already(), RefusalCode::LinkedElsewhere, 2),
        (answer(400, "LimitExceededException", "full"), RefusalCode::TooManyIdentities, 1),
        (answer(400, "AliasExistsException", ""), RefusalCode::AliasExists, 1),
        (invalid("something new"), RefusalCode::Unrecognised, 1),
    ] {
        let mut job = announced();
        job.on_link_answer(Some(&fault));
        let (next, looks) = settle(&mut job, POLICY, &not_here());
        assert_eq!((refused(&next), looks), (Some(expected), expected_looks), "{}", fault.message());
    }
}

#[test]
fn the_text_for_two_situations_is_told_apart() {
    let profile = format!("Google_{SUBJECT}");
    for (extra, expected) in [
        (Some(user(&profile, &[])), RefusalCode::NativeUserInTheWay),
        (Some(user(&profile, &[(SUBJECT, true, 5)])), RefusalCode::IdentityHasProfile),
        (None, RefusalCode::LinkedElsewhere),
    ] {
        let mut job = announced();
        let fault = invalid("Invalid SourceUser: Cognito users with a username/password may not be ...");
        job.on_link_answer(Some(&fault));
        let mut seen = vec![user("alice", &[])];
        seen.extend(extra);
        let (next, looks) = settle(&mut job, POLICY, &seen);
        assert_eq!((refused(&next), looks), (Some(expected), 3));
    }
}

#[test]
fn a_lost_answer_is_settled_by_reading() {
    let mut job = announced();
    let next = job.on_link_answer(Some(&timeout()));
    assert!(matches!(next, Transition::Continue(Pause::Settling(_))), "it may still be at work");
    assert!(job.is_being_settled());
    let seen = [user("alice", &[(SUBJECT, false, ANNOUNCED + 60_000)])];
    assert_eq!(settle(&mut job, POLICY, &seen).0, linked(false));
}

#[test]
fn a_call_without_effect_is_attempted_again_and_then_failed() {
    let mut job = announced();
    let absent = [user("alice", &[])];
    let fault = answer(500, "InternalErrorException", "");
    for _ in 1..POLICY.attempts_max {
        job.on_link_answer(Some(&fault));
        let (next, looks) = settle(&mut job, POLICY, &absent);
        assert!(matches!(next, Transition::Continue(Pause::BackOff(_))), "{next:?}");
        assert_eq!((is_call(&job), looks), (true, 5));
    }
    job.on_link_answer(Some(&fault));
    let (next, _) = settle(&mut job, POLICY, &absent);
    let Transition::Finish(RowResult::Link(LinkOutcome::Failed { text })) = next else { panic!("{next:?}") };
    assert_eq!(text.code, "InternalErrorException");
}

#[test]
fn after_a_lost_answer_a_refusal_is_looked_at_patiently() {
    let mut job = announced();
    job.on_link_answer(Some(&timeout()));
    settle(&mut job, POLICY, &[user("alice", &[])]);
    job.on_link_answer(Some(&answer(400, "LimitExceededException", "full")));
    let (next, looks) = settle(&mut job, POLICY, &[user("alice", &[])]);
    assert_eq!((refused(&next), looks), (Some(RefusalCode::TooManyIdentities), 5));
}

#[test]
fn reading_that_fails_leaves_doubt() {
    let mut job = announced();
    job.on_link_answer(Some(&timeout()));
    let mut rng = Rng::new(1);
    let broken = answer(500, "InternalErrorException", "");
    for _ in 1..POLICY.attempts_max {
        let next = job.on_users_answer(Err(&broken), POLICY, &mut rng);
        assert!(matches!(next, Transition::Continue(Pause::BackOff(_))));
    }
    let next = job.on_users_answer(Err(&broken), POLICY, &mut rng);
    let Transition::Finish(RowResult::Link(LinkOutcome::InDoubt { text })) = next else { panic!("{next:?}") };
    assert_eq!(text.code, "timeout");
    // A user that cannot be seen proves nothing either.
    let mut job = announced();
    job.on_link_answer(Some(&invalid("SourceUser is already linked to DestinationUser")));
    assert!(is_in_doubt(&settle(&mut job, POLICY, &[]).0));
}

#[test]
fn a_link_call_of_an_earlier_run_is_read_back_first() {
    let open = || started(alice(), LeftByEarlierRuns::OpenLinkCall(open_call(1_000)));
    let mut job = open();
    assert!(matches!(job.step, LinkStep::ReadBack { .. }));
    assert!(!job.is_being_settled(), "this run made no call for it");
    let seen = [user("alice", &[(SUBJECT, false, ANNOUNCED + 10)])];
    assert_eq!(settle(&mut job, POLICY, &seen), (linked(true), 1));
    let mut job = open();
    let (next, looks) = settle(&mut job, POLICY, &[user("alice", &[])]);
    assert_eq!((next, looks, is_announce(&job)), (Transition::Continue(Pause::None), 5, true));
    // Announced again, the first announcement stays the time that counts.
    job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED + 60_000));
    assert!(matches!(job.step, LinkStep::Call { announced, .. } if announced.earliest == ANNOUNCED));
}

#[test]
fn an_old_link_call_of_an_earlier_run_is_read_back_once() {
    let mut job = started(alice(), LeftByEarlierRuns::OpenLinkCall(open_call(120_000)));
    let (next, looks) = settle(&mut job, POLICY, &[user("alice", &[])]);
    assert_eq!((next, looks, is_announce(&job)), (Transition::Continue(Pause::None), 1, true));
}

#[test]
fn a_name_that_no_filter_takes_is_read_the_other_way() {
    let quotes = Destination::Username(Personal::from_service(&"\"".repeat(128)));
    let job = started(quotes, LeftByEarlierRuns::OpenLinkCall(open_call(1_000)));
    assert!(matches!(job.next_work(POLICY), NextWork::Read(ReadCall::Get(_))));
}

#[test]
fn access_stops_the_run() {
    let mut job = announced();
    let next = job.on_link_answer(Some(&answer(400, "AccessDeniedException", "no")));
    assert!(matches!(next, Transition::StopRun(_)));
    let next = job.on_users_answer(Err(&answer(400, "ExpiredTokenException", "")), POLICY, &mut Rng::new(1));
    assert!(matches!(next, Transition::StopRun(_)));
}

#[test]
fn a_destination_is_looked_up_page_by_page() {
    let mut rng = Rng::new(1);
    let mut job = started(Destination::Email(Personal::from_service("a@example.com")), LeftByEarlierRuns::Nothing);
    let empty = UserPage { users: vec![], next_token: Some("next".into()) };
    assert_eq!(job.on_users_answer(Ok(&empty), POLICY, &mut rng), Transition::Continue(Pause::None));
    let NextWork::Read(ReadCall::List(query)) = job.next_work(POLICY) else { panic!("no list") };
    assert_eq!(query.token.as_deref(), Some("next"));
    let found = page(&[user("alice", &[])]);
    let next = job.on_users_answer(Ok(&found), POLICY, &mut rng);
    assert_eq!(next, Transition::EnterLaneOf("alice".to_owned()));
    assert!(matches!(&job.step, LinkStep::Announce { destination, .. } if destination.username() == "alice"));
    let mut job = started(Destination::Email(Personal::from_service("b@example.com")), LeftByEarlierRuns::Nothing);
    let next = job.on_users_answer(Ok(&found), POLICY, &mut rng);
    assert_eq!(refused(&next), Some(RefusalCode::UserNotFound));
}

/// Who was meant when the call was sent may be another user than the one who is found now.
#[test]
fn an_open_call_stays_in_doubt_where_nobody_is_meant_any_more() {
    let refusal = answer(400, "UserNotFoundException", "");
    let twins = page(&[user("alice", &[]), user("bob", &[])]);
    let after = |left, answer| {
        let mut job = started(Destination::Email(Personal::from_service("a@example.com")), left);
        job.on_users_answer(answer, POLICY, &mut Rng::new(1))
    };
    for answer in [Ok(&twins), Err(&refusal)] {
        let next = after(LeftByEarlierRuns::OpenLinkCall(open_call(1_000)), answer);
        assert!(is_in_doubt(&next), "{next:?}");
        let next = after(LeftByEarlierRuns::OpenUnlinkCall(open_call(1_000)), answer);
        assert!(matches!(next, Transition::OldUnlinkSettled { end: OldUnlinkEnd::StillInDoubt, .. }), "{next:?}");
        let next = after(LeftByEarlierRuns::Nothing, answer);
        assert!(refused(&next).is_some(), "nothing was sent: {next:?}");
    }
}

#[test]
fn get_user_is_believed_sooner() {
    let policy = RowPolicy { settle_with: SettleWith::GetUser, ..POLICY };
    let mut job = announced();
    job.on_link_answer(Some(&timeout()));
    assert!(matches!(job.next_work(policy), NextWork::Read(ReadCall::Get(_))));
    assert_eq!(settle(&mut job, policy, &[user("alice", &[])]).1, 2);
}

#[test]
fn an_open_unlink_is_settled_before_anything_else() {
    let looks = SETTLE_WAITS_MS.len() + 1;
    let later = ANNOUNCED + 60_000;
    let by_email = || {
        let mut row = row_to(1, alice());
        let attribute = crate::domain::identity::AttributeName::parse("email").unwrap();
        let value = Personal::from_service("a@example.com");
        let provider = row.link.source.provider().clone();
        row.link.source = crate::domain::identity::ExternalIdentity::new(provider, attribute, value).unwrap();
        row
    };
    let settled = |row: Row, seen: &[PoolUser], later_ms: i64| {
        let mut job = LinkJob::new(row);
        job.start(LeftByEarlierRuns::OpenUnlinkCall(open_call(later_ms)), POLICY.naming());
        assert!(matches!(job.step, LinkStep::SettleOldUnlink { looks: 0, .. }));
        for looks in 1..20 {
            let next = job.on_users_answer(Ok(&page(seen)), POLICY, &mut Rng::new(1));
            if let Transition::OldUnlinkSettled { end, .. } = next {
                return (end, looks, is_announce(&job));
            }
        }
        panic!("the row looks for ever");
    };
    let by_subject = || row_to(1, alice());
    let absent = [user("alice", &[])];
    // It took effect: the row is linked anew.
    assert_eq!(settled(by_subject(), &absent, 1_000), (OldUnlinkEnd::TookEffect, looks, true));
    assert_eq!(settled(by_subject(), &absent, 120_000), (OldUnlinkEnd::TookEffect, 1, true), "long ago");
    // It did not: the link stands as it was.
    let standing = [user("alice", &[(SUBJECT, false, ANNOUNCED - 100)])];
    assert_eq!(settled(by_subject(), &standing, 1_000).0, OldUnlinkEnd::NoEffect);
    // A date that is not given proves no later link.
    let mut undated = standing.clone();
    undated[0].identities[0].created_unix_ms = None;
    assert_eq!(settled(by_subject(), &undated, 1_000).0, OldUnlinkEnd::NoEffect);
    // It did, and somebody has linked it since.
    let again = [user("alice", &[(SUBJECT, false, later)])];
    assert_eq!(settled(by_subject(), &again, 1_000), (OldUnlinkEnd::LinkedAgainSince, looks, false));
    // Another identity of the provider may be the link by an attribute: that is left to undo.
    assert_eq!(settled(by_email(), &standing, 1_000).0, OldUnlinkEnd::StillInDoubt);
}

#[test]
fn a_link_that_was_just_taken_back_is_not_taken_for_somebody_elses() {
    let mut looks_taken = Vec::new();
    for left in [LeftByEarlierRuns::Nothing, LeftByEarlierRuns::UndoneLink] {
        let mut job = started(alice(), left);
        job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
        job.on_link_answer(Some(&timeout()));
        // The list lags: it shows the link of before.
        let (next, looks) = settle(&mut job, POLICY, &[user("alice", &[(SUBJECT, false, ANNOUNCED - 60_000)])]);
        assert_eq!(next, LinkOutcome::AlreadyLinked.into(), "a link that stands for long was there before");
        looks_taken.push(looks);
    }
    assert_eq!(looks_taken, [1, SETTLE_WAITS_MS.len() + 1]);
}

/// The texts of the filters that a row sends, when nobody is found, and what follows.
fn filters_until_settled(job: &mut LinkJob, found_by: Option<(&str, PoolUser)>) -> (Vec<String>, Transition) {
    let mut texts = Vec::new();
    loop {
        let LinkStep::Resolve { filter, .. } = &job.step else { return (texts, Transition::Continue(Pause::None)) };
        texts.push(filter.to_text());
        let found = found_by.iter().filter(|(attribute, _)| filter.attribute == *attribute);
        let page = UserPage { users: found.map(|(_, user)| user.clone()).collect(), next_token: None };
        let next = job.on_users_answer(Ok(&page), POLICY, &mut Rng::new(1));
        if next != Transition::Continue(Pause::None) {
            return (texts, next);
        }
    }
}

#[test]
fn a_user_name_that_looks_like_an_address_is_looked_up_before_it_is_sent() {
    let destination = || Destination::Username(Personal::from_service("alice@example.com"));
    let both = ["username = \"alice@example.com\"", "email = \"alice@example.com\""];
    // Somebody's name.
    let mut job = started(destination(), LeftByEarlierRuns::Nothing);
    let (texts, next) = filters_until_settled(&mut job, Some(("username", user("alice@example.com", &[]))));
    assert_eq!((texts, next), (vec![both[0].to_owned()], Transition::EnterLaneOf("alice@example.com".to_owned())));
    assert!(is_announce(&job));
    // Somebody's address.
    let mut job = started(destination(), LeftByEarlierRuns::Nothing);
    let alice = PoolUser { email: Some(Personal::from_service("alice@example.com")), ..user("alice", &[]) };
    let (texts, next) = filters_until_settled(&mut job, Some(("email", alice)));
    assert_eq!(texts, both);
    let Transition::Finish(RowResult::Link(LinkOutcome::Refused { code, text })) = next else { panic!("{next:?}") };
    assert_eq!(code, RefusalCode::UserNotFound);
    assert!(text.is_some_and(|text| text.message.contains("destination_email")));
    // Nobody's: the service decides.
    let mut job = started(destination(), LeftByEarlierRuns::Nothing);
    let (texts, _) = filters_until_settled(&mut job, None);
    assert_eq!(texts, both);
    assert!(is_announce(&job));
    // What an earlier run announced was sent under this name.
    let open = LeftByEarlierRuns::OpenLinkCall(open_call(0));
    assert!(!matches!(started(destination(), open).step, LinkStep::Resolve { .. }));
}
