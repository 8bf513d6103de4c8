// Keys, Config and Audit: lists, each with one question.
import { $, bar, dur, glyph, html, int, put, say, si, usd, when } from "./ui.js";
import { get, now, post } from "./api.js";
import { configuration, failed } from "./shell.js";
import { t } from "./words.js";

const limit = (l) => { const used = l.cap ? l.used / l.cap : 0; return html`<div class="lim-row"><span class="mono small cut">${l.limit}</span>${bar(used, { tone: used >= .9 ? "warn" : "", label: `${l.limit}: ${Math.round(used * 100)} % used` })}<span class="num small nowrap">${l.limit.startsWith("usd") ? usd(l.remaining) : si(l.remaining)} <span class="faint">left of ${l.limit.startsWith("usd") ? usd(l.cap) : si(l.cap)}</span></span></div>`; };

/** Who may do what, and how much is left? */
export const keys = {
  open(main, { query, detail }) {
    let q = query.get("q") || detail || "", after = null, list = [], matched = 0, timer = 0, over = false;
    put(main, html`<h1 class="sr">${t("Keys")}</h1><div class="toolbar"><form class="find" role="search"><input data-find aria-label="Find a key or a group" placeholder="Find a key or a group" value="${q}"><kbd class="hide-s">/</kbd></form><div class="right small dim" id="count"></div></div><div id="list"></div>`);
    const row = (k) => html`<tr data-key="${k.name}"><td class="cut"><a class="b" href="/console/live?f=key:${k.name}">${k.name}</a>${k.expired ? html` <span class="warn small">expired</span>` : ""}</td><td class="cut h-s">${k.group || html`<span class="faint">–</span>`}</td><td class="num">${usd(k.use?.day.usd || 0)}</td><td class="num">${usd(k.use?.month.usd || 0)}</td><td class="num h-s">${int(k.use?.month.requests || 0)}</td><td>${k.use?.limits.length ? k.use.limits.map(limit) : html`<span class="faint">no limit</span>`}</td><td class="h-s small">${k.expires ? when(Date.parse(k.expires)) : html`<span class="faint">–</span>`}</td></tr>`;
    const draw = () => {
      $("#count").textContent = matched === list.length ? `${int(matched)}` : `${int(list.length)} of ${int(matched)}`;
      put($("#list"), list.length ? html`<table class="sp keys-t"><colgroup><col width="180"><col class="h-s" width="120"><col width="84"><col width="84"><col class="h-s" width="84"><col><col class="h-s" width="110"></colgroup><thead><tr><th>${t("Key")}</th><th class="h-s">${t("Group")}</th><th class="num">${t("Today")}</th><th class="num">${t("This month")}</th><th class="num h-s">${t("Requests")}</th><th>${t("Limits")}</th><th class="h-s">${t("Expires")}</th></tr></thead><tbody>${list.map(row)}</tbody></table>${after != null ? html`<p class="pad"><button class="btn" id="next">Show 200 more</button></p>` : ""}` : html`<div class="blank"><h2>${q ? `No key or group holds “${q}”` : "No key is configured"}</h2></div>`);
      const next = $("#next"); if (next) next.onclick = () => load(after);
    };
    const load = async (from = 0) => {
      try {
        const page = await get(`keys?after=${from}&q=${encodeURIComponent(q)}`);
        if (over) return;
        list = from ? list.concat(page.rows) : page.rows; matched = page.matched; after = page.after; draw();
      } catch (fault) { if (!over) put($("#list"), failed("Keys", fault)); }
    };
    $("form.find").onsubmit = (e) => e.preventDefault();
    $("[data-find]").oninput = (e) => { clearTimeout(timer); timer = setTimeout(() => { q = e.target.value.trim(); history.replaceState(null, "", "/console/keys" + (q ? "?q=" + encodeURIComponent(q) : "")); load(); }, 150); };
    load();
    return () => { over = true; clearTimeout(timer); };
  },
};

