// The console in a real browser, headless Chromium, on the running binary.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { follow, launch } from "./browser.mjs";

const { GRAPH_BASE_URL, MOCKTENANT_ADMIN_URL } = process.env;
const api = async (path, body) => (await fetch(MOCKTENANT_ADMIN_URL + path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

// This file's own tenant, because other tests change the demo tenant meanwhile.
const { credentials: own } = await api("/v1/tenants", { displayName: "Console" });
const home = `/console/tenants/${own.tenantId}`;
const set = `${home}/entities/remoteAssistancePartners`;
const of = `tenantId=${own.tenantId}`;
const pages = [
  "/console/tenants", "/console/tenants?search=nobody", "/console/seeds", "/console/reports", "/console/report-logins", "/console/keys", "/console/console-sessions", "/console/audit",
  "/console/service", "/console/divergences", "/console/help", "/console/sign-in", "/console/nowhere", home, `${home}/settings`, `${home}/connect`, set,
  `${home}/entities/deviceManagementPartners`, `${home}/users`, `${home}/applications`, `${home}/snapshots`, `${home}/faults`, `${home}/clock`, `${home}/requests`, "/console/requests",
  `${home}/reports`, `${home}/reports/onboarding-funnel`, `${home}/reports/recent-changes/answer`, "/console/form/createTenant", `/console/form/createFault?${of}`,
  `/console/form/updateTenant?${of}`, `/console/form/importTenant?${of}`, `/console/form/createApplication?${of}`,
];

let browser;

before(async () => {
  await findMore();
  for (const name of ["TeamViewer", "<script>alert(1)</script>", "\u202Eevil"]) await createPartner(own, name);
  browser = await launch();
});

after(async () => { await browser?.close(); });

// Adds the pages of single items, of what changed, and of the partner's side.
async function findMore() {
  const { credentials: more } = await api("/v1/tenants", { displayName: "More", settings: { partnerPortal: true } });
  const at = `/v1/tenants/${more.tenantId}`, shown = `/console/tenants/${more.tenantId}`;
  const first = async (list) => (await api(at + list)).value[0];
  await api(`${at}/snapshots`, { name: "before" });
  await api(`${at}/faults`, { match: { path: "/nowhere" }, effect: { status: 503 } });
  await createPartner(more, "Asks");
  const partner = `/entities/remoteAssistancePartners/${(await first("/entities/remoteAssistancePartners")).id}`;
  for (const action of ["disconnect", "beginOnboarding"]) await fetch(`${MOCKTENANT_ADMIN_URL}${at}${partner}/${action}`, { method: "POST" });
  const { properties: { onboardingUrl } } = await api(at + partner);
  pages.push(shown + partner, `${shown}/users/${(await first("/users")).id}`, `${shown}/applications/${(await first("/applications")).clientId}`, `${shown}/faults`,
    `${shown}/snapshots`, `${shown}/differences?from=before`, `${shown}/requests`, `${shown}/requests/${(await first("/requests")).id}`, onboardingUrl, onboardingUrl.slice(0, -1));
}

// Opens a browser that fails the test for an error on the console or a request elsewhere. Browsers
// report refused requests as errors too; some of those are expected.
async function open(options, expected = /404|401/) {
  const context = await browser.newContext({ baseURL: MOCKTENANT_ADMIN_URL, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => { if (message.type() === "error" && !expected.test(message.text())) faults.push(message.text()); });
  page.on("request", (request) => { if (new URL(request.url()).hostname !== "127.0.0.1") faults.push("request to " + request.url()); });
  return { page, async close() { await context.close(); assert.deepEqual(faults, []); } };
}

// Creates a partner as a client does, over HTTPS with the certificate in NODE_EXTRA_CA_CERTS.
async function createPartner({ accessToken }, displayName) {
  const created = await fetch(`${GRAPH_BASE_URL}/v1.0/deviceManagement/remoteAssistancePartners`, {
    method: "POST", headers: { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" },
    body: JSON.stringify({ displayName, onboardingStatus: "onboarding" }),
  });
  assert.equal(created.status, 201);
}

// 1280 px at 200 % are 640 px, and 640 px are 320.
test("every page is accessible, light and dark, and scrolls only down at 320 px and 4k", async () => {
  const { page, close } = await open({ bypassCSP: true, reducedMotion: "reduce" }); // axe is a script that isn't ours; colors change at once
  const violations = async (options) => (await page.evaluate((options) => axe.run({ resultTypes: ["violations"], ...options }), options)).violations;
  const faults = [];
  for (const path of pages) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(path);
    await page.addScriptTag({ content: axe.source });
    const found = await violations({});
    await page.emulateMedia({ colorScheme: "dark" });
    found.push(...await violations({ runOnly: ["color-contrast"] })); // only colors differ
    for (const width of [320, 3840, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) faults.push([path, width]);
    }
    faults.push(...found.map((v) => [path, v.id, v.nodes.map((n) => n.html)]));
  }
  assert.deepEqual(faults, []);
  await close();
});

// Without this, a page that axe can't read would pass.
test("axe finds what is wrong with a page", async () => {
  const { page, close } = await open({ bypassCSP: true });
  await page.goto("/console/service");
  await page.evaluate(() => { document.querySelector("main").append(document.createElement("input")); document.querySelector("h1").style.color = "#777"; document.querySelector("h1").style.background = "#888"; });
  await page.addScriptTag({ content: axe.source });
  const { violations } = await page.evaluate(() => axe.run());
  assert.deepEqual(violations.map((v) => v.id).sort(), ["color-contrast", "label"]);
  await close();
});

for (const javaScriptEnabled of [true, false]) {
  test(`make a tenant, confirm its partner, restore it, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    const { page, close } = await open({ javaScriptEnabled });
    const at = (name) => page.getByTestId(name).first();
    await page.goto("/console");
    await follow(at("createTenant"));
    await page.getByLabel("Display name").fill("Fabrikam <b>");
    await follow(at("submit"));
    const credentials = JSON.parse(await at("copy-json").innerText());
    const tenant = await api(`/v1/tenants/${credentials.tenantId}`);
    assert.equal(tenant.displayName, "Fabrikam <b>");

    await createPartner(credentials, "TeamViewer");
    await follow(at("tenant-link"));
    assert.equal(await at("card-remoteAssistancePartners").locator("strong").innerText(), "1");
    await follow(at("nav-snapshots"));
    await follow(at("createSnapshot"));
    await page.getByLabel("Name").fill("before");
    await follow(at("submit"));
    assert.match(await at("snapshots-row").innerText(), /before/);

    await follow(at("nav-remoteAssistancePartners"));
    await follow(page.getByRole("link", { name: "TeamViewer" }));
    await follow(page.getByRole("button", { name: "Confirm" }));
    const listed = async () => (await api(`/v1/tenants/${credentials.tenantId}/entities/remoteAssistancePartners`)).value[0].properties;
    assert.equal((await listed()).onboardingStatus, "onboarded");
    assert.match(await page.locator("dl").innerText(), /onboarded/);

    await follow(at("nav-snapshots"));
    await at("restoreSnapshot").click();
    await follow(at("restoreSnapshot-sure"));
    assert.equal((await listed()).onboardingStatus, "onboarding");

    await follow(at("nav-settings"));
    await at("deleteTenant").click();
    await follow(at("deleteTenant-sure"));
    assert.equal(new URL(page.url()).pathname, "/console/tenants");
    assert.equal((await api(`/v1/tenants/${credentials.tenantId}`)).status, 404);
    await page.goto(`/console/tenants/${credentials.tenantId}`);
    assert.match(await at("alert").innerText(), /There is no tenant/);
    await close();
  });
}

test("pages show what the API answers", async () => {
  const { page, close } = await open();
  const texts = (name) => page.getByTestId(name).allInnerTexts();
  const { value: users } = await api(`/v1/tenants/${own.tenantId}/users?top=50`);
  await page.goto(`${home}/users`);
  const rows = await texts("users-row");
  assert.equal(rows.length, users.length);
  users.forEach((user, i) => { assert.ok(rows[i].includes(user.userPrincipalName) && rows[i].includes(user.enabled ? "yes" : "no"), rows[i]); });

  const { value: entities } = await api(`/v1/tenants/${own.tenantId}/entities/remoteAssistancePartners?top=50`);
  await page.goto(set);
  const partners = await texts("entities-row");
  assert.deepEqual([partners.length, entities.length], [3, 3]);
  entities.forEach((entity, i) => { assert.ok(partners[i].includes(entity.id) && partners[i].includes(entity.properties.onboardingStatus), partners[i]); });

  const report = await api(`/v1/reports/onboarding-funnel?${of}`);
  await page.goto(`${home}/reports/onboarding-funnel`);
  await page.locator("#later table").waitFor();
  const funnel = await page.locator("table tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText)));
  assert.deepEqual(funnel, report.rows.map((row) => row.map((cell) => cell ?? "")));

  const { value: tenants } = await api("/v1/tenants?top=2");
  await page.goto("/console/tenants?top=2");
  assert.equal((await texts("tenants-row")).length, tenants.length);
  await close();
});

test("keys lead where they say, but not while somebody types", async () => {
  const { page, close } = await open();
  await page.goto("/console/service");
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.waitForURL("**/console/tenants");
  await page.keyboard.press("/");
  await page.keyboard.type("gt?demo");
  assert.equal(await page.getByTestId("search").inputValue(), "gt?demo");
  await page.getByTestId("search").fill("demo");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/tenants?search=demo");
  assert.equal(await page.getByTestId("search").inputValue(), "demo");
  await page.getByTestId("brand").or(page.locator("h1")).first().click();
  await page.keyboard.press("?");
  await page.waitForURL("**/console/help");
  await page.goBack();
  assert.equal(await page.getByTestId("search").inputValue(), "demo");
  await close();
});

test("a text is copied", async () => {
  const { page, close } = await open({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.goto(`${home}/connect`);
  await page.getByRole("button", { name: "Copy" }).first().click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.getByTestId("copy-shell").evaluate((node) => node.textContent));
  await close();
});

// A file with a document of about n MB.
async function documentFile(n) {
  const dir = await mkdtemp(join(tmpdir(), "mocktenant-import-"));
  after(() => rm(dir, { recursive: true }));
  const path = join(dir, "state.json"), partner = { displayName: "p".repeat(250), onboardingUrl: "https://example.com/" + "p".repeat(250) };
  const remoteAssistancePartners = Array(Math.ceil(n * 1e6 / (JSON.stringify(partner).length + 1))).fill(partner);
  await writeFile(path, JSON.stringify({ version: 1, remoteAssistancePartners }));
  return { path, count: remoteAssistancePartners.length };
}

for (const javaScriptEnabled of [true, false]) {
  test(`a document of 4 MB is imported and exported, ${javaScriptEnabled ? "and both say how far they are" : "without JavaScript"}`, async () => {
    const { page, close } = await open({ javaScriptEnabled });
    const { credentials: { tenantId } } = await api("/v1/tenants", { displayName: "Import" });
    const { path, count } = await documentFile(4), settings = `/console/tenants/${tenantId}/settings`;
    const said = [];
    await page.goto(settings);
    await follow(page.getByTestId("importTenant"));
    await page.getByLabel("File, JSON or YAML").setInputFiles(path);
    if (javaScriptEnabled) {
      await page.exposeFunction("saw", (text) => said.push(text));
      await page.evaluate(() => new MutationObserver(() => window.saw(document.querySelector(".sending").innerText)).observe(document.querySelector(".sending"), { subtree: true, childList: true, attributes: true }));
      const network = await page.context().newCDPSession(page); // as slow as an office's connection
      await network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 4e6 });
    }
    await page.getByTestId("submit").click();
    await page.waitForURL(`**${settings}`);
    const { remoteAssistancePartners } = await api(`/v1/tenants/${tenantId}/state`);
    assert.equal(remoteAssistancePartners.length, count);
    const exported = page.waitForEvent("download");
    await page.getByTestId("exportTenant").first().click();
    const file = await exported;
    assert.equal(file.suggestedFilename(), "tenant.json");
    const text = await readFile(await file.path(), "utf8");
    assert.equal(JSON.parse(text).remoteAssistancePartners.length, count);
    if (javaScriptEnabled) {
      const sent = said.map((text) => /([\d.]+) MB of ([\d.]+) MB sent/.exec(text)).filter(Boolean).map(([, part, all]) => [Number(part), Number(all)]);
      assert.ok(sent.length > 1 && sent[0][0] < sent[0][1] && sent.at(-1)[0] === 4 && sent.at(-1)[1] === 4, JSON.stringify(said));
      assert.match(said.at(-1), /Reading the document…/);
      assert.equal(await page.getByTestId("received").textContent(), `Saved, ${(Buffer.byteLength(text) / 1e6).toFixed(1)} MB`);
    }
    await close();
  });
}

test("a refused document stays chosen, and its form says why", async () => {
  const { page, close } = await open({}, /status of 4\d\d/);
  const { credentials: { tenantId } } = await api("/v1/tenants", { displayName: "Refused" });
  await page.goto(`/console/form/importTenant?tenantId=${tenantId}`);
  const file = page.getByLabel("File, JSON or YAML"), alert = page.getByTestId("alert");
  for (const [name, text, why] of [["a.json", '{"version":1,"nonsense":[]}', /nonsense/], ["b.json", "{", /unexpected EOF/], ["large.json", Buffer.alloc(17e6, " "), /at most 16 MB/]]) {
    await file.setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
    await page.getByTestId("submit").click();
    await alert.filter({ hasText: why }).waitFor();
    assert.equal(await alert.count(), 1);
    assert.equal(await file.evaluate((input) => input.files[0].name), name);
    assert.ok(!await page.getByTestId("sending").isVisible());
  }
  await api(`/v1/tenants/${tenantId}`); // it still exists
  const deleted = await fetch(`${MOCKTENANT_ADMIN_URL}/v1/tenants/${tenantId}`, { method: "DELETE" });
  assert.equal(deleted.status, 204);
  await file.setInputFiles({ name: "late.json", mimeType: "application/json", buffer: Buffer.from('{"version":1}') });
  await page.getByTestId("submit").click();
  await alert.filter({ hasText: "There is no tenant" }).waitFor();
  await page.goto(home + "/settings");
  await page.evaluate((gone) => { for (const link of document.querySelectorAll("a[data-file]")) link.href = link.href.replace(/tenantId=[^&]+/, `tenantId=${gone}`); }, tenantId);
  await page.getByTestId("exportTenant").first().click();
  await page.getByTestId("received").filter({ hasText: "There is no tenant" }).waitFor();
  await close();
});
