// What a key holder sees: own use, what is left, own recent errors, how to set a client up. The key stays in this tab's memory
// and goes nowhere but to Weir.
const ZH = { "Your key": "您的密钥", "Show my use": "查看用量", "The key stays in this tab and is forgotten when it closes.": "密钥仅保存在此标签页，关闭即清除。", "Forget the key": "清除密钥", "Today": "今日", "This month": "本月", "Requests": "请求", "Tokens": "词元", "USD": "美元", "What is left": "剩余", "Limit": "限额", "Used": "已用", "Left": "剩余", "Resets": "重置", "No limit is set for this key.": "此密钥没有限额。", "Recent errors": "最近的错误", "None among the last requests.": "最近的请求中没有错误。", "Time": "时间", "Model": "模型", "Status": "状态", "What": "结果", "Request": "请求", "Set-up": "设置", "at this pace for {t}": "按此速度还可用 {t}", "Who": "对象", "This key is not known, or has expired.": "密钥无效或已过期。", "No answer.": "没有回答。", "as of {t}, days and months of {z}": "截至 {t}，按 {z} 计日与月" };
const zh = navigator.language.startsWith("zh");
document.documentElement.lang = zh ? "zh-CN" : "en";
const t = (text, values = {}) => ((zh && ZH[text]) || text).replace(/\{(\w)\}/g, (all, name) => values[name] ?? all);
const main = document.querySelector("#main");
let key = "", timer = 0;

/** An element with properties and children; texts are texts, whatever is in them. */
function el(name, props = {}, ...children) {
  const made = Object.assign(document.createElement(name), props);
  made.append(...children.flat().filter((c) => c != null));
  return made;
}
const number = (n) => Math.round(n).toLocaleString("en-US");
const usd = (n) => "$" + n.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: n && n < 1 ? 4 : 2 });
const span = (s) => s < 3600 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
const when = (time) => new Date(time).toLocaleString(zh ? "zh-CN" : "en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function get(path) {
  const answer = await fetch(path, { headers: { authorization: `Bearer ${key}` }, credentials: "omit", cache: "no-store" });
  if (!answer.ok) throw Object.assign(new Error(String(answer.status)), { status: answer.status });
  return answer.json();
}

function ask(why = "") {
  clearTimeout(timer); key = "";
  const input = el("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const form = el("form", {}, el("h1", {}, "weir"), el("label", { htmlFor: "key" }, t("Your key")), input, el("button", { className: "primary" }, t("Show my use")), el("p", { className: "dim" }, t("The key stays in this tab and is forgotten when it closes.")), el("p", { className: "bad", role: "alert" }, why));
  form.onsubmit = (e) => { e.preventDefault(); key = input.value.trim(); show(); };
  main.replaceChildren(form);
  input.focus();
}

async function show() {
  clearTimeout(timer);
  try {
    const [usage, recent] = await Promise.all([get("/v1/usage"), get("/me/recent")]);
    draw(usage, recent);
    timer = setTimeout(() => { if (key && !document.hidden) show(); else timer = setTimeout(show, 15000); }, 15000);
  } catch (fault) { ask(fault.status === 401 ? t("This key is not known, or has expired.") : t("No answer.")); }
}

const row = (...cells) => el("tr", {}, cells.map(([text, className = ""]) => el("td", { className }, text)));
const table = (heads, rows) => el("div", { className: "wide", tabIndex: 0 }, el("table", {}, el("thead", {}, el("tr", {}, heads.map(([text, className = ""]) => text ? el("th", { className, scope: "col" }, text) : el("td", { className })))), el("tbody", {}, rows)));

function draw(usage, recent) {
  const own = usage.key, sets = ["key", "group", "project"].filter((k) => usage[k]).map((k) => [k, usage[k]]);
  const limits = sets.flatMap(([scope, set]) => Object.entries(set.limits).map(([name, l]) => {
    const money = name.startsWith("usd"), show = money ? usd : number, share = l.limit ? l.used / l.limit : 0;
    return row([`${scope} ${set.name}`, "h-s"], [el("span", { className: "mono" }, name)], [el("progress", { max: 1, value: Math.min(1, share), className: share >= .9 ? "warn" : "", ariaLabel: `${name}: ${Math.round(share * 100)} %` })], [`${show(l.remaining)} / ${show(l.limit)}`, "num"], [el("span", {}, l.resets_at ? when(l.resets_at) : "–", l.seconds_to_empty != null && share > 0 && share < 1 ? el("div", { className: "dim" }, t("at this pace for {t}", { t: span(l.seconds_to_empty) })) : null), "h-s"]);
  }));
  const totals = [["Today", own.today], ["This month", own.this_month]].map(([name, s]) => row([t(name)], [number(s.requests), "num"], [number(s.total_tokens), "num"], [usd(s.usd), "num"]));
  const errors = recent.rows.map((r) => row([when(r.time)], [r.model ?? "–"], [String(r.status), "num"], [r.limit ? `${r.outcome}: ${r.limit}` : r.outcome], [el("span", { className: "mono" }, r.request_id), "h-s"]));
  const at = location.origin;
  const setup = { "Claude Code": `export ANTHROPIC_BASE_URL=${at}\nexport ANTHROPIC_AUTH_TOKEN=…`, Codex: `export OPENAI_BASE_URL=${at}/v1\nexport OPENAI_API_KEY=…`, "Gemini CLI": `export GOOGLE_GEMINI_BASE_URL=${at}\nexport GEMINI_API_KEY=…`, curl: `curl -s ${at}/v1/models -H "authorization: Bearer $KEY"` };
  const open = new Set([.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("details[open]"))].map((d) => d.dataset.of));
  main.replaceChildren(
    el("header", {}, el("h1", {}, own.name), usage.group ? el("span", { className: "dim" }, usage.group.name) : null, el("button", { onclick: () => ask() }, t("Forget the key"))),
    el("p", { className: "dim" }, t("as of {t}, days and months of {z}", { t: when(usage.time), z: usage.timezone })),
    table([[""], [t("Requests"), "num"], [t("Tokens"), "num"], [t("USD"), "num"]], totals),
    el("h2", {}, t("What is left")),
    limits.length ? table([[t("Who"), "h-s"], [t("Limit")], [t("Used")], [t("Left"), "num"], [t("Resets"), "h-s"]], limits) : el("p", { className: "dim" }, t("No limit is set for this key.")),
    el("h2", {}, t("Recent errors")),
    errors.length ? table([[t("Time")], [t("Model")], [t("Status"), "num"], [t("What")], [t("Request"), "h-s"]], errors) : el("p", { className: "dim" }, t("None among the last requests.")),
    el("h2", {}, t("Set-up")),
    ...Object.entries(setup).map(([client, lines]) => { const d = el("details", { open: open.has(client) }, el("summary", {}, client), el("pre", { tabIndex: 0 }, lines)); d.dataset.of = client; return d; }));
}
ask();
