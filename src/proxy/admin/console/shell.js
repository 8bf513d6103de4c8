// The frame of every page: top bar, tabs, banners, keyboard, sign-in.
import { $, $$, ask, clock, dur, glyph, html, menu, put } from "./ui.js";
import { Fault, get, now, post, remove, skew } from "./api.js";
import { choose, chinese, said, t } from "./words.js";

const PAGES = [
  ["now", "Now", "n"],
  ["live", "Live", "l"],
  ["try", "Try", "t"],
  ["spend", "Spend", "s"],
  ["keys", "Keys", "k"],
  ["config", "Config", "c"],
  ["fleet", "Fleet", "f"],
  ["audit", "Audit", "a"],
];
let me = null,
  version = null,
  current = null;
const allowed = (page) => page !== "audit" || me.role === "admin";

/** Draws the frame for a page and returns where its content goes. */
export function frame(page, who) {
  me = who;
  current = page;
  version ||= who.version;
  const app = $("#app");
  put(
    app,
    html`<a class="skip" href="#main">${t("Skip to content")}</a>
      <header class="top">
        <a class="brand" href="/console/now" aria-label="Weir, ${who.instance}"
          ><svg viewBox="0 0 18 18" aria-hidden="true">
            <path d="M2 3v9M9 3v6M16 3v9" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
            <path
              d="M1 15c2-2 3.3-2 5.3 0s3.4 2 5.4 0 3.3-2 5.3 0"
              fill="none"
              stroke="currentColor"
              stroke-width="1.6"
              stroke-linecap="round"
            /></svg
          ><span class="host">${who.instance}</span></a
        >
        <nav class="nav" aria-label="${t("Pages")}">
          ${PAGES.filter(([p]) => allowed(p)).map(([p, text]) => html`<a href="/console/${p}" ${p === page ? html`aria-current="page"` : ""}>${t(text)}<span class="bit-of-${p}"></span></a>`)}
        </nav>
        <div class="meta">
          <span id="cfg" class="opt"></span><span id="link"></span
          ><button class="btn quiet sm" id="who" aria-haspopup="menu">${who.name}<span class="faint">${t(who.role)}</span></button>
        </div>
      </header>
      <div id="banner" role="status"></div>
      <main id="main" tabindex="-1" data-key="${page}"></main>
      <nav class="tabs" aria-label="${t("Pages")}">
        ${PAGES.slice(0, 4).map(([p, text]) => html`<a href="/console/${p}" ${p === page ? html`aria-current="page"` : ""}>${t(text)}</a>`)}<button
          id="more"
          aria-haspopup="menu"
        >
          ${t("More")}
        </button>
      </nav>`,
  );
  title(0);
  $("#who").onclick = (e) =>
    menu(e.currentTarget, [
      { t: t("Keyboard"), hint: "?", act: help },
      { t: chinese() ? "English" : "中文", hint: t("Language"), act: () => choose(chinese() ? "en" : "zh") },
      null,
      { t: t("Sign out"), act: signOut },
    ]);
  $("#more").onclick = (e) =>
    menu(
      e.currentTarget,
      PAGES.slice(4)
        .filter(([p]) => allowed(p))
        .map(([p, text]) => ({ t: t(text), act: () => go(p) })),
    );
  tick();
  badge();
  clearInterval(beat);
  beat = setInterval(badge, 15000);
  return $("#main");
}
let beat = 0;
/** Now has it in its stream, Config asks by itself; the other pages learn here how the configuration stands. */
async function badge() {
  if (!me || document.hidden || current === "now" || current === "config") return;
  try {
    configuration(await get("config"));
  } catch {
    /* the page says that there is no answer */
  }
}
const go = (p) => {
  history.pushState(null, "", "/console/" + p);
  dispatchEvent(new PopStateEvent("popstate"));
};
async function signOut() {
  await remove("session").catch(() => {});
  location.assign("/console/now");
}

/** The title begins with what needs a person: a background tab is a pager. */
export function title(bad) {
  const name = PAGES.find(([p]) => p === current)?.[1] || "";
  document.title = `${bad ? `(${bad}) ` : ""}${t(name)} · ${me.instance} · weir`;
  const bit = $(".bit-of-now");
  if (bit) put(bit, bad ? html`<span class="bit"><span class="sr">${t("needs you")}: </span>${bad}</span>` : "");
}
/** Says how the connection stands. `null` = fine. */
export function connection(lost) {
  document.documentElement.classList.toggle("stale", !!lost);
  link = lost;
  const b = $("#banner");
  if (!b) return;
  put(
    b,
    lost
      ? html`<div class="banner is-bad">
          ${glyph("cross", "bad")}
          <div class="grow">
            <b>${t("No answer from {h} since {t}.", { h: me.instance, t: clock(lost.since) })}</b>
            ${t("The figures below are of then; countdowns go on.")}
            ${said("Next try in {t}.", { t: html`<span data-until="${lost.next}"></span>` })}
          </div>
          <button class="btn sm" id="again">${t("Try now")}</button>
        </div>`
      : "",
  );
  if (lost) $("#again").onclick = lost.again;
  tick();
}
let link = null;
/** A page of another version than the binary reloads itself when nobody looks, and says so else. */
export function versionIs(next) {
  if (next === version) return;
  if (document.hidden) location.reload();
  else if (!$("#newer")) {
    const b = document.createElement("div");
    b.id = "newer";
    b.className = "banner";
    b.innerHTML = String(
      html`${glyph("tri", "warn")}
        <div class="grow">${t("Weir was replaced by {n}; this page is of {v}.", { n: next, v: version })}</div>
        <button class="btn sm">${t("Reload the page")}</button>`,
    );
    $("button", b).onclick = () => location.reload();
    $("#banner").after(b);
  }
}
export function configuration(config) {
  const el = $("#cfg");
  if (!el || !config) return;
  const bad = !!config.last_error;
  put(
    el,
    html`<a
      href="/console/config"
      title="${t("generation {n}", { n: config.generation })}, ${t("applied {t}", { t: clock(Date.parse(config.applied_at)) })}"
      >${bad ? glyph("tri", "warn") : glyph("ok")} ${t("config")} ${config.generation}${bad ? `, ${t("disk not applied")}` : ""}</a
    >`,
  );
}
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
function tick() {
  const el = $("#link");
  if (el)
    put(
      el,
      link
        ? html`${glyph("cross", "bad")}<span>${t("no answer since {t}", { t: clock(link.since) })}</span>`
        : html`${glyph("ring", "live")}<time
              title="${t("The server's clock, in your zone ({z})", { z: ZONE })}${Math.abs(skew()) > 2000 ? `; ${t("yours differs by {d}", { d: dur(Math.abs(skew()) / 1000) })}` : ""}"
              >${clock(now())}</time
            >`,
    );
  for (const u of $$("[data-until]")) {
    const text = dur((+u.dataset.until - now()) / 1000);
    if (u.textContent !== text) u.textContent = text;
  }
}
setInterval(tick, 1000);
export const countdowns = tick;

