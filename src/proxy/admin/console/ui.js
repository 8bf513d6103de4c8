// Small pieces that every page uses. No dependency; no inline style (the policy forbids it): lengths are SVG attributes.
// All text of clients and upstreams passes `html`, which escapes it.
class Raw {
  constructor(s) {
    this.s = s;
  }
  toString() {
    return this.s;
  }
}
const ESC = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
export const esc = (v) => String(v).replace(/[&<>"']/g, (c) => ESC[c]);
const one = (v) => (v instanceof Raw ? v.s : Array.isArray(v) ? v.map(one).join("") : v == null || v === false ? "" : esc(v));
/** Line breaks of the source beside a block are no nodes of the page; what is shown as it stands (`pre`) keeps its own. Once a template. */
const BLOCK =
  "(?:caption|col|colgroup|dd|details|div|dl|dt|form|h[1-4]|header|li|main|nav|ol|option|p|section|summary|table|tbody|td|tfoot|th|thead|tr|ul)";
const BEFORE = new RegExp(`\\n\\s*(?=</?${BLOCK}\\b)`, "g"),
  AFTER = new RegExp(`(</?${BLOCK}(?:\\s[^<>]*)?>)\\s*\\n\\s*`, "g");
const tidied = new WeakMap();
function tidy(parts) {
  let found = tidied.get(parts);
  if (!found)
    tidied.set(
      parts,
      (found = parts.some((p) => p.includes("<pre")) ? parts : parts.map((p) => p.replace(AFTER, "$1").replace(BEFORE, ""))),
    );
  return found;
}
export const html = (parts, ...vals) => new Raw(tidy(parts).reduce((a, p, i) => a + one(vals[i - 1]) + p));
export const svg = (s) => new Raw(s);
/** @type {(q: string, el?: ParentNode) => any} */
export const $ = (q, el = document) => el.querySelector(q);
/** @type {(q: string, el?: ParentNode) => any[]} */
export const $$ = (q, el = document) => [...el.querySelectorAll(q)];

/** Writes markup, but only what differs from what is there: focus, selection and open menus stay. */
export function put(el, markup) {
  const next = document.createElement(el.tagName);
  next.innerHTML = String(markup);
  morph(el, next);
}
function morph(from, to) {
  let a = from.firstChild,
    b = to.firstChild;
  while (b) {
    const after = b.nextSibling;
    if (!a) from.append(b);
    else {
      const ahead = a.nextSibling;
      if (
        a.nodeType !== b.nodeType ||
        a.nodeName !== b.nodeName ||
        (a.nodeType === 1 && (a.id !== b.id || a.getAttribute("data-key") !== b.getAttribute("data-key")))
      )
        a.replaceWith(b);
      else if (a.nodeType === 3) {
        if (a.data !== b.data) a.data = b.data;
      } else {
        for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
        for (const { name } of [...a.attributes]) if (!b.hasAttribute(name) && name !== "open") a.removeAttribute(name);
        if (a.hasAttribute("data-until") && b.hasAttribute("data-until")) {
          /* the clock writes it */
        } else morph(a, b);
      }
      a = ahead;
    }
    b = after;
  }
  while (a) {
    const ahead = a.nextSibling;
    a.remove();
    a = ahead;
  }
}

const NBSP = "\u202f";
/** Made once: each call of toLocaleString makes one. */
const INT = new Intl.NumberFormat("en-US"),
  CENTS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const int = (n) => INT.format(Math.round(n));
export const si = (n) =>
  n < 1e4
    ? int(n)
    : n % 1e6 === 0 && n < 1e8
      ? n / 1e6 + "M"
      : n % 1e3 === 0 && n < 1e6
        ? n / 1e3 + "k"
        : n < 1e6
          ? (n / 1e3).toFixed(n < 1e5 ? 1 : 0) + "k"
          : n < 1e9
            ? (n / 1e6).toFixed(n < 1e7 ? 2 : n < 1e8 ? 1 : 0) + "M"
            : (n / 1e9).toFixed(2) + "G";
export const usd = (n) =>
  n == null ? "–" : n === 0 ? "$0" : "$" + (n >= 1000 ? int(n) : n >= 1 ? n.toFixed(2) : n >= 0.01 ? n.toFixed(3) : n.toFixed(4));
export const usd2 = (n) => (n === 0 ? "$0" : n < 0.005 ? "<$0.01" : "$" + CENTS.format(n));
/** In columns: points stand under each other. */
export const usd4 = (n) => (n === 0 ? "$0" : "$" + n.toFixed(n >= 10 ? 2 : 4));
export const pct = (x, d = 0) => (x * 100).toFixed(d) + NBSP + "%";
export const ms = (n) =>
  n == null
    ? "–"
    : n < 1000
      ? Math.round(n) + NBSP + "ms"
      : n < 1e4
        ? (n / 1000).toFixed(2) + NBSP + "s"
        : n < 6e4
          ? (n / 1000).toFixed(1) + NBSP + "s"
          : dur(n / 1000);
export const bytes = (n) =>
  n < 1024 ? n + NBSP + "B" : n < 1048576 ? (n / 1024).toFixed(1) + NBSP + "KiB" : (n / 1048576).toFixed(1) + NBSP + "MiB";
/** Two units at most: 31s, 4m 12s, 57m, 1h 19m, 2d 13h. */
export function dur(s) {
  s = Math.max(0, Math.round(s));
  const d = (n, u, m, v) => n + u + (m ? " " + m + v : "");
  return s < 60
    ? s + "s"
    : s < 600
      ? d(Math.floor(s / 60), "m", s % 60, "s")
      : s < 3600
        ? Math.floor(s / 60) + "m"
        : s < 86400
          ? d(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "m")
          : d(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}
/** What is sold by something else than tokens, in a few words, or nothing. `word` translates. */
export const pieces = (units, word) =>
  [
    units?.images && word(units.images === 1 ? "1 picture" : "{n} pictures", { n: int(units.images) }),
    units?.audio_ms && word("{t} of sound", { t: ms(units.audio_ms) }),
    units?.characters && word(units.characters === 1 ? "1 character" : "{n} characters", { n: si(units.characters) }),
    units?.searches && word(units.searches === 1 ? "1 search" : "{n} searches", { n: int(units.searches) }),
    units?.video_ms && word("{t} of video", { t: ms(units.video_ms) }),
  ]
    .filter(Boolean)
    .join(", ");
const two = (n, w = 2) => String(n).padStart(w, "0");
export const clock = (t, frac) => {
  const d = new Date(t);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}${frac ? "." + two(d.getMilliseconds(), 3) : ""}`;
};
export const hm = (t) => clock(t).slice(0, 5);
/** Today the time alone, else the day too. */
export const when = (t) => {
  const d = new Date(t),
    now = new Date();
  return d.toDateString() === now.toDateString()
    ? clock(t)
    : document.documentElement.lang === "en"
      ? `${d.getDate()} ${d.toLocaleString("en", { month: "short" })} ${hm(t)}`
      : `${d.getMonth() + 1}月${d.getDate()}日 ${hm(t)}`;
};

// The shape says it, the colour only repeats it.
const G = {
  ok: '<circle cx="6" cy="6" r="3.2" fill="currentColor"/>',
  ease: '<circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M6 1.8a4.2 4.2 0 0 1 0 8.4z" fill="currentColor"/>',
  probe: '<circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.2 2.2"/>',
  wait: '<circle cx="6" cy="6" r="4.6" fill="currentColor"/><path d="M6 3.4V6l2 1.4" fill="none" stroke="var(--bg)" stroke-width="1.4" stroke-linecap="round"/>',
  quota: '<path d="M2 1h8L6.9 6 10 11H2l3.1-5z" fill="currentColor"/>',
  drain:
    '<rect x="1.8" y="1.8" width="8.4" height="8.4" rx="1.5" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M4 6h4" stroke="currentColor" stroke-width="1.6"/>',
  cross: '<path d="M2.4 2.4l7.2 7.2M9.6 2.4L2.4 9.6" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/>',
  diamond: '<path d="M6 1.4L10.6 6 6 10.6 1.4 6z" fill="none" stroke="currentColor" stroke-width="1.5"/>',
  gone: '<path d="M2 6h8" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/>',
  tri: '<path d="M6 1.2L11.2 10.6H.8z" fill="currentColor"/>',
  ring: '<circle cx="6" cy="6" r="3.6" fill="none" stroke="currentColor" stroke-width="1.8"/>',
};
export const glyph = (name, tone = "") =>
  new Raw(`<svg class="g ${tone}" viewBox="0 0 12 12" aria-hidden="true">${G[name] || G.ring}</svg>`);
export const STATE = {
  usable: ["ok", ""],
  part: ["tri", "warn"],
  easing: ["ease", ""],
  probing: ["probe", ""],
  throttled: ["wait", "warn"],
  quota: ["quota", "warn"],
  drained: ["drain", ""],
  unreachable: ["cross", "bad"],
  refused: ["cross", "bad"],
};
export const OUT = {
  ok: ["ok", ""],
  client_error: ["diamond", ""],
  refused: ["diamond", ""],
  unauthenticated: ["diamond", ""],
  client_gone: ["gone", ""],
  limited: ["tri", "warn"],
  drained: ["drain", "warn"],
  timeout: ["wait", "bad"],
  upstream_error: ["cross", "bad"],
};

/** A bar: share used, and a mark where an even burn would stand now. */
export const bar = (used, { pace = null, tone = "", label = "" } = {}) => {
  const w = Math.max(0, Math.min(1, used)) * 100;
  return new Raw(
    `<svg class="bar" viewBox="0 0 100 5" preserveAspectRatio="none" role="img" aria-label="${esc(label || Math.round(used * 100) + " % used")}"><rect class="tr" width="100" height="5" rx=".8"/><rect class="fi ${tone}" width="${w.toFixed(1)}" height="5" rx=".8"/>${pace == null ? "" : `<path class="pace" d="M${(pace * 100).toFixed(1)} -1.5v8"/>`}</svg>`,
  );
};
const line = (v, w, h, hi) =>
  v.map((y, i) => `${i ? "L" : "M"}${((i / (v.length - 1)) * w).toFixed(1)} ${(h - (y / (hi || 1)) * h).toFixed(1)}`).join("");
export const spark = (v, { v2 = null, label = "", area = true } = {}) => {
  v = v.map((x) => x || 0);
  v2 = v2 && v2.map((x) => x || 0);
  const hi = (Math.max(...v, ...(v2 || [])) || 1) * 1.05,
    d = line(v, 100, 30, hi);
  return new Raw(
    `<svg class="spark" viewBox="0 0 100 31" preserveAspectRatio="none" role="img" aria-label="${esc(label)}">${area ? `<path class="a" d="${d}L100 31L0 31z"/>` : ""}${v2 ? `<path class="l2" d="${line(v2, 100, 30, hi)}"/>` : ""}<path class="l" d="${d}"/></svg>`,
  );
};

/** A menu at `anchor`; items are {t, hint, act} or null for a rule. */
export function menu(anchor, items) {
  $(".menu")?.remove();
  const m = document.createElement("div");
  m.className = "menu";
  m.setAttribute("role", "menu");
  m.innerHTML = String(
    html`${items.map((i, n) => (i ? html`<button role="menuitem" data-n="${n}">${i.t}<small>${i.hint || ""}</small></button>` : html`<hr />`))}`,
  );
  document.body.append(m);
  const r = anchor.getBoundingClientRect();
  m.style.left = Math.max(8, Math.min(r.right - m.offsetWidth, innerWidth - m.offsetWidth - 8)) + scrollX + "px";
  m.style.top = (r.bottom + m.offsetHeight + 8 > innerHeight ? r.top - m.offsetHeight - 4 : r.bottom + 4) + scrollY + "px";
  const outside = (e) => {
    if (!m.contains(e.target)) close();
  };
  const close = () => {
    m.remove();
    removeEventListener("pointerdown", outside, true);
    anchor.focus();
  };
  addEventListener("pointerdown", outside, true);
  m.addEventListener("click", (e) => {
    const b = /** @type {Element} */ (e.target).closest("button");
    if (b) {
      close();
      items[b.dataset.n].act?.();
    }
  });
  m.addEventListener("keydown", (e) => {
    const bs = $$("button", m),
      i = bs.indexOf(document.activeElement);
    if (e.key === "Escape" || e.key === "Tab") {
      e.stopPropagation();
      e.preventDefault();
      close();
    }
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      bs[(i + (e.key === "ArrowDown" ? 1 : bs.length - 1)) % bs.length].focus();
    }
  });
  $("button", m)?.focus();
}
/** A dialog; resolves to the value of the button that closed it, "" for Esc. */
export function ask({ title, body, foot }) {
  const d = document.createElement("dialog");
  d.setAttribute("aria-labelledby", "dt");
  d.innerHTML = String(
    html`<div class="in">
        <h2 id="dt">${title}</h2>
        ${body}
      </div>
      <form method="dialog" class="foot">${foot}</form>`,
  );
  document.body.append(d);
  d.showModal();
  return new Promise((done) =>
    d.addEventListener("close", () => {
      d.remove();
      done(d.returnValue);
    }),
  );
}
let said = 0;
/** One polite line for screen readers, and a short note on the page. */
export function say(text, tone = "") {
  let t = $("#say");
  if (!t) {
    t = document.createElement("div");
    t.id = "say";
    t.setAttribute("role", "status");
    document.body.append(t);
  }
  t.className = tone;
  t.textContent = text;
  clearTimeout(said);
  said = setTimeout(() => {
    t.textContent = "";
  }, 6000);
}
