//! What a probe does in its pools, and everything that it saw.

use std::collections::BTreeMap;
use std::time::Duration;

use super::caller::{ProbeCaller, ProbeReply, ProbeStop};
use crate::domain::identity::COGNITO_SUBJECT;
use crate::limits;
use crate::service::CallFault;
use crate::service::probe::{ProbeCall, ProbeFacts, ProbeIdentity, ProbeProvider, ProbeUser};

pub(super) const POOLS: u32 = 2;
pub(super) const GOOGLE: &str = "Google";
const OIDC: &str = "ProbeOidc";
const SAML: &str = "ProbeSaml";
const UNKNOWN_PROVIDER: &str = "ProbeUnknown";
/// A name of 40 characters.
const LONG_PROVIDER: &str = "ProbeProviderWithANameOfFortyCharacters1";

/// Users of the first pool. The pool ignores case, and only one of them has capitals.
pub(super) const CAPITALS: &str = "Probe-Capitals";
pub(super) const BACKSLASH: &str = "probe\\backslash";
pub(super) const BY_SUB: &str = "probe-by-sub";
pub(super) const PLAIN: &str = "probe-plain";
pub(super) const REPEATED: &str = "probe-repeated";
pub(super) const HOLDER: &str = "probe-holder";
pub(super) const OTHER: &str = "probe-other";
pub(super) const DISABLED: &str = "probe-disabled";
pub(super) const NO_PROVIDER: &str = "probe-no-provider";
pub(super) const FULL: &str = "probe-full";
/// Each takes links by some of the attribute names, so that none has more than five identities.
pub(super) const BY_NAME: [&str; 2] = ["probe-by-name-1", "probe-by-name-2"];
pub(super) const TOO_LONG: &str = "probe-too-long";
pub(super) const TOGETHER: &str = "probe-together";
pub(super) const MARKED: &str = "probe-marked";
pub(super) const USERS: [&str; 15] = [
    CAPITALS,
    BACKSLASH,
    BY_SUB,
    PLAIN,
    REPEATED,
    HOLDER,
    OTHER,
    DISABLED,
    NO_PROVIDER,
    FULL,
    BY_NAME[0],
    BY_NAME[1],
    TOO_LONG,
    TOGETHER,
    MARKED,
];
/// The user of the second pool, whose address is an alias.
const BY_EMAIL: &str = "probe-by-email";

pub(super) const HELD_ID: &str = "probe-Held-1";
pub(super) const BY_SUB_ID: &str = "probe-Sub-1";
pub(super) const ATTRIBUTES: [&str; 6] =
    ["email", "name", "given_name", "family_name", "nickname", "preferred_username"];
/// Waits between two lists.
const LIST_GAP_MIN: Duration = Duration::from_millis(500);
const LIST_GAP_MAX: Duration = Duration::from_secs(4);
/// Plain links that are tried until one is answered with success: at the start, and as the last link.
const PLAIN_LINKS_MAX: usize = 3;

/// What a call was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    LongProviderName,
    /// A link about which nothing is special.
    Plain(usize),
    /// It removes the plain link that was answered with success.
    UnlinkPlain,
    LinkBySub,
    LinkByEmail,
    /// In the second pool, to the same user by its name.
    LinkByName,
    FirstLink,
    RepeatedLink,
    HeldLink,
    HeldByAnother,
    Disable,
    LinkToDisabled,
    UnknownProvider,
    /// The sixth identity of a user, and those before it.
    Identity(usize),
    /// A link by the so-manieth attribute name of a provider.
    AttributeName(usize),
    TooLong,
    TogetherTooLong,
    NotLinked,
    Marker(usize),
    EscapedFilter,
    PlainFilter,
}

/// Links that a service has no reason to refuse.
pub(super) fn plain_links() -> impl Iterator<Item = Step> {
    let of_full = (1..=limits::IDENTITIES_PER_USER_MAX).map(Step::Identity);
    let markers = (1..=PLAIN_LINKS_MAX).map(Step::Marker);
    (1..=PLAIN_LINKS_MAX).map(Step::Plain).chain([Step::FirstLink]).chain(of_full).chain(markers)
}

