// The authority's pages in a real browser, headless Chromium.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { PublicClientApplication, CryptoProvider } from "@azure/msal-node";
import { follow, launch } from "./browser.mjs";
import { signInByDevice } from "./device.mjs";

const { AZURE_AUTHORITY_HOST, AZURE_PASSWORD, AZURE_TENANT_ID, AZURE_USERNAME, MOCKTENANT_TEST_PUBLIC_CLIENT_ID } = process.env;
const scopes = ["https://graph.microsoft.com/.default"];
const authority = AZURE_AUTHORITY_HOST + AZURE_TENANT_ID;
const app = new PublicClientApplication({
  auth: { clientId: MOCKTENANT_TEST_PUBLIC_CLIENT_ID, authority, knownAuthorities: [new URL(AZURE_AUTHORITY_HOST).host] },
});

let browser, listener, redirectUri, arrive;

before(async () => {
  browser = await launch();
  listener = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => {
      response.end("<h1>back</h1>");
      const url = new URL(request.url, redirectUri);
      if (url.pathname === "/") arrive?.(request.method === "POST" ? new URLSearchParams(body) : url.searchParams);
    });
  });
  await new Promise((done) => { listener.listen(0, "127.0.0.1", done); });
  redirectUri = `http://localhost:${listener.address().port}`;
});

after(async () => {
  await browser?.close();
  listener?.close();
});

// Opens a page in a new browser.
async function open(url, options) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

// Returns what the application gets when the page redirects to it.
function answer() {
  return new Promise((done) => { arrive = done; });
}

async function request(more) {
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const url = await app.getAuthCodeUrl({ scopes, redirectUri, codeChallenge: challenge, codeChallengeMethod: "S256", state: "a&b", ...more });
  return { verifier, url };
}

async function redeem(got, verifier) {
  assert.equal(got.get("state"), "a&b");
  const result = await app.acquireTokenByCode({ scopes, redirectUri, code: got.get("code"), codeVerifier: verifier });
  assert.equal(result.account.username, AZURE_USERNAME);
}

for (const javaScriptEnabled of [true, false]) {
  test(`sign in by typing, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    const { url, verifier } = await request({ responseMode: "query" });
    const page = await open(url, { javaScriptEnabled });
    await page.getByLabel("User name").fill(AZURE_USERNAME);
    await page.getByLabel("Password").fill("wrong");
    await follow(page.getByRole("button", { name: "Sign in", exact: true }));
    assert.match(await page.getByRole("alert").innerText(), /AADSTS50126/);
    assert.equal(await page.getByLabel("User name").inputValue(), AZURE_USERNAME);
    const arrived = answer();
    await page.getByLabel("Password").fill(AZURE_PASSWORD);
    await follow(page.getByRole("button", { name: "Sign in", exact: true }));
    await redeem(await arrived, verifier);
  });

  test(`pick a user, answer by form_post, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    const { url, verifier } = await request({ responseMode: "form_post" });
    const page = await open(url, { javaScriptEnabled });
    const arrived = answer();
    await follow(page.getByRole("button", { name: AZURE_USERNAME }));
    if (!javaScriptEnabled) await follow(page.getByRole("button", { name: "Continue" }));
    await redeem(await arrived, verifier);
  });
}

test("the browser stays signed in until it signs out", async () => {
  const first = await request({ responseMode: "query" });
  const page = await open(first.url);
  let arrived = answer();
  await follow(page.getByRole("button", { name: AZURE_USERNAME }));
  await redeem(await arrived, first.verifier);

  const second = await request({ responseMode: "query" });
  arrived = answer();
  await page.goto(second.url);
  await redeem(await arrived, second.verifier);

  await page.goto(`${authority}/oauth2/v2.0/logout`);
  await page.goto((await request({ responseMode: "query" })).url);
  assert.match(await page.getByRole("heading").innerText(), /Sign in to Demo public application/);
});

test("cancel leads back with a refusal", async () => {
  const { url } = await request({ responseMode: "query" });
  const page = await open(url);
  const arrived = answer();
  await follow(page.getByRole("button", { name: "Cancel" }));
  assert.equal((await arrived).get("error"), "access_denied");
});

test("let a device in", async () => {
  const { result, said } = await signInByDevice(app, scopes, async ({ userCode, verificationUri }) => {
    const page = await open(verificationUri, { javaScriptEnabled: false });
    await page.getByLabel("Code").fill(userCode.toLowerCase());
    await page.getByLabel("User name").fill(AZURE_USERNAME);
    await page.getByLabel("Password").fill(AZURE_PASSWORD);
    await follow(page.getByRole("button", { name: "Allow" }));
    return page.getByRole("heading").innerText();
  });
  assert.match(said, /You have signed in to Demo public application/);
  assert.equal(result.account.username, AZURE_USERNAME);
});
