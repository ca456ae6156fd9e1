//! What the pool shows of the first rows of a run with `--canary`.

use super::code_enum::code_enum;
use super::state::RowState;

code_enum! {
    /// What became of a canary row. Only the first three let the run go on.
    CanaryFinding {
        /// The user holds the identity exactly as it was sent.
        Right = "right",
        /// The same, and the link is older than the call: it stood before.
        StoodBefore = "stood_before",
        /// An earlier run of the ledger has linked it.
        DoneBefore = "done_before",
        /// The service reported success, and the user does not hold the identity.
        NotOnUser = "not_on_user",
        /// The service reported success, and the user has got another identity of the provider in its place.
        StoredOtherwise = "stored_otherwise",
        /// The service reported success, and the user is not found.
        UserNotSeen = "user_not_seen",
        /// The service reported success, and the pool does not show the link by an attribute.
        NotShown = "not_shown",
        /// The service reported success, and the pool may still show the link that `undo` removed.
        NotSettled = "not_settled",
        /// The service reported success, and the user could not be read.
        NotRead = "not_read",
        /// The row was not linked: its state says why.
        NotLinked = "not_linked",
    }
}

impl CanaryFinding {
    /// Whether the other rows may follow.
    pub fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::StoodBefore | Self::DoneBefore)
    }

    /// The finding of a row that is not called, because it is in this state already.
    pub fn of_row_done_before(state: RowState) -> Self {
        match state {
            RowState::Linked | RowState::AlreadyLinked | RowState::Kept(_) => Self::DoneBefore,
            _ => Self::NotLinked,
        }
    }

    /// Says what was found of a row in this state, a lower-case fragment about the row.
    pub fn text_for(self, state: RowState) -> String {
        match (self, state.refusal()) {
            (Self::NotLinked, Some(code)) => format!("{} as {}", state.words(), code.as_str()),
            (Self::NotLinked, None) => state.words().to_owned(),
            _ => self.text().to_owned(),
        }
    }

    /// Says what was found, a lower-case fragment about the row.
    pub fn text(self) -> &'static str {
        match self {
            Self::Right => "the user holds the identity as it was sent",
            Self::StoodBefore => "the user held the identity before",
            Self::DoneBefore => "done in an earlier run",
            Self::NotOnUser => "the service reported success, and the user does not hold the identity",
            Self::StoredOtherwise => {
                "the service reported success, and the user has another identity of the provider in its place"
            }
            Self::UserNotSeen => "the service reported success, and the user is not found",
            Self::NotShown => "the service reported success, and the pool does not show this link by an attribute",
            Self::NotSettled => {
                "the service reported success, and the pool may still show the link that `undo` removed"
            }
            Self::NotRead => "the service reported success, and the user could not be read",
            Self::NotLinked => "the row was not linked",
        }
    }
}

#[cfg(test)]
#[test]
fn the_text_of_a_finding_says_why_a_row_is_not_linked() {
    use super::outcome::RefusalCode;
    let refused = RowState::Refused(RefusalCode::UserNotFound);
    assert_eq!(CanaryFinding::NotLinked.text_for(refused), "refused as user_not_found");
    assert_eq!(CanaryFinding::NotLinked.text_for(RowState::InDoubt), "in doubt");
    assert_eq!(CanaryFinding::Right.text_for(RowState::Linked), CanaryFinding::Right.text());
    assert_eq!(CanaryFinding::of_row_done_before(RowState::AlreadyLinked), CanaryFinding::DoneBefore);
    assert_eq!(CanaryFinding::of_row_done_before(refused), CanaryFinding::NotLinked);
}

#[cfg(test)]
#[test]
fn only_what_was_seen_or_done_is_right() {
    let right: Vec<&str> =
        CanaryFinding::ALL.iter().filter(|finding| finding.is_right()).map(|finding| finding.as_str()).collect();
    assert_eq!(right, ["right", "stood_before", "done_before"]);
    assert!(CanaryFinding::ALL.iter().all(|finding| CanaryFinding::parse(finding.as_str()) == Some(*finding)));
}
