// Live: what happens right now, and what happened to that one request?
import { $, $$, bar, bytes, clock, glyph, html, int, ms, OUT, pct, pieces, put, si, svg, usd4 } from "./ui.js";
import { follow, get, now, post } from "./api.js";
import { connection, failed, versionIs } from "./shell.js";
import { sample } from "./try.js";
import { excluded, t } from "./words.js";

const KEPT = 2000,
  SHOWN = 120,
  FLOOD = 30,
  SPAN = 30000;
let rows,
  filter,
  paused,
  newer,
  stats,
  ring,
  inFlight,
  openId,
  fault,
  stream,
  since,
  main,
  role = "viewer";
const at = (time) => Date.parse(time);
const param = () => encodeURIComponent(filter).replaceAll("%3A", ":").replaceAll("%20", "+");

export function open(el, { who, query, detail }) {
  main = el;
  role = who.role;
  rows = [];
  filter = query.get("f") || "";
  paused = !!detail;
  newer = 0;
  stats = null;
  ring = null;
  inFlight = 0;
  openId = detail || null;
  fault = "";
  since = 0;
  page();
  load();
  const scrolled = () => {
    if (!paused && scrollY > 200) pause(true);
  };
  const selected = () => {
    if (!paused && String(getSelection()) && $("#rows")?.contains(getSelection().anchorNode)) pause(true);
  };
  addEventListener("scroll", scrolled, { passive: true });
  document.addEventListener("selectionchange", selected);
  addEventListener("keydown", keys);
  main.onclick = click;
  main.onsubmit = (e) => {
    e.preventDefault();
    set($("[data-find]").value);
  };
  return () => {
    stream?.close();
    connection(null);
    removeEventListener("scroll", scrolled);
    document.removeEventListener("selectionchange", selected);
    removeEventListener("keydown", keys);
  };
}

async function load() {
  stream?.close();
  stream = null;
  try {
    const first = await get(`requests?limit=${SHOWN}&f=${param()}`);
    rows = first.rows;
    stats = first.stats;
    ring = first.ring;
    fault = "";
    versionIs(first.version);
  } catch (refused) {
    // A filter that is not understood leaves the list as it was.
    fault = refused.message;
    if (refused.status !== 400) {
      put(
        main,
        html`<h1 class="sr">${t("Live")}</h1>
          ${failed(t("Live"), refused)}`,
      );
      setTimeout(() => main.isConnected && load(), 5000);
      return;
    }
    part();
    return;
  }
  if (!$("#rows")) page();
  waiting = [];
  $("#rows").innerHTML = "";
  part();
  insert(rows.slice(0, SHOWN), true);
  drawer();
  const last = rows[0]?.seq || 0;
  stream = follow(() => `requests?follow&f=${param()}${last ? `&since=${last + 1}` : ""}`, {
    on(name, data) {
      since = now();
      if (name === "hello") {
        ring = data.ring;
        versionIs(data.version);
        connection(null);
      }
      if (name === "stats") {
        stats = data.stats;
        ring = data.ring;
        inFlight = data.in_flight;
        part();
      }
      if (name === "rows") {
        const fresh = data.rows.reverse();
        rows.unshift(...fresh);
        rows.length = Math.min(rows.length, KEPT);
        if (paused) {
          newer += fresh.length + data.skipped;
          held();
        } else arrive(fresh);
      }
    },
    lost: (wait) => connection({ since: since || now(), next: now() + wait * 1000, again: () => stream.again() }),
  });
}

/** Rows that wait to be written. Nobody reads hundreds a second, and writing them is two thirds of what the page costs: the first come at once, then the newest once a second. */
let waiting = [],
  timer = 0,
  written = 0;
function arrive(fresh) {
  waiting = [...fresh, ...waiting].slice(0, SHOWN);
  timer ||= setTimeout(write, Math.max(0, written + 1000 - performance.now()));
}
function write() {
  const fresh = waiting;
  waiting = [];
  timer = 0;
  written = performance.now();
  // Who pauses sees all rows anew when following again.
  if (!paused && fresh.length) insert(fresh, false);
}

