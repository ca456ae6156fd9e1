//! AWS JSON 1.1: typed requests and replies, and how they are read from and written as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::app_clients::AppClientView;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::model::{AttributeBounds, PoolSettings, STANDARD_ATTRIBUTES, SchemaAttribute, UserView, all_attributes};
use crate::operation::{Category, Operation};

/// A user as a link names it (`ProviderUserIdentifierType`); the model requires none of its members. No `Debug`: its
/// value is personal.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct UserRef {
    /// `ProviderName`.
    pub provider: Option<String>,
    /// `ProviderAttributeName`.
    pub attribute: Option<String>,
    /// `ProviderAttributeValue`.
    pub value: Option<String>,
}

impl UserRef {
    pub(crate) fn new(provider: &str, attribute: &str, value: &str) -> Self {
        Self { provider: Some(provider.into()), attribute: Some(attribute.into()), value: Some(value.into()) }
    }
}

/// `AdminLinkProviderForUser`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct LinkCall {
    /// The existing user.
    pub destination: Option<UserRef>,
    /// The identity to link.
    pub source: Option<UserRef>,
}

/// `ListUsers`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ListCall {
    /// Which users.
    pub filter: Option<String>,
    /// Users a page.
    pub limit: Option<u64>,
    /// Where the page starts.
    pub token: Option<String>,
    /// Only these attributes; an error where a user on the page lacks one.
    pub attributes: Option<Vec<String>>,
}

/// `AdminCreateUser`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct CreateUserCall {
    /// `Username`.
    pub username: Option<String>,
    /// `UserAttributes`.
    pub attributes: Vec<(String, String)>,
    /// `MessageAction` is `RESEND`: the user is there already, and is only invited again.
    pub resend: bool,
    /// `ForceAliasCreation`: takes a verified alias from the user who has it.
    pub force_alias: bool,
}

/// `AdminSetUserPassword`, less the pool. No `Debug`: it holds a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SetPasswordCall {
    /// `Username`.
    pub username: Option<String>,
    /// `Password`.
    pub password: Option<String>,
    /// `Permanent`: the user need not change it.
    pub permanent: bool,
}

/// `CreateUserPool`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct CreatePoolCall {
    /// `PoolName`.
    pub name: Option<String>,
    /// `UsernameConfiguration.CaseSensitive`; case-sensitive where it is not given (service model).
    pub case_sensitive: Option<bool>,
    /// `UsernameAttributes`.
    pub username_attributes: Vec<String>,
    /// `AliasAttributes`.
    pub alias_attributes: Vec<String>,
    /// `LambdaConfig.PreSignUp`.
    pub pre_sign_up_trigger: Option<String>,
    /// `Schema`.
    pub schema: Vec<SchemaAttribute>,
    /// Members that are only shown again.
    pub shown: BTreeMap<String, Value>,
}

/// `CreateIdentityProvider`, less the pool. No `Debug`: its details may hold a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct CreateProviderCall {
    /// `ProviderName`.
    pub name: Option<String>,
    /// `ProviderType`.
    pub kind: Option<String>,
    /// `ProviderDetails`.
    pub details: Option<BTreeMap<String, String>>,
    /// `AttributeMapping`.
    pub mapping: BTreeMap<String, String>,
    /// `IdpIdentifiers`.
    pub identifiers: Vec<String>,
}

