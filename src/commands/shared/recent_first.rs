//! `--order recent`: the rows of a plan by the last change of their users, the latest first.
//!
//! Who signs in with the provider before the link is made is lost to it, and who signed in lately is the first to do so
//! again. The pool shows no date of a sign-in. `UserLastModifiedDate` is what comes nearest: a sign-in with a provider
//! changes it where the provider maps attributes, and so does every other write to the user. A sign-in by password does
//! not.
//!
//! Rows are sorted on disk, in temporary files without a name (`SORT_RUN_BYTES` in `limits`). Only `--limit` takes memory:
//! 16 bytes for each row that it chooses, then the set of their numbers.

use std::collections::{BTreeSet, BinaryHeap};
use std::io;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::domain::identity::{
    AttributeName, Destination, DestinationUser, ExternalIdentity, Personal, PoolId, ProviderName,
};
use crate::domain::row::{Link, Row, RowKey, RowNumber};
use crate::input::{Sorted, Sorter};

/// Takes the rows that a plan links, in the order of the input, and then returns them by date.
pub enum RecentFirst {
    Collecting(Sorter),
    Returning(Sorted),
}

impl Default for RecentFirst {
    fn default() -> Self {
        Self::Collecting(Sorter::default())
    }
}

/// A row as it is kept on disk meanwhile. It is personal, and the file has no name.
#[derive(Serialize, Deserialize)]
struct KeptRow {
    number: u64,
    destination: (String, String),
    /// Of a federated destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination_provider: Option<String>,
    source: (String, String, String),
    /// The user that the plan found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<(String, String)>,
}

impl RecentFirst {
    /// Keeps a row that will be linked, with the last change of its user.
    pub fn add(&mut self, row: &Row, user: Option<&DestinationUser>, changed: Option<UnixMs>) -> io::Result<()> {
        let Self::Collecting(sorter) = self else { return Err(io::Error::other("rows are returned already")) };
        let kept = serde_json::to_string(&KeptRow::of(row, user))?;
        sorter.add(&[&place_by_date(changed), &format!("{:020}", row.number.0), &kept])
    }

    /// Returns the next row, with the user that the plan found. No more can be added.
    pub fn next_row(&mut self, pool: &PoolId) -> Option<io::Result<(Row, Option<DestinationUser>)>> {
        if let Self::Collecting(sorter) = self {
            match std::mem::take(sorter).finish() {
                Ok(sorted) => *self = Self::Returning(sorted),
                Err(error) => return Some(Err(error)),
            }
        }
        let Self::Returning(sorted) = self else { return None };
        let record = sorted.next()?;
        Some(record.and_then(|texts| {
            let text = texts.last().ok_or_else(|| io::Error::other("an empty record"))?;
            serde_json::from_str::<KeptRow>(text)?.into_row(pool).ok_or_else(|| io::Error::other("not a row"))
        }))
    }
}

/// Texts in the order of the dates.
fn place_by_date(changed: Option<UnixMs>) -> String {
    format!("{:020}", place(changed))
}

/// Numbers in the order of the dates, the latest first. A user without a date comes last.
fn place(changed: Option<UnixMs>) -> u64 {
    changed.map_or(u64::MAX, |changed| u64::MAX - 1 - changed.max(0).unsigned_abs())
}

/// Keeps the numbers of so many rows with the latest changes, in the order in which [`RecentFirst`] returns them.
#[derive(Debug)]
pub struct MostRecent {
    limit: usize,
    /// The last one in this order on top.
    kept: BinaryHeap<(u64, RowNumber)>,
    /// Whether a row was left out.
    has_left_out: bool,
}

impl MostRecent {
    pub fn new(limit: u64) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), kept: BinaryHeap::new(), has_left_out: false }
    }

    pub fn add(&mut self, number: RowNumber, changed: Option<UnixMs>) {
        self.kept.push((place(changed), number));
        if self.kept.len() > self.limit {
            self.kept.pop();
            self.has_left_out = true;
        }
    }

    /// Returns the rows; `None` where none was left out.
    pub fn finish(self) -> Option<BTreeSet<RowNumber>> {
        self.has_left_out.then(|| self.kept.into_iter().map(|(_, number)| number).collect())
    }
}

impl KeptRow {
    fn of(row: &Row, user: Option<&DestinationUser>) -> Self {
        let Link { destination, source } = &row.link;
        let provider = match destination {
            Destination::Federated { provider, .. } => Some(provider.as_str().to_owned()),
            _ => None,
        };
        Self {
            number: row.number.0,
            destination: (destination.kind().to_owned(), destination.value().expose().to_owned()),
            destination_provider: provider,
            source: (
                source.provider().as_str().to_owned(),
                source.attribute().as_str().to_owned(),
                source.value().expose().to_owned(),
            ),
            user: user.map(|user| (user.provider.as_str().to_owned(), user.value.expose().to_owned())),
        }
    }