/** Only what is new is written: writing all rows anew costs many times that. */
function insert(fresh, whole) {
  const body = $("#rows");
  if (!body) return;
  $("#none")?.remove();
  // More than a page of new rows at a time: as many as a window shows, or the browser is held up by what nobody sees.
  const text = String(html`${fresh.slice(0, whole || fresh.length < SHOWN ? SHOWN : FLOOD).map(row)}`);
  if (fresh.length >= SHOWN) body.innerHTML = text;
  else {
    body.insertAdjacentHTML("afterbegin", text);
    for (const old of [...body.rows].slice(SHOWN)) old.remove();
  }
  if (!body.rows.length)
    body.innerHTML = String(
      html`<tr class="split" id="none">
        <td colspan="11">
          ${ring?.since ? t("Nothing fits in the {n} requests held since {t}. Older ones are in the access log.", { n: int(ring.held), t: clock(at(ring.since)) }) : t("No request has ended yet.")}
        </td>
      </tr>`,
    );
  if (whole) spans();
}
/** What a flood left out below the rows that are shown: who pauses wants to read. */
function rest() {
  const body = $("#rows"),
    room = SHOWN - (body?.rows.length || SHOWN),
    from = rows.findIndex((r) => r.request_id === body?.lastElementChild?.dataset.id);
  if (room > 0 && from >= 0) body.insertAdjacentHTML("beforeend", String(html`${rows.slice(from + 1, from + 1 + room).map(row)}`));
}
function pause(on) {
  paused = on;
  if (on) rest();
  if (!on) {
    newer = 0;
    waiting = [];
    $("#rows").innerHTML = "";
    insert(rows.slice(0, SHOWN), true);
  }
  part();
}
function set(next) {
  filter = next.trim().replace(/\s+/g, " ");
  history.pushState(null, "", "/console/live" + (filter ? "?f=" + param() : ""));
  openId = null;
  newer = 0;
  page();
  load();
}
function show(id) {
  openId = id;
  history.pushState(null, "", "/console/live" + (id ? "/" + encodeURIComponent(id) : "") + (filter ? "?f=" + param() : ""));
  if (id && !paused) pause(true);
  $(".livegrid").classList.toggle("open", !!id);
  for (const r of $$("#rows tr[data-id]")) r.setAttribute("aria-selected", r.dataset.id === id);
  drawer();
  spans();
}
const terms = () => filter.match(/"[^"]*"|\S+/g) || [];
function click(e) {
  const q = (s) => e.target.closest(s);
  const add = q("[data-add]"),
    drop = q("[data-drop]"),
    quick = q("[data-set]"),
    r = q("tr[data-id]");
  if (add) set([...terms(), (e.shiftKey ? "-" : "") + add.dataset.add].join(" "));
  else if (drop)
    set(
      terms()
        .filter((_, i) => i !== +drop.dataset.drop)
        .join(" "),
    );
  else if (quick) set(quick.dataset.set);
  else if (q("[data-pause]")) pause(!paused);
  else if (q("[data-close]")) show(null);
  else if (q("[data-step]")) step(+q("[data-step]").dataset.step);
  else if (q("[data-copy]")) navigator.clipboard?.writeText(location.href);
  else if (r && !String(getSelection())) show(r.dataset.id);
}
function step(by) {
  const list = $$("#rows tr[data-id]"),
    i = list.findIndex((r) => r.dataset.id === openId),
    next = list[Math.max(0, Math.min(list.length - 1, i < 0 ? 0 : i + by))];
  if (next) {
    show(next.dataset.id);
    next.scrollIntoView({ block: "nearest" });
  }
}
function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || $("dialog[open]")) return;
  if (e.key === "Escape") {
    if (openId) show(null);
    else if (filter) set("");
    return;
  }
  if (/^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(e.target.tagName)) return;
  if (e.key === " ") {
    e.preventDefault();
    pause(!paused);
  }
  if (e.key === "j" || e.key === "k") step(e.key === "j" ? 1 : -1);
}

