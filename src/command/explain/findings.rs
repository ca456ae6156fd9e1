//! Findings in words.

use super::{Told, told};
use crate::domain::finding::FindingCode;

pub(super) fn told_of(code: FindingCode) -> Told {
    match code {
        FindingCode::MissingColumn => MISSING_COLUMN,
        FindingCode::DuplicateColumn => DUPLICATE_COLUMN,
        FindingCode::RaggedRow => RAGGED_ROW,
        FindingCode::UnclosedQuote => UNCLOSED_QUOTE,
        FindingCode::InvalidUtf8 => INVALID_UTF8,
        FindingCode::Utf16 => UTF16,
        FindingCode::RecordTooLong => RECORD_TOO_LONG,
        FindingCode::InvalidJson => INVALID_JSON,
        FindingCode::MissingValue => MISSING_VALUE,
        FindingCode::SurroundingSpace => SURROUNDING_SPACE,
        FindingCode::InvisibleCharacter => INVISIBLE_CHARACTER,
        FindingCode::SmartQuote => SMART_QUOTE,
        FindingCode::ControlCharacter => CONTROL_CHARACTER,
        FindingCode::NumberDamaged => NUMBER_DAMAGED,
        FindingCode::ProviderPrefix => PROVIDER_PREFIX,
        FindingCode::SocialAttribute => SOCIAL_ATTRIBUTE,
        FindingCode::SourceIsNative => SOURCE_IS_NATIVE,
        FindingCode::ProviderNameInvalid => PROVIDER_NAME_INVALID,
        FindingCode::AttributeNameInvalid => ATTRIBUTE_NAME_INVALID,
        FindingCode::ValueTooLong => VALUE_TOO_LONG,
        FindingCode::SourceTooLong => SOURCE_TOO_LONG,
        FindingCode::FilterTooLong => FILTER_TOO_LONG,
        FindingCode::DuplicateRow => DUPLICATE_ROW,
        FindingCode::IdentityForTwoUsers => IDENTITY_FOR_TWO_USERS,
        FindingCode::TooManyIdentities => TOO_MANY_IDENTITIES,
        FindingCode::LowercasedIdentity => LOWERCASED_IDENTITY,
        FindingCode::UnusualLength => UNUSUAL_LENGTH,
        FindingCode::UppercaseEmailNameId => UPPERCASE_EMAIL_NAME_ID,
    }
}

const MISSING_COLUMN: Told = told(
    "Every row needs an existing user, a provider and an identity; a header that names none of the known columns \
     for one of them leaves every row without it.",
    "Name the column with --map, give a constant with --set, or say whose export it is with --preset. JSON lines \
     have no header: there the row lacks the value.",
);

const DUPLICATE_COLUMN: Told = told(
    "Two columns with one meaning may differ from row to row, and choosing one would be a guess.",
    "Choose with --map COLUMN=NAME, rename one, or drop --set. A row with several identities is written as several \
     rows.",
);

const RAGGED_ROW: Told = told(
    "A delimiter inside a value that is not quoted moves every value behind it to another column, where it may look \
     sound.",
    "Quote values that hold the delimiter, or export again with another delimiter; --delimiter names it.",
);

const UNCLOSED_QUOTE: Told = told(
    "Without its closing quote a field swallows the lines behind it, and people vanish from the file.",
    "Close the quote, and double the quotes inside a quoted field.",
);

const INVALID_UTF8: Told = told(
    "Bytes of another encoding, or the mark of a character that an earlier conversion lost, are not what the \
     provider sends.",
    "Save the file as UTF-8, or export it again where the mark of a lost character stands.",
);

const UTF16: Told = told(
    "Some programs save \"Unicode text\" in two bytes a character; it cannot be told safely from damage.",
    "Save the file as UTF-8 (in a spreadsheet: CSV UTF-8).",
);

const RECORD_TOO_LONG: Told = told(
    "No identity needs so much; nearly always a line end or a closing quote is missing, and many rows have run \
     together.",
    "Look at the line, mend its end, and leave out columns with large texts.",
);

const INVALID_JSON: Told = told(
    "The line cannot be read without guessing, or holds a list, an object or a truth value where a text is needed.",
    "Write one whole object a line, as jq -c does, with identities as quoted texts.",
);

const MISSING_VALUE: Told = told(
    "The service needs a user, a provider and a value; a blank one is an export's way to say that it does not know.",
    "Fill it in, or leave the row out. A user may be named by destination_username, destination_sub or \
     destination_email.",
);

