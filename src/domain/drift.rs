//! How a file and a pool differ, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use super::identity::Personal;
use super::outcome::RefusalCode;
use super::row::{RowKey, RowNumber};

/// How a row of the file compares with the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriftStatus {
    Linked,
    /// Nobody holds the identity, and a link can be made.
    Missing,
    /// Another user holds the identity as a link.
    Moved,
    Blocked(RefusalCode),
    /// The row links by an attribute, and nobody is seen with it. A link by an attribute may not show, or under its subject.
    Unverifiable,
    /// The row has an error of its own, so it cannot be compared.
    Invalid,
}

impl DriftStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Missing => "missing",
            Self::Moved => "moved",
            Self::Blocked(_) => "blocked",
            Self::Unverifiable => "unverifiable",
            Self::Invalid => "invalid",
        }
    }

    /// The symbol of a row in a combined file; [`EXTRA_SYMBOL`] is for a link that is not in the file.
    pub fn symbol(self) -> char {
        match self {
            Self::Linked => '=',
            Self::Missing => '+',
            Self::Moved => '!',
            Self::Unverifiable => '~',
            Self::Blocked(_) | Self::Invalid => '?',
        }
    }

    pub fn code(self) -> Option<RefusalCode> {
        match self {
            Self::Blocked(code) => Some(code),
            _ => None,
        }
    }
}

/// The symbol of a link that the pool has and the file does not.
pub const EXTRA_SYMBOL: char = '-';

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftCounts {
    pub rows: u64,
    pub linked: u64,
    pub missing: u64,
    pub moved: u64,
    pub blocked: u64,
    pub unverifiable: u64,
    pub invalid: u64,
    /// Links of the providers in scope that the file does not have.
    pub extra: u64,
    pub by_code: BTreeMap<RefusalCode, u64>,
    /// Links that would be made: rows that are missing, or unverifiable and not yet sent by this ledger, without repeats.
    pub changes: u64,
    /// Misfires whose address both users have verified.
    pub misfired: u64,
    /// Misfires whose address one of the two has not verified.
    pub misfired_unverified: u64,
    pub linked_users: LinkedUserCounts,
}

/// What the pool shows of sign-ins of the users that rows are linked to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkedUserCounts {
    /// A linked identity shows an issuer, which it has only after a SAML sign-in.
    pub signed_in: u64,
    /// The user has changed after its last link: by a sign-in that wrote mapped attributes, or by anything else.
    pub changed: u64,
    /// Nothing shows a sign-in. There may have been one that wrote nothing.
    pub no_trace: u64,
}

impl LinkedUserCounts {
    pub fn all(self) -> u64 {
        self.signed_in + self.changed + self.no_trace
    }
}

impl DriftCounts {
    pub fn add(&mut self, standing: DriftStatus) {
        self.rows += 1;
        match standing {
            DriftStatus::Linked => self.linked += 1,
            DriftStatus::Missing => self.missing += 1,
            DriftStatus::Moved => self.moved += 1,
            DriftStatus::Blocked(code) => {
                self.blocked += 1;
                *self.by_code.entry(code).or_default() += 1;
            }
            DriftStatus::Unverifiable => self.unverifiable += 1,
            DriftStatus::Invalid => self.invalid += 1,
        }
    }

    /// Whether file and pool differ in anything that could be compared.
    pub fn has_drift(&self) -> bool {
        self.missing + self.unresolvable_drift() > 0
    }

    /// Differences that remain when the missing links are made.
    pub fn unresolvable_drift(&self) -> u64 {
        self.moved + self.blocked + self.extra
    }

    pub fn balances(&self) -> bool {
        self.rows == self.linked + self.missing + self.moved + self.blocked + self.unverifiable + self.invalid
            && self.by_code.values().sum::<u64>() == self.blocked
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    pub row: RowNumber,
    /// Its key; `None` for an invalid row.
    pub key: Option<RowKey>,
    pub standing: DriftStatus,
    pub hint: Option<&'static str>,
}

/// A link that the pool has and the file does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraLink {
    pub provider: String,
    pub value: Personal,
    /// The user that holds it: a user name, or an id at `destination_provider`.
    pub destination: Personal,
    /// The provider of a federated user; empty for a native one.
    pub destination_provider: String,
}

/// A link that the sign-in did not find: a new profile of the same provider has the address of the linked user, and was
/// created after the link. The linked value was wrong, or the link was late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfire {
    pub row: RowNumber,
    pub key: RowKey,
    pub provider: String,
    /// The value that is linked.
    pub value: Personal,
    /// The user name of the user that it is linked to.
    pub destination: Personal,
    /// When it was linked, in the service's milliseconds.
    pub linked_unix_ms: i64,
    /// The user name of the new profile.
    pub profile: Personal,
    /// The value with which the person signed in.
    pub profile_value: Personal,
    pub profile_created_unix_ms: i64,
    /// Whether both users have verified the address.
    pub verified: bool,
}

/// What a comparison of a file and a pool found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftReport {
    pub input: String,
    pub pool: String,
    pub simulated: bool,
    pub counts: DriftCounts,
    /// The providers whose links the file was searched for.
    pub scope: Vec<String>,
    /// Rows that are not linked, at most [`crate::limits::REPORT_FAILURES_MAX`].
    pub lines: Vec<DriftRow>,
    pub lines_left_out: u64,
    /// Links that only the pool has, at most as many.
    pub extras: Vec<ExtraLink>,
    pub extras_left_out: u64,
    /// Links that sign-ins did not find, at most as many.
    pub misfires: Vec<Misfire>,
    pub misfires_left_out: u64,
    pub users: u64,
    pub reads: u64,
    /// When the reading of the pool began, by our clock: later links are not in the comparison.
    pub scanned_unix_ms: i64,
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_once() {
        let mut counts = DriftCounts::default();
        assert!(!counts.has_drift());
        let blocked = DriftStatus::Blocked(RefusalCode::UserNotFound);
        for standing in [
            DriftStatus::Linked,
            DriftStatus::Missing,
            DriftStatus::Moved,
            blocked,
            blocked,
            DriftStatus::Invalid,
            DriftStatus::Unverifiable,
        ] {
            counts.add(standing);
        }
        assert!(counts.balances() && counts.has_drift());
        assert_eq!((counts.rows, counts.unresolvable_drift()), (7, 3));
        counts.rows += 1;
        assert!(!counts.balances());
    }

    #[test]
    fn a_row_that_cannot_be_compared_is_no_drift_and_an_extra_link_is() {
        let invalid = DriftCounts { rows: 2, invalid: 1, unverifiable: 1, ..DriftCounts::default() };
        assert!(!invalid.has_drift() && invalid.balances());
        assert!(DriftCounts { extra: 1, ..DriftCounts::default() }.has_drift());
    }

    #[test]
    fn each_symbol_stands_for_one_word() {
        let standings = [
            DriftStatus::Linked,
            DriftStatus::Missing,
            DriftStatus::Moved,
            DriftStatus::Unverifiable,
            DriftStatus::Invalid,
        ];
        let symbols: String = standings.iter().map(|standing| standing.symbol()).collect();
        assert_eq!(symbols, "=+!~?");
    }
}