const SOFT = ["throttled", "throttled_blind", "overloaded", "slow"];
function timeline(r) {
  const x = (v) => Math.min(100, Math.max(0, (v / SPAN) * 100));
  let from = 0,
    s = "";
  for (const a of r.attempts)
    if (a.class) {
      s += `<rect class="${SOFT.includes(a.class) ? "x" : "xb"}" x="${x(from).toFixed(2)}" y="2" height="6" width="${Math.max(0.8, x(from + a.ms) - x(from)).toFixed(2)}"/>`;
      from += a.ms;
    }
  if (r.ttft_ms != null)
    s += `<rect class="w" x="${x(from).toFixed(2)}" y="2" height="6" width="${Math.max(0.4, x(r.ttft_ms) - x(from)).toFixed(2)}"/><rect class="s" x="${x(r.ttft_ms).toFixed(2)}" y="2" height="6" width="${Math.max(0.6, x(r.duration_ms) - x(r.ttft_ms)).toFixed(2)}"/>`;
  else if (!s) s = `<rect class="w" x="0" y="2" height="6" width="${Math.max(0.6, x(r.duration_ms)).toFixed(2)}"/>`;
  return svg(`<svg class="tl" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">${s}</svg>`);
}
const prompt = (k) => (k.input || 0) + (k.cache_read || 0) + (k.cache_write_5m || 0) + (k.cache_write_1h || 0);
const nothing = html`<span class="faint">–</span>`;
function row(r) {
  const [g, tone] = OUT[r.outcome] || ["ring", ""],
    n = r.attempts.length;
  const model = !r.model
    ? html`<span class="faint">${r.path}</span>`
    : !r.model_served || r.model_served === r.model
      ? r.model
      : html`${r.model}<span class="arrow">→</span>${r.model_served}`;
  return html`<tr class="r" data-id="${r.request_id}" aria-selected="${r.request_id === openId}">
    <td class="c-ti">${clock(at(r.time), true)}</td>
    <td class="c-st">${glyph(g, tone)} <span class="w ${tone}">${r.status}</span><span class="sr">${r.outcome}</span></td>
    <td class="c-ke">${r.key || nothing}</td>
    <td class="c-mo">${model}</td>
    <td class="c-ac">${r.account || nothing}${n > 1 ? html` <span class="${r.outcome === "ok" ? "faint" : "warn"}">×${n}</span>` : ""}</td>
    <td class="c-du num">${ms(r.duration_ms)}</td>
    ${
      r.tokens
        ? html`<td class="c-tl">${timeline(r)}</td>
            <td class="c-ft num">${r.ttft_ms == null ? nothing : ms(r.ttft_ms)}</td>
            <td class="c-in num">${si(prompt(r.tokens))}</td>
            <td class="c-out num" title="${pieces(r.units, t)}">${si(r.tokens.output || 0)}</td>
            <td class="c-cost num">${r.cost_usd == null ? html`<span class="faint">${t("no price")}</span>` : usd4(r.cost_usd)}</td>`
        : html`<td class="c-tl why ${tone || "dim"}" colspan="5" title="${cause(r)}">${cause(r)}</td>`
    }
  </tr>`;
}
/** Why there is nothing to count, in a few words. */
const cause = (r) => {
  const last = r.attempts.at(-1);
  return r.detail || (last?.class ? [last.class, last.cause].filter(Boolean).join(": ") : r.end);
};
const COLS = [
  ["c-ti", 98, "Ended at"],
  ["c-st", 62, "Status"],
  ["c-ke", 108, "Key"],
  ["c-mo", 196, "Model"],
  ["c-ac", 148, "Account"],
  ["c-du", 68, "Took", 1],
  ["c-tl", 0, "0 to 30 s: failed, wait, stream"],
  ["c-ft", 76, "First token", 1],
  ["c-in", 62, "In", 1],
  ["c-out", 56, "Out", 1],
  ["c-cost", 70, "Cost", 1],
];

