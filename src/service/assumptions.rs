//! Everything that this program assumes about the service and that is not proven: one table.
//!
//! `docs/assumptions.md` is generated from it, and `probe` asks a service the questions. The switches of the simulator
//! (`--behavior`) that stand for other answers are named here too, so that the answers of a service can be simulated.

/// One assumption.
#[derive(Debug, PartialEq, Eq)]
pub struct Assumption {
    pub id: &'static str,
    /// What is assumed.
    pub assumed: &'static str,
    /// Where it comes from, and how sure it is.
    pub evidence: &'static str,
    /// What the program does if it holds.
    pub if_it_holds: &'static str,
    /// What the program does if it does not.
    pub if_not: &'static str,
    pub question: ProbeQuestion,
    /// The switches for the other answers that `probe` can detect.
    pub detected: &'static [&'static str],
    /// The switches for answers that only a federated sign-in shows.
    pub undetected: &'static [&'static str],
}

/// How a service can be asked about an assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeQuestion {
    /// Calls of the API answer it.
    Calls(&'static str),
    /// It takes a federated sign-in, which the API does not have.
    SignIn {
        question: &'static str,
        /// How a person finds out.
        by_hand: &'static str,
    },
}

impl ProbeQuestion {
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self {
            Self::Calls(question) | Self::SignIn { question, .. } => question,
        }
    }
}

use ProbeQuestion::{Calls, SignIn};

