// Unmodified ADAL for Node, the client for the v1.0 endpoints.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import adal from "adal-node";

const { AZURE_AUTHORITY_HOST, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_PASSWORD, AZURE_TENANT_ID, AZURE_USERNAME, GRAPH_BASE_URL, MOCKTENANT_ADMIN_URL, MOCKTENANT_TEST_PUBLIC_CLIENT_ID } = process.env;
const resource = "https://graph.microsoft.com";
const redirectUri = "http://localhost:4711";
const authority = AZURE_AUTHORITY_HOST + AZURE_TENANT_ID;

// Calls a method of a new context, or of a given one, and waits for its callback.
function ask(method, ...args) {
  const context = typeof method === "string" ? new adal.AuthenticationContext(authority, false) : method.context;
  return new Promise((done, failed) => {
    context[method.name ?? method](...args, (error, response) => { error ? failed(error) : done(response); });
  });
}

// Calls Graph with a token.
async function graph(token) {
  const response = await fetch(new URL("/v1.0/deviceManagement/remoteAssistancePartners", GRAPH_BASE_URL), { headers: { Authorization: `Bearer ${token}` } });
  return response.status;
}

test("user name and password, then by the refresh token and from the cache", async () => {
  const context = new adal.AuthenticationContext(authority, false);
  const first = await ask({ context, name: "acquireTokenWithUsernamePassword" }, resource, AZURE_USERNAME, AZURE_PASSWORD, MOCKTENANT_TEST_PUBLIC_CLIENT_ID);
  assert.equal(await graph(first.accessToken), 200);
  assert.equal(first.resource, resource);
  const cached = await ask({ context, name: "acquireToken" }, resource, first.userId, MOCKTENANT_TEST_PUBLIC_CLIENT_ID);
  assert.equal(cached.accessToken, first.accessToken);
  const second = await ask("acquireTokenWithRefreshToken", first.refreshToken, MOCKTENANT_TEST_PUBLIC_CLIENT_ID, resource);
  assert.equal(await graph(second.accessToken), 200);
  assert.notEqual(second.refreshToken, first.refreshToken);
});

test("client secret: refused by Graph, and by the authority for an unknown resource", async () => {
  const { accessToken } = await ask("acquireTokenWithClientCredentials", resource, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET);
  assert.equal(await graph(accessToken), 403);
  await assert.rejects(ask("acquireTokenWithClientCredentials", "https://nosuch.example", AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), /AADSTS500011/);
});

// Calls the administration, which needs no key on loopback until one exists.
async function administer(path, body) {
  const response = await fetch(MOCKTENANT_ADMIN_URL + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 201, text);
  return JSON.parse(text);
}

test("certificate: by the key of one that was registered, and of no other", async () => {
  const { tenant, credentials } = await administer("/v1/tenants", { displayName: "ADAL", settings: { permissionRule: "current" } });
  const pem = () => execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=adal", "-days", "1", "-keyout", "-"], { encoding: "utf8", stdio: "pipe" });
  const [key, certificate] = pem().split(/(?=-----BEGIN CERTIFICATE-----)/);
  const { thumbprint } = await administer(`/v1/tenants/${tenant.id}/applications/${credentials.clientId}/certificates`, { certificate });
  const signIn = (by) => ask({ context: new adal.AuthenticationContext(AZURE_AUTHORITY_HOST + tenant.id, false), name: "acquireTokenWithClientCertificate" }, resource, credentials.clientId, by, thumbprint);
  const [another] = pem().split(/(?=-----BEGIN CERTIFICATE-----)/);
  await assert.rejects(signIn(another), /AADSTS700027/); // first, because ADAL caches tokens
  const { accessToken } = await signIn(key);
  assert.equal(await graph(accessToken), 200);
});

test("authorization code", async () => {
  const request = new URLSearchParams({ client_id: AZURE_CLIENT_ID, response_type: "code", redirect_uri: redirectUri, resource, state: "s" });
  const page = await fetch(`${authority}/oauth2/authorize?${request}`, {
    method: "POST", body: new URLSearchParams({ user: AZURE_USERNAME, password: AZURE_PASSWORD }), redirect: "manual",
  });
  const code = new URL(page.headers.get("Location")).searchParams.get("code");
  const got = await ask("acquireTokenWithAuthorizationCode", code, redirectUri, resource, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET);
  assert.equal(await graph(got.accessToken), 200);
  const renewed = await ask("acquireTokenWithRefreshToken", got.refreshToken, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, resource);
  assert.equal(await graph(renewed.accessToken), 200);
});

test("device code", async () => {
  const context = new adal.AuthenticationContext(authority, false);
  const device = await ask({ context, name: "acquireUserCode" }, resource, MOCKTENANT_TEST_PUBLIC_CLIENT_ID, "en-us");
  const waiting = ask({ context, name: "acquireTokenWithDeviceCode" }, resource, MOCKTENANT_TEST_PUBLIC_CLIENT_ID, device);
  const page = await fetch(device.verificationUrl, {
    method: "POST", body: new URLSearchParams({ code: device.userCode, user: AZURE_USERNAME, password: AZURE_PASSWORD, action: "allow" }),
  });
  assert.equal(page.status, 200);
  const got = await waiting;
  assert.equal(await graph(got.accessToken), 200);
  assert.ok(got.refreshToken);
});
