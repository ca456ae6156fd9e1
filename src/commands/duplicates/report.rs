//! What a search for duplicates found, as plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::address_groups::{Duplicate, DuplicateKind};
use crate::input::UnreadableRows;
use crate::limits::REPORT_FAILURES_MAX;

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct DuplicatesReport {
    pub(super) pool: String,
    pub(super) simulated: bool,
    pub(super) by_kind: BTreeMap<DuplicateKind, u64>,
    /// Profiles with the address of a native user, of whom one has not verified it.
    pub(super) unverified: u64,
    pub(super) pairs: u64,
    pub(super) pairs_file: Option<PathBuf>,
    pub(super) work_list: Option<PathBuf>,
    pub(super) unreadable: UnreadableRows,
    /// The first findings.
    pub(super) findings: Vec<Duplicate>,
    pub(super) findings_left_out: u64,
    /// Users of the findings that are kept, without stand-alone profiles, which are counted beside.
    pub(super) users_kept: usize,
    pub(super) profiles_kept: usize,
    pub(super) users: u64,
    pub(super) reads: u64,
    pub(super) elapsed: Duration,
}

impl DuplicatesReport {
    pub(super) fn count(&self, kind: DuplicateKind) -> u64 {
        self.by_kind.get(&kind).copied().unwrap_or(0)
    }

    /// Keeps a finding while the users of all that are kept are not too many. Stand-alone profiles, of which a pool may
    /// have very many, do not take the place of others.
    pub(super) fn add(&mut self, found: Duplicate) {
        *self.by_kind.entry(found.kind).or_default() += 1;
        self.unverified += if found.unverified { found.users.len() as u64 + found.users_left_out } else { 0 };
        let is_standalone = found.kind == DuplicateKind::StandaloneProfile;
        let kept = if is_standalone { &mut self.profiles_kept } else { &mut self.users_kept };
        *kept += found.users.len();
        if *kept <= REPORT_FAILURES_MAX {
            self.findings.push(found);
        } else {
            self.findings_left_out += 1;
        }
    }
}
