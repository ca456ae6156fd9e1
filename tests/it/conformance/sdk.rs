//! The client of the SDK, for operations that the adapter never calls.

use std::io::{Read as _, Write as _};

use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Config, Region};
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, IdentityProviderType, IdentityProviderTypeType, LimitClass, LimitDefinitionType, MessageActionType,
    ProviderUserIdentifierType, UserPoolType, UsernameConfigurationType,
};
use serde_json::{Map, Value, json};

use super::clients::Outcome;

pub(super) fn client(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("sim-local-1"))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::from_keys("SIMULATED", "simulated", None))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn code_and_text<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> (String, String) {
    let answered = error.as_service_error().map(|error| (error.code(), error.message()));
    let (code, message) = answered.unwrap_or((Some("no answer of the service"), None));
    (code.unwrap_or_default().to_owned(), message.unwrap_or_default().to_owned())
}

fn text(body: &Value, member: &str) -> Option<String> {
    body[member].as_str().map(str::to_owned)
}

fn number(body: &Value, member: &str) -> Option<i32> {
    body[member].as_i64().map(|number| i32::try_from(number).unwrap())
}

fn map(body: &Value, member: &str) -> Option<std::collections::HashMap<String, String>> {
    let texts = |members: &Map<String, Value>| {
        members.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    };
    body[member].as_object().map(texts)
}

fn user(body: &Value, member: &str) -> Option<ProviderUserIdentifierType> {
    let user = &body[member];
    user.is_object().then(|| {
        ProviderUserIdentifierType::builder()
            .set_provider_name(text(user, "ProviderName"))
            .set_provider_attribute_name(text(user, "ProviderAttributeName"))
            .set_provider_attribute_value(text(user, "ProviderAttributeValue"))
            .build()
    })
}

/// Calls one operation; Service Quotas has no client here, so that goes by hand.
pub(super) async fn call(client: &Client, address: &str, name: &str, body: &Value) -> Outcome {
    let pool = text(body, "UserPoolId");
    match name {
        "AdminLinkProviderForUser" => {
            let call = client.admin_link_provider_for_user().set_user_pool_id(pool);
            let call = call.set_destination_user(user(body, "DestinationUser"));
            call.set_source_user(user(body, "SourceUser")).send().await.map(|_| Value::Null).map_err(code_and_text)
        }
        "AdminDisableProviderForUser" => {
            let call = client.admin_disable_provider_for_user().set_user_pool_id(pool);
            call.set_user(user(body, "User")).send().await.map(|_| Value::Null).map_err(code_and_text)
        }
        "AdminCreateUser" => create_user(client, body).await,
        "AdminDeleteUser" => {
            let call = client.admin_delete_user().set_user_pool_id(pool).set_username(text(body, "Username"));
            call.send().await.map(|_| Value::Null).map_err(code_and_text)
        }
        "ListUsers" => list_users(client, body).await,
        "DescribeIdentityProvider" => {
            let call = client.describe_identity_provider().set_user_pool_id(pool);
            let answer = call.set_provider_name(text(body, "ProviderName")).send().await.map_err(code_and_text)?;
            Ok(provider(answer.identity_provider().unwrap()))
        }
        "CreateIdentityProvider" => create_provider(client, body).await,
        "CreateUserPool" => {
            let answer =
                client.create_user_pool().set_pool_name(text(body, "PoolName")).send().await.map_err(code_and_text)?;
            Ok(described(answer.user_pool().unwrap()))
        }
        "ListUserPools" => {
            let call = client.list_user_pools().set_max_results(number(body, "MaxResults"));
            let answer = call.send().await.map_err(code_and_text)?;
            Ok(answer.user_pools().iter().map(|pool| json!(pool.name())).collect())
        }
        "ListUserPoolClients" => {
            let call = client.list_user_pool_clients().set_user_pool_id(pool);
            let answer = call.set_max_results(number(body, "MaxResults")).send().await.map_err(code_and_text)?;
            Ok(answer.user_pool_clients().iter().map(|one| json!([one.client_id(), one.client_name()])).collect())
        }
        "DescribeUserPoolClient" => {
            let call = client.describe_user_pool_client().set_user_pool_id(pool);
            let answer = call.set_client_id(text(body, "ClientId")).send().await.map_err(code_and_text)?;
            let one = answer.user_pool_client().unwrap();
            let (providers, secret) = (one.supported_identity_providers(), one.client_secret().is_some());
            Ok(json!({ "name": one.client_name(), "providers": providers, "secret": secret }))
        }
        "GetProvisionedLimit" => limit(client, body).await,
        _ => by_hand(address, name, body),
    }
}

