//! What follows from answers for a link that is to be undone, as tables.

use super::*;
use crate::domain::identity::{AttributeName, Destination, Personal, ProviderName};
use crate::domain::row::Link;
use crate::engine::name_search::ReadCall;
use crate::engine::read_back::SettleWith;
use crate::engine::row_progress::RowResult;
use crate::engine::testing::{POOL, row_of};
use crate::foresight::destination::PoolNaming;
use crate::foresight::trust::TrustPolicy;
use crate::limits::{ANNOUNCEMENT_WINDOW_MS, SETTLE_WAITS_MS};
use crate::service::{AnswerMeta, LinkedIdentity, PoolUser, Transport};

const POLICY: RowPolicy = RowPolicy {
    attempts_max: 3,
    settle_with: SettleWith::ListUsers,
    naming: NAMING,
    trust: TrustPolicy::Verified,
    settles_before_end: false,
};
const NAMING: PoolNaming = PoolNaming { case_sensitive: true, usernames_are_subs: false };
/// When the link was announced, and when it was settled.
const ANNOUNCED: UnixMs = 1_000_000_000;
const SETTLED: UnixMs = ANNOUNCED + 500;
/// Long after the link: lists show it.
const LATER: UnixMs = ANNOUNCED + 3_600_000;

fn identity(provider: &str, attribute: &str, value: &str) -> ExternalIdentity {
    let attribute = AttributeName::parse(attribute).unwrap();
    ExternalIdentity::new(ProviderName::parse(provider).unwrap(), attribute, Personal::from_service(value)).unwrap()
}

fn subject() -> ExternalIdentity {
    identity("Corp", "Cognito_Subject", "AbC1")
}

fn by_email() -> ExternalIdentity {
    identity("Corp", "email", "a@example.com")
}

/// A link that is about to be inspected, at `now`; its unlink is open since the time that is given.
fn job_at(source: ExternalIdentity, open_since: Option<UnixMs>, now: UnixMs) -> UndoJob {
    job_of(source, false, open_since, now)
}

fn job_of(source: ExternalIdentity, linked_elsewhere_later: bool, open_since: Option<UnixMs>, now: UnixMs) -> UndoJob {
    let destination = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("alice") };
    let link = Link { destination: Destination::Username(Personal::from_service("alice")), source };
    let latest = SETTLED + ANNOUNCEMENT_WINDOW_MS;
    let linked = MadeLink { earliest: ANNOUNCED, latest, linked_elsewhere_later };
    let mut job = UndoJob::new(row_of(POOL, 1, link), destination, None, linked);
    job.start(open_since.map(|since| OpenCall::from_ledger(since, now)), now);
    job
}

fn job(source: ExternalIdentity) -> UndoJob {
    job_at(source, None, LATER)
}

/// The call would take the identity from the user of the later row, whatever the list still shows.
#[test]
fn a_link_that_a_later_row_made_to_another_user_is_not_unlinked() {
    for source in [subject(), by_email()] {
        let mut job = job_of(source.clone(), true, None, LATER);
        let expected = if source == subject() { RefusalCode::Gone } else { RefusalCode::LinkNotSeen };
        let (end, looks) = settle(&mut job, POLICY, &[alice(&[of(&source)])]);
        assert_eq!((refused(&end), looks), (Some(expected), if source == subject() { 2 } else { 1 }));
        assert_eq!(job.progress.attempts, 0);
    }
}

fn is_announce(job: &UndoJob) -> bool {
    matches!(job.step, UndoStep::Announce { .. })
}

fn is_call(job: &UndoJob) -> bool {
    matches!(job.step, UndoStep::Call { .. })
}

/// A link that was inspected and announced, and is about to be unlinked.
fn announced(source: &ExternalIdentity) -> UndoJob {
    let mut job = job(source.clone());
    assert_eq!(settle(&mut job, POLICY, &[alice(&[of(source)])]), (Transition::Continue(Pause::None), 1));
    assert!(is_announce(&job));
    job.on_announced();
    job
}

fn held(provider: &str, id: &str, created: UnixMs) -> LinkedIdentity {
    LinkedIdentity {
        user_id: Personal::from_service(id),
        provider_name: provider.into(),
        provider_type: "SAML".into(),
        issuer: None,
        primary: false,
        created_unix_ms: Some(created),
    }
}

/// An identity as the pool shows it after this ledger's link.
fn of(source: &ExternalIdentity) -> LinkedIdentity {
    held(source.provider().as_str(), source.value().expose(), ANNOUNCED + 100)
}

