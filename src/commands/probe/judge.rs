//! What the answers mean: one finding for each assumption.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::caller::{ProbeReply, describe, is_denied, may_have_had_an_effect};
use super::scene::{self, Sightings, Step};
use crate::limits;
use crate::service::CallFault;
use crate::service::assumptions::{ASSUMPTIONS, Assumption};
use crate::service::classify::{CallKind, FaultClass, UNKNOWN_OPERATION, classify};
use crate::service::probe::{ProbeFacts, ProbeUser, WriteForm};
use crate::ui::format::duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeVerdict {
    Agrees,
    Differs,
    CouldNotTell,
}

impl ProbeVerdict {
    pub const ALL: [Self; 3] = [Self::Agrees, Self::Differs, Self::CouldNotTell];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::CouldNotTell => "could_not_tell",
        }
    }
}

/// What was found about one assumption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFinding {
    pub assumption: &'static Assumption,
    pub verdict: ProbeVerdict,
    pub answer: String,
    /// The switches that make the simulator answer likewise.
    pub behaviors: Vec<&'static str>,
}

type Judgement = (ProbeVerdict, String, Vec<&'static str>);

fn agrees(answer: impl Into<String>) -> Judgement {
    (ProbeVerdict::Agrees, answer.into(), Vec::new())
}

fn differs(answer: impl Into<String>, behavior: Option<&'static str>) -> Judgement {
    (ProbeVerdict::Differs, answer.into(), behavior.into_iter().collect())
}

fn could_not_tell(why: impl Into<String>) -> Judgement {
    (ProbeVerdict::CouldNotTell, why.into(), Vec::new())
}

/// Judges every assumption, in the order of the table.
pub(super) fn judge(seen: &Sightings) -> Vec<ProbeFinding> {
    let judge_one = |assumption: &'static Assumption| {
        let (verdict, answer, behaviors) = match assumption.by_hand {
            None => judge_calls(&assumption.id, seen),
            Some(_) => could_not_tell("it takes a federated sign-in, which the API does not have"),
        };
        ProbeFinding { assumption, verdict, answer, behaviors }
    };
    ASSUMPTIONS.iter().map(judge_one).collect()
}

/// Questions whose answers mean nothing where no plain link was made: they would be refused for another reason.
const NEEDS_A_LINK: [&str; 7] = [
    "destination-name",
    "not-authorized",
    "pool-missing",
    "128-counts-name",
    "text-no-look",
    "unlink-form",
    "new-text",
];

/// Questions whose answers hold also where a link that was answered with success is not there.
const HOLDS_WITHOUT_LINKS: [&str; 5] = ["success-made", "name-case", "filter-escape", "name-32", "sub-prefix"];

fn judge_calls(id: &str, seen: &Sightings) -> Judgement {
    if !HOLDS_WITHOUT_LINKS.contains(&id) && PlainLinks::of(seen).absent > 0 {
        return could_not_tell("a link that was answered with success is not there, so no answer proves anything");
    }
    if NEEDS_A_LINK.contains(&id) && !scene::plain_links().any(|step| is_made(seen, step)) {
        return could_not_tell("no plain link was made, so another reason may have refused this one");
    }
    match id {
        "success-made" => success_made(seen),
        "success-form" => success_form(seen),
        "name-case" => name_case(seen),
        "filter-escape" => filter_escape(seen),
        "destination-name" => destination_name(seen),
        "repeat-refused" => repeat_refused(seen),
        "held-refused" => held_refused(seen),
        "not-authorized" => not_authorized(seen),
        "pool-missing" => pool_missing(seen),
        "limit-is-five" => limit_is_five(seen),
        "list-lag" => list_lag(seen),
        "date-there" => date_there(seen),
        "attribute-link-visible" => attribute_link_visible(seen),
        "128-counts-name" => length_counts_name(seen),
        "name-32" => provider_names(seen),
        "text-no-look" => text_no_look(seen),
        "sub-prefix" => sub_prefix(seen),
        "unlink-form" => unlink_form(seen),
        "new-text" => new_text(seen),
        _ => could_not_tell("not asked"),
    }
}

/// The refusal of a call, or why there is none to judge.
enum Outcome<'a> {
    Accepted,
    Refused(&'a CallFault),
    Unknown(String),
}

