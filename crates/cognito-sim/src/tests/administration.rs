//! The operations with which another client fills a pool, and those that tell limits, as JSON.

use serde_json::{Value, json};

use super::{POOL, example};
use crate::account::Account;
use crate::account::Latency;
use crate::operation::{Category, Operation};
use crate::quota::Quota;
use crate::wire;

fn account() -> Account {
    Account::new(1).with_pool(example(true)).with_quota(Quota::off()).with_latency(Latency::off())
}

fn send(account: &mut Account, operation: &str, body: &Value) -> Value {
    let operation = Operation::by_name(operation).unwrap();
    let (pending, ticket) = account.begin(1_000, operation, wire::decode(operation, body.to_string().as_bytes()));
    account.finish(&ticket);
    let body = wire::encode(&pending.result);
    if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() }
}

fn oidc(name: &str) -> Value {
    json!({
        "UserPoolId": POOL, "ProviderName": name, "ProviderType": "OIDC",
        "ProviderDetails": {
            "client_id": "c", "client_secret": "s", "attributes_request_method": "GET",
            "oidc_issuer": "https://example.com", "authorize_scopes": "openid",
        },
        "AttributeMapping": { "email": "mail" },
    })
}

#[test]
fn a_client_can_make_and_fill_a_pool() {
    let mut account = account();
    let made = send(
        &mut account,
        "CreateUserPool",
        &json!({ "PoolName": "mine", "UsernameConfiguration": { "CaseSensitive": false } }),
    );
    let id = made["UserPool"]["Id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("sim-local-1_") && id.len() == 21, "{id}");
    assert_eq!(made["UserPool"]["SchemaAttributes"].as_array().unwrap().len(), 21);
    let pools = send(&mut account, "ListUserPools", &json!({ "MaxResults": 1 }));
    let rest = send(&mut account, "ListUserPools", &json!({ "MaxResults": 60, "NextToken": pools["NextToken"] }));
    assert_eq!(rest["UserPools"].as_array().unwrap().len(), 1);
    let mut google = oidc("Google");
    google["UserPoolId"] = id.as_str().into();
    google["ProviderType"] = "Google".into();
    assert_eq!(send(&mut account, "CreateIdentityProvider", &google)["IdentityProvider"]["ProviderName"], "Google");
    let user = json!({ "UserPoolId": id, "Username": "Carlos", "UserAttributes": [{ "Name": "email", "Value": "C@example.com" }] });
    let user = send(&mut account, "AdminCreateUser", &user);
    assert_eq!(
        (&user["User"]["Username"], &user["User"]["UserStatus"]),
        (&json!("carlos"), &json!("FORCE_CHANGE_PASSWORD"))
    );
    let link = json!({
        "UserPoolId": id,
        "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": "carlos" },
        "SourceUser": { "ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": "1" },
    });
    assert_eq!(send(&mut account, "AdminLinkProviderForUser", &link), json!({}));
    let unlink = json!({ "UserPoolId": id, "User": link["SourceUser"] });
    assert_eq!(send(&mut account, "AdminDisableProviderForUser", &unlink), json!({}));
    assert_eq!(account.stats().links_removed, 1);
    assert_eq!(send(&mut account, "AdminDeleteUser", &json!({ "UserPoolId": id, "Username": "carlos" })), Value::Null);
    let gone = send(&mut account, "AdminGetUser", &json!({ "UserPoolId": id, "Username": "carlos" }));
    assert_eq!(gone["__type"], "UserNotFoundException");
}

#[test]
fn a_provider_is_described_with_its_secret() {
    let mut account = account();
    send(&mut account, "CreateIdentityProvider", &oidc("Entra"));
    let described = |account: &mut Account, name: &str| {
        send(account, "DescribeIdentityProvider", &json!({ "UserPoolId": POOL, "ProviderName": name }))
    };
    let entra = &described(&mut account, "Entra")["IdentityProvider"];
    assert_eq!(entra["ProviderDetails"]["client_secret"], "s");
    assert_eq!(entra["AttributeMapping"], json!({ "email": "mail", "username": "sub" }));
    assert_eq!((&entra["UserPoolId"], &entra["ProviderType"]), (&json!(POOL), &json!("OIDC")));
    let okta = &described(&mut account, "Okta")["IdentityProvider"];
    assert_eq!(okta["ProviderDetails"]["client_secret"], "simulated-client-secret");
    let corp = &described(&mut account, "Corp")["IdentityProvider"];
    assert!(corp["ProviderDetails"].get("client_secret").is_none() && corp["AttributeMapping"] == json!({}));
}