fn used(identity: LinkedIdentity) -> LinkedIdentity {
    LinkedIdentity { issuer: Some("urn:corp".into()), ..identity }
}

fn user(name: &str, identities: &[LinkedIdentity]) -> PoolUser {
    PoolUser { email_verified: true, identities: identities.to_vec(), ..PoolUser::named(name) }
}

fn alice(identities: &[LinkedIdentity]) -> PoolUser {
    user("alice", identities)
}

/// Reads until the row goes on or ends; every look sees these users. Also counts the looks.
fn settle(job: &mut UndoJob, policy: RowPolicy, seen: &[PoolUser]) -> (Transition, usize) {
    let mut rng = Rng::new(1);
    for looks in 1..20 {
        let page = UserPage { users: seen.to_vec(), next_token: None };
        let next = job.on_users_answer(Ok(&page), policy, &mut rng);
        let is_reading = matches!(job.step, UndoStep::Inspect { .. } | UndoStep::LookForProfile);
        if !is_reading || !matches!(next, Transition::Continue(_)) {
            return (next, looks);
        }
    }
    panic!("the row looks for ever");
}

fn refused(next: &Transition) -> Option<RefusalCode> {
    match next {
        Transition::Finish(RowResult::Undo(UndoOutcome::Refused { code, .. })) => Some(*code),
        _ => None,
    }
}

fn timeout() -> CallFault {
    CallFault::Transport { kind: Transport::Timeout, detail: "timeout".into() }
}

fn answer(code: &str, message: &str) -> CallFault {
    let (code, message) = (code.to_owned(), message.to_owned());
    CallFault::Answered { status: 400, code, message, retry_after: None, meta: AnswerMeta::default() }
}

fn not_linked() -> CallFault {
    answer("InvalidParameterException", "Account isn't linked to anyone else, verify that the account has been linked")
}