async fn create_user(client: &Client, body: &Value) -> Outcome {
    let attributes = body["UserAttributes"].as_array().map(|attributes| {
        let attribute = |one: &Value| {
            AttributeType::builder().set_name(text(one, "Name")).set_value(text(one, "Value")).build().unwrap()
        };
        attributes.iter().map(attribute).collect()
    });
    let call = client.admin_create_user().set_user_pool_id(text(body, "UserPoolId"));
    let call = call.set_username(text(body, "Username")).set_user_attributes(attributes);
    let call = call.set_message_action(body["MessageAction"].as_str().map(MessageActionType::from));
    let answer = call.send().await.map_err(code_and_text)?;
    let user = answer.user().unwrap();
    assert!(user.attributes().iter().all(|attribute| attribute.name() != "identities"));
    Ok(json!({ "username": user.username(), "status": user.user_status().unwrap().as_str(), "identities": [] }))
}

async fn list_users(client: &Client, body: &Value) -> Outcome {
    let attributes = body["AttributesToGet"].as_array();
    let attributes = attributes.map(|names| names.iter().map(|name| name.as_str().unwrap().to_owned()).collect());
    let call = client.list_users().set_user_pool_id(text(body, "UserPoolId")).set_filter(text(body, "Filter"));
    let call = call.set_limit(number(body, "Limit")).set_pagination_token(text(body, "PaginationToken"));
    let answer = call.set_attributes_to_get(attributes).send().await.map_err(code_and_text)?;
    let names: Vec<_> = answer.users().iter().map(|user| user.username()).collect();
    Ok(json!({ "usernames": names, "more": answer.pagination_token().is_some() }))
}

async fn create_provider(client: &Client, body: &Value) -> Outcome {
    let call = client.create_identity_provider().set_user_pool_id(text(body, "UserPoolId"));
    let call = call.set_provider_name(text(body, "ProviderName")).set_provider_details(map(body, "ProviderDetails"));
    let kind = body["ProviderType"].as_str().map(IdentityProviderTypeType::from);
    let call = call.set_provider_type(kind).set_attribute_mapping(map(body, "AttributeMapping"));
    let answer = call.send().await.map_err(code_and_text)?;
    Ok(provider(answer.identity_provider().unwrap()))
}

async fn limit(client: &Client, body: &Value) -> Outcome {
    let definition = &body["LimitDefinition"];
    let definition = LimitDefinitionType::builder()
        .set_limit_class(definition["LimitClass"].as_str().map(LimitClass::from))
        .set_attributes(map(definition, "Attributes"))
        .build()
        .unwrap();
    let answer = client.get_provisioned_limit().limit_definition(definition).send().await.map_err(code_and_text)?;
    let limit = answer.limit().unwrap();
    let category = &limit.limit_definition().unwrap().attributes()["Category"];
    Ok(json!([category, limit.provisioned_limit_value(), limit.free_limit_value()]))
}

fn provider(provider: &IdentityProviderType) -> Value {
    let details = provider.provider_details().unwrap();
    json!({
        "name": provider.provider_name(),
        "type": provider.provider_type().map(IdentityProviderTypeType::as_str),
        "mapping": provider.attribute_mapping(),
        "secret": details.contains_key("client_secret"),
    })
}

fn described(pool: &UserPoolType) -> Value {
    json!({
        "name": pool.name(),
        "case_sensitive": pool.username_configuration().map(UsernameConfigurationType::case_sensitive),
        "users": pool.estimated_number_of_users(),
    })
}

fn by_hand(address: &str, name: &str, body: &Value) -> Outcome {
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: unverified\r\n\
         X-Amz-Target: ServiceQuotasV20190624.{name}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    if head.starts_with("HTTP/1.1 200 ") {
        Ok(body["Quota"]["Value"].clone())
    } else {
        Err((text("__type"), text("message")))
    }
}
