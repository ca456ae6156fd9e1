//! What the subjects of known providers look like: what they send as `sub`, `id` or `user_id`.
//!
//! The service fixes the names of the social providers. An export of Okta or Auth0 has the subjects in the column that its
//! preset names. What Entra sends depends on the application (a pairwise `sub` of 43 characters, a `NameID` of any sort),
//! so only the pool shows it.

use super::preset::Preset;

/// Sources: Google, "`OpenID` Connect" (`sub`); Meta, "User" (`id`, a numeric string); Apple, "Sign in with Apple REST API"
/// (`sub`); Amazon, "Customer profile" (`user_id`); Okta, users API (`id`); Auth0, "Identify users" (`user_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubjectShape {
    Google,
    Facebook,
    Apple,
    Amazon,
    Okta,
    Auth0,
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
            Preset::Entra | Preset::Keycloak | Preset::Cognito => None,
        }
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
        }
    }
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
        use SubjectShape::{Amazon, Apple, Auth0, Facebook, Google, Okta};
        let samples = [
            ("109842123456789000001", &[Google, Facebook][..]),
            ("001968.a6ca12345678901234567890abcdef12.0733", &[Apple]),
            ("amzn1.account.AFAEXAMPLE", &[Amazon]),
            ("00uLtmZoPOMiUo3E9FJw", &[Okta]),
            ("auth0|5f7c8ec7c33c6c004bbafe82", &[Auth0]),
            ("carlos@example.com", &[]),
            ("Qg21R9OIqEcQdZ0cTtivf9-JOFHkrrnRtnqY_xd2CZs", &[]),
            ("b284ae68-f515-4bb2-a25b-c5e752a3ca51", &[]),
            ("", &[]),
        ];
        for (subject, expected) in samples {
            let fitting: Vec<_> = [Google, Facebook, Apple, Amazon, Okta, Auth0]
                .into_iter()
                .filter(|shape| shape.fits(subject))
                .collect();
            assert_eq!(fitting, expected, "{subject}");
        }
    }
}