/** What is applied, and why not what is on disk? */
export const config = {
  open(main, { who }) {
    let over = false;
    const draw = (c) => {
      configuration(c);
      const same = c.disk_hash && c.disk_hash === c.applied_hash, bad = c.last_error;
      put(main, html`<h1 class="sr">${t("Config")}</h1><section><div class="sec"><h2>${bad ? html`${glyph("cross", "bad")} Config on disk is not applied` : same ? html`${glyph("ok")} disk = applied` : c.disk_hash ? html`${glyph("tri", "warn")} disk differs from what is applied` : "made without a file"}</h2><span class="note">generation ${c.generation}, applied ${when(Date.parse(c.applied_at))}, ${dur((now() - Date.parse(c.applied_at)) / 1000)} ago</span><div class="right">${who.role === "viewer" || !c.disk_hash ? "" : html`<button class="btn" id="reload">${t("Reload")}</button>`}</div></div>
<dl class="kv"><dt>${t("Applied")}</dt><dd class="mono cut">${c.applied_hash}</dd><dt>${t("On disk")}</dt><dd class="mono cut">${c.disk_hash || "–"}</dd></dl>
${bad ? html`<h3>Found ${when(Date.parse(bad.at))}</h3><pre class="code" tabindex="0">${bad.message}</pre>` : ""}</section>
${who.role === "admin" && c.disk_hash ? html`<section data-key="check"><div class="sec"><h2>Would this text start?</h2><span class="note">checked as you type by the checker that starts Weir; nothing is written</span></div><textarea class="field check" id="text" aria-label="Configuration to check" spellcheck="false" placeholder="version: 1"></textarea><div id="faults" role="status"></div></section>` : ""}`);
      const reload = $("#reload");
      if (reload) reload.onclick = async () => { reload.disabled = true; try { const done = await post("reload"); say(`Reload: ${done.result}`); } catch (fault) { say(fault.status === 422 ? "Reload: rejected, see below" : fault.message, "bad"); } load(); };
      const text = $("#text");
      if (text && !text.oninput) {
        let timer = 0, asked = 0;
        text.oninput = () => { clearTimeout(timer); timer = setTimeout(async () => {
          const mine = ++asked;
          if (!text.value.trim()) { put($("#faults"), ""); return; }
          try {
            const found = await post("config/check", { text: text.value });
            if (mine !== asked || over) return;
            put($("#faults"), found.faults.length ? html`<p class="bad small">${glyph("cross", "bad")} ${found.faults.length} faults</p><pre class="code" tabindex="0">${found.faults.join("\n")}</pre>` : html`<p class="small">${glyph("ok")} It would start.</p>${found.warnings.length ? html`<pre class="code" tabindex="0">${found.warnings.join("\n")}</pre>` : ""}`);
          } catch (fault) { put($("#faults"), html`<p class="bad small">${fault.message}</p>`); }
        }, 250); };
      }
    };
    const load = async () => { try { const c = await get("config"); if (!over) draw(c); } catch (fault) { if (!over) put(main, failed("Config", fault)); } };
    load();
    const timer = setInterval(() => { if (!document.hidden) load(); }, 5000);
    return () => { over = true; clearInterval(timer); };
  },
};

/** Who changed what? */
export const audit = {
  open(main) {
    let over = false;
    const dash = html`<span class="faint">–</span>`;
    const load = async () => {
      try {
        const { rows } = await get("audit");
        if (over) return;
        put(main, html`<h1 class="sr">${t("Audit")}</h1><div class="sec"><h2>${t("Audit")}</h2><span class="note">the last ${int(rows.length)} of this process, newest first; <code>admin.audit</code> keeps them</span></div>${rows.length ? html`<table class="sp audit-t"><colgroup><col width="120"><col width="150"><col width="150"><col><col class="h-s" width="140"><col class="h-s" width="140"><col class="h-s" width="140"></colgroup><thead><tr><th>${t("Time")}</th><th>${t("Who")}</th><th>${t("What")}</th><th>${t("Subject")}</th><th class="h-s">${t("From")}</th><th class="h-s">${t("To")}</th><th class="h-s">address</th></tr></thead><tbody>${rows.map((r) => html`<tr><td title="${r.time}">${when(Date.parse(r.time))}</td><td class="cut">${r.who || html`<span class="faint">unknown</span>`} <span class="faint">${r.role || ""}</span></td><td class="mono small cut ${r.action === "sign_in.refused" ? "warn" : ""}">${r.action}</td><td class="cut">${r.subject || dash}</td><td class="h-s cut">${r.from || dash}</td><td class="h-s cut">${r.to || dash}</td><td class="h-s mono small cut">${r.address || dash}</td></tr>`)}</tbody></table>` : html`<div class="blank"><h2>Nothing was changed since the start</h2></div>`}`);
      } catch (fault) { if (!over) put(main, failed("Audit", fault)); }
    };
    load();
    const timer = setInterval(() => { if (!document.hidden) load(); }, 5000);
    return () => { over = true; clearInterval(timer); };
  },
};
