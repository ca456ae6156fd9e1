//! What linking and undoing share when they read a destination back.

use crate::clock::UnixMs;
use crate::foresight::destination::PoolNaming;
use crate::foresight::trust::TrustPolicy;
use crate::limits::{ANNOUNCEMENT_WINDOW_MS, LIST_LAG_MS_MAX, SETTLE_LATER_WAITS_MS, SETTLE_WAITS_MS};

/// Which call reads a destination back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettleWith {
    /// `ListUsers` by user name: no effect on billing, eventually consistent.
    #[default]
    ListUsers,
    /// `AdminGetUser`: fresh, and marks the user as active for billing.
    GetUser,
}

/// Looks after which a list that lags shows every link.
pub(super) const MOST_LOOKS: usize = SETTLE_WAITS_MS.len() + 1 + SETTLE_LATER_WAITS_MS.len();

impl SettleWith {
    /// Looks after which a recent call is taken to have had no effect. `ListUsers` lags behind writes.
    pub(super) fn patient_looks(self) -> usize {
        match self {
            Self::ListUsers => SETTLE_WAITS_MS.len() + 1,
            Self::GetUser => 2,
        }
    }

    /// Whether reading is sure to show what a call with this effect did. A list may lag behind a recent one.
    pub(super) fn surely_shows(self, effect: UnknownEffect) -> bool {
        self == Self::GetUser || effect != UnknownEffect::OfRecentCall
    }

    /// Looks until a refusal is left in doubt that a call of this tool may have caused.
    pub(super) fn most_looks(self) -> usize {
        match self {
            Self::ListUsers => MOST_LOOKS,
            Self::GetUser => self.patient_looks(),
        }
    }
}

/// What the decisions about a row depend on besides the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPolicy {
    pub(super) attempts_max: u32,
    pub(super) settle_with: SettleWith,
    pub(super) naming: PoolNaming,
    pub(super) trust: TrustPolicy,
    /// Whether rows in doubt are read until the list cannot lag any more, because the run ends and calls nothing again.
    pub(super) settles_before_end: bool,
}

/// Whether a list may not show yet what was written at `at`. Both times are the service's.
pub(super) fn may_lack_write(at: UnixMs, now: UnixMs) -> bool {
    now.saturating_sub(at) <= LIST_LAG_MS_MAX
}

/// When a call was announced, by the service's clock: at some moment from `earliest` to `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnnouncementTime {
    pub(super) earliest: UnixMs,
    pub(super) latest: UnixMs,
}

impl AnnouncementTime {
    /// An announcement by an earlier run, of which the ledger keeps the earliest time.
    pub(super) fn from_ledger(earliest: UnixMs) -> Self {
        Self { earliest, latest: earliest.saturating_add(ANNOUNCEMENT_WINDOW_MS) }
    }
}

/// Whether a write call of this row may have taken effect without an answer that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum UnknownEffect {
    /// There is no such call.
    #[default]
    None,
    /// The only such call is from an earlier run, and so old that `ListUsers` is taken to show its effect.
    OfOldCall,
    /// The same, and a look has not shown it. That is enough to call again, and not enough to refuse the row where the
    /// service then says that the link is there: a list has no known bound.
    OfOldCallNotSeen,
    OfRecentCall,
}

impl UnknownEffect {
    /// After one more call, whose answer says that it had no effect unless it `may_have_taken_effect`.
    pub(super) fn after_call(self, may_have_taken_effect: bool) -> Self {
        match self {
            Self::None | Self::OfOldCallNotSeen if !may_have_taken_effect => self,
            _ => Self::OfRecentCall,
        }
    }

    /// After a look that has proven, as far as a look can, that there was none.
    pub(super) fn after_absence(self, settle_with: SettleWith) -> Self {
        match (self, settle_with) {
            (Self::OfOldCall | Self::OfOldCallNotSeen, SettleWith::ListUsers) => Self::OfOldCallNotSeen,
            _ => Self::None,
        }
    }

    /// Whether a row that is not seen linked stays in doubt.
    pub(super) fn leaves_row_in_doubt(self) -> bool {
        matches!(self, Self::OfOldCall | Self::OfRecentCall)
    }
}

/// A call that an earlier run announced, and of which the ledger holds no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenCall {
    pub(super) announced: AnnouncementTime,
    pub(super) effect: UnknownEffect,
}

impl OpenCall {
    /// Both times are the service's.
    pub(super) fn from_ledger(announced: UnixMs, now: UnixMs) -> Self {
        let is_recent = may_lack_write(announced, now);
        let effect = if is_recent { UnknownEffect::OfRecentCall } else { UnknownEffect::OfOldCall };
        Self { announced: AnnouncementTime::from_ledger(announced), effect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_effect_stays_unknown() {
        use UnknownEffect::{None, OfOldCall, OfOldCallNotSeen, OfRecentCall};
        for (before, may_have_taken_effect, expected) in [
            (None, false, None),
            (None, true, OfRecentCall),
            (OfOldCall, false, OfRecentCall),
            (OfOldCallNotSeen, false, OfOldCallNotSeen),
            (OfOldCallNotSeen, true, OfRecentCall),
            (OfOldCall, true, OfRecentCall),
            (OfRecentCall, false, OfRecentCall),
            (OfRecentCall, true, OfRecentCall),
        ] {
            assert_eq!(before.after_call(may_have_taken_effect), expected, "{before:?}, {may_have_taken_effect}");
        }
        for (before, after) in [(OfOldCall, OfOldCallNotSeen), (OfOldCallNotSeen, OfOldCallNotSeen), (None, None)] {
            assert_eq!(before.after_absence(SettleWith::ListUsers), after, "{before:?}");
            assert_eq!(before.after_absence(SettleWith::GetUser), None, "{before:?}: AdminGetUser does not lag");
        }
        assert_eq!(OpenCall::from_ledger(0, LIST_LAG_MS_MAX).effect, OfRecentCall);
        let old = OpenCall::from_ledger(1_000, 1_000 + LIST_LAG_MS_MAX + 1);
        assert_eq!(old.effect, OfOldCall);
        assert_eq!((old.announced.earliest, old.announced.latest), (1_000, 1_000 + ANNOUNCEMENT_WINDOW_MS));
    }
}
