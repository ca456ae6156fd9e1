//! AWS JSON 1.1: the body of a request to a typed one, and a typed answer to its body.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::request::{Ask, LinkCall, ListCall, Operation, Page, PoolView, ProviderView, Reply, Request, UserRef};
use super::user::UserView;
use crate::clock::UnixMs;

/// What stands before an operation's name in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// The operation of an `X-Amz-Target` header.
///
/// # Errors
/// `UnknownOperationException`.
pub fn operation(target: Option<&str>) -> Result<Operation, ApiError> {
    target
        .and_then(|target| target.strip_prefix(TARGET_PREFIX))
        .and_then(Operation::by_name)
        .ok_or_else(ApiError::unknown_operation)
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
    let ask = match operation {
        Operation::LinkProvider => {
            Ask::Link(LinkCall { destination: body.user("DestinationUser")?, source: body.user("SourceUser")? })
        }
        Operation::GetUser => Ask::GetUser(body.text("Username")?),
        Operation::ListUsers => Ask::ListUsers(ListCall {
            filter: body.text("Filter")?,
            limit: body.count("Limit", "limit")?,
            token: body.text("PaginationToken")?,
            attributes: body.texts("AttributesToGet")?,
        }),
        Operation::DescribePool => Ask::DescribePool,
        Operation::ListProviders => {
            Ask::ListProviders { limit: body.count("MaxResults", "maxResults")?, token: body.text("NextToken")? }
        }
    };
    Ok(Request { pool: body.text("UserPoolId")?, ask })
}

/// The members of a JSON object; a member that is null is one that is not there, as for the service.
struct Members<'a>(&'a Map<String, Value>);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.get(name).map(text).transpose()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items.iter().map(text).collect::<Result<_, _>>().map(Some),
            Some(_) => Err(ApiError::unreadable("Unexpected field type")),
        }
    }

    fn count(&self, name: &str, member: &str) -> Result<Option<u64>, ApiError> {
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

    fn user(&self, name: &str) -> Result<Option<UserRef>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                let user = Members(members);
                Ok(Some(UserRef {
                    provider: user.text("ProviderName")?,
                    attribute: user.text("ProviderAttributeName")?,
                    value: user.text("ProviderAttributeValue")?,
                }))
            }
            Some(_) => Err(ApiError::unreadable("Unexpected field type")),
        }
    }
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

/// The body of an answer.
#[must_use]
pub fn encode(result: &Result<Reply, ApiError>) -> Vec<u8> {
    let body = match result {
        Ok(Reply::Linked) => json!({}),
        Ok(Reply::User(user)) => user_json(user, "UserAttributes"),
        Ok(Reply::Users(page)) => page_json("Users", page, "PaginationToken", |user| user_json(user, "Attributes")),
        Ok(Reply::Pool(pool)) => json!({ "UserPool": pool_json(pool) }),
        Ok(Reply::Providers(page)) => page_json("Providers", page, "NextToken", provider_json),
        Err(error) if error.message.is_empty() => json!({ "__type": error.code }),
        Err(error) => json!({ "__type": error.code, "message": error.message }),
    };
    body.to_string().into_bytes()
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

fn pool_json(PoolView { settings, estimated_user_count }: &PoolView) -> Value {
    let region = settings.id.rsplit_once('_').map_or("", |(region, _)| region);
    let mut pool = json!({
        "Id": settings.id,
        "Name": settings.name,
        "LambdaConfig": {},
        "LastModifiedDate": seconds(settings.created_ms),
        "CreationDate": seconds(settings.created_ms),
        "EstimatedNumberOfUsers": estimated_user_count,
        "UsernameConfiguration": { "CaseSensitive": settings.case_sensitive },
        "Arn": format!("arn:aws:cognito-idp:{region}:000000000000:userpool/{}", settings.id),
        "UserPoolTier": "ESSENTIALS",
    });
    if let Some(trigger) = &settings.pre_sign_up_trigger {
        pool["LambdaConfig"]["PreSignUp"] = trigger.as_str().into();
    }
    for (name, attributes) in
        [("UsernameAttributes", &settings.username_attributes), ("AliasAttributes", &settings.alias_attributes)]
    {
        if !attributes.is_empty() {
            pool[name] = attributes.clone().into();
        }
    }
    pool
}

/// A time as the service writes it: seconds since 1970 with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any plausible year fit the 53 bits")]
fn seconds(unix_ms: UnixMs) -> f64 {
    unix_ms as f64 / 1_000.0
}