/// Everything that a probe saw.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) replies: BTreeMap<Step, ProbeReply>,
    /// The destination, if it is a user of the first pool by its name, and the identity of each link.
    pub(super) links: BTreeMap<Step, (String, String)>,
    /// What reading the user of a link or an unlink showed: whether the user holds the identity.
    pub(super) reads: BTreeMap<Step, Result<bool, CallFault>>,
    /// The plain link at the start that was answered with success.
    pub(super) plain: Option<Step>,
    /// The last link, for which the list was read.
    pub(super) marker: Option<Step>,
    /// A link that was throttled with the code of another limit.
    pub(super) throttled_as_limit: Option<CallFault>,
    /// How long it took until the list showed the last link; `None` where it did not in time.
    pub(super) list_lag: Option<Duration>,
    /// Why the users could not be listed.
    pub(super) list_fault: Option<CallFault>,
    /// The users of the first pool when the list showed every link; empty where it may still lag.
    pub(super) users: Vec<ProbeUser>,
    /// By the first character of `sub`: whether the filter was accepted, and how many users it listed.
    pub(super) sub_prefixes: Vec<Result<usize, CallFault>>,
}

impl Sightings {
    pub(super) fn reply(&self, step: Step) -> Option<&ProbeReply> {
        self.replies.get(&step)
    }

    /// A user of the first pool, by its name in any case.
    pub(super) fn user(&self, name: &str) -> Option<&ProbeUser> {
        self.users.iter().find(|user| user.username.eq_ignore_ascii_case(name))
    }

    /// Whether the list or a read of the user shows that a link was made, whatever its answer was; `None` where neither was
    /// read.
    pub(super) fn is_shown(&self, step: Step) -> Option<bool> {
        let listed = self.links.get(&step).and_then(|(name, id)| self.holds(name, id));
        let read = self.reads.get(&step).and_then(|read| read.as_ref().ok().copied());
        if listed == Some(true) { listed } else { read.or(listed) }
    }

    pub(super) fn identity_of(&self, step: Step) -> Option<&str> {
        self.links.get(&step).map(|(_, id)| id.as_str())
    }

    /// Whether a user holds an identity; `None` where the list does not show it.
    pub(super) fn holds(&self, name: &str, id: &str) -> Option<bool> {
        Some(has_identity(&self.user(name)?.identities, id))
    }
}

/// Whether the text of the attribute `identities` has an identity.
fn has_identity(identities: &str, id: &str) -> bool {
    identities.contains(&format!("\"{id}\""))
}

/// What is too long alone, and what is too long only together with the names.
pub(super) fn too_long_id() -> String {
    format!("probe-Long-{}", "x".repeat(limits::SOURCE_CHARS_MAX))
}

pub(super) fn long_together_id() -> String {
    let names = OIDC.len() + COGNITO_SUBJECT.len();
    format!("probe-Sum-{}", "x".repeat(limits::SOURCE_CHARS_MAX + 1 - names - "probe-Sum-".len()))
}

/// Makes every call, and returns what was seen.
pub(super) async fn play(caller: &mut ProbeCaller<'_>, name: &str) -> Result<Sightings, ProbeStop> {
    let mut scene = Scene { caller, pool: String::new(), seen: Sightings::default() };
    scene.pool = scene.caller.create_pool(name.to_owned(), false, false).await?;
    // Before anything is written: a service that answers both calls with one pool has created none.
    let second_pool = scene.caller.create_pool(format!("{name}-2"), true, true).await?;
    scene.create_providers().await?;
    let sub = scene.create_users().await?;
    scene.link_plain().await?;
    scene.link_all(sub).await?;
    scene.ask_second_pool(second_pool).await?;
    scene.wait_for_marker().await?;
    scene.read_with_filters().await?;
    scene.unlink_plain().await?;
    let mut seen = scene.seen;
    seen.throttled_as_limit = caller.throttled_as_limit.take();
    Ok(seen)
}

struct Scene<'a, 'b> {
    caller: &'a mut ProbeCaller<'b>,
    pool: String,
    seen: Sightings,
}

