// Making and changing a key, a group, a project or an account: a form and the settings that it makes, what would change, and then
// one rename on disk.
import { $, $$, ask, glyph, html, int, put, say } from "./ui.js";
import { change, dataPlane, get } from "./api.js";
import { failed } from "./shell.js";
import { limits } from "./limits.js";
import { diff } from "./diff.js";
import { t } from "./words.js";

const TITLES = {
  keys: ["New key", "Change key"],
  groups: ["New group", "Change group"],
  projects: ["New project", "Change project"],
  accounts: ["New account", "Change account"],
  pools: ["New pool", "Change pool"],
};
const LIMITS = limits.map((name) => [`limits.${name}`, name, "n"]);
const PROVIDERS = [
  "anthropic",
  "openai",
  "gemini",
  "azure-openai",
  "openrouter",
  "deepseek",
  "moonshot",
  "bigmodel",
  "siliconflow",
  "openai-compatible",
  "anthropic-compatible",
  "openai-legacy",
  "vllm",
  "ollama",
];
// Path of the setting, its word (that of the YAML), kind: s text, n number, l list, b truth, t time, p secret.
const FIELDS = {
  keys: [
    ["group", "group", "s", "groups"],
    ["pools", "pools", "l", "pools"],
    ["models", "models", "l"],
    ["project", "project", "s", "projects"],
    ["expires", "expires", "t"],
    ...LIMITS,
    ["debug", "debug", "b"],
  ],
  groups: LIMITS,
  projects: LIMITS,
  pools: [
    ["accounts", "accounts", "l", "accounts"],
    ["select", "select", "s"],
    ["affinity", "affinity", "s"],
    ["fallback", "fallback", "s", "pools"],
  ],
  accounts: [
    ["provider", "provider", "o"],
    ["key", "key", "p"],
    ["base_url", "base_url", "s"],
    ["models", "models", "l"],
    ["weight", "weight", "n"],
    ["priority", "priority", "n"],
    ["egress", "egress", "p"],
    ["limits.concurrency", "concurrency", "n"],
    ["limits.rpm", "rpm", "n"],
    ["limits.tpm", "tpm", "n"],
  ],
};
const HINTS = {
  models: "claude-*, gpt-5*",
  accounts: "claude-a, claude-b",
  select: "weighted",
  affinity: "session",
  fallback: "gpt",
  pools: "claude, gpt",
  expires: "2027-01-01T00:00:00Z",
  base_url: "https://…",
  egress: "socks5://user:password@host:1080",
};
const reach = (o, path) => path.split(".").reduce((v, k) => v?.[k], o);
function set(o, path, value) {
  const [head, rest] = path.split(".");
  if (rest) {
    const inner = { ...(o[head] || {}) };
    set(inner, rest, value);
    if (Object.keys(inner).length) o[head] = inner;
    else delete o[head];
  } else if (value === "" || value == null || value === false || (Array.isArray(value) && !value.length)) delete o[head];
  else o[head] = value;
}

