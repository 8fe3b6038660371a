import { ConfidentialClientApplication } from "@azure/msal-node";

const { AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET } = process.env;
const app = new ConfidentialClientApplication({ auth: {
  authority: AZURE_AUTHORITY_HOST + AZURE_TENANT_ID, knownAuthorities: [new URL(AZURE_AUTHORITY_HOST).host],
  clientId: AZURE_CLIENT_ID, clientSecret: AZURE_CLIENT_SECRET,
} });
try {
  await app.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
} catch (e) {
  console.log(e.name, e.errorCode, e.errorNo, e.subError);
  process.exitCode = 1;
}
