// Takes the pictures of docs/console/pictures: every page on real data, both themes and phone width. `make pictures`.
import { mkdirSync } from "node:fs";
import { browser, start, traffic, TROUBLE, visit, wait } from "./support.mjs";

const INTO = process.argv[2] ?? new URL("../../docs/console/pictures", import.meta.url).pathname, only = process.argv[3]?.split(",");
const warm = Number(process.env.WARM ?? 75);
mkdirSync(INTO, { recursive: true });
const weir = await start();
const load = traffic(weir, 14);
try {
  await wait(4000);
  await weir.control(TROUBLE);
  await wait(warm * 1000);
  const chrome = await browser();
  const take = async (name, path, { act, full, ...options } = {}) => {
    if (only && !only.some((word) => name.startsWith(word))) return;
    const page = await visit(chrome, weir, path, options);
    await page.waitForTimeout(1600);
    if (act) { await act(page); await page.waitForTimeout(700); }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) console.log(`${name}: scrolls sideways by ${wide} px`);
    for (const fault of page.faults) console.log(`${name}: ${fault}`);
    await page.screenshot({ path: `${INTO}/${name}.png`, fullPage: full ?? false });
    await page.context().close();
    console.log(name);
  };
  const PAGES = (await import("./pages.mjs")).default;
  for (const [name, path, options = {}] of PAGES) {
    await take(`${name}-light`, path, options);
    await take(`${name}-dark`, path, { ...options, scheme: "dark" });
    await take(`${name}-phone`, path, { ...options, width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 1 });
  }
  await take("now-chinese", "now", { locale: "zh-CN" });
  await chrome.close();
} finally { await load.stop(); await weir.stop(); }
