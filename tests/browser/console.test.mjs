// The console on the real binary under mixed traffic: every page, every action, every role.
import { createServer } from "node:http";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { ask, browser, start, TOKENS, traffic, TROUBLE, until, visit, wait } from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WEIR = process.env.WEIR ?? new URL("../../target/debug/weir", import.meta.url).pathname;
let weir, load, chrome;
before(async () => {
  weir = await start();
  chrome = await browser();
  load = traffic(weir, 10);
  await wait(2500);
  await weir.control(TROUBLE);
  await wait(2500);
});
after(async () => {
  await load?.stop();
  await chrome?.close();
  await weir?.stop();
});
const close = (page) => {
  assert.deepEqual(page.faults, []);
  return page.context().close();
};
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

test("a wrong token is refused, a right one leads to the address that was asked for", async () => {
  const page = await visit(chrome, weir, "live?f=key:team-a", { role: null });
  await page.locator("#token").fill("not-a-token");
  await page.keyboard.press("Enter");
  await page.getByText("this token is not known").waitFor();
  await page.locator("#token").fill(TOKENS.viewer);
  await page.keyboard.press("Enter");
  await page.locator("#rows tr[data-id]").first().waitFor();
  assert.match(page.url(), /live\?f=key:team-a$/);
  const keys = await page.locator("#rows .c-ke").allTextContents();
  assert.ok(
    keys.every((key) => key === "team-a"),
    keys.join(),
  );
  await axe(page, "live of a viewer");
  await page.locator("#who").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.locator("#token").waitFor();
  await axe(page, "sign-in");
  await close(page);
});

for (const [scheme, size] of [
  ["light", {}],
  ["dark", {}],
  ["light", { width: 390, height: 844, isMobile: true, hasTouch: true }],
]) {
  test(`every page is accessible and none scrolls sideways: ${scheme}${size.width ? ", phone" : ""}`, async () => {
    const page = await visit(chrome, weir, "now", { scheme, ...size });
    for (const [path, ready] of [
      ["now", ".acc tr[data-key]"],
      ["live", "#rows tr[data-id]"],
      ["try", "#body"],
      ["spend", "table.sp"],
      ["keys", "table"],
      ["config", "#main h2"],
      ["fleet", "#main h2"],
      ["audit", "#main h2"],
    ]) {
      await page.goto(`${weir.admin}/console/${path}`);
      await page.locator(ready).first().waitFor();
      await page.waitForTimeout(300);
      await axe(page, path);
      // A phone widens its window to what is too wide for it.
      const wide = await page.evaluate((width) => document.documentElement.scrollWidth - (width ?? innerWidth), size.width);
      assert.ok(wide <= 0, `${path} scrolls sideways by ${wide} px`);
    }
    await close(page);
  });
}

test("Now says what needs somebody, and drains an account in place", async () => {
  const page = await visit(chrome, weir, "now", { role: "operator" });
  await page.getByText(/Serving on \d of 8 accounts/).waitFor();
  await page.locator(".list").getByText("vllm-spot").first().waitFor();
  const row = page.locator('tr[data-key="gemini-a"]');
  await row.getByRole("button", { name: /Actions/ }).click();
  await page.getByRole("menuitem", { name: /Drain/ }).click();
  await page.getByText("No new request goes to it.").waitFor();
  await axe(page, "the question before a drain");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
  await page.getByRole("button", { name: "Drain gemini-a" }).click();
  await row.getByText("drained", { exact: true }).waitFor();
  await page.locator(".list").getByText("no account takes requests").first().waitFor();
  await row.getByRole("button", { name: /Actions/ }).click();
  await page.getByRole("menuitem", { name: /Enable/ }).click();
  await row
    .getByText(/usable|easing/)
    .first()
    .waitFor();
  const { json } = await weir.api("audit");
  assert.deepEqual(
    json.rows.slice(0, 2).map((r) => [r.who, r.action, r.subject]),
    [
      ["ops", "account.enable", "gemini-a"],
      ["ops", "account.drain", "gemini-a"],
    ],
  );
  assert.match(readFileSync(`${weir.dir}/audit.jsonl`, "utf8"), /"action":"account.drain"/);
  await close(page);
});

