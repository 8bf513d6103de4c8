// Every word that the pages say has its Chinese.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

test("no word of the pages lacks a translation", () => {
  const folder = new URL("../../src/proxy/admin/console/", import.meta.url);
  const said = new Set(), known = new Set([...readFileSync(new URL("words.js", folder), "utf8").matchAll(/"((?:[^"\\]|\\.)*)": "[^"]/g)].map((found) => found[1]));
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".js"))) {
    for (const [, word] of readFileSync(new URL(file, folder), "utf8").matchAll(/\b(?:t|said)\("((?:[^"\\]|\\.)*)"[,)]/g)) said.add(word);
  }
  assert.ok(said.size > 100, "the words were found");
  assert.deepEqual([...said].filter((word) => !known.has(word)), []);
});