const SURROUNDING_SPACE: Told = told(
    "Identities are matched byte for byte at sign-in; one with a space is taken by the service and never \
     recognised.",
    "Remove it in the file. Where the provider does send it, --allow surrounding_space sends the row and only \
     warns.",
);

const INVISIBLE_CHARACTER: Told = told(
    "Copying from a page or a document brings such characters along; the service takes them, and no sign-in ever \
     matches.",
    "Type the value anew or delete the character. --allow invisible_character sends the row and only warns.",
);

const SMART_QUOTE: Told = told(
    "Word processors and spreadsheets put typographic quotes in place of plain ones; the provider sends what it \
     has, and the two do not match.",
    "Put the plain quote. --allow smart_quote sends the row and only warns.",
);

const CONTROL_CHARACTER: Told = told(
    "No provider sends one; it comes from a broken export or a line end inside a value.",
    "Export the value again or delete the character.",
);

const NUMBER_DAMAGED: Told = told(
    "Spreadsheets keep 15 digits of a number, and JSON readers about as many; the rest becomes zeros, an exponent \
     or a decimal tail. The damaged id may be somebody else's.",
    "Export again with the identifier as text, and open the file in no spreadsheet. --allow number_damaged sends \
     what was a text and only warns.",
);

const PROVIDER_PREFIX: Told = told(
    "The pool names federated profiles Provider_id, and Auth0 puts its connection before the id; the provider \
     itself sends the bare id. A link with the prefix is taken and never recognised.",
    "Give what the provider sends: identities[].userId, or what stands behind the prefix. --allow provider_prefix \
     is for a provider of another name that federates to Auth0.",
);

const SOCIAL_ATTRIBUTE: Told = told(
    "Google, Facebook, Login with Amazon and Sign in with Apple are recognised by their subject only; the service \
     refuses anything else.",
    "Leave source_attribute empty and give the subject.",
);

const SOURCE_IS_NATIVE: Told = told(
    "A user of the pool itself can only be the destination of a link.",
    "Name the external provider as source_provider, and the native user as destination.",
);

const PROVIDER_NAME_INVALID: Told = told(
    "The service's model takes 1 to 32 characters for the name of a provider.",
    "Give the name that the pool shows for the provider, case included.",
);

const ATTRIBUTE_NAME_INVALID: Told = told(
    "It is the name of an attribute of the pool, such as email or custom:employee, and not of a claim.",
    "Give the pool's attribute that the provider's mapping fills, or leave it empty for Cognito_Subject.",
);

const VALUE_TOO_LONG: Told = told(
    "The service takes 128 characters for a user name and 2,048 for an attribute.",
    "Look whether two values have run together, and correct the row.",
);

const SOURCE_TOO_LONG: Told = told(
    "Provider name, attribute name and value of a source may have 128 characters together; that stands in no \
     document, and was seen in the field.",
    "Take a shorter identifier, such as the subject in place of a long e-mail address, or give the provider a \
     shorter name.",
);

const FILTER_TOO_LONG: Told = told(
    "A user who is named by e-mail address or sub is looked up, and a filter takes 256 characters.",
    "Name the user by destination_username.",
);

const DUPLICATE_ROW: Told = told(
    "The same link was asked for before; asking again is harmless and counts as the first one does.",
    "Nothing, or remove the repeated row.",
);

const IDENTITY_FOR_TWO_USERS: Told = told(
    "An identity signs in as one user only, so whichever row came first would win, and the other person would sign \
     in as somebody else.",
    "Find out which user is right, and remove the other row.",
);

const TOO_MANY_IDENTITIES: Told = told(
    "A user holds five identities at the most. More in one file nearly always mean that a column is mapped to the \
     wrong destination, as a shared address would be.",
    "Look at what names the destination. Where it is right, choose five.",
);

const LOWERCASED_IDENTITY: Told = told(
    "The pool shows the user names of federated profiles in lower case while the provider keeps its own; a link by \
     the lower-cased id is taken, and every sign-in by it fails.",
    "Compare with what the provider shows for one such person; take the id from the provider or from \
     identities[].userId.",
);

const UPPERCASE_EMAIL_NAME_ID: Told = told(
    "A NameID is matched by exact case; where the provider sends the address in lower case, a capital keeps the \
     person out, and the reverse.",
    "Look at one assertion of the provider. Where it has the capitals, --allow uppercase_email_name_id says that \
     you know.",
);

const UNUSUAL_LENGTH: Told = told(
    "Nearly all identifiers of this provider have one length; another one has lost or gained characters on its way, or is \
     of another kind.",
    "Compare the value with the provider's own list. --allow unusual_length says that it has been seen.",
);
