// Try: where would this go, what would change, what comes back?
import { $, bytes, clock, glyph, html, int, ms, put, si, svg, usd, usd4 } from "./ui.js";
import { get, now, post, stream } from "./api.js";
import { diff, dialect } from "./diff.js";
import { excluded, t } from "./words.js";

const PATHS = {
  "/v1/messages": "Anthropic Messages",
  "/v1/chat/completions": "OpenAI Chat",
  "/v1/responses": "OpenAI Responses",
  gemini: "Gemini",
};
const ASK = "Why does src/pool/mod.rs hold two locks?";
const SCHEMA = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const START = {
  "/v1/messages": (m) => ({
    Hello: { model: m, max_tokens: 1024, stream: true, messages: [{ role: "user", content: "Hello" }] },
    Tools: {
      model: m,
      max_tokens: 1024,
      stream: true,
      tools: [{ name: "read_file", description: "Read one file", input_schema: SCHEMA }],
      messages: [{ role: "user", content: ASK }],
    },
    Image: {
      model: m,
      max_tokens: 1024,
      stream: true,
      messages: [
        {
          role: "user",
          content: [
            { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } },
            { type: "text", text: "What is this?" },
          ],
        },
      ],
    },
  }),
  "/v1/chat/completions": (m) => ({
    Hello: { model: m, stream: true, messages: [{ role: "user", content: "Hello" }] },
    Tools: {
      model: m,
      stream: true,
      tools: [{ type: "function", function: { name: "read_file", description: "Read one file", parameters: SCHEMA } }],
      messages: [{ role: "user", content: ASK }],
    },
    Image: {
      model: m,
      stream: true,
      messages: [
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64," + PIXEL } },
            { type: "text", text: "What is this?" },
          ],
        },
      ],
    },
  }),
  "/v1/responses": (m) => ({
    Hello: { model: m, stream: true, input: "Hello" },
    Tools: {
      model: m,
      stream: true,
      tools: [{ type: "function", name: "read_file", description: "Read one file", parameters: SCHEMA, strict: false }],
      input: ASK,
    },
    Image: {
      model: m,
      stream: true,
      input: [
        {
          role: "user",
          content: [
            { type: "input_image", image_url: "data:image/png;base64," + PIXEL },
            { type: "input_text", text: "What is this?" },
          ],
        },
      ],
    },
  }),
  gemini: () => ({
    Hello: { contents: [{ role: "user", parts: [{ text: "Hello" }] }] },
    Tools: {
      tools: [{ functionDeclarations: [{ name: "read_file", description: "Read one file", parameters: SCHEMA }] }],
      contents: [{ role: "user", parts: [{ text: ASK }] }],
    },
    Image: { contents: [{ role: "user", parts: [{ inlineData: { mimeType: "image/png", data: PIXEL } }, { text: "What is this?" }] }] },
  }),
};
const DEFAULTS = {
  "/v1/messages": "claude-sonnet-5",
  "/v1/chat/completions": "gpt-5.5",
  "/v1/responses": "gpt-5.5",
  gemini: "gemini-2.5-pro",
};
/** A small request of the kind that `row` was: its body is not kept. `null` = of no kind that is known here. */
export function sample(row) {
  const path = Object.keys(PATHS).find((p) => row.path.startsWith(p)) || (row.client_dialect === "gemini" ? "gemini" : null);
  if (!path || !row.model) return null;
  return { path: path === "gemini" ? row.path : path, body: START[path](row.model).Hello };
}
let kept = null;

