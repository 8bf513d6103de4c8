// Now: are we serving, what needs me, until when?
import { $$, ask, bar, clock, dur, glyph, hm, html, int, menu, ms, pct, put, say, si, spark, STATE, usd, usd2 } from "./ui.js";
import { dataPlane, follow, get, now, post } from "./api.js";
import { configuration, connection, countdowns, failed, title, versionIs } from "./shell.js";
import { tested } from "./keys.js";
import { said, t } from "./words.js";

let data = null,
  role = "viewer",
  order = "configured",
  plane = "",
  today = null;
const at = (time) => Date.parse(time);
const link = (f) => "/console/live?f=" + encodeURIComponent(f).replaceAll("%3A", ":").replaceAll("%20", "+");
const until = (time) => html`<span data-until="${at(time)}">${dur((at(time) - now()) / 1000)}</span>`;

export function open(main, { who }) {
  role = who.role;
  dataPlane().then((url) => {
    plane = url;
    if (data) draw(main);
  });
  let stream = null,
    since = 0;
  const slow = setTimeout(() => {
    if (!data) put(main, loading());
  }, 300);
  // What each account cost today stands in the history of the ledger: read when the page opens, and once a minute.
  const costs = async () => {
    if (document.hidden) return;
    try {
      const of = await get("usage?from=today&to=today&by=account");
      today = of.source === "ledger" ? new Map(of.rows.map((r) => [r.name, r.usd])) : null;
      if (data) draw(main);
    } catch {
      today = null;
    }
  };
  costs();
  const minute = setInterval(costs, 60000);
  stream = follow("now?follow", {
    on(name, next) {
      if (name !== "now") return;
      data = next;
      since = now();
      draw(main);
      connection(null);
      configuration(data.config);
      versionIs(data.version);
      title(data.needs.filter((n) => n.level === "bad").length);
    },
    lost(wait) {
      if (!data) {
        put(
          main,
          html`<h1 class="sr">${t("Now")}</h1>
            ${failed(t("Now"), { status: 0 })}`,
        );
        return;
      }
      connection({ since: since || now(), next: now() + wait * 1000, again: () => stream.again() });
    },
  });
  if (data) draw(main);
  main.onclick = (e) => {
    const row = e.target.closest("[data-act]"),
      seg = e.target.closest("[data-order]");
    if (row)
      actions(
        row,
        data.accounts.find((a) => a.name === row.dataset.act),
      );
    if (seg) {
      order = seg.dataset.order;
      draw(main);
    }
  };
  return () => {
    clearTimeout(slow);
    clearInterval(minute);
    stream.close();
    connection(null);
  };
}

const compare = (v, series) => {
  const before = series.slice(0, 5).filter((x) => x != null);
  if (before.length < 5 || !v) return " ";
  const was = before.reduce((a, x) => a + x, 0) / before.length / 60,
    d = was ? v / was - 1 : 0;
  return was ? `${d < 0 ? "−" : "+"}${Math.abs(d * 100).toFixed(0)}\u202f% ${t("to an hour ago")}` : " ";
};
const fig = (name, value, note, line, to) =>
  html`<a class="fig" href="${to}"
    ><span class="k">${t(name)}</span><span class="v live-fig">${value}</span><span class="n">${note}</span
    ><span class="s">${line}</span></a
  >`;
function strip() {
  const T = data.traffic,
    M = T.minutes;
  let sum = 0;
  const spent = M.spend_usd.map((v) => (sum += v || 0));
  return html`<div class="strip" role="group" aria-label="${t("Traffic, last hour")}">
    ${fig("Requests", html`${T.requests_per_s} <small>/s</small>`, compare(T.requests_per_s, M.requests), spark(M.requests, { label: t("requests per minute, last hour") }), "/console/live")}
    ${fig("Tokens", html`${si(T.tokens_per_s)} <small>/s</small>`, compare(T.tokens_per_s, M.tokens), spark(M.tokens, { label: t("tokens per minute, last hour") }), "/console/spend?range=today&by=model")}
    ${fig("Errors", T.error_ratio == null ? "–" : pct(T.error_ratio, 2), html`${T.upstream_error_ratio == null ? t("no request in 5 min") : html`${pct(T.upstream_error_ratio, 2)} ${t("by upstreams")}`}`, spark(M.errors, { label: t("errors per minute, last hour") }), link("outcome:trouble"))}
    ${fig("First token", html`${ms(T.ttft_p50_ms)} <small>p50</small>`, `${ms(T.ttft_p95_ms)} p95`, spark(M.ttft_p50_ms, { v2: M.ttft_p95_ms, area: false, label: t("first token, p50 and p95, last hour") }), link("slower:2s"))}
    ${fig("In flight", int(T.in_flight), `${t("of")} ${si(T.in_flight_cap)}`, "", link("outcome:in_flight"))}
    ${fig("Spend today", usd(T.spend_today_usd), t("{n} in the last hour", { n: usd(sum) }), spark(spent, { label: t("spend, summed over the last hour") }), "/console/spend?range=today")}
  </div>`;
}