function histogram() {
  const h = stats?.histogram,
    W = 640,
    H = 40;
  let s = '<path class="ax" d="M0 39.5h640"/>';
  if (h) {
    const bw = W / h.ok.length,
      top = Math.max(1, ...h.ok.map((_, i) => h.ok[i] + h.client[i] + h.limited[i] + h.upstream[i]));
    // A path for each kind and not a shape for each bar: five hundred shapes that change every second cost more than all the rows.
    const paths = { ok: "", cl: "", wa: "", ba: "" },
      w = (bw - 0.8).toFixed(2);
    h.ok.forEach((_, i) => {
      let y = H;
      for (const [k, v] of [
        ["ba", h.upstream[i]],
        ["wa", h.limited[i]],
        ["cl", h.client[i]],
        ["ok", h.ok[i]],
      ])
        if (v) {
          const d = (v / top) * H;
          y -= d;
          paths[k] += `M${(i * bw).toFixed(2)} ${y.toFixed(2)}h${w}v${d.toFixed(2)}h-${w}z`;
        }
    });
    s += Object.entries(paths)
      .map(([k, d]) => `<path class="${k}" d="${d}"/>`)
      .join("");
  }
  return svg(
    `<svg class="histo" viewBox="0 0 ${W} ${H}" preserveAspectRatio="none" role="img" aria-label="${t("requests by outcome")}, ${h && h.step_s > 1 ? t("one bar {n} min", { n: h.step_s / 60 }) : t("one bar a second")}">${s}</svg>`,
  );
}
function facets() {
  const TITLES = { outcome: "Outcome", class: "Class of failed tries", key: "Key", model: "Model", account: "Account" };
  return html`${Object.entries(stats?.facets || {})
    .filter(([, f]) => f.of)
    .map(([field, f]) => {
      const all = f.values.reduce((a, v) => a + v[1], 0) || 1;
      return html`<section data-key="${field}">
        <h2><span>${t(TITLES[field])}</span>${f.of > 6 ? html`<span>${f.of}</span>` : ""}</h2>
        ${f.values.map(([v, n]) => html`<button data-add="${field}:${/\s/.test(v) ? `"${v}"` : v}" title="${t("Shift excludes")}"><span class="cut row">${field === "outcome" ? glyph(...(OUT[v] || ["ring", ""])) : ""}${v.replaceAll("_", " ")}</span><span class="faint">${int(n)}</span>${bar(n / all, { label: `${v}: ${pct(n / all)}` })}</button>`)}
      </section>`;
    })}`;
}
const held = () => {
  const el = $("#held");
  if (el)
    put(
      el,
      html`${paused ? html`<b class="warn">${t("Paused.")}</b> ${newer ? t("{n} newer", { n: int(newer) }) : ""}` : html`${int(inFlight)} ${t("In flight").toLowerCase()}`}${ring ? html` · <span title="console.recent: ${int(ring.cap)}; ${t("the newest push out the oldest")}">${t("{n} held, {b}, back to {t}", { n: int(ring.held), b: bytes(ring.bytes), t: ring.since ? clock(at(ring.since)) : "–" })}</span>` : ""}`,
    );
};
/** What changes beside the rows. */
function part() {
  held();
  const h = $("#histo"),
    f = $(".facets"),
    p = $("[data-pause]"),
    w = $("#fault"),
    a = $("#axis");
  if (!h) return;
  put(h, histogram());
  put(f, facets());
  put(p, html`${paused ? t("Follow") : t("Pause")} <kbd class="hide-s">Space</kbd>`);
  put(w, fault);
  w.hidden = !fault;
  if (stats)
    put(
      a,
      html`<span>${clock(stats.histogram.from_s * 1000)}</span
        ><span class="hide-s"
          >${stats.histogram.step_s === 1 ? t("one bar a second") : t("one bar {n} min", { n: stats.histogram.step_s / 60 })}</span
        ><span>${t("now")}</span>`,
    );
}
const dot = (cls) =>
  svg(`<svg class="g" viewBox="0 0 12 12" aria-hidden="true"><rect class="${cls}" width="9" height="9" y="1.5" rx="2"/></svg>`);