fn identity(provider: &str, attribute: &str, value: &str) -> ProbeIdentity {
    ProbeIdentity { provider: provider.to_owned(), attribute: attribute.to_owned(), value: value.to_owned() }
}

impl Scene<'_, '_> {
    async fn create_providers(&mut self) -> Result<(), ProbeStop> {
        for (name, kind) in [(GOOGLE, ProbeProvider::Google), (OIDC, ProbeProvider::Oidc), (SAML, ProbeProvider::Saml)]
        {
            // A provider that cannot be created leaves its questions open: their links are refused.
            let _ = self.create_provider(name, kind).await?;
        }
        let reply = self.create_provider(LONG_PROVIDER, ProbeProvider::Oidc).await?;
        self.seen.replies.insert(Step::LongProviderName, reply);
        Ok(())
    }

    async fn create_provider(&mut self, name: &str, kind: ProbeProvider) -> Result<ProbeReply, ProbeStop> {
        self.caller.call(ProbeCall::CreateProvider { pool: self.pool.clone(), name: name.to_owned(), kind }).await
    }

    /// Returns the `sub` of one of them.
    async fn create_users(&mut self) -> Result<Option<String>, ProbeStop> {
        let mut sub = None;
        for username in USERS {
            let call = ProbeCall::CreateUser { pool: self.pool.clone(), username: username.to_owned(), email: None };
            if let Ok(ProbeFacts::Users { users, .. }) = self.caller.call(call).await?
                && username == BY_SUB
            {
                sub = users.into_iter().map(|user| user.sub).find(|sub| !sub.is_empty());
            }
        }
        Ok(sub)
    }

    async fn link(&mut self, step: Step, destination: &str, source: ProbeIdentity) -> Result<(), ProbeStop> {
        // The user who is named by its `sub` is looked for by its name.
        let user = if step == Step::LinkBySub { BY_SUB } else { destination };
        self.seen.links.insert(step, (user.to_owned(), source.value.clone()));
        let call = ProbeCall::Link { pool: self.pool.clone(), destination: destination.to_owned(), source };
        let reply = self.caller.call(call).await?;
        self.seen.replies.insert(step, reply);
        Ok(())
    }

