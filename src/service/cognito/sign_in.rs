//! Credentials of people who sign in: an expired session names the command that renews it.

use aws_config::profile::{ProfileFileLoadError, ProfileSet, load};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use aws_types::os_shim_internal::{Env, Fs};

use super::convert::error_chain;
use crate::limits;

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
            let error = match self.inner.provide_credentials().await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            let chain = error_chain(&error);
            let Some(tool) = SignInTool::of(&chain) else { return Err(error) };
            let profile = profile_to_sign_in(self.profile.as_deref()).await;
            Err(CredentialsError::provider_error(tool.session_ended(profile.as_deref(), chain)))
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

/// The command with which a person signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignInTool {
    Login,
    Sso,
}

impl SignInTool {
    /// Recognizes the texts of aws-config: its errors have no public types.
    fn of(chain: &str) -> Option<Self> {
        let text = chain.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        if has(&["login token", "reauthenticate", "/login/cache/", "\\login\\cache\\"]) {
            return Some(Self::Login);
        }
        let is_sso = has(&[
            "sso token",
            "/sso/cache/",
            "\\sso\\cache\\",
            // What GetRoleCredentials answers to an old token.
            "session token not found or invalid",
            "unauthorizedexception",
        ]);
        is_sso.then_some(Self::Sso)
    }

    fn session_ended(self, profile: Option<&str>, reason: String) -> SessionEnded {
        let (tool, login) = match self {
            Self::Login => ("`aws login`", "aws login"),
            Self::Sso => ("IAM Identity Center", "aws sso login"),
        };
        let command = match profile {
            Some(name) => format!("{login} --profile {}", shell_word(name)),
            None => login.to_owned(),
        };
        SessionEnded { tool, command, reason }
    }
}

/// The profile to sign in with, where it is not the default one: the given one where the files cannot be read.
async fn profile_to_sign_in(profile: Option<&str>) -> Option<String> {
    match load_profiles(&Fs::real(), &Env::real()).await {
        Ok(profiles) => profile_with_session(&profiles, profile).map(str::to_owned),
        Err(_) => profile.map(str::to_owned),
    }
}

#[expect(clippy::default_trait_access, reason = "aws-config deprecates its name of the type")]
async fn load_profiles(files: &Fs, env: &Env) -> Result<ProfileSet, ProfileFileLoadError> {
    load(files, env, &Default::default(), None).await
}

/// The profile that has the session, because a role takes the credentials of its `source_profile`: the AWS CLI signs in with
/// no other. It takes the name of the profile, also where the profile refers to an `sso_session`.
fn profile_with_session<'a>(profiles: &'a ProfileSet, profile: Option<&'a str>) -> Option<&'a str> {
    const DEFAULT: &str = "default";
    let mut name = profile.unwrap_or(DEFAULT);
    for _ in 0..limits::PROFILE_CHAIN_MAX {
        let role = profiles.get_profile(name).filter(|profile| profile.get("role_arn").is_some());
        let source = role.and_then(|role| role.get("source_profile"));
        match source.filter(|source| *source != name) {
            Some(source) => name = source,
            None => return (profile.is_some() || name != DEFAULT).then_some(name),
        }
    }
    // The profiles refer to each other in a circle, or a chain is longer than anybody's.
    profile
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
        let command = |chain: &str, profile| {
            SignInTool::of(chain).map(|tool| tool.session_ended(profile, chain.to_owned()).command)
        };
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

    #[tokio::test]
    async fn a_role_signs_in_with_its_source_profile() {
        let config = "\
            [default]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = dev\n\
            [profile dev]\nsso_session = corp\n\
            [profile role]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = dev\n\
            [profile far]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = role\n\
            [profile own]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = own\nsso_session = corp\n\
            [profile of-default]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = plain\n\
            [profile circle-1]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = circle-2\n\
            [profile circle-2]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = circle-1\n\
            [profile no-role]\nsource_profile = dev\nlogin_session = x\n\
            [sso-session corp]\nsso_region = us-east-1\n";
        let files = Fs::from_slice(&[("config", config)]);
        let env = Env::from_slice(&[("AWS_CONFIG_FILE", "config"), ("HOME", "/nowhere")]);
        let profiles = load_profiles(&files, &env).await.unwrap();
        for (profile, expected) in [
            (None, Some("dev")),
            (Some("dev"), Some("dev")),
            (Some("role"), Some("dev")),
            (Some("far"), Some("dev")),
            (Some("own"), Some("own")),
            (Some("of-default"), Some("plain")),
            (Some("circle-1"), Some("circle-1")),
            (Some("no-role"), Some("no-role")),
            (Some("unknown"), Some("unknown")),
        ] {
            assert_eq!(profile_with_session(&profiles, profile), expected, "{profile:?}");
        }
        let plain = load_profiles(&Fs::from_slice(&[]), &env).await.unwrap();
        assert_eq!(profile_with_session(&plain, None), None);
    }
}
