// Keys: who may do what, and how much is left? Groups, projects and accounts stand beside them; an admin makes and changes
// those that live under `admin.fragments`.
import { $, ask, bar, glyph, html, int, menu, put, say, si, usd, when } from "./ui.js";
import { change, get, post } from "./api.js";
import { failed } from "./shell.js";
import { handOver, open as edit } from "./edit.js";
import { t } from "./words.js";

export const LISTS = { keys: "Keys", groups: "Groups", projects: "Projects", accounts: "Accounts", pools: "Pools" };
const dash = html`<span class="faint">–</span>`;
const limit = (l) => {
  const used = l.cap ? l.used / l.cap : 0;
  return html`<div class="lim-row">
    <span class="mono small cut">${l.limit}</span
    >${bar(used, { tone: used >= 0.9 ? "warn" : "", label: t("{w}: {n} % used", { w: l.limit, n: Math.round(used * 100) }) })}<span
      class="num small nowrap"
      >${l.limit.startsWith("usd") ? usd(l.remaining) : si(l.remaining)}
      <span class="faint">${t("left of {n}", { n: l.limit.startsWith("usd") ? usd(l.cap) : si(l.cap) })}</span></span
    >
  </div>`;
};
const limits = (row) => (row.use?.limits.length ? row.use.limits.map(limit) : html`<span class="faint">${t("no limit")}</span>`);