const need = (n) => {
  const g = n.level === "bad" ? glyph("cross", "bad") : glyph("tri", "warn"),
    name = n.subject.name;
  const next = n.until ? html` <span class="dim">${said("Next try in {t}.", { t: until(n.until) })}</span>` : "";
  const text =
    {
      unreachable: html`<b>${name}</b> ${t("unreachable")}: <span class="mono">${n.class}</span>.${next}`,
      refused: html`<b>${name}</b>: ${t("its key is refused.")} <span class="dim">${t("Put in another one, then Enable.")}</span>`,
      throttled: html`<b>${name}</b> ${t("throttled")}:
        <span class="mono">${n.class}</span
        >.${n.until ? html` <span class="dim">${t("Until")} ${clock(at(n.until))} (${until(n.until)}).</span>` : ""}`,
      quota: html`<b>${name}</b>
        ${t("quota spent")}.${n.until ? html` <span class="dim">${t("Until")} ${hm(at(n.until))} (${until(n.until)}).</span>` : ""}`,
      pool_out: html`${t("Pool")} <b>${name}</b>: ${t("no account takes requests")}.
        <span class="dim">${n.fallback ? t("{p} takes over.", { p: n.fallback }) : t("What asks for it is refused.")}</span>`,
      part: html`<b>${name}</b> ${t("runs on a part of its endpoints.")}${next}`,
      window: html`<b>${name}</b>:
        ${said("{n} of {w} used.", { n: pct(n.used_ratio || 0), w: html`<span class="mono">${n.window}</span>` })}
        <span class="dim">${n.until ? said("Resets in {t}.", { t: until(n.until) }) : ""}</span>`,
      config: html`<b>${t("Config on disk is not applied")}.</b> <span class="mono">${n.message}</span>`,
      budget: html`${said("{l} of {k} {n} is spent.", { l: html`<span class="mono">${n.limit}</span>`, k: t(n.subject.kind), n: html`<b>${name}</b>` })}
        <span class="dim">${n.until ? said("Resets in {t}.", { t: until(n.until) }) : ""}</span>`,
    }[n.code] || html`<b>${name}</b> ${n.code}`;
  const to =
    n.code === "config"
      ? "/console/config"
      : link(`${n.subject.kind === "everyone" ? "limit" : n.subject.kind}:${n.subject.kind === "everyone" ? n.limit : name}`);
  return html`<li>
    ${g}<span class="t">${text}</span><a class="act link" href="${to}">${n.count ? t("{n} failed", { n: int(n.count) }) : t("Show")}</a>
  </li>`;
};
function needs() {
  const bad = data.needs.filter((n) => n.level === "bad").length,
    warn = data.needs.length - bad,
    shown = data.needs.slice(0, 5);
  const note = [bad && t(bad === 1 ? "1 needs you" : "{n} need you", { n: bad }), warn && t("{n} to watch", { n: warn })]
    .filter(Boolean)
    .join(", ");
  return html`<section aria-labelledby="h-n">
    <div class="sec">
      <h2 id="h-n">${t("Serving on {n} of {m} accounts", { n: data.serving.usable, m: data.serving.total })}</h2>
      <span class="note">${note || t("Nothing needs you")}</span>
    </div>
    <ul class="list">
      ${shown.map(need)}${data.needs.length > 5 ? html`<li class="dim">${t("{n} more", { n: data.needs.length - 5 })}</li>` : ""}
    </ul>
  </section>`;
}
const budget = (b) => {
  const used = b.used_usd / b.cap_usd;
  return html`<div class="bud">
    <a class="cut" href="/console/keys?q=${b.name}"
      ><span class="faint">${t(b.scope)}</span> <b>${b.name}</b> <span class="faint mono">${b.limit}</span></a
    >${bar(used, { tone: used >= 0.9 ? "warn" : "", label: t("{n} used", { n: pct(used) }) })}<span class="num"
      >${usd(b.used_usd)} <span class="faint">${t("of")} ${usd(b.cap_usd)}</span></span
    ><span class="num ends faint">${said("resets in {t}", { t: until(b.resets_at) })}</span>
  </div>`;
};
const win = (w) => {
  const left = (at(w.resets_at) - now()) / 1000,
    pace = w.length_s ? Math.max(0, Math.min(1, 1 - left / w.length_s)) : null;
  return html`<div class="win">
    <div class="h"><span class="cut">${w.name}</span><span>${pct(w.used_ratio)}</span></div>
    ${bar(w.used_ratio, { tone: w.empty_at || w.used_ratio >= (pace == null ? 0.8 : 0.95) ? "warn" : "", pace, label: t("{w}: {n} % used", { w: w.name, n: Math.round(w.used_ratio * 100) }) })}
    <div class="f">
      ${w.empty_at ? html`<span class="warn">${said("empty in {t}", { t: until(w.empty_at) })}</span>` : said("resets in {t}", { t: until(w.resets_at) })}
    </div>
  </div>`;
};
const part = (p) => {
  const [g, tone] = STATE[p.word] || ["ring", ""];
  return html`<span
    >${glyph(g, tone)}${p.name} <span class="${tone || "faint"}">${p.word === "usable" ? "" : p.class || t(p.word)}</span></span
  >`;
};
const word = (a) =>
  html`${t(a.word)}${(a.word === "throttled" || a.word === "quota") && a.until ? html` ${t("until")} <b>${a.word === "quota" ? hm(at(a.until)) : clock(at(a.until))}</b>` : ""}`;
