// The data: JSON under /admin/api/v1, and one stream a page. Sessions are cookies; what changes something says that it
// comes from this page.
export const BASE = "/admin/api/v1/";
export class Fault extends Error {
  constructor(status, message, wait) {
    super(message);
    this.status = status;
    this.wait = wait;
    this.value = null;
  }
}
let offset = 0;
/** The server's clock, by its last answer. */
export const now = () => Date.now() + offset;
export const skew = () => offset;
let unauthorized = () => {};
export const onUnauthorized = (then) => {
  unauthorized = then;
};

async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      credentials: "same-origin",
      headers: method === "GET" ? {} : { "x-weir-console": "1", "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
  } catch {
    throw new Fault(0, "no answer");
  }
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    /* said below */
  }
  if (value?.server_time) offset = Date.parse(value.server_time) - Date.now();
  if (answer.ok) return value;
  const fault = new Fault(
    answer.status,
    value?.error || value?.faults?.join("\n") || text.slice(0, 200),
    +answer.headers.get("retry-after") || 0,
  );
  fault.value = value;
  if (answer.status === 401 && path !== "session") unauthorized();
  throw fault;
}
export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);
export const change = (method, path, body = {}, headers = {}) => call(method, path, body, headers);
export const remove = (path) => call("DELETE", path);

/** Sends `body` and tells each event of the answer, until it is over or `signal` says stop. */
export async function stream(path, body, signal, on) {
  const answer = await fetch(BASE + path, {
    method: "POST",
    credentials: "same-origin",
    signal,
    headers: { "x-weir-console": "1", "content-type": "application/json" },
    body,
  });
  if (!answer.ok) {
    const text = await answer.text();
    let said = text.slice(0, 200);
    try {
      said = JSON.parse(text).error || said;
    } catch {
      /* as it is */
    }
    if (answer.status === 401) unauthorized();
    throw new Fault(answer.status, said, +answer.headers.get("retry-after") || 0);
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const name = part.match(/^event: (.*)$/m)?.[1],
        data = part.match(/^data: (.*)$/m)?.[1];
      if (name && data) on(name, JSON.parse(data));
    }
  }
}

/**
 * Follows a stream until it is closed. A hidden tab lets it go after 10 s and takes it up again when it is seen: six
 * streams are all that a browser opens to one host.
 */
export function follow(path, { on, lost }) {
  let source = null,
    tries = 0,
    timer = 0,
    hidden = 0,
    last = "",
    over = false;
  const open = () => {
    if (over) return;
    const at = typeof path === "function" ? path() : path;
    source = new EventSource(BASE + at + (last ? `&since=${last}` : ""));
    for (const name of ["now", "hello", "rows", "stats", "bye"])
      source.addEventListener(name, (e) => {
        tries = 0;
        if (e.lastEventId) last = e.lastEventId;
        const data = JSON.parse(e.data);
        if (data.server_time) offset = Date.parse(data.server_time) - Date.now();
        on(name, data);
      });
    source.onerror = () => {
      source.close();
      source = null;
      const wait = [1, 2, 4, 8, 15][Math.min(tries++, 4)] * (0.8 + Math.random() * 0.4);
      lost?.(wait, tries);
      timer = setTimeout(open, wait * 1000);
      // A stream does not say why it was refused: a server that was started anew knows no session.
      get("session").catch((fault) => {
        if (fault.status === 401) unauthorized();
      });
    };
  };
  const seen = () => {
    clearTimeout(hidden);
    if (document.hidden)
      hidden = setTimeout(() => {
        source?.close();
        source = null;
        clearTimeout(timer);
      }, 10000);
    else if (!source && !over) {
      clearTimeout(timer);
      open();
    }
  };
  document.addEventListener("visibilitychange", seen);
  open();
  return {
    again: () => {
      clearTimeout(timer);
      source?.close();
      source = null;
      open();
    },
    restart: () => {
      last = "";
      clearTimeout(timer);
      source?.close();
      source = null;
      open();
    },
    close: () => {
      over = true;
      clearTimeout(timer);
      clearTimeout(hidden);
      source?.close();
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

let plane = "";
/** Where clients connect: the first listener of the data plane, by the name that this page was found under where it serves everywhere. */
export async function dataPlane() {
  if (plane) return plane;
  try {
    const { listen } = await get("session"),
      first = listen[0];
    const host = first.everywhere ? location.hostname : first.host.includes(":") ? `[${first.host}]` : first.host;
    plane = `http${first.tls ? "s" : ""}://${host}:${first.port}`;
  } catch {
    return `http://${location.hostname}:8080`;
  }
  return plane;
}
