//! What follows from answers for a row that is to be linked, as tables.

use super::*;
use crate::domain::identity::Destination;
use crate::engine::name_search::ReadCall;
use crate::engine::read_back::SettleWith;
use crate::engine::row_progress::RowResult;
use crate::engine::testing::row_to;
use crate::foresight::trust::TrustPolicy;
use crate::limits::SETTLE_WAITS_MS;
use crate::service::{AnswerMeta, LinkedIdentity, Transport};

const POLICY: RowPolicy = RowPolicy {
    attempts_max: 3,
    settle_with: SettleWith::ListUsers,
    naming: NAMING,
    trust: TrustPolicy::Verified,
    settles_before_end: false,
};
const NAMING: PoolNaming = PoolNaming { case_sensitive: true, usernames_are_subs: false };
const ANNOUNCED: UnixMs = 1_000_000_000;
const SUBJECT: &str = "Id000001x";

fn alice() -> Destination {
    Destination::Username(Personal::from_service("alice"))
}

fn started(destination: Destination, left: LeftByEarlierRuns) -> LinkJob {
    let mut job = LinkJob::new(row_to(1, destination));
    job.start(left, NAMING);
    job
}

fn by_email() -> Row {
    let mut row = row_to(1, alice());
    let attribute = crate::domain::identity::AttributeName::parse("email").unwrap();
    let value = Personal::from_service("a@example.com");
    let provider = row.link.source.provider().clone();
    row.link.source = crate::domain::identity::ExternalIdentity::new(provider, attribute, value).unwrap();
    row
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
        email: Some(Personal::from_service("a@example.com")),
        email_verified: true,
        identities: identities.collect(),
        ..PoolUser::named(name)
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
    let merging = || invalid("Merging is not currently supported, provide a SourceUser that has not been signed up");
    let here = |created| vec![user("alice", &[(SUBJECT, false, created)])];
    let not_here = || vec![user("alice", &[("id000001x", false, 5)])];
    let full = || vec![user("alice", &["1", "2", "3", "4", "5"].map(|id| (id, false, 5)))];
    for (fault, seen, expected) in [
        (already(), here(5), LinkOutcome::AlreadyLinked.into()),
        (old_text(), here(5), LinkOutcome::AlreadyLinked.into()),
        (already(), here(ANNOUNCED + 60_000), LinkOutcome::AlreadyLinked.into()),
        (answer(400, "LimitExceededException", "full"), here(5), LinkOutcome::AlreadyLinked.into()),
        (answer(400, "AliasExistsException", ""), here(5), LinkOutcome::AlreadyLinked.into()),
        // Answers that were taken for a proof that nothing happened, and the link was made.
        (merging(), here(ANNOUNCED + 60_000), linked(true)),
        (invalid("Value failed to satisfy constraint"), here(ANNOUNCED + 60_000), linked(true)),
        (
            answer(400, "ResourceNotFoundException", "User pool x does not exist."),
            here(5),
            LinkOutcome::AlreadyLinked.into(),
        ),
        (answer(400, "NotAuthorizedException", "User is disabled."), here(ANNOUNCED + 60_000), linked(true)),
        (answer(400, "UserNotFoundException", ""), here(ANNOUNCED + 60_000), linked(true)),
    ] {
        let mut job = announced();
        let next = job.on_link_answer(Some(&fault));
        assert_eq!(next, Transition::Continue(Pause::None), "a claim is checked at once");
        assert_eq!(settle(&mut job, POLICY, &seen).0, expected, "{}", fault.message());
    }
    // Whatever the text is, the destination is read before the row is refused.
    for (fault, seen, expected, expected_looks) in [
        (already(), not_here(), RefusalCode::LinkedElsewhere, 2),
        (answer(400, "LimitExceededException", "full"), full(), RefusalCode::TooManyIdentities, 1),
        (answer(400, "AliasExistsException", ""), not_here(), RefusalCode::AliasExists, 2),
        (merging(), not_here(), RefusalCode::IdentityHasProfile, 5),
        (invalid("Value failed to satisfy constraint"), not_here(), RefusalCode::InvalidParameter, 5),
        (
            answer(400, "ResourceNotFoundException", "User pool x does not exist."),
            not_here(),
            RefusalCode::Unrecognised,
            5,
        ),
        (answer(400, "NotAuthorizedException", "User is disabled."), not_here(), RefusalCode::UserDisabled, 1),
        (answer(400, "NotAuthorizedException", "no"), not_here(), RefusalCode::NotAuthorized, 1),
        (answer(400, "UserNotFoundException", ""), vec![], RefusalCode::UserNotFound, 1),
        (invalid("something new"), not_here(), RefusalCode::Unrecognised, 5),
    ] {
        let mut job = announced();
        job.on_link_answer(Some(&fault));
        let (next, looks) = settle(&mut job, POLICY, &seen);
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
    assert_eq!(settle(&mut job, POLICY, &seen).0, linked(true));
}

/// A list may lag for longer than a run waits, so only `AdminGetUser` proves that no attempt had an effect.
#[test]
fn a_call_without_effect_is_attempted_again_and_then_failed_or_in_doubt() {
    let absent = [user("alice", &[])];
    let fault = answer(500, "InternalErrorException", "");
    for (settle_with, expected_looks) in [(SettleWith::ListUsers, 5), (SettleWith::GetUser, 2)] {
        let policy = RowPolicy { settle_with, ..POLICY };
        let mut job = announced();
        for _ in 1..policy.attempts_max {
            job.on_link_answer(Some(&fault));
            let (next, looks) = settle(&mut job, policy, &absent);
            assert!(matches!(next, Transition::Continue(Pause::BackOff(_))), "{next:?}");
            assert_eq!((is_call(&job), looks), (true, expected_looks));
        }
        job.on_link_answer(Some(&fault));
        let (next, _) = settle(&mut job, policy, &absent);
        let text = match (settle_with, next) {
            (SettleWith::ListUsers, Transition::Finish(RowResult::Link(LinkOutcome::InDoubt { text })))
            | (SettleWith::GetUser, Transition::Finish(RowResult::Link(LinkOutcome::Failed { text }))) => text,
            (_, next) => panic!("{next:?}"),
        };
        assert_eq!(text.code, "InternalErrorException");
    }
}

/// Assumption `list-lag`: our own link may be why the service refuses, and the list may not show it for long.
#[test]
fn after_a_lost_answer_a_refusal_is_never_by_absence() {
    let absent = [user("alice", &[])];
    for refusal in [
        invalid("SourceUser is already linked to DestinationUser"),
        invalid("Merging is not currently supported"),
        answer(400, "AliasExistsException", ""),
        answer(400, "LimitExceededException", "full"),
    ] {
        let mut job = announced();
        job.on_link_answer(Some(&timeout()));
        settle(&mut job, POLICY, &absent);
        job.on_link_answer(Some(&refusal));
        let (next, looks) = settle(&mut job, POLICY, &absent);
        assert!(is_in_doubt(&next), "{next:?}");
        assert_eq!(looks, SettleWith::ListUsers.most_looks());
        // The list shows it in the end, or a later run finds it.
        let shown = [user("alice", &[(SUBJECT, false, ANNOUNCED + 60_000)])];
        job.on_link_answer(Some(&refusal));
        let mut later = started(alice(), LeftByEarlierRuns::OpenLinkCall(open_call(120_000)));
        assert_eq!(settle(&mut later, POLICY, &shown), (linked(true), 1));
        // And where it is still absent, that is proven now: the service's refusal counts.
        let mut later = started(alice(), LeftByEarlierRuns::OpenLinkCall(open_call(120_000)));
        settle(&mut later, POLICY, &absent);
        later.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
        later.on_link_answer(Some(&invalid("SourceUser is already linked to DestinationUser")));
        assert_eq!(refused(&settle(&mut later, POLICY, &absent).0), Some(RefusalCode::LinkedElsewhere));
    }
}

/// Assumption `limit-is-five`: a limit that is not the user's is met again later, and is no refusal.
#[test]
fn a_limit_with_fewer_than_five_identities_is_attempted_again() {
    let few = [user("alice", &[("1", false, 5)])];
    let mut job = announced();
    for attempt in 1..=POLICY.attempts_max {
        job.on_link_answer(Some(&answer(400, "LimitExceededException", "full")));
        let (next, looks) = settle(&mut job, POLICY, &few);
        assert_eq!(looks, 1);
        if attempt < POLICY.attempts_max {
            assert!(matches!(next, Transition::Continue(Pause::BackOff(_))) && is_call(&job), "{next:?}");
        } else {
            assert!(matches!(next, Transition::Finish(RowResult::Link(LinkOutcome::Failed { .. }))), "{next:?}");
        }
    }
    let mut job = announced();
    let next = job.on_link_answer(Some(&answer(400, "LimitExceededException", "Rate exceeded")));
    assert_eq!(next, Transition::RepeatCall { throttled: true });
}

/// Assumption `date-there`: seconds are a range, and without a date nobody knows whose link it is.
#[test]
fn dates_in_seconds_and_no_dates() {
    for (created, expected) in [
        (Some(ANNOUNCED - 1_000), LinkOutcome::AlreadyLinked.into()),
        (Some(ANNOUNCED), linked(true)),
        (Some(ANNOUNCED + 60_000), linked(true)),
        (None, linked(true)),
    ] {
        let mut job = announced();
        job.on_link_answer(Some(&timeout()));
        let mut seen = user("alice", &[(SUBJECT, false, 0)]);
        seen.identities[0].created_unix_ms = created;
        assert_eq!(settle(&mut job, POLICY, &[seen]).0, expected, "{created:?}");
    }
}

/// Assumption `attribute-link-visible`: a link by an attribute that is not shown is not known.
#[test]
fn an_attribute_link_that_is_not_shown_stays_in_doubt() {
    let mut job = LinkJob::new(by_email());
    job.start(LeftByEarlierRuns::Nothing, NAMING);
    job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
    job.on_link_answer(Some(&invalid("SourceUser is already linked to DestinationUser")));
    assert!(is_in_doubt(&settle(&mut job, POLICY, &[user("alice", &[])]).0));
}

/// What a read asks for.
fn read_text(job: &LinkJob, policy: RowPolicy) -> String {
    match job.next_work(policy) {
        NextWork::Read(ReadCall::List(query)) => query.filter.unwrap().to_text(),
        NextWork::Read(ReadCall::Get(name)) => format!("get {}", name.expose()),
        other => panic!("{other:?}"),
    }
}

/// Assumptions `name-case` and `filter-escape`: the name is tried in every spelling, and compared here.
#[test]
fn a_destination_is_read_by_every_spelling_of_its_name() {
    let policy = RowPolicy { naming: PoolNaming { case_sensitive: false, ..NAMING }, ..POLICY };
    let ours = (SUBJECT, false, ANNOUNCED + 60_000);
    let doubtful = |name: &str| {
        let mut job = started(Destination::Username(Personal::from_service(name)), LeftByEarlierRuns::Nothing);
        job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
        job.on_link_answer(Some(&timeout()));
        job
    };
    let mut rng = Rng::new(1);
    // The pool keeps the case.
    let mut job = doubtful("Alice");
    assert_eq!(read_text(&job, policy), "username = \"Alice\"");
    assert_eq!(job.on_users_answer(Ok(&page(&[user("Alice", &[ours])])), policy, &mut rng), linked(true));
    assert_eq!(job.progress.username, Some(Personal::from_service("Alice")));
    // The pool folds it.
    let mut job = doubtful("Alice");
    assert_eq!(job.on_users_answer(Ok(&page(&[])), policy, &mut rng), Transition::Continue(Pause::None));
    assert_eq!(read_text(&job, policy), "username = \"alice\"");
    assert_eq!(job.on_users_answer(Ok(&page(&[user("alice", &[ours])])), policy, &mut rng), linked(true));
    assert_eq!(
        job.progress.username,
        Some(Personal::from_service("alice")),
        "the ledger keeps it as the pool shows it"
    );
    // A filter that does not find a backslash, and the users whose names begin alike.
    let mut job = doubtful("CORP\\jane");
    job.on_users_answer(Ok(&page(&[])), POLICY, &mut rng);
    assert_eq!(read_text(&job, POLICY), "username ^= \"CORP\"");
    let seen = [user("CORP\\john", &[]), user("CORP\\jane", &[ours])];
    assert_eq!(job.on_users_answer(Ok(&page(&seen)), POLICY, &mut rng), linked(true));
    // Nobody by any of them is one look, not four.
    let mut job = doubtful("CORP\\Jane");
    let mut reads = 1;
    while job.on_users_answer(Ok(&page(&[])), policy, &mut rng) == Transition::Continue(Pause::None) {
        reads += 1;
    }
    assert!(matches!(job.step, LinkStep::ReadBack { looks: 1, .. }));
    assert_eq!(reads, 4);
}

/// Assumption `federated-name`: a federated destination is known by its identity, whatever its name.
#[test]
fn a_federated_destination_is_found_by_its_identity() {
    let federated = || Destination::Federated {
        provider: crate::domain::identity::ProviderName::parse("Google").unwrap(),
        user_id: Personal::from_service("AbC"),
    };
    let ours = (SUBJECT, false, ANNOUNCED + 60_000);
    for (seen, is_found) in [
        (user("Google_AbC", &[("AbC", true, 5), ours]), true),
        (user("mapped-name", &[("AbC", true, 5), ours]), true),
        (user("Google_AbC", &[ours]), false),
    ] {
        let mut job = started(federated(), LeftByEarlierRuns::OpenLinkCall(open_call(120_000)));
        let (next, _) = settle(&mut job, POLICY, std::slice::from_ref(&seen));
        assert_eq!(next == linked(true), is_found, "{:?}", seen.username.expose());
    }
}

/// Assumption `destination-name`: an alias is reported before anything is sent.
#[test]
fn a_name_that_is_only_an_alias_is_refused_unsent() {
    const SUB: &str = "0a1b2c3d-0000-4000-8000-00000000000f";
    let job_of = |name: &str, alias: fn(Personal) -> Destination| {
        let mut job = LinkJob::new(row_to(1, Destination::Username(Personal::from_service(name))));
        job.name_may_be = Some(alias(Personal::from_service(name)));
        job.start(LeftByEarlierRuns::Nothing, NAMING);
        job
    };
    let mut rng = Rng::new(1);
    for (name, alias, filter, column) in [
        ("a@example.com", Destination::Email as fn(_) -> _, "email = ", "destination_email"),
        (SUB, Destination::Sub, "sub = ", "destination_sub"),
    ] {
        let holder = PoolUser { sub: Some(Personal::from_service(SUB)), ..user("alice", &[]) };
        let mut job = job_of(name, alias);
        assert_eq!(job.on_users_answer(Ok(&page(&[])), POLICY, &mut rng), Transition::Continue(Pause::None));
        assert!(read_text(&job, POLICY).starts_with(filter));
        let next = job.on_users_answer(Ok(&page(&[holder])), POLICY, &mut rng);
        let Transition::Finish(RowResult::Link(LinkOutcome::Refused { code, text: Some(text) })) = next else {
            panic!("{next:?}")
        };
        assert_eq!((code, job.progress.attempts), (RefusalCode::UserNotFound, 0));
        assert!(text.printable_message(false).unwrap().ends_with(column));
        // A user name that looks like an alias is a user name.
        let mut job = job_of(name, alias);
        job.on_users_answer(Ok(&page(&[user(name, &[])])), POLICY, &mut rng);
        assert!(is_announce(&job));
        // Somebody may be too new for a list.
        let mut job = job_of(name, alias);
        job.on_users_answer(Ok(&page(&[])), POLICY, &mut rng);
        job.on_users_answer(Ok(&page(&[])), POLICY, &mut rng);
        assert!(is_announce(&job));
    }
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
fn a_name_that_no_filter_takes_is_read_by_its_start() {
    let quotes = "\"".repeat(128);
    let name = || Destination::Username(Personal::from_service(&quotes));
    let mut job = started(name(), LeftByEarlierRuns::OpenLinkCall(open_call(1_000)));
    assert!(read_text(&job, POLICY).starts_with("username ^= "), "AdminGetUser would mark the user as active");
    let others = user(&quotes[..127], &[]);
    let ours = user(&quotes, &[(SUBJECT, false, ANNOUNCED + 60_000)]);
    assert_eq!(settle(&mut job, POLICY, &[others, ours]).0, linked(true));
}

#[test]
fn a_fatal_fault_of_a_read_names_its_operation() {
    let denied = answer(400, "AccessDeniedException", "no");
    for operation in ["ListUsers", "AdminGetUser"] {
        let mut job = started(alice(), LeftByEarlierRuns::OpenLinkCall(open_call(1_000)));
        job.progress.read_operation = operation;
        let next = job.on_users_answer(Err(&denied), POLICY, &mut Rng::new(1));
        assert!(matches!(&next, Transition::StopRun(stop) if stop.detail.starts_with(operation)), "{next:?}");
    }
}

/// A search that was cut says nothing about the next one.
#[test]
fn a_new_search_is_not_cut() {
    let mut job = announced();
    job.on_link_answer(Some(&timeout()));
    let endless = UserPage { users: vec![user("bob", &[])], next_token: Some("more".into()) };
    for _ in 0..crate::limits::READ_PAGES_MAX {
        job.on_users_answer(Ok(&endless), POLICY, &mut Rng::new(1));
    }
    assert!(job.progress.is_search_cut);
    job.progress.begin_reading();
    assert!(!job.progress.is_search_cut);
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
    let settled_with = |policy: RowPolicy, row: Row, seen: &[PoolUser], later_ms: i64| {
        let mut job = LinkJob::new(row);
        job.start(LeftByEarlierRuns::OpenUnlinkCall(open_call(later_ms)), NAMING);
        assert!(matches!(job.step, LinkStep::SettleOldUnlink { looks: 0, .. }));
        for looks in 1..20 {
            let next = job.on_users_answer(Ok(&page(seen)), policy, &mut Rng::new(1));
            if let Transition::OldUnlinkSettled { end, .. } = next {
                return (end, looks, is_announce(&job));
            }
        }
        panic!("the row looks for ever");
    };
    let settled = |row: Row, seen: &[PoolUser], later_ms: i64| settled_with(POLICY, row, seen, later_ms);
    let by_subject = || row_to(1, alice());
    let absent = [user("alice", &[])];
    // It took effect: the row is linked anew.
    assert_eq!(settled(by_subject(), &absent, 1_000), (OldUnlinkEnd::TookEffect, looks, true));
    assert_eq!(settled(by_subject(), &absent, 120_000), (OldUnlinkEnd::TookEffect, 1, true), "long ago");
    // It did not: the link stands as it was. The list may still show a link that is gone, and AdminGetUser may not.
    let standing = [user("alice", &[(SUBJECT, false, ANNOUNCED - 100)])];
    assert_eq!(settled(by_subject(), &standing, 1_000), (OldUnlinkEnd::StillInDoubt, looks, false));
    assert_eq!(settled(by_subject(), &standing, 120_000), (OldUnlinkEnd::NoEffect, 1, false));
    let fresh = RowPolicy { settle_with: SettleWith::GetUser, ..POLICY };
    assert_eq!(settled_with(fresh, by_subject(), &standing, 1_000), (OldUnlinkEnd::NoEffect, 2, false));
    // A date that is not given proves no later link.
    let mut undated = standing.clone();
    undated[0].identities[0].created_unix_ms = None;
    assert_eq!(settled(by_subject(), &undated, 120_000).0, OldUnlinkEnd::NoEffect);
    // It did, and somebody has linked it since.
    let again = [user("alice", &[(SUBJECT, false, later)])];
    assert_eq!(settled(by_subject(), &again, 1_000), (OldUnlinkEnd::LinkedAgainSince, looks, false));
    // Another identity of the provider may be the link by an attribute: that is left to undo.
    assert_eq!(settled(by_email(), &standing, 1_000).0, OldUnlinkEnd::StillInDoubt);
    // Nor does a user who is not seen prove anything.
    assert_eq!(settled(by_subject(), &[], 120_000).0, OldUnlinkEnd::StillInDoubt);
}

#[test]
fn a_link_that_was_just_unlinked_is_not_taken_for_somebody_elses() {
    let unlinked = ANNOUNCED - 1_000;
    let settled = |unlinked_at, settle_with, left, created| {
        let mut job = started(alice(), left);
        job.unlinked_at = unlinked_at;
        if is_announce(&job) {
            job.on_announced(AnnouncementTime::from_ledger(ANNOUNCED));
            job.on_link_answer(Some(&timeout()));
        }
        let policy = RowPolicy { settle_with, ..POLICY };
        settle(&mut job, policy, &[user("alice", &[(SUBJECT, false, created)])])
    };
    let most_looks = SettleWith::ListUsers.most_looks();
    for left in [LeftByEarlierRuns::Nothing, LeftByEarlierRuns::OpenLinkCall(open_call(1_000))] {
        // The list lags: it shows the link of before for as long as it is looked at.
        let (next, looks) = settled(Some(unlinked), SettleWith::ListUsers, left, ANNOUNCED - 60_000);
        assert!(is_in_doubt(&next) && looks == most_looks, "{left:?}: {next:?} after {looks} looks");
        // AdminGetUser does not lag, and no list lags for so long: the link was there before.
        let already_linked = |looks| (LinkOutcome::AlreadyLinked.into(), looks);
        let fresh = settled(Some(unlinked), SettleWith::GetUser, left, ANNOUNCED - 60_000);
        assert_eq!(fresh, already_linked(2));
        let unlinked_long_ago = settled(None, SettleWith::ListUsers, left, ANNOUNCED - 60_000);
        assert_eq!(unlinked_long_ago, already_linked(most_looks));
        // Somebody made it after the unlink.
        let newer = settled(Some(unlinked), SettleWith::ListUsers, left, ANNOUNCED - 500);
        assert_eq!(newer, already_linked(most_looks));
    }
}

/// A sign-in has made the pool show the subject in place of the attribute: another call would make a second link.
#[test]
fn an_attribute_link_that_may_be_shown_by_its_subject_is_not_made_again() {
    let mut job = LinkJob::new(by_email());
    job.start(LeftByEarlierRuns::OpenLinkCall(open_call(120_000)), NAMING);
    assert!(is_in_doubt(&settle(&mut job, POLICY, &[user("alice", &[(SUBJECT, false, ANNOUNCED + 10)])]).0));
    // Its own profile is no link.
    let mut job = LinkJob::new(by_email());
    job.start(LeftByEarlierRuns::OpenLinkCall(open_call(120_000)), NAMING);
    settle(&mut job, POLICY, &[user("alice", &[(SUBJECT, true, ANNOUNCED + 10)])]);
    assert!(is_announce(&job));
}

/// A row of the canary that is announced, and whose call succeeded.
fn confirmed(confirming: Confirming) -> LinkJob {
    let mut job = announced();
    job.confirming = Some(confirming);
    assert_eq!(job.on_link_answer(None), Transition::Continue(Pause::None));
    assert!(matches!(job.step, LinkStep::Confirm { looks: 0, .. }), "{:?}", job.step);
    job
}

#[test]
fn a_canary_row_is_read_after_its_call_and_ends_as_it_is_seen() {
    let other = [(SUBJECT.to_lowercase(), ANNOUNCED + 1)];
    let stored_otherwise = user("alice", &[(other[0].0.as_str(), false, other[0].1)]);
    let seen_after = user("alice", &[(SUBJECT, false, ANNOUNCED + 1)]);
    let seen_before = user("alice", &[(SUBJECT, false, ANNOUNCED - 1)]);
    for (seen, expected, finding, looks) in [
        (vec![seen_after], Some(linked(false)), CanaryFinding::Right, 1),
        (vec![seen_before], Some(LinkOutcome::AlreadyLinked.into()), CanaryFinding::StoodBefore, MOST_LOOKS),
        (vec![stored_otherwise], None, CanaryFinding::StoredOtherwise, 2),
        (vec![user("alice", &[])], None, CanaryFinding::NotOnUser, MOST_LOOKS),
        (vec![], None, CanaryFinding::UserNotSeen, MOST_LOOKS),
    ] {
        let mut job = confirmed(Confirming::Canary);
        let mut rng = Rng::new(1);
        let mut reads = 0;
        let end = loop {
            let next = job.on_users_answer(Ok(&page(&seen)), POLICY, &mut rng);
            reads += 1;
            if let Transition::Finish(_) = next {
                break next;
            }
            assert!(matches!(job.step, LinkStep::Confirm { .. }) && reads < 100, "{finding:?}: {:?}", job.step);
        };
        match expected {
            Some(expected) => assert_eq!(end, expected),
            None => assert!(is_in_doubt(&end), "{finding:?}: {end:?}"),
        }
        assert_eq!(job.canary_finding, Some(finding));
        // A user who is not found is searched for by several reads a look.
        assert!(reads == looks || finding == CanaryFinding::UserNotSeen && reads > looks, "{finding:?}: {reads} reads");
        assert_eq!(job.repeat_succeeded, finding == CanaryFinding::StoodBefore);
    }
}

/// The service has reported success, and nothing contradicts it; but nobody has seen the link.
#[test]
fn a_canary_row_whose_user_cannot_be_read_is_linked_and_not_right() {
    let mut job = confirmed(Confirming::Canary);
    let mut rng = Rng::new(1);
    for _ in 1..POLICY.attempts_max {
        let next = job.on_users_answer(Err(&timeout()), POLICY, &mut rng);
        assert!(matches!(next, Transition::Continue(Pause::BackOff(_))), "{next:?}");
    }
    assert_eq!(job.on_users_answer(Err(&timeout()), POLICY, &mut rng), linked(false));
    assert_eq!(job.canary_finding, Some(CanaryFinding::NotRead));
    assert!(!CanaryFinding::NotRead.is_right());
    let job = crate::engine::job::Job::Link(job);
    assert_eq!(job.canary_finding(crate::domain::state::RowState::Linked), Some(CanaryFinding::NotRead));
}

#[test]
fn after_a_pause_a_row_starts_with_its_reads_as_in_a_later_run() {
    let email = || Destination::Email(Personal::from_service("a@example.com"));
    // Nothing to read: it is announced again.
    let mut job = announced();
    assert!(job.set_back(NAMING));
    assert!(is_announce(&job) && !job.set_back(NAMING), "{:?}", job.step);
    // The user is looked up again, and must be the same.
    for (now_found, is_same) in [("alice", true), ("bob", false)] {
        let mut job = started(email(), LeftByEarlierRuns::Nothing);
        let mut rng = Rng::new(1);
        job.on_users_answer(Ok(&page(&[user("alice", &[])])), POLICY, &mut rng);
        assert!(is_announce(&job) && job.set_back(NAMING));
        assert!(matches!(job.step, LinkStep::Resolve { .. }), "{:?}", job.step);
        let next = job.on_users_answer(Ok(&page(&[user(now_found, &[])])), POLICY, &mut rng);
        assert_eq!(next == Transition::Continue(Pause::None) && is_announce(&job), is_same, "{next:?}");
        assert!(is_same || matches!(next, Transition::Finish(RowResult::Link(LinkOutcome::Failed { .. }))), "{next:?}");
    }
    // A plan has named the user.
    let user_of_plan = DestinationUser {
        provider: crate::domain::identity::ProviderName::native(),
        value: Personal::from_service("alice"),
    };
    let mut job = LinkJob::planned(row_to(1, email()), Some(user_of_plan));
    job.start(LeftByEarlierRuns::Nothing, NAMING);
    assert!(!job.set_back(NAMING) && is_announce(&job), "{:?}", job.step);
    // A call that may have taken effect is read back.
    let mut job = announced();
    job.effect = UnknownEffect::OfRecentCall;
    assert!(job.set_back(NAMING));
    assert!(matches!(job.step, LinkStep::ReadBack { looks: 0, .. }), "{:?}", job.step);
}

/// Assumption `list-lag`: a list has no known bound, so the announcement of an old call that no look has shown still dates
/// whose link it is, however the row names its user.
#[test]
fn an_old_call_that_was_not_seen_keeps_its_announcement() {
    let email = || Destination::Email(Personal::from_service("a@example.com"));
    let native_alice = DestinationUser {
        provider: crate::domain::identity::ProviderName::native(),
        value: Personal::from_service("alice"),
    };
    let open = LeftByEarlierRuns::OpenLinkCall(open_call(120_000));
    let later = AnnouncementTime::from_ledger(ANNOUNCED + 120_000);
    let absent = [user("alice", &[])];
    for destination in [alice(), email()] {
        let is_looked_up = destination.needs_look_up();
        let announce_again = |job: &mut LinkJob| {
            settle(job, POLICY, &absent);
            if is_looked_up {
                assert!(matches!(job.step, LinkStep::Resolve { .. }), "{:?}", job.step);
                let found = job.on_users_answer(Ok(&page(&absent)), POLICY, &mut Rng::new(1));
                assert_eq!(found, Transition::Continue(Pause::None));
            }
            assert_eq!(job.effect, UnknownEffect::OfOldCallNotSeen);
            assert!(matches!(job.step, LinkStep::Announce { earlier: Some(_), .. }), "{destination:?}: {:?}", job.step);
            job.on_announced(later);
            assert!(matches!(job.step, LinkStep::Call { announced, .. } if announced.earliest == ANNOUNCED));
        };
        for pauses in [0, 1, 2] {
            let mut job = LinkJob::new(row_to(1, destination.clone()));
            job.expect_announced_user(native_alice.clone());
            job.start(open, NAMING);
            announce_again(&mut job);
            for _ in 0..pauses {
                // After a pause it is read back, as in a later run. What earlier runs announced is not withdrawn.
                let mut held = crate::engine::job::Job::Link(job);
                assert!(!held.can_withdraw() && held.set_back(NAMING), "{destination:?}");
                let crate::engine::job::Job::Link(set_back) = held else { unreachable!() };
                job = set_back;
                assert!(matches!(job.step, LinkStep::ReadBack { looks: 0, .. }), "{destination:?}: {:?}", job.step);
                announce_again(&mut job);
            }
            job.on_link_answer(Some(&invalid("SourceUser is already linked to DestinationUser")));
            let ours = [user("alice", &[(SUBJECT, false, ANNOUNCED + 10)])];
            assert_eq!(settle(&mut job, POLICY, &ours).0, linked(true), "{destination:?} after {pauses} pauses");
        }
    }
    // Nobody has the address any more: no look has shown the call, and nothing else can be sent.
    let mut job = LinkJob::new(row_to(1, email()));
    job.expect_announced_user(native_alice);
    job.start(open, NAMING);
    settle(&mut job, POLICY, &absent);
    let next = job.on_users_answer(Ok(&page(&[])), POLICY, &mut Rng::new(1));
    assert_eq!(refused(&next), Some(RefusalCode::UserNotFound));
}
