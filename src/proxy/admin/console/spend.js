// Spend: how much, whose, and does it last?
import { $, bar, glyph, html, int, ms, pct, pieces, put, si, svg, usd, usd2 } from "./ui.js";
import { BASE, get, now } from "./api.js";
import { failed } from "./shell.js";
import { chinese, t } from "./words.js";

const RANGES = [
  ["today", "Today"],
  ["month", "Month"],
  ["year", "Year"],
  ["range", "Range …"],
];
const BY = [
  ["key", "Key"],
  ["group", "Group"],
  ["project", "Project"],
  ["model", "Model"],
  ["account", "Account"],
  ["kind", "Kind"],
];
const KINDS = {
  input: "input, no cache",
  cache_read: "cache read",
  cache_write_5m: "cache write 5m",
  cache_write_1h: "cache write 1h",
  output: "output",
  images: "pictures made",
  audio_ms: "sound listened to",
  characters: "characters spoken",
  searches: "searches of a reranker",
  video_ms: "videos made",
};
/** How much of a kind. */
const count = (k) => (k.tokens != null ? si(k.tokens) : k.kind.endsWith("_ms") ? ms(k.units) : si(k.units));
const iso = (d) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
const date = (text) => {
  const [y, m, d] = text.split("-").map(Number);
  return new Date(y, (m || 1) - 1, d || 1);
};
const money = (n) => (n >= 1000 ? "$" + int(n) : usd2(n));
const month = (d) => d.toLocaleString(document.documentElement.lang === "en" ? "en" : "zh", { month: "long", year: "numeric" });
const day = (text) => {
  const d = date(text);
  return text.length < 10
    ? month(d)
    : chinese()
      ? `${d.getMonth() + 1}月${d.getDate()}日`
      : `${d.getDate()} ${d.toLocaleString("en", { month: "short" })}`;
};

