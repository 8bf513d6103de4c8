// Which page is shown: by the address. Every state has one, and Back works.
import { $ } from "./ui.js";
import { get, onUnauthorized } from "./api.js";
import { frame, signIn } from "./shell.js";
import { t } from "./words.js";
import * as nowPage from "./now.js";
import * as live from "./live.js";
import * as tryPage from "./try.js";
import * as spend from "./spend.js";
import * as fleet from "./fleet.js";
import * as keys from "./keys.js";
import { audit, config } from "./lists.js";

const PAGES = { now: nowPage, live, try: tryPage, spend, keys, config, fleet, audit };
let leave = null,
  who = null;

export async function show() {
  leave?.();
  leave = null;
  const [, , page = "now", detail = ""] = location.pathname.split("/");
  if (!who) {
    // A code printed by the process itself: in the part of the address that is never sent, and gone at once.
    const code = new URLSearchParams(location.hash.slice(1)).get("signin");
    if (code) history.replaceState(null, "", location.pathname + location.search);
    try {
      who = code ? await signIn.exchange(code).then(() => get("session")) : await get("session");
    } catch (fault) {
      signIn.show(fault, async () => {
        who = await get("session");
        show();
      });
      return;
    }
  }
  const name = PAGES[page || "now"] ? page || "now" : null;
  const main = frame(name, who);
  if (!name) {
    main.textContent = t("Nothing here.");
    return;
  }
  leave = PAGES[name].open(main, { who, detail: decodeURIComponent(detail), query: new URLSearchParams(location.search), go }) || null;
}
export function go(address, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", "/console/" + address);
  show();
}
onUnauthorized(() => {
  if (who) {
    who = null;
    show();
  }
});
addEventListener("popstate", show);
document.addEventListener("click", (e) => {
  const a = /** @type {Element} */ (e.target).closest?.("a[href^='/console/']");
  if (!a || e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
  e.preventDefault();
  go(a.getAttribute("href").slice("/console/".length));
  if (!$("#main").contains(document.activeElement)) scrollTo(0, 0);
});
show();
