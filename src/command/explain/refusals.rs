//! Refusals in words.

use super::{Told, told};
use crate::domain::outcome::RefusalCode;

pub(super) fn told_of(code: RefusalCode) -> Told {
    match code {
        RefusalCode::UserNotFound => told(
            "A link needs a user to hang on; the service makes none. User names are compared by exact case in pools \
             that are case-sensitive, and an alias is not a user name.",
            "Check the user name, its case, and the pool. A federated user needs destination_provider.",
        ),
        RefusalCode::UserAmbiguous => told(
            "A pool lets several users have one e-mail address: federated profiles share it, and aliases are unique only \
             once they are verified. Whoever gets the link can be signed in as, so none is guessed.",
            "Name the user by destination_username or destination_sub.",
        ),
        RefusalCode::IdentityHasProfile => told(
            "At the first sign-in of an identity that no user holds, the service makes it a profile of its own, and no \
             call merges two profiles.",
            "Only deleting that profile (its data with it) and linking before the next sign-in helps; that is yours to \
             decide, this tool never deletes.",
        ),
        RefusalCode::LinkedElsewhere => told(
            "An identity signs in as one user at the most, and another one holds it already.",
            "Find out which of the two users is right before anything else: whoever holds the link signs in as that user.",
        ),
        RefusalCode::TooManyIdentities => told(
            "A user holds five identities at the most, its own included; the quota is not adjustable.",
            "Unlink one that is not used. Many such rows mean that a column is mapped to the wrong destination.",
        ),
        RefusalCode::ProviderNotFound => told(
            "A link names the provider as the pool names it, case included, and not as the provider names itself.",
            "Compare the name with the pool's list of identity providers; --set source_provider=NAME gives one to all rows.",
        ),
        RefusalCode::AttributeNotMapped => told(
            "An identity that is recognised by an attribute needs a claim of the provider mapped to it, or no sign-in ever \
             carries the value.",
            "Map the attribute in the provider's settings, or leave source_attribute empty to link by Cognito_Subject.",
        ),
        RefusalCode::AliasExists => told(
            "The service answered AliasExistsException; it was seen where another user has the same e-mail address or \
             phone number as an alias, and the service does not say which one.",
            "Look at both users by hand before anything is attempted again.",
        ),
        RefusalCode::NativeUserInTheWay => told(
            "The profile of an identity is named Provider_id; a native user of that name, as an import or a restore makes \
             it, is taken for the source, and a native user cannot be one.",
            "Look at that user, then rename or remove it by hand.",
        ),
        RefusalCode::CaseDiffers => told(
            "Ids are matched by exact case at every sign-in, while a case-insensitive pool keeps the user names made from them \
             in lower case. The service makes such a link, and then nobody can use it.",
            "Take the id from the provider, never from a user name. Where both ids are right, --allow case_differs sends the \
             row.",
        ),
        RefusalCode::InvalidParameter => told(
            "The service gives this answer for many things; its text decides, and this one names a value of the request.",
            "The ledger holds what the service answered (`report --show-values` prints it); correct the row.",
        ),
        RefusalCode::Gone => GONE,
        RefusalCode::Moved => MOVED,
        RefusalCode::UsedSince => USED_SINCE,
        RefusalCode::FormUnknown => FORM_UNKNOWN,
        RefusalCode::Unrecognised => told(
            "The service changes its texts over the years. A text that is not in the table is kept word for word, and never \
             taken for a success or for a reason to try again.",
            "The ledger holds the text; look at the user by hand before you go on, and report the text to us.",
        ),
    }
}

const GONE: Told = told(
    "The user was read before the call, which names only the identity and takes it from whoever holds it.",
    "Nothing is left to take back there. Whether another user holds the identity now, only a scan of the pool tells.",
);
const MOVED: Told = told(
    "The identity has a later date than this ledger's result, or a profile that was born from it: somebody linked \
     it again, or it was unlinked and signed in.",
    "Look at that before you unlink by hand: an unlink takes the identity from whoever holds it.",
);
const USED_SINCE: Told = told(
    "A link by an attribute goes by the provider's subject from the first sign-in on, and the pool does not show \
     which one that is, or shows several that it could be.",
    "Take the subject from the provider, and call AdminDisableProviderForUser with Cognito_Subject by hand.",
);
const FORM_UNKNOWN: Told = told(
    "The identity was seen on the user, and the service answered that there is no such link: it knows the link by \
     other values, perhaps after a sign-in.",
    "The ledger holds what was sent and said; look at the user's identities and unlink by hand.",
);
