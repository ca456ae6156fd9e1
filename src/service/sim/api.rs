//! AWS JSON 1.1: the body of a request to a typed one, and a typed answer to its body.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::members::Members;
use super::request::{
    Ask, CreatePoolCall, CreateProviderCall, CreateUserCall, LimitView, LinkCall, ListCall, Operation, Page, PoolView,
    ProviderDetailsView, ProviderView, Reply, Request,
};
use super::schema::{SchemaAttribute, all_attributes};
use super::settings::PoolSettings;
use super::user::UserView;
use crate::clock::UnixMs;

/// The operation of an `X-Amz-Target` header.
///
/// # Errors
/// `UnknownOperationException`.
pub fn operation(target: Option<&str>) -> Result<Operation, ApiError> {
    target.and_then(Operation::by_target).ok_or_else(ApiError::unknown_operation)
}

/// Reads the body of a request.
///
/// # Errors
/// `SerializationException` for what is no JSON object or has members of other types.
pub fn decode(operation: Operation, body: &[u8]) -> Result<Request, ApiError> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(ApiError::unreadable("Start of structure or map expected."));
    };
    let body = Members(&members);
    Ok(Request { pool: body.text("UserPoolId")?, ask: ask(operation, body)? })
}

fn ask(operation: Operation, body: Members<'_>) -> Result<Ask, ApiError> {
    Ok(match operation {
        Operation::LinkProvider => {
            Ask::Link(LinkCall { destination: body.user("DestinationUser")?, source: body.user("SourceUser")? })
        }
        Operation::DisableProvider => Ask::Disable(body.user("User")?),
        Operation::GetUser => Ask::GetUser(body.text("Username")?),
        Operation::DeleteUser => Ask::DeleteUser(body.text("Username")?),
        Operation::CreateUser => Ask::CreateUser(CreateUserCall {
            username: body.text("Username")?,
            attributes: body.attributes("UserAttributes")?,
            resend: body.text("MessageAction")?.as_deref() == Some("RESEND"),
        }),
        Operation::ListUsers => Ask::ListUsers(ListCall {
            filter: body.text("Filter")?,
            limit: body.count("Limit", "limit")?,
            token: body.text("PaginationToken")?,
            attributes: body.texts("AttributesToGet")?,
        }),
        Operation::DescribePool => Ask::DescribePool,
        Operation::ListPools => {
            Ask::ListPools { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
        Operation::CreatePool => Ask::CreatePool(Box::new(create_pool(body)?)),
        Operation::ListProviders => {
            Ask::ListProviders { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
        Operation::DescribeProvider => Ask::DescribeProvider(body.text("ProviderName")?),
        Operation::CreateProvider => Ask::CreateProvider(Box::new(CreateProviderCall {
            name: body.text("ProviderName")?,
            kind: body.text("ProviderType")?,
            details: body.map("ProviderDetails")?,
            mapping: body.map("AttributeMapping")?.unwrap_or_default(),
        })),
        Operation::GetProvisionedLimit => limit_asked_for(body)?,
        Operation::GetQuota | Operation::GetDefaultQuota => Ask::GetQuota {
            default: operation == Operation::GetDefaultQuota,
            service: body.text("ServiceCode")?,
            code: body.text("QuotaCode")?,
        },
    })
}

fn create_pool(body: Members<'_>) -> Result<CreatePoolCall, ApiError> {
    let case_sensitive = body.object("UsernameConfiguration")?.map(|names| names.flag("CaseSensitive")).transpose()?;
    let trigger = body.object("LambdaConfig")?.map(|triggers| triggers.text("PreSignUp")).transpose()?;
    Ok(CreatePoolCall {
        name: body.text("PoolName")?,
        case_sensitive: case_sensitive.flatten(),
        username_attributes: body.texts("UsernameAttributes")?.unwrap_or_default(),
        alias_attributes: body.texts("AliasAttributes")?.unwrap_or_default(),
        pre_sign_up_trigger: trigger.flatten(),
        schema: body.schema("Schema")?,
    })
}

fn limit_asked_for(body: Members<'_>) -> Result<Ask, ApiError> {
    let definition = body.object("LimitDefinition")?;
    let class = definition.map(|limit| limit.text("LimitClass")).transpose()?.flatten();
    let attributes = definition.map(|limit| limit.map("Attributes")).transpose()?.flatten();
    Ok(Ask::GetProvisionedLimit { class, category: attributes.and_then(|mut map| map.remove("Category")) })
}

/// The body of an answer.
#[must_use]
pub fn encode(result: &Result<Reply, ApiError>) -> Vec<u8> {
    let body = match result {
        Ok(Reply::Empty) => return Vec::new(),
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
    json
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
    pool
}

fn schema_json(attribute: &SchemaAttribute) -> Value {
    json!({
        "Name": attribute.name,
        "AttributeDataType": attribute.data_type,
        "DeveloperOnlyAttribute": false,
        "Mutable": attribute.mutable,
        "Required": attribute.required,
    })
}

/// The service tells whole numbers (service model).
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
