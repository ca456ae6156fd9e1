//! What the identities that a pool has of a provider look like, and how a value of a file differs from them.
//!
//! A profile is a few counts for each provider, built while the pool is read. The own identities of federated users have
//! signed in; a linked one may have been wrong from the start. So a value that is unlike the former is reported, also where
//! links look like it.

use std::collections::BTreeMap;

use crate::limits::{POOL_SUBJECTS_JUDGED_MIN, POOL_SUBJECTS_WARNED_MIN, PROVIDERS_PER_POOL_MAX, SUBJECT_PREFIXES_MAX};
use crate::service::PoolUser;

/// What a value consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    Email,
    Digits,
    /// Hexadecimal digits in the groups of a UUID.
    Uuid,
    /// Letters and digits, and perhaps `-`, `_` or `.`, with at least one digit.
    Token,
    /// The same without a digit, as in a name. A long random id may have no digit by chance.
    Letters,
    /// With a `|`, as ids of Auth0 have it behind the connection.
    Prefixed,
    /// With a space or another character that identifiers seldom have.
    Text,
}

impl SubjectKind {
    fn of(value: &str) -> Self {
        let is_joint = |byte: u8| matches!(byte, b'-' | b'_' | b'.');
        let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
        match value {
            _ if value.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.')) => {
                Self::Email
            }
            _ if value.bytes().all(|byte| byte.is_ascii_digit()) => Self::Digits,
            _ if is_uuid(value) => Self::Uuid,
            _ if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_joint(byte)) => {
                if has_digit || value.len() >= RANDOM_LENGTH_MIN { Self::Token } else { Self::Letters }
            }
            _ if value.contains('|') && !value.contains(char::is_whitespace) => Self::Prefixed,
            _ => Self::Text,
        }
    }

    /// What values of this kind look like, after "look like".
    /// One value of the kind.
    fn description_of_one(self) -> &'static str {
        match self {
            Self::Email => "an e-mail address",
            Self::Digits => "a number",
            Self::Uuid => "a UUID",
            Self::Token => "an id of letters and digits",
            Self::Letters => "a word without digits",
            Self::Prefixed => "an id with a prefix and |",
            Self::Text => "text with spaces or special characters",
        }
    }

    /// Several values of the kind.
    fn description(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::Digits => "numbers",
            Self::Uuid => "UUIDs",
            Self::Token => "ids of letters and digits",
            Self::Letters => "words without digits",
            Self::Prefixed => "ids with a prefix and |",
            Self::Text => "text with spaces or special characters",
        }
    }

    /// Whether ids of this kind are made by a machine, so that length and case mean something.
    fn is_regular(self) -> bool {
        matches!(self, Self::Digits | Self::Uuid | Self::Token)
    }
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.char_indices().all(|(at, char)| match at {
            8 | 13 | 18 | 23 => char == '-',
            _ => char.is_ascii_hexdigit(),
        })
}

/// How a value differs from those of the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    Kind(SubjectKind),
    Length {
        shortest: usize,
        longest: usize,
    },
    /// It has no capitals, and all of the pool have some.
    NoCapitals,
    /// It has capitals, and none of the pool has any.
    Capitals,
    /// It does not start as all of the pool do.
    Start(String),
}

/// One difference between the values of a file and those of the pool, for one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlikePool {
    pub provider: String,
    pub difference: Difference,
    /// Values of the file that differ so, and the first row that has one.
    pub values: u64,
    pub first_row: u64,
    /// Identities of the pool that they were compared with.
    pub pool_values: u64,
    /// Whether only a part of the pool was read for them.
    pub is_sample: bool,
    /// Values of the provider that were compared, and those of them that differ in any way.
    compared_values: u64,
    differing_values: u64,
}

