// Run by the Go tests of test/clients, which start the service and set what
// `mocktenant env` prints.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientSecretCredential, UsernamePasswordCredential } from "@azure/identity";
import { ConfidentialClientApplication, PublicClientApplication } from "@azure/msal-node";
import { BatchRequestContent, BatchResponseContent, Client } from "@microsoft/microsoft-graph-client";
import { signInByDevice } from "./device.mjs";

const {
  AZURE_AUTHORITY_HOST, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_PASSWORD, AZURE_TENANT_ID, AZURE_USERNAME, GRAPH_BASE_URL,
} = process.env;
const graph = new URL(GRAPH_BASE_URL);
const scopes = ["https://graph.microsoft.com/.default"];
const path = "/deviceManagement/remoteAssistancePartners";
const example = {
  "@odata.type": "#microsoft.graph.remoteAssistancePartner",
  displayName: "Display Name value",
  onboardingUrl: "https://example.com/onboardingUrl/",
  onboardingStatus: "onboarding",
  lastConnectionDateTime: "2016-12-31T23:58:36.6670033-08:00",
};

const graphClient = (token) => Client.init({
  baseUrl: GRAPH_BASE_URL,
  customHosts: new Set([graph.hostname]),
  authProvider: (done) => token().then((t) => done(null, t), (e) => done(e, null)),
});

// Creates, reads, lists, changes and deletes a partner.
async function lifecycle(client) {
  const created = await client.api(path).post(example);
  assert.equal(created.lastConnectionDateTime, example.lastConnectionDateTime);
  const item = client.api(`${path}/${created.id}`);
  assert.deepEqual({ ...(await item.get()) }, created);
  assert.ok((await client.api(path).top(1000).get()).value.some((p) => p.id === created.id));
  assert.equal((await client.api(`${path}/${created.id}`).patch({ displayName: null })).displayName, null);
  await client.api(`${path}/${created.id}/disconnect`).post({});
  await client.api(`${path}/${created.id}`).delete();
  await assert.rejects(client.api(`${path}/${created.id}`).get(), { statusCode: 404, code: "ResourceNotFound" });
}

const authority = AZURE_AUTHORITY_HOST + AZURE_TENANT_ID;
const knownAuthorities = [new URL(AZURE_AUTHORITY_HOST).host];

test("@azure/identity, username and password", async () => {
  const credential = new UsernamePasswordCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_USERNAME, AZURE_PASSWORD, {
    authorityHost: AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true,
  });
  await lifecycle(graphClient(async () => (await credential.getToken(scopes)).token));
});

test("@azure/identity, client secret: refused by Graph", async () => {
  const credential = new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, {
    authorityHost: AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true,
  });
  const client = graphClient(async () => (await credential.getToken(scopes)).token);
  await assert.rejects(client.api(path).get(), { statusCode: 403, code: "Forbidden" });
});

test("MSAL, username and password, then silently", async () => {
  const app = new ConfidentialClientApplication({
    auth: { clientId: AZURE_CLIENT_ID, clientSecret: AZURE_CLIENT_SECRET, authority, knownAuthorities },
  });
  const first = await app.acquireTokenByUsernamePassword({ scopes, username: AZURE_USERNAME, password: AZURE_PASSWORD });
  assert.equal(first.account.username, AZURE_USERNAME);
  assert.equal(first.tenantId, AZURE_TENANT_ID);
  const again = await app.acquireTokenSilent({ scopes, account: first.account, forceRefresh: true });
  assert.notEqual(again.accessToken, "");
  await lifecycle(graphClient(async () => again.accessToken));
});

test("MSAL, wrong password", async () => {
  const app = new ConfidentialClientApplication({
    auth: { clientId: AZURE_CLIENT_ID, clientSecret: AZURE_CLIENT_SECRET, authority, knownAuthorities },
  });
  await assert.rejects(app.acquireTokenByUsernamePassword({ scopes, username: AZURE_USERNAME, password: "wrong" }),
    (e) => e.errorCode === "invalid_grant" && /AADSTS50126/.test(e.errorMessage));
});

test("MSAL, device code", async () => {
  const app = new PublicClientApplication({
    auth: { clientId: process.env.MOCKTENANT_TEST_PUBLIC_CLIENT_ID, authority, knownAuthorities },
  });
  const { result, said } = await signInByDevice(app, scopes, ({ userCode, verificationUri }) => fetch(verificationUri, {
    method: "POST", body: new URLSearchParams({ code: userCode, user: AZURE_USERNAME, password: AZURE_PASSWORD }),
  }));
  assert.equal(said.status, 200);
  await lifecycle(graphClient(async () => result.accessToken));
});

test("a batch of the Graph client", async () => {
  const credential = new UsernamePasswordCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_USERNAME, AZURE_PASSWORD, {
    authorityHost: AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true,
  });
  const client = graphClient(async () => (await credential.getToken(scopes)).token);
  const content = new BatchRequestContent([
    { id: "1", request: new Request(GRAPH_BASE_URL + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(example) }) },
    { id: "2", dependsOn: ["1"], request: new Request(`${GRAPH_BASE_URL}${path}?$filter=displayName eq 'Display Name value'&$orderby=id desc&$top=1`) },
    { id: "3", dependsOn: ["2"], request: new Request(`${GRAPH_BASE_URL}${path}/00000000-0000-0000-0000-000000000000`, { method: "DELETE" }) },
  ]);
  const answers = new BatchResponseContent(await client.api("/$batch").post(await content.getContent()));
  const created = await answers.getResponseById("1").json();
  assert.equal(created.lastConnectionDateTime, example.lastConnectionDateTime);
  assert.equal((await answers.getResponseById("2").json()).value[0].id, created.id);
  assert.equal(answers.getResponseById("3").status, 404);
  const remove = new BatchRequestContent([{ id: "1", request: new Request(`${GRAPH_BASE_URL}${path}/${created.id}`, { method: "DELETE" }) }]);
  assert.equal(new BatchResponseContent(await client.api("/$batch").post(await remove.getContent())).getResponseById("1").status, 204);
});
