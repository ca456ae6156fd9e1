"""What people publish, in Python: a pre-sign-up handler that links, a script that deletes what it made; and our `link`
against a pool that creates what it is asked for."""

import csv
import json
import pathlib
import subprocess
import sys

import boto3
from botocore.config import Config

from checks import Checks, get_json, post_json


def handler(cognito, event):
    """Links an external user to the native user with the same address, whom it creates if there is none."""
    if event["triggerSource"] != "PreSignUp_ExternalProvider":
        return event
    email = event["request"]["userAttributes"]["email"]
    pool_id = event["userPoolId"]
    provider, provider_user_id = event["userName"].split("_", 1)
    users = cognito.list_users(UserPoolId=pool_id, AttributesToGet=["email"], Filter=f'"email" ^= "{email}"')["Users"]
    native = [user for user in users if user["UserStatus"] != "EXTERNAL_PROVIDER"]
    if native:
        username = native[0]["Username"]
    else:
        user = cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
        )["User"]
        username = user["Username"]
        cognito.admin_set_user_password(
            UserPoolId=pool_id, Username=username, Password="Never-Used-9", Permanent=True)
    cognito.admin_link_provider_for_user(
        UserPoolId=pool_id,
        DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": username},
        SourceUser={
            "ProviderName": provider,
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": provider_user_id,
        },
    )
    event["response"]["autoConfirmUser"] = True
    event["response"]["autoVerifyEmail"] = True
    return event


def sign_up(cognito, pool_id, username, email):
    return handler(cognito, {
        "triggerSource": "PreSignUp_ExternalProvider",
        "userPoolId": pool_id,
        "userName": username,
        "request": {"userAttributes": {"email": email}},
        "response": {},
    })


def identities(cognito, pool_id, username):
    attributes = cognito.admin_get_user(UserPoolId=pool_id, Username=username)["UserAttributes"]
    texts = [attribute["Value"] for attribute in attributes if attribute["Name"] == "identities"]
    return [(held["providerName"], held["userId"]) for held in json.loads(texts[0])] if texts else []


def pre_sign_up(checks, cognito, url):
    pool_id = cognito.create_user_pool(
        PoolName="samples",
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        Schema=[{
            "Name": "team", "AttributeDataType": "String", "Mutable": True,
            "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "64"},
        }],
        AccountRecoverySetting={"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    )["UserPool"]["Id"]
    cognito.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Google",
        ProviderType="Google",
        ProviderDetails={"client_id": "c", "client_secret": "s", "authorize_scopes": "openid email"},
        AttributeMapping={"email": "email"},
        IdpIdentifiers=["example.com"],
    )
    event = sign_up(cognito, pool_id, "Google_1001", "a@example.com")
    checks.equal("the handler confirms the user", event["response"], {"autoConfirmUser": True, "autoVerifyEmail": True})
    user = cognito.admin_get_user(UserPoolId=pool_id, Username="a@example.com")
    checks.equal("a user with a password is confirmed", user["UserStatus"], "CONFIRMED")
    checks.equal("the user has the identity", identities(cognito, pool_id, "a@example.com"), [("Google", "1001")])
    sign_up(cognito, pool_id, "Google_1002", "a@example.com")
    checks.equal("a known address is found, in quotes", len(identities(cognito, pool_id, "a@example.com")), 2)
    body = {"UserPoolId": pool_id, "ProviderName": "Google", "UserId": "1001", "Claims": {"email": "a@example.com"}}
    checks.equal("the identity signs in", post_json(f"{url}/_simulator/sign-in", body)["Username"], user["Username"])
    checks.refused("the handler runs again", "InvalidParameterException", "SourceUser is already linked",
                   lambda **event: sign_up(cognito, pool_id, **event), username="Google_1001", email="a@example.com")
    cognito.admin_update_user_attributes(
        UserPoolId=pool_id, Username="a@example.com", UserAttributes=[{"Name": "custom:team", "Value": "blue"}])
    pool = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    custom = [attribute for attribute in pool["SchemaAttributes"] if attribute["Name"] == "custom:team"]
    checks.equal("a schema keeps its bounds", custom[0]["StringAttributeConstraints"], {"MinLength": "1", "MaxLength": "64"})
    checks.equal("a pool keeps its recovery", pool["AccountRecoverySetting"]["RecoveryMechanisms"][0]["Priority"], 1)
    refused = checks.refused
    refused("a weak password", "InvalidPasswordException", "Password did not conform with policy: ",
            cognito.admin_set_user_password, UserPoolId=pool_id, Username="a@example.com", Password="weak")
    refused("a pool id of no form", "InvalidParameterException", "1 validation error detected: Value 'nothing_'",
            cognito.describe_user_pool, UserPoolId="nothing_")
    return pool_id


def clean_up(checks, cognito, pool_id):
    cognito.delete_user_pool(UserPoolId=pool_id)
    checks.refused("a deleted pool is gone", "ResourceNotFoundException", f"User pool {pool_id} does not exist.",
                   cognito.list_users, UserPoolId=pool_id)


def our_link(checks, url, binary, work):
    """`link` lists the providers and finds those that it needs, and creates the users as it goes."""
    pairs = pathlib.Path(work, "reference.csv")
    with open(pairs, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["destination_username", "source_provider", "source_value"])
        writer.writerows([f"user-{number}", ["Okta", "Google"][number % 2], f"id-{number}" if number % 2 == 0 else f"1074385{number:013}7"] for number in range(20))
    command = [binary, "link", str(pairs), "--user-pool-id", "sim-local-1_Example01", "--endpoint-url", url, "--yes"]
    ended = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=60, check=False)
    checks.equal("our link ends well", ended.returncode, 0)
    made = get_json(f"{url}/_simulator/stats")["links_made"]
    checks.check("our link makes every link", made == 20, ended.stderr[-2000:])


def main(calm, open_pool, binary, work, results):
    checks = Checks(results, "samples")
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    cognito = boto3.client("cognito-idp", endpoint_url=calm, config=config)
    pool_id = pre_sign_up(checks, cognito, calm)
    clean_up(checks, cognito, pool_id)
    our_link(checks, open_pool, binary, work)


if __name__ == "__main__":
    main(*sys.argv[1:])
