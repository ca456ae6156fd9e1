//! Identifiers that cannot be what the provider sends: damaged numbers, foreign prefixes, changed case. Pure.

use super::words;

/// Significant digits that a spreadsheet keeps of a number.
const SPREADSHEET_DIGITS: usize = 15;
/// Zeros at the end that make a long number suspicious. Whatever lies beyond the fifteenth digit must be zeros, and at
/// 16 digits that alone would also hold for every tenth sound number; with three it holds for one in a thousand.
const SUSPICIOUS_ZEROS: usize = 3;

/// What a spreadsheet or a JSON writer did to an identifier of digits, where it shows.
pub(super) fn number_damage(text: &str) -> Option<&'static str> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text[digits..].chars().next() {
        None => is_rounded(text).then_some(
            "is a long number that ends in zeros, as spreadsheets write what has over 15 digits; export it as text",
        ),
        Some('E' | 'e' | '.' | ',') => fraction_or_exponent(&text[digits..]),
        Some(_) => None,
    }
}

fn is_rounded(digits: &str) -> bool {
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    digits.len() > SPREADSHEET_DIGITS && zeros >= SUSPICIOUS_ZEROS.max(digits.len() - SPREADSHEET_DIGITS)
}

/// `.04E+20`, `E+20` or `.0` behind digits. `12e45` alone may be a hexadecimal id, so a bare exponent needs its sign.
fn fraction_or_exponent(tail: &str) -> Option<&'static str> {
    let fraction = tail.strip_prefix(['.', ',']);
    let after_mark = fraction.unwrap_or(tail);
    let fraction_digits = after_mark.bytes().take_while(u8::is_ascii_digit).count();
    let exponent = &after_mark[fraction_digits..];
    if exponent.is_empty() {
        let zeros_only = fraction_digits > 0 && after_mark.bytes().all(|byte| byte == b'0');
        return (fraction.is_some() && zeros_only)
            .then_some("is a number with a decimal tail; export the identifier as text");
    }
    let power = exponent.strip_prefix(['E', 'e'])?;
    let unsigned = power.strip_prefix(['+', '-']);
    let has_mark = fraction.is_some_and(|_| fraction_digits > 0) || (fraction.is_none() && unsigned.is_some());
    let power_digits = unsigned.unwrap_or(power);
    (has_mark && !power_digits.is_empty() && power_digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some("is a number in exponent form, its last digits are lost; export the identifier as text")
}

/// Prefixes of the user names that the service gives to profiles of social providers, and whether their ids are digits.
const SOCIAL_PREFIXES: [(&str, bool); 4] =
    [("google_", true), ("facebook_", true), ("loginwithamazon_", false), ("signinwithapple_", false)];
/// Prefixes that Auth0 puts before the ids of its users (Auth0, "User profile structure": `user_id`).
const AUTH0_PREFIXES: [&str; 15] = [
    "auth0|",
    "google-oauth2|",
    "facebook|",
    "windowslive|",
    "apple|",
    "github|",
    "twitter|",
    "linkedin|",
    "samlp|",
    "waad|",
    "adfs|",
    "oidc|",
    "okta|",
    "email|",
    "sms|",
];
/// Longest prefix of [`AUTH0_PREFIXES`], in bytes.
const AUTH0_PREFIX_BYTES_MAX: usize = 14;

/// A prefix that belongs to a user name or to another system, where the subject at this provider has none.
pub(super) fn foreign_prefix(provider: &str, subject: &str) -> Option<&'static str> {
    // A prefix ends in one of two marks, which nearly no value has.
    if words::bytes_before(subject.as_bytes(), *b"_||") == subject.len() {
        return None;
    }
    let own = strip_prefix_ignoring_case(subject, provider).is_some_and(|rest| rest.starts_with('_'));
    if own || SOCIAL_PREFIXES.iter().any(|(prefix, digits)| has_social_prefix(subject, prefix, *digits)) {
        return Some(
            "starts with a provider's name and _, as the pool's user names of federated profiles do; give only what \
             the provider sends (identities[].userId)",
        );
    }
    let head = &subject.as_bytes()[..subject.len().min(AUTH0_PREFIX_BYTES_MAX)];
    if !head.contains(&b'|') || provider.to_ascii_lowercase().contains("auth0") {
        return None;
    }
    let of_auth0 = AUTH0_PREFIXES.iter().any(|prefix| strip_prefix_ignoring_case(subject, prefix).is_some());
    of_auth0.then_some("starts with a prefix of Auth0, and the provider is not Auth0; give what stands behind the |")
}

