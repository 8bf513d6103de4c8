// Takes the pictures of docs/console/pictures: every page on real data, both themes, phone width and Chinese. `make pictures`.
// The Prometheus of Fleet and of the chart over time is a stand-in: a real one would have scraped for two minutes.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pages from "./pages.mjs";
import { browser, freePort, start, traffic, TROUBLE, until, visit, wait, WEIR } from "./support.mjs";

const INTO = process.argv[2] ?? new URL("../../docs/console/pictures", import.meta.url).pathname,
  only = process.argv[3]?.split(",");
const warm = Number(process.env.WARM ?? 75);
mkdirSync(INTO, { recursive: true });

let hash = "";
const vector = () =>
  ["edge-1", "edge-2", "edge-3"].flatMap((host, n) => {
    const one = (name, value, labels = {}) => ({
      metric: { __name__: name, instance: `${host}:9100`, ...labels },
      value: [Date.now() / 1000, String(value)],
    });
    return [
      one("weir_build_info", 1, { version: "0.1.0", revision: "4cc0f5f1a2b3" }),
      one("weir_config_hash_info", 1, { hash: n === 2 ? "9c41d0".padEnd(64, "e") : hash }),
      one("weir_config_generation", n === 2 ? 11 : 12),
      one("weir_config_last_reload_successful", n === 2 ? 0 : 1),
      one("weir_config_last_reload_success_timestamp_seconds", Date.now() / 1000 - 5400 * (n === 2 ? 17 : 1)),
      one("weir_start_time_seconds", Date.now() / 1000 - 86400 * 3.2),
      one("weir_requests_in_flight", [31, 27, 29][n]),
    ];
  });
const matrix = (query) => {
  const [, span, step] = query
      .get("query")
      .match(/\[(\d+)s:(\d+)s\]/)
      .map(Number),
    to = Math.floor(Number(query.get("time")) / step) * step,
    from = to - span;
  return [
    ["claude-sonnet-5", 1],
    ["gpt-5.5", 0.7],
    ["claude-opus-5", 0.45],
    ["gemini-2.5-pro", 0.2],
  ].map(([model, share], k) => ({
    metric: { model },
    values: Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => {
      const at = from + i * step,
        hour = new Date(at * 1000).getUTCHours();
      return [at, String(((share * step) / 3600) * (hour > 6 && hour < 19 ? 5 + 2 * Math.sin(i / 3 + k) : 1))];
    }),
  }));
};
const prometheus = createServer((request, answer) => {
  let body = "";
  request.on("data", (data) => {
    body += data;
  });
  request.on("end", () => {
    const url = new URL(request.url, "http://prometheus"),
      query = new URLSearchParams(body || url.search),
      range = /\[\d+s:\d+s\]/.test(query.get("query"));
    answer.setHeader("content-type", "application/json");
    answer.end(
      JSON.stringify({
        status: "success",
        data: {
          resultType: range ? "matrix" : "vector",
          result: range ? matrix(query) : /weir_build_info/.test(query.get("query")) ? vector() : [],
        },
      }),
    );
  });
});
await new Promise((done) => prometheus.listen(0, "127.0.0.1", done));

const weir = await start({
  top: `me: true\nconsole: { edit: true }\nprometheus: { url: "http://127.0.0.1:${prometheus.address().port}" }\n`,
  adminExtra: '  oidc: { issuer: "http://localhost:9/realms/ops", client_id: weir, role_claim: groups, roles: { weir-admins: admin } }\n',
});
hash = (await weir.api("config")).json.applied_hash;
const load = traffic(weir, 14);
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 1 };
const LOOKS = [
  ["light", {}],
  ["dark", { scheme: "dark" }],
  ["phone", PHONE],
  ["chinese", { locale: "zh-CN" }],
];
let chrome;
async function take(name, page, act) {
  await page.waitForTimeout(1600);
  if (act) {
    await act(page, weir);
    await page.waitForTimeout(700);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - Math.min(innerWidth, screen.width));
  if (wide > 0) console.log(`${name}: scrolls sideways by ${wide} px`);
  for (const fault of page.faults ?? []) console.log(`${name}: ${fault}`);
  await page.screenshot({ path: `${INTO}/${name}.png` });
  await page.context().close();
  console.log(name);
}
/** A page without a session of the console. */
async function open(url, { width = 1440, height = 900, scheme = "light", locale = "en-GB", ...more } = {}) {
  const page = await (
    await chrome.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      locale,
      timezoneId: "Europe/Berlin",
      reducedMotion: "reduce",
      ...more,
    })
  ).newPage();
  await page.goto(url);
  return page;
}
const wanted = (name) => !only || only.some((word) => name.startsWith(word));
try {
  await wait(4000);
  await weir.control(TROUBLE);
  await wait(warm * 1000);
  chrome = await browser();
  for (const [name, path, { act, ...options } = {}] of pages)
    for (const [look, more] of LOOKS) {
      if (wanted(`${name}-${look}`)) await take(`${name}-${look}`, await visit(chrome, weir, path, { ...options, ...more }), act);
    }
  for (const [look, more] of LOOKS) {
    if (wanted(`me-${look}`))
      await take(`me-${look}`, await open(`${weir.front}/me`, more), async (page) => {
        await page.fill("#key", "key-team-a");
        await page.keyboard.press("Enter");
        await page.waitForTimeout(1500);
      });
    if (!wanted(`first-run-${look}`)) continue;
    const dir = mkdtempSync(join(tmpdir(), "weir-first-run-")),
      port = await freePort();
    const child = spawn(WEIR, ["init", "--web", "--addr", `127.0.0.1:${port}`, "--dir", dir], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data) => {
        said += data;
      });
    try {
      await take(`first-run-${look}`, await open(await until("the link", () => said.match(/http:\/\/\S+#code=\w+/)?.[0]), more));
    } finally {
      child.kill();
      rmSync(dir, { recursive: true, force: true });
    }
  }
  await chrome.close();
} finally {
  await load.stop();
  await weir.stop();
  prometheus.closeAllConnections();
  prometheus.close();
}