function page() {
  const list = terms();
  main.innerHTML = String(
    html`<h1 class="sr">${t("Live")}</h1>
      <div class="livebar">
        <div class="row wrap">
          <form class="find" role="search">
            ${svg('<svg class="g" viewBox="0 0 12 12" aria-hidden="true"><circle cx="5" cy="5" r="3.6" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 8l3 3" stroke="currentColor" stroke-width="1.5"/></svg>')}${list.map((f, i) => html`<span class="chip">${f}<button type="button" data-drop="${i}" aria-label="${t("Remove")} ${f}">×</button></span>`)}<input
              data-find
              aria-label="${t("Filter")}"
              aria-describedby="fault"
              autocomplete="off"
              spellcheck="false"
              placeholder="${list.length ? "" : "key:  model:  account:  outcome:  class:  slower:2s  " + t("or a text of the error")}"
            /><kbd class="hide-s">/</kbd>
          </form>
          <div class="seg" role="group" aria-label="${t("Quick filters")}">
            ${[
              ["", "All"],
              ["outcome:trouble", "Trouble"],
              ["slower:10s", "Slow"],
            ].map(([f, text]) => html`<button data-set="${f}" aria-pressed="${filter === f}">${t(text)}</button>`)}
          </div>
          <button class="btn" data-pause></button>
        </div>
        <p id="fault" class="bad small" role="alert" hidden></p>
        <div class="histo-wrap">
          <div class="row small">
            <div class="legend grow">
              <span>${dot("d-ok")} ok</span><span>${dot("d-cl")} ${t("client")}</span><span>${dot("d-wa")} ${t("limited")}</span
              ><span>${dot("d-ba")} ${t("upstream")}</span>
            </div>
            <span class="small dim nowrap" id="held"></span>
          </div>
          <div id="histo"></div>
          <div class="axis" id="axis"></div>
        </div>
      </div>
      <div class="livegrid ${openId ? "open" : ""}">
        <aside class="facets" aria-label="${t("What the filter holds")}"></aside>
        <div class="req">
          <table>
            <colgroup>
              ${COLS.map(([c, w]) => html`<col class="${c}" ${w ? html`width="${w}"` : ""} />`)}
            </colgroup>
            <thead>
              <tr>
                ${COLS.map(([c, , text, n]) => html`<th class="${c} ${n ? "num" : ""}">${t(text)}</th>`)}
              </tr>
            </thead>
            <tbody id="rows"></tbody>
          </table>
        </div>
        <div id="drawer"></div>
      </div>`,
  );
  // The whole filter is edited as one text.
  const input = $("[data-find]");
  input.addEventListener("focus", () => {
    if (!input.value) {
      input.value = filter;
      $(".find").classList.add("editing");
    }
  });
  input.addEventListener("blur", () => {
    if (input.value === filter) {
      input.value = "";
      $(".find").classList.remove("editing");
    }
  });
  part();
  spans();
  document.documentElement.style.setProperty("--stick", 44 + $(".livebar").offsetHeight + "px");
}
const spans = () => {
  const n = $$(".req th").filter((h) => h.offsetWidth).length || 11,
    w =
      $$(".req th")
        .slice(6)
        .filter((h) => h.offsetWidth).length || 1;
  for (const d of $$(".req .split td")) d.colSpan = n;
  for (const d of $$(".req .why")) d.colSpan = w;
};
addEventListener("resize", spans);

