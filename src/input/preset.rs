//! Exports of other directories: what their columns mean, and what to know before a link is made of them.
//!
//! A preset is data. Its names replace the known ones, so that a Keycloak `username` is not taken for the pool's user
//! name; the canonical names stay. `--map` and `--set` take precedence.

use super::columns::Column;

use Column::{DestinationEmail, DestinationPhone, SourceProvider, SourceValue};

/// The system that an input was exported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Auth0,
    Okta,
    Entra,
    Google,
    Keycloak,
    /// Another user pool.
    Cognito,
}

struct PresetFacts {
    name: &'static str,
    /// The names that the columns have in the export. An input that has two names of one column is refused until
    /// `--map` chooses.
    names: &'static [(Column, &'static [&'static str])],
    /// The value of a row without such a column.
    default: Option<(Column, &'static str)>,
    caution: &'static str,
}

impl Preset {
    /// In the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Auth0, Self::Okta, Self::Entra, Self::Google, Self::Keycloak, Self::Cognito];

    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Parses the value of `--preset`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|preset| preset.name() == text)
    }

    /// Returns the names that a column has in the export.
    pub(super) fn names(self, column: Column) -> &'static [&'static str] {
        self.facts().names.iter().find(|(named, _)| *named == column).map_or(&[], |(_, names)| names)
    }

    /// Returns the value of a row that has none of its own.
    pub(super) fn default(self, column: Column) -> Option<&'static str> {
        self.facts().default.filter(|(given, _)| *given == column).map(|(_, value)| value)
    }

    /// Returns what to know before using the export, a lower-case fragment.
    pub fn caution(self) -> &'static str {
        self.facts().caution
    }

    /// Rules by provider: Auth0, "Bulk user exports" and "User profile structure"; Okta, users API; Microsoft, "Download a
    /// list of users" and "ID token claims" (`sub` is pairwise); Google, Directory API `users`; Keycloak,
    /// `UserRepresentation`; Cognito, `ListUsers` and its attribute `identities`.
    fn facts(self) -> PresetFacts {
        match self {
            Self::Auth0 => PresetFacts {
                name: "auth0",
                names: &[
                    (SourceValue, &["user_id"]),
                    (DestinationEmail, &["email"]),
                    (DestinationPhone, &["phone_number"]),
                ],
                default: None,
                caution: "user_id keeps its prefix, as in auth0|...: Auth0 sends it so, and it is right where the pool federates \
                       to Auth0; where it federates to Google or another provider directly, take only the users of \
                       that connection, and --map source_value=identities[0].user_id",
            },
            Self::Okta => PresetFacts {
                name: "okta",
                names: &[(SourceValue, &["id"]), (DestinationEmail, &["profile.email", "email"])],
                default: None,
                caution: "id is the sub that Okta sends over OIDC unless somebody changed it; over SAML it sends the NameID \
                       that the application is configured with, mostly the login: --map source_value=profile.login",
            },
            Self::Entra => PresetFacts {
                name: "entra",
                names: &[(DestinationEmail, &["mail"])],
                default: None,
                caution: "no column is used as source_value: over OIDC the sub differs between applications and is in no export \
                       (objectId is another value); over SAML give the column that the NameID claim is set to, as in \
                       --map source_value=userPrincipalName; guests have #EXT# in theirs",
            },
            Self::Google => PresetFacts {
                name: "google",
                names: &[(SourceValue, &["id"]), (DestinationEmail, &["primaryEmail"])],
                default: Some((SourceProvider, "Google")),
                caution: "id is the sub that Google sends, 21 digits, which every spreadsheet rounds: use the Directory API's \
                       output as it is; the CSV of the admin console has no id; a SAML application of Workspace sends \
                       the e-mail address: --map source_value=primaryEmail --set source_provider=NAME",
            },
            Self::Keycloak => PresetFacts {
                name: "keycloak",
                names: &[(SourceValue, &["id"]), (DestinationEmail, &["email"])],
                default: None,
                caution: "id is right where the pool federates to Keycloak; where it federates directly to the provider behind \
                       Keycloak, take only the users of that provider, and --map \
                       source_value=federatedIdentities[0].userId; username is not taken for the pool's user name",
            },
            Self::Cognito => PresetFacts {
                name: "cognito",
                names: &[
                    // The second identity is listed so that a user who has two is refused, not reduced to the first.
                    (
                        SourceValue,
                        &[
                            "identities.userId",
                            "identities[0].userId",
                            "identities[1].userId",
                            "identities.0.userId",
                            "identities.1.userId",
                        ],
                    ),
                    (
                        SourceProvider,
                        &[
                            "identities.providerName",
                            "identities[0].providerName",
                            "identities[1].providerName",
                            "identities.0.providerName",
                            "identities.1.providerName",
                        ],
                    ),
                    (DestinationEmail, &["email"]),
                    (DestinationPhone, &["phone_number"]),
                ],
                default: None,
                caution: "the identity is identities.userId, never the Username, which may be lower-cased; users are looked up \
                       by e-mail address, --map destination_username=Username where this pool has the same user names; \
                       ids of Facebook, Apple and Entra are valid only for the application that they were issued for",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::FindingCode;
    use crate::input::InputOptions;
    use crate::input::testing::{header_faults, reader};

    fn under(preset: Preset) -> InputOptions {
        InputOptions { preset: Some(preset), ..InputOptions::default() }
    }

    fn with(preset: Preset, map: &[(Column, &str)], set: &[(Column, &str)]) -> InputOptions {
        InputOptions { preset: Some(preset), ..crate::input::testing::options(map, set) }
    }

    /// Provider, value and how the destination is named of the only row, or the codes of its findings.
    fn read(text: &str, options: &InputOptions) -> String {
        let record = reader(text, options).unwrap().next().unwrap().unwrap();
        let codes: Vec<&str> = record.findings.iter().map(|finding| finding.code.as_str()).collect();
        match record.link {
            Some(link) => {
                let source = &link.source;
                format!("{} {} {}", source.provider(), source.value().expose(), destination(&link.destination))
            }
            None => codes.join(" "),
        }
    }

    fn destination(destination: &crate::domain::identity::Destination) -> String {
        use crate::domain::identity::Destination::{Email, Federated, Phone, PreferredUsername, Sub, Username};
        match destination {
            Username(value) => format!("username:{}", value.expose()),
            Email(value) => format!("email:{}", value.expose()),
            Sub(value) => format!("sub:{}", value.expose()),
            Phone(value) => format!("phone:{}", value.expose()),
            PreferredUsername(value) => format!("preferred_username:{}", value.expose()),
            Federated { user_id, .. } => format!("federated:{}", user_id.expose()),
        }
    }

    #[test]
    fn each_export_is_read_in_its_own_columns() {
        use Preset::{Auth0, Cognito, Entra, Google, Keycloak, Okta};
        let okta = [(SourceProvider, "Okta")];
        let corp = [(SourceProvider, "Corp")];
        let auth0 = [(SourceProvider, "Auth0")];
        let upn = [(SourceValue, "userPrincipalName")];
        let mail = [(SourceValue, "MAIL")];
        let table = [
            (with(Auth0, &[], &auth0), "user_id,email,provider\nauth0|5f,a@x.org,z\n", "Auth0 auth0|5f email:a@x.org"),
            (with(Auth0, &[], &corp), "user_id,email\nauth0|5f,a@x.org\n", "provider_prefix"),
            (
                with(Okta, &[], &okta),
                r#"{"id":"00uA","profile":{"login":"l","email":"a@x.org"}}"#,
                "Okta 00uA email:a@x.org",
            ),
            (
                with(Okta, &[(SourceValue, "profile.login")], &okta),
                r#"{"id":"00uA","profile":{"login":"l","email":"a@x.org"}}"#,
                "Okta l email:a@x.org",
            ),
            (
                with(Entra, &upn, &corp),
                "objectId,userPrincipalName,mail\n1-2,u@x.org,a@x.org\n",
                "Corp u@x.org email:a@x.org",
            ),
            (
                with(Entra, &mail, &corp),
                "objectId,userPrincipalName,mail\n1-2,u@x.org,a@x.org\n",
                "Corp a@x.org email:a@x.org",
            ),
            (with(Entra, &[], &corp), "source_value,objectId,mail\nName-1,1-2,a@x.org\n", "Corp Name-1 email:a@x.org"),
            (under(Google), "id,primaryEmail\n1042,a@x.org\n", "Google 1042 email:a@x.org"),
            (under(Google), "id,primaryEmail,source_provider\n1042,a@x.org,Work\n", "Work 1042 email:a@x.org"),
            (with(Google, &[], &corp), r#"{"id":"1042","primaryEmail":"a@x.org"}"#, "Corp 1042 email:a@x.org"),
            (
                under(Google),
                r#"{"id":"1042","primaryEmail":"a@x.org","source_provider":"Work"}"#,
                "Work 1042 email:a@x.org",
            ),
            (with(Keycloak, &[], &corp), r#"{"id":"1-2","username":"u","email":"a@x.org"}"#, "Corp 1-2 email:a@x.org"),
            (
                with(Keycloak, &[(SourceValue, "federatedIdentities[0].userId")], &corp),
                r#"{"id":"1-2","email":"a@x.org","federatedIdentities":[{"userId":"77","userName":"u"}]}"#,
                "Corp 77 email:a@x.org",
            ),
            (
                under(Cognito),
                "Username,sub,email,identities.userId,identities.providerName\nokta_00ua,5,a@x.org,00uA,Okta\n",
                "Okta 00uA email:a@x.org",
            ),
            (
                with(Cognito, &[(Column::DestinationUsername, "Username")], &corp),
                r#"{"Username":"u","email":"a@x.org","identities":[{"userId":"00uA","providerName":"Okta"}]}"#,
                "Corp 00uA username:u",
            ),
            (
                under(Cognito),
                r#"{"email":"a@x.org","identities":[{"userId":"1","providerName":"A1x"},{"userId":"2","providerName":"A1x"}]}"#,
                "duplicate_column duplicate_column",
            ),
        ];
        for (options, text, expected) in table {
            assert_eq!(read(text, &options), expected, "{text}");
        }
    }

    #[test]
    fn what_an_export_lacks_must_be_given() {
        let corp = [(SourceProvider, "Corp")];
        let faults = header_faults("objectId,userPrincipalName,mail\n", &with(Preset::Entra, &[], &corp));
        assert_eq!((faults.len(), faults[0].0), (1, "missing_column"), "{faults:?}");
        assert!(faults[0].1.contains("--map source_value=NAME") && faults[0].1.contains("NameID"), "{}", faults[0].1);
        let faults = header_faults("id,profile.email\n", &under(Preset::Okta));
        assert_eq!(faults[0].0, "missing_column");
        assert!(faults[0].1.contains("--set source_provider=VALUE"), "{}", faults[0].1);
        let both = "email,identities[0].userId,identities[0].providerName,identities[1].userId\n";
        let faults = header_faults(both, &under(Preset::Cognito));
        assert_eq!(faults[0].0, FindingCode::DuplicateColumn.as_str());
    }

    #[test]
    fn the_table_is_of_one_piece() {
        for preset in Preset::ALL {
            assert_eq!(Preset::parse(preset.name()), Some(*preset));
            let mut names: Vec<&str> = Column::ALL.iter().flat_map(|column| preset.names(*column)).copied().collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{preset:?}");
            assert!(!preset.caution().ends_with('.') && preset.caution().contains("--map"), "{preset:?}");
        }
        assert_eq!(Preset::parse("Okta"), None);
    }
}
