// Links rows with the AWS SDK for JavaScript v3, 32 at a time.
//   node client.mjs URL POOL FILE
// Prints how many rows it takes for linked. A row whose error the SDK returns is lost.
import { readFileSync } from "node:fs";
import { AdminLinkProviderForUserCommand, CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";

const [url, pool, file] = process.argv.slice(2);
const client = new CognitoIdentityProviderClient({ endpoint: url, region: "us-east-1" });
const rows = readFileSync(file, "utf8").trim().split(/\r?\n/).slice(1).values();
let linked = 0;

async function work() {
  for (const row of rows) {
    const [destination, provider, value] = row.split(",");
    const command = new AdminLinkProviderForUserCommand({
      UserPoolId: pool,
      DestinationUser: { ProviderName: "Cognito", ProviderAttributeValue: destination },
      SourceUser: { ProviderName: provider, ProviderAttributeName: "Cognito_Subject", ProviderAttributeValue: value },
    });
    try {
      await client.send(command);
      linked += 1;
    } catch {
      // Lost.
    }
  }
}

await Promise.all(Array.from({ length: 32 }, work));
console.log(linked);