export function open(main, { who, query }) {
  const can = who.role !== "viewer";
  let over = false,
    sending = null,
    report = null,
    run = null,
    view = "events",
    part = "body",
    timer = 0;
  put(
    main,
    html`<h1 class="sr">${t("Try")}</h1>
      <div class="try">
        <form class="left" aria-label="${t("Request")}">
          <div class="form">
            <label for="k">${t("Key")}</label
            ><input class="field" id="k" list="known-keys" autocomplete="off" spellcheck="false" /><datalist id="known-keys"></datalist
            ><label for="d">${t("Dialect")}</label
            ><select class="field" id="d">
              ${Object.entries(PATHS).map(([path, name]) => html`<option value="${path}">${name}, ${path === "gemini" ? ":streamGenerateContent" : path}</option>`)}</select
            ><label for="m">${t("Model")}</label
            ><input class="field" id="m" list="known-models" autocomplete="off" spellcheck="false" /><datalist id="known-models"></datalist>
          </div>
          <div class="row small wrap" role="group" aria-label="${t("Start from")}">
            ${["Hello", "Tools", "Image"].map((name) => html`<button type="button" class="btn quiet sm" data-start="${name}">${t(name)}</button>`)}<span
              class="grow"
            ></span
            ><span class="faint" id="guess"></span>
          </div>
          <div class="edit">
            <div class="ln" aria-hidden="true" id="numbers"></div>
            <textarea id="body" aria-label="${t("Body")}" spellcheck="false" wrap="off"></textarea>
          </div>
          <div class="row">
            <button class="btn" type="button" id="explain">${t("Explain")} <kbd class="hide-s">⇧⏎</kbd></button
            >${can ? html`<button class="btn primary" id="send">${t("Send")} <kbd class="hide-s">Ctrl ⏎</kbd></button><button type="button" class="btn" id="stop" disabled>${t("Stop")}</button>` : ""}
          </div>
          <p class="small faint cut" id="counts"></p>
        </form>
        <div class="try-r" id="result" tabindex="-1"></div>
      </div>`,
  );
  const area = $("#body"),
    numbers = $("#numbers"),
    path = $("#d"),
    key = $("#k"),
    model = $("#m");
  const lines = () => {
    numbers.textContent = Array.from({ length: area.value.split("\n").length }, (_, i) => i + 1).join("\n");
  };
  const fill = (name) => {
    area.value = JSON.stringify(START[path.value](model.value)[name], null, 2);
    lines();
  };
  const remodel = () => {
    if (path.value === "gemini") return;
    try {
      const body = JSON.parse(area.value);
      body.model = model.value;
      area.value = JSON.stringify(body, null, 2);
      lines();
    } catch {
      /* the text is being written */
    }
  };
  const counts = () => put($("#counts"), key.value ? t("counts for {k}", { k: key.value }) : "");
  const url = () =>
    path.value === "gemini" ? `/v1beta/models/${encodeURIComponent(model.value)}:streamGenerateContent?alt=sse` : path.value;
  if (kept) {
    path.value = kept.path;
    key.value = kept.key;
    model.value = kept.model;
    area.value = kept.body;
    lines();
    counts();
  } else {
    model.value = DEFAULTS[path.value];
    fill("Hello");
  }
  const from = query.get("from");
  if (from)
    get("requests/" + encodeURIComponent(from))
      .then((r) => {
        // The body is not kept: what is known of the request begins a new one.
        const found = Object.keys(PATHS).find((p) => r.path.startsWith(p)) || (r.client_dialect === "gemini" ? "gemini" : null);
        if (found) path.value = found;
        if (r.key) key.value = r.key;
        if (r.model) model.value = r.model;
        fill("Hello");
        counts();
        explain();
      })
      .catch(() => {});
  get("keys")
    .then((list) => {
      put($("#known-keys"), html`${list.rows.map((k) => html`<option value="${k.name}"></option>`)}`);
      if (!key.value && list.rows[0]) {
        key.value = list.rows[0].name;
        counts();
      }
    })
    .catch(() => {});
  get("requests?limit=1")
    .then((list) =>
      put($("#known-models"), html`${(list.stats.facets.model?.values || []).map(([name]) => html`<option value="${name}"></option>`)}`),
    )
    .catch(() => {});
  path.onchange = () => {
    model.value = DEFAULTS[path.value];
    fill("Hello");
  };
  model.onchange = remodel;
  key.oninput = counts;
  area.oninput = lines;
  area.onscroll = () => {
    numbers.scrollTop = area.scrollTop;
  };
  const out = $("#result");
  const fault = (text) => {
    report = null;
    run = null;
    put(out, html`<p class="bad pad" role="alert">${text}</p>`);
  };
  const body = () => {
    try {
      return JSON.parse(area.value);
    } catch (bad) {
      fault(`${t("The body is no JSON")}: ${bad.message}`);
      return null;
    }
  };
  const draw = () => {
    if (!over) {
      put(
        out,
        html`${report ? picture(report) : ""}${report ? changes(report, part) : ""}${run ? answer(run, view, who) : ""}${report || run ? "" : html`<div class="blank"><p class="dim">${t("Explain shows the route, the accounts in the order in which they would be asked, and what the upstream would be sent. Send does it.")}</p></div>`}`,
      );
      const ev = $(".ev");
      if (ev && run && !run.row) ev.scrollTop = ev.scrollHeight;
    }
  };
  const later = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      draw();
    }, 120);
  };
  draw();
  async function explain() {
    const asked = body();
    if (!asked) return;
    try {
      report = await post(
        "explain",
        `{"path":${JSON.stringify(url())},${key.value ? `"key":${JSON.stringify(key.value)},` : ""}"body":${area.value}}`,
      );
      report.asked = asked;
      report.at = now();
      put($("#guess"), guess(report));
      draw();
    } catch (bad) {
      fault(bad.message);
    }
  }
  async function send() {
    if (!can || sending || !body()) return;
    await explain();
    if (!report) return;
    sending = new AbortController();
    $("#stop").disabled = false;
    $("#send").disabled = true;
    run = { at: now(), events: [], text: "" };
    draw();
    try {
      await stream(
        "try",
        `{"key":${JSON.stringify(key.value)},"path":${JSON.stringify(url())},"body":${area.value}}`,
        sending.signal,
        (name, data) => {
          if (name === "sent") run.id = data.request_id;
          if (name === "head") {
            run.head = data;
            run.events.push({ at: data.at_us / 1000, name: String(data.status), data: "", bytes: 0 });
          }
          if (name === "event") {
            run.events.push({ at: data.at_us / 1000, name: data.name || kind(data.data), data: data.data, bytes: data.bytes });
            run.text += words(data.data);
          }
          if (name === "end") {
            run.row = data.row;
            run.took = data.at_us / 1000;
            run.bytes = data.bytes;
            run.untold = data.untold;
          }
          later();
        },
      );
      if (!run.row) run.ended = t("the connection ended");
    } catch (bad) {
      run.ended = bad.name === "AbortError" ? t("stopped") : bad.message;
    }
    sending = null;
    if (over) return;
    $("#stop").disabled = true;
    $("#send").disabled = false;
    draw();
  }
  const stop = () => sending?.abort();
  $("form.left").onsubmit = (e) => {
    e.preventDefault();
    if (can) send();
    else explain();
  };
  $("#explain").onclick = explain;
  if (can) $("#stop").onclick = stop;
  area.onkeydown = (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      if (can) send();
      else explain();
    } else if (e.key === "Enter" && e.shiftKey) {
      e.preventDefault();
      explain();
    }
  };
  main.onclick = (e) => {
    const start = e.target.closest("[data-start]"),
      v = e.target.closest("[data-view]"),
      p = e.target.closest("[data-part]");
    if (start) fill(start.dataset.start);
    if (v) {
      view = v.dataset.view;
      draw();
    }
    if (p) {
      part = p.dataset.part;
      draw();
    }
  };
  const escape = (e) => {
    if (e.key === "Escape") stop();
  };
  addEventListener("keydown", escape);
  return () => {
    over = true;
    kept = { path: path.value, key: key.value, model: model.value, body: area.value };
    stop();
    clearTimeout(timer);
    removeEventListener("keydown", escape);
    main.onclick = null;
  };
}