impl UnlikePool {
    /// Whether the pool has enough identities to judge; otherwise it is a warning. A sample misses what is rare in the pool,
    /// and may be in the order of user names, so that all of it begins alike. So it only judges a file in which values of
    /// another kind are not rare, or most values differ.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        let is_frequent = match self.difference {
            Difference::Kind(_) => self.values * SAMPLE_RARE_PART > self.compared_values,
            _ => self.differing_values * 2 > self.compared_values,
        };
        self.pool_values >= POOL_SUBJECTS_JUDGED_MIN && (is_frequent || !self.is_sample)
    }

    /// What differs, after the number of values: a lower-case fragment without a value.
    #[must_use]
    pub fn description(&self) -> String {
        let is_one = self.values == 1;
        let (does, has) = if is_one { ("does", "has") } else { ("do", "have") };
        match &self.difference {
            Difference::Kind(kind) if is_one => format!("looks like {}", kind.description_of_one()),
            Difference::Kind(kind) => format!("look like {}", kind.description()),
            Difference::Length { shortest, longest } if shortest == longest => {
                format!("{does} not have {shortest} characters")
            }
            Difference::Length { shortest, longest } => {
                format!("{does} not have {shortest} to {longest} characters")
            }
            Difference::NoCapitals => format!("{has} no capitals"),
            Difference::Capitals => format!("{has} capitals"),
            Difference::Start(start) => format!("{does} not start with {start}"),
        }
    }

    /// How those of the pool are, after "the 4,112 in the pool".
    #[must_use]
    pub fn contrast(&self) -> &'static str {
        match self.difference {
            Difference::Kind(_) | Difference::Capitals => "do not",
            Difference::Length { .. } | Difference::NoCapitals | Difference::Start(_) => "do",
        }
    }
}

/// Counts of the values of one kind.
#[derive(Debug, Clone, Default)]
struct KindCounts {
    values: u64,
    shortest: usize,
    longest: usize,
    with_capitals: u64,
    /// What all values start with.
    start: String,
}

impl KindCounts {
    fn add(&mut self, value: &str) {
        let length = value.chars().count();
        if self.values == 0 {
            (self.shortest, self.longest) = (length, length);
            self.start = value.chars().take(START_CHARS_MAX).collect();
        }
        self.values += 1;
        (self.shortest, self.longest) = (self.shortest.min(length), self.longest.max(length));
        self.with_capitals += u64::from(has_capitals(value));
        let common: usize = self
            .start
            .chars()
            .zip(value.chars())
            .take_while(|(one, other)| one == other)
            .map(|(one, _)| one.len_utf8())
            .sum();
        self.start.truncate(common);
    }

    /// The beginning that is the provider's and not chance: up to the last mark, else three characters.
    fn provider_start(&self) -> &str {
        let end = self.start.rfind(['.', '|', ':', '-', '_']).map_or(CHANCE_START_CHARS, |mark| mark + 1);
        self.start.get(..end).unwrap_or_default()
    }

    /// How length or case of a value differ.
    fn difference_in_form(&self, value: &str) -> Option<Difference> {
        let ((shortest, longest), length) = (self.lengths(), value.chars().count());
        if !(shortest..=longest).contains(&length) {
            return Some(Difference::Length { shortest: self.shortest, longest: self.longest });
        }
        let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
        match (has_capitals(value), self.with_capitals) {
            (true, 0) => Some(Difference::Capitals),
            (false, capitals) if capitals == self.values && letters >= LETTERS_MIN => Some(Difference::NoCapitals),
            _ => None,
        }
    }

    /// A length outside of the range is strange where the range is exact, or by more than half of its width.
    fn lengths(&self) -> (usize, usize) {
        let slack = if self.shortest == self.longest { 0 } else { (self.longest - self.shortest) / 2 + 1 };
        (self.shortest.saturating_sub(slack), self.longest + slack)
    }
}