/// An operation with its parameters, less the pool.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// `AdminLinkProviderForUser`.
    Link(LinkCall),
    /// `AdminDisableProviderForUser`.
    Disable(Option<UserRef>),
    /// `AdminGetUser`.
    GetUser(Option<String>),
    /// `ListUsers`.
    ListUsers(ListCall),
    /// `AdminCreateUser`.
    CreateUser(CreateUserCall),
    /// `AdminDeleteUser`.
    DeleteUser(Option<String>),
    /// `AdminDisableUser`.
    DisableUser(Option<String>),
    /// `AdminSetUserPassword`.
    SetPassword(SetPasswordCall),
    /// `AdminUpdateUserAttributes`.
    UpdateAttributes {
        /// `Username`.
        username: Option<String>,
        /// `UserAttributes`.
        attributes: Vec<(String, String)>,
    },
    /// `DescribeUserPool`.
    DescribePool,
    /// `ListUserPools`.
    ListPools {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
    /// `CreateUserPool`.
    CreatePool(Box<CreatePoolCall>),
    /// `DeleteUserPool`.
    DeletePool,
    /// `ListIdentityProviders`.
    ListProviders {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
    /// `DescribeIdentityProvider`.
    DescribeProvider(Option<String>),
    /// `CreateIdentityProvider`.
    CreateProvider(Box<CreateProviderCall>),
    /// `ListUserPoolClients`.
    ListAppClients {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
    /// `DescribeUserPoolClient`.
    DescribeAppClient(Option<String>),
    /// `GetProvisionedLimit`.
    GetProvisionedLimit {
        /// `LimitDefinition.LimitClass`.
        class: Option<String>,
        /// `LimitDefinition.Attributes.Category`.
        category: Option<String>,
    },
    /// `GetServiceQuota` or `GetAWSDefaultServiceQuota`.
    GetQuota {
        /// What an account has by default, in place of what this one has.
        default: bool,
        /// `ServiceCode`.
        service: Option<String>,
        /// `QuotaCode`.
        code: Option<String>,
    },
}

/// A request: a pool, and a call on it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `UserPoolId`.
    pub pool: Option<String>,
    /// The rest.
    pub call: Call,
}

/// What `DescribeUserPool` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolView {
    /// What the pool is.
    pub settings: PoolSettings,
    /// `EstimatedNumberOfUsers`.
    pub estimated_user_count: usize,
}

/// A provider as `ListIdentityProviders` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderView {
    /// `ProviderName`.
    pub name: String,
    /// `ProviderType`.
    pub kind: &'static str,
    /// `CreationDate`.
    pub created_ms: UnixMs,
    /// `LastModifiedDate`.
    pub modified_ms: UnixMs,
}

/// A provider as `DescribeIdentityProvider` shows it. No `Debug`: its details hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProviderDetailsView {
    /// What a list shows of it.
    pub listed: ProviderView,
    /// `ProviderDetails`, `client_secret` included, as the service does.
    pub details: BTreeMap<String, String>,
    /// `AttributeMapping`: pool attribute to claim.
    pub mapping: BTreeMap<String, String>,
    /// `IdpIdentifiers`.
    pub identifiers: Vec<String>,
}

/// A quota as `GetProvisionedLimit` and Service Quotas show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LimitView {
    /// Which one.
    pub category: Category,
    /// Calls a second that the account has now; for a default quota, what an account has by default.
    pub per_second: f64,
}

/// A page and where the next one starts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `PaginationToken` or `NextToken`; `None` on the last page.
    pub next_token: Option<String>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Reply {
    /// `{}`.
    Done,
    /// An empty body.
    Empty,
    /// A user.
    User(UserView),
    /// A user that was created.
    CreatedUser(UserView),
    /// A page of users.
    Users(Page<UserView>),
    /// A pool.
    Pool(Box<PoolView>),
    /// A page of pools.
    Pools(Page<PoolSettings>),
    /// A page of providers.
    Providers(Page<ProviderView>),
    /// A provider, and the id of its pool.
    Provider(String, Box<ProviderDetailsView>),
    /// A page of app clients, and the id of their pool.
    AppClients(String, Page<AppClientView>),
    /// An app client, and the id of its pool.
    AppClient(String, AppClientView),
    /// The rate of a category, as Cognito shows it.
    ProvisionedLimit(LimitView),
    /// The rate of a category, as Service Quotas shows it.
    Quota(LimitView),
}

/// The members of a JSON object; a member that is null is one that is not there, as for the service.
#[derive(Clone, Copy)]
struct JsonMembers<'a>(&'a Map<String, Value>);

