// Someone who knows only the console's address makes a tenant, onboards a partner, watches and
// throttles a client, freezes time and restores a snapshot. On the way, it looks at each page: the
// pictures of docs/console.md come from here.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { follow, launch } from "./browser.mjs";

const { MOCKTENANT_CONSOLE_URL, MOCKTENANT_UPDATE } = process.env;
const pictures = new URL("../../docs/screenshots/", import.meta.url);
const looks = {};

// What a page says, and where its parts are. Pixels would depend on the machine's fonts, and so
// would heights and the widths of texts: with other fonts, lines break elsewhere. So this has the
// texts of its main part, without what differs in each run, and the left and right ends of the parts whose widths
// come from the stylesheet, in sixteenths of the window.
const look = (page) => page.evaluate(() => {
  const changing = [[/[0-9a-f]{8}-[0-9a-f-]{27}/g, "ID"], [/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "TIME"], [/(\d+ \w+ ago|in \d+ \w+|now)\b/g, "WHEN"], [/127\.0\.0\.1:\d+/g, "HOST"],
    [/\/[A-Z2-7]{26}/g, "/SECRET"], [/\b\d+\.\d+\sms\b/g, "TOOK"], [/\d{1,2} \w+ \d{4}, \d\d:\d\d UTC/g, "TIME"], [/[\da-f]+\.mocktenant/g, "DOMAIN"]];
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());
  const texts = visible("main :is(h1, h2, a, button, th, td, dt, dd, p, label, li)").map((node) =>
    changing.reduce((text, [form, name]) => text.replace(form, name), node.textContent.replace(/\s+/g, " ").trim()).slice(0, 80));
  const places = visible("body > header, .side, main, main > *").map((node) => {
    const { left, right } = node.getBoundingClientRect();
    return `${node.localName} from ${Math.round(left * 16 / innerWidth)} to ${Math.round(right * 16 / innerWidth)}`;
  });
  return [...texts, ...places];
});

// Takes a picture, and keeps how the page looks.
async function picture(page, name) {
  await page.evaluate(() => document.activeElement?.blur());
  looks[name] = await look(page);
  if (MOCKTENANT_UPDATE) await page.screenshot({ path: new URL(`${name}.png`, pictures).pathname });
}

// The share of what two pages say that only one of them says.
function difference(a, b) {
  const left = [...b];
  const both = a.filter((line) => { const i = left.indexOf(line); if (i >= 0) left.splice(i, 1); return i >= 0; }).length;
  return 1 - 2 * both / (a.length + b.length);
}

// A client with the variables of a .env file.
async function connect(text) {
  const env = Object.fromEntries([...text.matchAll(/^(\w+)="(.*)"$/gm)].map(([, name, value]) => [name, value]));
  const answer = await fetch(`${env.AZURE_AUTHORITY_HOST}${env.AZURE_TENANT_ID}/oauth2/v2.0/token`, {
    method: "POST", body: new URLSearchParams({ grant_type: "password", client_id: env.AZURE_CLIENT_ID, username: env.AZURE_USERNAME, password: env.AZURE_PASSWORD, scope: "https://graph.microsoft.com/.default" }),
  });
  const { access_token } = await answer.json();
  assert.ok(access_token);
  return (method, id = "") => fetch(`${env.GRAPH_BASE_URL}/v1.0/deviceManagement/remoteAssistancePartners${id}`, { method, headers: { Authorization: `Bearer ${access_token}` } });
}