const guess = (r) =>
  r.request.input_tokens == null
    ? ""
    : html`≈ ${int(r.request.input_tokens)} ${t("tokens")}${r.request.reserved?.usd ? html`, ≤ ${usd(r.request.reserved.usd)}` : ""}`;
const limits = (r) =>
  (r.limits || [])
    .filter((l) => l.scope !== "server" && l.used != null)
    .slice(0, 3)
    .map(
      (l, i) =>
        html`${i ? " · " : ""}${l.limit} ${l.limit.startsWith("usd") ? usd(l.used) : si(l.used)} ${t("of")}
        ${l.limit.startsWith("usd") ? usd(l.cap) : si(l.cap)}`,
    );
const until = (e) =>
  e.wait_seconds ? html`, ${t("for")} <span data-until="${now() + e.wait_seconds * 1000}">${Math.ceil(e.wait_seconds)}s</span>` : "";
const SOFT = ["throttled", "quota", "cooldown", "endpoint", "limit", "window"];

/** Routes → pool and fallbacks → accounts. Only the way that is taken has a colour. */
function picture(r) {
  const answered = r.answer && r.answer.status >= 400,
    list = r.candidates || [],
    first = list.find((c) => !c.excluded && c.attempt === 1) || list.find((c) => !c.excluded);
  const route = r.route,
    passed = route?.passed_over || [],
    pools = [...new Set([route?.pool || r.pool?.name, ...list.map((c) => c.pool)].filter(Boolean))];
  const head = answered
    ? html`${glyph("diamond")} ${t("Would be refused with {n}", { n: r.answer.status })}`
    : r.answer
      ? html`${glyph("ok")} ${t("Weir answers this itself")}`
      : html`${t("Would go to {a}", { a: r.upstream?.account || first?.account || "…" })}`;
  const H = 40,
    TOP = 20,
    mid = (i) => TOP + i * H + 19,
    at = passed.length,
    poolMid = (i) => TOP + 19 + (i ? 18 + i * H : 0);
  const routes = [
    ...passed.map((p) => ({
      n: p.route,
      miss: html`${t("passed over")}: ${p.condition} ${t("is")} ${p.found ?? t("nothing")}`,
      what: html`${p.condition} ${p.wanted}`,
    })),
    { n: route?.matched ?? "", on: true, what: route?.matched == null ? t("no route fits: default pool") : t("fits"), model: route?.model },
  ];
  const height = Math.max(mid(routes.length - 1), mid(Math.max(0, list.length - 1)), poolMid(pools.length - 1)) + 24;
  const wire = (d, on, off) => `<path class="${on ? "on" : ""}" ${off ? 'stroke-dasharray="2 3"' : ""} d="${d}"/>`;
  const left = pools.length ? wire(`M0 ${mid(at)}C20 ${mid(at)} 14 ${poolMid(0)} 34 ${poolMid(0)}`, !answered) : "";
  const right = list
    .map((c, i) => {
      const from = poolMid(pools.indexOf(c.pool));
      return [c === first && !answered, wire(`M0 ${from}C20 ${from} 14 ${mid(i)} 34 ${mid(i)}`, c === first && !answered, c.excluded)];
    })
    .sort((a, b) => a[0] - b[0])
    .map((x) => x[1])
    .join("");
  return html`<section aria-labelledby="h1" data-key="picture">
    <div class="sec">
      <h2 id="h1">${head}</h2>
      <span class="note">${answered ? r.answer.hint || "" : t("as things are at {t}; nobody was called", { t: clock(r.at) })}</span>
      <div class="right small dim hide-s">${limits(r)}</div>
    </div>
    ${
      route || list.length
        ? html`<div class="flow">
            <div>
              <h3>${t("Routes, the first that fits")}</h3>
              ${routes.map((x) => html`<div class="node ${x.on ? (answered ? "next" : "on") : "off"}"><span class="i">${x.n}</span><span class="cut ${x.on ? "" : "mono"}">${x.what}</span><span>${x.on ? route?.pool || r.pool?.name || "" : ""}</span><small class="cut">${x.on ? (x.model ? html`${t("model")} → ${x.model}` : t("the model stays")) : x.miss}</small></div>`)}
            </div>
            <svg class="wire" width="34" height="${height}" viewBox="0 0 34 ${height}" aria-hidden="true">${svg(left)}</svg>
            <div>
              <h3>${t("Pool")}</h3>
              ${pools.map(
                (p, i) =>
                  html`${i === 1 ? html`<p class="alt">${t("when all are out")}</p>` : ""}
                    <div class="node ${i || answered ? "next" : "on"}">
                      <span class="i"></span><span class="b cut">${p}</span><span></span
                      ><small class="cut"
                        >${i ? t("fallback") : html`${r.pool?.select || ""}${r.session ? html`, ${t("session")} ${r.session.affinity || ""}` : html`, ${t("no session")}`}`}</small
                      >
                    </div>`,
              )}
            </div>
            <svg class="wire" width="34" height="${height}" viewBox="0 0 34 ${height}" aria-hidden="true">${svg(right)}</svg>
            <div>
              <h3>${t("Accounts, in the order in which they would be asked")}</h3>
              ${list.map((c) => {
                const e = c.excluded;
                return html`<div class="node ${e || answered ? "off" : c === first ? "on" : "next"}">
                  <span class="i">${e ? "" : (c.attempt ?? "")}</span><span class="cut ${e ? "" : "b"}">${c.account}</span
                  ><span class="tiny ${e && SOFT.includes(e.reason) ? "warn" : "faint"}">${e ? e.class || e.reason : ""}</span
                  ><small class="cut"
                    >${e ? html`${excluded(e)}${until(e)}` : html`${(c.dialects || []).join(", ")}${c.weight < 1 ? html`, ${t("weight")} ${c.weight.toFixed(2)}` : ""}`}</small
                  >
                </div>`;
              })}
            </div>
          </div>`
        : ""
    }
  </section>`;
}