/// A part of the values, as its denominator. What a sample of 100 identities lacks makes up 3 % of the pool at most, 19
/// times in 20 (the rule of three); values of a file that make up more than 10 % are not among those.
const SAMPLE_RARE_PART: u64 = 10;
/// Bytes from which on a text without digits may be a random id.
const RANDOM_LENGTH_MIN: usize = 16;
const START_CHARS_MAX: usize = 16;
/// Characters that ids of one provider have in common by design, such as `00u`.
const CHANCE_START_CHARS: usize = 3;
/// Letters from which on a value without capitals has lost them.
const LETTERS_MIN: usize = 6;

fn has_capitals(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// What the identities of one provider look like.
#[derive(Debug, Clone, Default)]
struct SubjectCounts {
    values: u64,
    by_kind: BTreeMap<SubjectKind, KindCounts>,
    /// What follows each prefix of prefixed values.
    by_prefix: BTreeMap<String, KindCounts>,
}

impl SubjectCounts {
    fn add(&mut self, value: &str) {
        self.values += 1;
        let kind = SubjectKind::of(value);
        self.by_kind.entry(kind).or_default().add(value);
        let Some((prefix, rest)) = split_prefix(value).filter(|_| kind == SubjectKind::Prefixed) else { return };
        if let Some(counts) = self.by_prefix.get_mut(prefix) {
            counts.add(rest);
        } else if self.by_prefix.len() < SUBJECT_PREFIXES_MAX {
            self.by_prefix.entry(prefix.to_owned()).or_default().add(rest);
        }
    }

    /// How a value differs; `None` where the pool has such values, or too few to compare with.
    fn difference(&self, value: &str) -> Option<Difference> {
        let kind = SubjectKind::of(value);
        let Some(known) = self.by_kind.get(&kind) else { return Some(Difference::Kind(kind)) };
        if known.values < POOL_SUBJECTS_WARNED_MIN {
            return None;
        }
        let start = known.provider_start();
        if matches!(kind, SubjectKind::Token | SubjectKind::Prefixed) && !value.starts_with(start) {
            return Some(Difference::Start(start.to_owned()));
        }
        if kind.is_regular() {
            return known.difference_in_form(value);
        }
        let (prefix, rest) = split_prefix(value).filter(|_| kind == SubjectKind::Prefixed)?;
        let known = self.by_prefix.get(prefix).filter(|known| known.values >= POOL_SUBJECTS_WARNED_MIN)?;
        known.difference_in_form(rest)
    }
}

/// A prefix with its mark, and what follows it.
fn split_prefix(value: &str) -> Option<(&str, &str)> {
    value.split_at_checked(value.rfind('|')? + 1)
}

/// What the identities of each provider of a pool look like.
#[derive(Debug, Clone, Default)]
pub struct SubjectProfiles {
    /// By provider: own identities of federated users, and all.
    by_provider: BTreeMap<String, [SubjectCounts; 2]>,
    /// Whether only a part of the pool was read.
    is_sample: bool,
}

impl SubjectProfiles {
    /// Of a part of the pool.
    #[must_use]
    pub fn of_sample() -> Self {
        Self { is_sample: true, ..Self::default() }
    }

    /// All users of the pool were read after all.
    #[must_use]
    pub fn completed(self) -> Self {
        Self { is_sample: false, ..self }
    }

    /// Whether there are enough identities of a provider for an error.
    #[must_use]
    pub fn has_enough(&self, provider: &str) -> bool {
        self.references(provider).any(|counts| counts.values >= POOL_SUBJECTS_JUDGED_MIN)
    }

    /// Whether no provider has enough identities to compare with.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.by_provider.keys().all(|provider| !self.compares(provider))
    }

    /// Whether there are enough identities of a provider to compare with.
    #[must_use]
    pub fn compares(&self, provider: &str) -> bool {
        self.references(provider).next().is_some()
    }

    /// Identities of a provider that were seen.
    #[must_use]
    pub fn seen(&self, provider: &str) -> u64 {
        self.by_provider.get(provider).map_or(0, |[_, all]| all.values)
    }

    /// Whether only a part of the pool was read.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.is_sample
    }

    pub fn add_users(&mut self, users: &[PoolUser]) {
        for held in users.iter().flat_map(|user| &user.identities) {
            if !self.by_provider.contains_key(&held.provider_name) {
                if self.by_provider.len() >= PROVIDERS_PER_POOL_MAX {
                    continue;
                }
                self.by_provider.insert(held.provider_name.clone(), Default::default());
            }
            let Some([own, all]) = self.by_provider.get_mut(&held.provider_name) else { continue };
            all.add(held.user_id.expose());
            if held.primary {
                own.add(held.user_id.expose());
            }
        }
    }

    /// What values of a provider are compared with, the most certain first. Links are not taken for right where so few
    /// identities have signed in that these cannot outweigh them: a value must be like both.
    fn references(&self, provider: &str) -> impl Iterator<Item = &SubjectCounts> {
        let (mut first, mut second) = (None, None);
        if let Some([own, all]) = self.by_provider.get(provider) {
            let own_says = own.values >= POOL_SUBJECTS_WARNED_MIN;
            if own.values >= POOL_SUBJECTS_JUDGED_MIN || (own_says && all.values < POOL_SUBJECTS_JUDGED_MIN) {
                first = Some(own);
            } else if all.values >= POOL_SUBJECTS_WARNED_MIN {
                (first, second) = (Some(all), own_says.then_some(own));
            }
        }
        first.into_iter().chain(second)
    }
}