/// The assumptions, in the order of the documentation.
pub const ASSUMPTIONS: &[Assumption] = &[
    Assumption {
        id: "name-case",
        assumed: "A case-insensitive pool shows user names in lower case.",
        evidence: "Seen for federated users. AWS's guide says that text output is in lower case. Nobody says it for \
                   native users in ListUsers.",
        if_it_holds: "A filter with the name as given, then one with the name in lower case, finds the user.",
        if_not: "The same two filters, and names are compared without case where the pool folds it. The ledger keeps the \
                 name as the pool shows it.",
        question: Calls("Does ListUsers show a native user name with capitals in lower case?"),
        detected: &["names-keep-case"],
        undetected: &[],
    },
    Assumption {
        id: "filter-escape",
        assumed: "In a filter of ListUsers, \\\\ stands for one backslash.",
        evidence: "Documented for the quotation mark only.",
        if_it_holds: "One filter finds a user name with a backslash.",
        if_not: "Where the filter finds nobody, the program filters by the part before the first such character and \
                 compares itself, or calls AdminGetUser with --settle-with get-user. A user who was not seen is never \
                 reported as gone.",
        question: Calls("Does a filter with an escaped backslash find a user name with a backslash?"),
        detected: &["filter-keeps-backslashes"],
        undetected: &[],
    },
    Assumption {
        id: "destination-name",
        assumed: "The destination of a link is named by its user name only.",
        evidence: "Documented. Public scripts send a sub or an e-mail address.",
        if_it_holds: "A row that names a sub or an address as a user name is refused before it is sent.",
        if_not: "The same: a plan, validate and link look such names up first. The ledger keeps the user name of the user \
                 who was found.",
        question: Calls("Does a link accept the sub or the verified e-mail address of its destination?"),
        detected: &["destination-by-alias"],
        undetected: &[],
    },
    Assumption {
        id: "federated-name",
        assumed: "The user name of a federated user is Provider_id.",
        evidence: "Documented. A provider that maps username makes another name.",
        if_it_holds: "A federated destination is found by that name.",
        if_not: "The program accepts a user only if it holds the identity as its own, and keeps the name that it saw. \
                 A user who was not found is in doubt, never gone.",
        question: SignIn {
            question: "Is the user name of a federated user Provider_id?",
            by_hand: "Sign in with a provider of your test pool, and compare Username with identities in \
                      `aws cognito-idp list-users`.",
        },
        detected: &[],
        undetected: &["mapped-usernames"],
    },
    Assumption {
        id: "repeat-refused",
        assumed: "A link that exists already is refused.",
        evidence: "Reported many times, once from a deliberate repetition.",
        if_it_holds: "The row is already_linked after a read of the user.",
        if_not: "undo leaves a link whose date is before the announcement of this ledger, and a link that was read back \
                 with an older date is already_linked.",
        question: Calls("Is a repeated link refused?"),
        detected: &["repeat-succeeds"],
        undetected: &[],
    },
    Assumption {
        id: "held-refused",
        assumed: "An identity that another user holds is refused, with an unknown text.",
        evidence: "Not known. Class and text are guesses.",
        if_it_holds: "Whatever the text, the user is read before the row is refused.",
        if_not: "If the service moves the identity to the new user, only a plan or a scan prevents it: with one, such \
                 rows are never sent.",
        question: Calls("What is the answer to a link of an identity that another user holds, and who has it then?"),
        detected: &["held-moves", "held-is-merging", "held-is-alias-exists"],
        undetected: &[],
    },
    Assumption {
        id: "merging-no-effect",
        assumed: "\"Merging is not currently supported\" means that nothing was linked.",
        evidence: "One report contradicts it (aws-sdk-net #1000).",
        if_it_holds: "The row is refused after a read of the user.",
        if_not: "The read shows the link, and the row is linked.",
        question: SignIn {
            question: "Is the link there after the answer \"Merging is not currently supported\"?",
            by_hand: "Sign in with a provider of your test pool, link that identity to a native user, and list both users.",
        },
        detected: &[],
        undetected: &["merging-links"],
    },
    Assumption {
        id: "not-authorized",
        assumed: "NotAuthorizedException is about the rights of the caller.",
        evidence: "In the service model. Calls of the same API say \"User is disabled.\" with it.",
        if_it_holds: "A text about access stops the run with status 7.",
        if_not: "Another text refuses only its row. Ten different rows in a row with this answer stop the run.",
        question: Calls("What is the answer to a link to a disabled user?"),
        detected: &["disabled-not-authorized"],
        undetected: &[],
    },
    Assumption {
        id: "pool-missing",
        assumed: "ResourceNotFoundException with \"user pool\" in its text means that the pool is gone.",
        evidence: "Inferred.",
        if_it_holds: "DescribeUserPool confirms it, and the run stops with status 7.",
        if_not: "DescribeUserPool finds the pool, and only the row is refused.",
        question: Calls("What is the answer to a link with a provider that the pool does not have?"),
        detected: &["provider-missing-says-pool"],
        undetected: &[],
    },
    Assumption {
        id: "limit-is-five",
        assumed: "LimitExceededException means that the user has five identities.",
        evidence: "The limit is documented. The text is not known, and another limit of five attribute names exists.",
        if_it_holds: "A read shows five identities: too_many_identities.",
        if_not: "A read shows fewer: a text about the rate is a throttle, a link by attribute is attribute_names_limit, \
                 and anything else gets another attempt.",
        question: Calls("What are the answers to a sixth identity, and to a sixth attribute name of one provider?"),
        detected: &["limit-is-throttle", "limit-is-attribute-names"],
        undetected: &[],
    },
    Assumption {
        id: "list-lag",
        assumed: "ListUsers shows a write within 11 s.",
        evidence: "ListUsers is documented as eventually consistent, without a bound.",
        if_it_holds: "One read settles a doubtful call.",
        if_not: "After a doubtful call of our own, absence proves nothing: the program reads again with growing gaps, and \
                 then leaves the row in doubt for a later run.",
        question: Calls("After what time does ListUsers show a link?"),
        detected: &["list-lag-40s"],
        undetected: &[],
    },
    Assumption {
        id: "date-there",
        assumed: "Each identity has dateCreated, in milliseconds, and it never changes.",
        evidence: "Reported for its presence and unit.",
        if_it_holds: "The date says whose link it is.",
        if_not: "The unit follows from the size. Without a date a link is recovered and undo leaves it. A date after our \
                 result makes undo report moved.",
        question: Calls(
            "Is dateCreated in a new identity, and in which unit? (Whether a sign-in changes it is not asked.)",
        ),
        detected: &["dates-absent", "dates-in-seconds"],
        undetected: &["dates-rewritten"],
    },
    Assumption {
        id: "attribute-link-visible",
        assumed: "A link by an attribute is in identities before the first sign-in.",
        evidence: "A sample in AWS's guide.",
        if_it_holds: "A read settles such a link.",
        if_not: "An absent link by an attribute is not known, never missing or gone.",
        question: Calls("Is a SAML link by an attribute in identities before the first sign-in?"),
        detected: &["attribute-links-hidden"],
        undetected: &[],
    },
    Assumption {
        id: "own-counts",
        assumed: "The identity from which a federated user was created is one of its five.",
        evidence: "Not known.",
        if_it_holds: "The service refuses the fifth link of such a user, and the row is refused.",
        if_not: "A plan refuses only what is sure, so the link is sent and made.",
        question: SignIn {
            question: "Can a federated user have five links beside its own identity?",
            by_hand: "Sign in with a provider of your test pool, and link five other identities to that user.",
        },
        detected: &[],
        undetected: &["own-identity-not-counted"],
    },
    Assumption {
        id: "128-counts-name",
        assumed: "Provider name, attribute name and value of a source have at most 128 characters together.",
        evidence: "The limit was reported (aws-sdk-js-v3 #6985). What counts is inferred.",
        if_it_holds: "A longer row is an error, source_too_long.",
        if_not: "--allow source_too_long sends it.",
        question: Calls("Is a link refused whose value has fewer than 128 characters, and the three together 129?"),
        detected: &["length-counts-value-only"],
        undetected: &[],
    },
    Assumption {
        id: "name-32",
        assumed: "Provider names have at most 32 characters.",
        evidence: "The API says 32, the page of quotas 40.",
        if_it_holds: "No pool has a longer name.",
        if_not: "The list of the pool is believed, up to 128 characters.",
        question: Calls("Can a provider with a name of 40 characters be created?"),
        detected: &["provider-names-40"],
        undetected: &[],
    },
    Assumption {
        id: "text-no-look",
        assumed: "Texts about constraints and \"does not exist\" mean that nothing was linked.",
        evidence: "Not known.",
        if_it_holds: "One read, then the row is refused.",
        if_not: "The read shows the link, and the row is linked.",
        question: Calls("Is a link absent after such a refusal?"),
        detected: &["refusals-link"],
        undetected: &[],
    },
    Assumption {
        id: "sub-prefix",
        assumed: "Sixteen filters sub ^= \"0\" to \"f\" list each user of a pool once.",
        evidence: "The filter is documented.",
        if_it_holds: "A scan reads sixteen chains of pages.",
        if_not: "The scan reads one chain.",
        question: Calls("Do filters by the first character of sub list every user once?"),
        detected: &["no-sub-prefix"],
        undetected: &[],
    },
    Assumption {
        id: "unlink-form",
        assumed: "What is not linked is refused, and a used link by an attribute is removed by its subject.",
        evidence: "The text was reported, its class was not. The form is documented for SAML.",
        if_it_holds: "undo sends the form that the pool shows.",
        if_not: "undo refuses the row with form_unknown.",
        question: Calls(
            "What is the answer to unlinking what is not linked? (A used link by an attribute needs a sign-in.)",
        ),
        detected: &["unlink-says-user-not-found"],
        undetected: &["attribute-link-stays", "unlink-by-attribute-after-sign-in"],
    },
    Assumption {
        id: "new-text",
        assumed: "Refusals have the texts that have been reported.",
        evidence: "Reported. One text changed in 2024.",
        if_it_holds: "The text gives the refusal its code.",
        if_not: "The user is read before the row is refused as unrecognised.",
        question: Calls("Are the texts of refusals known?"),
        detected: &["old-already-linked-text", "unknown-texts"],
        undetected: &[],
    },
];

/// The assumption of this id.
#[must_use]
pub fn assumption(id: &str) -> Option<&'static Assumption> {
    ASSUMPTIONS.iter().find(|assumption| assumption.id == id)
}