/** What the upstream would be sent beside what the client sends; or what the client would get. */
function changes(r, part) {
  const up = r.upstream,
    seg = (list) =>
      html`<div class="right">
        <div class="seg" role="group" aria-label="${t("Part")}">
          ${list.map(([id, text]) => html`<button type="button" data-part="${id}" aria-pressed="${part === id}">${text}</button>`)}
        </div>
      </div>`;
  if (!up && r.answer) {
    const text = typeof r.answer.body === "string" ? r.answer.body : JSON.stringify(r.answer.body, null, 2);
    return html`<section aria-labelledby="h2" data-key="changes">
      <div class="sec"><h2 id="h2">${t("What the client would get")}</h2></div>
      <pre class="code" tabindex="0">
HTTP/1.1 ${r.answer.status}
${(r.answer.headers || []).map(([n, v]) => `${n}: ${v}\n`).join("")}
${text}</pre>
      ${r.answer.hint ? html`<p class="small dim hint">${t("Only you see this")}: ${r.answer.hint}</p>` : ""}
    </section>`;
  }
  if (!up) return "";
  const same = up.change === "unchanged";
  return html`<section aria-labelledby="h2" data-key="changes">
    <div class="sec">
      <h2 id="h2">${same ? t("Sent as it came") : t("What changes on the way")}</h2>
      <div class="legend ${same ? "sr" : ""}">
        <span><i>~</i>${t("renamed or reshaped")}</span><span class="accent"><i>+</i>${t("added by Weir")}</span
        ><span class="bad"><i>−</i>${t("dropped")}</span>
      </div>
      ${seg([
        ["body", t("Body")],
        ["headers", html`${t("Headers")} ${(up.headers || []).length}`],
      ])}
    </div>
    ${
      part === "headers"
        ? html`<pre class="code" tabindex="0">
${up.method || "POST"} ${up.url}
${(up.headers || []).map(([n, v]) => `${n}: ${v}\n`).join("")}</pre>`
        : diff(r.asked, up.body, {
            left: html`${t("Client")}, <b>${dialect(r.request.dialect)}</b> <span class="faint">${bytes(r.request.body_bytes)}</span>`,
            right: html`${t("Upstream")} ${up.account}, <b>${dialect(up.dialect)}</b> <span class="faint">${bytes(up.body_bytes)}</span>`,
            renamed: r.route?.model ? t("route {n} renames it", { n: r.route.matched }) : "",
            dropped: up.dropped || [],
          })
    }
  </section>`;
}

