"""Drives every operation of the simulator with boto3, which checks the shapes of answers against the service's model."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import boto3
from botocore.config import Config

from checks import Checks, get_json, post_json

ALREADY_LINKED = "SourceUser is already linked to DestinationUser"
MERGING = "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link"
NATIVE = "Invalid SourceUser: Cognito users with a username/password may not be passed in as a SourceUser"
NOT_LINKED = "Account isn't linked to anyone else, verify that the account has been linked"
USERS = 5_000


def client(service, url):
    return boto3.client(
        service,
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16, connect_timeout=5, read_timeout=20),
    )


def strictly_shaped(checks, cognito):
    """Every answer has only members of the model, of their types; botocore itself passes unknown ones over in silence."""
    model = cognito.meta.service_model

    def fits(value, shape):
        kind = shape.type_name
        if kind == "structure":
            members = {name: value[name] for name in value if name != "ResponseMetadata"}
            known = all(name in shape.members for name in members)
            needed = all(name in value for name in shape.required_members)
            return known and needed and all(fits(v, shape.members[n]) for n, v in members.items())
        if kind == "list":
            return isinstance(value, list) and all(fits(item, shape.member) for item in value)
        if kind == "map":
            return all(isinstance(name, str) and fits(item, shape.value) for name, item in value.items())
        types = {"string": str, "boolean": bool, "integer": int, "long": int, "double": float, "timestamp": datetime}
        enum = getattr(shape, "enum", None)
        return isinstance(value, types[kind]) and (not enum or value in enum)

    def check(operation, raw):
        shape = model.operation_model(operation).output_shape
        checks.check(f"{operation} has the shape of the model", shape is None or fits(raw, shape), raw)

    return check


def native(username):
    return {"ProviderName": "Cognito", "ProviderAttributeValue": username}


def identity(provider, value, attribute="Cognito_Subject"):
    return {"ProviderName": provider, "ProviderAttributeName": attribute, "ProviderAttributeValue": value}


def identities(user):
    attributes = user.get("UserAttributes", user.get("Attributes"))
    texts = [attribute["Value"] for attribute in attributes if attribute["Name"] == "identities"]
    return json.loads(texts[0]) if texts else []


def make_pool(checks, cognito, shaped):
    pool = cognito.create_user_pool(PoolName="clients", UsernameConfiguration={"CaseSensitive": False})
    shaped("CreateUserPool", pool)
    pool_id = pool["UserPool"]["Id"]
    described = cognito.describe_user_pool(UserPoolId=pool_id)
    shaped("DescribeUserPool", described)
    checks.equal("a pool is as it was made", described["UserPool"]["UsernameConfiguration"], {"CaseSensitive": False})
    listed = cognito.list_user_pools(MaxResults=60)
    shaped("ListUserPools", listed)
    checks.check("a pool is listed", pool_id in [pool["Id"] for pool in listed["UserPools"]], listed)
    google = cognito.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Google",
        ProviderType="Google",
        ProviderDetails={"client_id": "c", "client_secret": "s", "authorize_scopes": "openid"},
        AttributeMapping={"email": "email"},
    )
    shaped("CreateIdentityProvider", google)
    cognito.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Okta",
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": "c",
            "client_secret": "s",
            "attributes_request_method": "GET",
            "oidc_issuer": "https://example.com",
            "authorize_scopes": "openid",
        },
        AttributeMapping={"email": "email"},
    )
    cognito.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Corp",
        ProviderType="SAML",
        ProviderDetails={"MetadataURL": "https://example.com/metadata"},
    )
    described = cognito.describe_identity_provider(UserPoolId=pool_id, ProviderName="Google")
    shaped("DescribeIdentityProvider", described)
    provider = described["IdentityProvider"]
    checks.equal("a provider tells its secret", provider["ProviderDetails"]["client_secret"], "s")
    listed = cognito.list_identity_providers(UserPoolId=pool_id, MaxResults=60)
    shaped("ListIdentityProviders", listed)
    names = [(provider["ProviderName"], provider["ProviderType"]) for provider in listed["Providers"]]
    checks.equal("providers are listed", names, [("Google", "Google"), ("Okta", "OIDC"), ("Corp", "SAML")])
    return pool_id


def make_users(checks, cognito, pool_id, shaped):
    made = cognito.admin_create_user(
        UserPoolId=pool_id,
        Username="Carlos",
        UserAttributes=[{"Name": "email", "Value": "carlos@example.com"}],
        MessageAction="SUPPRESS",
    )
    shaped("AdminCreateUser", made)
    checks.equal("a name loses its case in such a pool", made["User"]["Username"], "carlos")

    def make(number):
        email = {"Name": "email", "Value": f"user{number}@example.com"}
        cognito.admin_create_user(UserPoolId=pool_id, Username=f"user-{number:05}", UserAttributes=[email])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(USERS)))


def link(checks, cognito, pool_id, shaped):
    def linking(destination, source):
        return {"UserPoolId": pool_id, "DestinationUser": destination, "SourceUser": source}

    call = cognito.admin_link_provider_for_user
    invalid = "InvalidParameterException"
    answer = call(**linking(native("carlos"), identity("Google", "AbC1")))
    shaped("AdminLinkProviderForUser", answer)
    user = cognito.admin_get_user(UserPoolId=pool_id, Username="CARLOS")
    shaped("AdminGetUser", user)
    held = identities(user)
    checks.equal("a link has the members of the service's", sorted(held[0]), sorted(
        ["userId", "providerName", "providerType", "issuer", "primary", "dateCreated"]))
    checks.equal("a link keeps its case", (held[0]["userId"], held[0]["primary"], held[0]["issuer"]), ("AbC1", False, None))
    checks.refused("repeat", invalid, ALREADY_LINKED, call, **linking(native("carlos"), identity("Google", "AbC1")))
    checks.refused("conflict", invalid, ALREADY_LINKED, call, **linking(native("user-00001"), identity("Google", "AbC1")))
    for number in range(4):
        call(**linking(native("carlos"), identity("Okta", f"o{number}")))
    checks.refused("sixth identity", "LimitExceededException", "", call, **linking(native("carlos"), identity("Okta", "o5")))
    checks.refused("unknown user", "UserNotFoundException", "User does not exist.", call,
                   **linking(native("nobody"), identity("Google", "2")))
    checks.refused("unknown provider", "ResourceNotFoundException", "Identity provider No does not exist.", call,
                   **linking(native("carlos"), identity("No", "2")))
    checks.refused("native source", invalid, NATIVE, call, **linking(native("carlos"), identity("Cognito", "user-00001")))
    checks.refused("over 128 characters", invalid, "Invalid SourceUser", call,
                   **linking(native("carlos"), identity("Google", "x" * 120)))
    call(**linking(native("user-00001"), identity("Okta", "U1@example.com", "email")))
    checks.refused("attribute of a social provider", invalid, "Invalid SourceUser", call,
                   **linking(native("user-00001"), identity("Google", "u1@example.com", "email")))
    checks.refused("attribute that is not mapped", invalid, "Invalid SourceUser", call,
                   **linking(native("user-00001"), identity("Corp", "u1@example.com", "email")))
    return linking


def sign_in_and_unlink(checks, cognito, url, pool_id, shaped, linking):
    def sign_in(provider, user_id, claims=None):
        body = {"UserPoolId": pool_id, "ProviderName": provider, "UserId": user_id, "Claims": claims or {}}
        return post_json(f"{url}/_simulator/sign-in", body)

    checks.equal("a linked identity signs in", sign_in("Google", "AbC1")["Username"], "carlos")
    checks.equal("a sign-in makes a profile", sign_in("Okta", "New")["Username"], "okta_new")
    checks.refused("has its own profile", "InvalidParameterException", MERGING, cognito.admin_link_provider_for_user,
                   **linking(native("user-00002"), identity("Okta", "New")))
    used = sign_in("Okta", "subject-1", {"email": "U1@example.com"})
    checks.equal("a link by an attribute signs in", used["Username"], "user-00001")
    call = cognito.admin_disable_provider_for_user
    checks.refused("unlink a used link by its attribute", "InvalidParameterException", NOT_LINKED, call,
                   UserPoolId=pool_id, User=identity("Okta", "U1@example.com", "email"))
    shaped("AdminDisableProviderForUser", call(UserPoolId=pool_id, User=identity("Okta", "subject-1")))
    call(UserPoolId=pool_id, User=identity("Google", "AbC1"))
    checks.refused("unlink again", "InvalidParameterException", NOT_LINKED, call,
                   UserPoolId=pool_id, User=identity("Google", "AbC1"))
    left = identities(cognito.admin_get_user(UserPoolId=pool_id, Username="carlos"))
    checks.equal("the other links stay", [held["userId"] for held in left], ["o0", "o1", "o2", "o3"])
    cognito.admin_link_provider_for_user(**linking(native("user-00002"), identity("Google", "AbC1")))


def read(checks, cognito, pool_id, shaped):
    page = cognito.list_users(UserPoolId=pool_id, Limit=60)
    shaped("ListUsers", page)
    names = [user["Username"] for user in page["Users"]]
    pages = 1
    while "PaginationToken" in page:
        page = cognito.list_users(UserPoolId=pool_id, Limit=60, PaginationToken=page["PaginationToken"])
        names += [user["Username"] for user in page["Users"]]
        pages += 1
    checks.equal("pages hold every user once", (len(names), len(set(names))), (USERS + 2, USERS + 2))
    checks.equal("a page has 60", pages, (USERS + 2 + 59) // 60)
    paginated = sum(len(page["Users"]) for page in cognito.get_paginator("list_users").paginate(UserPoolId=pool_id))
    checks.equal("boto3's paginator goes through", paginated, USERS + 2)
    found = cognito.list_users(UserPoolId=pool_id, Filter='email = "USER17@example.com"')["Users"]
    checks.equal("an address is found in any case", [user["Username"] for user in found], ["user-00017"])
    found = cognito.list_users(UserPoolId=pool_id, Filter='username ^= "user-0001"')["Users"]
    checks.equal("a prefix is found", len(found), 10)
    only = cognito.list_users(UserPoolId=pool_id, AttributesToGet=["sub"], Limit=3)["Users"]
    checks.check("only what is asked for", all(len(user["Attributes"]) == 1 for user in only), only)
    invalid = "InvalidParameterException"
    call = cognito.list_users
    checks.refused("an attribute that some lack", invalid, "", call, UserPoolId=pool_id, AttributesToGet=["name"])
    checks.refused("a bad token", invalid, "Paging marker", call, UserPoolId=pool_id, PaginationToken="abc")
    checks.refused("a bad filter", invalid, "", call, UserPoolId=pool_id, Filter="email")
    checks.refused("no search by identities", invalid, "", call, UserPoolId=pool_id, Filter='identities = "x"')


def limits_and_ends(checks, cognito, quotas, pool_id, shaped, quotas_shaped):
    definition = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserUpdate"}}
    limit = cognito.get_provisioned_limit(LimitDefinition=definition)
    shaped("GetProvisionedLimit", limit)
    checks.equal("a limit is told", limit["Limit"]["ProvisionedLimitValue"], 25)
    quota = quotas.get_service_quota(ServiceCode="cognito-idp", QuotaCode="L-6621E65D")
    quotas_shaped("GetServiceQuota", quota)
    checks.equal("a quota is told", quota["Quota"]["Value"], 25.0)
    default = quotas.get_aws_default_service_quota(ServiceCode="cognito-idp", QuotaCode="L-259E3368")
    quotas_shaped("GetAWSDefaultServiceQuota", default)
    checks.equal("a default quota is told", default["Quota"]["Value"], 30.0)
    checks.refused("no such quota", "NoSuchResourceException", "", quotas.get_service_quota,
                   ServiceCode="cognito-idp", QuotaCode="L-0")
    cognito.admin_delete_user(UserPoolId=pool_id, Username="carlos")
    checks.refused("a deleted user is gone", "UserNotFoundException", "User does not exist.", cognito.admin_get_user,
                   UserPoolId=pool_id, Username="carlos")
    checks.refused("no such pool", "ResourceNotFoundException", "User pool us-east-1_No does not exist.",
                   cognito.describe_user_pool, UserPoolId="us-east-1_No")
    checks.refused("an operation that is not simulated", "UnknownOperationException", "", cognito.admin_enable_user,
                   UserPoolId=pool_id, Username="user-00001")


def throttling(checks, cognito, url):
    """200 links as fast as they go, where 25 a second are let through."""
    pool_id = cognito.list_user_pools(MaxResults=1)["UserPools"][0]["Id"]

    def once(number):
        try:
            cognito.admin_link_provider_for_user(
                UserPoolId=pool_id, DestinationUser=native(f"u{number}"), SourceUser=identity("Google", str(number)))
            return "linked"
        except cognito.exceptions.TooManyRequestsException as error:
            answer = error.response
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
            return answer["Error"]["Message"]

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(once, range(200)))
    checks.equal("throttled with both texts", set(told), {"linked", "Rate exceeded", "Too many requests"})
    seen = get_json(f"{url}/_simulator/stats")["operations"]["AdminLinkProviderForUser"]
    checks.equal("the simulator counts what was seen", (seen["calls"], seen["accepted"]), (200, told.count("linked")))
    checks.check("25 were let through, and 25 a second more", 25 <= seen["accepted"] < 200, seen)


def main(calm, busy, results):
    checks = Checks(results, "boto3")
    cognito, quotas = client("cognito-idp", calm), client("service-quotas", calm)
    shaped, quotas_shaped = strictly_shaped(checks, cognito), strictly_shaped(checks, quotas)
    pool_id = make_pool(checks, cognito, shaped)
    make_users(checks, cognito, pool_id, shaped)
    linking = link(checks, cognito, pool_id, shaped)
    sign_in_and_unlink(checks, cognito, calm, pool_id, shaped, linking)
    read(checks, cognito, pool_id, shaped)
    limits_and_ends(checks, cognito, quotas, pool_id, shaped, quotas_shaped)
    throttling(checks, client("cognito-idp", busy), busy)


if __name__ == "__main__":
    main(*sys.argv[1:])