/// Compares the subjects of a file with those of a pool.
#[derive(Debug)]
pub struct SubjectComparison<'a> {
    profiles: &'a SubjectProfiles,
    /// By provider, difference, and the number of identities that were compared with: the number of values, and the first
    /// row.
    found: BTreeMap<(String, Difference, u64), (u64, u64)>,
    /// By provider: the number of values that were compared, and those that differ.
    compared: BTreeMap<String, (u64, u64)>,
}

impl<'a> SubjectComparison<'a> {
    #[must_use]
    pub fn new(profiles: &'a SubjectProfiles) -> Self {
        Self { profiles, found: BTreeMap::new(), compared: BTreeMap::new() }
    }

    /// Takes the subject of a row.
    pub fn add(&mut self, row: u64, provider: &str, subject: &str) {
        if !self.profiles.compares(provider) {
            return;
        }
        if !self.compared.contains_key(provider) {
            self.compared.insert(provider.to_owned(), (0, 0));
        }
        let mut references = self.profiles.references(provider);
        let difference = references.find_map(|known| known.difference(subject).map(|found| (found, known.values)));
        if let Some((compared, differing)) = self.compared.get_mut(provider) {
            *compared += 1;
            *differing += u64::from(difference.is_some());
        }
        if let Some((difference, pool_values)) = difference {
            self.found.entry((provider.to_owned(), difference, pool_values)).or_insert((0, row)).0 += 1;
        }
    }