const sub = (a) => (a.word === "usable" ? "" : html`${a.until ? html`${until(a.until)}${a.class ? ": " : ""}` : ""}${a.class || ""}`);
const errors = (a) => {
  const e = Object.entries(a.errors_5m);
  return e.length
    ? html`${e.map(([c, n], i) => html`${i ? ", " : ""}<a href="${link(`account:${a.name} class:${c}`)}" class="nowrap">${c} ${n}</a>`)}`
    : html`<span class="faint">–</span>`;
};
function row(a) {
  const [g, tone] = STATE[a.word] || ["ring", ""],
    shown = a.windows.slice(0, 3),
    parts = [...a.endpoints, ...a.models];
  return html`<tr data-key="${a.name}">
    <td class="c-nm">
      <div class="nm">
        ${glyph(g, tone)}<a class="b cut" href="${link("account:" + a.name)}">${a.name}</a
        ><small class="cut">${a.provider}${a.label ? ` · ${a.label}` : ""}</small>
      </div>
    </td>
    <td class="c-st st">
      <span class="${tone || (a.word === "usable" ? "dim" : "")}">${word(a)}</span><small class="cut">${sub(a)}</small>
    </td>
    <td class="c-wi">
      ${parts.length ? html`<div class="eps">${parts.map(part)}</div>` : shown.length ? html`<div class="wins live-fig">${shown.map(win)}</div>` : html`<span class="faint small">${t("no window stated")}</span>`}
    </td>
    <td class="c-tr live-fig">
      <div class="tr">
        <a class="num" href="${link("account:" + a.name)}">${a.requests_per_s ? a.requests_per_s.toFixed(1) : "–"}</a
        >${spark(a.minutes, { label: t("requests per minute, last hour") })}
      </div>
    </td>
    <td class="c-fl num live-fig" data-l="${t("In flight")}">
      <a href="${link(`account:${a.name} outcome:in_flight`)}">${a.in_flight}</a
      >${a.cap ? html`<span class="faint"> / ${a.cap}</span>` : ""}
    </td>
    <td class="c-fb num live-fig" data-l="${t("First byte")}">
      <a href="${link(`account:${a.name} slower:2s`)}">${ms(a.first_byte_ms)}</a>
    </td>
    <td class="c-er small ${Object.keys(a.errors_5m).length ? "" : "zero"}" data-l="${t("Errors")}">${errors(a)}</td>
    <td class="c-ca num live-fig" data-l="${t("Cache")}">
      <a href="/console/spend?by=account&q=${encodeURIComponent(a.name)}"
        >${a.prompt_cache_hit_ratio == null ? "–" : pct(a.prompt_cache_hit_ratio)}</a
      >
    </td>
    <td class="c-co num live-fig" data-l="${t(today ? "Cost today" : "Last hour")}">
      <a href="/console/spend?range=today&by=account&q=${encodeURIComponent(a.name)}"
        >${usd2(today ? today.get(a.name) || 0 : a.cost_hour_usd)}</a
      >
    </td>
    <td class="c-ac num">
      ${role === "viewer" ? "" : html`<button class="btn quiet sm" data-act="${a.name}" aria-haspopup="menu" aria-label="${t("Actions")}: ${a.name}">•••</button>`}
    </td>
  </tr>`;
}
const TROUBLE = ["unreachable", "refused", "quota", "throttled", "part", "probing", "drained", "easing", "usable"];
function table() {
  const seen = new Set();
  const sorted = (list) => (order === "trouble" ? [...list].sort((a, b) => TROUBLE.indexOf(a.word) - TROUBLE.indexOf(b.word)) : list);
  const groups = data.pools.map((p) => {
    const own = p.accounts.filter((n) => !seen.has(n)),
      others = p.accounts.length - own.length;
    own.forEach((n) => seen.add(n));
    const list = own.map((n) => data.accounts.find((a) => a.name === n)).filter(Boolean);
    const up = p.accounts.filter((n) =>
      ["usable", "part", "easing", "probing"].includes(data.accounts.find((a) => a.name === n)?.word),
    ).length;
    return html`<tbody data-key="${p.name}">
      <tr class="pool">
        <th colspan="10" scope="rowgroup">
          <b>${p.name}</b> &nbsp;${t("{n} of {m} take requests", { n: up, m: p.accounts.length })} · ${p.requests_per_s}/s · ${p.select},
          ${t("affinity")}
          ${p.affinity}${p.fallback ? `, ${t("fallback")} ${p.fallback}` : ""}${others ? ` · ${t("and {n} named above", { n: others })}` : ""}
        </th>
      </tr>
      ${sorted(list).map(row)}
    </tbody>`;
  });
  const rest = data.accounts.filter((a) => !seen.has(a.name));
  return html`<table>
    <colgroup>
      ${["nm", "st", "wi", "tr", "fl", "fb", "er", "ca", "co", "ac"].map((c) => html`<col class="c-${c}" />`)}
    </colgroup>
    <thead>
      <tr>
        <th>${t("Account")}</th>
        <th>${t("State")}</th>
        <th>${t("Windows")}</th>
        <th>${t("Requests/s, 1 h")}</th>
        <th class="num">${t("In flight")}</th>
        <th class="num">${t("First byte")}</th>
        <th class="c-er">${t("Errors, 5 min")}</th>
        <th class="num c-ca">${t("Cache")}</th>
        <th class="num">${today ? t("Cost today") : t("Last hour")}</th>
        <th><span class="sr">${t("Actions")}</span></th>
      </tr>
    </thead>
    ${groups}${
      rest.length
        ? html`<tbody data-key="">
            <tr class="pool">
              <th colspan="10" scope="rowgroup">${t("in no pool")}</th>
            </tr>
            ${rest.map(row)}
          </tbody>`
        : ""
    }
  </table>`;
}
const quiet = () => data.traffic.minutes.requests.every((n) => !n) && data.traffic.in_flight === 0;
const empty = () =>
  html`<section class="blank" data-key="empty">
    <h2>${t("Ready. No request in the last hour.")}</h2>
    <p class="dim">${t("Send one, and this page fills:")}</p>
    <pre class="code" tabindex="0">
curl -s ${plane}/v1/messages -H "x-api-key: $WEIR_KEY" -H 'anthropic-version: 2023-06-01' \\
  -d '{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}'</pre>
  </section>`;
