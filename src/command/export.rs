//! `export`: every link of the pool as an input for `link`, in the order of its users.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::failure::Failure;
use crate::clock::Clock;
use crate::domain::event::{Event, Observer};
use crate::domain::identity::ProviderName;
use crate::domain::stop::{Stop, StopCause};
use crate::foresight::links::{linked_identities, named_by};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::{ScanOptions, Scanned, scan};
use crate::input::columns::Format;
use crate::input::{LinkLines, LinkTexts, Sorter, Unreadable};
use crate::service::{PoolUser, UserDirectory};

/// What is to be exported.
#[derive(Debug, Clone)]
pub struct ExportTask {
    /// How it is written down.
    pub format: Format,
    /// The providers whose links are wanted; empty for all of them.
    pub providers: BTreeSet<ProviderName>,
}

/// The links of a pool, sorted as they are read out.
pub struct Collected {
    sorter: Sorter,
    /// What the scan took.
    pub scanned: Scanned,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Links.
    pub links: u64,
    /// Users who hold one of them.
    pub users: u64,
    /// Rows that `validate` and `link` do not take as they are.
    pub unreadable: Unreadable,
}

/// Takes each user besides, as often as it is read.
pub type TakeUser<'a> = &'a mut (dyn FnMut(&PoolUser) -> io::Result<()> + Send);

/// Takes bytes of the file.
pub type TakeBytes<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

impl ExportTask {
    /// Whether the pool has every provider that is asked for: a slip would give a file with nothing in it.
    ///
    /// # Errors
    /// [`Failure::Usage`], naming those that it has.
    pub fn check_providers(&self, knowledge: &PoolKnowledge) -> Result<(), Failure> {
        known_providers(&self.providers, knowledge)
    }

    /// Reads the whole pool.
    ///
    /// # Errors
    /// [`Failure::Stop`] where the pool cannot be read, or a temporary file cannot be written.
    pub async fn collect(
        &self,
        directory: Arc<dyn UserDirectory>,
        knowledge: &PoolKnowledge,
        options: ScanOptions,
        clock: Clock,
        observer: &mut (dyn Observer + Send),
        also: TakeUser<'_>,
    ) -> Result<Collected, Failure> {
        let mut sorter = Sorter::default();
        let (mut users, estimated) = (0, knowledge.facts.estimated_user_count);
        observer.on(&Event::Scanning { users, estimated });
        let is_wanted = |provider: &str, _: &str| {
            self.providers.is_empty() || self.providers.iter().any(|name| name.as_str() == provider)
        };
        let mut take = |page: Vec<PoolUser>| {
            users += page.len() as u64;
            observer.on(&Event::Scanning { users, estimated });
            for user in &page {
                collect_links(user, knowledge.facts.case_sensitive, &mut sorter, &is_wanted)
                    .and_then(|()| also(user))
                    .map_err(|error| temporary(&error))?;
            }
            Ok(())
        };
        let scanned = scan(directory, options, clock, &mut take).await?;
        Ok(Collected { sorter, scanned })
    }

    /// Writes what was collected, sorted by user, provider and value, bytewise, each link once.
    ///
    /// # Errors
    /// Where a temporary file cannot be read, and what `out` says.
    pub fn write(&self, collected: Collected, out: TakeBytes<'_>) -> Result<Exported, Failure> {
        let mut lines = LinkLines::new(self.format);
        out(&lines.header().map_err(|error| unreadable_run(&error))?)?;
        let (mut users, mut last) = (0, None);
        for record in collected.sorter.finish().map_err(|error| unreadable_run(&error))? {
            let record = record.map_err(|error| unreadable_run(&error))?;
            let [username, born_at, provider, value] = record.as_slice() else { continue };
            let link = LinkTexts {
                destination_username: username,
                destination_provider: born_at,
                source_provider: provider,
                source_value: value,
            };
            out(&lines.row(&link).map_err(|error| unreadable_run(&error))?)?;
            let user = Some((username.clone(), born_at.clone()));
            users += u64::from(user != last);
            last = user;
        }
        Ok(Exported { links: lines.rows(), users, unreadable: lines.unreadable().clone() })
    }
}

/// Adds the links of a user that are wanted by provider and value: user, provider of its birth, provider, value.
pub(super) fn collect_links(
    user: &PoolUser,
    case_sensitive: bool,
    sorter: &mut Sorter,
    is_wanted: &dyn Fn(&str, &str) -> bool,
) -> io::Result<()> {
    let wanted = |(provider, value): &(&str, &str)| is_wanted(provider, value);
    let links = linked_identities(user).map(|held| (held.provider_name.as_str(), held.user_id.expose()));
    let mut links = links.filter(wanted).peekable();
    if links.peek().is_none() {
        return Ok(());
    }
    let named = named_by(user, case_sensitive);
    let born_at = if named.provider.is_native() { "" } else { named.provider.as_str() };
    for (provider, value) in links {
        sorter.add(&[named.value.expose(), born_at, provider, value])?;
    }
    Ok(())
}

/// Whether the pool has all of these providers.
///
/// # Errors
/// [`Failure::Usage`], naming those that it has.
pub fn known_providers(asked: &BTreeSet<ProviderName>, knowledge: &PoolKnowledge) -> Result<(), Failure> {
    let Some(unknown) = asked.iter().find(|name| !knowledge.providers.contains_key(*name)) else { return Ok(()) };
    let there: Vec<&str> = knowledge.providers.keys().map(ProviderName::as_str).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Err(Failure::Usage(format!(
        "--provider {unknown}: the pool has no provider of this name, case included; it has {there}"
    )))
}

pub(super) fn temporary(error: &io::Error) -> Stop {
    let detail = format!("cannot write a temporary file: {error}; set TMPDIR to a directory with room");
    Stop::new(StopCause::InputIo, detail)
}

pub(super) fn unreadable_run(error: &io::Error) -> Failure {
    Failure::System(format!("cannot read a temporary file back: {error}"))
}
