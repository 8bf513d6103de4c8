// The pages of the console and how to bring each into the state that its picture shows.
export default [
  ["now", "now"],
  ["live", "live"],
  ["request", "live", { act: async (page) => { await page.locator("#rows tr[data-id]").nth(3).click(); } }],
  ["try", "try", { act: async (page) => { await page.locator("form.left button.primary").click(); await page.waitForTimeout(2500); } }],
  ["spend", "spend"],
  ["keys", "keys"],
  ["config", "config"],
  ["audit", "audit"],
];