/// What is asked for, and the class and text with which it is refused.
type Refused = (&'static str, Value, &'static str, &'static str);

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

fn refused_users() -> Vec<Refused> {
    let user =
        |name: &str, attributes: Value| json!({ "UserPoolId": POOL, "Username": name, "UserAttributes": attributes });
    vec![
        ("AdminCreateUser", user("alice", json!([])), "UsernameExistsException", "User account already exists"),
        (
            "AdminCreateUser",
            user("new", json!([{ "Name": "team", "Value": "x" }])),
            "InvalidParameterException",
            "Attributes did not conform to the schema: team: Attribute does not exist in the schema.\n",
        ),
        (
            "AdminCreateUser",
            user("new", json!([{ "Name": "identities", "Value": "[]" }])),
            "InvalidParameterException",
            "user.identities: Attribute cannot be updated.\n",
        ),
        (
            "AdminCreateUser",
            with(user("alice", json!([])), "MessageAction", json!("RESEND")),
            "UnsupportedUserStateException",
            "Resend not possible. FORCE_CHANGE_PASSWORD status not found",
        ),
        ("AdminDeleteUser", user("nobody", json!([])), "UserNotFoundException", "User does not exist."),
    ]
}

fn refused_providers() -> Vec<Refused> {
    vec![
        (
            "CreateIdentityProvider",
            oidc("Okta"),
            "DuplicateProviderException",
            "A provider with the name Okta already exists in this user pool.",
        ),
        (
            "CreateIdentityProvider",
            with(oidc("Entra"), "ProviderDetails", json!({})),
            "InvalidParameterException",
            "Missing required provider detail: client_id",
        ),
        (
            "CreateIdentityProvider",
            with(oidc("Entra"), "ProviderType", json!("Google")),
            "InvalidParameterException",
            "Provider Entra cannot be of type Google.",
        ),
        (
            "DescribeIdentityProvider",
            json!({ "UserPoolId": POOL, "ProviderName": "No" }),
            "ResourceNotFoundException",
            "Identity provider No does not exist.",
        ),
    ]
}

fn refused_limits() -> Vec<Refused> {
    vec![
        (
            "ListUserPools",
            json!({ "MaxResults": 0 }),
            "InvalidParameterException",
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have \
             value greater than or equal to 1",
        ),
        (
            "GetProvisionedLimit",
            json!({ "LimitDefinition": { "LimitClass": "API_CATEGORY", "Attributes": { "Category": "No" } } }),
            "ResourceNotFoundException",
            "The requested limit does not exist.",
        ),
        (
            "GetServiceQuota",
            json!({ "ServiceCode": "s3", "QuotaCode": "L-6621E65D" }),
            "NoSuchResourceException",
            "The request failed because the specified quota or service does not exist.",
        ),
    ]
}

#[test]
fn what_cannot_be_made_is_told() {
    let cases = [refused_users(), refused_providers(), refused_limits()].concat();
    for (operation, body, code, message) in cases {
        let answer = send(&mut account(), operation, &body);
        assert_eq!((&answer["__type"], &answer["message"]), (&json!(code), &json!(message)), "{operation} {body}");
    }
    for (name, code) in [("ab", "InvalidParameterException"), ("in_valid", "InvalidParameterException"), ("A_b", "")] {
        let answer = send(&mut account(), "CreateIdentityProvider", &oidc(name));
        assert_eq!(answer["__type"].as_str().unwrap_or_default(), code, "{name}");
    }
}

#[test]
fn limits_are_told_as_they_are_and_as_they_are_by_default() {
    let mut account = account().with_quota(Quota::documented().with_rate(Category::UserUpdate, 40.0, 40.0));
    let limit =
        json!({ "LimitDefinition": { "LimitClass": "API_CATEGORY", "Attributes": { "Category": "UserUpdate" } } });
    let limit = send(&mut account, "GetProvisionedLimit", &limit);
    assert_eq!((&limit["Limit"]["ProvisionedLimitValue"], &limit["Limit"]["FreeLimitValue"]), (&json!(40), &json!(25)));
    let quota = json!({ "ServiceCode": "cognito-idp", "QuotaCode": "L-6621E65D" });
    assert_eq!(send(&mut account, "GetServiceQuota", &quota)["Quota"]["Value"], 40.0);
    let default = send(&mut account, "GetAWSDefaultServiceQuota", &quota);
    assert_eq!((&default["Quota"]["Value"], &default["Quota"]["Adjustable"]), (&json!(25.0), &json!(false)));
}

#[test]
fn users_that_sign_in_by_address_are_named_by_their_sub() {
    let mut account = account();
    let pool = send(&mut account, "CreateUserPool", &json!({ "PoolName": "mail", "UsernameAttributes": ["email"] }));
    let id = pool["UserPool"]["Id"].clone();
    let mut create = |name: &str| send(&mut account, "AdminCreateUser", &json!({ "UserPoolId": id, "Username": name }));
    let made = create("a@example.com");
    let attribute = |name: &str| {
        let attributes = made["User"]["Attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["Name"] == name).map(|attribute| attribute["Value"].clone())
    };
    assert_eq!(Some(made["User"]["Username"].clone()), attribute("sub"));
    assert_eq!(attribute("email"), Some(json!("a@example.com")));
    assert_eq!(create("A@example.com")["message"], "An account with the given email already exists.");
    assert_eq!(create("carlos")["message"], "Username should be an email.");
}

#[test]
fn pools_show_what_they_were_made_with() {
    let mut account = account();
    let body = json!({
        "PoolName": "mine",
        "Schema": [
            { "Name": "team", "AttributeDataType": "String", "StringAttributeConstraints": { "MinLength": "1", "MaxLength": "9" } },
            { "Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": { "MaxValue": "5" } },
        ],
        "AccountRecoverySetting": { "RecoveryMechanisms": [{ "Priority": 1, "Name": "verified_email" }] },
        "VerificationMessageTemplate": { "DefaultEmailOption": "CONFIRM_WITH_LINK" },
        "EmailVerificationMessage": "Your code is {####}",
    });
    let made = send(&mut account, "CreateUserPool", &body);
    let id = made["UserPool"]["Id"].clone();
    let described = send(&mut account, "DescribeUserPool", &json!({ "UserPoolId": id }));
    let pool = &described["UserPool"];
    for member in ["AccountRecoverySetting", "VerificationMessageTemplate", "EmailVerificationMessage"] {
        assert_eq!(pool[member], body[member], "{member}");
    }
    let attribute =
        |name: &str| pool["SchemaAttributes"].as_array().unwrap().iter().find(|a| a["Name"] == name).unwrap();
    assert_eq!(attribute("custom:team")["StringAttributeConstraints"], json!({ "MinLength": "1", "MaxLength": "9" }));
    assert_eq!(attribute("custom:level")["NumberAttributeConstraints"], json!({ "MaxValue": "5" }));
    assert_eq!(attribute("email")["StringAttributeConstraints"], json!({ "MinLength": "0", "MaxLength": "2048" }));
    let mut text = Vec::new();
    crate::pool_file::write(&mut text, account.pool(id.as_str().unwrap()).unwrap()).unwrap();
    let read = crate::pool_file::read(text.as_slice()).unwrap();
    assert_eq!(read.settings(), account.pool(id.as_str().unwrap()).unwrap().settings());
}

#[test]
fn schemas_that_cannot_be() {
    let refused = |attribute: Value| {
        let answer = send(&mut account(), "CreateUserPool", &json!({ "PoolName": "mine", "Schema": [attribute] }));
        answer["message"].as_str().unwrap_or_default().to_owned()
    };
    for (attribute, message) in [
        (json!({ "Name": "team", "Required": true }), "Required custom attributes are not supported currently."),
        (
            json!({ "Name": "email", "AttributeDataType": "Number" }),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
        ),
        (json!({ "Name": "team", "AttributeDataType": "Text" }), "at 'schema.1.member.attributeDataType' failed"),
        (json!({ "Name": "x".repeat(21) }), "at 'schema.1.member.name' failed"),
        (json!({ "Name": "a b" }), "Member must satisfy regular expression pattern"),
        (json!({ "Name": "" }), "Member must have length greater than or equal to 1"),
        (json!({ "Name": "email", "Required": true }), ""),
        (
            json!({ "Name": "team", "StringAttributeConstraints": { "MinLength": "9", "MaxLength": "4" } }),
            "user.custom:team: Max length cannot be less than min length.",
        ),
        (
            json!({ "Name": "level", "AttributeDataType": "Number",
                "NumberAttributeConstraints": { "MinValue": "2", "MaxValue": "1" } }),
            "user.custom:level: Max value cannot be less than min value.",
        ),
        (
            json!({ "Name": "team", "StringAttributeConstraints": { "MaxLength": "2049" } }),
            "cannot have a length of more than 2048",
        ),
        (json!({ "Name": "team", "StringAttributeConstraints": { "MaxLength": "many" } }), "Invalid MaxLength"),
        (json!({ "Name": "team", "StringAttributeConstraints": { "MinLength": "-1" } }), "Invalid MinLength"),
        (json!({ "Name": "team", "StringAttributeConstraints": { "MinLength": "4", "MaxLength": "4" } }), ""),
    ] {
        let answer = refused(attribute.clone());
        assert!(answer.contains(message) && answer.is_empty() == message.is_empty(), "{attribute}: {answer}");
    }
    for name in ["team", "email"] {
        let twice = json!({ "PoolName": "mine", "Schema": [{ "Name": name }, { "Name": name }] });
        let answer = send(&mut account(), "CreateUserPool", &twice);
        assert_eq!(answer["__type"], "InvalidParameterException", "{name}");
        assert!(answer["message"].as_str().unwrap().contains("Existing attribute already has name"), "{answer}");
    }
}

#[test]
fn values_stay_within_the_schema() {
    let mut account = account();
    let schema = json!([
        { "Name": "team", "StringAttributeConstraints": { "MinLength": "2", "MaxLength": "64" } },
        { "Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": { "MinValue": "1", "MaxValue": "9" } },
    ]);
    let made = send(&mut account, "CreateUserPool", &json!({ "PoolName": "mine", "Schema": schema }));
    let pool = made["UserPool"]["Id"].clone();
    let mut number = 0;
    let mut send = |operation: &str, name: &str, value: &str| {
        number += usize::from(operation == "AdminCreateUser");
        let body = json!({ "UserPoolId": pool, "Username": format!("user-{number}"),
            "UserAttributes": [{ "Name": name, "Value": value }] });
        send(&mut account, operation, &body)["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(send("AdminCreateUser", "custom:team", "core"), "");
    let long = "x".repeat(65);
    for (name, value, message) in [
        ("custom:team", "x", "Attributes did not conform to the schema: custom:team: must have a length of at least 2"),
        ("custom:team", &long, "custom:team: must have a length of at most 64"),
        ("custom:team", &long[1..], ""),
        ("custom:level", "0", "custom:level: must have a value of at least 1"),
        ("custom:level", "10", "custom:level: must have a value of at most 9"),
        ("custom:level", "many", "custom:level: is not a number"),
        ("custom:level", "9", ""),
        ("birthdate", "1990-01-1", "birthdate: must have a length of at least 10"),
        ("name", &"x".repeat(2049), "name: must have a length of at most 2048"),
    ] {
        let updated = send("AdminUpdateUserAttributes", name, value);
        assert!(updated.contains(message) && updated.is_empty() == message.is_empty(), "{name} {value}: {updated}");
    }
    // An empty value removes the attribute, whatever its bounds are.
    assert_eq!(send("AdminUpdateUserAttributes", "custom:team", ""), "");
    assert!(send("AdminCreateUser", "custom:team", &long).contains("at most 64"));
}

#[test]
fn pools_are_deleted_unless_they_are_protected() {
    let mut account = account();
    let mut make = |protection: &str| {
        let made =
            send(&mut account, "CreateUserPool", &json!({ "PoolName": "mine", "DeletionProtection": protection }));
        json!({ "UserPoolId": made["UserPool"]["Id"] })
    };
    let (open, protected) = (make("INACTIVE"), make("ACTIVE"));
    assert_eq!(send(&mut account, "DeleteUserPool", &open), Value::Null);
    let message =
        |account: &mut Account, operation: &str, body: &Value| send(account, operation, body)["message"].clone();
    let gone = format!("User pool {} does not exist.", open["UserPoolId"].as_str().unwrap());
    assert_eq!(message(&mut account, "DescribeUserPool", &open), json!(gone));
    let text = message(&mut account, "DeleteUserPool", &protected);
    assert!(text.as_str().unwrap().starts_with("The user pool cannot be deleted because deletion protection"));
}

#[test]
fn pool_ids_have_a_form() {
    for (id, rule) in [
        ("nothing", "Member must satisfy regular expression pattern: [\\w-]+_[0-9a-zA-Z]+"),
        ("", "Member must have length greater than or equal to 1"),
        (&format!("us-east-1_{}", "x".repeat(46)), "Member must have length less than or equal to 55"),
    ] {
        let answer = send(&mut account(), "DescribeUserPool", &json!({ "UserPoolId": id }));
        let text = format!("Value '{id}' at 'userPoolId' failed to satisfy constraint: {rule}");
        assert!(answer["message"].as_str().unwrap().ends_with(&text), "{answer}");
    }
}

#[test]
fn providers_keep_their_identifiers() {
    let mut account = account();
    let made =
        send(&mut account, "CreateIdentityProvider", &with(oidc("Entra"), "IdpIdentifiers", json!(["example.com"])));
    assert_eq!(made["IdentityProvider"]["IdpIdentifiers"], json!(["example.com"]));
}

#[test]
fn passwords_and_attributes_are_set() {
    let mut account = account();
    let user = |members: Value| {
        let mut body = json!({ "UserPoolId": POOL, "Username": "alice" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    for (password, message) in [
        ("short", "Password not long enough"),
        ("lower-case-1", "Password must have uppercase characters"),
        ("Has-no-number", "Password must have numeric characters"),
        ("HasNoSymbol1", "Password must have symbol characters"),
    ] {
        let answer = send(&mut account, "AdminSetUserPassword", &user(json!({ "Password": password })));
        assert_eq!(answer["message"], format!("Password did not conform with policy: {message}"));
    }
    let mut status = |permanent: bool| {
        let body = user(json!({ "Password": "Has-All-4", "Permanent": permanent }));
        assert_eq!(send(&mut account, "AdminSetUserPassword", &body), json!({}));
        send(&mut account, "AdminGetUser", &user(json!({})))["UserStatus"].clone()
    };
    assert_eq!((status(false), status(true)), (json!("FORCE_CHANGE_PASSWORD"), json!("CONFIRMED")));
    let mut update = |attributes: Value| {
        let attributes: Vec<_> =
            attributes.as_object().unwrap().iter().map(|(n, v)| json!({ "Name": n, "Value": v })).collect();
        send(&mut account, "AdminUpdateUserAttributes", &user(json!({ "UserAttributes": attributes })))
    };
    assert_eq!(update(json!({ "email": "new@example.com", "email_verified": "true", "name": "Alice" })), json!({}));
    assert_eq!(update(json!({ "sub": "x" }))["message"], "user.sub: Attribute cannot be updated.\n");
    assert_eq!(
        update(json!({ "custom:no": "x" }))["message"],
        "Attributes did not conform to the schema: custom:no: Attribute does not exist in the schema.\n"
    );
    assert_eq!(update(json!({ "email": "newer@example.com", "name": "" })), json!({}));
    let shown = send(&mut account, "AdminGetUser", &user(json!({})));
    let value = |name: &str| {
        let attributes = shown["UserAttributes"].as_array().unwrap();
        attributes.iter().find(|a| a["Name"] == name).map(|a| a["Value"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        (value("email").as_deref(), value("email_verified").as_deref(), value("name")),
        (Some("newer@example.com"), Some("false"), None)
    );
    let found = send(&mut account, "ListUsers", &json!({ "UserPoolId": POOL, "Filter": "\"email\"^=\"newer\"" }));
    assert_eq!(found["Users"].as_array().unwrap().len(), 1, "the attribute name may be in quotes");
}

#[test]
fn aliases_are_verified_and_unique() {
    let mut account = account();
    let pool = json!({ "PoolName": "aliases", "AliasAttributes": ["email", "phone_number", "preferred_username"] });
    let id = send(&mut account, "CreateUserPool", &pool)["UserPool"]["Id"].clone();
    let mut create = |name: &str, attributes: &[(&str, &str)], force: bool| {
        let attributes: Vec<_> = attributes.iter().map(|(n, v)| json!({ "Name": n, "Value": v })).collect();
        let body =
            json!({ "UserPoolId": id, "Username": name, "UserAttributes": attributes, "ForceAliasCreation": force });
        send(&mut account, "AdminCreateUser", &body)["__type"].as_str().unwrap_or_default().to_owned()
    };
    let mail = [("email", "a@example.com"), ("email_verified", "true")];
    assert_eq!(create("first", &mail, false), "");
    assert_eq!(create("unverified", &mail[..1], false), "", "not verified, so no alias yet");
    assert_eq!(create("second", &mail, false), "AliasExistsException");
    assert_eq!(create("phone", &[("phone_number", "+1555"), ("phone_number_verified", "true")], false), "");
    assert_eq!(create("nick", &[("preferred_username", "nickname")], false), "");
    assert_eq!(create("third", &[("preferred_username", "nickname")], false), "AliasExistsException");
    let get = |account: &mut Account, name: &str| {
        send(account, "AdminGetUser", &json!({ "UserPoolId": id, "Username": name }))["Username"].clone()
    };
    let names = ["a@example.com", "+1555", "nickname"].map(|alias| get(&mut account, alias));
    assert_eq!(names, [json!("first"), json!("phone"), json!("nick")]);
    let body = json!({
        "UserPoolId": id, "Username": "second", "ForceAliasCreation": true,
        "UserAttributes": [{ "Name": "email", "Value": "a@example.com" }, { "Name": "email_verified", "Value": "true" }],
    });
    assert_eq!(send(&mut account, "AdminCreateUser", &body)["User"]["Username"], "second");
    assert_eq!(get(&mut account, "a@example.com"), "second");
}