export function open(main, { who, query, detail, go }) {
  const list = LISTS[query.get("list")] ? query.get("list") : "keys";
  const address = (more = {}) => {
    const all = new URLSearchParams({ ...(list === "keys" ? {} : { list }), ...more });
    return "keys" + (all.size ? "?" + all : "");
  };
  if (query.has("new") || query.get("edit")) return edit(main, { list, name: query.get("edit") || "", go, back: () => go(address()) });
  let q = query.get("q") || detail || "",
    after = null,
    rows = [],
    matched = 0,
    timer = 0,
    over = false,
    kept = null;
  const may = who.role === "admin";
  put(
    main,
    html`<h1 class="sr">${t(LISTS[list])}</h1>
      <div class="toolbar">
        <div class="seg" role="group" aria-label="${t("Lists")}">
          ${Object.entries(LISTS).map(([name, text]) => html`<a href="/console/keys${name === "keys" ? "" : "?list=" + name}" ${name === list ? html`aria-current="true"` : ""}>${t(text)}</a>`)}
        </div>
        ${list === "keys" ? html`<form class="find" role="search"><input data-find aria-label="${t("Find a key or a group")}" placeholder="${t("Find a key or a group")}" value="${q}" /><kbd class="hide-s">/</kbd></form>` : html`<span class="grow"></span>`}
        <div class="right row"><span class="small dim" id="count"></span><span id="add"></span></div>
      </div>
      <div id="kept"></div>
      <div id="list"></div>`,
  );
  const made = (name) => kept?.lists?.[list]?.names.includes(name);
  const here = (name) =>
    made(name) && may && kept.writable
      ? html`<button class="btn quiet sm" data-more="${name}" aria-haspopup="menu" aria-label="${t("Actions")}: ${name}">•••</button>`
      : "";
  const use = (k) =>
    html`<td class="num">${usd(k.use?.day.usd || 0)}</td>
      <td class="num">${usd(k.use?.month.usd || 0)}</td>
      <td class="num h-s">${int(k.use?.month.requests || 0)}</td>
      <td>${limits(k)}</td>`;
  const TABLES = {
    keys: {
      head: html`<th>${t("Key")}</th>
        <th class="h-s">${t("Group")}</th>
        <th class="num">${t("Today")}</th>
        <th class="num">${t("Month")}</th>
        <th class="num h-s">${t("Requests")}</th>
        <th>${t("Limits")}</th>
        <th class="h-s">${t("Expires")}</th>`,
      cols: html`<col width="180" />
        <col class="h-s" width="120" />
        <col width="84" />
        <col width="84" />
        <col class="h-s" width="84" />
        <col />
        <col class="h-s" width="110" />`,
      row: (k) =>
        html`<td class="cut">
            <a class="b" href="/console/live?f=key:${k.name}">${k.name}</a
            >${k.expired ? html` <span class="warn small">${t("expired")}</span>` : ""}
          </td>
          <td class="cut h-s">${k.group || dash}</td>
          ${use(k)}
          <td class="h-s small">${k.expires ? when(Date.parse(k.expires)) : dash}</td>`,
    },
    groups: {
      head: html`<th>${t("Group")}</th>
        <th class="num h-s">${t("Keys")}</th>
        <th class="num">${t("Today")}</th>
        <th class="num">${t("Month")}</th>
        <th class="num h-s">${t("Requests")}</th>
        <th>${t("Limits")}</th>`,
      cols: html`<col width="180" />
        <col class="h-s" width="64" />
        <col width="84" />
        <col width="84" />
        <col class="h-s" width="84" />
        <col />`,
      row: (k) =>
        html`<td class="cut"><a class="b" href="/console/live?f=${list === "groups" ? "group" : "project"}:${k.name}">${k.name}</a></td>
          <td class="num h-s">${int(k.keys)}</td>
          ${use(k)}`,
    },
    accounts: {
      head: html`<th>${t("Account")}</th>
        <th>${t("State")}</th>
        <th class="num">${t("In flight")}</th>
        <th class="num h-s">${t("First byte")}</th>
        <th class="h-s">${t("Last failure")}</th>`,
      cols: html`<col width="220" />
        <col width="180" />
        <col width="84" />
        <col class="h-s" width="104" />
        <col class="h-s" />`,
      row: (a) =>
        html`<td class="cut"><a class="b" href="/console/live?f=account:${a.name}">${a.name}</a></td>
          <td class="cut ${a.state === "benched" ? "warn" : "dim"}">${a.state} <span class="small">${a.reason || ""}</span></td>
          <td class="num">${int(a.in_flight)}</td>
          <td class="num h-s">${a.first_byte_ms == null ? dash : `${int(a.first_byte_ms)} ms`}</td>
          <td class="h-s small cut">
            ${a.last_failure ? html`${a.last_failure.class} <span class="faint">${when(Date.parse(a.last_failure.at))}</span>` : dash}
          </td>`,
    },
  };
  TABLES.pools = {
    head: html`<th>${t("Pool")}</th>
      <th>${t("Accounts")}</th>
      <th class="num">${t("usable")}</th>
      <th class="h-s">${t("Chosen")}</th>
      <th class="h-s">${t("Fallback")}</th>`,
    cols: html`<col width="180" />
      <col />
      <col width="84" />
      <col class="h-s" width="120" />
      <col class="h-s" width="120" />`,
    row: (p) =>
      html`<td class="cut"><b>${p.name}</b></td>
        <td>${p.accounts.join(", ")}</td>
        <td class="num ${p.usable ? "" : "warn"}">${int(p.usable)} / ${int(p.accounts.length)}</td>
        <td class="h-s small">${p.select}</td>
        <td class="h-s cut">${p.fallback || dash}</td>`,
  };
  TABLES.projects = {
    ...TABLES.groups,
    head: html`<th>${t("Project")}</th>
      <th class="num h-s">${t("Keys")}</th>
      <th class="num">${t("Today")}</th>
      <th class="num">${t("Month")}</th>
      <th class="num h-s">${t("Requests")}</th>
      <th>${t("Limits")}</th>`,
  };
  const table = TABLES[list];
  const draw = () => {
    if (over) return;
    $("#count").textContent = matched === rows.length ? `${int(matched)}` : t("{n} of {m}", { n: int(rows.length), m: int(matched) });
    put(
      $("#list"),
      rows.length
        ? html`<table class="sp keys-t">
              <colgroup>
                ${table.cols}${may ? html`<col width="44" />` : ""}
              </colgroup>
              <thead>
                <tr>
                  ${table.head}${may ? html`<th><span class="sr">${t("Actions")}</span></th>` : ""}
                </tr>
              </thead>
              <tbody>
                ${rows.map(
                  (row) =>
                    html`<tr data-key="${row.name}">
                      ${table.row(row)}${may ? html`<td class="num">${here(row.name)}</td>` : ""}
                    </tr>`,
                )}
              </tbody>
            </table>
            ${after != null ? html`<p class="pad"><button class="btn" id="next">${t("Show 200 more")}</button></p>` : ""}`
        : html`<div class="blank"><h2>${q ? t("Nothing holds “{q}”", { q }) : t("There is none yet")}</h2></div>`,
    );
    const next = $("#next");
    if (next) next.onclick = () => load(after);
    if (!may || !kept) return;
    put($("#add"), kept.writable ? html`<button class="btn primary sm" id="new">${t("New")} …</button>` : "");
    const fault = kept.lists?.[list]?.fault;
    put(
      $("#kept"),
      kept.writable && !fault
        ? ""
        : html`<p class="small dim pad-s" role="note">
            ${glyph("diamond")}
            ${fault ? `${kept.lists[list].file}: ${fault}.` : t("Nothing can be changed from here: {why}", { why: kept.why })}
          </p>`,
    );
    const add = $("#new");
    if (add) add.onclick = () => go(address({ new: 1 }));
  };
  const load = async (from = 0) => {
    try {
      const page = await get(list === "keys" ? `keys?after=${from}&q=${encodeURIComponent(q)}` : list);
      if (over) return;
      if (Array.isArray(page)) {
        rows = page;
        matched = page.length;
        after = null;
      } else {
        rows = from ? rows.concat(page.rows) : page.rows;
        matched = page.matched;
        after = page.after;
      }
      draw();
    } catch (fault) {
      if (!over) put($("#list"), failed(t(LISTS[list]), fault));
    }
  };
  const find = $("form.find");
  if (find) {
    find.onsubmit = (e) => e.preventDefault();
    $("[data-find]").oninput = (e) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        q = e.target.value.trim();
        history.replaceState(null, "", "/console/" + address(q ? { q } : {}));
        load();
      }, 150);
    };
  }
  main.onclick = (e) => {
    const b = e.target.closest("[data-more]");
    if (b) actions(b, list, b.dataset.more, { go, address, reload: start });
  };
  async function start() {
    if (may) kept = await get("fragments").catch(() => null);
    load();
  }
  start();
  return () => {
    over = true;
    clearTimeout(timer);
    main.onclick = null;
  };
}

