//! Credentials of people who sign in: an expired session names the command that renews it.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::convert::error_chain;

/// The session that `aws sso login` or `aws login` opened has ended, or there is none.
#[derive(Debug, thiserror::Error)]
#[error("there is no valid session of {tool}: run `{command}` ({reason})")]
pub(super) struct SessionEnded {
    tool: &'static str,
    command: String,
    reason: String,
}

/// Credentials whose errors say how to sign in again, at the start and in mid-run.
#[derive(Debug)]
pub(super) struct SignInCredentials {
    pub(super) inner: SharedCredentialsProvider,
    /// The profile that counts, where one is named.
    pub(super) profile: Option<String>,
}

impl ProvideCredentials for SignInCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.inner.provide_credentials().await.map_err(|error| {
                match session_ended(&error_chain(&error), self.profile.as_deref()) {
                    Some(ended) => CredentialsError::provider_error(ended),
                    None => error,
                }
            })
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

/// Recognizes the texts of aws-config: its errors have no public types.
fn session_ended(chain: &str, profile: Option<&str>) -> Option<SessionEnded> {
    let text = chain.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let (tool, login) = if has(&["login token", "reauthenticate", "/login/cache/", "\\login\\cache\\"]) {
        ("`aws login`", "aws login")
    } else if has(&[
        "sso token",
        "/sso/cache/",
        "\\sso\\cache\\",
        // What GetRoleCredentials answers to an old token.
        "session token not found or invalid",
        "unauthorizedexception",
    ]) {
        ("IAM Identity Center", "aws sso login")
    } else {
        return None;
    };
    let command = match profile {
        Some(name) => format!("{login} --profile {}", shell_word(name)),
        None => login.to_owned(),
    };
    Some(SessionEnded { tool, command, reason: chain.to_owned() })
}

/// Quotes what a shell would split.
fn shell_word(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.@/+:,=".contains(letter);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_names_the_command_that_renews_it() {
        let command = |chain, profile| session_ended(chain, profile).map(|ended| ended.command);
        let sso = "an error occurred while loading credentials: the SSO token has expired and cannot be refreshed";
        assert_eq!(command(sso, Some("dev")).as_deref(), Some("aws sso login --profile dev"));
        assert_eq!(command(sso, Some("my dev")).as_deref(), Some("aws sso login --profile 'my dev'"));
        assert_eq!(command(sso, None).as_deref(), Some("aws sso login"));
        let revoked = "service error: UnauthorizedException: Session token not found or invalid";
        assert_eq!(command(revoked, None).as_deref(), Some("aws sso login"));
        let login = "cached Login token is expired";
        assert_eq!(command(login, Some("dev")).as_deref(), Some("aws login --profile dev"));
        assert_eq!(command("the process exited with 1", Some("dev")), None);
    }
}
