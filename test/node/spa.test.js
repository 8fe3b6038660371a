// A single-page application with unmodified MSAL.js, in headless Chromium. Its site differs
// from the service's: http://localhost calls https://127.0.0.1.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { launch, options } from "./browser.mjs";

const { AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_USERNAME, GRAPH_BASE_URL, MOCKTENANT_TEST_PUBLIC_CLIENT_ID } = process.env;
const scopes = ["https://graph.microsoft.com/.default"];
const partners = "/v1.0/deviceManagement/remoteAssistancePartners";

let browser, server, home, graph;

// The service at its own address.
function elsewhere(url) {
  const there = new URL(url);
  there.hostname = "127.0.0.1";
  return there.origin;
}

before(async () => {
  const bundle = await build({ entryPoints: ["spa/index.js", "spa/redirect.js"], bundle: true, write: false, outdir: "/" });
  const scripts = Object.fromEntries(bundle.outputFiles.map((file) => [file.path, file.text]));
  const authority = elsewhere(AZURE_AUTHORITY_HOST);
  graph = elsewhere(GRAPH_BASE_URL);
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, home);
    if (scripts[pathname]) return response.setHeader("Content-Type", "text/javascript").end(scripts[pathname]);
    const config = {
      auth: { clientId: MOCKTENANT_TEST_PUBLIC_CLIENT_ID, authority: `${authority}/${searchParams.get("tenant") ?? AZURE_TENANT_ID}`, knownAuthorities: [new URL(authority).host], redirectUri: `${home}/redirect.html` },
      system: { iframeBridgeTimeout: 60_000 }, // a busy machine can take longer than the usual ten seconds
    };
    const script = pathname === "/redirect.html" ? "/redirect.js" : "/index.js";
    response.setHeader("Content-Type", "text/html").end(`<!DOCTYPE html><script>config = ${JSON.stringify(config)}</script><script src="${script}"></script>`);
  });
  await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
  home = `http://localhost:${server.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.close();
});

// Opens the application, in a new browser unless one is given.
async function open(context) {
  const page = await (context ?? await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(home);
  await page.evaluate(() => window.ready);
  return page;
}

const pick = (page) => page.getByRole("button", { name: AZURE_USERNAME }).click();

// Signs in by redirecting the whole page to the service and back.
async function signIn(page) {
  await page.evaluate((request) => { window.app.loginRedirect(request); }, { scopes });
  await pick(page);
  await page.waitForURL(`${home}/`);
  return page.evaluate(async () => {
    const result = await window.ready;
    window.app.setActiveAccount(result.account);
    return { user: result.account.username, token: result.accessToken };
  });
}

// Returns what a page gets from Graph.
const call = (page, path, init) => page.evaluate(async ([url, options]) => {
  const response = await fetch(url, options);
  return { status: response.status, request: response.headers.get("request-id"), challenge: response.headers.get("WWW-Authenticate"), body: await response.text() };
}, [graph + path, init]);

test("redirect, Graph, batch, refresh and logout", async () => {
  const page = await open();
  const { user, token } = await signIn(page);
  assert.equal(user, AZURE_USERNAME);

  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", SdkVersion: "graph-js/3.0.7", ConsistencyLevel: "eventual" };
  const created = await call(page, partners, { method: "POST", headers, body: JSON.stringify({ displayName: "from a page" }) });
  assert.equal(created.status, 201);
  const { id } = JSON.parse(created.body);
  const batch = await call(page, "/v1.0/$batch", { method: "POST", headers, body: JSON.stringify({ requests: [
    { id: "1", method: "PATCH", url: `${partners.slice(5)}/${id}`, headers: { "Content-Type": "application/json" }, body: { displayName: "changed" } },
    { id: "2", method: "DELETE", url: `${partners.slice(5)}/${id}`, dependsOn: ["1"] },
  ] }) });
  assert.deepEqual(JSON.parse(batch.body).responses.map((r) => r.status).sort(), [200, 204]);
  const gone = await call(page, `${partners}/${id}`, { headers });
  assert.equal(gone.status, 404);
  assert.ok(gone.request);
  const anonymous = await call(page, partners);
  assert.equal(anonymous.status, 401);
  assert.match(anonymous.challenge, /^Bearer /);
  assert.equal((await call(page, "/v1.0/$metadata")).status, 200);

  const posted = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/oauth2/v2.0/token"));
  const renewed = await page.evaluate(async (request) => (await window.app.acquireTokenSilent(request)).accessToken, { scopes, forceRefresh: true });
  assert.equal(new URLSearchParams((await posted).postData()).get("grant_type"), "refresh_token");
  assert.notEqual(renewed, token);
  assert.equal((await call(page, partners, { headers: { Authorization: `Bearer ${renewed}` } })).status, 200);

  const answered = page.waitForResponse((r) => r.url().includes("/oauth2/v2.0/logout"));
  await page.evaluate((request) => { window.app.logoutRedirect(request); }, { postLogoutRedirectUri: `${home}/redirect.html` });
  assert.match((await answered).headers().location, new RegExp(`^${home}/redirect.html`));
  assert.deepEqual(await page.context().cookies(graph), []);
});

test("popup", async () => {
  const page = await open();
  const opened = page.waitForEvent("popup");
  await page.evaluate((request) => { window.result = window.app.loginPopup(request); }, { scopes });
  await pick(await opened);
  assert.equal(await page.evaluate(async () => (await window.result).account.username), AZURE_USERNAME);
});

// Uses a profile that allows cookies in frames of other sites. Otherwise Chromium blocks
// them, and silent sign-in fails, as it does with Entra.
test("silently in a frame, with the session of another page", async (t) => {
  const profile = await mkdtemp(join(tmpdir(), "mocktenant-chromium-"));
  await mkdir(join(profile, "Default"));
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
  const context = await chromium.launchPersistentContext(profile, { ...options, ignoreHTTPSErrors: true });
  t.after(async () => {
    await context.close();
    await rm(profile, { recursive: true });
  });
  const silently = (page, request) => page.evaluate((r) => window.app.ssoSilent(r).then((result) => result.account.username, (e) => `${e.errorCode} ${e.errorMessage}`), request);
  const nobody = /^login_required .*AADSTS50058:/;
  const first = await open(context);
  assert.match(await silently(first, { scopes }), nobody);
  await signIn(first);
  const second = await open(context); // without a cached account
  assert.equal(await silently(second, { scopes, loginHint: AZURE_USERNAME }), AZURE_USERNAME);

  // A logout ends the session even for a client that kept its cookie.
  const cookies = await context.cookies(graph);
  assert.equal(cookies.length, 1);
  const answered = first.waitForResponse((r) => r.url().includes("/oauth2/v2.0/logout"));
  await first.evaluate((request) => { window.app.logoutRedirect(request); }, { postLogoutRedirectUri: `${home}/redirect.html` });
  await answered;
  assert.match(await silently(await open(context), { scopes, loginHint: AZURE_USERNAME }), nobody);
  await context.addCookies(cookies);
  assert.match(await silently(await open(context), { scopes, loginHint: AZURE_USERNAME }), nobody);
  assert.deepEqual(await context.cookies(graph), cookies); // the browser could have sent it
});

test("at common, silently, nobody is signed in", async () => {
  const page = await open();
  await page.goto(`${home}/?tenant=common`);
  await page.evaluate(() => window.ready);
  assert.equal(await page.evaluate((request) => window.app.ssoSilent(request).catch((e) => e.errorCode), { scopes }), "login_required");
});
