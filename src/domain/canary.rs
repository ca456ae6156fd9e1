//! What the pool shows of the first rows of a run with `--canary`.

use super::code_enum::code_enum;

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
            Self::NotRead => "the service reported success, and the user could not be read",
            Self::NotLinked => "the row was not linked",
        }
    }
}

#[cfg(test)]
#[test]
fn only_what_was_seen_or_done_is_right() {
    let right: Vec<&str> =
        CanaryFinding::ALL.iter().filter(|finding| finding.is_right()).map(|finding| finding.as_str()).collect();
    assert_eq!(right, ["right", "stood_before", "done_before"]);
    assert!(CanaryFinding::ALL.iter().all(|finding| CanaryFinding::parse(finding.as_str()) == Some(*finding)));
}
