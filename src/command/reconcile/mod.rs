//! `reconcile`: one scan of the pool held against the file, in both directions.
//!
//! The file is read first, for what it needs of the pool; then the pool, once; then the file again, a standing for each
//! row. What the pool has and the file does not goes through a sort on disk, as an export does. Nothing here writes to
//! the pool but [`apply`], which hands the missing rows to the engine.

pub mod apply;
mod compare;
mod pool_side;

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::choices::Choices;
use super::failure::Failure;
use crate::domain::event::{Event, Observer};
use crate::domain::identity::{ExternalIdentity, ProviderName};
use crate::foresight::wanted::WantedRows;
use crate::input::{CrossRowFindings, FirstReading, InputOptions, InputReader, InputSource};
use crate::ledger::Binding;
use crate::limits::{PROVIDERS_PER_POOL_MAX, READER_BATCH_ROWS};
pub use compare::{Compared, Comparison};
pub use pool_side::PoolSide;

/// What a comparison is about.
#[derive(Debug, Clone)]
pub struct ReconcileTask {
    /// The input.
    pub source: InputSource,
    /// How to read it.
    pub reading: InputOptions,
    /// The pool, and whether it is a simulated one.
    pub binding: Binding,
    /// The providers whose links must all be in the file; empty for those that the file names.
    pub providers: BTreeSet<ProviderName>,
    /// Whether rows that the ledger holds refused, for a reason that a scan does not see, are missing rather than blocked.
    pub retry_refused: bool,
    /// Which of several users some rows mean.
    pub choices: Choices,
}

/// What the file needs of the pool.
#[derive(Debug, Default)]
pub struct FileSide {
    wanted: WantedRows,
    /// Hashes of the identities that its rows name, by exact case.
    identities: Vec<u64>,
    providers: BTreeSet<ProviderName>,
    /// Providers of which it names identities by another attribute than the subject.
    by_attribute: BTreeSet<ProviderName>,
    /// What is known of its rows beside one another.
    across: Arc<CrossRowFindings>,
}

impl FileSide {
    /// Providers whose mapping counts.
    #[must_use]
    pub fn by_attribute(&self) -> &BTreeSet<ProviderName> {
        &self.by_attribute
    }

    /// What is known of its rows beside one another.
    #[must_use]
    pub fn across(&self) -> Arc<CrossRowFindings> {
        Arc::clone(&self.across)
    }

    fn names(&self, provider: &str, value: &str) -> bool {
        self.identities.binary_search(&exact_hash(provider, value)).is_ok()
    }
}

impl ReconcileTask {
    /// Reads the file for the first time, telling each finding.
    ///
    /// # Errors
    /// [`Failure::Input`] where it cannot be read.
    pub fn read_file(&self, observer: &mut dyn Observer) -> Result<FileSide, Failure> {
        let mut file = FileSide::default();
        let told_rows = READER_BATCH_ROWS as u64 * 16;
        observer.on(&Event::Checking { rows: 0 });
        let reading = FirstReading::of(&self.source, &self.reading, |glimpse| {
            if glimpse.number.0.is_multiple_of(told_rows) {
                observer.on(&Event::Checking { rows: glimpse.number.0 });
            }
            // A row that is wrong only beside others names its identity all the same.
            if let Some(link) = glimpse.into_record().link {
                file.wanted.add(&link);
                file.note(&link.source);
            }
        })?;
        observer.on(&Event::Checking { rows: reading.rows });
        if reading.has_findings || !reading.cross_row.is_clean() {
            for record in InputReader::with_cross_row(&self.source, &self.reading, &reading.cross_row)? {
                record?.findings.into_iter().for_each(|finding| observer.on(&Event::Found(finding)));
            }
        }
        file.across = reading.cross_row;
        file.identities.sort_unstable();
        file.identities.dedup();
        Ok(file)
    }

    /// The providers whose links must all be in the file.
    #[must_use]
    pub fn scope<'a>(&'a self, file: &'a FileSide) -> &'a BTreeSet<ProviderName> {
        if self.providers.is_empty() { &file.providers } else { &self.providers }
    }
}

impl FileSide {
    fn note(&mut self, source: &ExternalIdentity) {
        self.identities.push(exact_hash(source.provider().as_str(), source.value().expose()));
        let sets = [(&mut self.providers, true), (&mut self.by_attribute, !source.attribute().is_subject())];
        for (set, belongs) in sets {
            if belongs && set.len() <= PROVIDERS_PER_POOL_MAX && !set.contains(source.provider()) {
                set.insert(source.provider().clone());
            }
        }
    }
}

/// An identity by exact case, whatever the attribute by which it is linked.
fn exact_hash(provider: &str, value: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&(provider.len() as u64).to_le_bytes());
    hasher.update(provider.as_bytes());
    hasher.update(value.as_bytes());
    hasher.digest()
}