    /// `None` where it is not what was kept.
    fn into_row(self, pool: &PoolId) -> Option<(Row, Option<DestinationUser>)> {
        let (kind, value) = &self.destination;
        let value = Personal::from_service(value);
        let destination = match (kind.as_str(), &self.destination_provider) {
            ("username", None) => Destination::Username(value),
            ("email", None) => Destination::Email(value),
            ("sub", None) => Destination::Sub(value),
            ("phone", None) => Destination::Phone(value),
            ("preferred_username", None) => Destination::PreferredUsername(value),
            ("federated", Some(provider)) => {
                Destination::Federated { provider: ProviderName::parse(provider).ok()?, user_id: value }
            }
            _ => return None,
        };
        let (provider, attribute, value) = &self.source;
        let (provider, attribute) = (ProviderName::parse(provider).ok()?, AttributeName::parse(attribute).ok()?);
        let source = ExternalIdentity::new(provider, attribute, Personal::from_service(value)).ok()?;
        let user = match &self.user {
            Some((provider, _)) if provider == ProviderName::native().as_str() => Some(ProviderName::native()),
            Some((provider, _)) => Some(ProviderName::parse(provider).ok()?),
            None => None,
        };
        let user = user
            .zip(self.user.as_ref())
            .map(|(provider, (_, value))| DestinationUser { provider, value: Personal::from_service(value) });
        let link = Link { destination, source };
        let key = RowKey::of(pool, &link);
        Some((Row { number: RowNumber(self.number), link, key }, user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_recent_rows_are_the_first_of_the_order() {
        let chosen = |limit: u64, dates: &[Option<UnixMs>]| {
            let mut recent = MostRecent::new(limit);
            (1..).zip(dates).for_each(|(number, changed)| recent.add(RowNumber(number), *changed));
            recent.finish().map(|rows| rows.into_iter().map(|number| number.0).collect::<Vec<_>>())
        };
        let dates = [Some(20), None, Some(30), Some(20), Some(-5), None];
        assert_eq!(chosen(0, &dates), Some(vec![]));
        assert_eq!(chosen(1, &dates), Some(vec![3]));
        assert_eq!(chosen(2, &dates), Some(vec![1, 3]), "of equal dates the earlier row");
        assert_eq!(chosen(5, &dates), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(chosen(6, &dates), None, "nothing is left out");
        assert_eq!(chosen(u64::MAX, &dates), None);
    }

    #[test]
    fn rows_come_back_as_they_were_the_latest_first() {
        let pool = PoolId::parse("us-east-1_A").unwrap();
        let personal = Personal::from_service;
        let okta = || ProviderName::parse("Okta").unwrap();
        let destinations = [
            (Destination::Username(personal("alice \u{0}\u{1}\"")), Some(20)),
            (Destination::Email(personal("b@example.com")), None),
            (Destination::Sub(personal("0-1")), Some(1_795_000_000_000)),
            (Destination::Phone(personal("+491")), Some(20)),
            (Destination::PreferredUsername(personal("p")), Some(-5)),
            (Destination::Federated { provider: okta(), user_id: personal("00u") }, Some(1_795_000_000_001)),
        ];
        let bob = DestinationUser { provider: ProviderName::native(), value: personal("bob") };
        let mut rows = Vec::new();
        let mut recent = RecentFirst::default();
        for (number, (destination, changed)) in (1..).zip(destinations) {
            let source = ExternalIdentity::new(okta(), AttributeName::subject(), personal("x")).unwrap();
            let link = Link { destination, source };
            let row = Row { number: RowNumber(number), key: RowKey::of(&pool, &link), link };
            let user = (number == 2).then_some(&bob);
            recent.add(&row, user, changed).unwrap();
            rows.push((row, user.cloned()));
        }
        let parts = |(row, user): (Row, Option<DestinationUser>)| (row.number, row.link, row.key, user);
        let returned: Vec<_> = std::iter::from_fn(|| recent.next_row(&pool)).map(|row| parts(row.unwrap())).collect();
        let expected = [6, 3, 1, 4, 5, 2].map(|number: usize| parts(rows[number - 1].clone()));
        assert_eq!(returned, expected);
        assert!(recent.add(&rows[0].0, None, None).is_err(), "they are returned already");
    }
}