async function drawer() {
  const el = $("#drawer");
  if (!el) return;
  if (!openId) {
    el.innerHTML = "";
    return;
  }
  let r = rows.find((x) => x.request_id === openId);
  if (!r) {
    try {
      r = await get("requests/" + encodeURIComponent(openId));
    } catch (refused) {
      put(
        el,
        html`<aside class="drawer" aria-label="${t("Request")} ${openId}">
          <div class="row">
            <span class="b grow cut">${openId}</span><button class="btn quiet sm" data-close aria-label="${t("Close")}">✕</button>
          </div>
          <p>${refused.status === 404 ? t("It is no longer in memory.") : refused.message}</p>
          <p class="dim small">${t("The access log may have it:")}</p>
          <pre class="code">grep ${openId} access.log</pre>
        </aside>`,
      );
      return;
    }
  }
  put(el, detail(r));
  const bodies = $("[data-bodies]", el);
  if (bodies)
    bodies.ontoggle = async () => {
      const into = $("#bodies-now", el);
      if (!bodies.open || !into) return;
      try {
        const b = await get(`requests/${encodeURIComponent(r.request_id)}/bodies`);
        put(
          into,
          html`<h3 class="small">${t("Asked")}</h3>
            <pre class="code tall" tabindex="0">${b.request ?? "–"}</pre>
            <h3 class="small">${t("Answered")}</h3>
            <pre class="code tall" tabindex="0">${b.answer ?? "–"}</pre>`,
        );
      } catch (fault) {
        put(into, html`<p class="small dim">${fault.message}</p>`);
      }
    };
  const headers = $("[data-headers]", el);
  if (headers)
    headers.ontoggle = async () => {
      const into = $("#headers-now", el);
      if (!headers.open || !into) return;
      try {
        const whole = await get("requests/" + encodeURIComponent(r.request_id));
        put(into, html`<pre class="code tall" tabindex="0">${whole.headers ?? "–"}</pre>`);
      } catch (fault) {
        put(into, html`<p class="small dim">${fault.message}</p>`);
      }
    };
  const more = $("[data-why]", el);
  if (more) {
    more.ontoggle = () => {
      why.open = more.open;
      if (more.open && why.of !== r.request_id) explainAgain(el, r);
    };
    if (why.open && why.of !== r.request_id) explainAgain(el, r);
  }
}
// The explanation of the request that is open: of now, for what was then is in its attempts.
const why = { of: "", report: null, fault: "", open: false, at: 0 };
function again(why, r) {
  if (why.fault) return html`<p class="small bad">${why.fault}</p>`;
  const e = why.report;
  if (!e) return "";
  const tried = new Map(r.attempts.map((a) => [a.account, a]));
  return html`<p class="small dim">${t("As things are at {t}, for a small request of the same key and model.", { t: clock(why.at) })}</p>
    ${e.route?.passed_over?.length ? html`<p class="small">${e.route.passed_over.map((p, i) => html`${i ? "; " : ""}${t("route")} ${p.route ?? i} ${t("passed over")}: <span class="mono">${p.condition}</span> ${t("is")} <span class="mono">${typeof p.found === "string" ? p.found : JSON.stringify(p.found)}</span>`)}</p>` : ""}
    <table class="tok">
      <thead>
        <tr>
          <th>${t("Account")}</th>
          <th>${t("Now")}</th>
          <th>${t("Then")}</th>
        </tr>
      </thead>
      <tbody>
        ${e.candidates.map(
          (c) =>
            html`<tr>
              <td class="cut">${c.account} <span class="faint">${c.pool}</span></td>
              <td class="${c.excluded ? "warn" : ""}">
                ${c.excluded ? html`<b>${c.excluded.reason}</b> <span class="small">${excluded(c.excluded)}</span>` : c.attempt != null ? t("asked as number {n}", { n: c.attempt }) : t("in reserve")}
              </td>
              <td class="small">
                ${tried.has(c.account) ? tried.get(c.account).class || t("it answered") : html`<span class="faint">–</span>`}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${e.answer ? html`<p class="small warn">${e.answer.status}: ${e.answer.hint || ""}</p>` : ""}`;
}
async function explainAgain(el, r) {
  const asked = sample(r);
  Object.assign(why, { of: r.request_id, report: null, fault: "", at: now() });
  try {
    why.report = await post("explain", { ...asked, key: r.key });
  } catch (fault) {
    why.fault = fault.message;
  }
  const into = $("#why-now", el);
  if (into && why.of === r.request_id) put(into, html`${again(why, r)}`);
}
function detail(r) {
  const k = r.tokens || {},
    span = Math.max(r.duration_ms, 1),
    [g, tone] = OUT[r.outcome] || ["ring", ""];
  let from = 0;
  const seg = (cls, start, len) =>
    svg(
      `<svg class="tl" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="${cls}" x="${((start / span) * 100).toFixed(2)}" y="1" height="8" width="${Math.max(0.7, (len / span) * 100).toFixed(2)}"/></svg>`,
    );
  const tries = r.attempts.map((a, i) => {
    const start = from;
    from += a.ms;
    return html`<span class="cut">${i + 1} ${a.account}</span
      >${seg(a.class ? (SOFT.includes(a.class) ? "x" : "xb") : "w", start, a.ms)}<span class="num">${ms(a.ms)}</span
      ><span class="why"
        >${a.class ? html`<b>${a.class}</b>${a.cause ? html` <span class="mono">${a.cause}</span>` : ""}` : t("answer begun")}</span
      >`;
  });
  const streamed = r.ttft_ms == null ? 0 : r.duration_ms - r.ttft_ms;
  const kinds = [
    [t("input"), k.input],
    [t("cache read"), k.cache_read],
    [t("cache write 5m"), k.cache_write_5m],
    [t("cache write 1h"), k.cache_write_1h],
    [t("output"), k.output],
  ].filter((x) => x[1]);
  const u = r.units || {},
    sold = [
      [t("pictures made"), u.images && int(u.images)],
      [t("sound listened to"), u.audio_ms && ms(u.audio_ms)],
      [t("characters spoken"), u.characters && int(u.characters)],
      [t("searches of a reranker"), u.searches && int(u.searches)],
      [t("videos made"), u.video_ms && ms(u.video_ms)],
    ].filter((x) => x[1]);
  const list = (v) => (v?.length ? html`<span class="mono">${v.join(", ")}</span>` : html`<span class="faint">${t("nothing")}</span>`);
  const val = (v) => (v == null ? nothing : v);
  return html`<aside class="drawer" aria-label="${t("Request")} ${r.request_id}">
    <div class="row">
      <span>${glyph(g, tone)}</span
      ><span class="b grow cut">${r.status} ${r.outcome.replaceAll("_", " ")} <span class="faint">·</span> ${r.model || r.path}</span
      ><button class="btn quiet sm" data-step="-1" title="${t("Previous")} (k)" aria-label="${t("Previous")}">↑</button
      ><button class="btn quiet sm" data-step="1" title="${t("Next")} (j)" aria-label="${t("Next")}">↓</button
      ><button class="btn quiet sm" data-close title="${t("Close")} (Esc)" aria-label="${t("Close")}">✕</button>
    </div>
    <div class="row wrap small">
      <span class="mono dim">${r.request_id}</span><button class="btn quiet sm" data-copy>${t("Copy link")}</button
      ><a class="btn quiet sm" href="/console/live?f=key:${r.key || ""}">${t("Requests of this key")}</a
      >${sample(r) ? html`<a class="btn quiet sm" href="/console/try?from=${r.request_id}">${t("Explain it in Try")}</a>` : ""}
    </div>
    ${r.detail ? html`<p class="${tone}">${r.detail}</p>` : ""}
    <h2>
      ${t("Where the time went")}
      <span class="note"
        >${t("{d} in all, {o} of it Weir's own; came {t}, ended {e}", { d: ms(r.duration_ms), o: int(r.overhead_us) + "\u202fµs", t: clock(at(r.started_at), true), e: clock(at(r.time), true) })}</span
      >
    </h2>
    <div class="fall">
      ${tries}${streamed > 0 ? html`<span>${t("stream")}</span>${seg("s", r.ttft_ms, streamed)}<span class="num">${ms(streamed)}</span><span class="why">${k.output && streamed > 50 ? `${int((k.output / streamed) * 1000)} ${t("tokens/s")}, ` : ""}${t("ended")} <b>${r.end}</b></span>` : ""}
    </div>
    <h2>${t("Why it went there")}</h2>
    <dl class="kv">
      <dt>${t("route")}</dt>
      <dd>${r.route == null ? html`<span class="faint">${t("no route fits: default pool")}</span>` : html`<b>${r.route}</b>`}</dd>
      <dt>${t("pool")}</dt>
      <dd>${val(r.pool)}</dd>
      <dt>${t("affinity")}</dt>
      <dd>${val(r.affinity)}</dd>
      <dt>${t("dialects")}</dt>
      <dd>
        ${val(r.client_dialect)} → ${val(r.upstream_dialect)}
        <span class="faint"
          >${r.client_dialect && r.client_dialect === r.upstream_dialect ? t("same, bytes as sent") : r.upstream_dialect ? t("translated") : ""}</span
        >
      </dd>
      ${
        r.limit
          ? html`<dt>${t("limit")}</dt>
              <dd class="warn">${r.limit} <span class="faint">${t("of the " + r.limit_scope)}</span></dd>`
          : ""
      }
    </dl>
    ${
      role === "admin"
        ? html`<details class="again" data-bodies>
            <summary class="small">${t("Bodies")}</summary>
            <div id="bodies-now"></div>
          </details>`
        : ""
    }
    ${
      sample(r) && r.key && role !== "viewer"
        ? html`<details class="again" data-why="${r.request_id}" ${why.open ? html`open` : ""}>
            <summary class="small">${t("Why this account, and why not another?")}</summary>
            <div id="why-now">${why.of === r.request_id ? again(why, r) : ""}</div>
          </details>`
        : ""
    }
    ${
      kinds.length || sold.length
        ? html`<h2>${t(kinds.length ? "Tokens" : "By the piece")} <span class="note">${r.usage_source || ""}</span></h2>
            <table class="tok">
              <thead>
                <tr>
                  <th>${t("Kind")}</th>
                  <th class="num">${t("Used")}</th>
                </tr>
              </thead>
              <tbody>
                ${kinds.map(
                  ([name, n]) =>
                    html`<tr>
                      <td>
                        ${name}${name === t("output") && k.reasoning ? html` <span class="faint">${t("{n} of it reasoning", { n: int(k.reasoning) })}</span>` : ""}
                      </td>
                      <td class="num">${int(n)}</td>
                    </tr>`,
                )}
                ${sold.map(
                  ([name, n]) =>
                    html`<tr data-piece>
                      <td>${name}</td>
                      <td class="num">${n}</td>
                    </tr>`,
                )}
              </tbody>
              <tfoot>
                <tr>
                  <td>${prompt(k) ? t("{n} of the prompt from cache", { n: pct((k.cache_read || 0) / prompt(k)) }) : ""}</td>
                  <td class="num">${r.cost_usd == null ? t("no price") : usd4(r.cost_usd)}</td>
                </tr>
              </tfoot>
            </table>`
        : ""
    }
    <h2>${t("Translation")}</h2>
    <dl class="kv">
      <dt>${t("dropped")}</dt>
      <dd>${list(r.dropped)}</dd>
      <dt>${t("violations")}</dt>
      <dd>${list(r.violations)}</dd>
      <dt>${t("rewrites")}</dt>
      <dd>${list(r.rewrites)}</dd>
    </dl>
    <h2>${t("Client")}</h2>
    <dl class="kv">
      <dt>${t("address")}</dt>
      <dd>${val(r.client_ip)}</dd>
      <dt>${t("program")}</dt>
      <dd class="wrap">${val(r.user_agent)}</dd>
      <dt>${t("path")}</dt>
      <dd class="mono">${r.method} ${r.path}</dd>
      <dt>${t("project")}</dt>
      <dd>${val(r.project)}</dd>
      <dt>${t("bytes")}</dt>
      <dd>${t("{a} in, {b} out", { a: bytes(r.bytes_in), b: bytes(r.bytes_out) })}</dd>
    </dl>
    <details class="again" data-headers>
      <summary class="small">${t("Headers, credentials masked")}</summary>
      <div id="headers-now"></div>
    </details>
  </aside>`;
}
