// A person signs in to the console at an identity provider on another site, in headless Chromium.
import assert from "node:assert/strict";
import { test } from "node:test";
import axe from "axe-core";
import { follow, launch } from "./browser.mjs";

const { MOCKTENANT_CONSOLE_URL, MOCKTENANT_TEST_USER, MOCKTENANT_TEST_PASSWORD } = process.env;

test("a person signs in at their company, and out", async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext({ bypassCSP: true }); // axe is a script that isn't ours
  const page = await context.newPage();
  const keys = `${MOCKTENANT_CONSOLE_URL}/keys?top=7`;
  await page.goto(keys);
  await page.addScriptTag({ content: axe.source });
  assert.deepEqual((await page.evaluate(() => axe.run())).violations.map((v) => v.id), []);

  await follow(page.getByTestId("sign-in-person"));
  await page.waitForURL(/^http:\/\/localhost:/);
  const provider = page.url();
  await page.fill("[name=user]", MOCKTENANT_TEST_USER);
  await page.fill("[name=password]", MOCKTENANT_TEST_PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL(keys);
  assert.equal(await page.getByTestId("caller").textContent(), `${MOCKTENANT_TEST_USER}, owner`);
  const cookies = (await context.cookies(MOCKTENANT_CONSOLE_URL)).map(({ name, httpOnly, sameSite, path }) => [name.replace(/\d+/, "PORT"), httpOnly, sameSite, path]);
  assert.deepEqual(cookies, [["mocktenant_console_PORT", true, "Strict", "/console"]]);

  // The list of people has this session, which lasts an hour.
  await page.goto(`${MOCKTENANT_CONSOLE_URL}/console-sessions`);
  const row = page.getByTestId("console-sessions-row");
  assert.match(await row.innerText(), new RegExp(`^${MOCKTENANT_TEST_USER}\\s+owner\\s`));
  const times = await row.locator("time").evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
  assert.equal(Math.round((times[1] - times[0]) / 60_000), 60);
  await page.goto(keys);

  // A link on another site still works, and back leads to the pages before.
  await page.goto(provider.replace(/^(http:\/\/[^/]+).*/, "$1/"));
  await page.evaluate((href) => { const a = document.createElement("a"); a.href = href; a.id = "back"; a.textContent = "console"; document.body.append(a); }, keys);
  await page.click("#back");
  await page.getByTestId("caller").waitFor();
  assert.equal(page.url(), keys);

  // Somebody else's sign-in can't be finished here.
  await page.goto(`${MOCKTENANT_CONSOLE_URL}/sign-in/callback?code=theirs&state=theirs`);
  assert.match(await page.getByTestId("alert").textContent(), /hasn't begun to sign in/);

  await page.goto(`${MOCKTENANT_CONSOLE_URL}/console-sessions`);
  await page.getByTestId("endConsoleSession").click();
  await follow(page.getByTestId("endConsoleSession-sure")); // a person's own session
  await page.getByTestId("sign-in").waitFor();
  assert.match(await page.getByTestId("alert").textContent(), /The session has expired, or an owner ended it/);

  await page.goto(keys);
  await follow(page.getByTestId("sign-in-person"));
  await page.waitForURL(keys); // still known to the provider
  await follow(page.getByTestId("sign-out"));
  await page.waitForURL(/\/sign-in$/);
  await page.goto(keys);
  await page.getByTestId("sign-in").waitFor();
});