impl<'a> JsonMembers<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<String>, ApiError> {
        self.get(name).map(text).transpose()
    }

    pub(crate) fn texts(self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.list(name)?.map(|items| items.iter().map(text).collect()).transpose()
    }

    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, ApiError> {
        self.get(name).map(|value| value.as_bool().ok_or_else(unexpected)).transpose()
    }

    pub(crate) fn count(self, name: &str, member: &str) -> Result<Option<u64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
                Err(ApiError::negative(&number.to_string(), member))
            }
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                ApiError::unreadable(format!("{} can not be converted to an Integer", token_name(value)))
            }),
        }
    }

    fn list(self, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
        self.get(name).map(|value| value.as_array().map(Vec::as_slice).ok_or_else(unexpected)).transpose()
    }

    pub(crate) fn object(self, name: &str) -> Result<Option<JsonMembers<'a>>, ApiError> {
        self.get(name).map(object).transpose()
    }

    pub(crate) fn map(self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(JsonMembers(members)) = self.object(name)? else { return Ok(None) };
        members.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn user(self, name: &str) -> Result<Option<UserRef>, ApiError> {
        let Some(user) = self.object(name)? else { return Ok(None) };
        Ok(Some(UserRef {
            provider: user.text("ProviderName")?,
            attribute: user.text("ProviderAttributeName")?,
            value: user.text("ProviderAttributeValue")?,
        }))
    }

    /// A list of names and values; a value that is missing is empty.
    pub(crate) fn attributes(self, name: &str) -> Result<Vec<(String, String)>, ApiError> {
        let items = self.list(name)?.unwrap_or_default();
        let attribute = |item| {
            let item = object(item)?;
            let name = item.text("Name")?.ok_or_else(|| ApiError::null_member("userAttributes.member.name"))?;
            Ok((name, item.text("Value")?.unwrap_or_default()))
        };
        items.iter().map(attribute).collect()
    }

    /// The attributes of a pool to create; the request has custom ones without their prefix.
    pub(crate) fn schema(self, name: &str) -> Result<Vec<SchemaAttribute>, ApiError> {
        let items = self.list(name)?.unwrap_or_default();
        let attribute = |item| {
            let item = object(item)?;
            let name = item.text("Name")?.ok_or_else(|| ApiError::null_member("schema.member.name"))?;
            let is_standard = STANDARD_ATTRIBUTES.contains(&name.as_str());
            Ok(SchemaAttribute {
                name: if is_standard { name } else { format!("custom:{name}") },
                data_type: item.text("AttributeDataType")?.unwrap_or_else(|| "String".to_owned()),
                mutable: item.flag("Mutable")?.unwrap_or(true),
                required: item.flag("Required")?.unwrap_or(false),
                bounds: bounds(item)?,
            })
        };
        items.iter().map(attribute).collect()
    }
}

/// The bounds of an attribute of a pool to create.
fn bounds(attribute: JsonMembers<'_>) -> Result<AttributeBounds, ApiError> {
    let strings = attribute.object("StringAttributeConstraints")?;
    let numbers = attribute.object("NumberAttributeConstraints")?;
    let bound = |of_strings: &str, of_numbers: &str| {
        let text = strings.map(|strings| strings.text(of_strings)).transpose()?.flatten();
        let number = numbers.map(|numbers| numbers.text(of_numbers)).transpose()?.flatten();
        Ok(text.or(number))
    };
    Ok(AttributeBounds { min: bound("MinLength", "MinValue")?, max: bound("MaxLength", "MaxValue")? })
}

fn object(value: &Value) -> Result<JsonMembers<'_>, ApiError> {
    value.as_object().map(JsonMembers).ok_or_else(unexpected)
}

fn unexpected() -> ApiError {
    ApiError::unreadable("Unexpected field type")
}

fn text(value: &Value) -> Result<String, ApiError> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| ApiError::unreadable(format!("{} can not be converted to a String", token_name(value))))
}

/// The kind of a JSON value in the words of the service's messages.
fn token_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

/// Reads the body of a request.
pub(crate) fn decode(operation: Operation, body: &[u8]) -> Result<Request, ApiError> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(ApiError::unreadable("Start of structure or map expected."));
    };
    let body = JsonMembers(&members);
    Ok(Request { pool: body.text("UserPoolId")?, call: decode_call(operation, body)? })
}

