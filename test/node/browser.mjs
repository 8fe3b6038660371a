// Headless Chromium, as all tests of pages use it.
import { chromium } from "playwright-core";

export const options = {
  executablePath: process.env.MOCKTENANT_TEST_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};

export const launch = () => chromium.launch(options);

// Clicks what leads to another page, and waits until all of that page is there and its scripts have
// run. A click alone waits only until the page begins: what is read then may be cut short.
export const follow = (target) => Promise.all([target.page().waitForEvent("domcontentloaded"), target.click()]);
