#!/usr/bin/env bash
# Drives every operation of the simulator with the AWS CLI: aws.sh URL AWS RESULTS
set -uo pipefail

url=$1
aws=$2
results=$3
idp() { "$aws" --endpoint-url "$url" --output json cognito-idp "$@"; }
quotas() { "$aws" --endpoint-url "$url" --output json service-quotas "$@"; }

# Checks that a command's output, errors included, matches a pattern: expect NAME PATTERN COMMAND...
expect() {
    local name=$1 pattern=$2 output
    output=$("${@:3}" 2>&1)
    if grep -qE -- "$pattern" <<< "$output"; then
        echo "ok aws: $name" >> "$results"
    else
        echo "FAIL aws: $name: $output" | tr '\n' ' ' | tee -a "$results"
        echo | tee -a "$results"
    fi
}
quiet() { "$@" && echo done; }

pool=$(idp create-user-pool --pool-name cli --query UserPool.Id --output text)
expect create-user-pool '^sim-local-1_' echo "$pool"
google='ProviderName=Google,ProviderAttributeName=Cognito_Subject,ProviderAttributeValue=1'
bob='ProviderName=Cognito,ProviderAttributeValue=bob'
link() { idp admin-link-provider-for-user --user-pool-id "$pool" --destination-user "$1" --source-user "$2"; }
expect create-identity-provider '"ProviderType": "Google"' idp create-identity-provider --user-pool-id "$pool" \
    --provider-name Google --provider-type Google \
    --provider-details client_id=c,client_secret=s,authorize_scopes=openid
expect admin-create-user '"UserStatus": "FORCE_CHANGE_PASSWORD"' idp admin-create-user --user-pool-id "$pool" \
    --username bob --user-attributes Name=email,Value=bob@example.com
expect admin-link-provider-for-user '^done$' quiet link "$bob" "$google"
expect 'repeat' 'InvalidParameterException.*SourceUser is already linked to DestinationUser' link "$bob" "$google"
expect 'unknown user' 'UserNotFoundException.*User does not exist\.' \
    link 'ProviderName=Cognito,ProviderAttributeValue=nobody' "${google%1}2"
expect admin-get-user 'providerName' idp admin-get-user --user-pool-id "$pool" --username bob
expect list-users '"Username": "bob"' idp list-users --user-pool-id "$pool" --filter 'email = "bob@example.com"'
expect describe-user-pool '"EstimatedNumberOfUsers": 1' idp describe-user-pool --user-pool-id "$pool"
expect list-user-pools "$pool" idp list-user-pools --max-results 60
expect list-identity-providers '"ProviderName": "Google"' idp list-identity-providers --user-pool-id "$pool"
expect describe-identity-provider '"client_secret": "s"' idp describe-identity-provider --user-pool-id "$pool" \
    --provider-name Google
expect get-provisioned-limit '"ProvisionedLimitValue": 25' idp get-provisioned-limit \
    --limit-definition 'LimitClass=API_CATEGORY,Attributes={Category=UserUpdate}'
expect get-service-quota '"Value": 25.0' quotas get-service-quota --service-code cognito-idp --quota-code L-6621E65D
expect get-aws-default-service-quota '"Value": 30.0' quotas get-aws-default-service-quota --service-code cognito-idp \
    --quota-code L-259E3368
expect admin-disable-provider-for-user '^done$' quiet idp admin-disable-provider-for-user --user-pool-id "$pool" \
    --user "$google"
expect 'unlink again' "Account isn't linked to anyone else" idp admin-disable-provider-for-user --user-pool-id "$pool" \
    --user "$google"
expect admin-delete-user '^done$' quiet idp admin-delete-user --user-pool-id "$pool" --username bob
expect 'quoted attribute name' '"Users": \[\]' idp list-users --user-pool-id "$pool" --filter '"email"^="bob"'
idp admin-create-user --user-pool-id "$pool" --username eve > /dev/null
expect admin-set-user-password '^done$' quiet idp admin-set-user-password --user-pool-id "$pool" --username eve \
    --password Never-Used-9 --permanent
expect admin-update-user-attributes '^done$' quiet idp admin-update-user-attributes --user-pool-id "$pool" \
    --username eve --user-attributes Name=email,Value=eve@example.com Name=email_verified,Value=true
expect 'attributes are set' '"UserStatus": "CONFIRMED"' idp admin-get-user --user-pool-id "$pool" --username eve
expect 'unknown operation' "UnknownOperationException.*AdminEnableUser" idp admin-enable-user --user-pool-id "$pool" --username bob
expect 'unsigned operation' 'UnknownOperationException.*SignUp' idp sign-up --client-id client1234 --username eve \
    --password Never-Used-9
expect delete-user-pool '^done$' quiet idp delete-user-pool --user-pool-id "$pool"
expect 'deleted pool' 'ResourceNotFoundException.*does not exist' idp describe-user-pool --user-pool-id "$pool"
expect 'malformed pool id' "InvalidParameterException.*'userPoolId' failed to satisfy constraint" \
    idp describe-user-pool --user-pool-id us-east-1_.