fn decode_call(operation: Operation, body: JsonMembers<'_>) -> Result<Call, ApiError> {
    Ok(match operation {
        Operation::LinkProvider => {
            Call::Link(LinkCall { destination: body.user("DestinationUser")?, source: body.user("SourceUser")? })
        }
        Operation::DisableProvider => Call::Disable(body.user("User")?),
        Operation::GetUser => Call::GetUser(body.text("Username")?),
        Operation::DeleteUser => Call::DeleteUser(body.text("Username")?),
        Operation::DisableUser => Call::DisableUser(body.text("Username")?),
        Operation::SetPassword => Call::SetPassword(SetPasswordCall {
            username: body.text("Username")?,
            password: body.text("Password")?,
            permanent: body.flag("Permanent")?.unwrap_or(false),
        }),
        Operation::UpdateAttributes => {
            Call::UpdateAttributes { username: body.text("Username")?, attributes: body.attributes("UserAttributes")? }
        }
        Operation::CreateUser => Call::CreateUser(CreateUserCall {
            username: body.text("Username")?,
            attributes: body.attributes("UserAttributes")?,
            resend: body.text("MessageAction")?.as_deref() == Some("RESEND"),
            force_alias: body.flag("ForceAliasCreation")?.unwrap_or(false),
        }),
        Operation::ListUsers => Call::ListUsers(ListCall {
            filter: body.text("Filter")?,
            limit: body.count("Limit", "limit")?,
            token: body.text("PaginationToken")?,
            attributes: body.texts("AttributesToGet")?,
        }),
        Operation::DescribePool => Call::DescribePool,
        Operation::ListPools => {
            Call::ListPools { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
        Operation::CreatePool => Call::CreatePool(Box::new(create_pool(body)?)),
        Operation::DeletePool => Call::DeletePool,
        Operation::ListProviders => {
            Call::ListProviders { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
        Operation::DescribeProvider => Call::DescribeProvider(body.text("ProviderName")?),
        Operation::CreateProvider => Call::CreateProvider(Box::new(CreateProviderCall {
            name: body.text("ProviderName")?,
            kind: body.text("ProviderType")?,
            details: body.map("ProviderDetails")?,
            mapping: body.map("AttributeMapping")?.unwrap_or_default(),
            identifiers: body.texts("IdpIdentifiers")?.unwrap_or_default(),
        })),
        Operation::ListAppClients => {
            Call::ListAppClients { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
        Operation::DescribeAppClient => Call::DescribeAppClient(body.text("ClientId")?),
        Operation::GetProvisionedLimit => provisioned_limit_call(body)?,
        Operation::GetQuota | Operation::GetDefaultQuota => Call::GetQuota {
            default: operation == Operation::GetDefaultQuota,
            service: body.text("ServiceCode")?,
            code: body.text("QuotaCode")?,
        },
    })
}

/// Members of `CreateUserPool` that have no effect here, and are shown as they were given.
const SHOWN_POOL_MEMBERS: [&str; 18] = [
    "AccountRecoverySetting",
    "AdminCreateUserConfig",
    "AutoVerifiedAttributes",
    "DeletionProtection",
    "DeviceConfiguration",
    "EmailConfiguration",
    "EmailVerificationMessage",
    "EmailVerificationSubject",
    "MfaConfiguration",
    "Policies",
    "SmsAuthenticationMessage",
    "SmsConfiguration",
    "SmsVerificationMessage",
    "UserAttributeUpdateSettings",
    "UserPoolAddOns",
    "UserPoolTags",
    "UserPoolTier",
    "VerificationMessageTemplate",
];

fn create_pool(body: JsonMembers<'_>) -> Result<CreatePoolCall, ApiError> {
    let case_sensitive = body.object("UsernameConfiguration")?.map(|names| names.flag("CaseSensitive")).transpose()?;
    let trigger = body.object("LambdaConfig")?.map(|triggers| triggers.text("PreSignUp")).transpose()?;
    Ok(CreatePoolCall {
        name: body.text("PoolName")?,
        case_sensitive: case_sensitive.flatten(),
        username_attributes: body.texts("UsernameAttributes")?.unwrap_or_default(),
        alias_attributes: body.texts("AliasAttributes")?.unwrap_or_default(),
        pre_sign_up_trigger: trigger.flatten(),
        schema: body.schema("Schema")?,
        shown: SHOWN_POOL_MEMBERS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone())))
            .collect(),
    })
}

fn provisioned_limit_call(body: JsonMembers<'_>) -> Result<Call, ApiError> {
    let definition = body.object("LimitDefinition")?;
    let class = definition.map(|limit| limit.text("LimitClass")).transpose()?.flatten();
    let attributes = definition.map(|limit| limit.map("Attributes")).transpose()?.flatten();
    Ok(Call::GetProvisionedLimit { class, category: attributes.and_then(|mut map| map.remove("Category")) })
}

/// The body of an answer.
pub(crate) fn encode(result: &Result<Reply, ApiError>) -> Vec<u8> {
    let body = match result {
        Ok(Reply::Empty) => return Vec::new(),
        Ok(Reply::Done) => return b"{}".to_vec(),
        Ok(reply) => reply_json(reply),
        Err(error) if error.message.is_empty() => json!({ "__type": error.code }),
        Err(error) => json!({ "__type": error.code, "message": error.message }),
    };
    body.to_string().into_bytes()
}

fn reply_json(reply: &Reply) -> Value {
    match reply {
        Reply::Done | Reply::Empty => json!({}),
        Reply::User(user) => user_json(user, "UserAttributes"),
        Reply::CreatedUser(user) => json!({ "User": user_json(user, "Attributes") }),
        Reply::Users(page) => page_json("Users", page, "PaginationToken", |user| user_json(user, "Attributes")),
        Reply::Pool(pool) => json!({ "UserPool": pool_json(pool) }),
        Reply::Pools(page) => page_json("UserPools", page, "NextToken", pool_summary_json),
        Reply::Providers(page) => page_json("Providers", page, "NextToken", provider_json),
        Reply::Provider(pool, provider) => json!({ "IdentityProvider": provider_details_json(pool, provider) }),
        Reply::AppClients(pool, page) => {
            page_json("UserPoolClients", page, "NextToken", |client| app_client_json(pool, client))
        }
        Reply::AppClient(pool, client) => {
            let mut json = app_client_json(pool, client);
            json["ClientSecret"] = "simulated".into();
            if !client.providers.is_empty() {
                json["SupportedIdentityProviders"] = json!(client.providers);
            }
            json!({ "UserPoolClient": json })
        }
        Reply::ProvisionedLimit(limit) => provisioned_limit_json(*limit),
        Reply::Quota(limit) => json!({ "Quota": quota_json(*limit) }),
    }
}

fn page_json<T>(name: &str, page: &Page<T>, token_name: &str, item: impl Fn(&T) -> Value) -> Value {
    let items: Vec<Value> = page.items.iter().map(item).collect();
    let mut body = Map::new();
    body.insert(name.to_owned(), items.into());
    body.extend(page.next_token.iter().map(|token| (token_name.to_owned(), token.as_str().into())));
    body.into()
}

fn user_json(user: &UserView, attributes: &str) -> Value {
    let values: Vec<Value> =
        user.attributes.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    json!({
        "Username": user.username,
        attributes: values,
        "UserCreateDate": seconds(user.created_ms),
        "UserLastModifiedDate": seconds(user.modified_ms),
        "Enabled": user.enabled,
        "UserStatus": user.status,
    })
}

fn provider_json(provider: &ProviderView) -> Value {
    json!({
        "ProviderName": provider.name,
        "ProviderType": provider.kind,
        "LastModifiedDate": seconds(provider.modified_ms),
        "CreationDate": seconds(provider.created_ms),
    })
}

fn provider_details_json(pool: &str, provider: &ProviderDetailsView) -> Value {
    let mut json = provider_json(&provider.listed);
    json["UserPoolId"] = pool.into();
    json["ProviderDetails"] = json!(provider.details);
    json["AttributeMapping"] = json!(provider.mapping);
    if !provider.identifiers.is_empty() {
        json["IdpIdentifiers"] = json!(provider.identifiers);
    }
    json
}

fn app_client_json(pool: &str, client: &AppClientView) -> Value {
    json!({ "ClientId": client.id, "UserPoolId": pool, "ClientName": client.name })
}

fn pool_summary_json(settings: &PoolSettings) -> Value {
    let mut pool = json!({
        "Id": settings.id,
        "Name": settings.name,
        "LambdaConfig": {},
        "LastModifiedDate": seconds(settings.created_ms),
        "CreationDate": seconds(settings.created_ms),
    });
    if let Some(trigger) = &settings.pre_sign_up_trigger {
        pool["LambdaConfig"]["PreSignUp"] = trigger.as_str().into();
    }
    pool
}

fn pool_json(PoolView { settings, estimated_user_count }: &PoolView) -> Value {
    let region = settings.id.rsplit_once('_').map_or("", |(region, _)| region);
    let mut pool = pool_summary_json(settings);
    let schema: Vec<Value> = all_attributes(&settings.schema).iter().map(schema_json).collect();
    pool["SchemaAttributes"] = schema.into();
    pool["EstimatedNumberOfUsers"] = json!(estimated_user_count);
    pool["UsernameConfiguration"] = json!({ "CaseSensitive": settings.case_sensitive });
    pool["Arn"] = format!("arn:aws:cognito-idp:{region}:000000000000:userpool/{}", settings.id).into();
    pool["DeletionProtection"] = "INACTIVE".into();
    pool["MfaConfiguration"] = "OFF".into();
    pool["UserPoolTier"] = "ESSENTIALS".into();
    for (name, attributes) in
        [("UsernameAttributes", &settings.username_attributes), ("AliasAttributes", &settings.alias_attributes)]
    {
        if !attributes.is_empty() {
            pool[name] = attributes.clone().into();
        }
    }
    for (name, value) in &settings.shown {
        pool[name] = value.clone();
    }
    pool
}

fn schema_json(attribute: &SchemaAttribute) -> Value {
    let mut json = json!({
        "Name": attribute.name,
        "AttributeDataType": attribute.data_type,
        "DeveloperOnlyAttribute": false,
        "Mutable": attribute.mutable,
        "Required": attribute.required,
    });
    let AttributeBounds { min, max } = &attribute.bounds;
    let (member, least, most) = match attribute.data_type.as_str() {
        "String" => ("StringAttributeConstraints", "MinLength", "MaxLength"),
        "Number" => ("NumberAttributeConstraints", "MinValue", "MaxValue"),
        _ => return json,
    };
    let mut bounds = Map::new();
    bounds.extend(min.iter().map(|min| (least.to_owned(), min.as_str().into())));
    bounds.extend(max.iter().map(|max| (most.to_owned(), max.as_str().into())));
    json[member] = bounds.into();
    json
}

/// The service answers whole numbers (service model).
#[expect(clippy::cast_possible_truncation, reason = "rates are far below the bounds of the type")]
fn provisioned_limit_json(limit: LimitView) -> Value {
    json!({ "Limit": {
        "LimitDefinition": { "LimitClass": "API_CATEGORY", "Attributes": { "Category": limit.category.name() } },
        "ProvisionedLimitValue": limit.per_second as i64,
        "FreeLimitValue": limit.category.default_per_second() as i64,
    } })
}

fn quota_json(limit: LimitView) -> Value {
    let code = limit.category.quota_code().unwrap_or_default();
    json!({
        "ServiceCode": "cognito-idp",
        "ServiceName": "Amazon Cognito User Pools",
        "QuotaArn": format!("arn:aws:servicequotas:us-east-1:000000000000:cognito-idp/{code}"),
        "QuotaCode": code,
        "QuotaName": format!("Rate of {} requests", limit.category.name()),
        "Value": limit.per_second,
        "Unit": "None",
        "Adjustable": limit.category.is_adjustable(),
        "GlobalQuota": false,
        "Period": { "PeriodValue": 1, "PeriodUnit": "SECOND" },
        "QuotaAppliedAtLevel": "ACCOUNT",
    })
}

/// A time as the service writes it: seconds since 1970 with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any plausible year fit the 53 bits")]
fn seconds(unix_ms: UnixMs) -> f64 {
    unix_ms as f64 / 1_000.0
}

/// The time of an HTTP header.
pub(crate) fn http_date(unix_ms: UnixMs) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(unix_ms).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

/// The items of a page; no limit means as many as the service allows.
pub(crate) fn page_size(limit: Option<u64>, member: &str, max: usize) -> Result<usize, ApiError> {
    match limit {
        None | Some(0) => Ok(max),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| *limit <= max)
            .ok_or_else(|| ApiError::too_large(limit, member, max)),
    }
}

/// The position at which a page starts whose token is a position.
pub(crate) fn page_start(token: Option<&str>, request_id: &str) -> Result<usize, ApiError> {
    token.map_or(Ok(0), |token| token.parse().map_err(|_| ApiError::paging_marker(token, request_id)))
}

impl<T> Page<T> {
    /// The page of `items` that starts at a position among `total` items.
    pub(crate) fn after(start: usize, items: Vec<T>, total: usize) -> Self {
        let end = start.saturating_add(items.len());
        Self { items, next_token: (end < total).then(|| end.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_as_http_writes_them() {
        assert_eq!(super::http_date(784_111_777_999).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