function draw(main) {
  put(
    main,
    html`<h1 class="sr">${t("Now")}</h1>
      ${strip()}
      <div class="two">
        ${needs()}
        <section aria-labelledby="h-b">
          <div class="sec">
            <h2 id="h-b">
              ${data.budgets.some((b) => b.used_usd >= b.cap_usd * 0.8) || !data.budgets.length ? t("Budgets near their end") : t("Budgets, none near its end")}
            </h2>
          </div>
          ${data.budgets.length ? data.budgets.slice(0, 4).map(budget) : html`<p class="faint small">${t("no budget is set")}</p>`}
        </section>
      </div>
      ${quiet() ? empty() : ""}
      <section class="acc" data-key="acc" aria-labelledby="h-a">
        <div class="sec">
          <h2 id="h-a">${t("Accounts")}</h2>
          <span class="note">${t("{n} in {m} pools", { n: data.accounts.length, m: data.pools.length })}</span>
          <div class="right">
            <div class="seg" role="group" aria-label="${t("Order")}">
              <button data-order="configured" aria-pressed="${order === "configured"}">${t("as configured")}</button
              ><button data-order="trouble" aria-pressed="${order === "trouble"}">${t("trouble first")}</button>
            </div>
          </div>
        </div>
        ${table()}
      </section>`,
  );
  const shown = $$(".acc thead th", main).filter((h) => h.offsetWidth).length || 10;
  for (const h of $$(".pool th", main)) h.colSpan = shown;
  countdowns();
}
const sk = (w) => html`<span class="sk w${w}"></span>`;
const loading = () =>
  html`<h1 class="sr">${t("Now")}</h1>
    <div class="strip" aria-busy="true">
      ${["Requests", "Tokens", "Errors", "First token", "In flight", "Spend today"].map((k) => html`<div class="fig plain"><span class="k">${t(k)}</span><span class="v">${sk(2)}</span><span class="n">${sk(2)}</span></div>`)}
    </div>
    <div class="two">
      <section>
        <ul class="list">
          ${[4, 3, 4].map((w) => html`<li>${sk(w)}</li>`)}
        </ul>
      </section>
      <section>${[1, 2, 3].map(() => html`<div class="bud">${sk(3)}</div>`)}</section>
    </div>`;

