// Config and Audit: each with one question.
import { $, ask, dur, glyph, html, int, put, say, when } from "./ui.js";
import { change, get, now, post } from "./api.js";
import { configuration, failed } from "./shell.js";
import { texts as compare } from "./diff.js";
import { t } from "./words.js";

/** What is applied, and why not what is on disk? */
export const config = {
  open(main, { who, query }) {
    let over = false,
      state = null,
      shown = null,
      asked = "",
      of = query.get("of") || "",
      own = null;
    const draw = (c) => {
      state = c;
      configuration(c);
      const same = c.disk_hash && c.disk_hash === c.applied_hash,
        bad = c.last_error;
      put(
        main,
        html`<h1 class="sr">${t("Config")}</h1>
          <section>
            <div class="sec">
              <h2>
                ${bad ? html`${glyph("cross", "bad")} ${t("Config on disk is not applied")}` : same ? html`${glyph("ok")} ${t("disk = applied")}` : c.disk_hash ? html`${glyph("tri", "warn")} ${t("disk differs from what is applied")}` : t("made without a file")}
              </h2>
              <span class="note"
                >${t("generation {n}, applied {t}, {d} ago", { n: c.generation, t: when(Date.parse(c.applied_at)), d: dur((now() - Date.parse(c.applied_at)) / 1000) })}</span
              >
              <div class="right">
                ${who.role === "viewer" || !c.disk_hash ? "" : html`<button class="btn" id="reload">${t("Reload")}</button>`}
              </div>
            </div>
            <dl class="kv">
              <dt>${t("Applied")}</dt>
              <dd class="mono cut">${c.applied_hash}</dd>
              <dt>${t("On disk")}</dt>
              <dd class="mono cut">${c.disk_hash || "–"}</dd>
            </dl>
            ${
              bad
                ? html`<h3>${t("Found {t}", { t: when(Date.parse(bad.at)) })}</h3>
                    <pre class="code" tabindex="0">${bad.message}</pre>`
                : ""
            }
          </section>
          <section data-key="text">
            <div class="sec">
              <h2>${t("Text")}</h2>
              <span class="note hide-s">${t("secrets read ***")}</span>
              <div class="right">
                <label class="small dim" for="of">${t("compared with")}</label
                ><select class="field" id="of">
                  <option value="">${t("nothing")}</option>
                  ${c.disk_hash ? html`<option value="disk" ${of === "disk" ? html`selected` : ""}>${t("what is on disk")}</option>` : ""}${(shown?.generations || []).slice(1).map((g) => html`<option value="${g.generation}" ${of === String(g.generation) ? html`selected` : ""}>${t("generation {n}", { n: g.generation })}, ${when(Date.parse(g.applied_at))}</option>`)}
                </select>
              </div>
            </div>
            <div id="texts">${shown ? files() : ""}</div>
          </section>
          ${
            who.role === "admin" && c.disk_hash
              ? html`<section data-key="check">
                  <div class="sec">
                    <h2>${c.edit ? t("The file") : t("Would this text start?")}</h2>
                    <span class="note"
                      >${c.edit ? t("checked as you type; written only when you save") : t("checked as you type by the checker that starts Weir; nothing is written")}</span
                    >${c.edit ? html`<div class="right"><button class="btn" id="take">${t("Read it")}</button><button class="btn primary" id="save" disabled>${t("Save")} …</button></div>` : ""}
                  </div>
                  <textarea
                    class="field check"
                    id="text"
                    aria-label="${t("Configuration to check")}"
                    spellcheck="false"
                    placeholder="version: 1"
                  ></textarea>
                  <div id="faults" role="status"></div>
                </section>`
              : ""
          }`,
      );
      const reload = $("#reload");
      if (reload) reload.onclick = () => reloading(reload);
      $("#of").onchange = (e) => {
        of = e.target.value;
        history.replaceState(null, "", "/console/config" + (of ? "?of=" + of : ""));
        texts();
      };
      const text = $("#text");
      if (text && !text.oninput) check(text);
      const take = $("#take"),
        save = $("#save");
      if (take) {
        take.onclick = () => taking(text, save);
        save.onclick = () => saving(text, save);
        save.disabled = !own;
      }
      texts();
    };
    /** @returns {any} Whatever of the files is not the same, and files that only one of both has. */
    const changes = (before, after) => {
      const names = [...new Set([...before, ...after].map((f) => f.file))],
        of_ = (list, name) => list.find((f) => f.file === name);
      const parts = names
        .map((name) => [name, of_(before, name), of_(after, name)])
        .filter(([, a, b]) => !a || !b || a.text !== b.text || a.text == null);
      return parts.length
        ? parts.map(
            ([name, a, b]) =>
              html`<h3 class="mono">${name}</h3>
                ${(a && a.text == null) || (b && b.text == null) ? html`<p class="small warn">${t("It is no YAML, so that nobody knows where its secrets are.")}</p>` : compare(a?.text || "", b?.text || "")}`,
          )
        : html`<p class="small dim">${t("No difference but in secrets, if any.")}</p>`;
    };
    const files = () =>
      !of
        ? shown.files.map(
            (f) =>
              html`<details ${shown.files.length === 1 ? html`open` : ""}>
                <summary class="mono small">${f.file}</summary>
                <pre class="code tall" tabindex="0">${f.text ?? ""}</pre>
              </details>`,
          )
        : !shown.other
          ? ""
          : shown.other.fault
            ? html`<p class="bad small">${shown.other.fault}</p>`
            : of === "disk"
              ? changes(shown.files, shown.other.files)
              : changes(shown.other.files, shown.files);
    async function texts() {
      const key = `${state.applied_hash} ${state.disk_hash} ${of}`;
      if (key === asked) return;
      asked = key;
      try {
        const own = await get("config/text"),
          other = of
            ? await get(`config/text?of=${of}`).catch((fault) => ({ fault: fault.value?.faults?.join("\n") || fault.message }))
            : null;
        if (over || asked !== key) return;
        shown = { ...own, other };
        draw(state);
      } catch (fault) {
        if (!over) put($("#texts"), html`<p class="bad small">${fault.message}</p>`);
      }
    }
    /** What a reload would change stands before it. */
    async function reloading(button) {
      let body = html`<p>${t("What is on disk is what is applied; secrets are read again.")}</p>`;
      if (state.disk_hash !== state.applied_hash) {
        try {
          const [a, b] = await Promise.all([get("config/text"), get("config/text?of=disk")]);
          body = changes(a.files, b.files);
        } catch (fault) {
          body = html`<p class="bad">${fault.message}</p>`;
        }
      }
      if (
        !(await ask({
          title: t("Reload") + "?",
          body: html`<div class="tall-d">${body}</div>`,
          foot: html`<button class="btn" value="">${t("Cancel")}</button
            ><button class="btn primary" value="yes" autofocus>${t("Reload")}</button>`,
        }))
      )
        return;
      button.disabled = true;
      try {
        const done = await post("reload");
        say(
          `${t("Reload")}: ${done.result}${done.needs_restart?.length ? `; ${done.needs_restart.join(", ")}: ${t("needs a restart")}` : ""}`,
        );
      } catch (fault) {
        say(fault.status === 422 ? t("Reload: rejected, see below") : fault.message, "bad");
      }
      load();
    }
    /** The file as it is, secrets and all: only where `console.edit` allows it. */
    async function taking(text, save) {
      try {
        own = await get("config/file");
        text.value = own.text;
        text.dispatchEvent(new Event("input"));
        save.disabled = false;
      } catch (fault) {
        say(fault.message, "bad");
      }
    }
    async function saving(text, save) {
      const body =
        own.text === text.value
          ? html`<p>${t("Nothing is changed.")}</p>`
          : html`<p class="mono small">${own.file}</p>
              <div class="tall-d">${compare(own.text, text.value)}</div>`;
      if (
        !(await ask({
          title: t("Save") + "?",
          body,
          foot: html`<button class="btn" value="">${t("Cancel")}</button
            ><button class="btn primary" value="yes" autofocus>${t("Save")}</button>`,
        }))
      )
        return;
      save.disabled = true;
      try {
        const done = await change("PUT", "config", { text: text.value }, { "if-match": `"${own.revision}"` });
        own = { ...own, text: text.value, revision: done.revision };
        say(
          `${t("Save")}: ${t("applied as generation {n}", { n: done.generation })}${done.needs_restart?.length ? `; ${done.needs_restart.join(", ")}: ${t("needs a restart")}` : ""}`,
        );
      } catch (fault) {
        say(fault.message, "bad");
      }
      save.disabled = false;
      load();
    }
    function check(text) {
      let timer = 0,
        last = 0;
      text.oninput = () => {
        clearTimeout(timer);
        timer = setTimeout(async () => {
          const mine = ++last;
          if (!text.value.trim()) {
            put($("#faults"), "");
            return;
          }
          try {
            const found = await post("config/check", { text: text.value });
            if (mine !== last || over) return;
            put(
              $("#faults"),
              found.faults.length
                ? html`<p class="bad small">${glyph("cross", "bad")} ${t("Faults: {n}", { n: found.faults.length })}</p>
                    <pre class="code" tabindex="0">${found.faults.join("\n")}</pre>`
                : html`<p class="small">${glyph("ok")} ${t("It would start.")}</p>
                    ${found.warnings.length ? html`<pre class="code" tabindex="0">${found.warnings.join("\n")}</pre>` : ""}`,
            );
          } catch (fault) {
            put($("#faults"), html`<p class="bad small">${fault.message}</p>`);
          }
        }, 250);
      };
    }
    const load = async () => {
      try {
        const c = await get("config");
        if (!over) draw(c);
      } catch (fault) {
        if (!over) put(main, failed(t("Config"), fault));
      }
    };
    load();
    const timer = setInterval(() => {
      if (!document.hidden) load();
    }, 5000);
    return () => {
      over = true;
      clearInterval(timer);
    };
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
        put(
          main,
          html`<h1 class="sr">${t("Audit")}</h1>
            <div class="sec">
              <h2>${t("Audit")}</h2>
              <span class="note"
                >${t("the last {n} of this process, newest first", { n: int(rows.length) })}<span class="hide-s"
                  >; ${t("a file of `admin.audit` keeps them")}</span
                ></span
              >
            </div>
            ${
              rows.length
                ? html`<table class="sp audit-t">
                    <colgroup>
                      <col class="c-when" />
                      <col class="c-who" />
                      <col class="c-what" />
                      <col />
                      <col class="h-s" width="140" />
                      <col class="h-s" width="140" />
                      <col class="h-s" width="140" />
                    </colgroup>
                    <thead>
                      <tr>
                        <th>${t("Time")}</th>
                        <th>${t("Who")}</th>
                        <th>${t("What")}</th>
                        <th>${t("Subject")}</th>
                        <th class="h-s">${t("From")}</th>
                        <th class="h-s">${t("To")}</th>
                        <th class="h-s">${t("Address")}</th>
                      </tr>
                    </thead>
                    <tbody>
                      ${rows.map(
                        (r) =>
                          html`<tr>
                            <td title="${r.time}">${when(Date.parse(r.time))}</td>
                            <td class="cut">
                              ${r.who || html`<span class="faint">${t("unknown")}</span>`} <span class="faint">${r.role || ""}</span>
                            </td>
                            <td class="mono small cut ${r.action === "sign_in.refused" ? "warn" : ""}">${r.action}</td>
                            <td class="cut">${r.subject || dash}</td>
                            <td class="h-s cut">${r.from || dash}</td>
                            <td class="h-s cut">${r.to || dash}</td>
                            <td class="h-s mono small cut">${r.address || dash}</td>
                          </tr>`,
                      )}
                    </tbody>
                  </table>`
                : html`<div class="blank"><h2>${t("Nothing was changed since the start")}</h2></div>`
            }`,
        );
      } catch (fault) {
        if (!over) put(main, failed(t("Audit"), fault));
      }
    };
    load();
    const timer = setInterval(() => {
      if (!document.hidden) load();
    }, 5000);
    return () => {
      over = true;
      clearInterval(timer);
    };
  },
};
