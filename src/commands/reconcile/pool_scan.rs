//! What a file needs of the pool, and one scan of the pool for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::input::ReconcileInput;
use super::sign_in_traces::SignInTraces;
use crate::clock::Clock;
use crate::commands::export::add_links;
use crate::commands::shared::rows::read_first;
use crate::commands::shared::{Failure, temporary_file_error, temporary_file_stop};
use crate::domain::drift::ExtraLink;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::hash_index::HashSet64;
use crate::domain::identity::{ExternalIdentity, Personal, ProviderName};
use crate::foresight::pool_index::{PoolIndex, PoolIndexBuilder, RequiredUsersBuilder};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::{ScanOptions, ScanResult, scan};
use crate::foresight::subject_profile::SubjectProfiles;
use crate::input::{CrossRowFindings, InputReader, Sorted, Sorter};
use crate::limits::PROVIDERS_PER_POOL_MAX;
use crate::service::{PoolUser, UserDirectory};

/// What the file needs of the pool.
#[derive(Debug, Default)]
pub struct FileNeeds {
    required: RequiredUsersBuilder,
    /// Hashes of the identities that its rows name, by exact case.
    identities: HashSet64,
    pub(super) providers: BTreeSet<ProviderName>,
    /// Rows of the file, valid or not.
    pub(super) rows: u64,
    /// Providers with an identity that a row names by another attribute than the subject: their mapping counts.
    pub by_attribute: BTreeSet<ProviderName>,
    /// What the comparison of rows has found.
    pub cross_row: Arc<CrossRowFindings>,
}

impl FileNeeds {
    fn add_provider(&mut self, source: &ExternalIdentity) {
        let sets = [(&mut self.providers, true), (&mut self.by_attribute, !source.attribute().is_subject())];
        for (set, belongs) in sets {
            if belongs && set.len() <= PROVIDERS_PER_POOL_MAX && !set.contains(source.provider()) {
                set.insert(source.provider().clone());
            }
        }
    }

    fn names(&self, provider: &str, value: &str) -> bool {
        self.identities.contains(exact_hash(provider, value))
    }
}

/// Hashes an identity by exact case, whatever the attribute that links it.
fn exact_hash(provider: &str, value: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&(provider.len() as u64).to_le_bytes());
    hasher.update(provider.as_bytes());
    hasher.update(value.as_bytes());
    hasher.digest()
}

pub struct ReconcileScan {
    /// The users that the file needs.
    pub index: PoolIndex,
    pub scanned: ScanResult,
    /// What the identities of the pool look like.
    pub(super) subjects: SubjectProfiles,
    extras: Sorter,
    pub(super) traces: SignInTraces,
    /// Whether the last run of the ledger is too recent for the scan to have seen its links.
    pub(super) misses_last_run: bool,
}

impl ReconcileInput {
    /// Reads the file for the first time, and reports each finding.
    pub fn read_file(&self, observer: &mut dyn RunObserver) -> Result<FileNeeds, Failure> {
        let (mut needs, mut identities) = (FileNeeds::default(), Vec::new());
        let reading = read_first(&self.source, &self.options, observer, |row| {
            // A row that is invalid only in comparison with others names its identity as well.
            if let Some(link) = row.into_record().link {
                needs.required.add(&link);
                needs.add_provider(&link.source);
                identities.push(exact_hash(link.source.provider().as_str(), link.source.value().expose()));
            }
        })?;
        if reading.has_findings || !reading.cross_row.is_clean() {
            for record in InputReader::with_cross_row(&self.source, &self.options, &reading.cross_row)? {
                record?.findings.into_iter().for_each(|finding| observer.on(&RunEvent::Found(finding)));
            }
        }
        needs.rows = reading.rows;
        needs.cross_row = reading.cross_row;
        needs.identities = identities.into();
        Ok(needs)
    }

    /// Returns the providers whose links must all be in the file.
    pub fn scope<'a>(&'a self, needs: &'a FileNeeds) -> &'a BTreeSet<ProviderName> {
        if self.providers.is_empty() { &needs.providers } else { &self.providers }
    }

    pub async fn scan_pool(
        &self,
        needs: &mut FileNeeds,
        directory: Arc<dyn UserDirectory>,
        knowledge: &PoolKnowledge,
        options: ScanOptions,
        clock: Clock,
        observer: &mut (dyn RunObserver + Send),
    ) -> Result<ReconcileScan, Failure> {
        let case_sensitive = knowledge.facts.case_sensitive;
        let required = std::mem::take(&mut needs.required).build();
        let (mut index, mut extras) = (PoolIndexBuilder::new(required, case_sensitive), Sorter::default());
        let (mut traces, mut subjects) = (SignInTraces::new(case_sensitive), SubjectProfiles::default());
        let of_file: BTreeSet<&str> = needs.providers.iter().map(ProviderName::as_str).collect();
        let scope: BTreeSet<&str> = self.scope(needs).iter().map(ProviderName::as_str).collect();
        let (mut users, estimated) = (0, knowledge.facts.estimated_user_count);
        observer.on(&RunEvent::Scanning { users, estimated });
        let mut take_page = |page: Vec<PoolUser>| {
            users += page.len() as u64;
            observer.on(&RunEvent::Scanning { users, estimated });
            for user in &page {
                let is_extra = |provider: &str, value: &str| scope.contains(provider) && !needs.names(provider, value);
                add_links(user, case_sensitive, &mut extras, &is_extra)
                    .and_then(|()| traces.add_user(user, &|provider| of_file.contains(provider)))
                    .map_err(|error| temporary_file_stop(&error))?;
            }
            subjects.add_users(&page);
            index.add_users(page);
            Ok(())
        };
        let scanned = scan(directory, options, clock, &mut take_page).await?;
        Ok(ReconcileScan { index: index.build(), scanned, subjects, extras, traces, misses_last_run: false })
    }
}

/// Links that only the pool has, in the order of an export.
pub(super) struct ExtraLinks(Sorted);

impl ReconcileScan {
    pub(super) fn take_extras(&mut self) -> Result<ExtraLinks, Failure> {
        let sorted = std::mem::take(&mut self.extras).finish();
        Ok(ExtraLinks(sorted.map_err(|error| temporary_file_error(&error))?))
    }
}

impl Iterator for ExtraLinks {
    type Item = Result<ExtraLink, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(extra_line).map_err(|error| temporary_file_error(&error)))
    }
}

fn extra_line(record: Vec<String>) -> io::Result<ExtraLink> {
    let [destination, destination_provider, provider, value]: [String; 4] =
        record.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    let (destination, value) = (Personal::from_service(&destination), Personal::from_service(&value));
    Ok(ExtraLink { provider, value, destination, destination_provider, superseded: false })
}