/** What an event is, when it has no name. */
function kind(data) {
  if (data === "[DONE]") return "[DONE]";
  try {
    const v = JSON.parse(data);
    return v.type || v.object || (v.candidates ? "candidates" : v.error ? "error" : "body");
  } catch {
    return "body";
  }
}
/** The text of an event, in whatever dialect. */
function words(data) {
  try {
    const v = JSON.parse(data);
    return (
      v.delta?.text ??
      (typeof v.delta === "string" && /text/.test(v.type) ? v.delta : null) ??
      v.choices?.[0]?.delta?.content ??
      v.choices?.[0]?.message?.content ??
      v.candidates?.[0]?.content?.parts?.map((p) => p.text || "").join("") ??
      (Array.isArray(v.content) ? v.content.map((c) => c.text || "").join("") : null) ??
      v.output
        ?.flatMap((o) => o.content || [])
        .map((c) => c.text || "")
        .join("") ??
      ""
    );
  } catch {
    return "";
  }
}
function gist(e) {
  const text = words(e.data);
  if (text) return text;
  return e.data.length > 300 ? e.data.slice(0, 300) + "…" : e.data;
}
function answer(run, view, who) {
  const list = run.events,
    row = run.row,
    took = run.took ?? list.at(-1)?.at ?? 0,
    silences = list.slice(1).map((e, i) => e.at - list[i].at),
    longest = Math.max(0, ...silences);
  const fact = (name, value, tone = "") => (value == null ? "" : html`<div><span>${t(name)}</span> <b class="${tone}">${value}</b></div>`);
  const tokens = row?.tokens || {},
    prompt = (tokens.input || 0) + (tokens.cache_read || 0) + (tokens.cache_write_5m || 0) + (tokens.cache_write_1h || 0),
    streamed = row?.ttft_ms != null ? row.duration_ms - row.ttft_ms : 0;
  const seg = [
    ["events", html`${t("Events")} ${list.length}`],
    ["text", t("Text")],
    ["raw", t("Raw")],
  ];
  const shown = list.slice(-400);
  return html`<section aria-labelledby="h3" data-key="answer">
    <div class="sec">
      <h2 id="h3">${t("The answer as it came")}</h2>
      <span class="note">${t("sent {t} by {n}", { t: clock(run.at), n: who.name })}</span>
      <div class="right">
        <div class="seg" role="group" aria-label="${t("View")}">
          ${seg.map(([id, text]) => html`<button type="button" data-view="${id}" aria-pressed="${view === id}">${text}</button>`)}
        </div>
      </div>
    </div>
    <div class="facts" role="status">
      ${run.head ? html`<div><b class="${run.head.status >= 400 ? "bad" : ""}">${run.head.status}</b> <span>${row ? row.end : run.ended || t("under way")}</span></div>` : html`<div><span>${run.ended || t("waiting")}</span></div>`}${fact("first token", row?.ttft_ms == null ? null : ms(row.ttft_ms))}${fact("took", row ? ms(row.duration_ms) : took ? ms(took) : null)}${row && tokens.output && streamed > 50 ? fact("tokens/s", int((tokens.output / streamed) * 1000)) : ""}${longest > 0 ? fact("longest silence", ms(longest), longest > 1000 ? "warn" : "") : ""}${row?.tokens ? html`<div><span>${t("in")}</span> <b>${int(prompt)}</b> <span>${t("out")}</span> <b>${int(tokens.output || 0)}</b></div>` : ""}${row ? fact("cost", row.cost_usd == null ? t("no price") : usd4(row.cost_usd)) : ""}${row ? fact("Weir's own", html`${int(row.overhead_us)} µs`) : ""}${row?.account ? html`<div><span>${t("account")}</span> <b>${row.account}</b>${row.attempts.length > 1 ? html` <span class="warn">×${row.attempts.length}</span>` : ""}</div>` : ""}${run.id ? html`<a class="link" href="/console/live/${run.id}">${run.id.slice(0, 20)}</a>` : ""}
    </div>
    ${list.length ? ribbon(list, took) : ""}${
      view === "text"
        ? html`<pre class="code wrap" tabindex="0">${run.text || " "}</pre>`
        : view === "raw"
          ? html`<pre class="code" tabindex="0">
${(run.head?.headers || []).map(([n, v]) => `${n}: ${v}\n`).join("")}
${shown
                .slice(1)
                .map((e) => `${e.name ? `event: ${e.name}\n` : ""}data: ${e.data}\n\n`)
                .join("")}</pre>`
          : html`<div class="ev" tabindex="0" role="log" aria-live="off" aria-label="${t("Events as they came")}">
              <div class="hd">
                <span class="num">${t("since sent")}</span><span class="num">${t("after")}</span><span class="ty2">${t("event")}</span
                ><span>${t("content")}</span>
              </div>
              ${shown.map((e, i) => {
                const gap = i ? e.at - shown[i - 1].at : 0;
                return html`<div>
                  <span class="num">${ms(e.at)}</span><span class="num ${gap > 1000 ? "gap" : ""}">${i ? "+" + Math.round(gap) : ""}</span
                  ><span class="ty cut">${e.name}</span><span class="cut">${gist(e)}</span>
                </div>`;
              })}
            </div>`
    }${run.untold ? html`<p class="small dim">${t("{n} more events are not shown; they were {b} in all.", { n: int(run.untold), b: bytes(run.bytes) })}</p>` : ""}
  </section>`;
}
/** Waiting, one tick an event, silences over a second tinted. */
function ribbon(list, took) {
  const span = Math.max(took, 1),
    x = (v) => ((v / span) * 100).toFixed(2),
    first = list[0].at;
  let s = `<rect class="w" x="0" y="6" width="${x(first)}" height="8"/>`;
  for (let i = 1; i < list.length; i++)
    if (list[i].at - list[i - 1].at > 1000)
      s += `<rect class="gap" x="${x(list[i - 1].at)}" y="0" width="${x(list[i].at - list[i - 1].at)}" height="20"/>`;
  s += '<path class="base" d="M0 19.5h100"/>';
  let last = -1;
  for (const e of list) {
    const at = Math.round((e.at / span) * 400);
    if (at !== last) s += `<path class="t" d="M${x(e.at)} 3v14"/>`;
    last = at;
  }
  return html`${svg(`<svg class="ribbon" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="${t("Events")}: ${list.length}, ${ms(span)}">${s}</svg>`)}
    <div class="legend">
      <span><i class="sw f4"></i>${t("waiting")}</span><span><i class="sw f2"></i>${t("one event")}</span
      ><span
        ><svg class="g" viewBox="0 0 12 12" aria-hidden="true"><rect class="silent" y="1.5" width="9" height="9" rx="2" /></svg>
        ${t("silent for more than 1 s")}</span
      >
    </div>`;
}
