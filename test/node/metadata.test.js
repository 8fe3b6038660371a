// A public client generator reads the metadata, and the generated client compiles.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

for (const version of ["v1.0", "beta"]) {
  test(`odata2ts reads the metadata of ${version}`, async () => {
    const dir = mkdtempSync(join(import.meta.dirname, "generated-"));
    try {
      const answer = await fetch(`${process.env.GRAPH_BASE_URL}/${version}/$metadata`);
      assert.equal(answer.status, 200);
      writeFileSync(join(dir, "metadata.xml"), await answer.text());
      execFileSync(process.execPath, ["node_modules/@odata2ts/odata2ts/lib/run-cli.js", "-s", join(dir, "metadata.xml"), "-o", join(dir, "out"), "-m", "models", "-e", "ts"], { stdio: "pipe" });
      const file = join(dir, "out", "MicrosoftGraphModel.ts");
      execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "es2022", "--moduleResolution", "node", file], { stdio: "pipe" });
      const model = readFileSync(file, "utf8");
      for (const wanted of [/interface remoteAssistancePartner extends entity/, /displayName: string \| null/, /onboardingStatus: remoteAssistanceOnboardingStatus/, /"onboarding"/]) {
        assert.match(model, wanted);
      }
      assert.equal(/onboardingRequestExpiryDateTime/.test(model), version === "beta");
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
