//! The work list: one JSON object per finding, with its users in full and the commands that an operator would run.
//!
//! The commands are text. This program runs none of them, and has no call that could delete or disable a user.

use std::path::Path;

use serde_json::{Value, json};

use super::address_groups::{Duplicate, DuplicateKind, PairObstacle};
use crate::domain::identity::{Personal, PoolId};
use crate::service::PoolUser;
use crate::ui::{escape_json, format, shell_path, shell_word};

/// Writes commands for one pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkList<'a> {
    pub(super) pool: &'a PoolId,
    /// The file of pairs that the last command links.
    pub(super) pairs: Option<&'a Path>,
}

impl WorkList<'_> {
    /// The line of a finding, with its line end.
    pub(super) fn line(&self, found: &Duplicate) -> String {
        let users: Vec<Value> = found.users.iter().map(|user| self.user(found, user)).collect();
        let line = json!({
            "kind": found.kind.as_str(),
            "address": found.users.iter().find_map(|user| user.email.as_ref()).map(Personal::expose),
            "advice": advice(found),
            "pairs": found.pairs().count(),
            "obstacle": found.linkable.err().map(PairObstacle::as_str),
            "unverified_match": found.unverified,
            "users": users,
            "users_left_out": found.users_left_out,
            "link": found.linkable.is_ok().then(|| self.link_command()),
        });
        format!("{}\n", escape_json(&line.to_string()))
    }

    fn user(&self, found: &Duplicate, user: &PoolUser) -> Value {
        let identities = user.identities.iter().map(|held| {
            json!({
                "provider": held.provider_name,
                "value": held.user_id.expose(),
                "own": held.primary,
                "created_at": held.created_unix_ms.map(format::timestamp),
            })
        });
        json!({
            "username": user.username.expose(),
            "sub": user.sub.as_ref().map(Personal::expose),
            "email": user.email.as_ref().map(Personal::expose),
            "email_verified": user.email_verified,
            "native": !user.is_federated(),
            "status": user.status,
            "enabled": user.enabled,
            "created_at": user.created_unix_ms.map(format::timestamp),
            "changed_at": user.modified_unix_ms.map(format::timestamp),
            "identities": identities.collect::<Vec<_>>(),
            "backup": self.backup_command(user),
            "after_backup": self.removal_commands(found.kind, user),
        })
    }

    /// Writes the user, with all attributes, to a file. `ListUsers` does not count the user as active for billing.
    fn backup_command(&self, user: &PoolUser) -> String {
        let (attribute, value) = match &user.sub {
            Some(sub) => ("sub", sub),
            None => ("username", &user.username),
        };
        let value = value.expose().replace('\\', r"\\").replace('"', r#"\""#);
        let input = json!({ "UserPoolId": self.pool.as_str(), "Filter": format!("{attribute} = \"{value}\"") });
        format!("{} >> backup.json", self.aws_command("list-users", &input))
    }

    /// What removes a user that is one too many. Empty for a user who stays.
    fn removal_commands(&self, kind: DuplicateKind, user: &PoolUser) -> Vec<String> {
        let is_native = !user.is_federated();
        let input = json!({ "UserPoolId": self.pool.as_str(), "Username": user.username.expose() });
        let delete = || self.aws_command("admin-delete-user", &input);
        match kind {
            DuplicateKind::StandaloneProfile => Vec::new(),
            DuplicateKind::NativeAndProfile if is_native => Vec::new(),
            DuplicateKind::NativeAndProfile | DuplicateKind::SeveralProfiles => vec![delete()],
            // Disabling can be undone: it shows whether somebody misses the user.
            DuplicateKind::SeveralNatives => vec![self.aws_command("admin-disable-user", &input), delete()],
        }
    }

    /// A value inside JSON is taken as it is: on its own, the AWS CLI would open `file://`, and take a leading `-` for an
    /// option.
    fn aws_command(&self, operation: &str, input: &Value) -> String {
        let input = escape_json(&input.to_string()).into_owned();
        let region = shell_word(self.pool.region());
        format!("aws cognito-idp {operation} --region {region} --cli-input-json {}", shell_word(&input))
    }

    fn link_command(&self) -> String {
        let pairs = self.pairs.map_or_else(|| "PAIRS".to_owned(), |path| shell_path(&path.display().to_string()));
        format!("cognito-link link {pairs} --user-pool-id {} --retry refused", shell_word(self.pool.as_str()))
    }
}