test("Live filters on the server, keeps the row that is read, and every state has an address", async () => {
  const page = await visit(chrome, weir, "live", { role: "viewer" });
  await page.locator("#rows tr[data-id]").first().waitFor();
  // The time of a row is when it ended, by which the list is sorted. Minutes are the same in every zone.
  const [shown, ended] = await page.evaluate(async () => {
    const row = document.querySelector("#rows tr[data-id]"),
      said = [row.dataset.id, row.querySelector(".c-ti").textContent.slice(3)],
      answer = await (await fetch("/admin/api/v1/requests?limit=500")).json();
    return [said[1], answer.rows.find((r) => r.request_id === said[0]).time.slice(14, 23)];
  });
  assert.equal(shown, ended);
  await page.locator("#rows tr[data-id]").nth(4).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("model:claude-* -key:team-a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/f=model:claude-/);
  await page.locator("#rows tr[data-id]").first().waitFor();
  for (const key of await page.locator("#rows .c-ke").allTextContents()) assert.notEqual(key, "team-a");
  await page.locator("#rows tr[data-id]").nth(1).click();
  const drawer = page.locator(".drawer");
  await drawer.getByText("Where the time went").waitFor();
  const id = page.url().match(/live\/(req_\w+)/)[1];
  await page.getByText("Paused.").waitFor();
  const first = await page.locator("#rows tr[data-id]").first().getAttribute("data-id");
  await page.waitForTimeout(1500);
  assert.equal(await page.locator("#rows tr[data-id]").first().getAttribute("data-id"), first, "rows moved while one was read");
  await axe(page, "live with a request open");
  await page.keyboard.press("j");
  await page.waitForFunction((id) => !location.pathname.endsWith(id), id);
  await page.goBack();
  await page.waitForURL(new RegExp(id));
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForURL(/console\/live$/);
  await page.goto(`${weir.admin}/console/live/req_unknown`);
  await page.getByText(/no longer in memory/).waitFor();
  await page.goto(`${weir.admin}/console/live?f=kye:x`);
  await page.locator("#fault").getByText(/kye/).waitFor();
  await close(page);
});

test("Try explains as a picture, sends as the key, and stops", async () => {
  const before = (await weir.api("keys?q=ops-laptop")).json.rows[0].use.month.requests;
  const page = await visit(chrome, weir, "try", { role: "operator" });
  await page.getByLabel("Key").fill("ops-laptop");
  await page.getByLabel("Dialect").selectOption("/v1/chat/completions");
  await page.getByLabel("Model").fill("claude-haiku-4-5");
  await page.getByLabel("Model").blur();
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText(/Would go to (claude|bedrock)/).waitFor();
  await page.locator(".flow .node.on").first().waitFor();
  assert.ok((await page.locator(".diff .ln.add, .diff .ln.ren").count()) > 0, "a translation changes lines");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(".facts").getByText("complete").waitFor();
  await page.locator(".ev").getByText("[DONE]").first().waitFor();
  await axe(page, "try with an answer");
  const id = (await page.locator(".facts a").getAttribute("href")).split("/").pop();
  const row = (await weir.api(`requests/${id}`)).json;
  assert.deepEqual([row.key, row.via, row.status], ["ops-laptop", "console", 200]);
  await until("the line of the access log", () => readFileSync(`${weir.dir}/access.log`, "utf8").includes(`"request_id":"${id}"`));
  const line = readFileSync(`${weir.dir}/access.log`, "utf8")
    .split("\n")
    .find((l) => l.includes(id));
  assert.match(line, /"via":"console"/);
  assert.ok((await weir.api("keys?q=ops-laptop")).json.rows[0].use.month.requests > before, "it counts for the key");
  assert.equal((await weir.api("audit")).json.rows.find((r) => r.action === "request.try")?.to, id);
  await page.getByLabel("Body").fill(
    JSON.stringify({
      model: "claude-haiku-4-5",
      stream: true,
      messages: [{ role: "user", content: "[[sim output-tokens=4000 chunk-delay=100ms chunk=1]] go" }],
    }),
  );
  await page.getByRole("button", { name: "Send" }).click();
  await until("some events", async () => (await page.locator(".ev > div").count()) > 8);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".facts").getByText("stopped").waitFor();
  const stopped = (await page.locator(".facts a").getAttribute("href")).split("/").pop();
  await until("the request to end", async () => (await weir.api(`requests/${stopped}`)).json.outcome === "client_gone");
  await close(page);
});

