//! Explanations of findings.

use super::explanation::{Explanation, explanation};
use crate::domain::finding::FindingCode;

#[expect(clippy::too_many_lines, reason = "one table")]
pub(super) fn explain_finding(code: FindingCode) -> Explanation {
    match code {
        FindingCode::MissingColumn => explanation(
            "Every row needs a destination user, a provider and a value. The header has no known column for one of them.",
            "Name the column with --map, set a constant with --set, or name the product of the export with --preset. In \
             JSON lines, add the member to the row.",
        ),
        FindingCode::DuplicateColumn => explanation(
            "Two columns with one meaning can differ from row to row, and this tool does not guess.",
            "Choose one with --map COLUMN=NAME, rename one, or omit --set. Write a row with several identities as several \
             rows.",
        ),
        FindingCode::RaggedRow => explanation(
            "A delimiter in a value without quotes moves all following values to other columns, where they can look valid.",
            "Quote values that contain the delimiter, or export with another delimiter and name it with --delimiter.",
        ),
        FindingCode::UnclosedQuote => explanation(
            "A field without its closing quote includes the lines that follow, so their rows are lost.",
            "Close the quote. In a quoted field, double every quote.",
        ),
        FindingCode::InvalidUtf8 => explanation(
            "The value has bytes of another encoding, or the replacement character of an earlier conversion. The provider \
             sends something else.",
            "Save the file as UTF-8. If it has replacement characters, export it again.",
        ),
        FindingCode::Utf16 => explanation(
            "Some programs save text with two bytes for each character, which cannot be distinguished from damage.",
            "Save the file as UTF-8. In a spreadsheet, choose CSV UTF-8.",
        ),
        FindingCode::RecordTooLong => explanation(
            "No row needs so many bytes. Usually a line end or a closing quote is missing, and many rows became one.",
            "Look at the end of that line. Remove columns with long texts.",
        ),
        FindingCode::InvalidJson => explanation(
            "The line is not valid JSON, or has a list, an object or a boolean where a text is required.",
            "Write one complete object on each line, as jq -c does, with identities as quoted texts.",
        ),
        FindingCode::MissingValue => explanation(
            "The service needs a user, a provider and a value. In exports, an empty value usually means unknown.",
            "Add the value, or remove the row. A user can be named by destination_username, destination_sub or \
             destination_email.",
        ),
        FindingCode::SurroundingSpace => explanation(
            "Identities are compared byte by byte at sign-in. The service accepts a value with a space, but no sign-in \
             matches it.",
            "Remove the space in the file. If the provider really sends it, pass --allow surrounding_space.",
        ),
        FindingCode::InvisibleCharacter => explanation(
            "Such characters come with text that is copied from a page or a document. The service accepts them, but no \
             sign-in matches the value.",
            "Delete the character, or type the value again. To send the row as it is, pass --allow invisible_character.",
        ),
        FindingCode::SmartQuote => explanation(
            "Word processors and spreadsheets replace plain quotes by typographic ones. The provider sends the plain quote, \
             and the two do not match.",
            "Put the plain quote back. To send the row as it is, pass --allow smart_quote.",
        ),
        FindingCode::ControlCharacter => explanation(
            "No provider sends such a character. It comes from a damaged export, or from a line end in a value.",
            "Export the value again, or delete the character.",
        ),
        FindingCode::NumberDamaged => explanation(
            "Spreadsheets keep 15 digits of a number, and JSON readers about as many. The other digits become zeros, an \
             exponent or decimals. The damaged id can be the id of another person.",
            "Export again with the id as text, and do not open the file in a spreadsheet. To send ids that are texts, pass \
             --allow number_damaged.",
        ),
        FindingCode::ProviderPrefix => explanation(
            "The pool names profiles Provider_id, and Auth0 puts its connection before the id. The provider sends the id \
             alone. The service accepts a link with the prefix, but no sign-in matches it.",
            "Give the value that the provider sends: identities[].userId, or the part after the prefix. If the provider has \
             another name and federates to Auth0, pass --allow provider_prefix.",
        ),
        FindingCode::SocialAttribute => explanation(
            "Google, Facebook, Login with Amazon and Sign in with Apple identify users by their subject only. The service \
             refuses other attributes.",
            "Leave source_attribute empty, and give the subject.",
        ),
        FindingCode::SourceIsNative => explanation(
            "A native user of the pool can only be the destination of a link.",
            "Name the external provider in source_provider, and the native user as the destination.",
        ),
        FindingCode::ProviderNameInvalid => explanation(
            "The service accepts provider names of 1 to 32 characters.",
            "Give the provider's name as the pool shows it, case included.",
        ),
        FindingCode::ProviderNameLong => explanation(
            "The service model says 32 characters for a provider name, and its quota page says 40. The pool's own list \
             decides: a row whose provider is not in it is refused.",
            "Check the name against the pool, with validate and the pool or with doctor.",
        ),
        FindingCode::AttributeNameInvalid => explanation(
            "The name must be that of an attribute of the pool, such as email or custom:employee, not that of a claim.",
            "Give the attribute that the provider's mapping fills, or leave it empty for Cognito_Subject.",
        ),
        FindingCode::ValueTooLong => explanation(
            "The service accepts 128 characters for a user name, and 2,048 for an attribute.",
            "Check whether two values became one, and correct the row.",
        ),
        FindingCode::SourceTooLong => explanation(
            "Provider, attribute and value of a source may have 128 characters together. The documentation of the service \
             does not say this; it was observed, and the limit may be on the value alone.",
            "Use a shorter identifier, such as the subject in place of an e-mail address, or give the provider a shorter \
             name. To let the service decide, pass --allow source_too_long.",
        ),
        FindingCode::FilterTooLong => explanation(
            "Users that are named by e-mail address or sub are looked up with a filter, which accepts 256 characters.",
            "Name the user by destination_username.",
        ),
        FindingCode::DuplicateRow => explanation(
            "An earlier row has the same link. The duplicate does no harm: it is not sent, and ends as the first row does.",
            "Nothing, or remove the duplicate.",
        ),
        FindingCode::IdentityForTwoUsers => explanation(
            "An identity signs in as one user only. The first row would decide, and the other person would sign in as \
             somebody else.",
            "Find out which user is right, and remove the other row.",
        ),
        FindingCode::TooManyIdentities => explanation(
            "A user can hold at most five identities. More of them in one file usually mean that a column is mapped to the \
             wrong destination, such as an address that several people share.",
            "Check the column that names the destination. If it is right, choose five identities.",
        ),
        FindingCode::LowercasedIdentity => explanation(
            "The pool shows the user names of profiles in lower case, while the provider keeps the case of its ids. The \
             service accepts a link with the lower-case id, but every sign-in with it fails.",
            "Compare with what the provider shows for one such person. Take the id from the provider, or from \
             identities[].userId.",
        ),
        FindingCode::UppercaseEmailNameId => explanation(
            "A NameID is compared by exact case. If the provider sends the address in lower case, a capital letter keeps \
             the person out, and vice versa.",
            "Look at one assertion of the provider. If it has the capital letters, pass --allow uppercase_email_name_id.",
        ),
        FindingCode::UnusualLength => explanation(
            "Nearly all identifiers of this provider have one length. An identifier of another length has lost or gained \
             characters, or is of another kind.",
            "Compare the value with the list of the provider. If it is right, pass --allow unusual_length.",
        ),
    }
}