fn outcome(reply: Option<&ProbeReply>) -> Outcome<'_> {
    match reply {
        None => Outcome::Unknown("not asked: an earlier call failed".to_owned()),
        Some(Ok(_)) => Outcome::Accepted,
        Some(Err(fault)) if may_have_had_an_effect(fault) || fault.meta().is_none() => {
            Outcome::Unknown(describe(fault))
        }
        Some(Err(fault)) if is_about_operation(fault) || is_throttle(fault) => Outcome::Unknown(describe(fault)),
        Some(Err(fault)) => Outcome::Refused(fault),
    }
}

fn is_accepted(seen: &Sightings, step: Step) -> bool {
    matches!(outcome(seen.reply(step)), Outcome::Accepted)
}

/// Whether a link was made: a read shows it, or there is no read and it was accepted. A switch takes a read.
fn is_made(seen: &Sightings, step: Step) -> bool {
    seen.is_shown(step).unwrap_or_else(|| is_accepted(seen, step))
}

/// The answer to a link, and whether it was made where the answer does not say so.
fn made_text(seen: &Sightings, step: Step) -> String {
    let is_shown = seen.is_shown(step) == Some(true);
    match outcome(seen.reply(step)) {
        Outcome::Accepted if is_shown => ACCEPTED.to_owned(),
        Outcome::Accepted => format!("{ACCEPTED}, and no read shows the link"),
        Outcome::Refused(fault) if is_shown => format!("{}, and the link was made", describe(fault)),
        Outcome::Refused(fault) => describe(fault),
        Outcome::Unknown(why) => why,
    }
}

/// The plain links that were answered with success, by whether they are there.
#[derive(Debug, Default)]
struct PlainLinks {
    there: usize,
    absent: usize,
    unread: usize,
}

impl PlainLinks {
    fn of(seen: &Sightings) -> Self {
        let mut links = Self::default();
        for step in scene::plain_links().filter(|step| is_accepted(seen, *step)) {
            match seen.is_shown(step) {
                Some(true) => links.there += 1,
                Some(false) => links.absent += 1,
                None => links.unread += 1,
            }
        }
        links
    }
}

fn success_made(seen: &Sightings) -> Judgement {
    let PlainLinks { there, absent, unread } = PlainLinks::of(seen);
    let accepted = there + absent + unread;
    if accepted == 0 {
        return could_not_tell("no plain link was answered with success");
    }
    if absent > 0 {
        let answer = format!("{absent} of {accepted} links that were answered with success are not there");
        return differs(answer, None);
    }
    if there == 0 {
        return could_not_tell("no read shows whether the links are there");
    }
    let links = format!("{there} of {accepted} links are there");
    match (outcome(seen.reply(Step::UnlinkPlain)), seen.reads.get(&Step::UnlinkPlain)) {
        (Outcome::Accepted, Some(Ok(false))) => agrees(format!("{links}; the unlinked one is gone")),
        (Outcome::Accepted, Some(Ok(true))) => {
            differs(format!("{links}; the unlinked one is there still, although the answer is a success"), None)
        }
        (Outcome::Accepted, Some(Err(fault))) => could_not_tell(format!("{links}; AdminGetUser: {}", describe(fault))),
        (Outcome::Accepted, None) => could_not_tell(format!("{links}; the unlinked one was not looked for")),
        (Outcome::Refused(fault), _) => could_not_tell(format!("{links}; unlink: {}", describe(fault))),
        (Outcome::Unknown(why), _) => could_not_tell(format!("{links}; unlink: {why}")),
    }
}