test("Spend agrees with the ledger's own report", async () => {
  await load.stop();
  await wait(1300);
  const page = await visit(chrome, weir, "spend", { role: "viewer" });
  await page.locator("table.sp tbody tr").first().waitFor();
  const told = JSON.parse(execFileSync(WEIR, ["usage", "--ledger", `${weir.dir}/ledger`, "--since", "month", "--by", "key", "--json"]));
  const shown = (await weir.api("usage")).json;
  assert.equal(shown.total.requests, told.total.requests);
  assert.ok(Math.abs(shown.total.usd - told.total.usd) < 1e-9);
  const dearest = [...told.rows].sort((a, b) => b.usd - a.usd)[0];
  assert.match(await page.locator("table.sp tbody tr").first().textContent(), new RegExp(`^${dearest.key}`));
  for (const by of ["Group", "Project", "Model", "Account", "Kind"]) {
    await page.getByRole("button", { name: by, exact: true }).click();
    await page.getByRole("heading", { name: `By ${by.toLowerCase()}`, exact: true }).waitFor();
  }
  for (const range of ["Today", "Year", "Range …", "Month"]) {
    await page.getByRole("button", { name: range, exact: true }).click();
    await page.locator(".chart").first().waitFor();
  }
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  const text = readFileSync(await file.path(), "utf8");
  assert.ok(text.startsWith("model,requests,") || text.startsWith("key,requests,"), text.slice(0, 60));
  await close(page);
  load = traffic(weir, 10);
});

test("what is sold by the piece is shown on Spend and of a request", async () => {
  await load.stop();
  await wait(1300);
  const page = await visit(chrome, weir, "spend", { role: "viewer" });
  const units = { images: 1, audio_ms: 90000, characters: 0, searches: 12 },
    said = /1 picture, 1m 30s of sound, 12 searches/;
  await page.locator("table.sp tbody tr").first().waitFor();
  assert.equal(await page.getByRole("columnheader", { name: "By the piece" }).count(), 0, "nothing was sold so");
  const change = (path, by) =>
    page.route(path, async (route) => {
      const answer = await route.fetch(),
        body = await answer.json();
      by(body);
      await route.fulfill({ response: answer, json: body });
    });
  await change("**/admin/api/v1/usage?*", (body) => {
    body.total.units = units;
    for (const row of body.rows) row.units = units;
    body.kinds.push({ kind: "images", usd: 0.5, units: 1 });
  });
  await page.reload();
  await page.getByRole("columnheader", { name: "By the piece" }).waitFor();
  assert.match(await page.locator("table.sp tbody tr").first().textContent(), said);
  assert.match(await page.locator("#pieces").textContent(), said);
  await page.getByRole("button", { name: "Kind", exact: true }).click();
  await page.locator("table.sp").getByText("pictures made").waitFor();
  await change("**/admin/api/v1/requests?limit=*", (body) => {
    for (const row of body.rows) row.units = units;
  });
  await page.goto(`${weir.admin}/console/live`);
  await page.locator("#rows tr[data-id]").first().waitFor();
  const id = await page.locator("#rows tr[data-id]").first().getAttribute("data-id"),
    first = page.locator(`#rows tr[data-id="${id}"]`);
  await first.click();
  await page.locator(".drawer tr[data-piece]").first().waitFor();
  assert.deepEqual(await page.locator(".drawer tr[data-piece] td").allTextContents(), [
    "pictures made",
    "1",
    "sound listened to",
    "1m 30s",
    "searches of a reranker",
    "12",
  ]);
  await axe(page, "a request with pieces");
  await close(page);
  load = traffic(weir, 10);
});

