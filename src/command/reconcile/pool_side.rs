//! One scan: the users whom the file needs, and the links that only the pool has.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::{FileSide, ReconcileTask};
use crate::clock::Clock;
use crate::command::export::{collect_links, temporary, unreadable_run};
use crate::command::failure::Failure;
use crate::domain::drift::ExtraLine;
use crate::domain::event::{Event, Observer};
use crate::domain::identity::{Personal, ProviderName};
use crate::foresight::index::{Index, IndexBuilder};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::{ScanOptions, Scanned, scan};
use crate::input::{Sorted, Sorter};
use crate::service::{PoolUser, UserDirectory};

/// What the scan saw.
pub struct PoolSide {
    /// The users whom the file needs.
    pub index: Index,
    /// What the scan took.
    pub scanned: Scanned,
    extras: Sorter,
}

impl ReconcileTask {
    /// Reads the whole pool.
    ///
    /// # Errors
    /// [`Failure::Stop`] where it cannot be read, or a temporary file cannot be written.
    pub async fn read_pool(
        &self,
        file: &mut FileSide,
        directory: Arc<dyn UserDirectory>,
        knowledge: &PoolKnowledge,
        options: ScanOptions,
        clock: Clock,
        observer: &mut (dyn Observer + Send),
    ) -> Result<PoolSide, Failure> {
        let case_sensitive = knowledge.facts.case_sensitive;
        let wanted = std::mem::take(&mut file.wanted).finish();
        let (mut index, mut extras) = (IndexBuilder::new(wanted, case_sensitive), Sorter::default());
        let scope: BTreeSet<&str> = self.scope(file).iter().map(ProviderName::as_str).collect();
        let (mut users, estimated) = (0, knowledge.facts.estimated_user_count);
        observer.on(&Event::Scanning { users, estimated });
        let mut take = |page: Vec<PoolUser>| {
            users += page.len() as u64;
            observer.on(&Event::Scanning { users, estimated });
            for user in &page {
                let is_extra = |provider: &str, value: &str| scope.contains(provider) && !file.names(provider, value);
                collect_links(user, case_sensitive, &mut extras, &is_extra).map_err(|error| temporary(&error))?;
            }
            index.feed(page);
            Ok(())
        };
        let scanned = scan(directory, options, clock, &mut take).await?;
        Ok(PoolSide { index: index.finish(), scanned, extras })
    }
}

/// Links that only the pool has, in the order of an export.
pub(super) struct Extras(Sorted);

impl PoolSide {
    /// Takes them out.
    pub(super) fn take_extras(&mut self) -> Result<Extras, Failure> {
        Ok(Extras(std::mem::take(&mut self.extras).finish().map_err(|error| unreadable_run(&error))?))
    }
}

impl Iterator for Extras {
    type Item = Result<ExtraLine, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(extra_line).map_err(|error| unreadable_run(&error)))
    }
}

fn extra_line(record: Vec<String>) -> io::Result<ExtraLine> {
    let [destination, destination_provider, provider, value]: [String; 4] =
        record.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    let (destination, value) = (Personal::from_service(&destination), Personal::from_service(&value));
    Ok(ExtraLine { provider, value, destination, destination_provider })
}
