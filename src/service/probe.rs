//! The port of `probe`: raw calls on pools that it created itself, and what their answers show.
//!
//! It is separate from the other ports, because it creates and deletes pools, which no other command can do. All values are
//! made up by the probe, so none is personal.

use super::PortFuture;
use crate::domain::code_enum::code_enum;

/// One call. Each is one attempt, without retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeCall {
    CreatePool {
        name: String,
        case_sensitive: bool,
        /// Whether users can sign in with their e-mail address as well.
        email_alias: bool,
    },
    DeletePool {
        pool: String,
    },
    /// A page of the pools of the account.
    ListPools {
        token: Option<String>,
    },
    CreateProvider {
        pool: String,
        name: String,
        kind: ProbeProvider,
    },
    CreateUser {
        pool: String,
        username: String,
        /// A verified address.
        email: Option<String>,
    },
    DisableUser {
        pool: String,
        username: String,
    },
    Link {
        pool: String,
        /// The value of the native destination.
        destination: String,
        source: ProbeIdentity,
    },
    Unlink {
        pool: String,
        identity: ProbeIdentity,
    },
    GetUser {
        pool: String,
        username: String,
    },
    ListUsers {
        pool: String,
        /// In the syntax of the service, as it is.
        filter: Option<String>,
        token: Option<String>,
    },
}

impl ProbeCall {
    /// Every operation that a probe calls, for the list of IAM actions.
    pub const OPERATIONS: [&'static str; 10] = [
        "CreateUserPool",
        "DeleteUserPool",
        "ListUserPools",
        "CreateIdentityProvider",
        "AdminCreateUser",
        "AdminDisableUser",
        "AdminLinkProviderForUser",
        "AdminDisableProviderForUser",
        "AdminGetUser",
        "ListUsers",
    ];

    pub fn operation(&self) -> &'static str {
        let [
            create_pool,
            delete_pool,
            list_pools,
            create_provider,
            create_user,
            disable_user,
            link,
            unlink,
            get_user,
            list_users,
        ] = Self::OPERATIONS;
        match self {
            Self::CreatePool { .. } => create_pool,
            Self::DeletePool { .. } => delete_pool,
            Self::ListPools { .. } => list_pools,
            Self::CreateProvider { .. } => create_provider,
            Self::CreateUser { .. } => create_user,
            Self::DisableUser { .. } => disable_user,
            Self::Link { .. } => link,
            Self::Unlink { .. } => unlink,
            Self::GetUser { .. } => get_user,
            Self::ListUsers { .. } => list_users,
        }
    }
}

code_enum! {
    /// The types of providers that a probe creates, by their `ProviderType`.
    ProbeProvider {
        Google = "Google",
        Oidc = "OIDC",
        /// With attributes mapped, so that identities can be linked by them.
        Saml = "SAML",
    }
}

impl ProbeProvider {
    /// `ProviderDetails`. Nobody can sign in with these: the addresses are of example.com, and the secrets are none.
    pub fn details(self) -> Vec<(&'static str, String)> {
        let text =
            |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        match self {
            Self::Google => text(&[("client_id", "probe"), ("client_secret", "probe"), ("authorize_scopes", "openid")]),
            // With all addresses given, the service has no reason to read the issuer's configuration.
            Self::Oidc => text(&[
                ("client_id", "probe"),
                ("client_secret", "probe"),
                ("authorize_scopes", "openid"),
                ("attributes_request_method", "GET"),
                ("oidc_issuer", "https://example.com"),
                ("authorize_url", "https://example.com/authorize"),
                ("token_url", "https://example.com/token"),
                ("attributes_url", "https://example.com/userinfo"),
                ("jwks_uri", "https://example.com/jwks"),
            ]),
            Self::Saml => vec![("MetadataFile", saml_metadata())],
        }
    }

    /// `AttributeMapping`, from pool attribute to claim.
    pub fn mapping(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Saml => &MAPPED,
            _ => &[],
        }
    }
}

const MAPPED: [(&str, &str); 6] = [
    ("email", "email"),
    ("name", "name"),
    ("given_name", "given_name"),
    ("family_name", "family_name"),
    ("nickname", "nickname"),
    ("preferred_username", "preferred_username"),
];

