// The real binary in front of `weir upstream`, traffic through it, and Debian's Chromium. What is started here is stopped
// here, by its handle.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const WEIR = process.env.WEIR ?? new URL("../../target/debug/weir", import.meta.url).pathname;
export const sha256 = (text) => createHash("sha256").update(text).digest("hex");
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));
export const TOKENS = {
  viewer: "browser-tests-viewer-token",
  operator: "browser-tests-operator-token",
  admin: "browser-tests-admin-token",
};

export function freePort() {
  return new Promise((done, failed) => {
    const server = net
      .createServer()
      .once("error", failed)
      .listen(0, "127.0.0.1", () => {
        const { port } = server.address();
        server.close(() => done(port));
      });
  });
}
export async function until(what, test, limit = 15000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await Promise.resolve()
      .then(test)
      .catch(() => null);
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain: ${what}`);
    await wait(50);
  }
}

let host = 1;
// Each with an address of its own: Weir benches addresses, too.
const account = (name, provider, path, upstream, extra = "") =>
  `  - { name: ${name}, provider: ${provider}, base_url: "http://${upstream.replace("127.0.0.1", `127.0.0.${(++host % 200) + 2}`)}${path}", key: up-${name}${extra} }\n`;
/** Ten accounts, four pools, keys with limits: what a small company has. */
export function configuration({ front, admin, upstream, dir, keys = [], head = "", top = "", adminExtra = "" }) {
  const named = [
    ["team-a", "platform"],
    ["team-b", "platform"],
    ["ci-review", "platform"],
    ["ops-laptop", "platform"],
    ["nightly-eval", "research"],
    ["notebooks", "research"],
    ["mobile-app", "product"],
    ["support-bot", "product"],
  ];
  const limited = {
    "team-a": "{ usd_per_day: 100, rpm: 6000 }",
    "nightly-eval": "{ usd_per_day: 1.5 }",
    notebooks: "{ tpm: 400000 }",
    "mobile-app": "{ usd_per_month: 3000 }",
  };
  return `version: 1
${head}listen: [{ addr: "${front}" }]
admin:
  addr: "${admin}"
  audit: ${dir}/audit.jsonl
  fragments: ${dir}/conf.d
${adminExtra}  tokens:
${Object.entries(TOKENS)
  .map(
    ([role, token]) =>
      `    - { name: ${role === "admin" ? "alice" : role === "operator" ? "ops" : "eve"}, sha256: "${sha256(token)}", role: ${role} }\n`,
  )
  .join("")}ledger: { path: ${dir}/ledger }
${top}accounts:
${account("claude-a", "anthropic", "", upstream, ", limits: { concurrency: 40 }")}${account("claude-b", "anthropic", "", upstream, ", limits: { concurrency: 40 }")}${account("claude-api", "anthropic", "", upstream)}${account("bedrock-eu", "anthropic", "", upstream)}${account("openai-a", "openai", "/v1", upstream, ", limits: { concurrency: 80 }")}${account("openai-b", "openai", "/v1", upstream, ", limits: { concurrency: 80 }")}${account("gemini-a", "gemini", "", upstream)}${account("vllm-spot", "openai", "/v1", upstream)}
pools:
  - { name: claude, accounts: [claude-a, claude-b, claude-api, bedrock-eu], select: weighted, affinity: session, fallback: gpt }
  - { name: gpt, accounts: [openai-a, openai-b], select: least-busy }
  - { name: long, accounts: [gemini-a] }
  - { name: fleet, accounts: [vllm-spot], fallback: gpt }
routes:
  - { when: { model: "*haiku*" }, pool: claude }
  - { when: { key: "nightly-*", model: "qwen*" }, pool: fleet }
  - { when: { model: "claude-*" }, pool: claude }
  - { when: { model: "gemini-*" }, pool: long }
  - { pool: gpt }
groups:
  - { name: platform }
  - { name: research, limits: { usd_per_month: 5000 } }
  - { name: product }
keys:
${named.map(([name, group]) => `  - { name: ${name}, group: ${group}, sha256: "${sha256("key-" + name)}"${limited[name] ? `, limits: ${limited[name]}` : ""} }\n`).join("")}${keys.map((name) => `  - { name: ${name}, sha256: "${sha256("key-" + name)}" }\n`).join("")}log: { access: ${dir}/access.log }
`;
}

function launch(args, log, env = {}) {
  const child = spawn(WEIR, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const text = { out: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      text.out += data;
      if (process.env.VERBOSE) process.stderr.write(`${log}: ${data}`);
    });
  const over = new Promise((done) => child.once("exit", (code) => done(code)));
  return {
    child,
    text,
    over,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      const late = setTimeout(() => child.kill("SIGKILL"), 8000);
      await over;
      clearTimeout(late);
    },
  };
}

/** Weir and its upstream; `config` may change the text of the configuration. */
export async function start({ config = (text) => text, env = {}, ...options } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "weir-browser-"));
  const [up, front, admin] = await Promise.all([freePort(), freePort(), freePort()]).then((ports) =>
    ports.map((port) => `127.0.0.1:${port}`),
  );
  const upstream = launch(
    ["upstream", "--addr", up.replace("127.0.0.1", "0.0.0.0"), "--threads", "1", "--set", "chunk-delay=12ms", "--set", "first-delay=90ms"],
    "upstream",
  );
  await until("the upstream", () => fetch(`http://${up}/health`).then((r) => r.ok));
  const file = join(dir, "weir.yaml"),
    text = config(configuration({ front, admin, upstream: up, dir, ...options }), { dir, front, admin, up });
  writeFileSync(file, text);
  const self = {
    dir,
    file,
    text,
    front: `http://${front}`,
    admin: `http://${admin}`,
    upstream: `http://${up}`,
    weir: null,
    async run() {
      self.weir = launch(["run", "-c", file], "weir", env);
      await until("weir", async () => {
        if (self.weir.child.exitCode !== null) throw new Error(self.weir.text.out);
        return (await fetch(`${self.admin}/livez`)).ok;
      });
    },
    control: (body) =>
      fetch(`${self.upstream}/sim/control`, { method: "POST", body: JSON.stringify(body) }).then(async (r) => {
        if (!r.ok) throw new Error(await r.text());
      }),
    api: async (path, { role = "admin", method = "GET", body, headers = {} } = {}) => {
      const answer = await fetch(`${self.admin}/admin/api/v1/${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKENS[role] ?? role}`, ...(body ? { "content-type": "application/json" } : {}), ...headers },
        body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
      });
      const said = await answer.text();
      let json = null;
      try {
        json = JSON.parse(said);
      } catch {
        /* not JSON */
      }
      return { status: answer.status, headers: answer.headers, text: said, json };
    },
    async stop() {
      await self.weir?.stop();
      await upstream.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await self.run().catch(async (error) => {
    await self.stop();
    throw error;
  });
  return self;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
/** One request of the data plane; its status when the answer is over. */
export function ask(weir, path, headers, body) {
  return new Promise((done) => {
    const text = JSON.stringify(body);
    const request = http.request(
      weir.front + path,
      { method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers } },
      (answer) => {
        answer.resume();
        answer.once("end", () => done(answer.statusCode));
        answer.once("error", () => done(0));
        answer.once("aborted", () => done(0));
      },
    );
    request.once("error", () => done(0));
    request.end(text);
  });
}
const CALLS = [
  ["team-a", "/v1/messages", "claude-sonnet-5"],
  ["team-a", "/v1/messages", "claude-opus-5"],
  ["ops-laptop", "/v1/messages", "claude-haiku-4-5"],
  ["ci-review", "/v1/messages", "claude-sonnet-5"],
  ["team-b", "/v1/chat/completions", "gpt-5.5"],
  ["mobile-app", "/v1/chat/completions", "gpt-5.5"],
  ["support-bot", "/v1/responses", "gpt-5.5"],
  ["notebooks", "/v1/chat/completions", "claude-sonnet-5"],
  ["nightly-eval", "/v1/chat/completions", "qwen3-coder"],
  ["notebooks", "/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"],
];
const TEXT = "Review this diff and say in three sentences whether the two locks of the pool can be taken in the same order everywhere. ";
export function call(n) {
  const [key, path, model] = CALLS[n % CALLS.length],
    tokens = 40 + ((n * 37) % 160),
    sim = `[[sim output-tokens=${tokens}]]`;
  const text = `${sim} ${TEXT.repeat(1 + (n % 9))}`,
    stream = n % 3 !== 0;
  const body =
    path === "/v1/messages"
      ? {
          model,
          max_tokens: 1024,
          stream,
          system: [{ type: "text", text: "You review diffs. ".repeat(60), cache_control: { type: "ephemeral" } }],
          messages: [{ role: "user", content: text }],
        }
      : path === "/v1/responses"
        ? { model, stream, input: text }
        : path.includes("gemini")
          ? { contents: [{ role: "user", parts: [{ text }] }] }
          : { model, stream, messages: [{ role: "user", content: text }] };
  return [path, { "x-api-key": `key-${key}`, "anthropic-version": "2023-06-01", "user-agent": "claude-cli/2.1 (external)" }, body];
}
/** Mixed requests until it is stopped: `rate` a second, some wrong. */
export function traffic(weir, rate = 12) {
  let n = 0,
    over = false;
  const open = new Set();
  const send = () => {
    if (over || open.size > 150) return;
    const [path, headers, body] = call(n++);
    if (n % 41 === 0) headers["x-api-key"] = "wrong";
    if (n % 53 === 0) body.messages = "none";
    const one = ask(weir, path, headers, body);
    open.add(one);
    one.finally(() => open.delete(one));
  };
  const timer = setInterval(send, 1000 / rate);
  return {
    sent: () => n,
    stop: async () => {
      over = true;
      clearInterval(timer);
      await Promise.allSettled([...open]);
    },
  };
}
/** What stands in every picture: a quota that is used up, a window near its end, a refused key, an account that fails. */
export const TROUBLE = {
  fail: [
    { key: "up-claude-b", unified: "1.02" },
    { key: "up-claude-a", unified: "0.83" },
    { key: "up-claude-api", "rate-limit": 18 },
    { key: "up-vllm-spot", reset: true },
    { key: "up-openai-b", status: 529, "retry-after": 31, error: "overloaded" },
  ],
};

export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
  });
}
/** A page of its own context, signed in unless `role` is null. Errors of the page are kept. */
export async function visit(
  chrome,
  weir,
  path,
  { role = "admin", width = 1440, height = 900, scheme = "light", locale = "en-GB", ...more } = {},
) {
  const context = await chrome.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    locale,
    timezoneId: "Europe/Berlin",
    reducedMotion: "reduce",
    ...more,
  });
  if (role) {
    const answer = await context.request.post(`${weir.admin}/admin/api/v1/session`, {
      headers: { "x-weir-console": "1", origin: weir.admin },
      data: { token: TOKENS[role] },
    });
    if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
  }
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) page.faults.push(message.text());
  });
  await page.goto(`${weir.admin}/console/${path}`);
  return page;
}
export const secret = () => randomBytes(16).toString("hex");