export function open(main, { list, name, go, back }) {
  let over = false,
    settings = { name: "" },
    revision = null,
    plan = null,
    busy = false,
    fault = null,
    untested = false;
  const fresh = !name,
    fields = FIELDS[list],
    path = fresh ? list : `${list}/${encodeURIComponent(name)}`,
    title = t(TITLES[list][fresh ? 0 : 1]);
  if (fresh && list === "accounts") settings.provider = "anthropic";
  const value = ([at, , kind]) => {
    const v = reach(settings, at);
    return v == null ? "" : kind === "l" ? (Array.isArray(v) ? v.join(", ") : JSON.stringify(v)) : String(v);
  };
  const field = (f) => {
    const [at, word, kind, from] = f,
      id = "f-" + at.replace(".", "-");
    if (kind === "o")
      return html`<label for="${id}" class="mono">${word}</label
        ><select class="field" id="${id}" data-at="${at}">
          ${[...new Set([settings.provider, ...PROVIDERS])].filter(Boolean).map((p) => html`<option ${p === settings.provider ? html`selected` : ""}>${p}</option>`)}
        </select>`;
    if (kind === "b")
      return html`<label for="${id}" class="mono">${word}</label
        ><input type="checkbox" id="${id}" data-at="${at}" ${value(f) ? html`checked` : ""} />`;
    return html`<label for="${id}" class="mono">${word}</label
      ><input
        class="field"
        id="${id}"
        data-at="${at}"
        value="${value(f)}"
        placeholder="${HINTS[at] || ""}"
        spellcheck="false"
        autocomplete="off"
        ${kind === "p" ? html`type="password"` : ""}
        ${kind === "n" ? html`inputmode="decimal"` : ""}
        ${from ? html`list="of-${from}"` : ""}
      />`;
  };
  const text = () => JSON.stringify(settings, null, 2);
  const draw = () => {
    put(
      main,
      html`<h1 class="sr">${title}</h1>
        <div class="try edit-p">
          <form class="left" aria-label="${title}">
            <div class="sec"><h2>${title}${fresh ? "" : html` <span class="mono">${name}</span>`}</h2></div>
            <div class="form wide">
              <label for="f-name" class="mono">name</label
              ><input
                class="field"
                id="f-name"
                data-at="name"
                value="${settings.name || ""}"
                ${fresh ? "" : html`disabled`}
                spellcheck="false"
                autocomplete="off"
                required
              />${fields.map(field)}
            </div>
            <details class="all" ${fault ? html`open` : ""}>
              <summary class="small">${t("All settings, as JSON")}</summary>
              <textarea class="field check" id="all" aria-label="${t("All settings, as JSON")}" spellcheck="false">${text()}</textarea>
            </details>
            ${list === "accounts" ? html`<label class="row small"><input type="checkbox" id="untested" ${untested ? html`checked` : ""} /> ${t("Save it even if the upstream refuses the test")}</label>` : ""}
            <div class="row wrap">
              <button class="btn" id="look">${t("What would change")}</button
              ><button type="button" class="btn primary" id="save" ${plan && !busy ? "" : html`disabled`}>${t("Save")}</button
              ><button type="button" class="btn quiet" id="back">${t("Cancel")}</button>
            </div>
            <datalist id="of-groups"></datalist><datalist id="of-projects"></datalist><datalist id="of-pools"></datalist>
          </form>
          <div class="try-r" id="result" tabindex="-1" aria-live="polite"></div>
        </div>`,
    );
    bind();
    result();
  };
  const result = () =>
    put(
      $("#result"),
      html`${
        fault
          ? html`<p class="bad pad" role="alert">${glyph("cross", "bad")} ${fault.message}</p>
              ${fault.value?.faults?.length ? html`<pre class="code" tabindex="0">${fault.value.faults.join("\n")}</pre>` : ""}`
          : ""
      }${
        plan
          ? html`<div class="sec">
                <h2>${t("What would change")}</h2>
                <span class="note mono cut">${plan.file}</span>
              </div>
              ${diff(plan.before || {}, plan.after || {}, { left: t("Before"), right: t("After") })}${
                plan.test?.length
                  ? html`<h3 class="pad-t">${t("Test at the upstream")}</h3>
                      <ul class="list">
                        ${plan.test.map(
                          (r) =>
                            html`<li>
                              ${glyph(r.result === "fine" || r.result === "no_list" ? "ok" : "cross", r.result === "fine" || r.result === "no_list" ? "" : "bad")}<span
                                class="t"
                                ><b>${r.account}</b> ${r.result}${r.status ? `, ${r.status}` : ""}, ${int(r.latency_ms)}
                                ms${r.models.length ? `, ${t("{n} models", { n: int(r.models.length) })}` : ""}${r.detail ? html` <span class="dim">${r.detail}</span>` : ""}</span
                              >
                            </li>`,
                        )}
                      </ul>`
                  : ""
              }${
                plan.warnings?.length
                  ? html`<h3 class="pad-t">${t("Warnings")}</h3>
                      <pre class="code" tabindex="0">${plan.warnings.join("\n")}</pre>`
                  : ""
              }`
          : fault
            ? ""
            : html`<div class="blank">
                <p class="dim">
                  ${t("Nothing is written before you save. The checker that starts Weir reads it first; what it finds stands here.")}
                </p>
              </div>`
      }`,
    );
  const forget = () => {
    plan = null;
    fault = null;
    $("#save").disabled = true;
    result();
  };
  const query = (dry) => `${dry ? "?dry_run" : "?"}${untested ? "&test=false" : ""}`.replace(/\?$/, "").replace("?&", "?");
  const send = (dry) => change(fresh ? "POST" : "PUT", path + query(dry), settings, revision ? { "if-match": `"${revision}"` } : {});
  async function look() {
    busy = true;
    try {
      plan = await send(true);
      fault = null;
      revision = revision || (fresh ? null : plan.revision);
    } catch (found) {
      plan = found.value?.after ? found.value : null;
      fault = found;
    }
    busy = false;
    if (!over) {
      $("#save").disabled = !plan || !!fault;
      result();
      $("#result").focus();
    }
  }
  async function save() {
    busy = true;
    $("#save").disabled = true;
    try {
      const done = await send(false);
      if (done.key) await handOver(done);
      say(`${done.name}: ${t("saved, generation {n}", { n: done.generation })}`);
      if (!over) back();
    } catch (found) {
      fault = found;
      busy = false;
      if (!over) {
        result();
        $("#save").disabled = false;
        $("#result").focus();
      }
    }
  }
  function bind() {
    const form = $("form.left");
    // What somebody has typed is a property, which no attribute changes.
    for (const input of $$("[data-at]", form)) {
      const f = fields.find(([at]) => at === input.dataset.at) || ["name", "name", "s"];
      if (input.type === "checkbox") input.checked = !!value(f);
      else input.value = value(f);
    }
    $("#all").value = text();
    form.onsubmit = (e) => {
      e.preventDefault();
      look();
    };
    for (const input of $$("[data-at]", form))
      input.oninput = () => {
        const f = fields.find(([at]) => at === input.dataset.at) || ["name", "name", "s"],
          raw = input.type === "checkbox" ? input.checked : input.value.trim();
        set(
          settings,
          f[0],
          f[2] === "n" && raw !== ""
            ? Number.isFinite(+raw)
              ? +raw
              : raw
            : f[2] === "l"
              ? raw.startsWith("{")
                ? safely(raw)
                : raw
                    .split(",")
                    .map((x) => x.trim())
                    .filter(Boolean)
              : raw,
        );
        $("#all").value = text();
        forget();
      };
    $("#all").onchange = (e) => {
      try {
        settings = JSON.parse(e.target.value);
        forget();
        draw();
      } catch (bad) {
        fault = { message: `${t("The body is no JSON")}: ${bad.message}` };
        result();
      }
    };
    const skip = $("#untested");
    if (skip)
      skip.onchange = () => {
        untested = skip.checked;
        forget();
      };
    $("#save").onclick = save;
    $("#back").onclick = back;
  }
  const safely = (raw) => {
    try {
      return JSON.parse(raw);
    } catch {
      return raw;
    }
  };
  const start = async () => {
    if (!fresh) {
      try {
        const one = await get(path);
        if (over) return;
        if (one.made !== "here") {
          put(main, failed(name, { status: 409, message: t("it stands in the operator's own configuration") }));
          return;
        }
        settings = one.settings;
        revision = one.revision;
      } catch (bad) {
        if (!over) put(main, failed(name, bad));
        return;
      }
    }
    draw();
    $(fresh ? "#f-name" : "[data-at]:not([disabled])")?.focus();
    const known = (id, names) => {
      const el = $(id);
      if (el) put(el, html`${[...new Set(names)].map((n) => html`<option value="${n}"></option>`)}`);
    };
    get("groups")
      .then((r) =>
        known(
          "#of-groups",
          r.rows.map((x) => x.name),
        ),
      )
      .catch(() => {});
    get("projects")
      .then((r) =>
        known(
          "#of-projects",
          r.rows.map((x) => x.name),
        ),
      )
      .catch(() => {});
    get("now")
      .then((r) =>
        known(
          "#of-pools",
          r.pools.map((x) => x.name),
        ),
      )
      .catch(() => {});
  };
  start();
  return () => {
    over = true;
  };
}

