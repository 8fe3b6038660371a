// Each page of the console, in headless Chromium: its values are the API's. A page that console.go
// has and that isn't here fails the test.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const { MOCKTENANT_CONSOLE_URL, MOCKTENANT_GRAPH_URL } = process.env;
const origin = MOCKTENANT_CONSOLE_URL.replace(/\/console$/, "");
let key = "", browser, page;

// Calls the API and returns the answer, which must be a success.
async function api(path, body, method = body ? "POST" : "GET") {
  const answer = await fetch(origin + path, { method, headers: { ...(key && { Authorization: `Bearer ${key}` }), "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

// What the pages are about, with at least one row for each list.
const about = {};

before(async () => {
  ({ key } = await api("/v1/keys", { name: "the test", role: "owner" }));
  const { tenant, credentials } = await api("/v1/tenants", { displayName: "Values", ttlSeconds: 3600 });
  const at = `/v1/tenants/${tenant.id}`, set = `${at}/entities/remoteAssistancePartners`;
  Object.assign(about, { at, set, id: tenant.id, token: credentials.accessToken, client: credentials.clientId });
  assert.equal((await graph("POST", "", { displayName: "TeamViewer", onboardingStatus: "onboarding", onboardingUrl: "https://example.com/a" })).status, 201);
  about.entity = (await api(set)).value[0].id;
  await api(`${set}/${about.entity}/confirm`, null, "POST");
  await api(`${at}/snapshots`, { name: "before" });
  await api(`${set}/${about.entity}`, { properties: { displayName: "AnyDesk" } }, "PATCH");
  await api(`${at}/faults`, { match: { path: "/nowhere" }, effect: { status: 503 } });
  await api("/v1/seeds?name=values", { version: 1, users: [{ userPrincipalName: "ada@example.com", displayName: "Ada" }] });
  await api("/v1/report-logins", { tenantIds: [tenant.id], label: "A dashboard" });
  await fetch(`${MOCKTENANT_GRAPH_URL}/v1.0/me`); // names no tenant
  about.user = (await api(`${at}/users`)).value[0].id;
  browser = await launch();
  page = await (await browser.newContext({ baseURL: origin })).newPage();
  await page.goto("/console");
  await page.getByLabel("Key").fill(key);
  await page.keyboard.press("Enter");
  await page.getByTestId("caller").waitFor();
});

after(async () => { await browser?.close(); });

const graph = (method, path, body) => fetch(`${MOCKTENANT_GRAPH_URL}/v1.0/deviceManagement/remoteAssistancePartners${path}`, {
  method, headers: { Authorization: `Bearer ${about.token}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body),
});

// A table's rows: their texts and the exact values of their times.
const rows = (name) => page.getByTestId(`${name}-row`).evaluateAll((all) => all.map((row) => [row.textContent, ...[...row.querySelectorAll("time")].map((time) => time.dateTime)].join("\n")));

// What a page says in pairs of a name and a value.
const facts = () => page.locator("main dl > div").evaluateAll((all) => Object.fromEntries(all.map((pair) => {
  const [name, value] = pair.children;
  return [name.textContent, value.querySelector("time")?.dateTime ?? value.textContent];
})));

const at = (object, path) => path.split(".").reduce((part, name) => part?.[name], object);

// Opens a page whose table has a row for each item of a list, with the values of some members.
async function lists(path, name, list, ...members) {
  await page.goto(path);
  const { value: items } = await api(list), shown = await rows(name);
  assert.ok(items.length > 0 && shown.length === items.length, `${path} has ${shown.length} rows, ${list} ${items.length}`);
  items.forEach((item, i) => members.forEach((member) => {
    const value = at(item, member);
    if (value !== undefined && value !== null) assert.ok(shown[i].includes(String(value)), `${path}, row ${i}: ${JSON.stringify(shown[i])} lacks ${member} ${value}`);
  }));
  return items;
}

// Checks that a page says the values of an object, by the names under which it says them.
async function says(object, names) {
  const shown = await facts();
  for (const [name, value] of Object.entries(names)) {
    const wanted = at(object, value), texts = { true: "yes", false: "no", null: "null", undefined: "none" };
    const text = Array.isArray(wanted) ? wanted.join("") || "none" : texts[wanted] ?? String(wanted);
    assert.equal(shown[name], text, `${page.url()}, ${name}`);
  }
}

// The cells of a table, and those of a report's rows as a table shows them.
const cells = () => page.locator("#later table tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => {
  const time = cell.querySelector("time");
  return time ? Date.parse(time.dateTime) : cell.textContent;
})));
const isTime = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/;
const asShown = ({ columns, rows }) => rows.map((row) => row.map((cell, i) => {
  if (columns[i] === "waiting_for") return "a while"; // it grows
  return isTime.test(cell) ? Date.parse(cell.replace(" ", "T") + ":00") : cell ?? "";
}));

async function answers(path, report) {
  await page.goto(path);
  await page.locator("#later table, #later [data-testid=empty]").first().waitFor();
  const result = await api(`/v1/reports/${report}?tenantId=${about.id}`);
  const waiting = result.columns.indexOf("waiting_for");
  const shown = (await cells()).map((row) => row.map((cell, i) => i === waiting ? "a while" : cell));
  assert.deepEqual(shown, asShown(result), path);
  return result;
}

const tenant = "tenantPath", home = () => `/console/tenants/${about.id}`;
const requestNames = { URL: "url", Route: "route", Application: "application", "Request id": "requestId", From: "address", When: "dateTime", Status: "status" };

async function request(path, list) {
  const { value: [first] } = await api(`${list}?top=1&order=newest`);
  await page.goto(`${path}/${first.id}`);
  await says(first, requestNames);
  const headers = await page.getByTestId("request-headers").textContent();
  assert.equal(headers, Object.keys(first.request.headers).sort().map((name) => `${name}: ${first.request.headers[name]}\n`).join(""));
}

// By their paths in console.go.
const checks = {
  "/tenants": () => lists("/console/tenants", "tenants", "/v1/tenants?top=50", "id", "displayName", "createdDateTime", "expiresDateTime", "domains.0"),
  "/seeds": () => lists("/console/seeds", "seeds", "/v1/seeds", "name", "counts.users", "createdDateTime"),
  "/reports": async () => {
    const { value: reports } = await api("/v1/reports");
    await page.goto("/console/reports");
    assert.deepEqual(await page.locator("main summary").allTextContents(), reports.map((r) => r.question));
    assert.deepEqual(await page.locator("main pre").allTextContents(), reports.map((r) => r.sql));
  },
  "/report-logins": () => lists("/console/report-logins", "report-logins", "/v1/report-logins", "login", "label", "tenantIds.0", "createdDateTime"),
  "/keys": () => lists("/console/keys", "keys", "/v1/keys", "name", "role", "createdDateTime"),
  "/console-sessions": async () => { // person.mjs signs one in
    await page.goto("/console/console-sessions");
    assert.deepEqual((await api("/v1/console-sessions")).value, []);
    assert.match(await page.getByTestId("empty").textContent(), /^Nobody is signed in/);
  },
  "/audit": () => lists("/console/audit", "audit", "/v1/audit?top=50", "dateTime", "keyName", "action", "target", "tenantId", "outcome", "status", "count", "address"),
  "/service": async () => {
    await page.goto("/console/service");
    const { checks: parts } = await (await fetch(`${MOCKTENANT_GRAPH_URL}/readyz`)).json();
    assert.deepEqual(await rows("health"), Object.keys(parts).sort().map((part) => part + parts[part]));
    await says({ at: MOCKTENANT_GRAPH_URL }, { "Microsoft Graph and authority": "at" });
  },
  "/requests": () => lists("/console/requests", "requests", "/v1/requests?order=newest", "dateTime", "method", "path", "status"),
  "/help": async () => { // the API doesn't have the keys of the script; console.test.js presses them
    await page.goto("/console/help");
    const script = await (await fetch(`${origin}/console/console.js`)).text();
    const [, pages] = /const pages = \{(.*)\}/.exec(script);
    assert.deepEqual((await rows("shortcuts")).filter((row) => row.startsWith("g ")).map((row) => row[2]).sort(), [...pages.matchAll(/(\w): /g)].map(([, letter]) => letter).sort());
  },
  "/divergences": async () => { // the documentation has them, not the API
    const text = await readFile(new URL("../../docs/divergences.md", import.meta.url), "utf8");
    await page.goto("/console/divergences");
    const documented = text.split(/^## /m).slice(1).flatMap((section) => (section.split(/^\|---.*\n/m)[1] ?? "").split("\n").filter((line) => line.startsWith("|")));
    assert.equal((await rows("divergences")).length, documented.length);
  },
  "/form/:operation": async () => {
    await page.goto(`/console/form/updateEntity?tenantId=${about.id}&entitySet=remoteAssistancePartners&entityId=${about.entity}`);
    const { properties } = await api(`${about.set}/${about.entity}`);
    for (const name of ["displayName", "onboardingStatus", "onboardingUrl"]) assert.equal(await page.getByTestId(`field-properties-${name}`).inputValue(), properties[name]);
  },
  "/requests/:requestId": () => request("/console/requests", "/v1/requests"),
  [tenant]: async () => {
    await page.goto(home());
    const card = (name) => page.getByTestId(`card-${name}`).locator("strong").textContent();
    assert.equal(await card("remoteAssistancePartners"), String((await api(about.set)).value.length));
    assert.equal(await card("deviceManagementPartners"), String((await api(`${about.at}/entities/deviceManagementPartners`)).value.length));
    assert.equal(await card("faults"), String((await api(`${about.at}/faults`)).value.length));
    assert.ok(Math.abs(Date.parse((await card("clock")).replace(" ", "T") + "Z") - Date.parse((await api(`${about.at}/clock`)).now)) < 60_000);
  },
  [`${tenant}/activity`]: async () => {
    await page.goto(`${home()}/activity`);
    const funnel = await api(`/v1/reports/onboarding-funnel?tenantId=${about.id}`), recent = await api(`/v1/reports/recent-changes?tenantId=${about.id}`);
    assert.deepEqual(await rows("funnel"), funnel.rows.map((row) => row.join("")));
    assert.equal((await rows("recent-changes")).length, Math.min(recent.rows.length, 10));
    assert.deepEqual(await page.getByTestId("recent-changes-row").locator("td:nth-child(2)").allTextContents(), recent.rows.slice(0, 10).map((row) => row[recent.columns.indexOf("change")]));
  },
  [`${tenant}/settings`]: async () => {
    const shown = await api(about.at);
    await page.goto(`${home()}/settings`);
    await says({ ...shown, quota: JSON.stringify(shown.quota, null, 2), settings: JSON.stringify(shown.settings, null, 2) }, { Id: "id", Name: "displayName", Domains: "domains", Created: "createdDateTime", Expires: "expiresDateTime", Settings: "settings", Quota: "quota" });
  },
  [`${tenant}/connect`]: async () => {
    await page.goto(`${home()}/connect`);
    const text = await page.getByTestId("copy-env").textContent(), { value: [{ userPrincipalName }] } = await api(`${about.at}/users`);
    for (const line of [`AZURE_TENANT_ID="${about.id}"`, `AZURE_CLIENT_ID="${about.client}"`, `AZURE_USERNAME="${userPrincipalName}"`, `GRAPH_BASE_URL="${MOCKTENANT_GRAPH_URL}"`]) assert.ok(text.includes(line + "\n"), text);
  },
  [`${tenant}/entities/:entitySet`]: () => lists(`${home()}/entities/remoteAssistancePartners`, "entities", about.set, "id", "version", "properties.displayName", "properties.onboardingStatus", "properties.onboardingUrl"),
  [`${tenant}/entities/:entitySet/:entityId`]: async () => {
    const list = `${about.set}/${about.entity}/versions`, { value: versions } = await api(list);
    await page.goto(`${home()}/entities/remoteAssistancePartners/${about.entity}`);
    await says(await api(`${about.set}/${about.entity}`), { "Display name": "properties.displayName", "Onboarding status": "properties.onboardingStatus", "Onboarding URL": "properties.onboardingUrl", Version: "version", Created: "createdDateTime", "Created by": "createdBy" });
    assert.deepEqual(await page.getByTestId("versions-row").locator("td:first-child").allTextContents(), versions.map((v) => String(v.version)));
    assert.ok((await rows("versions"))[0].includes("TeamViewer") && versions.length === 3);
  },
  [`${tenant}/users`]: () => lists(`${home()}/users`, "users", `${about.at}/users`, "userPrincipalName", "displayName", "createdDateTime"),
  [`${tenant}/users/:userId`]: async () => {
    await page.goto(`${home()}/users/${about.user}`);
    await says(await api(`${about.at}/users/${about.user}`), { Id: "id", "User name": "userPrincipalName", "Given name": "givenName", Surname: "surname", Enabled: "enabled", "Must change password": "mustChangePassword", "Directory roles": "directoryRoles", Created: "createdDateTime" });
  },
  [`${tenant}/applications`]: () => lists(`${home()}/applications`, "applications", `${about.at}/applications`, "clientId", "displayName", "requiredScopes.0", "createdDateTime"),
  [`${tenant}/applications/:clientId`]: async () => {
    const application = await api(`${about.at}/applications/${about.client}`);
    await page.goto(`${home()}/applications/${about.client}`);
    await says(application, { "Client id": "clientId", "Service principal": "servicePrincipalId", "Public client": "publicClient", "Redirect URIs, web": "redirectUris", "Required scopes": "requiredScopes", "Required roles": "requiredRoles", Created: "createdDateTime" });
    const [secret] = await rows("credentials");
    assert.ok(application.secrets.length === 1 && secret.includes(application.secrets[0].hint) && secret.includes(application.secrets[0].expiresDateTime), secret);
  },
  [`${tenant}/snapshots`]: () => lists(`${home()}/snapshots`, "snapshots", `${about.at}/snapshots`, "name", "counts.users", "counts.applications", "createdDateTime"),
  [`${tenant}/differences`]: async () => {
    const all = await lists(`${home()}/differences?from=before`, "differences", `${about.at}/diff?from=before`, "entity", "id", "change");
    const sides = all.flatMap(({ before, after }) => [before, after]).filter(Boolean);
    assert.deepEqual(await page.getByTestId("differences-row").locator("pre").allTextContents(), sides.map((side) => JSON.stringify(side, null, 2)));
    assert.ok(sides.length > all.length); // one changed, so it has both sides
  },
  [`${tenant}/faults`]: () => lists(`${home()}/faults`, "faults", `${about.at}/faults`, "match.path", "effect.status", "matched", "fired", "createdDateTime"),
  [`${tenant}/clock`]: async () => {
    const clock = await api(`${about.at}/clock`), { value: [application] } = await api(`${about.at}/applications`);
    await page.goto(`${home()}/clock`);
    assert.ok(Math.abs(Date.parse(await page.getByTestId("clock-now").getAttribute("datetime")) - Date.parse(clock.now)) < 60_000);
    await says(clock, { Rate: "rate" });
    assert.ok((await rows("expiring")).some((row) => row.includes(application.secrets[0].expiresDateTime)));
  },
  [`${tenant}/requests`]: () => lists(`${home()}/requests`, "requests", `${about.at}/requests?order=newest`, "dateTime", "method", "path", "status", "application"),
  [`${tenant}/requests/:requestId`]: () => request(`${home()}/requests`, `${about.at}/requests`),
  [`${tenant}/reports`]: async () => {
    const { value: reports } = await api("/v1/reports");
    await page.goto(`${home()}/reports`);
    for (const { name, question } of reports) assert.equal(await page.getByTestId(`report-${name}`).textContent(), question);
  },
  [`${tenant}/reports/:report`]: async () => {
    const { value: reports } = await api("/v1/reports");
    let filled = 0;
    for (const { name } of reports) filled += (await answers(`${home()}/reports/${name}`, name)).rows.length > 0;
    assert.ok(filled >= 6, `only ${filled} reports have rows`);
  },
  [`${tenant}/reports/:report/answer`]: () => answers(`${home()}/reports/recent-changes/answer`, "recent-changes"),
  [`${tenant}/reports/:report/csv`]: async () => {
    const { columns, rows } = await api(`/v1/reports/entities-by-status?tenantId=${about.id}`);
    const answer = await page.request.get(`${home()}/reports/entities-by-status/csv`);
    assert.equal(await answer.text(), [columns, ...rows].map((row) => row.join(",") + "\n").join(""));
  },
};

test("each page of the console has its check", async () => {
  const source = await readFile(new URL("../../internal/console/console.go", import.meta.url), "utf8");
  const routes = [...source.matchAll(/^\t(?:"([^"]+)"|(tenantPath)(?: \+ "([^"]+)")?):\s+\w+,$/gm)].map(([, path, of, below]) => path ?? of + (below ?? ""));
  assert.ok(routes.includes("/tenants") && routes.includes("tenantPath"));
  assert.deepEqual(Object.keys(checks).sort(), routes.sort());
});

for (const [path, check] of Object.entries(checks)) {
  test(`${path.replace(tenant, "/tenants/:tenantId")} shows the API's values`, check);
}

// The page itself measures: from the request's own time, which is the service's clock and so this
// machine's, until its row is in the page. A busy machine delays some requests, so the fastest of 20
// counts; a tail that looked only every second, or waited for a reload, would never be so fast.
test("the live tail shows a request within 200 ms", async () => {
  await page.goto(`${home()}/requests`);
  await page.locator("button[data-live][data-state=open]").waitFor();
  await page.evaluate(() => {
    const shown = new Set();
    window.fastest = Infinity;
    const look = () => {
      for (const row of document.querySelectorAll("[data-testid=requests-row]")) {
        const id = row.querySelector("a").pathname;
        if (!shown.has(id) && shown.size) window.fastest = Math.min(window.fastest, Date.now() - Date.parse(row.querySelector("time").dateTime));
        shown.add(id);
      }
    };
    look();
    new MutationObserver(look).observe(document.querySelector("main"), { childList: true, subtree: true });
  });
  const took = [];
  for (let i = 0; i < 20 && !(took.at(-1) <= 200); i++) {
    const before = await page.getByTestId("requests-row").first().getByRole("link").first().getAttribute("href");
    assert.equal((await graph("GET", "")).status, 200);
    await page.waitForFunction((href) => document.querySelector("[data-testid=requests-row] a").getAttribute("href") !== href, before);
    took.push(await page.evaluate(() => window.fastest));
  }
  assert.ok(took.at(-1) <= 200 && took.at(-1) > 0, `ms until it was shown, the fastest so far: ${took}`);
});