    /// Makes plain links until one is answered with success, and returns that one.
    async fn link_until_accepted(
        &mut self,
        user: &str,
        step: fn(usize) -> Step,
        id: &str,
    ) -> Result<Option<Step>, ProbeStop> {
        for number in 1..=PLAIN_LINKS_MAX {
            let step = step(number);
            self.link(step, user, identity(OIDC, COGNITO_SUBJECT, &format!("{id}-{number}"))).await?;
            if self.seen.reply(step).is_some_and(Result::is_ok) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Asks first whether what is answered with success is there, because the other questions rest on it.
    async fn link_plain(&mut self) -> Result<(), ProbeStop> {
        self.seen.plain = self.link_until_accepted(PLAIN, Step::Plain, "probe-Plain").await?;
        match self.seen.plain {
            Some(step) => self.read_user(step).await,
            None => Ok(()),
        }
    }

    /// Reads the user of a link of the first pool.
    async fn read_user(&mut self, step: Step) -> Result<(), ProbeStop> {
        let Some((user, id)) = self.seen.links.get(&step).cloned() else { return Ok(()) };
        let held = self.read_identities(self.pool.clone(), &user).await?;
        self.seen.reads.insert(step, held.map(|identities| has_identity(&identities, &id)));
        Ok(())
    }

    /// The text of the attribute `identities` of a user.
    async fn read_identities(&mut self, pool: String, user: &str) -> Result<Result<String, CallFault>, ProbeStop> {
        let reply = self.caller.call(ProbeCall::GetUser { pool, username: user.to_owned() }).await?;
        Ok(reply.map(|facts| match facts {
            ProbeFacts::Users { users, .. } => users.into_iter().map(|user| user.identities).collect(),
            _ => String::new(),
        }))
    }

    async fn unlink_plain(&mut self) -> Result<(), ProbeStop> {
        let Some((user, id)) = self.seen.plain.and_then(|step| self.seen.links.get(&step).cloned()) else {
            return Ok(());
        };
        let unlinked = identity(OIDC, COGNITO_SUBJECT, &id);
        let reply = self.caller.call(ProbeCall::Unlink { pool: self.pool.clone(), identity: unlinked }).await?;
        self.seen.replies.insert(Step::UnlinkPlain, reply);
        let held = self.read_identities(self.pool.clone(), &user).await?;
        self.seen.reads.insert(Step::UnlinkPlain, held.map(|identities| has_identity(&identities, &id)));
        Ok(())
    }

    async fn link_all(&mut self, sub: Option<String>) -> Result<(), ProbeStop> {
        let oidc = |value: &str| identity(OIDC, COGNITO_SUBJECT, value);
        if let Some(sub) = sub {
            self.link(Step::LinkBySub, &sub, oidc(BY_SUB_ID)).await?;
        }
        self.link(Step::FirstLink, REPEATED, oidc("probe-Repeated-1")).await?;
        self.link(Step::RepeatedLink, REPEATED, oidc("probe-Repeated-1")).await?;
        self.link(Step::HeldLink, HOLDER, oidc(HELD_ID)).await?;
        self.link(Step::HeldByAnother, OTHER, oidc(HELD_ID)).await?;
        let disable = ProbeCall::DisableUser { pool: self.pool.clone(), username: DISABLED.to_owned() };
        let reply = self.caller.call(disable).await?;
        self.seen.replies.insert(Step::Disable, reply);
        self.link(Step::LinkToDisabled, DISABLED, oidc("probe-Disabled-1")).await?;
        let unknown = identity(UNKNOWN_PROVIDER, COGNITO_SUBJECT, "probe-Unknown-1");
        self.link(Step::UnknownProvider, NO_PROVIDER, unknown).await?;
        for number in 1..=limits::IDENTITIES_PER_USER_MAX + 1 {
            self.link(Step::Identity(number), FULL, oidc(&format!("probe-Full-{number}"))).await?;
        }
        for (number, attribute) in (1..).zip(ATTRIBUTES) {
            let value = format!("probe-name-{number}@example.com");
            let user = BY_NAME[usize::from(number > ATTRIBUTES.len() / 2)];
            self.link(Step::AttributeName(number), user, identity(SAML, attribute, &value)).await?;
        }
        self.link(Step::TooLong, TOO_LONG, oidc(&too_long_id())).await?;
        self.link(Step::TogetherTooLong, TOGETHER, oidc(&long_together_id())).await?;
        let never_linked = ProbeCall::Unlink { pool: self.pool.clone(), identity: oidc("probe-Never-1") };
        let reply = self.caller.call(never_linked).await?;
        self.seen.replies.insert(Step::NotLinked, reply);
        Ok(())
    }

    /// The pool has one user, whose verified address is an alias. User names differ by case in it.
    async fn ask_second_pool(&mut self, pool: String) -> Result<(), ProbeStop> {
        let email = "probe-by-email@example.com".to_owned();
        let calls = [
            ProbeCall::CreateProvider { pool: pool.clone(), name: OIDC.to_owned(), kind: ProbeProvider::Oidc },
            ProbeCall::CreateUser { pool: pool.clone(), username: BY_EMAIL.to_owned(), email: Some(email.clone()) },
        ];
        for call in calls {
            if self.caller.call(call).await?.is_err() {
                return Ok(());
            }
        }
        let links =
            [(Step::LinkByEmail, email, "probe-Email-1"), (Step::LinkByName, BY_EMAIL.to_owned(), "probe-Email-2")];
        for (step, destination, id) in links.clone() {
            let source = identity(OIDC, COGNITO_SUBJECT, id);
            let reply = self.caller.call(ProbeCall::Link { pool: pool.clone(), destination, source }).await?;
            self.seen.replies.insert(step, reply);
        }
        let held = self.read_identities(pool, BY_EMAIL).await?;
        for (step, _, id) in links {
            let read = held.as_ref().map(|identities| has_identity(identities, id)).map_err(CallFault::clone);
            self.seen.reads.insert(step, read);
        }
        Ok(())
    }

    /// Makes the last link, and lists the users until it is there: then the earlier ones are there too.
    async fn wait_for_marker(&mut self) -> Result<(), ProbeStop> {
        self.seen.marker = self.link_until_accepted(MARKED, Step::Marker, "probe-Marker").await?;
        let linked = self.caller.clock().now();
        let mut gap = LIST_GAP_MIN;
        loop {
            let is_first = self.caller.since(linked) < LIST_GAP_MIN;
            let users = match self.list_users(None).await? {
                Ok(users) => users,
                Err(fault) => {
                    self.seen.list_fault = Some(fault);
                    return Ok(());
                }
            };
            let waited = self.caller.since(linked);
            if self.shows_marker(&users) {
                self.seen.list_lag = self.seen.marker.map(|_| waited);
                self.seen.users = if is_first { users } else { self.list_again(users).await? };
                return self.read_users_of_absent_links().await;
            }
            if waited >= Duration::from_millis(limits::PROBE_LIST_WAIT_MS) {
                return self.read_user_of_marker(users).await;
            }
            self.caller.wait_until(self.caller.clock().now() + gap).await?;
            gap = (gap * 2).min(LIST_GAP_MAX);
        }
    }

    /// Reads the users of plain links that the list does not show, although they were answered with success.
    async fn read_users_of_absent_links(&mut self) -> Result<(), ProbeStop> {
        for step in plain_links() {
            if self.seen.reply(step).is_some_and(Result::is_ok) && self.seen.is_shown(step) == Some(false) {
                self.read_user(step).await?;
            }
        }
        Ok(())
    }

    /// The list did not show the last link in time: either it lags, or the link was not made. Then it need not lag.
    async fn read_user_of_marker(&mut self, users: Vec<ProbeUser>) -> Result<(), ProbeStop> {
        let Some(step) = self.seen.marker else { return Ok(()) };
        self.read_user(step).await?;
        if matches!(self.seen.reads.get(&step), Some(Ok(false))) {
            self.seen.users = users;
        }
        Ok(())
    }

    /// Where no link was accepted, the last user must do.
    fn shows_marker(&self, users: &[ProbeUser]) -> bool {
        let id = self.seen.marker.and_then(|step| self.seen.identity_of(step));
        let marked = users.iter().find(|user| user.username.eq_ignore_ascii_case(MARKED));
        marked.is_some_and(|user| id.is_none_or(|id| has_identity(&user.identities, id)))
    }

    /// Where writes appear late, they need not appear in order.
    async fn list_again(&mut self, users: Vec<ProbeUser>) -> Result<Vec<ProbeUser>, ProbeStop> {
        self.caller.wait_until(self.caller.clock().now() + LIST_GAP_MAX).await?;
        Ok(self.list_users(None).await?.unwrap_or(users))
    }

    /// Every user that a filter lists.
    async fn list_users(&mut self, filter: Option<&str>) -> Result<Result<Vec<ProbeUser>, CallFault>, ProbeStop> {
        let (mut found, mut token) = (Vec::new(), None);
        for _ in 0..limits::PROBE_PAGES_MAX {
            let call = ProbeCall::ListUsers { pool: self.pool.clone(), filter: filter.map(str::to_owned), token };
            match self.caller.call(call).await? {
                Ok(ProbeFacts::Users { users, next_token }) => {
                    found.extend(users);
                    token = next_token;
                    if token.is_none() {
                        break;
                    }
                }
                Ok(_) => break,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(found))
    }

    async fn read_with_filters(&mut self) -> Result<(), ProbeStop> {
        let escaped = format!("username = \"{}\"", BACKSLASH.replace('\\', "\\\\"));
        let plain = format!("username = \"{BACKSLASH}\"");
        for (step, filter) in [(Step::EscapedFilter, escaped), (Step::PlainFilter, plain)] {
            let reply = self.list_users(Some(&filter)).await?;
            let reply = reply.map(|users| ProbeFacts::Users { users, next_token: None });
            self.seen.replies.insert(step, reply);
        }
        for digit in "0123456789abcdef".chars() {
            let listed = self.list_users(Some(&format!("sub ^= \"{digit}\""))).await?;
            let is_refused = listed.is_err();
            self.seen.sub_prefixes.push(listed.map(|users| users.len()));
            if is_refused {
                break;
            }
        }
        Ok(())
    }
}
