import { BatchResponseContent, Client } from "@microsoft/microsoft-graph-client";
import { execFileSync } from "node:child_process";

const token = process.env.TOKEN ?? execFileSync("mocktenant", ["token"], { encoding: "utf8" }).trim();
const client = Client.init({
  baseUrl: process.env.GRAPH_BASE_URL,
  customHosts: new Set([new URL(process.env.GRAPH_BASE_URL).hostname]),
  authProvider: (done) => done(null, token),
});
const [command, ...names] = process.argv.slice(2);
const set = "/deviceManagement/remoteAssistancePartners";
try {
  if (command === "create") {
    for (const displayName of names) console.log((await client.api(set).post({ displayName })).id);
  } else if (command === "begin") {
    await client.api(`${set}/${names[0]}/beginOnboarding`).post({});
  } else if (command === "batch") {
    const requests = names.map((displayName, i) => ({ id: `${i}`, method: "POST", url: set, headers: { "Content-Type": "application/json" }, body: { displayName } }));
    const answers = new BatchResponseContent(await client.api("/$batch").post({ requests }));
    for (const { id } of requests) console.log((await answers.getResponseById(id).json()).displayName);
  } else {
    for (let page = await client.api(set).get(); page; page = page["@odata.nextLink"] && await client.api(page["@odata.nextLink"]).get()) {
      for (const p of page.value) console.log(p.displayName, p.onboardingStatus);
    }
  }
} catch (e) {
  console.log(e.statusCode, e.code);
  process.exitCode = 1;
}