/** A key that was made: shown this once, with what each client wants to be told. */
export async function handOver({ name, key }) {
  if (!key) return;
  const at = await dataPlane();
  const SETUP = {
    "Claude Code": `export ANTHROPIC_BASE_URL=${at}\nexport ANTHROPIC_AUTH_TOKEN=${key}`,
    Codex: `export OPENAI_BASE_URL=${at}/v1\nexport OPENAI_API_KEY=${key}`,
    "Gemini CLI": `export GOOGLE_GEMINI_BASE_URL=${at}\nexport GEMINI_API_KEY=${key}`,
    curl: `curl -s ${at}/v1/models -H "authorization: Bearer ${key}"`,
  };
  const shown = ask({
    title: t("The key of {name}", { name }),
    body: html`<p>${t("Copy it now: it is shown only this once, and only its digest is kept.")}</p>
      <pre class="code" id="made" tabindex="0">${key}</pre>
      <p class="small dim">${t("Set-up, with the address of your data plane:")}</p>
      ${Object.entries(SETUP).map(
        ([client, lines]) =>
          html`<details>
            <summary class="small">${client}</summary>
            <pre class="code" tabindex="0">${lines}</pre>
          </details>`,
      )}`,
    foot: html`<button class="btn" type="button" id="copy">${t("Copy")}</button
      ><button class="btn primary" value="yes" autofocus>${t("I have it")}</button>`,
  });
  const copy = $("#copy");
  if (copy)
    copy.onclick = () =>
      navigator.clipboard?.writeText(key).then(() => {
        copy.textContent = t("Copied");
      });
  await shown;
}