fn success_form(seen: &Sightings) -> Judgement {
    let forms_of = |is_unlink: bool| -> BTreeSet<&WriteForm> {
        let replies = seen.replies.iter().filter(|(step, _)| matches!(step, Step::UnlinkPlain) == is_unlink);
        let written = replies.filter_map(|(_, reply)| match reply {
            Ok(ProbeFacts::Written(form)) => Some(form),
            _ => None,
        });
        written.collect()
    };
    let (links, unlinks) = (forms_of(false), forms_of(true));
    let text = |forms: &BTreeSet<&WriteForm>, step: Option<Step>| {
        let texts: Vec<&str> = forms.iter().map(|form| form.text.as_str()).collect();
        match outcome(step.and_then(|step| seen.reply(step))) {
            _ if !texts.is_empty() => texts.join(", or "),
            Outcome::Refused(fault) => describe(fault),
            Outcome::Unknown(why) => why,
            Outcome::Accepted => ACCEPTED.to_owned(),
        }
    };
    let link = text(&links, Some(Step::Plain(1)));
    let unlink = text(&unlinks, seen.plain.map(|_| Step::UnlinkPlain));
    let answer = format!("link: {link}; unlink: {unlink}");
    match links.iter().chain(&unlinks).find_map(|form| form.doubt.as_ref()) {
        Some(doubt) => differs(format!("{answer}: {doubt}"), None),
        None if links.is_empty() || unlinks.is_empty() => could_not_tell(answer),
        None => agrees(answer),
    }
}

fn is_throttle(fault: &CallFault) -> bool {
    matches!(classify(CallKind::Read, fault), FaultClass::Throttled { .. })
}

/// Whether the refusal is about the rights of the caller, or the operation itself.
fn is_about_operation(fault: &CallFault) -> bool {
    is_denied(fault) || fault.code() == UNKNOWN_OPERATION
}

fn has(fault: &CallFault, part: &str) -> bool {
    fault.message().to_lowercase().contains(part)
}

const NOT_LISTED: &str = "the list did not show the users in time";
const ACCEPTED: &str = "200, accepted";

fn name_case(seen: &Sightings) -> Judgement {
    let Some(user) = seen.user(scene::CAPITALS) else { return could_not_tell(NOT_LISTED) };
    let answer = format!("{} is listed as {}", scene::CAPITALS, user.username);
    if user.username == scene::CAPITALS { differs(answer, Some("names-keep-case")) } else { agrees(answer) }
}

fn filter_escape(seen: &Sightings) -> Judgement {
    if seen.user(scene::BACKSLASH).is_none() {
        return could_not_tell("the user with a backslash in its name was not created, or is not listed");
    }
    let finds = |step| match seen.reply(step) {
        Some(Ok(ProbeFacts::Users { users, .. })) => users.iter().any(|user| user.username == scene::BACKSLASH),
        _ => false,
    };
    match (finds(Step::EscapedFilter), finds(Step::PlainFilter)) {
        (true, _) => agrees("found with two backslashes"),
        (false, true) => differs("found with one backslash only", Some("filter-keeps-backslashes")),
        (false, false) => differs("found neither with one backslash nor with two", None),
    }
}

fn destination_name(seen: &Sightings) -> Judgement {
    let steps = [Step::LinkBySub, Step::LinkByEmail];
    let answer = format!("by sub: {}; by e-mail: {}", made_text(seen, steps[0]), made_text(seen, steps[1]));
    if steps.into_iter().any(|step| seen.is_shown(step) == Some(true)) {
        differs(answer, Some("destination-by-alias"))
    } else if steps.into_iter().all(|step| matches!(outcome(seen.reply(step)), Outcome::Refused(_)))
        && is_made(seen, Step::LinkByName)
    {
        agrees(answer)
    } else {
        could_not_tell(answer)
    }
}