/// What the call would name.
fn named(job: &UndoJob) -> ExternalIdentity {
    match job.next_work(POLICY) {
        NextWork::Write(WriteCall::Unlink(request)) => request.identity,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_pool_shows_decides_the_form() {
    let (subject, by_email) = (subject(), by_email());
    let at_once = |id| held("Corp", id, ANNOUNCED + 100);
    let oidc = |id| LinkedIdentity { provider_type: "OIDC".into(), ..at_once(id) };
    for (case, source, shown, form) in [
        ("a subject, unused", &subject, vec![of(&subject)], &subject),
        ("a subject, used", &subject, vec![used(of(&subject))], &subject),
        ("among others", &subject, vec![held("Google", "1", 5), of(&subject)], &subject),
        ("an attribute, unused", &by_email, vec![of(&by_email)], &by_email),
        ("an attribute, used, its subject shown", &by_email, vec![used(at_once("AbC1"))], &subject),
        ("the same of OIDC, which has no issuer", &by_email, vec![oidc("AbC1")], &subject),
    ] {
        let mut job = job(source.clone());
        assert_eq!(settle(&mut job, POLICY, &[alice(&shown)]), (Transition::Continue(Pause::None), 1), "{case}");
        assert!(is_announce(&job), "{case}");
        job.on_announced();
        assert_eq!(named(&job), *form, "{case}");
        assert_eq!(job.on_unlink_answer(None), UndoOutcome::Undone.into(), "{case}");
        assert_eq!(job.progress.attempts, 1);
    }
}

#[test]
fn what_cannot_be_taken_back_safely_is_refused_and_nothing_is_announced() {
    use RefusalCode::{DateUnknown, Gone, LinkNotSeen, Moved, OlderThanOurs, UsedSince, UserNotSeen};
    let (subject, by_email) = (subject(), by_email());
    let young = |source: &ExternalIdentity| LinkedIdentity { created_unix_ms: Some(SETTLED + 60_000), ..of(source) };
    let old = |source: &ExternalIdentity| LinkedIdentity { created_unix_ms: Some(ANNOUNCED - 1), ..of(source) };
    let undated = LinkedIdentity { created_unix_ms: None, ..of(&subject) };
    let primary = LinkedIdentity { primary: true, ..of(&subject) };
    let own = user("Corp_AbC1", std::slice::from_ref(&primary));
    let bystander = user("Corp_AbC1", &[]);
    let other = |id, at| used(held("Corp", id, at));
    for (case, source, users, code) in [
        ("the user is not seen", &subject, vec![], UserNotSeen),
        ("another user came", &subject, vec![user("bob", &[of(&subject)])], UserNotSeen),
        ("the identity is not there", &subject, vec![alice(&[])], Gone),
        ("it is there in another case", &subject, vec![alice(&[held("Corp", "abc1", ANNOUNCED)])], Gone),
        ("of another provider", &subject, vec![alice(&[held("Okta", "AbC1", ANNOUNCED)])], Gone),
        ("it has its own profile", &subject, vec![alice(&[]), own], Moved),
        ("somebody else has that name", &subject, vec![alice(&[]), bystander], Gone),
        ("it was linked again, later", &subject, vec![alice(&[young(&subject)])], Moved),
        ("it has no date", &subject, vec![alice(&[undated])], DateUnknown),
        ("it stood before", &subject, vec![alice(&[old(&subject)])], OlderThanOurs),
        ("an attribute link that stood before", &by_email, vec![alice(&[old(&by_email)])], OlderThanOurs),
        ("the profile was born from it", &subject, vec![alice(&[primary])], Moved),
        ("an attribute, used and its subject not shown", &by_email, vec![alice(&[used(of(&by_email))])], UsedSince),
        ("the same, linked later", &by_email, vec![alice(&[young(&by_email)])], Moved),
        ("an attribute, nothing shown", &by_email, vec![alice(&[])], LinkNotSeen),
        ("a younger subject there", &by_email, vec![alice(&[other("AbC1", SETTLED + 60_000)])], UsedSince),
        ("an older subject there", &by_email, vec![alice(&[other("AbC1", ANNOUNCED - 60_000)])], UsedSince),
        ("a subject that was not used", &by_email, vec![alice(&[held("Corp", "AbC1", ANNOUNCED)])], UsedSince),
        ("two that it could be", &by_email, vec![alice(&[other("a", ANNOUNCED), other("b", ANNOUNCED)])], UsedSince),
    ] {
        let mut job = job(source.clone());
        let (next, _) = settle(&mut job, POLICY, &users);
        assert_eq!(refused(&next), Some(code), "{case}: {next:?}");
        assert!(job.announced_identity.is_none() && job.progress.attempts == 0, "{case}");
    }
}

#[test]
fn a_link_that_was_just_made_is_looked_for_patiently() {
    // How long a list lags is not documented: a link that is younger than that is not gone because a list lacks it.
    for (now, settle_with, looks, code) in [
        (SETTLED + 1_000, SettleWith::ListUsers, SETTLE_WAITS_MS.len() + 2, RefusalCode::LinkNotSeen),
        (SETTLED + 1_000, SettleWith::GetUser, 2, RefusalCode::Gone),
        (LATER, SettleWith::ListUsers, 2, RefusalCode::Gone),
    ] {
        let mut job = job_at(subject(), None, now);
        let policy = RowPolicy { settle_with, ..POLICY };
        let (next, looked) = settle(&mut job, policy, &[alice(&[])]);
        // The last one is for a profile of its own.
        assert_eq!((refused(&next), looked), (Some(code), looks), "{now} {settle_with:?}");
    }
}

/// The list may still show the link that an earlier `undo` unlinked, and not yet ours.
#[test]
fn an_older_link_in_place_of_one_that_was_just_made_is_looked_at_patiently() {
    let older = alice(&[held("Corp", "AbC1", ANNOUNCED - 60_000)]);
    for (now, settle_with, looks, code) in [
        (SETTLED + 1_000, SettleWith::ListUsers, SETTLE_WAITS_MS.len() + 1, RefusalCode::LinkNotSeen),
        (SETTLED + 1_000, SettleWith::GetUser, 1, RefusalCode::OlderThanOurs),
        (LATER, SettleWith::ListUsers, 1, RefusalCode::OlderThanOurs),
    ] {
        let mut job = job_at(subject(), None, now);
        let policy = RowPolicy { settle_with, ..POLICY };
        let (next, looked) = settle(&mut job, policy, std::slice::from_ref(&older));
        assert_eq!((refused(&next), looked), (Some(code), looks), "{now} {settle_with:?}");
    }
    let mut job = job_at(subject(), None, SETTLED + 1_000);
    let page = UserPage { users: vec![older], next_token: None };
    assert!(matches!(job.on_users_answer(Ok(&page), POLICY, &mut Rng::new(1)), Transition::Continue(_)));
    settle(&mut job, POLICY, &[alice(&[of(&subject())])]);
    assert!(is_announce(&job), "the list shows it in the end");
}

#[test]
fn a_doubtful_call_is_settled_by_reading() {
    let standing = alice(&[of(&subject())]);
    let mut job = announced(&subject());
    assert!(matches!(job.on_unlink_answer(Some(&timeout())), Transition::Continue(Pause::Settling(_))));
    assert!(job.is_being_settled());
    assert_eq!(settle(&mut job, POLICY, &[alice(&[])]), (UndoOutcome::Undone.into(), 1));

    let mut job = announced(&subject());
    for attempt in 1..=POLICY.attempts_max {
        job.on_unlink_answer(Some(&timeout()));
        let (next, looks) = settle(&mut job, POLICY, std::slice::from_ref(&standing));
        assert_eq!(looks, SETTLE_WAITS_MS.len() + 1, "a list may lag behind the unlink");
        if attempt < POLICY.attempts_max {
            assert!(matches!(next, Transition::Continue(Pause::BackOff(_))) && is_call(&job), "{next:?}");
        } else {
            // The list may lag for longer; the next run settles it.
            assert!(matches!(next, Transition::Finish(RowResult::Undo(UndoOutcome::InDoubt { .. }))), "{next:?}");
        }
    }
    let fresh = RowPolicy { settle_with: SettleWith::GetUser, attempts_max: 1, ..POLICY };
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&timeout()));
    let (next, _) = settle(&mut job, fresh, std::slice::from_ref(&standing));
    assert!(matches!(next, Transition::Finish(RowResult::Undo(UndoOutcome::Failed { .. }))), "{next:?}");

    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&timeout()));
    let next = (0..POLICY.attempts_max).map(|_| job.on_users_answer(Err(&timeout()), POLICY, &mut Rng::new(1))).last();
    assert!(matches!(next, Some(Transition::Finish(RowResult::Undo(UndoOutcome::InDoubt { .. })))), "{next:?}");
    let mut unread = super::tests::job(subject());
    let next =
        (0..POLICY.attempts_max).map(|_| unread.on_users_answer(Err(&timeout()), POLICY, &mut Rng::new(1))).last();
    assert!(
        matches!(next, Some(Transition::Finish(RowResult::Undo(UndoOutcome::Failed { .. })))),
        "nothing was sent: {next:?}"
    );
}