export function help() {
  const K = [
    ["g n l t s k c f a", "pages"],
    ["/", "search or filter"],
    ["j k", "next, previous row"],
    ["Enter", "open the row"],
    ["Esc", "close, or clear"],
    ["Space", "pause or follow (Live)"],
    ["y", "copy the link"],
    ["?", "this list"],
  ];
  ask({
    title: t("Keyboard"),
    body: html`<div class="keys">
      ${K.map(([k, text]) => html`<div><span>${t(text)}</span><span>${k.split(" ").map((x) => html`<kbd>${x}</kbd> `)}</span></div>`)}
    </div>`,
    foot: html`<button class="btn" autofocus>${t("Close")}</button>`,
  });
}
let g = 0;
addEventListener("keydown", (e) => {
  if (
    !me ||
    e.ctrlKey ||
    e.metaKey ||
    e.altKey ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(/** @type {Element} */ (e.target).tagName) ||
    $("dialog[open]")
  )
    return;
  if (g && Date.now() - g < 900) {
    const p = PAGES.find(([p, , key]) => key === e.key && allowed(p));
    g = 0;
    if (p) {
      go(p[0]);
      return;
    }
  }
  if (e.key === "g") g = Date.now();
  if (e.key === "?") help();
  if (e.key === "y") navigator.clipboard?.writeText(location.href);
  if (e.key === "/") {
    const f = $("[data-find]");
    if (f) {
      e.preventDefault();
      f.focus();
    }
  }
});

/** What stands where data would, when there is none to show. */
export const failed = (what, fault) =>
  html`<div class="blank">
    <h2>${glyph("cross", "bad")} ${t("{w} cannot be shown", { w: what })}</h2>
    <p>${fault.status ? html`<b>${fault.status}</b>: <span class="dim">${fault.message}</span>` : t("No answer from the admin plane.")}</p>
    <p class="dim">${t("The data plane is not concerned. The page tries again by itself.")}</p>
  </div>`;

export const signIn = {
  exchange: (token) => post("session", { token }),
  show(fault, then) {
    me = null;
    document.title = "weir";
    const none = fault instanceof Fault && fault.status === 403;
    put(
      $("#app"),
      html`<main id="main" class="sign-in" data-key="sign-in">
        <form>
          <h1>
            <svg viewBox="0 0 18 18" aria-hidden="true">
              <path d="M2 3v9M9 3v6M16 3v9" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
              <path
                d="M1 15c2-2 3.3-2 5.3 0s3.4 2 5.4 0 3.3-2 5.3 0"
                fill="none"
                stroke="currentColor"
                stroke-width="1.6"
                stroke-linecap="round"
              />
            </svg>
            weir
          </h1>
          ${
            none
              ? html`<p>
                    ${t("No token is configured, so nobody can sign in. Add one to the configuration; `weir key new` prints a token and its SHA-256:")}
                  </p>
                  <pre class="code">
admin:
  tokens: [{ name: ops, sha256: "…", role: admin }]</pre>`
              : html`<label for="token">${t("Token")}</label
                  ><input class="field" id="token" type="password" autocomplete="current-password" required autofocus /><button
                    class="btn primary"
                  >
                    ${t("Sign in")}
                  </button>
                  <p id="door"></p>`
          }
          <p id="why" class="bad small" role="alert">${fault?.status === 0 ? t("No answer from the admin plane.") : ""}</p>
        </form>
      </main>`,
    );
    const form = $("form");
    $("#token")?.focus();
    // A provider is offered where one is configured; nobody is known yet.
    get("sign-in")
      .then((offered) => {
        if (offered?.oidc && $("#door"))
          put($("#door"), html`<a class="btn" href="/admin/api/v1/oidc/begin">${t("Sign in at")} ${new URL(offered.oidc).host}</a>`);
      })
      .catch(() => {});
    form.onsubmit = async (e) => {
      e.preventDefault();
      const button = $("button", form),
        why = $("#why");
      button.disabled = true;
      why.textContent = "";
      try {
        await this.exchange($("#token").value);
        await then();
      } catch (refused) {
        why.textContent =
          refused.status === 429
            ? t("Too many wrong tokens. Try again in {n} s.", { n: refused.wait })
            : refused.status === 0
              ? t("No answer from the admin plane.")
              : refused.message;
        button.disabled = false;
        $("#token").select();
      }
    };
  },
};