test("a first visit", async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1040, height: 600 }, colorScheme: "light", reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("request", (request) => { if (!["127.0.0.1", ""].includes(new URL(request.url()).hostname)) faults.push("request to " + request.url()); });
  const at = (name) => page.getByTestId(name).first();

  await page.goto(MOCKTENANT_CONSOLE_URL);
  await follow(at("createTenant"));
  await at("field-displayName").fill("Contoso");
  await page.getByText("Settings").first().click();
  await at("field-settings-partnerPortal").selectOption("true");
  await follow(at("submit"));
  await page.getByTestId("copy-env").locator("xpath=..").getByRole("button", { name: "Copy" }).click();
  const credentials = await page.evaluate(() => navigator.clipboard.readText());
  await follow(at("tenant-link"));
  await page.getByTestId("recent-changes").or(page.getByTestId("empty")).first().waitFor();

  await follow(at("nav-remoteAssistancePartners"));
  await follow(at("createEntity"));
  await at("field-properties-displayName").fill("TeamViewer");
  await follow(at("submit"));
  await follow(page.getByRole("button", { name: "Begin onboarding" }));
  await picture(page, "entity");
  const entity = page.url();
  await follow(page.getByRole("link", { name: "/mocktenant/partner/" }));
  await picture(page, "partner");
  await follow(at("accept"));
  assert.equal(await at("outcome").innerText(), "Accepted");
  await page.goto(entity);
  assert.match(await at("versions").innerText(), /confirmOnboarding[^]*the partner, at its link/);
  assert.match(await page.locator("dl").innerText(), /onboarded/);

  await follow(at("nav-requests"));
  const client = await connect(credentials);
  assert.equal((await client("GET")).status, 200);
  const shown = page.getByTestId("requests-row").filter({ hasText: "GET" }).first();
  await shown.waitFor(); // the page shows it by itself
  await picture(page, "requests");
  await follow(shown.getByRole("link").first());
  await at("response-body").waitFor();

  await follow(at("nav-faults"));
  await follow(page.getByRole("link", { name: "Throttle the next request" }));
  await follow(at("submit"));
  const throttled = await client("GET");
  assert.deepEqual([throttled.status, throttled.headers.get("retry-after")], [429, "2"]);
  assert.equal((await client("GET")).status, 200);
  await follow(at("nav-faults"));
  await picture(page, "faults");

  await follow(at("nav-clock"));
  await follow(page.getByRole("link", { name: "Freeze" }));
  await follow(at("submit"));
  await follow(at("nav-clock"));
  const frozen = await at("clock-now").getAttribute("datetime");
  assert.equal(Date.parse((await client("GET")).headers.get("date")), Math.floor(Date.parse(frozen) / 1000) * 1000);

  await follow(at("nav-snapshots"));
  await follow(at("createSnapshot"));
  await at("field-name").fill("onboarded");
  await follow(at("submit"));
  const { value: [partner] } = await (await client("GET")).json();
  assert.equal((await client("DELETE", "/" + partner.id)).status, 204);
  await follow(at("nav-snapshots"));
  await follow(at("differences"));
  await picture(page, "differences");
  await follow(at("nav-snapshots"));
  await at("restoreSnapshot").click();
  await follow(at("restoreSnapshot-sure"));
  const { value: [restored] } = await (await client("GET")).json();
  assert.deepEqual([restored.id, restored.onboardingStatus], [partner.id, "onboarded"]);
  await follow(at("nav-home"));
  await page.getByTestId("recent-changes").waitFor();
  await picture(page, "home");
  assert.deepEqual(faults, []);
});

test("the pictures of docs/console.md show these pages", async () => {
  const kept = new URL("pages.json", pictures);
  if (MOCKTENANT_UPDATE) await writeFile(kept, JSON.stringify(looks, null, 1) + "\n");
  const then = JSON.parse(await readFile(kept, "utf8")), documented = await readFile(new URL("../console.md", pictures), "utf8");
  assert.deepEqual(Object.keys(then).sort(), Object.keys(looks).sort());
  for (const [name, lines] of Object.entries(looks)) {
    const share = difference(then[name], lines);
    assert.ok(share <= 0.1, `${name}.png is stale: ${Math.round(share * 100)} % of the page changed; take it again with -update:\n${lines.filter((line) => !then[name].includes(line)).join("\n")}`);
    assert.ok(documented.includes(`(screenshots/${name}.png)`), `docs/console.md doesn't show ${name}.png`);
  }
});