#[test]
fn an_answer_that_claims_there_is_no_link_is_checked() {
    // Whom it was taken by meanwhile is not known, but it was not by us.
    let mut job = announced(&subject());
    assert_eq!(job.on_unlink_answer(Some(&not_linked())), Transition::Continue(Pause::None));
    let (next, _) = settle(&mut job, POLICY, &[alice(&[])]);
    assert_eq!(refused(&next), Some(RefusalCode::Gone), "{next:?}");
    // It stands, and the service does not know it by these values.
    for source in [subject(), by_email()] {
        let mut job = announced(&source);
        job.on_unlink_answer(Some(&not_linked()));
        let (next, looks) = settle(&mut job, POLICY, &[alice(&[of(&source)])]);
        assert_eq!((refused(&next), looks), (Some(RefusalCode::FormUnknown), 2), "{next:?}");
    }
    // Our own call, whose answer was lost, is why there is none.
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&timeout()));
    let standing = [alice(&[of(&subject())])];
    settle(&mut job, POLICY, &standing);
    job.on_unlink_answer(Some(&not_linked()));
    assert_eq!(settle(&mut job, POLICY, &[alice(&[])]).0, UndoOutcome::Undone.into());
}

/// The list may lag behind our own lost unlink: that the service knows no such link is no proof that it stands.
#[test]
fn a_link_that_stands_after_our_own_lost_unlink_and_is_not_known_is_in_doubt() {
    let standing = [alice(&[of(&subject())])];
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&timeout()));
    settle(&mut job, POLICY, &standing);
    job.on_unlink_answer(Some(&not_linked()));
    let (next, _) = settle(&mut job, POLICY, &standing);
    assert!(matches!(next, Transition::Finish(RowResult::Undo(UndoOutcome::InDoubt { .. }))), "{next:?}");
}

#[test]
fn a_date_in_seconds_is_a_range() {
    let at = |created| vec![alice(&[LinkedIdentity { created_unix_ms: Some(created), ..of(&subject()) }])];
    for (created, code) in [
        (ANNOUNCED - 1_000, Some(RefusalCode::OlderThanOurs)),
        (ANNOUNCED, None),
        (SETTLED + ANNOUNCEMENT_WINDOW_MS + 1, Some(RefusalCode::Moved)),
    ] {
        let mut job = job(subject());
        assert_eq!(refused(&settle(&mut job, POLICY, &at(created)).0), code, "{created}");
    }
}