    /// What differs, by provider.
    #[must_use]
    pub fn finish(self) -> Vec<UnlikePool> {
        let Self { profiles, compared, found } = self;
        let unlike = |((provider, difference, pool_values), (values, first_row))| {
            let (compared_values, differing_values) = compared.get::<String>(&provider).copied().unwrap_or_default();
            let is_sample = profiles.is_sample;
            UnlikePool {
                provider,
                difference,
                values,
                first_row,
                pool_values,
                is_sample,
                compared_values,
                differing_values,
            }
        };
        found.into_iter().map(unlike).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Personal;
    use crate::seed::Rng;
    use crate::service::LinkedIdentity;

    fn user(subjects: &[(&str, bool)]) -> PoolUser {
        let identity = |(subject, primary): &(&str, bool)| LinkedIdentity {
            user_id: Personal::from_service(subject),
            provider_name: "Okta".into(),
            provider_type: "OIDC".into(),
            issuer: None,
            primary: *primary,
            created_unix_ms: None,
        };
        PoolUser { status: String::new(), identities: subjects.iter().map(identity).collect(), ..PoolUser::named("x") }
    }

    fn random(rng: &mut Rng, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[usize::try_from(rng.below(alphabet.len() as u64)).unwrap()])).collect()
    }

    const BASE62: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// An id as each of these makes it.
    fn subject(make: usize, rng: &mut Rng) -> String {
        match make {
            0 => format!("1{}", random(rng, b"0123456789", 20)),
            1 => format!("00u{}", random(rng, BASE62, 17)),
            2 => random(rng, BASE64, 43),
            3 => format!("auth0|{}", random(rng, b"0123456789abcdef", 24)),
            4 => format!(
                "{}-4{}-8{}-{}",
                random(rng, b"0123456789abcdef", 8) + "-" + &random(rng, b"0123456789abcdef", 4),
                random(rng, b"0123456789abcdef", 3),
                random(rng, b"0123456789abcdef", 3),
                random(rng, b"0123456789abcdef", 12)
            ),
            5 => format!("amzn1.account.{}", random(rng, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 26)),
            6 => format!(
                "00{}.{}.{}",
                random(rng, b"0123456789", 4),
                random(rng, b"0123456789abcdef", 32),
                random(rng, b"0123456789", 4)
            ),
            7 => format!("{}.{}@example.com", random(rng, b"abcdefgh", 5), random(rng, b"abcdefgh", 7)),
            _ => (1_000 + rng.below(9_000)).to_string(),
        }
    }

    fn profile(make: usize, count: usize, primary: bool, rng: &mut Rng) -> SubjectProfiles {
        let mut profiles = SubjectProfiles::default();
        for _ in 0..count {
            profiles.add_users(&[user(&[(&subject(make, rng), primary)])]);
        }
        profiles
    }

    fn compared(profiles: &SubjectProfiles, subjects: &[String]) -> Vec<UnlikePool> {
        let mut comparison = SubjectComparison::new(profiles);
        for (row, subject) in (1..).zip(subjects) {
            comparison.add(row, "Okta", subject);
        }
        comparison.finish()
    }

    #[test]
    fn ids_of_one_make_raise_nothing_and_those_of_another_always_do() {
        let mut rng = Rng::new(11);
        for make in 0..9 {
            let profiles = profile(make, 200, true, &mut rng);
            for other in 0..9 {
                let subjects: Vec<String> = (0..500).map(|_| subject(other, &mut rng)).collect();
                let found = compared(&profiles, &subjects);
                let differing: u64 = found.iter().map(|one| one.values).sum();
                assert_eq!(differing, if make == other { 0 } else { 500 }, "{make} {other}: {found:?}");
                assert!(found.iter().all(UnlikePool::is_certain));
            }
        }
    }

    type Damage = fn(String) -> String;

    #[test]
    fn damaged_ids_are_found() {
        let mut rng = Rng::new(12);
        let cut = |id: String| id[..id.len() - 2].to_owned();
        let damages: [(usize, Damage); 5] = [
            (1, |id| id.to_lowercase()),
            (1, |id| id[3..].to_owned()),
            (2, |id| id.to_lowercase()),
            (4, |id| id.to_uppercase()),
            (3, |id| id[6..].to_owned()),
        ];
        for (make, damage) in damages.into_iter().chain([0, 1, 2, 4, 5, 6].map(|make| (make, cut as Damage))) {
            let profiles = profile(make, 200, true, &mut rng);
            let subjects: Vec<String> = (0..100).map(|_| damage(subject(make, &mut rng))).collect();
            let differing: u64 = compared(&profiles, &subjects).iter().map(|one| one.values).sum();
            assert!(differing >= 90, "{make}: {differing}");
        }
    }

    #[test]
    fn few_identities_warn_and_very_few_say_nothing() {
        let mut rng = Rng::new(13);
        let addresses = vec![subject(7, &mut rng)];
        for (count, expected) in [(9, None), (10, Some(false)), (99, Some(false)), (100, Some(true))] {
            let found = compared(&profile(1, count, false, &mut rng), &addresses);
            assert_eq!(found.first().map(UnlikePool::is_certain), expected, "{count}");
        }
    }

    #[test]
    fn a_sample_judges_a_file_and_not_a_few_of_its_values() {
        let mut rng = Rng::new(15);
        for (wrong, is_sample, expected) in [(100, true, true), (11, true, true), (10, true, false), (1, false, true)] {
            let profiles = SubjectProfiles { is_sample, ..profile(1, 150, true, &mut rng) };
            let subjects: Vec<String> =
                (0..100).map(|number| subject(if number < wrong { 7 } else { 1 }, &mut rng)).collect();
            let found = compared(&profiles, &subjects);
            assert_eq!((found.len(), found[0].values), (1, wrong), "{wrong}");
            assert_eq!(found[0].is_certain(), expected, "{wrong} {is_sample}");
        }
        // One value is described as one.
        let profiles = profile(1, 150, true, &mut rng);
        let found = compared(&profiles, &["anna@example.com".to_owned()]);
        assert_eq!((found[0].description().as_str(), found[0].contrast()), ("looks like an e-mail address", "do not"));
        // Of another beginning, only a file in which most values differ.
        for (wrong, expected) in [(51, true), (50, false)] {
            let profiles = SubjectProfiles { is_sample: true, ..profile(1, 150, true, &mut rng) };
            let own = |number, rng: &mut Rng| {
                let id = subject(1, rng);
                if number < wrong { format!("11u{}", &id[3..]) } else { id }
            };
            let subjects: Vec<String> = (0..100).map(|number| own(number, &mut rng)).collect();
            let found = compared(&profiles, &subjects);
            assert_eq!((found[0].values, found[0].is_certain()), (wrong, expected), "{found:?}");
        }
        // Two differences of one provider count together.
        let profiles = SubjectProfiles { is_sample: true, ..profile(1, 150, true, &mut rng) };
        let subjects: Vec<String> = (0..90).map(|number| subject([0, 7, 1][number % 3], &mut rng)).collect();
        let found = compared(&profiles, &subjects);
        assert!(found.len() == 2 && found.iter().all(UnlikePool::is_certain), "{found:?}");
    }

    #[test]
    fn wrong_links_do_not_make_more_of_them_look_right() {
        let mut rng = Rng::new(16);
        let wrong: Vec<String> = (0..200).map(|_| subject(7, &mut rng)).collect();
        for (signed_in, links, expected) in [
            // Few have signed in, and the pool is full of wrong links.
            (50, 30, Some(false)),
            (50, 200, Some(false)),
            (100, 200, Some(true)),
            // Too few to say anything: the links are all there is.
            (9, 200, None),
        ] {
            let mut profiles = profile(1, signed_in, true, &mut rng);
            for subject in &wrong[..links] {
                profiles.add_users(&[user(&[(subject, false)])]);
            }
            let found = compared(&profiles, &wrong);
            assert_eq!(found.first().map(UnlikePool::is_certain), expected, "{signed_in} {links}");
        }
        // Right links are many, and few have signed in: the links judge.
        let mut profiles = profile(1, 20, true, &mut rng);
        for _ in 0..150 {
            profiles.add_users(&[user(&[(&subject(1, &mut rng), false)])]);
        }
        let found = compared(&profiles, &wrong);
        assert!(found.len() == 1 && found[0].is_certain() && found[0].pool_values == 170, "{found:?}");
    }

    #[test]
    fn identities_that_have_signed_in_outweigh_links_that_may_be_wrong() {
        let mut rng = Rng::new(14);
        let mut profiles = profile(1, 100, true, &mut rng);
        let wrong: Vec<String> = (0..50).map(|_| subject(7, &mut rng)).collect();
        for subject in &wrong {
            profiles.add_users(&[user(&[(subject, false)])]);
        }
        let found = compared(&profiles, &wrong);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].values, found[0].first_row, found[0].pool_values), (50, 1, 100));
        assert_eq!((found[0].description().as_str(), found[0].contrast()), ("look like e-mail addresses", "do not"));
    }
}
