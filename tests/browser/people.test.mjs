// Pages beside the console: the key holder's on the data plane, and the first-run page of `weir init --web`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ask, browser, call, freePort, start, until } from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WEIR = process.env.WEIR ?? new URL("../../target/debug/weir", import.meta.url).pathname;
let weir, chrome;
before(async () => {
  weir = await start({ top: "me: true\n" });
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await weir?.stop();
});

async function open(url, more = {}) {
  const page = await (await chrome.newContext({ locale: "en-GB", reducedMotion: "reduce", ...more })).newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.goto(url);
  return page;
}
async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}
async function axe(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  assert.deepEqual(
    found.violations.map(
      (v) =>
        `${what}: ${v.id}: ${v.nodes
          .map((n) => n.target.join(" "))
          .slice(0, 3)
          .join(" | ")}`,
    ),
    [],
  );
}

test("a key holder sees own use, what is left and own errors, and nobody else's", async () => {
  const [path, headers, body] = call(0);
  assert.equal(await ask(weir, path, headers, body), 200);
  // One of the holder's own errors, and one of somebody else's.
  await ask(weir, path, headers, { ...body, messages: "none of mine" });
  await ask(weir, path, { ...headers, "x-api-key": "key-notebooks" }, { ...body, messages: "none" });
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(`${weir.front}/me`, { colorScheme });
    await axe(page, "before the key");
    await page.fill("#key", "key-team-a");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "team-a" }).waitFor();
    const text = await page.textContent("main");
    assert.match(text, /usd_per_day/);
    assert.match(text, /platform/);
    assert.doesNotMatch(text, /notebooks/);
    assert.doesNotMatch(text, /key-team-a/);
    const errors = page.getByRole("heading", { name: "Recent errors" }).locator("xpath=following-sibling::*[1]").locator("tbody tr");
    assert.equal(await errors.count(), 1);
    await axe(page, `of a key, ${colorScheme}`);
    await page.getByRole("button", { name: "Forget the key" }).click();
    await page.locator("#key").waitFor();
    assert.equal(await page.locator("#key").inputValue(), "");
    await close(page);
  }
});

test("a wrong key is said, nothing is kept, and no way leads to the admin plane", async () => {
  const page = await open(`${weir.front}/me`, { viewport: { width: 390, height: 800 } });
  await page.fill("#key", "not-a-key");
  await page.keyboard.press("Enter");
  await page.getByText("This key is not known").waitFor();
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
  for (const path of ["/console", "/console/now", "/admin/api/v1/session", "/status", "/metrics"]) {
    const answer = await fetch(weir.front + path, { headers: { authorization: "Bearer key-team-a" } });
    assert.equal(answer.status, 404, path);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `${wide} px on a phone`);
  await close(page);
});

test("Chinese", async () => {
  const page = await open(`${weir.front}/me`, { locale: "zh-CN" });
  await page.getByText("您的密钥", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  await close(page);
});

test("the first-run page writes a configuration that starts, once, for whoever has the link", async () => {
  const dir = mkdtempSync(join(tmpdir(), "weir-first-run-"));
  const port = await freePort();
  const child = spawn(WEIR, ["init", "--web", "--addr", `127.0.0.1:${port}`, "--dir", dir], { stdio: ["ignore", "pipe", "pipe"] });
  const over = new Promise((done) => child.once("exit", done));
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      said += data;
    });
  try {
    const link = await until("the link", () => said.match(/http:\/\/\S+#code=\w+/)?.[0]);
    // Without the code, and with a wrong one, there is nothing.
    const without = await open(`http://127.0.0.1:${port}/`);
    await without.getByText("Open the link that the terminal shows").waitFor();
    await close(without);
    const guess = await open(`http://127.0.0.1:${port}/#code=wrong`);
    await guess.getByRole("alert").waitFor();
    assert.equal(await guess.locator("form").count(), 0);
    await close(guess);
    const page = await open(link);
    await page.locator("form").waitFor();
    assert.doesNotMatch(page.url(), /code/);
    await axe(page, "first run");
    // The link works once.
    const again = await open(link);
    await again.getByRole("alert").waitFor();
    await close(again);
    await page.selectOption("#provider", "anthropic");
    await page.fill("#key", "up-first-run");
    await page.fill("#base", weir.upstream);
    await page.fill("#name", "me");
    await page.locator("#test").uncheck();
    await page.getByRole("button", { name: "Write it" }).click();
    const key = await page.locator("#client").textContent();
    await close(page);
    assert.equal(await over, 0, said);
    assert.ok(!said.includes(key), "the client key stands on the page alone");
    const files = ["weir.yaml", "secrets/provider.key"].map((name) => join(dir, name));
    for (const file of files) assert.ok(existsSync(file), file);
    assert.ok(!readFileSync(files[0], "utf8").includes(key));
    assert.equal(readFileSync(files[1], "utf8").trim(), "up-first-run");
    assert.equal(statSync(files[1]).mode & 0o077, 0);
    const checked = spawn(WEIR, ["check", "-c", files[0]], { stdio: "ignore" });
    assert.equal(await new Promise((done) => checked.once("exit", done)), 0);
  } finally {
    child.kill();
    await over;
    rmSync(dir, { recursive: true, force: true });
  }
});
