//! Explanations of refusals.

use super::explanation::{Explanation, explanation};
use crate::domain::outcome::RefusalCode;

pub(super) fn explain_refusal(code: RefusalCode) -> Explanation {
    match code {
        RefusalCode::UserNotFound => explanation(
            "A link needs an existing user. In a case-sensitive pool the user name must have the exact case, and an alias \
             is not a user name.",
            "Check the user name, its case, and the pool. For the profile of a federated user, add destination_provider.",
        ),
        RefusalCode::UserAmbiguous => explanation(
            "Several users of a pool can have one e-mail address: profiles share it, and aliases are unique only once they \
             are verified. Whoever gets the link can be signed in as, so this tool does not guess.",
            "Name the user by destination_username or destination_sub, or choose one in choices.csv of validate --split.",
        ),
        RefusalCode::IdentityHasProfile => explanation(
            "At the first sign-in of an identity that is not linked, the service creates a profile for it. No call merges \
             two profiles.",
            "Only deleting that profile, with its data, and linking before the next sign-in helps. That decision is yours: \
             this tool never deletes a user.",
        ),
        RefusalCode::LinkedElsewhere => explanation(
            "An identity can be linked to one user only, and is linked to another one.",
            "First find out which of the two users is right: whoever holds the link signs in as that user.",
        ),
        RefusalCode::TooManyIdentities => explanation(
            "A user can hold at most five identities, its own included. This quota cannot be raised.",
            "Unlink an identity that is not used. If many rows have this code, a column is mapped to the wrong destination.",
        ),
        RefusalCode::ProviderNotFound => explanation(
            "A link must name the provider as the pool does, case included. That can differ from the provider's own name.",
            "Compare the name with the pool's identity providers. To set one name for all rows, pass --set \
             source_provider=NAME.",
        ),
        RefusalCode::AttributeNotMapped => explanation(
            "To identify users by an attribute, the pool must map a claim of the provider to it. Otherwise no sign-in \
             carries the value.",
            "Map the attribute in the provider's settings, or leave source_attribute empty to link by Cognito_Subject.",
        ),
        RefusalCode::AliasExists => explanation(
            "The service answered AliasExistsException. This was observed where another user has the same e-mail address \
             or phone number as an alias. The service does not say which user.",
            "Look at both users before you attempt the row again.",
        ),
        RefusalCode::NativeUserInTheWay => explanation(
            "The profile of an identity has the user name Provider_id. A native user with that name, from an import or a \
             restore, is taken for the source of the link, and a native user cannot be a source.",
            "Look at that user, then rename or remove it yourself.",
        ),
        RefusalCode::CaseDiffers => explanation(
            "Ids are compared by exact case at every sign-in, but a case-insensitive pool has user names made from them in \
             lower case. The service accepts such a link, but nobody can sign in with it.",
            "Take the id from the provider, never from a user name. If both ids are right, pass --allow case_differs.",
        ),
        RefusalCode::InvalidParameter => explanation(
            "The service gives this answer for many reasons. Here, its text names a value of the request.",
            "Read the text in the report, or unmasked with report --show-values, and correct the row.",
        ),
        RefusalCode::Gone => explanation(
            "The user was read before the call. The call names only the identity, and would take it from whoever holds it.",
            "Nothing: this user has no such link. Only a scan of the pool shows whether another user holds the identity.",
        ),
        RefusalCode::Moved => explanation(
            "The identity has a later date than the ledger's result, or has a profile of its own. Somebody linked it again, \
             or it was unlinked and has signed in.",
            "Check this before you unlink it yourself: an unlink takes the identity from whoever holds it.",
        ),
        RefusalCode::UsedSince => explanation(
            "From the first sign-in on, a link by an attribute is known by the provider's subject. The pool does not show \
             the subject, or shows several candidates.",
            "Get the subject from the provider, and call AdminDisableProviderForUser with Cognito_Subject yourself.",
        ),
        RefusalCode::FormUnknown => explanation(
            "The user holds the identity, but the service answered that there is no such link: it knows the link by other \
             values, perhaps since a sign-in.",
            "Read in the ledger what was sent and answered, look at the user's identities, and unlink the identity \
             yourself.",
        ),
        RefusalCode::Unrecognised => explanation(
            "The texts of the service change over the years. An unknown text is kept word for word, and never taken for a \
             success or for a reason to retry.",
            "Read the text in the ledger, look at the user before you go on, and report the text to the maintainers.",
        ),
    }
}