test("a viewer can change nothing, by the pages or the API", async () => {
  const page = await visit(chrome, weir, "now", { role: "viewer" });
  await page.locator(".acc tr[data-key]").first().waitFor();
  assert.equal(await page.locator("[data-act]").count(), 0);
  await page.goto(`${weir.admin}/console/try`);
  await page.getByRole("button", { name: "Explain" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Send" }).count(), 0);
  await page.goto(`${weir.admin}/console/config`);
  await page.locator("#main h2").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Reload" }).count(), 0);
  assert.equal(await page.getByRole("link", { name: "Audit" }).count(), 0);
  const changes = ["accounts/gemini-a/drain", "accounts/gemini-a/enable", "accounts/gemini-a/reset", "reload", "try", "config/check"];
  for (const path of changes) {
    for (const method of ["POST", "PUT", "DELETE"]) {
      const { status } = await weir.api(path, { role: "viewer", method, body: {} });
      assert.ok(status === 403 || status === 405 || status === 404, `${method} ${path}: ${status}`);
    }
  }
  assert.equal((await weir.api("accounts/gemini-a/drain", { role: "viewer", method: "POST", body: {} })).status, 403);
  for (const path of ["audit"]) assert.equal((await weir.api(path, { role: "operator" })).status, 403);
  assert.equal((await weir.api("config/check", { role: "operator", method: "POST", body: { text: "" } })).status, 403);
  await close(page);
});

test("pages of other sites get nowhere", async () => {
  const page = await visit(chrome, weir, "now");
  const cookie = (await page.context().cookies()).find((c) => c.name === "weir_console");
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  const send = (headers) =>
    fetch(`${weir.admin}/admin/api/v1/reload`, { method: "POST", headers: { cookie: `weir_console=${cookie.value}`, ...headers } }).then(
      (r) => r.status,
    );
  assert.equal(await send({}), 403, "no mark of the console");
  assert.equal(await send({ "x-weir-console": "1" }), 403, "no origin");
  assert.equal(await send({ "x-weir-console": "1", origin: "http://evil.example" }), 403, "another origin");
  assert.equal(await send({ "x-weir-console": "1", origin: "null" }), 403, "an opaque origin");
  assert.equal(await send({ "x-weir-console": "1", origin: weir.admin }), 200);
  // DNS rebinding: a name of the attacker's that points here.
  const { request } = await import("node:http");
  const rebound = await new Promise((done) =>
    request(
      {
        host: "127.0.0.1",
        port: new URL(weir.admin).port,
        path: "/admin/api/v1/now",
        headers: { host: "evil.example", cookie: `weir_console=${cookie.value}` },
      },
      (r) => {
        r.resume();
        done(r.statusCode);
      },
    ).end(),
  );
  assert.equal(rebound, 421);
  const answer = await fetch(`${weir.admin}/console/now`);
  assert.match(
    answer.headers.get("content-security-policy"),
    /default-src 'self'; style-src 'self' 'sha256-[^']+'; frame-ancestors 'none'/,
  );
  // Clickjacking: a page that frames the console shows nothing of it.
  const evil = await page.context().newPage();
  await evil.setContent(`<iframe src="${weir.admin}/console/now" width="800" height="600"></iframe>`);
  await evil.waitForTimeout(500);
  assert.ok(!evil.frames().some((f) => f.url().startsWith(weir.admin) && !f.url().startsWith("chrome-error")), "framed");
  await close(page);
});

test("guesses wait longer every time, and a right token never", async () => {
  const guess = async () => {
    const from = Date.now();
    const { status } = await weir.api("now", { role: "a-wrong-token" });
    return [status, Date.now() - from];
  };
  const waits = [];
  for (let i = 0; i < 4; i++) {
    const [status, took] = await guess();
    assert.equal(status, 401);
    waits.push(took);
  }
  assert.ok(waits[3] > 1500 && waits[3] > waits[0], waits.join());
  const slow = guess(),
    from = Date.now();
  assert.equal((await weir.api("now")).status, 200);
  assert.ok(Date.now() - from < 500, "a right token waited");
  await slow;
});

test("a server that dies is said, and its return is noticed", async () => {
  const page = await visit(chrome, weir, "now");
  await page.locator(".acc tr[data-key]").first().waitFor();
  await weir.weir.stop("SIGKILL");
  await page.getByText(/No answer from .* since/).waitFor();
  assert.ok((await page.locator(".acc tr[data-key]").count()) > 0, "the last figures stay");
  await axe(page, "now without a server");
  await weir.run();
  // Sessions are in memory: the page asks for the token again, and goes on where it was.
  await page.locator("#token").waitFor({ timeout: 20000 });
  await page.locator("#token").fill(TOKENS.admin);
  await page.keyboard.press("Enter");
  await page.getByText(/Serving on/).waitFor();
  await page.getByText(/No answer from/).waitFor({ state: "detached" });
  await close(page);
});

test("a key is made, shown once, works, is changed and revoked", async () => {
  const page = await visit(chrome, weir, "keys");
  await page.getByRole("button", { name: "New …" }).click();
  await page.waitForURL(/keys\?new=1/);
  await page.getByLabel("name", { exact: true }).fill("made-here");
  await page.getByLabel("usd_per_day").fill("2.5");
  await page.getByLabel("models").fill("claude-*, gpt-*");
  await axe(page, "a new key");
  await page.getByRole("button", { name: "What would change" }).click();
  await page.locator(".diff .ln.add").first().waitFor();
  assert.equal((await weir.api("keys/made-here")).status, 404, "nothing is written before it is saved");
  await axe(page, "what would change");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  const key = (await page.locator("dialog #made").textContent()).trim();
  await axe(page, "a key handed over");
  const hello = { model: "claude-sonnet-5", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
  assert.equal(await ask(weir, "/v1/messages", { "x-api-key": key, "anthropic-version": "2023-06-01" }, hello), 200);
  await page.getByRole("button", { name: "I have it" }).click();
  await page.locator('tr[data-key="made-here"]').waitFor();
  assert.ok(!(await page.content()).includes(key), "it is shown once");
  const acts = async (name) => {
    await page.locator('[data-more="made-here"]').click();
    await page.getByRole("menuitem", { name }).click();
  };
  await acts(/^Change/);
  await page.getByLabel("usd_per_day").fill("7");
  await page.getByRole("button", { name: "What would change" }).click();
  await page.locator(".diff .ln.ren").first().waitFor();
  // Another admin was quicker: nothing is overwritten.
  assert.equal((await weir.api("keys/made-here", { method: "PATCH", body: { debug: true } })).status, 200);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page
    .getByRole("alert")
    .getByText(/has changed/)
    .waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await acts(/^Rotate/);
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  const second = (await page.locator("dialog #made").textContent()).trim();
  assert.notEqual(second, key);
  assert.equal(await ask(weir, "/v1/messages", { "x-api-key": key, "anthropic-version": "2023-06-01" }, hello), 401);
  await page.getByRole("button", { name: "I have it" }).click();
  await acts(/^Revoke/);
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  await page.locator('tr[data-key="made-here"]').waitFor({ state: "detached" });
  assert.equal(await ask(weir, "/v1/messages", { "x-api-key": second, "anthropic-version": "2023-06-01" }, hello), 401);
  const done = (await weir.api("audit")).json.rows.filter((r) => r.subject === "made-here").map((r) => r.action);
  assert.deepEqual(done.reverse(), ["key.create", "key.change", "key.rotate", "key.revoke"]);
  await close(page);
});

test("an account is tested before it is saved, and its key never comes back", async () => {
  const page = await visit(chrome, weir, "keys?list=accounts&new=1");
  await page.getByLabel("name", { exact: true }).fill("extra");
  await page.getByLabel("base_url").fill(weir.upstream.replace("127.0.0.1", "127.0.0.253"));
  await page.getByLabel("key", { exact: true }).fill("up-extra-secret");
  await page.getByRole("button", { name: "What would change" }).click();
  await page.getByText("Test at the upstream").waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.locator('tr[data-key="extra"]').waitFor();
  await axe(page, "accounts");
  const shown = (await weir.api("accounts/extra")).text;
  assert.ok(!shown.includes("up-extra-secret") && shown.includes("***"), shown);
  await page.locator('[data-more="extra"]').click();
  await page.getByRole("menuitem", { name: /^Take away/ }).click();
  await page.getByRole("button", { name: "Take away", exact: true }).click();
  await page.locator('tr[data-key="extra"]').waitFor({ state: "detached" });
  await close(page);
  const viewer = await visit(chrome, weir, "keys", { role: "viewer" });
  await viewer.locator("table.keys-t tbody tr").first().waitFor();
  assert.equal(await viewer.getByRole("button", { name: /New/ }).count(), 0);
  await close(viewer);
});

test("the text of the configuration is shown masked, and a reload says what it would change", async () => {
  const page = await visit(chrome, weir, "config");
  await page.locator("#texts pre").first().waitFor({ state: "attached" });
  const text = await page.locator("#texts").textContent();
  assert.ok(text.includes("claude-a") && text.includes("***") && !text.includes("up-claude-a"), "masked");
  writeFileSync(weir.file, weir.text.replace("name: long, accounts: [gemini-a]", "name: long, accounts: [gemini-a, vllm-spot]"));
  await until("the change to be in force", async () => (await weir.api("config/text")).text.includes("[gemini-a, vllm-spot]"));
  await page.locator("#of option").nth(2).waitFor({ state: "attached" });
  await page.locator("#of").selectOption({ index: 2 });
  await page
    .locator("#texts .ln.add")
    .getByText(/vllm-spot/)
    .waitFor();
  await axe(page, "config with a comparison");
  await page.getByRole("button", { name: "Reload" }).click();
  await page.locator("dialog").getByRole("button", { name: "Reload" }).click();
  await page.getByText("Reload: unchanged").waitFor();
  writeFileSync(weir.file, weir.text);
  await until("it to be as before", async () => !(await weir.api("config/text")).text.includes("[gemini-a, vllm-spot]"));
  await close(page);
});

test("Fleet compares the hosts that a Prometheus knows", async () => {
  const series = (name, instance, value, labels = {}) => ({
    metric: { __name__: name, instance, ...labels },
    value: [Date.now() / 1000, String(value)],
  });
  const here = (await weir.api("config")).json.applied_hash,
    asked = [];
  const prometheus = createServer((request, answer) => {
    let body = "";
    request.on("data", (d) => {
      body += d;
    });
    request.on("end", () => {
      asked.push(decodeURIComponent(request.url + body));
      const fleet = /weir_build_info/.test(asked.at(-1));
      answer.setHeader("content-type", "application/json");
      answer.end(
        JSON.stringify({
          status: "success",
          data: {
            resultType: "vector",
            result: fleet
              ? ["edge-1", "edge-2"].flatMap((host, n) => [
                  series("weir_build_info", host, 1, { version: "0.1.0", revision: "abc" }),
                  series("weir_config_hash_info", host, 1, { hash: n ? "f".repeat(64) : here }),
                  series("weir_config_generation", host, n + 1),
                  series("weir_config_last_reload_successful", host, 1 - n),
                  series("weir_config_last_reload_success_timestamp_seconds", host, Date.now() / 1000 - 60),
                ])
              : [],
          },
        }),
      );
    });
  });
  await new Promise((done) => prometheus.listen(0, "127.0.0.1", done));
  const page = await visit(chrome, weir, "fleet", { role: "viewer" });
  await page.getByText("No Prometheus is configured").waitFor();
  await axe(page, "fleet without a Prometheus");
  writeFileSync(weir.file, `${weir.text}prometheus: { url: "http://127.0.0.1:${prometheus.address().port}" }\n`);
  await until("Prometheus to be in force", async () => (await weir.api("fleet")).json.hosts.length === 2);
  await page.reload();
  await page.getByText("Hosts: 2, configurations: 2, versions: 1").waitFor();
  await page.locator('tr[data-key="edge-2"]').getByText("disk not applied").waitFor();
  await axe(page, "fleet");
  prometheus.close();
  prometheus.closeAllConnections();
  await until("the failure to be told", async () => /./.test((await weir.api("fleet")).json.why ?? ""));
  writeFileSync(weir.file, weir.text);
  await until("the configuration of before", async () => (await weir.api("fleet")).json.source === null);
  await close(page);
});

test("a request says why it went to its account, and why not to another", async () => {
  const page = await visit(chrome, weir, "live?f=model:claude-sonnet-5", { role: "operator" });
  await page.locator("#rows tr[data-id]").nth(2).waitFor();
  await page.keyboard.press("Space");
  await page.locator("#rows tr[data-id]").nth(2).click();
  await page.getByText("Why this account, and why not another?").click();
  await page.locator("#why-now tbody tr").first().waitFor();
  assert.ok((await page.locator("#why-now tbody tr").count()) >= 4, "every account of the pool");
  await page.locator("#why-now").getByText("asked as number 1").first().waitFor();
  await axe(page, "why this account");
  await page.getByRole("link", { name: "Explain it in Try" }).click();
  await page.locator(".flow .node.on").first().waitFor();
  await close(page);
});

test("a fault of the configuration is on every page, at its line", async () => {
  const page = await visit(chrome, weir, "live");
  writeFileSync(weir.file, weir.text.replace("ledger:", "legder:"));
  await page
    .locator("#cfg")
    .getByText(/disk not applied/)
    .waitFor({ timeout: 25000 });
  await page.goto(`${weir.admin}/console/config`);
  await page
    .getByText(/legder/)
    .first()
    .waitFor();
  writeFileSync(weir.file, weir.text);
  await page.getByRole("button", { name: "Reload" }).click();
  await page.locator("dialog").getByRole("button", { name: "Reload" }).click();
  await page.getByText("disk = applied").waitFor();
  await close(page);
});

test("a request that is under way is shown", async () => {
  const open = ask(
    weir,
    "/v1/messages",
    { "x-api-key": "key-team-b", "anthropic-version": "2023-06-01" },
    {
      model: "claude-sonnet-5",
      max_tokens: 1000,
      stream: true,
      messages: [{ role: "user", content: "[[sim output-tokens=60 chunk=1 chunk-delay=100ms]] x" }],
    },
  );
  await until("it to be counted", async () => (await weir.api("now")).json.traffic.in_flight > 0);
  assert.equal(await open, 200);
});

test("Chinese, and the keyboard alone", async () => {
  const page = await visit(chrome, weir, "now", { locale: "zh-CN" });
  await page.getByText(/个账号中/).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  await axe(page, "now in Chinese");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.waitForURL(/console\/spend/);
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await close(page);
});

test("no sentence of the pages is English for whoever reads Chinese", async () => {
  const page = await visit(chrome, weir, "now", { locale: "zh-CN" });
  const all = [];
  const english = async (where) => {
    await page.waitForTimeout(700);
    // Words of a sentence, two in a row; values, names, paths and what servers and upstreams say stay as they are.
    const found = await page.evaluate(() => {
      const out = [],
        walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const text = node.textContent.trim(),
          around = node.parentElement;
        if (
          /[a-z]{2,} [a-z]{2,}/.test(text) &&
          !around.closest(
            "pre, code, textarea, datalist, option, .mono, .code, .why, .ev, .diff, .node small, .try-r .bad, #why-now td, .facets button",
          )
        )
          out.push(text);
      }
      for (const el of document.querySelectorAll("[title], [aria-label], [placeholder]"))
        for (const name of ["title", "aria-label", "placeholder"]) {
          const text = el.getAttribute(name) ?? "";
          if (/[a-z]{2,} [a-z]{2,}/.test(text) && !el.closest("#rows, .ev, pre")) out.push(`${name}: ${text}`);
        }
      return out;
    });
    all.push(...found.map((text) => `${where}: ${text}`));
  };
  await page.locator(".acc tr[data-key]").first().waitFor();
  await english("now");
  await page.locator("[data-act]").first().click();
  await english("the menu of an account");
  await page.getByRole("menuitem").first().click();
  await english("the question before a drain");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await english("keyboard");
  for (const path of [
    "live",
    "live/req_unknown",
    "live?f=key:nobody-at-all",
    "try",
    "spend",
    "spend?range=range&by=kind",
    "spend?range=year",
    "keys",
    "keys?list=groups",
    "keys?list=projects",
    "keys?list=accounts",
    "keys?list=pools",
    "keys?new=1",
    "keys?list=accounts&new=1",
    "config",
    "fleet",
    "audit",
    "nowhere",
  ]) {
    await page.goto(`${weir.admin}/console/${path}`);
    await page
      .locator("#main :is(h1, h2, p, table, aside)")
      .first()
      .waitFor({ state: "attached" })
      .catch(() => {});
    await english(path);
  }
  await page.goto(`${weir.admin}/console/live?f=outcome:ok`);
  await page.locator("#rows tr[data-id]").nth(1).click();
  await english("a request");
  const { json } = await weir.api(`requests/${page.url().match(/live\/(req_\w+)/)[1]}`);
  await page.locator("[data-headers] summary").click();
  await page.locator("#headers-now pre").getByText("x-api-key: ***").waitFor();
  assert.ok(!json.headers.includes("key-"), json.headers);
  await page.goto(`${weir.admin}/console/try`);
  await page.locator("form.left button.primary").click();
  await page.locator(".ev").waitFor();
  await english("try with an answer");
  assert.deepEqual(all, []);
  await close(page);
});

test("what openapi.json says is there, and asks who is there", async () => {
  const { paths } = JSON.parse(readFileSync(new URL("../../docs/console/openapi.json", import.meta.url), "utf8"));
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const url = `${weir.admin}/admin/api/v1${path.replace("{id}", "req_x").replace("{name}", "gemini-a").replace("{verb}", "reset")}`;
      const answer = await fetch(url, { method: method.toUpperCase(), ...(method === "get" ? {} : { body: "{}" }) });
      // Signing in and out has rules of its own: the mark of the console.
      const expected = path === "/session" && method !== "get" ? 403 : 401;
      assert.equal(answer.status, expected, `${method} ${path}`);
    }
  }
  const documented = readFileSync(new URL("../../docs/API.md", import.meta.url), "utf8");
  for (const path of Object.keys(paths)) assert.ok(documented.includes(path.slice(1).split("/{")[0]), `${path} is not in API.md`);
});
