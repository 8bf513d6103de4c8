// Two bodies beside each other: what is as sent, what was renamed or reshaped, added or dropped.
import { html } from "./ui.js";
import { t } from "./words.js";

const NAMES = { anthropic: "Anthropic Messages", "openai-chat": "OpenAI Chat", "openai-responses": "OpenAI Responses", gemini: "Gemini" };
export const dialect = (name) => NAMES[name] || name || "–";
// The same thing under the names that the dialects have for it.
const TWINS = [
  ["max_tokens", "max_output_tokens", "max_completion_tokens", "maxOutputTokens"],
  ["system", "instructions", "systemInstruction"],
  ["messages", "input", "contents"],
  ["input_schema", "parameters", "function"],
  ["content", "parts"],
  ["thinking", "reasoning", "reasoning_effort", "thinkingConfig"],
  ["metadata", "user", "safety_identifier"],
  ["stop_sequences", "stop", "stopSequences"],
  ["temperature"],
  ["tools", "functionDeclarations"],
  ["tool_choice", "toolConfig"],
  ["text", "input_text"],
  ["model"],
  ["stream"],
];
const name = (line) => line.match(/^\s*"([^"]+)":/)?.[1];
const twins = (a, b) => {
  const l = name(a),
    r = name(b);
  return l && r && (l === r || TWINS.some((set) => set.includes(l) && set.includes(r)));
};
const short = (v) =>
  typeof v === "string" && v.length > 400 ? v.slice(0, /^[A-Za-z0-9+/=]+$/.test(v) ? 40 : 400) + t("… {n} characters", { n: v.length }) : v;
/** Small objects stay on one line, as people write them. */
function lines(value, indent = "") {
  const flat = JSON.stringify(value, (_, v) => short(v));
  if (flat === undefined) return [""];
  if (value === null || typeof value !== "object" || (flat.length + indent.length < 56 && !indent.length === false))
    return [flat.replace(/"(?:[^"\\]|\\.)*"|[,:]/g, (c) => (c === "," || c === ":" ? c + " " : c))];
  const list = Array.isArray(value),
    entries = list ? value.map((v) => ["", v]) : Object.entries(value),
    out = [list ? "[" : "{"];
  entries.forEach(([k, v], i) => {
    const inner = lines(v, indent + "  ");
    inner[0] = `${indent}  ${list ? "" : JSON.stringify(k) + ": "}${inner[0]}`;
    inner[inner.length - 1] += i < entries.length - 1 ? "," : "";
    out.push(...inner);
  });
  out.push(`${indent}${list ? "]" : "}"}`);
  return out;
}
/** Aligned by the longest common run; lone lines of both sides that stand for the same thing make one line. */
function aligned(a, b) {
  const bare = (x) => x.replace(/,$/, ""),
    L = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) L[i][j] = bare(a[i]) === bare(b[j]) ? L[i + 1][j + 1] + 1 : Math.max(L[i + 1][j], L[i][j + 1]);
  const out = [];
  let i = 0,
    j = 0,
    lone = [[], []];
  const flush = () => {
    const [l, r] = lone;
    for (const line of l) {
      const at = r.findIndex((other) => twins(line, other));
      if (at < 0) out.push(["drop", line, ""]);
      else {
        for (const other of r.splice(0, at)) out.push(["add", "", other]);
        out.push(["ren", line, r.shift()]);
      }
    }
    for (const other of r) out.push(["add", "", other]);
    lone = [[], []];
  };
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && bare(a[i]) === bare(b[j])) {
      flush();
      out.push(["", a[i++], b[j++]]);
    } else if (j >= b.length || (i < a.length && L[i + 1][j] >= L[i][j + 1])) lone[0].push(a[i++]);
    else lone[1].push(b[j++]);
  }
  flush();
  return out;
}
const SIGN = { "": ["", "same"], ren: ["~", "renamed"], drop: ["−", "dropped"], add: ["+", "added"] };
export function diff(client, upstream, { left, right, renamed = "", dropped = [] }) {
  if (typeof upstream === "string")
    try {
      upstream = JSON.parse(upstream);
    } catch {
      /* shown as it is */
    }
  const cut = (list) => (list.length > 400 ? [...list.slice(0, 400), t("… {n} more lines", { n: list.length - 400 })] : list);
  const rows = aligned(cut(lines(client)), cut(lines(upstream)));
  const why = ([c, l]) =>
    c === "ren" && name(l) === "model"
      ? renamed
      : c === "drop" && dropped.some((d) => d.field.split(/[.[]/)[0] === name(l))
        ? t("its dialect has none; named in the access log")
        : "";
  return html`<div class="diff">
    <div class="hd"><span>${left}</span><span></span><span>${right}</span></div>
    ${rows.map(
      (x) =>
        html`<div class="ln ${x[0]}">
          <pre>${x[1] || " "}</pre>
          <span class="m" role="img" aria-label="${t(SIGN[x[0]][1])}">${SIGN[x[0]][0]}</span>
          <pre>${x[2] || " "}${why(x) ? html`<span class="why">${why(x)}</span>` : ""}</pre>
        </div>`,
    )}
  </div>`;
}
/** Two texts, line by line: what is only in the first, only in the second. Far ones are shown as a whole. */
export function texts(a, b) {
  const l = a.split("\n"),
    r = b.split("\n");
  let from = 0,
    end = 0;
  while (from < l.length && from < r.length && l[from] === r[from]) from++;
  while (end < l.length - from && end < r.length - from && l[l.length - 1 - end] === r[r.length - 1 - end]) end++;
  const mid = aligned(l.slice(from, l.length - end).slice(0, 600), r.slice(from, r.length - end).slice(0, 600)).flatMap((x) =>
    x[0] === "ren"
      ? [
          ["drop", x[1], ""],
          ["add", "", x[2]],
        ]
      : [x],
  );
  const before = l.slice(Math.max(0, from - 3), from).map((x) => ["", x, x]),
    after = l.slice(l.length - end, l.length - end + 3).map((x) => ["", x, x]);
  return html`<div class="diff one">
    ${[...before, ...mid, ...after].map(
      ([c, x, y]) =>
        html`<div class="ln ${c}">
          <span class="m" role="img" aria-label="${t(SIGN[c][1])}">${SIGN[c][0]}</span>
          <pre>${(c === "add" ? y : x) || " "}</pre>
        </div>`,
    )}
  </div>`;
}