fn advice(found: &Duplicate) -> &'static str {
    match (found.kind, found.linkable) {
        (DuplicateKind::NativeAndProfile, Ok(())) => {
            "back up the profiles, delete them, and link the pairs at once: the next sign-in of a deleted profile makes \
             a new one"
        }
        (DuplicateKind::NativeAndProfile, Err(PairObstacle::TooManyIdentities)) => {
            "the native user has no room for all identities; choose which of them it keeps"
        }
        (DuplicateKind::NativeAndProfile, Err(PairObstacle::ProviderMissing)) => {
            "the pool no longer has the provider of an identity, so nobody can sign in with it"
        }
        (DuplicateKind::NativeAndProfile, Err(_)) => "choose the native user that stays, and write the pairs yourself",
        (DuplicateKind::SeveralNatives, _) => {
            "native users cannot be linked to one another; choose the one that stays, and disable the others before you \
             delete them"
        }
        (DuplicateKind::SeveralProfiles, _) => {
            "choose the profile that stays, delete the others, and link their identities to it"
        }
        (DuplicateKind::StandaloneProfile, _) if found.unverified => {
            "a native user has this address, and one of the two has not verified it; find out whether they are one person"
        }
        (DuplicateKind::StandaloneProfile, _) => "nothing to do, unless you expect a native user of this person",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::LinkedIdentity;

    fn user(username: &str, is_native: bool) -> PoolUser {
        let own = LinkedIdentity {
            user_id: Personal::from_service("AbC'\u{202e}"),
            provider_name: "Okta".into(),
            provider_type: "OIDC".into(),
            issuer: None,
            primary: true,
            created_unix_ms: Some(1_700_000_000_000),
        };
        PoolUser {
            sub: (!is_native).then(|| Personal::from_service("a0da5180-e3af-4ec6-9a9b-29f984e5746e")),
            email: Some(Personal::from_service("a@x.com")),
            email_verified: true,
            created_unix_ms: Some(1_700_000_000_000),
            identities: if is_native { Vec::new() } else { vec![own] },
            ..PoolUser::named(username)
        }
    }

    fn line(kind: DuplicateKind, linkable: Result<(), PairObstacle>) -> Value {
        let pool = PoolId::parse("eu-west-1_AbCdEf").unwrap();
        let users = vec![user("file:///o'brien \"x\"", true), user("okta_abc'", false)];
        let found = Duplicate { kind, users, users_left_out: 0, linkable, unverified: false };
        let list = WorkList { pool: &pool, pairs: Some(Path::new("my pairs.csv")) };
        let text = list.line(&found);
        assert!(text.ends_with('\n') && text.matches('\n').count() == 1 && !text.contains('\u{202e}'), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_has_all_that_an_operator_needs() {
        let line = line(DuplicateKind::NativeAndProfile, Ok(()));
        insta::assert_snapshot!(escape_json(&serde_json::to_string_pretty(&line).unwrap()));
    }

    #[test]
    fn who_stays_has_no_command_that_removes() {
        let removals = |kind| -> Vec<usize> {
            let line = line(kind, Err(PairObstacle::NoNative));
            assert!(line["link"].is_null());
            line["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["after_backup"].as_array().unwrap().len())
                .collect()
        };
        assert_eq!(removals(DuplicateKind::NativeAndProfile), [0, 1]);
        assert_eq!(removals(DuplicateKind::SeveralNatives), [2, 2]);
        assert_eq!(removals(DuplicateKind::SeveralProfiles), [1, 1]);
        assert_eq!(removals(DuplicateKind::StandaloneProfile), [0, 0]);
    }
}
