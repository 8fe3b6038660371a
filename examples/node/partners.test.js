import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { Client } from "@microsoft/microsoft-graph-client";
import { GenericContainer, Wait } from "testcontainers";

const adminKey = "a-key-for-these-tests-alone";

let container, graphURL, adminURL;

before(async () => {
  container = await new GenericContainer(process.env.MOCKTENANT_IMAGE ?? "mocktenant:dev-standalone")
    .withExposedPorts(8080, 8443, 8081)
    .withEnvironment({ MOCKTENANT_ADMIN_KEY: adminKey })
    .withWaitStrategy(Wait.forHttp("/readyz", 8080))
    .start();
  const at = (scheme, port) => `${scheme}://${container.getHost()}:${container.getMappedPort(port)}`;
  graphURL = at("https", 8443);
  adminURL = at("http", 8081);

  // Microsoft's clients insist on HTTPS: trust the container's authority as well.
  const ca = await (await fetch(at("http", 8080) + "/.well-known/mocktenant/ca.pem")).text();
  tls.setDefaultCACertificates([...tls.getCACertificates(), ca]);
});

after(() => container?.stop());

// newTenant makes a tenant with a user, an application and a token, which is deleted when the test ends.
async function newTenant(t) {
  const administer = async (method, path, body) => {
    const response = await fetch(adminURL + path, {
      method,
      headers: { Authorization: `Bearer ${adminKey}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response;
  };
  const { credentials } = await (await administer("POST", "/v1/tenants", { displayName: t.name })).json();
  t.after(() => administer("DELETE", `/v1/tenants/${credentials.tenantId}`));
  return credentials;
}

test("a partner is created", async (t) => {
  const tenant = await newTenant(t);
  const graph = Client.init({
    baseUrl: graphURL,
    customHosts: new Set([new URL(graphURL).hostname]), // hosts without port
    authProvider: (done) => done(null, tenant.accessToken),
  });

  const created = await graph.api("/deviceManagement/remoteAssistancePartners").post({ displayName: "TeamViewer" });

  assert.equal(created.displayName, "TeamViewer");
  assert.equal(created.onboardingStatus, "notOnboarded");
  const { value } = await graph.api("/deviceManagement/remoteAssistancePartners").get();
  assert.deepEqual(value.map((partner) => partner.id), [created.id]);
});