/// The ledger's name of the user is read first, and then the name that was sent.
#[test]
fn the_user_is_looked_for_by_the_name_that_the_pool_showed() {
    let mut job = job(subject());
    job.progress.username = Some(Personal::from_service("user-17"));
    let next = job.on_users_answer(Ok(&UserPage::default()), POLICY, &mut Rng::new(1));
    assert_eq!(next, Transition::Continue(Pause::None));
    let NextWork::Read(ReadCall::List(query)) = job.next_work(POLICY) else { panic!("no list") };
    assert_eq!(query.filter.unwrap().to_text(), "username = \"alice\"");
    let mut job = super::tests::job(subject());
    job.progress.username = Some(Personal::from_service("user-17"));
    settle(&mut job, POLICY, &[user("user-17", &[of(&subject())])]);
    assert!(is_announce(&job));
}

#[test]
fn other_answers() {
    let mut job = announced(&subject());
    assert_eq!(
        job.on_unlink_answer(Some(&answer("TooManyRequestsException", ""))),
        Transition::RepeatCall { throttled: true }
    );
    assert_eq!((job.progress.attempts, is_call(&job)), (0, true), "a throttle costs no attempt");
    let denied = job.on_unlink_answer(Some(&answer("AccessDeniedException", "no")));
    assert!(matches!(denied, Transition::StopRun(stop) if stop.detail.starts_with("AdminDisableProviderForUser: ")));
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&answer("ResourceNotFoundException", "Identity provider Corp does not exist.")));
    let (next, _) = settle(&mut job, POLICY, &[alice(&[of(&subject())])]);
    assert_eq!(refused(&next), Some(RefusalCode::ProviderNotFound), "{next:?}");
    // A refusal that took effect all the same.
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&answer("BrandNewException", "hello")));
    assert_eq!(settle(&mut job, POLICY, &[alice(&[])]).0, UndoOutcome::Undone.into());
    let mut job = announced(&subject());
    job.on_unlink_answer(Some(&answer("BrandNewException", "hello")));
    let (next, _) = settle(&mut job, POLICY, &[alice(&[of(&subject())])]);
    assert_eq!(refused(&next), Some(RefusalCode::Unrecognised), "{next:?}");
}

#[test]
fn what_an_earlier_run_left_in_doubt() {
    let standing = [alice(&[of(&subject())])];
    let (recently, long_ago) = (LATER - 1_000, LATER - 120_000);
    // Absent: it is undone; but a list that this run has not seen before is looked at again, unless it cannot lag any more.
    for (since, looks) in [(recently, SETTLE_WAITS_MS.len() + 1), (long_ago, 1)] {
        let mut job = job_at(subject(), Some(since), LATER);
        assert_eq!(settle(&mut job, POLICY, &[alice(&[])]), (UndoOutcome::Undone.into(), looks));
        let mut job = job_at(subject(), Some(since), LATER);
        assert_eq!(settle(&mut job, POLICY, &standing), (Transition::Continue(Pause::None), looks));
        assert!(is_announce(&job), "it is announced anew before anything is sent");
    }
    // Somebody linked it again after our unlink: that is not ours.
    let again = LinkedIdentity { created_unix_ms: Some(LATER), ..of(&subject()) };
    let mut job = job_at(subject(), Some(recently), LATER);
    assert_eq!(refused(&settle(&mut job, POLICY, &[alice(&[again])]).0), Some(RefusalCode::Moved));
    let mut job = job_at(subject(), Some(recently), LATER);
    assert_eq!(refused(&settle(&mut job, POLICY, &[]).0), Some(RefusalCode::UserNotSeen));
    // Named by its attribute then, and used since: the call must name it anew.
    let mut job = job_at(by_email(), Some(long_ago), LATER);
    let shown = used(held("Corp", "AbC1", ANNOUNCED + 100));
    assert_eq!(settle(&mut job, POLICY, &[alice(&[shown])]).0, Transition::Continue(Pause::None));
    assert_eq!(job.step, UndoStep::Announce { identity: subject() });
}

#[test]
fn after_a_pause_a_link_is_read_again_before_its_unlink() {
    let source = subject();
    let (mut inspected, called) = (job(source.clone()), announced(&source));
    settle(&mut inspected, POLICY, &[alice(&[of(&source)])]);
    for mut job in [inspected, called] {
        assert!(job.set_back() && !job.set_back());
        // Somebody else has linked the identity again meanwhile.
        let theirs = held("Corp", "AbC1", LATER);
        let (next, _) = settle(&mut job, POLICY, &[alice(&[theirs])]);
        assert_eq!(refused(&next), Some(RefusalCode::Moved), "{next:?}");
    }
}