function actions(button, a) {
  const verb = (name) => async () => {
    try {
      await post(`accounts/${encodeURIComponent(a.name)}/${name}`);
      say(`${a.name}: ${t(name + " done")}`);
    } catch (fault) {
      say(`${a.name}: ${fault.message}`, "bad");
    }
  };
  menu(
    button,
    [
      a.word === "drained"
        ? { t: t("Enable"), act: verb("enable") }
        : { t: t("Drain") + " …", hint: t("no new requests"), act: () => drain(a, verb("drain")) },
      a.word === "refused" ? { t: t("Enable"), hint: t("try its key again"), act: verb("enable") } : null,
      { t: t("Reset"), hint: t("forget benches and windows"), act: verb("reset") },
      {
        t: t("Test"),
        hint: t("asks for its models"),
        act: async () => {
          say(`${a.name}: …`);
          try {
            const r = await post(`accounts/${encodeURIComponent(a.name)}/test`);
            say(`${a.name}: ${tested(r)}`, r.result === "fine" || r.result === "no_list" ? "" : "bad");
          } catch (fault) {
            say(`${a.name}: ${fault.message}`, "bad");
          }
        },
      },
      null,
      {
        t: t("Requests of the last 5 min"),
        act: () => {
          history.pushState(null, "", link("account:" + a.name));
          dispatchEvent(new PopStateEvent("popstate"));
        },
      },
    ].filter((item, i, all) => item || (i > 1 && all[i - 1])),
  );
}
async function drain(a, go) {
  const others = data.pools
    .filter((p) => p.accounts.includes(a.name))
    .map((p) =>
      p.fallback
        ? t("the {n} others of pool {p}, then pool {f}", { n: p.accounts.length - 1, p: p.name, f: p.fallback })
        : t("the {n} others of pool {p}", { n: p.accounts.length - 1, p: p.name }),
    );
  const chosen = await ask({
    title: t("Drain {n}?", { n: a.name }),
    body: html`<p>
        ${said("No new request goes to it. The {n} that run are finished. Its share of {r} moves to {o}.", { n: html`<b>${a.in_flight}</b>`, r: html`<b>${a.requests_per_s}/s</b>`, o: others.join("; ") || t("nobody: it is in no pool") })}
      </p>
      <p class="dim small">${t("It stays drained over a reload, until somebody enables it. Written to the audit log.")}</p>`,
    foot: html`<button class="btn" value="" autofocus>${t("Cancel")}</button
      ><button class="btn danger" value="yes">${t("Drain")} ${a.name}</button>`,
  });
  if (chosen === "yes") await go();
}
