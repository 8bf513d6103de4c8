// Try: where would this request go, and what would change on the way? Nobody is called.
import { $, glyph, html, int, put, usd } from "./ui.js";
import { get, post } from "./api.js";
import { t } from "./words.js";

const PATHS = { "/v1/messages": "Anthropic Messages", "/v1/chat/completions": "OpenAI Chat", "/v1/responses": "OpenAI Responses", "/v1beta/models/gemini-2.5-pro:generateContent": "Gemini" };
const BODIES = {
  "/v1/messages": { model: "claude-sonnet-5", max_tokens: 1024, stream: true, messages: [{ role: "user", content: "Hello" }] },
  "/v1/chat/completions": { model: "gpt-5.5", stream: true, messages: [{ role: "user", content: "Hello" }] },
  "/v1/responses": { model: "gpt-5.5", stream: true, input: "Hello" },
  "/v1beta/models/gemini-2.5-pro:generateContent": { contents: [{ role: "user", parts: [{ text: "Hello" }] }] },
};
export function open(main, { who }) {
  const can = who.role !== "viewer";
  put(main, html`<h1 class="sr">${t("Try")}</h1><div class="try"><form class="left" aria-label="Request"><div class="form"><label for="k">${t("Key")}</label><input class="field" id="k" list="known-keys" autocomplete="off" spellcheck="false"><datalist id="known-keys"></datalist><label for="p">Path</label><select class="field" id="p">${Object.entries(PATHS).map(([path, name]) => html`<option value="${path}">${name}, ${path}</option>`)}</select></div>
<div class="edit"><div class="ln" aria-hidden="true" id="numbers"></div><textarea id="body" aria-label="${t("Body")}" spellcheck="false" wrap="off"></textarea></div>
<div class="row"><button class="btn primary" ${can ? "" : html`disabled`}>${t("Explain")} <kbd class="hide-s">Ctrl ⏎</kbd></button><span class="grow"></span><span class="small faint">${can ? "as things are now; nobody is called" : "takes the role operator"}</span></div></form><div class="try-r" id="result" tabindex="-1"><div class="blank"><p class="dim">The route, the accounts in the order in which they would be asked, and what the upstream would be sent.</p></div></div></div>`);
  const area = $("#body"), numbers = $("#numbers"), path = $("#p"), key = $("#k");
  const count = () => { const n = area.value.split("\n").length; numbers.textContent = Array.from({ length: n }, (_, i) => i + 1).join("\n"); };
  const fill = () => { area.value = JSON.stringify(BODIES[path.value], null, 2); count(); };
  fill();
  path.onchange = fill; area.oninput = count;
  area.onscroll = () => { numbers.scrollTop = area.scrollTop; };
  get("keys").then((list) => { put($("#known-keys"), html`${list.rows.map((k) => html`<option value="${k.name}">`)}`); if (!key.value && list.rows[0]) key.value = list.rows[0].name; }).catch(() => {});
  const run = async (e) => {
    e?.preventDefault();
    if (!can) return;
    const out = $("#result");
    let body;
    try { body = JSON.parse(area.value); } catch (fault) { put(out, html`<p class="bad pad" role="alert">The body is no JSON: ${fault.message}</p>`); return; }
    try { put(out, report(await post("explain", `{"path":${JSON.stringify(path.value)},${key.value ? `"key":${JSON.stringify(key.value)},` : ""}"body":${area.value}}`), body)); }
    catch (fault) { put(out, html`<p class="bad pad" role="alert">${fault.message}</p>`); }
  };
  $("form.left").onsubmit = run;
  area.onkeydown = (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) run(e); };
}
const text = (v) => v == null ? "" : typeof v === "object" ? JSON.stringify(v) : String(v);
function report(r, client) {
  const refused = r.refusal || r.refused, list = r.candidates || [], up = r.upstream;
  const first = list.find((c) => !c.excluded && !c.reason) || list[0];
  const head = refused ? html`${glyph("diamond")} Would be refused${refused.status ? ` with ${refused.status}` : ""}` : html`Would go to ${up?.account || first?.account || first?.name || "…"}`;
  const cand = (c, i) => { const why = c.excluded?.reason || c.excluded || c.reason; return html`<div class="node ${why ? "off" : i === 0 ? "on" : "next"}"><span class="i">${why ? "" : i + 1}</span><span class="${why ? "" : "b"} cut">${c.account || c.name}</span><span class="tiny faint">${text(why)}</span><small class="cut">${text(c.detail || c.until || c.pool || "")}</small></div>`; };
  return html`<section aria-labelledby="h1"><div class="sec"><h2 id="h1">${head}</h2><span class="note">${refused ? text(refused.message || refused) : "nobody was called"}</span></div>
<dl class="kv">${r.route === undefined ? "" : html`<dt>route</dt><dd>${r.route === null ? html`<span class="faint">none: default pool</span>` : text(r.route.number ?? r.route.index ?? r.route)}</dd>`}${r.pool ? html`<dt>pool</dt><dd>${text(r.pool.name || r.pool)}</dd>` : ""}${r.model ? html`<dt>model</dt><dd class="mono">${text(r.model.asked || r.model)}</dd>` : ""}${r.price?.estimate_usd != null ? html`<dt>price</dt><dd>≤ ${usd(r.price.estimate_usd)}</dd>` : ""}</dl>
${list.length ? html`<h3>Accounts, in the order in which they would be asked</h3><div class="nodes">${list.map(cand)}</div>` : ""}</section>
${up ? html`<section aria-labelledby="h2"><div class="sec"><h2 id="h2">What changes on the way</h2><div class="legend"><span class="accent"><i>+</i>upstream only</span><span class="bad"><i>−</i>client only</span></div></div>${diff(client, up.body)}</section>` : ""}
<section><details><summary>The whole report</summary><pre class="code" tabindex="0">${JSON.stringify(r, null, 2)}</pre></details></section>`;
}
/** Lines of both bodies, aligned by their longest common run. */
function diff(client, upstream) {
  if (typeof upstream === "string") try { upstream = JSON.parse(upstream); } catch { /* shown as it is */ }
  const cut = (line) => line.length > 400 ? line.slice(0, 400) + "…" : line;
  const a = JSON.stringify(client, null, 2).split("\n").map(cut).slice(0, 400), b = (JSON.stringify(upstream, null, 2) || "").split("\n").map(cut).slice(0, 400);
  const L = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) L[i][j] = a[i] === b[j] ? L[i + 1][j + 1] + 1 : Math.max(L[i + 1][j], L[i][j + 1]);
  const lines = []; let i = 0, j = 0, changed = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push(["", a[i++], b[j++]]);
    else if (j >= b.length || (i < a.length && L[i + 1][j] >= L[i][j + 1])) { lines.push(["drop", a[i++], ""]); changed++; }
    else { lines.push(["add", "", b[j++]]); changed++; }
  }
  const sign = { drop: ["−", "client only"], add: ["+", "upstream only"], "": ["", "same"] };
  return html`<p class="small dim">${changed ? `${int(changed)} lines differ` : "Sent as it came."}</p><div class="diff"><div class="hd"><span>Client</span><span></span><span>Upstream</span></div>${lines.map(([c, l, r]) => html`<div class="ln ${c}"><pre>${l || " "}</pre><span class="m" role="img" aria-label="${sign[c][1]}">${sign[c][0]}</span><pre>${r || " "}</pre></div>`)}</div>`;
}
