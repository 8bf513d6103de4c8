// The pages of the console and how to bring each into the state that its picture shows.
export default [
  ["now", "now"],
  ["live", "live"],
  ["request", "live", { act: async (page) => { await page.locator("#rows tr[data-id]").nth(3).click(); } }],
  ["try", "try", { act: async (page) => { await page.locator("form.left button.primary").click(); await page.waitForTimeout(2500); } }],
  ["spend", "spend"],
  ["keys", "keys"],
  ["new-key", "keys?new=1", { act: async (page) => { await page.getByLabel("name", { exact: true }).fill("team-c"); await page.getByLabel("group").fill("platform"); await page.getByLabel("usd_per_day").fill("25"); await page.getByRole("button", { name: "What would change" }).click(); await page.waitForTimeout(1500); } }],
  ["config", "config"],
  ["fleet", "fleet"],
  ["audit", "audit"],
];
