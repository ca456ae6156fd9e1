// What people publish, in JavaScript with the AWS SDK v3: a pre-sign-up handler that links, and the clean-up after it.
//   node samples.mjs URL RESULTS, where @aws-sdk/client-cognito-identity-provider is installed
import { appendFileSync } from "node:fs";
import {
  AdminCreateUserCommand,
  AdminGetUserCommand,
  AdminLinkProviderForUserCommand,
  AdminSetUserPasswordCommand,
  CognitoIdentityProviderClient,
  CreateIdentityProviderCommand,
  CreateUserPoolCommand,
  DeleteUserPoolCommand,
  DescribeUserPoolCommand,
  InvalidParameterException,
  ListUsersCommand,
  paginateListUsers,
  SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";

const [url, results] = process.argv.slice(2);
const client = new CognitoIdentityProviderClient({ endpoint: url, region: "us-east-1", maxAttempts: 1 });

function check(name, holds, seen = "") {
  const line = holds ? `ok js: ${name}` : `FAIL js: ${name}: ${JSON.stringify(seen)}`;
  appendFileSync(results, `${line}\n`);
  if (!holds) console.log(line);
}

async function refusal(command) {
  try {
    return await client.send(command);
  } catch (error) {
    return error;
  }
}

const handler = async (event) => {
  if (event.triggerSource !== "PreSignUp_ExternalProvider") return event;
  const { userPoolId, userName } = event;
  const { email } = event.request.userAttributes;
  const [providerName, ...rest] = userName.split("_");
  const listed = await client.send(new ListUsersCommand({ UserPoolId: userPoolId, Filter: `"email" = "${email}"` }));
  let username = listed.Users?.[0]?.Username;
  if (!username) {
    const created = await client.send(
      new AdminCreateUserCommand({
        UserPoolId: userPoolId,
        Username: email,
        MessageAction: "SUPPRESS",
        UserAttributes: [
          { Name: "email", Value: email },
          { Name: "email_verified", Value: "true" },
        ],
      }),
    );
    username = created.User.Username;
    await client.send(
      new AdminSetUserPasswordCommand({
        UserPoolId: userPoolId,
        Username: username,
        Password: "Never-Used-9",
        Permanent: true,
      }),
    );
  }
  await client.send(
    new AdminLinkProviderForUserCommand({
      UserPoolId: userPoolId,
      DestinationUser: { ProviderName: "Cognito", ProviderAttributeValue: username },
      SourceUser: {
        ProviderName: providerName,
        ProviderAttributeName: "Cognito_Subject",
        ProviderAttributeValue: rest.join("_"),
      },
    }),
  );
  event.response.autoConfirmUser = true;
  return event;
};

const signUp = (userPoolId, userName, email) =>
  handler({
    triggerSource: "PreSignUp_ExternalProvider",
    userPoolId,
    userName,
    request: { userAttributes: { email } },
    response: {},
  });

const pool = await client.send(
  new CreateUserPoolCommand({ PoolName: "js", UsernameConfiguration: { CaseSensitive: false } }),
);
const userPoolId = pool.UserPool.Id;
check("dates are dates", pool.UserPool.CreationDate instanceof Date, pool.UserPool.CreationDate);
await client.send(
  new CreateIdentityProviderCommand({
    UserPoolId: userPoolId,
    ProviderName: "Google",
    ProviderType: "Google",
    ProviderDetails: { client_id: "c", client_secret: "s", authorize_scopes: "openid" },
  }),
);
const event = await signUp(userPoolId, "Google_AbC_1", "js@example.com");
check("the handler confirms", event.response.autoConfirmUser === true, event.response);
await signUp(userPoolId, "Google_2", "js@example.com");
const user = await client.send(new AdminGetUserCommand({ UserPoolId: userPoolId, Username: "js@example.com" }));
const identities = JSON.parse(user.UserAttributes.find(({ Name }) => Name === "identities").Value);
check(
  "both identities are on the user",
  JSON.stringify(identities.map(({ userId }) => userId)) === '["AbC_1","2"]' && user.UserStatus === "CONFIRMED",
  identities,
);
const repeated = await signUp(userPoolId, "Google_2", "js@example.com").catch((error) => error);
check(
  "a repeat is an error of its class",
  repeated instanceof InvalidParameterException && repeated.message.startsWith("SourceUser is already linked"),
  repeated,
);
const users = [];
for await (const page of paginateListUsers({ client, pageSize: 1 }, { UserPoolId: userPoolId })) {
  users.push(...page.Users);
}
check("the paginator ends", users.length === 1, users);
const unsigned = await refusal(
  new SignUpCommand({ ClientId: "client1234", Username: "someone", Password: "Never-Used-9" }),
);
check(
  "an operation that is not simulated is named",
  unsigned.name === "UnknownOperationException" && unsigned.message.includes("SignUp"),
  unsigned,
);
await client.send(new DeleteUserPoolCommand({ UserPoolId: userPoolId }));
const gone = await refusal(new DescribeUserPoolCommand({ UserPoolId: userPoolId }));
check("a deleted pool is gone", gone.name === "ResourceNotFoundException", gone);
