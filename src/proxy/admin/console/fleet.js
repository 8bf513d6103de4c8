// Fleet: do the hosts agree? From the Prometheus of the configuration.
import { dur, glyph, html, int, put, when } from "./ui.js";
import { get, now } from "./api.js";
import { failed } from "./shell.js";
import { t } from "./words.js";

export function open(main) {
  let over = false;
  const dash = html`<span class="faint">–</span>`;
  const row = (h) =>
    html`<tr data-key="${h.instance}">
      <td class="cut"><b>${h.instance || "–"}</b></td>
      <td class="mono small cut">${h.version || dash} <span class="faint hide-s">${(h.revision || "").slice(0, 9)}</span></td>
      <td class="num h-s">${h.generation == null ? dash : int(h.generation)}</td>
      <td class="mono small cut ${h.same_as_here === false ? "warn" : ""}">
        ${h.same_as_here === false ? glyph("tri", "warn") : ""} ${(h.hash || "–").slice(0, 12)}
      </td>
      <td class="cut-l">
        ${h.reload_ok === false ? html`${glyph("cross", "bad")} <span class="bad">${t("disk not applied")}</span>` : h.applied_at ? html`<span title="${h.applied_at}">${when(Date.parse(h.applied_at))}</span>` : dash}
      </td>
      <td class="num h-s">${h.started_at ? dur((now() - Date.parse(h.started_at)) / 1000) : dash}</td>
      <td class="num h-s">${h.in_flight == null ? dash : int(h.in_flight)}</td>
    </tr>`;
  const load = async () => {
    try {
      const f = await get("fleet");
      if (over) return;
      const drift = f.configurations > 1 || f.versions > 1;
      put(
        main,
        html`<h1 class="sr">${t("Fleet")}</h1>
          ${
            f.hosts.length
              ? html`<section>
                  <div class="sec">
                    <h2>
                      ${drift ? html`${glyph("tri", "warn")} ${t("Hosts: {n}, configurations: {c}, versions: {v}", { n: f.hosts.length, c: f.configurations, v: f.versions })}` : html`${glyph("ok")} ${t("{n} hosts agree", { n: f.hosts.length })}`}
                    </h2>
                    <span class="note cut">${f.source}, ${when(Date.parse(f.at))}</span>
                  </div>
                  <table class="sp fleet-t">
                    <colgroup>
                      <col />
                      <col class="c-version" />
                      <col class="h-s" width="84" />
                      <col class="c-hash" />
                      <col class="c-applied" />
                      <col class="h-s" width="84" />
                      <col class="c-flight h-s" />
                    </colgroup>
                    <thead>
                      <tr>
                        <th>${t("Host")}</th>
                        <th>${t("Version")}</th>
                        <th class="num h-s">${t("Generation")}</th>
                        <th>${t("Configuration")}</th>
                        <th>${t("Applied")}</th>
                        <th class="num h-s">${t("Up for")}</th>
                        <th class="num h-s">${t("In flight")}</th>
                      </tr>
                    </thead>
                    <tbody>
                      ${f.hosts.map(row)}
                    </tbody>
                  </table>
                  <p class="small dim pad-s">${t("A mark stands where the configuration is another than this process has in force.")}</p>
                </section>`
              : html`<div class="blank">
                  <h2>${f.source ? html`${glyph("cross", "bad")} ${f.source}` : t("No Prometheus is configured")}</h2>
                  <p class="dim">
                    ${f.source ? f.why || t("It knows of no weir.") : t("With one, this page compares versions and configurations of every host that it scrapes:")}
                  </p>
                  ${f.source ? "" : html`<pre class="code" tabindex="0">prometheus: { url: http://127.0.0.1:9090 }</pre>`}
                </div>`
          }`,
      );
    } catch (fault) {
      if (!over) put(main, failed(t("Fleet"), fault));
    }
  };
  load();
  const timer = setInterval(() => {
    if (!document.hidden) load();
  }, 10000);
  return () => {
    over = true;
    clearInterval(timer);
  };
}
