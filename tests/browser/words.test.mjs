// Every word that the pages say has its Chinese.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

test("no word of the pages lacks a translation", () => {
  const folder = new URL("../../src/proxy/admin/console/", import.meta.url);
  const said = new Set(),
    known = new Set(
      [...readFileSync(new URL("words.js", folder), "utf8").matchAll(/"((?:[^"\\]|\\.)*)":\s*"[^"]/g)].map((found) => found[1]),
    );
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".js"))) {
    for (const [, word] of readFileSync(new URL(file, folder), "utf8").matchAll(/\b(?:t|said)\(\s*"((?:[^"\\]|\\.)*)"[,)]/g))
      said.add(word);
  }
  assert.ok(said.size > 100, "the words were found");
  assert.deepEqual(
    [...said].filter((word) => !known.has(word)),
    [],
  );
});

test("every reason why an account is out has its words", () => {
  const report = readFileSync(new URL("../../src/exchange/explain/accounts.rs", import.meta.url), "utf8");
  const reasons = [...report.matchAll(/Excluded::\w+(?: \{[^}]*\})? => \("(\w+)",/g)].map((found) => found[1]);
  const words = readFileSync(new URL("../../src/proxy/admin/console/words.js", import.meta.url), "utf8").split(
    "export function excluded",
  )[1];
  assert.ok(reasons.length >= 12, `${reasons}`);
  assert.deepEqual(
    reasons.filter((reason) => !new RegExp(`\\b${reason}: \\(\\) =>`).test(words)),
    [],
  );
});