fn repeat_refused(seen: &Sightings) -> Judgement {
    if !is_made(seen, Step::FirstLink) {
        return could_not_tell("the first link was not made");
    }
    match outcome(seen.reply(Step::RepeatedLink)) {
        Outcome::Accepted if seen.is_shown(Step::FirstLink) == Some(true) => differs(ACCEPTED, Some("repeat-succeeds")),
        Outcome::Accepted => could_not_tell(format!("{ACCEPTED}, and no read shows the link")),
        Outcome::Refused(fault) => agrees(describe(fault)),
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

fn held_refused(seen: &Sightings) -> Judgement {
    let has_it = |name| seen.holds(name, scene::HELD_ID);
    if !is_made(seen, Step::HeldLink) && has_it(scene::OTHER) != Some(true) {
        return could_not_tell("the first link was not made");
    }
    let afterwards = match (has_it(scene::HOLDER), has_it(scene::OTHER)) {
        (Some(true), Some(false)) => "its first user has it still",
        (Some(false), Some(true)) => "the other user has it now",
        (Some(true), Some(true)) => "both users have it",
        (Some(false), Some(false)) => "neither user has it",
        _ => "no user shows it",
    };
    let has_moved = has_it(scene::OTHER) == Some(true);
    match outcome(seen.reply(Step::HeldByAnother)) {
        Outcome::Accepted => differs(format!("{ACCEPTED}; {afterwards}"), has_moved.then_some("held-moves")),
        Outcome::Refused(fault) => {
            let answer = format!("{}; {afterwards}", describe(fault));
            if has(fault, "merging is not currently supported") {
                differs(answer, Some("held-is-merging"))
            } else if fault.code() == "AliasExistsException" {
                differs(answer, Some("held-is-alias-exists"))
            } else if has_moved {
                differs(answer, Some("held-moves"))
            } else {
                agrees(answer)
            }
        }
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

fn not_authorized(seen: &Sightings) -> Judgement {
    match outcome(seen.reply(Step::Disable)) {
        Outcome::Accepted => {}
        Outcome::Refused(fault) => return could_not_tell(format!("AdminDisableUser: {}", describe(fault))),
        Outcome::Unknown(why) => return could_not_tell(format!("AdminDisableUser: {why}")),
    }
    match outcome(seen.reply(Step::LinkToDisabled)) {
        Outcome::Accepted => agrees(ACCEPTED),
        Outcome::Refused(fault) if fault.code() == "NotAuthorizedException" => {
            differs(describe(fault), Some("disabled-not-authorized"))
        }
        Outcome::Refused(fault) => agrees(describe(fault)),
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

fn pool_missing(seen: &Sightings) -> Judgement {
    match outcome(seen.reply(Step::UnknownProvider)) {
        Outcome::Accepted => differs(ACCEPTED, None),
        Outcome::Refused(fault) => {
            let says_pool = has(fault, "user pool") || has(fault, "userpool");
            if fault.code() == "ResourceNotFoundException" && says_pool {
                differs(describe(fault), Some("provider-missing-says-pool"))
            } else {
                agrees(describe(fault))
            }
        }
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

fn limit_is_five(seen: &Sightings) -> Judgement {
    let is_limit = |fault: &CallFault| fault.code() == "LimitExceededException";
    let mut behaviors = Vec::new();
    let mut answers = Vec::new();
    if let Some(fault) = &seen.throttled_as_limit {
        behaviors.push("limit-is-throttle");
        answers.push(format!("throttled: {}", describe(fault)));
    }
    let most = limits::IDENTITIES_PER_USER_MAX;
    let mut is_sure = (1..=most).all(|number| is_made(seen, Step::Identity(number)));
    let mut is_limit_of_five = false;
    match outcome(seen.reply(Step::Identity(most + 1))) {
        _ if is_made(seen, Step::Identity(most + 1)) => {
            answers.push(format!("sixth identity: {}", made_text(seen, Step::Identity(most + 1))));
        }
        Outcome::Accepted => {
            is_sure = false;
            answers.push(format!("sixth identity: {}", made_text(seen, Step::Identity(most + 1))));
        }
        Outcome::Refused(fault) => {
            is_limit_of_five = is_limit(fault);
            answers.push(format!("sixth identity: {}", describe(fault)));
        }
        Outcome::Unknown(why) => {
            is_sure = false;
            answers.push(format!("sixth identity: {why}"));
        }
    }
    let names = 1..=scene::ATTRIBUTES.len();
    let limited = names.clone().find_map(|number| match outcome(seen.reply(Step::AttributeName(number))) {
        Outcome::Refused(fault) if is_limit(fault) => Some((number, describe(fault))),
        _ => None,
    });
    // Such a link need not show before it is used.
    let is_made_or_accepted = |step| is_accepted(seen, step) || is_made(seen, step);
    let accepted = names.clone().filter(|number| is_made_or_accepted(Step::AttributeName(*number))).count();
    if let Some((number, answer)) = limited {
        behaviors.push("limit-is-attribute-names");
        answers.push(format!("attribute name {number} of a provider: {answer}"));
    } else {
        is_sure &= accepted == scene::ATTRIBUTES.len();
        answers.push(format!("links by {accepted} of {} attribute names of a provider are made", names.count()));
    }
    let verdict = if !behaviors.is_empty() || is_sure && !is_limit_of_five {
        ProbeVerdict::Differs
    } else if is_sure {
        ProbeVerdict::Agrees
    } else {
        ProbeVerdict::CouldNotTell
    };
    (verdict, answers.join("; "), behaviors)
}

fn list_lag(seen: &Sightings) -> Judgement {
    if let Some(fault) = &seen.list_fault {
        return could_not_tell(describe(fault));
    }
    match (seen.marker, seen.list_lag) {
        (Some(_), Some(lag)) if lag <= Duration::from_millis(limits::LIST_LAG_ASSUMED_MS) => {
            agrees(format!("within {}", duration(lag)))
        }
        (Some(_), Some(lag)) => differs(format!("after {}", duration(lag)), Some("list-lag-40s")),
        (Some(marker), None) => {
            let waited = duration(Duration::from_millis(limits::PROBE_LIST_WAIT_MS));
            match seen.reads.get(&marker) {
                Some(Ok(true)) => differs(format!("not within {waited}"), Some("list-lag-40s")),
                Some(Ok(false)) => could_not_tell("neither ListUsers nor AdminGetUser shows the last link"),
                Some(Err(fault)) => {
                    could_not_tell(format!("not within {waited}, and AdminGetUser: {}", describe(fault)))
                }
                None => could_not_tell(format!("not within {waited}")),
            }
        }
        (None, _) => could_not_tell("no link was accepted"),
    }
}

/// The members of an identity as the pool shows it.
fn shown_identity(user: &ProbeUser, id: &str) -> Option<Value> {
    let identities: Value = serde_json::from_str(&user.identities).ok()?;
    identities.as_array()?.iter().find(|identity| identity.get("userId").is_some_and(|held| held == id)).cloned()
}

fn date_there(seen: &Sightings) -> Judgement {
    let id = seen.marker.and_then(|step| seen.identity_of(step)).unwrap_or_default();
    let shown = seen.user(scene::MARKED).and_then(|user| shown_identity(user, id));
    let Some(identity) = shown else { return could_not_tell("the list did not show the link in time") };
    let date = identity.get("dateCreated");
    let number = date.and_then(|date| date.as_i64().or_else(|| date.as_str()?.parse().ok()));
    match (date, number) {
        (None | Some(Value::Null), _) => differs("there is no dateCreated", Some("dates-absent")),
        (Some(date), None) => differs(format!("dateCreated is {date}"), None),
        (Some(_), Some(number)) if number < limits::DATE_IN_SECONDS_BELOW => {
            differs(format!("dateCreated is {number}, in seconds"), Some("dates-in-seconds"))
        }
        (Some(_), Some(number)) => agrees(format!("dateCreated is {number}, in milliseconds")),
    }
}

fn attribute_link_visible(seen: &Sightings) -> Judgement {
    let steps = (1..=scene::ATTRIBUTES.len()).map(Step::AttributeName);
    let accepted: Vec<Step> =
        steps.clone().filter(|step| matches!(outcome(seen.reply(*step)), Outcome::Accepted)).collect();
    let shown: Vec<Option<bool>> = accepted.iter().map(|step| seen.is_shown(*step)).collect();
    let visible = shown.iter().filter(|shown| **shown == Some(true)).count();
    let answer = format!("{visible} of {} are there", accepted.len());
    match steps.map(|step| outcome(seen.reply(step))).next() {
        _ if !accepted.is_empty() && shown.contains(&None) => could_not_tell(NOT_LISTED),
        _ if !accepted.is_empty() && visible == accepted.len() => agrees(answer),
        _ if !accepted.is_empty() => differs(answer, (visible == 0).then_some("attribute-links-hidden")),
        Some(Outcome::Refused(fault)) => could_not_tell(format!("the link was refused: {}", describe(fault))),
        Some(Outcome::Unknown(why)) => could_not_tell(why),
        _ => could_not_tell(NOT_LISTED),
    }
}

fn length_counts_name(seen: &Sightings) -> Judgement {
    let is_shown = |step| seen.is_shown(step) == Some(true);
    match outcome(seen.reply(Step::TogetherTooLong)) {
        _ if is_shown(Step::TogetherTooLong) && is_shown(Step::TooLong) => {
            differs("a value of more than 128 characters is accepted too", None)
        }
        _ if is_shown(Step::TogetherTooLong) => {
            differs(made_text(seen, Step::TogetherTooLong), Some("length-counts-value-only"))
        }
        Outcome::Accepted => could_not_tell(made_text(seen, Step::TogetherTooLong)),
        Outcome::Refused(fault) => agrees(describe(fault)),
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

fn provider_names(seen: &Sightings) -> Judgement {
    match outcome(seen.reply(Step::LongProviderName)) {
        Outcome::Accepted => differs(ACCEPTED, Some("provider-names-40")),
        Outcome::Refused(fault) => agrees(describe(fault)),
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

/// Looks at every link that was refused, but for those whose identity was there before.
fn text_no_look(seen: &Sightings) -> Judgement {
    let links = seen.links.keys().filter(|step| !matches!(step, Step::RepeatedLink | Step::LinkByEmail));
    let refused = links.filter_map(|step| match outcome(seen.reply(*step)) {
        Outcome::Refused(fault) => Some((*step, fault)),
        _ => None,
    });
    let refused: Vec<(Step, &CallFault)> = refused.collect();
    if seen.users.is_empty() {
        return could_not_tell(NOT_LISTED);
    }
    match refused.iter().find(|(step, _)| seen.is_shown(*step) == Some(true)) {
        Some((_, fault)) => differs(format!("a link is there after {}", describe(fault)), Some("refusals-link")),
        None if refused.is_empty() => could_not_tell("nothing was refused"),
        None => agrees(format!("absent after each of {} refusals", refused.len())),
    }
}

fn sub_prefix(seen: &Sightings) -> Judgement {
    if let Some(Err(fault)) = seen.sub_prefixes.iter().find(|listed| listed.is_err()) {
        return match outcome(Some(&Err(fault.clone()))) {
            Outcome::Refused(fault) => differs(describe(fault), Some("no-sub-prefix")),
            _ => could_not_tell(describe(fault)),
        };
    }
    let listed: usize = seen.sub_prefixes.iter().flatten().sum();
    let answer = format!("{listed} of {} users listed", seen.users.len());
    match seen.users.len() {
        0 => could_not_tell(NOT_LISTED),
        users if users == listed => agrees(answer),
        _ => differs(answer, None),
    }
}

fn unlink_form(seen: &Sightings) -> Judgement {
    match outcome(seen.reply(Step::NotLinked)) {
        Outcome::Accepted => differs(ACCEPTED, None),
        Outcome::Refused(fault) => match fault.code() {
            "InvalidParameterException" => agrees(describe(fault)),
            "UserNotFoundException" => differs(describe(fault), Some("unlink-says-user-not-found")),
            _ => differs(describe(fault), None),
        },
        Outcome::Unknown(why) => could_not_tell(why),
    }
}

/// The parts of texts by which this program knows them.
const KNOWN_TEXTS: [(Step, &[&str]); 2] = [
    (Step::RepeatedLink, &["already linked"]),
    (Step::NotLinked, &["isn't linked", "isn\u{2019}t linked", "is not linked"]),
];
const OLD_TEXT: &str = "cognito users with a username/password";

fn new_text(seen: &Sightings) -> Judgement {
    let mut behaviors = Vec::new();
    let mut answers = Vec::new();
    let mut known = 0;
    for (step, parts) in KNOWN_TEXTS {
        let Outcome::Refused(fault) = outcome(seen.reply(step)) else { continue };
        if parts.iter().any(|part| has(fault, part)) {
            known += 1;
            continue;
        }
        answers.push(describe(fault));
        let behavior = if step == Step::RepeatedLink && has(fault, OLD_TEXT) {
            "old-already-linked-text"
        } else {
            "unknown-texts"
        };
        if !behaviors.contains(&behavior) {
            behaviors.push(behavior);
        }
    }
    match (behaviors.is_empty(), known) {
        (false, _) => (ProbeVerdict::Differs, answers.join("; "), behaviors),
        (true, 0) => could_not_tell("nothing was refused whose text is known"),
        (true, _) => agrees("the texts of a repeated link and of unlinking what is not linked are known"),
    }
}
