//! What the pool shows of sign-ins after the links were made: profiles that should not be there, and users who changed.
//!
//! Links and profiles meet by address, in a sorter on disk, so that a pool of any size takes no memory.

use std::io;

use crate::clock::UnixMs;
use crate::commands::shared::{Failure, temporary_file_error};
use crate::domain::drift::{LinkedUserCounts, Misfire};
use crate::domain::identity::Personal;
use crate::domain::row::{RowKey, RowNumber};
use crate::foresight::pool_index::{IndexedIdentity, IndexedUser};
use crate::input::Sorter;
use crate::limits::LINK_CHANGE_MS_MAX;
use crate::service::PoolUser;
use crate::service::identities::possible_times;

/// Marks the records of links, which come before those of profiles.
const LINK: &str = "0";
const PROFILE: &str = "1";
const YES: &str = "1";
const NO: &str = "0";

pub(super) struct SignInTraces {
    records: Sorter,
    case_sensitive: bool,
}

impl SignInTraces {
    pub(super) fn new(case_sensitive: bool) -> Self {
        Self { records: Sorter::default(), case_sensitive }
    }

    /// Takes a user of the scan. Only a profile with an address can show that a link was not found.
    pub(super) fn add_user(&mut self, user: &PoolUser, is_of_file: &dyn Fn(&str) -> bool) -> io::Result<()> {
        let Some(own) = user.identities.iter().find(|held| held.primary) else { return Ok(()) };
        let Some(created) = user.created_unix_ms.or(own.created_unix_ms) else { return Ok(()) };
        let address = self.address_key(user.email.as_ref());
        if address.is_empty() || !is_of_file(&own.provider_name) {
            return Ok(());
        }
        self.records.add(&[
            &address,
            PROFILE,
            user.username.expose(),
            &own.provider_name,
            own.user_id.expose(),
            &created.to_string(),
            flag(user.email_verified),
        ])
    }

    /// Takes a row that is linked, with the user that holds the identity.
    pub(super) fn add_link(
        &mut self,
        row: RowNumber,
        key: RowKey,
        user: &IndexedUser,
        held: &IndexedIdentity,
    ) -> io::Result<()> {
        // Every link changes the user, or may: only a change after all of them can be a sign-in.
        let links = user.identities.iter().filter(|held| !held.primary);
        let last_link = links.filter_map(|held| held.created_unix_ms).max();
        let is_changed = last_link.zip(user.modified_unix_ms).is_some_and(|(linked, modified)| {
            modified > possible_times(linked).end().saturating_add(LINK_CHANGE_MS_MAX)
        });
        self.records.add(&[
            &self.address_key(user.email.as_ref()),
            LINK,
            user.username.expose(),
            &held.provider,
            held.user_id.expose(),
            &format!("{:020}", row.0),
            &key.to_string(),
            &held.created_unix_ms.map_or(String::new(), |date| date.to_string()),
            flag(held.has_issuer),
            flag(is_changed),
            flag(user.email_verified),
        ])
    }

    fn address_key(&self, email: Option<&Personal>) -> String {
        let address = email.map_or("", Personal::expose);
        if self.case_sensitive { address.to_owned() } else { address.to_lowercase() }
    }

    /// Gives every misfire, in the order of the addresses, and counts the users who are linked.
    pub(super) fn finish(
        self,
        take: &mut dyn FnMut(Misfire) -> Result<(), Failure>,
    ) -> Result<LinkedUserCounts, Failure> {
        let mut counts = LinkedUserCounts::default();
        let mut group = LinksOfAddress::default();
        for record in self.records.finish().map_err(|error| temporary_file_error(&error))? {
            let record = record.map_err(|error| temporary_file_error(&error))?;
            let [address, kind, texts @ ..] = record.as_slice() else { return Err(temporary_file_error(&damaged())) };
            if group.address != *address {
                group.count_user(&mut counts);
                group = LinksOfAddress { address: address.clone(), ..LinksOfAddress::default() };
            }
            if kind == LINK {
                group.add_link(texts, &mut counts).map_err(|error| temporary_file_error(&error))?;
            } else if !address.is_empty() {
                for misfire in group.misfires(texts).map_err(|error| temporary_file_error(&error))? {
                    take(misfire)?;
                }
            }
        }
        group.count_user(&mut counts);
        Ok(counts)
    }
}

fn flag(is_set: bool) -> &'static str {
    if is_set { YES } else { NO }
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// A link of a user with the address.
struct TracedLink {
    row: RowNumber,
    key: RowKey,
    username: String,
    provider: String,
    value: String,
    /// `None` where the pool shows no date: then nothing is known to be later.
    linked_unix_ms: Option<UnixMs>,
    verified: bool,
}

/// The links of one address, which are as many as the file has, and what their last user shows.
#[derive(Default)]
struct LinksOfAddress {
    address: String,
    links: Vec<TracedLink>,
    /// Of the user that the last link belongs to.
    has_signed_in: bool,
    has_changed: bool,
}

impl LinksOfAddress {
    fn add_link(&mut self, texts: &[String], counts: &mut LinkedUserCounts) -> io::Result<()> {
        let [username, provider, value, row, key, linked, has_issuer, is_changed, verified] = texts else {
            return Err(damaged());
        };
        if self.links.last().is_some_and(|last| last.username != *username) {
            self.count_user(counts);
        }
        self.has_signed_in |= has_issuer == YES;
        self.has_changed |= is_changed == YES;
        // A repeated row is the same link.
        if self
            .links
            .last()
            .is_some_and(|last| last.username == *username && last.provider == *provider && last.value == *value)
        {
            return Ok(());
        }
        let date = |text: &str| text.parse().map_err(|_| damaged());
        self.links.push(TracedLink {
            row: RowNumber(row.parse().map_err(|_| damaged())?),
            key: RowKey::parse(key.as_bytes()).ok_or_else(damaged)?,
            username: username.clone(),
            provider: provider.clone(),
            value: value.clone(),
            linked_unix_ms: if linked.is_empty() { None } else { Some(date(linked)?) },
            verified: verified == YES,
        });
        Ok(())
    }

    /// Counts the user of the links that were added last.
    fn count_user(&mut self, counts: &mut LinkedUserCounts) {
        if self.links.is_empty() {
            return;
        }
        let (has_signed_in, has_changed) =
            (std::mem::take(&mut self.has_signed_in), std::mem::take(&mut self.has_changed));
        match (has_signed_in, has_changed) {
            (true, _) => counts.signed_in += 1,
            (false, true) => counts.changed += 1,
            (false, false) => counts.no_trace += 1,
        }
    }

    /// The links of the profile's provider that are older than the profile.
    fn misfires(&self, texts: &[String]) -> io::Result<Vec<Misfire>> {
        let [username, provider, value, created, verified] = texts else { return Err(damaged()) };
        let created: UnixMs = created.parse().map_err(|_| damaged())?;
        let older = self.links.iter().filter(|link| link.provider == *provider && link.username != *username);
        let misfires = older.filter_map(|link| {
            let linked = link.linked_unix_ms.filter(|date| *possible_times(*date).end() < created)?;
            Some(Misfire {
                row: link.row,
                key: link.key,
                provider: provider.clone(),
                value: Personal::from_service(&link.value),
                destination: Personal::from_service(&link.username),
                linked_unix_ms: linked,
                profile: Personal::from_service(username),
                profile_value: Personal::from_service(value),
                profile_created_unix_ms: created,
                verified: link.verified && verified == YES,
            })
        });
        Ok(misfires.collect())
    }
}