/// A self-signed certificate, whose key was thrown away when it was made.
const CERTIFICATE: &str = "\
    MIIDHTCCAgWgAwIBAgIUAnExNH29AoOjR/2rrdifXdQEpTMwDQYJKoZIhvcNAQELBQAwHTEbMBkGA1UEAwwSY29nbml0by1saW5rLXByb2JlMC\
    AXDTI2MTEyNjA4NDczMloYDzIxMjYxMTAyMDg0NzMyWjAdMRswGQYDVQQDDBJjb2duaXRvLWxpbmstcHJvYmUwggEiMA0GCSqGSIb3DQEBAQUA\
    A4IBDwAwggEKAoIBAQDUxQAVeuNN9vrkA4pKvtE8YnuFYM4o7O0z/BxTL2CrjSn/9wa179A1fnAt5GVT/9REt0Hd0Bw+kEN7WDHBhQt96/L4GZ\
    WDz98Bvh/slfI4rap3VKHfTdIqjn4zlIiFKGoehu1kDqrXVgFrMJi7aUApYC2HHq9rBGQHjh32gpYd4YJnlP2d60Wvwe6d4QaPOdvJwC2J7t2o\
    1tH/+JzRUyZV+cS79KDGszTRUdKvEPa/kZemTEG/ewgu0Yt86dl4F208xQzzrDM87XA89xQqewGJ80EBPSTX17QopDgUlV2JwYx/PBTBjXqfBL\
    hW3ooUwcjISCVPgJPRIs9pLHqaCzAvAgMBAAGjUzBRMB0GA1UdDgQWBBS27aN07b6QareuZVowv8a3nCjryjAfBgNVHSMEGDAWgBS27aN07b6Q\
    areuZVowv8a3nCjryjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQCue+N3+s65nrxyElx/ZQ12+e/3oqI+XTKXUdTpmEtjAz\
    wxp1E3YHt/UWSivdGRiTnVql3Qn31p0nO6X9QpCWyMtqCYS8d15izJrgaeS4jSkj+24HGkqaMjWhZ7ofjnfXSPqxCFIvXgU7Vs9q/u7TSVXLoI\
    FvGlGTI285YNB1Se7NMaVsJFI/5/EIwBz3nSrWm4QefSy+KBGiYxgL8sEvMgMGm8WWhhgEc1FyIZmsHtifbrvygqOEkw6qJr2wXr1PHtyA1607\
    vncJeqGCmzBrmejrz6o33mGZuoZlQll3nPi6CaLzmznYLd6tEKFAZR9ncJoWh/T4EaySzZvWLMW6yb";

fn saml_metadata() -> String {
    format!(
        "<?xml version=\"1.0\"?><md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         entityID=\"urn:example:cognito-link-probe\"><md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor use=\"signing\">\
         <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{CERTIFICATE}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://example.com/saml\"/>\
         </md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

/// A source identity as a call names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeIdentity {
    pub provider: String,
    pub attribute: String,
    pub value: String,
}

/// What the answer of a call shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFacts {
    /// The call succeeded, and its answer shows nothing that a probe needs.
    Done,
    /// A link or an unlink was answered with success, in this form.
    Written(WriteForm),
    /// The pool that the service says it has created.
    Pool(ProbePool),
    Pools {
        pools: Vec<ProbePool>,
        next_token: Option<String>,
    },
    Users {
        users: Vec<ProbeUser>,
        next_token: Option<String>,
    },
}

/// The form of the answer to a write that the SDK takes for a success.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteForm {
    /// Status, headers and body, as a person reads them.
    pub text: String,
    /// Why `link` and `undo` do not take it for a success.
    pub doubt: Option<String>,
}

/// A pool as the service shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePool {
    pub id: String,
    pub name: String,
}

/// A user as the pool shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeUser {
    pub username: String,
    pub sub: String,
    /// The text of the attribute `identities`, as it is.
    pub identities: String,
}

pub trait ProbeService: Send + Sync {
    fn call(&self, call: ProbeCall) -> PortFuture<'_, ProbeFacts>;
}