export function open(main, { query }) {
  let over = false,
    data = null,
    before = null,
    fleet = null,
    find = query.get("q") || "",
    timer = 0,
    wait = 0;
  const state = {
    range: query.get("range") || "month",
    at: query.get("at") || "",
    to: query.get("to") || "",
    by: query.get("by") || "key",
  };
  const today = () => date(data?.today || iso(new Date(now())));
  /** First and last day of what is shown, and of the span before it. */
  const span = () => {
    const T = today(),
      y = T.getFullYear();
    if (state.range === "today") {
      const d = state.at ? date(state.at) : T,
        p = new Date(d);
      p.setDate(p.getDate() - 1);
      return [iso(d), iso(d), iso(p), iso(p)];
    }
    if (state.range === "year") {
      const n = state.at ? +state.at.slice(0, 4) : y;
      return [
        `${n}-01-01`,
        n === y ? iso(T) : `${n}-12-31`,
        `${n - 1}-01-01`,
        n === y ? iso(new Date(n - 1, T.getMonth(), T.getDate())) : `${n - 1}-12-31`,
      ];
    }
    if (state.range === "range") {
      const a = state.at || iso(new Date(y, T.getMonth(), T.getDate() - 29)),
        b = state.to || iso(T),
        n = Math.round((+date(b) - +date(a)) / 864e5) + 1,
        p = date(a),
        q = date(a);
      p.setDate(p.getDate() - n);
      q.setDate(q.getDate() - 1);
      return [a, b, iso(p), iso(q)];
    }
    const d = state.at ? date(state.at) : T,
      first = new Date(d.getFullYear(), d.getMonth(), 1),
      last = new Date(d.getFullYear(), d.getMonth() + 1, 0),
      running = last > T,
      prev = new Date(first.getFullYear(), first.getMonth() - 1, 1),
      end = new Date(first.getFullYear(), first.getMonth(), 0);
    return [
      iso(first),
      iso(running ? T : last),
      iso(prev),
      running && T.getDate() < end.getDate() ? iso(new Date(prev.getFullYear(), prev.getMonth(), T.getDate())) : iso(end),
    ];
  };
  const address = (push) =>
    history[push ? "pushState" : "replaceState"](
      null,
      "",
      `/console/spend?${new URLSearchParams(Object.entries({ range: state.range, at: state.at, to: state.range === "range" ? state.to : "", by: state.by, q: find }).filter(([, v]) => v))}`,
    );
  const slow = setTimeout(() => {
    if (!data && !over)
      put(
        main,
        html`<h1 class="sr">${t("Spend")}</h1>
          <div class="strip" aria-busy="true">
            ${[1, 2, 3, 4, 5, 6].map(
              () =>
                html`<div class="fig plain">
                  <span class="k"><span class="sk w1"></span></span><span class="v"><span class="sk w2"></span></span>
                </div>`,
            )}
          </div>`,
      );
  }, 300);
  async function load() {
    const [from, to, pf, pt] = span(),
      by = state.by === "kind" ? "model" : state.by;
    try {
      const got = await Promise.all([
        get(`usage?from=${from}&to=${to}&by=${by}&q=${encodeURIComponent(find)}`),
        get(`usage?from=${pf}&to=${pt}&by=${by}`),
      ]);
      if (over) return;
      [data, before] = got;
      draw();
      const of = ["model", "key", "account"].includes(by) ? by : "model";
      fleet = await get(`usage/range?from=${from}&to=${to}&by=${of}`).catch(() => null);
      if (!over) ranges();
    } catch (fault) {
      if (!over && !data) put(main, failed(t("Spend"), fault));
    }
  }
  const move = (by) => {
    const d = state.at ? date(state.at) : today();
    if (state.range === "today") d.setDate(d.getDate() + by);
    else if (state.range === "year") d.setFullYear(d.getFullYear() + by);
    else {
      d.setDate(1);
      d.setMonth(d.getMonth() + by);
    }
    state.at = d >= today() ? "" : state.range === "today" ? iso(d) : state.range === "year" ? String(d.getFullYear()) : iso(d).slice(0, 7);
    address(true);
    load();
  };
  function draw() {
    const [from, to] = span(),
      running = to === data.today,
      rows = state.by === "kind" ? data.kinds.map((k) => ({ ...k, name: t(KINDS[k.kind]) })).sort((a, b) => b.usd - a.usd) : data.rows;
    const title =
      state.range === "today"
        ? running
          ? t("Today")
          : day(from)
        : state.range === "year"
          ? from.slice(0, 4)
          : state.range === "range"
            ? ""
            : month(date(from));
    const change = before.total.usd > 0 ? data.total.usd / before.total.usd - 1 : null,
      byDay = data.series.days,
      todays = byDay.find((d) => d.day === data.today)?.usd.reduce((a, b) => a + b, 0) || 0;
    const fig = (k, v, n, to) =>
      to
        ? html`<a class="fig plain" href="${to}"><span class="k">${k}</span><span class="v">${v}</span><span class="n">${n}</span></a>`
        : html`<div class="fig plain"><span class="k">${k}</span><span class="v">${v}</span><span class="n">${n}</span></div>`;
    const unpriced = data.unpriced.reduce((a, u) => a + u.requests, 0),
      budget = data.budget,
      prompt = data.total.input + data.total.cache_read + data.total.cache_write_5m + data.total.cache_write_1h;
    put(
      main,
      html`<h1 class="sr">${t("Spend")}</h1>
        <div class="toolbar">
          <div class="seg" role="group" aria-label="${t("Range")}">
            ${RANGES.map(([id, text]) => html`<button data-range="${id}" aria-pressed="${state.range === id}">${t(text)}</button>`)}
          </div>
          ${state.range === "range" ? html`<span class="row small"><input class="field" type="date" id="from" aria-label="${t("From")}" value="${from}" max="${data.today}" /><span>–</span><input class="field" type="date" id="to" aria-label="${t("To")}" value="${to}" max="${data.today}" /></span>` : html`<span class="step"><button class="btn quiet sm" data-move="-1" aria-label="${t("Before")}">‹</button><b>${title}</b><button class="btn quiet sm" data-move="1" aria-label="${t("After")}" ${running ? html`disabled` : ""}>›</button></span>`}
          <div class="seg" role="group" aria-label="${t("By")}">
            ${BY.map(([id, text]) => html`<button data-by="${id}" aria-pressed="${state.by === id}">${t(text)}</button>`)}
          </div>
          <div class="right">
            <span class="small dim"
              >${data.source === "ledger" ? html`${glyph("ok")} ${t("ledger of {h}", { h: data.instance })}${data.since ? html`, ${t("since")} ${day(data.since)} ${data.since.slice(0, 4)}` : ""}` : html`${glyph("tri", "warn")} ${t("counted by this process; `ledger.path` keeps a history")}`}
              <span class="faint hide-s">· ${data.timezone || "UTC"}</span></span
            ><a class="btn sm" download href="${BASE}usage?from=${from}&to=${to}&by=${state.by === "kind" ? "model" : state.by}&format=csv"
              >CSV</a
            >
          </div>
        </div>
        <div class="strip">
          ${fig(state.range === "month" && running ? t("Month so far") : t("In this span"), money(data.total.usd), change == null ? html`${int(data.total.requests)} ${t("requests")}` : html`${change < 0 ? "−" : "+"}${pct(Math.abs(change))} ${t("to the span before")}`)}${fig(t("At this pace, month's end"), data.projection_usd == null ? "–" : money(data.projection_usd), budget ? html`${t("of")} ${money(budget.cap_usd)} ${t("for everyone")}` : t("no budget for everyone"))}${fig(t("Today"), running ? money(todays) : "–", running ? html`${t("since midnight")}, ${data.timezone || "UTC"}` : " ")}${fig(t("Saved by prompt caches"), html`<span class="${data.saved_by_cache_usd < 0 ? "warn" : ""}">${data.saved_by_cache_usd < 0 ? "−" : ""}${money(Math.abs(data.saved_by_cache_usd))}</span>`, prompt ? html`${pct(data.total.cache_read / prompt)} ${t("of prompts from cache")}` : " ")}${fig(t("Tokens"), si(prompt + data.total.output), html`${si(prompt)} ${t("in")}, ${si(data.total.output)} ${t("out")}${pieces(data.total.units, t) ? html` <span id="pieces">+ ${pieces(data.total.units, t)}</span>` : ""}`)}${fig(t("Without a price"), unpriced ? html`<span class="warn">${int(unpriced)}</span> <small>${t("requests")}</small>` : "0", unpriced ? html`${data.unpriced[0].model}: ${t("add it to `prices`")}` : t("every model has one"), unpriced ? `/console/live?f=${encodeURIComponent("model:" + data.unpriced[0].model)}` : null)}
        </div>
        <div class="spend">
          <section aria-labelledby="s1">
            <div class="sec">
              <h2 id="s1">${state.range === "year" ? t("Per month, by model") : t("Per day, by model")}</h2>
              <div class="right legend">
                ${data.series.names.map((m, i) => html`<span><i class="sw f${Math.min(i + 1, 5)}"></i>${m || t("unknown")} <span class="faint">${money(byDay.reduce((a, d) => a + (d.usd[i] || 0), 0))}</span></span>`)}
              </div>
            </div>
            <div class="cw" data-key="chart"></div>
          </section>
          <section aria-labelledby="s2">
            <div class="sec"><h2 id="s2">${budget ? t("Month against the budget") : t("Sum over the span")}</h2></div>
            <div class="pw" data-key="pace"></div>
            <div class="sec"><h2>${t("Money by kind")}</h2></div>
            ${kinds(data.kinds)}
          </section>
        </div>
        <section id="range" data-key="range" hidden aria-labelledby="s4"></section>
        <section aria-labelledby="s3">
          <div class="sec">
            <h2 id="s3">${t("By " + state.by)}</h2>
            <span class="note"
              >${data.matched > data.rows.length ? t("the dearest {n} of {m}; the CSV has them all", { n: int(data.rows.length), m: int(data.matched) }) : t("{n} used something", { n: int(rows.length) })}</span
            >
            <div class="right">
              ${state.by === "kind" ? "" : html`<div class="find"><input data-find aria-label="${t("Find")}" placeholder="${t("Find")}" value="${find}" /><kbd class="hide-s">/</kbd></div>`}
            </div>
          </div>
          ${
            rows.length
              ? table(rows)
              : html`<div class="blank">
                  <h2>${find ? t("Nothing holds “{q}”", { q: find }) : t("Nothing was used in this span")}</h2>
                  <p class="dim">
                    ${data.source === "memory" ? t("Without a ledger, a restart forgets. Two lines of the configuration keep it:") : ""}
                  </p>
                  ${
                    data.source === "memory"
                      ? html`<pre class="code">
ledger:
  path: /var/lib/weir/ledger</pre>`
                      : ""
                  }
                </div>`
          }
        </section>`,
    );
    charts();
    ranges();
  }
  /** Over time, of the whole fleet: what Prometheus has scraped. */
  function ranges() {
    const box = $("#range");
    if (!box) return;
    box.hidden = !fleet?.source;
    if (box.hidden) return;
    const all = fleet.series,
      head = html`<div class="sec">
        <h2 id="s4">${t("Over time, whole fleet")}</h2>
        <span class="note"
          >${t("by the Prometheus at")}
          <span class="mono">${fleet.source}</span>${fleet.step_s ? html`, ${t("every {n} min", { n: fleet.step_s / 60 })}` : ""}</span
        >
        <div class="right legend">
          ${all.map((m, i) => html`<span><i class="sw f${Math.min(i + 1, 5)}"></i>${m.name || t("unknown")} <span class="faint">${money(m.usd)}</span></span>`)}
        </div>
      </div>`;
    if (!all.length) {
      put(
        box,
        html`${head}
          <p class="small dim pad-s">${fleet.why || t("Nothing was used in this span")}</p>`,
      );
      return;
    }
    put(
      box,
      html`${head}
        <div class="rw"></div>`,
    );
    const rw = $(".rw", box),
      W = rw.clientWidth || 600,
      H = 150,
      L = 48,
      B = 18,
      { from_ms: a, to_ms: b, step_s: step } = fleet,
      n = Math.max(1, Math.ceil((b - a) / 1000 / step)),
      sums = Array.from({ length: n }, () => all.map(() => 0));
    all.forEach((m, k) =>
      m.points.forEach(([at, v]) => {
        const i = Math.min(n - 1, Math.max(0, Math.floor((at * 1000 - a) / 1000 / step - 1e-9)));
        sums[i][k] += v;
      }),
    );
    const top = nice(Math.max(...sums.map((s) => s.reduce((x, y) => x + y, 0)), 1e-6)),
      y = (v) => (H - B) * (1 - (v / top) * 0.96),
      bw = (W - L) / n;
    let s = "";
    for (const k of [0, 0.5, 1])
      s += `<path class="grid" d="M${L} ${y(top * k).toFixed(1)}H${W}"/><text x="${L - 8}" y="${(y(top * k) + 3.5).toFixed(1)}" text-anchor="end">${axis(top * k, top)}</text>`;
    sums.forEach((one, i) => {
      let up = 0;
      one.forEach((v, k) => {
        if (v > 0)
          s += `<rect class="f${Math.min(k + 1, 5)}" x="${(L + i * bw + 0.5).toFixed(1)}" y="${y(up + v).toFixed(1)}" width="${Math.max(0.5, bw - 1).toFixed(1)}" height="${Math.max(0.5, y(up) - y(up + v)).toFixed(1)}"/>`;
        up += v;
      });
    });
    const label = (ms) =>
      new Date(ms).toLocaleString(document.documentElement.lang === "en" ? "en-GB" : "zh", {
        day: "numeric",
        month: "short",
        hour: "2-digit",
        minute: "2-digit",
      });
    s += `<text x="${L}" y="${H - 3}">${label(a)}</text><text x="${W}" y="${H - 3}" text-anchor="end">${label(b)}</text>`;
    put(
      rw,
      svg(
        `<svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label="${t("Over time, whole fleet")}, ${usd(all.reduce((x, m) => x + m.usd, 0))}">${s}</svg>`,
      ),
    );
  }
  function table(rows) {
    const kind = state.by === "kind",
      total = kind ? rows.reduce((a, r) => a + r.usd, 0) : data.total.usd,
      most = Math.max(...rows.map((r) => r.usd), 1e-9);
    const limited = ["key", "group", "project"].includes(state.by),
      T = today(),
      elapsed = (T.getDate() - 1 + 0.5) / new Date(T.getFullYear(), T.getMonth() + 1, 0).getDate();
    const sold = !kind && pieces(data.total.units, t) !== "";
    const prompt = (r) => r.input + r.cache_read + r.cache_write_5m + r.cache_write_1h,
      was = new Map(before.rows.map((r) => [r.name, r.usd]));
    const delta = (r) => {
      const p = was.get(r.name);
      if (!p) return html`<span class="faint">–</span>`;
      const d = r.usd / p - 1;
      return html`<span class="${d > 0.25 ? "" : "dim"}">${d < 0 ? "−" : "+"}${Math.abs(d * 100).toFixed(0)} %</span>`;
    };
    const left = (r) => {
      const l = r.limit;
      if (!l) return html`<span class="faint">${t("no limit")}</span>`;
      const used = l.cap_usd ? l.used_usd / l.cap_usd : 1,
        pace = l.limit === "usd_per_month" ? elapsed : null;
      return html`<div class="row">
        <span class="grow"
          >${bar(used, { pace, tone: used >= 0.9 || (pace && used > pace) ? "warn" : "", label: t("{w}: {n} % used", { w: l.limit, n: Math.round(used * 100) }) })}</span
        ><span class="num nowrap dim lim"
          >${money(Math.max(0, l.cap_usd - l.used_usd))} <span class="faint">${t("of")} ${money(l.cap_usd)}</span></span
        >
      </div>`;
    };
    const name = (r) =>
      kind || !r.name
        ? html`<b>${r.name || "–"}</b>`
        : html`<a class="b" href="/console/live?f=${encodeURIComponent(`${state.by}:${r.name}`)}">${r.name}</a>`;
    const head = [
      [t(BY.find(([b]) => b === state.by)[1]), 170],
      [t("Spend"), 90, 1],
      ["", 150, 0, "h-s"],
      ...(kind
        ? [[t("Used"), 0, 1]]
        : [
            [t("Requests"), 84, 1, "h-s"],
            [t("In"), 76, 1, "h-s"],
            [t("Out"), 70, 1, "h-s"],
            [t("From cache"), 84, 1, "h-s"],
            ...(sold ? [[t("By the piece"), 170, 0, "h-s"]] : []),
            [t("Change"), 70, 1, "h-s"],
            [limited ? t("Left of its limit") : "", 0],
          ]),
    ];
    return html`<table class="sp">
      <colgroup>
        ${head.map(([, w, , c]) => html`<col class="${c || ""}" ${w ? html`width="${w}"` : ""} />`)}
      </colgroup>
      <thead>
        <tr>
          ${head.map(([text, , n, c], i) => html`<th class="${n ? "num" : ""} ${c || ""}" ${i === 1 ? html`aria-sort="descending"` : ""}>${i === 1 ? html`<span aria-hidden="true">↓ </span>` : ""}${text || html`<span class="sr">${t("Share")}</span>`}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (r) =>
            html`<tr data-key="${r.name}">
              <td class="cut">${name(r)}</td>
              <td class="num b">${usd2(r.usd)}</td>
              <td class="h-s">
                <div class="row">
                  <span class="grow"
                    >${bar(r.usd / most, { tone: "acc", label: t("{n} of all", { n: pct(total ? r.usd / total : 0) }) })}</span
                  ><span class="faint num">${pct(total ? r.usd / total : 0)}</span>
                </div>
              </td>
              ${
                kind
                  ? html`<td class="num">${count(r)}</td>`
                  : html`<td class="num h-s">${int(r.requests)}</td>
                      <td class="num h-s">${si(prompt(r))}</td>
                      <td class="num h-s">${si(r.output)}</td>
                      <td class="num h-s">${prompt(r) ? pct(r.cache_read / prompt(r)) : "–"}</td>
                      ${sold ? html`<td class="h-s">${pieces(r.units, t) || "–"}</td>` : ""}
                      <td class="num h-s">${delta(r)}</td>
                      <td>${limited ? left(r) : ""}</td>`
              }
            </tr>`,
        )}
      </tbody>
      <tfoot>
        <tr>
          <td class="b">${t("in all")}</td>
          <td class="num b">${usd2(total)}</td>
          <td class="h-s"></td>
          ${
            kind
              ? html`<td></td>`
              : html`<td class="num h-s">${int(data.total.requests)}</td>
                  <td class="num h-s">${si(prompt(data.total))}</td>
                  <td class="num h-s">${si(data.total.output)}</td>
                  <td class="num h-s">${prompt(data.total) ? pct(data.total.cache_read / prompt(data.total)) : "–"}</td>
                  ${sold ? html`<td class="h-s">${pieces(data.total.units, t)}</td>` : ""}
                  <td class="h-s"></td>
                  <td></td>`
          }
        </tr>
      </tfoot>
    </table>`;
  }
  /** One bar a day (a month of the year), also where nothing was used. */
  function bars() {
    const [from, to] = span(),
      known = new Map(),
      out = [];
    const cut = state.range === "year" ? 7 : 10;
    for (const d of data.series.days) {
      const k = d.day.slice(0, cut),
        sum = known.get(k) || data.series.names.map(() => 0);
      known.set(
        k,
        sum.map((v, i) => v + (d.usd[i] || 0)),
      );
    }
    const first = state.range === "today" ? new Date(date(from).getTime() - 13 * 864e5) : date(from),
      last =
        state.range === "month"
          ? new Date(first.getFullYear(), first.getMonth() + 1, 0)
          : state.range === "year"
            ? new Date(first.getFullYear(), 11, 31)
            : date(to);
    for (const d = new Date(first); d <= last && out.length < 400; cut === 7 ? d.setMonth(d.getMonth() + 1) : d.setDate(d.getDate() + 1)) {
      const k = iso(d).slice(0, cut);
      out.push({ day: k, v: known.get(k) || data.series.names.map(() => 0), ahead: iso(d) > data.today });
    }
    // What was merged by the month has no day of its own.
    return out;
  }
  function charts() {
    const cw = $(".cw"),
      pw = $(".pw");
    if (!cw) return;
    const list = bars(),
      W = cw.clientWidth || 600,
      H = W < 600 ? 190 : 268,
      L = 48,
      B = 18,
      sums = list.map((d) => d.v.reduce((a, b) => a + b, 0)),
      top = nice(Math.max(...sums, 1e-6)),
      y = (v) => (H - B) * (1 - (v / top) * 0.96),
      bw = (W - L) / list.length,
      gap = bw > 8 ? 2 : 0.5;
    let s = "";
    for (const k of [0, 0.25, 0.5, 0.75, 1])
      s += `<path class="grid" d="M${L} ${y(top * k).toFixed(1)}H${W}"/><text x="${L - 8}" y="${(y(top * k) + 3.5).toFixed(1)}" text-anchor="end">${axis(top * k, top)}</text>`;
    list.forEach((d, i) => {
      let a = 0;
      d.v.forEach((v, k) => {
        if (v > 0)
          s += `<rect class="f${Math.min(k + 1, 5)}" x="${(L + i * bw + gap).toFixed(1)}" y="${y(a + v).toFixed(1)}" width="${(bw - 2 * gap).toFixed(1)}" height="${Math.max(0.5, y(a) - y(a + v) - 0.8).toFixed(1)}"/>`;
        a += v;
      });
      const step = Math.ceil(list.length / (W < 600 ? 4 : 9)),
        mark = d.day === data.today || d.day === data.today.slice(0, 7);
      if (mark || (i % step === 0 && Math.abs(i - list.findIndex((x) => x.day === data.today)) >= step / 2))
        s += `<text x="${(L + i * bw + bw / 2).toFixed(1)}" y="${H - 3}" text-anchor="middle">${mark && d.day.length === 10 ? t("today") : d.day.length === 7 ? date(d.day).toLocaleString(chinese() ? "zh" : "en", { month: "short" }) : day(d.day)}</text>`;
      if (!d.ahead)
        s += `<rect class="hit" data-d="${i}" x="${(L + i * bw).toFixed(1)}" y="0" width="${bw.toFixed(1)}" height="${H - B}"/>`;
    });
    put(
      cw,
      svg(
        `<svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label="${list[0]?.day.length === 7 ? t("Per month, by model") : t("Per day, by model")}, ${usd(data.total.usd)}">${s}</svg>`,
      ),
    );
    cw.onpointermove = (e) => {
      const i = e.target.dataset?.d;
      let tip = $(".tip", cw);
      if (i == null) {
        tip?.remove();
        return;
      }
      tip ||= cw.appendChild(Object.assign(document.createElement("div"), { className: "tip" }));
      put(
        tip,
        html`<b>${day(list[i].day)}</b>${data.series.names.map((m, k) =>
            list[i].v[k]
              ? html`<div>
                  <span><i class="sw f${Math.min(k + 1, 5)}"></i> ${m || t("unknown")}</span><span>${usd(list[i].v[k])}</span>
                </div>`
              : "",
          )}
          <div class="b"><span>${t("in all")}</span><span>${usd(sums[i])}</span></div>`,
      );
      const r = cw.getBoundingClientRect();
      tip.style.left = Math.max(0, Math.min(r.width - tip.offsetWidth - 4, e.clientX - r.left + 14)) + "px";
      tip.style.top = "8px";
    };
    cw.onpointerleave = () => $(".tip", cw)?.remove();
    pace(pw, list, sums);
  }
  function pace(pw, list, sums) {
    const W = pw.clientWidth || 300,
      H = 104,
      L = 4,
      B = 18,
      budget = data.budget,
      n = list.length,
      whole = data.projection_usd,
      all = sums.reduce((a, b) => a + b, 0),
      top = Math.max(budget && state.range === "month" ? budget.cap_usd : 0, whole || 0, all, 1e-6) * 1.06,
      x = (i) => L + (i / n) * (W - L - 4),
      y = (v) => (H - B) * (1 - v / top);
    let a = 0,
      at = 0,
      d = `M${x(0)} ${y(0)}`;
    list.forEach((b, i) => {
      if (b.ahead) return;
      a += sums[i];
      at = i + 1;
      d += `L${x(at).toFixed(1)} ${y(a).toFixed(1)}`;
    });
    put(
      pw,
      svg(
        `<svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label="${t("Sum over the span")}, ${usd(a)}${budget ? `, ${t("budget")} ${usd(budget.cap_usd)}` : ""}"><path class="grid" d="M${L} ${y(0)}H${W}"/>${budget && state.range === "month" ? `<path class="lim" d="M${L} ${y(budget.cap_usd)}H${W - 4}"/><text x="${L}" y="${y(budget.cap_usd) + 13}">${t("budget")} ${money(budget.cap_usd)}</text>` : ""}<path class="sum" d="${d}"/>${whole != null && state.range === "month" ? `<path class="sum ahead" d="M${x(at)} ${y(a)}L${x(n)} ${y(whole)}"/>` : ""}<circle class="dot" cx="${x(at)}" cy="${y(a)}" r="3"/><text x="${L}" y="${H - 3}">${day(list[0].day)}</text><text x="${W - 4}" y="${H - 3}" text-anchor="end">${day(list.at(-1).day)}</text></svg>`,
      ),
    );
  }
  main.onclick = (e) => {
    const r = e.target.closest("[data-range]"),
      b = e.target.closest("[data-by]"),
      m = e.target.closest("[data-move]");
    if (r) {
      state.range = r.dataset.range;
      state.at = state.to = "";
      address(true);
      load();
    }
    if (b) {
      state.by = b.dataset.by;
      address(true);
      load();
    }
    if (m) move(+m.dataset.move);
  };
  main.oninput = (e) => {
    if (e.target.matches("[data-find]")) {
      clearTimeout(wait);
      wait = setTimeout(() => {
        find = e.target.value.trim();
        address(false);
        load();
      }, 150);
    }
    if (e.target.id === "from" || e.target.id === "to") {
      const a = $("#from").value,
        b = $("#to").value;
      if (a && b && a <= b) {
        state.at = a;
        state.to = b;
        address(false);
        load();
      }
    }
  };
  const resized = () => {
    if (data) {
      charts();
      ranges();
    }
  };
  addEventListener("resize", resized);
  load();
  timer = setInterval(() => {
    if (!document.hidden && data && span()[1] === data.today) load();
  }, 15000);
  return () => {
    over = true;
    clearTimeout(slow);
    clearInterval(timer);
    clearTimeout(wait);
    removeEventListener("resize", resized);
    main.onclick = main.oninput = null;
  };
}
const nice = (v) => {
  const p = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 2.5, 4, 5, 8, 10].map((k) => k * p).find((k) => k >= v) || v;
};
const axis = (v, top) => "$" + (v === 0 ? "0" : top >= 8 ? int(v) : v.toFixed(Math.max(0, 2 - Math.floor(Math.log10(top)))));
function kinds(list) {
  const all = list.reduce((a, k) => a + k.usd, 0),
    sorted = [...list].sort((a, b) => b.usd - a.usd);
  let x = 0;
  if (!list.length) return html`<p class="faint small">${t("nothing")}</p>`;
  return html`${svg(
      `<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="${t("Money by kind")}">${sorted
        .map((k, i) => {
          const w = all ? (k.usd / all) * 100 : 0,
            r = `<rect class="f${Math.min(i + 1, 5)}" x="${x.toFixed(2)}" width="${Math.max(0.3, w - 0.4).toFixed(2)}" height="10"/>`;
          x += w;
          return r;
        })
        .join("")}</svg>`,
    )}
    <div class="kinds">
      ${sorted.map((k, i) => html`<span><i class="sw f${Math.min(i + 1, 5)} legend-sw"></i>${t(KINDS[k.kind])}</span><span class="num">${money(k.usd)}</span><span class="num faint">${pct(all ? k.usd / all : 0)}</span>`)}
    </div>`;
}