fn has_social_prefix(subject: &str, prefix: &str, digits_only: bool) -> bool {
    strip_prefix_ignoring_case(subject, prefix)
        .is_some_and(|rest| !rest.is_empty() && (!digits_only || rest.bytes().all(|byte| byte.is_ascii_digit())))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// What Entra puts into the user principal names of guests, always with these capitals (Microsoft, "Properties of a
/// B2B collaboration user").
const ENTRA_GUEST_MARK: &str = "#EXT#";

/// Whether this is shaped like an e-mail address and has capitals that somebody chose.
pub(super) fn is_email_with_capitals(text: &str) -> bool {
    // Nearly every value is lower-case ASCII, which one pass without branches tells.
    if !text.bytes().fold(false, |odd, byte| odd | byte.is_ascii_uppercase() | !byte.is_ascii()) {
        return false;
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let has_capitals = |part: &str| part.chars().any(char::is_uppercase);
    !local.is_empty() && domain.contains('.') && text.split(ENTRA_GUEST_MARK).any(has_capitals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_numbers() {
        let damaged = [
            "1.04E+20",
            "1,04E+20",
            "1.04e20",
            "1E+20",
            "1.0984E-5",
            "123456789012.0",
            "123456789012.000",
            "12,0",
            "104000000000000000000",
            "109842123456789000000",
            "1234567890123000",
            "12345678901234000",
            "123456789012345000",
        ];
        let sound = [
            "",
            "0",
            "123456789012345",
            "1234567890123450",
            "12345678901234500",
            "109842123456789000001",
            "100000000000000",
            "1e5",
            "12e4567",
            "00u1abc",
            "1.04",
            "1.2.3",
            "1.E+5",
            "1E+",
            "12.34.0",
            "a1.04E+20",
            "001968.a6ca1234.0733",
            "2024-01-01",
            "123456789012345678901",
            "1.04E+20x",
            "1Ü",
        ];
        for text in damaged {
            assert!(number_damage(text).is_some(), "{text}");
        }
        for text in sound {
            assert_eq!(number_damage(text), None, "{text}");
        }
    }

    #[test]
    fn foreign_prefixes() {
        let foreign = [
            ("Google", "google_109842"),
            ("Google", "Google_109842"),
            ("Okta", "okta_00u1abc"),
            ("Okta", "google_123"),
            ("Okta", "SignInWithApple_001968.a6"),
            ("Google", "google-oauth2|109842"),
            ("Okta", "auth0|5f7c"),
            ("Corp", "Auth0|5f7c"),
            ("Facebook", "facebook|1"),
            ("Älpe", "Älpe_1"),
        ];
        let own = [
            ("Google", "109842"),
            ("Auth0", "auth0|5f7c"),
            ("my-auth0-tenant", "google-oauth2|109842"),
            ("Okta", "00u_okta"),
            ("Okta", "oktapus_1"),
            ("Corp", "google_admin"),
            ("Corp", "google_"),
            ("Corp", "a|b"),
            ("Corp", "tenant-with-a-long-name|auth0|1"),
            ("Corp", "äöü"),
        ];
        for (provider, subject) in foreign {
            assert!(foreign_prefix(provider, subject).is_some(), "{provider} {subject}");
        }
        for (provider, subject) in own {
            assert_eq!(foreign_prefix(provider, subject), None, "{provider} {subject}");
        }
        assert_eq!(AUTH0_PREFIXES.iter().map(|prefix| prefix.len()).max(), Some(AUTH0_PREFIX_BYTES_MAX));
    }

    #[test]
    fn capitals_in_addresses() {
        for text in ["Carlos@example.com", "carlos@Example.com", "É@example.com"] {
            assert!(is_email_with_capitals(text), "{text}");
        }
        assert!(is_email_with_capitals("Carla_example.org#EXT#@corp.example.com"));
        let sound = ["carlos@example.com", "Carlos", "Carlos@", "@Example.com", "Carlos@host", "PY5dp6qYC"];
        for text in sound.into_iter().chain(["carla_example.org#EXT#@corp.example.com"]) {
            assert!(!is_email_with_capitals(text), "{text}");
        }
    }
}