function actions(button, list, name, { go, address, reload }) {
  const path = `${list}/${encodeURIComponent(name)}`;
  const run = async (what) => {
    try {
      await what();
    } catch (fault) {
      say(`${name}: ${fault.message}`, "bad");
    }
    reload();
  };
  const sure = (title, body, verb) =>
    ask({
      title,
      body,
      foot: html`<button class="btn" value="" autofocus>${t("Cancel")}</button><button class="btn danger" value="yes">${verb}</button>`,
    });
  const items = [{ t: t("Change") + " …", act: () => go(address({ edit: name })) }];
  if (list === "keys")
    items.push(
      {
        t: t("Rotate") + " …",
        hint: t("another key"),
        act: async () => {
          if (
            await sure(
              `${t("Rotate")} ${name}?`,
              html`<p>${t("The key that is in use ends at once; the new one is shown once.")}</p>`,
              t("Rotate"),
            )
          )
            run(async () => handOver(await post(`${path}/rotate`)));
        },
      },
      {
        t: t("Expire now") + " …",
        hint: t("it stays in the list"),
        act: async () => {
          if (await sure(`${name}: ${t("Expire now")}?`, html`<p>${t("Its requests are refused from now on.")}</p>`, t("Expire now")))
            run(() => change("PATCH", path, { expires: new Date().toISOString() }));
        },
      },
    );
  if (list === "accounts")
    items.push({
      t: t("Test"),
      hint: t("asks for its models"),
      act: () =>
        run(async () => {
          const r = await post(`${path}/test`);
          say(`${name}: ${tested(r)}`, r.result === "fine" ? "" : "bad");
        }),
    });
  items.push(null, {
    t: (list === "keys" ? t("Revoke") : t("Take away")) + " …",
    act: async () => {
      if (
        await sure(
          `${list === "keys" ? t("Revoke") : t("Take away")} ${name}?`,
          html`<p>
            ${list === "keys" ? t("Its requests are refused from now on, and it leaves the lists.") : t("What refers to it must be changed first; else this is refused.")}
          </p>`,
          list === "keys" ? t("Revoke") : t("Take away"),
        )
      )
        run(() => change("DELETE", path));
    },
  });
  menu(button, items);
}
/** What a test of an account says, in a line. */
export const tested = (r) =>
  `${r.result}${r.status ? `, ${r.status}` : ""}, ${int(r.latency_ms)} ms${r.models?.length ? `, ${t("{n} models", { n: int(r.models.length) })}` : ""}${r.detail ? `: ${r.detail}` : ""}`;
