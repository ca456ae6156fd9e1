//! What the subjects of known providers look like: what they send as `sub`, `id` or `user_id`.
//!
//! The service fixes the names of the social providers. An export of Okta or Auth0 has the subjects in the column that its
//! preset names. What Entra sends depends on the application, so its preset names no column, and whichever column is mapped
//! must look like something that Entra sends.

use super::preset::Preset;

/// Sources: Google, "`OpenID` Connect" (`sub`); Meta, "User" (`id`, a numeric string); Apple, "Sign in with Apple REST API"
/// (`sub`); Amazon, "Customer profile" (`user_id`); Okta, users API (`id`); Auth0, "Identify users" (`user_id`); Microsoft,
/// "ID token claims reference" (`sub` is pairwise, `oid` a GUID), a `sub` as seen in Microsoft Q&A 167217, and "Customize
/// SAML token claims" (`NameID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubjectShape {
    Google,
    Facebook,
    Apple,
    Amazon,
    Okta,
    Auth0,
    Entra,
}

impl SubjectShape {
    pub(super) fn of_provider(name: &str) -> Option<Self> {
        match name {
            "Google" => Some(Self::Google),
            "Facebook" => Some(Self::Facebook),
            "SignInWithApple" => Some(Self::Apple),
            "LoginWithAmazon" => Some(Self::Amazon),
            _ => None,
        }
    }

    /// The shape of the column that the preset names.
    pub(super) fn of_preset(preset: Preset) -> Option<Self> {
        match preset {
            Preset::Okta => Some(Self::Okta),
            Preset::Auth0 => Some(Self::Auth0),
            Preset::Google => Some(Self::Google),
            Preset::Entra => Some(Self::Entra),
            Preset::Keycloak | Preset::Cognito => None,
        }
    }

    /// Whether the shape is that of every column that may be mapped, and not only of the one that the preset names.
    pub(super) fn is_of_any_column(self) -> bool {
        self == Self::Entra
    }

    /// Whether a value can be such a subject. Lengths are compared with the other values of a file, not with a constant.
    pub(super) fn fits(self, subject: &str) -> bool {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match self {
            Self::Google | Self::Facebook => is_number(subject),
            Self::Apple => match subject.split('.').collect::<Vec<_>>()[..] {
                [team, id, end] => is_number(team) && is_number(end) && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                _ => false,
            },
            Self::Amazon => subject.strip_prefix("amzn1.account.").is_some_and(is_token),
            Self::Okta => subject.strip_prefix("00u").is_some_and(is_token),
            Self::Auth0 => {
                subject.split_once('|').is_some_and(|(connection, id)| !connection.is_empty() && !id.is_empty())
            }
            Self::Entra => {
                is_like_email(subject) || is_guid(subject) || is_pairwise_sub(subject) || is_account_name(subject)
            }
        }
    }

    /// What the provider sends, a lower-case fragment.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Google => "Google sends a number of 21 digits",
            Self::Facebook => "Facebook sends a number",
            Self::Apple => "Apple sends three parts with dots between them, as in 001968.a6ca34….0733",
            Self::Amazon => "Amazon sends amzn1.account. and an id",
            Self::Okta => "Okta sends an id of 20 characters that starts with 00u",
            Self::Auth0 => "Auth0 sends a connection, | and an id",
            Self::Entra => {
                "Entra sends a sub of 43 letters, digits, - and _, or over SAML an address, a GUID or an account name"
            }
        }
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// 32 bytes in base64url, without padding.
fn is_pairwise_sub(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A `sAMAccountName` (at most 20 characters), perhaps behind its domain, or an employee id.
fn is_account_name(text: &str) -> bool {
    let name = text.split_once('\\').filter(|(domain, _)| !domain.is_empty()).map_or(text, |(_, name)| name);
    (1..=20).contains(&name.chars().count())
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.'))
}

/// Whether a text looks like an e-mail address.
pub(super) fn is_like_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_each_provider_fit_and_those_of_others_do_not() {
        use SubjectShape::{Amazon, Apple, Auth0, Entra, Facebook, Google, Okta};
        let samples = [
            ("109842123456789000001", &[Google, Facebook][..]),
            ("b284ae68f5154bb2a25bc5e752a3ca51", &[]),
            ("b284ae68-f515-4bb2-a25b-c5e752a3c", &[]),
            ("Specimen, Søren", &[]),
            (r"CORP\soren.specimen", &[Entra]),
            ("001968.a6ca12345678901234567890abcdef12.0733", &[Apple]),
            ("amzn1.account.AFAEXAMPLE", &[Amazon]),
            ("00uLtmZoPOMiUo3E9FJw", &[Okta, Entra]),
            ("auth0|5f7c8ec7c33c6c004bbafe82", &[Auth0]),
            ("carlos@example.com", &[Entra]),
            ("Qg21R9OIqEcQdZ0cTtivf9-JOFHkrrnRtnqY_xd2CZs", &[Entra]),
            ("Qg21R9OIqEcQdZ0cTtivf9-JOFHkrrnRtnqY_xd2", &[]),
            ("b284ae68-f515-4bb2-a25b-c5e752a3ca51", &[Entra]),
            ("", &[]),
        ];
        for (subject, expected) in samples {
            let fitting: Vec<_> = [Google, Facebook, Apple, Amazon, Okta, Auth0, Entra]
                .into_iter()
                .filter(|shape| shape.fits(subject))
                .collect();
            assert_eq!(fitting, expected, "{subject}");
        }
    }
}
