// The pages of the console and how to bring each into the state that its picture shows.
export default [
  ["sign-in", "now", { role: null }],
  ["now", "now"],
  ["live", "live"],
  [
    "request",
    "live?f=model:claude-sonnet-5",
    {
      act: async (page) => {
        await page.locator("#rows tr[data-id]").nth(3).click();
        await page.getByText(/Why this account|为何是此账号/).click();
      },
    },
  ],
  [
    "try",
    "try",
    {
      act: async (page) => {
        await page.locator("form.left button.primary").click();
        await page.waitForTimeout(2500);
      },
    },
  ],
  ["spend", "spend"],
  [
    "spend-range",
    "spend?range=today&by=model",
    {
      act: async (page) => {
        await page.locator("#range").scrollIntoViewIfNeeded();
        await page.mouse.wheel(0, 400);
      },
    },
  ],
  ["keys", "keys"],
  [
    "new-key",
    "keys?new=1",
    {
      act: async (page) => {
        await page.locator("[data-at=name]").fill("team-c");
        await page.locator("[data-at=group]").fill("platform");
        await page.locator("[data-at='limits.usd_per_day']").fill("25");
        await page.locator("#look").click();
        await page.waitForTimeout(1500);
      },
    },
  ],
  ["pools", "keys?list=pools"],
  [
    "new-account",
    "keys?list=accounts&new=1",
    {
      act: async (page, weir) => {
        await page.locator("[data-at=name]").fill("claude-c");
        await page.locator("[data-at=base_url]").fill(weir.upstream.replace("127.0.0.1", "127.0.0.240"));
        await page.locator("[data-at=key]").fill("up-claude-c");
        await page.locator("#look").click();
        await page.waitForTimeout(2500);
      },
    },
  ],
  ["config", "config"],
  [
    "config-edit",
    "config",
    {
      act: async (page) => {
        await page.locator("#take").click();
        await page.waitForTimeout(700);
        await page.locator("#text").evaluate((text) => {
          text.value = text.value.replace("select: least-busy", "select: least-bussy");
          text.dispatchEvent(new Event("input"));
        });
        await page.waitForTimeout(900);
        await page.locator("#faults").scrollIntoViewIfNeeded();
      },
    },
  ],
  ["fleet", "fleet"],
  ["audit", "audit"],
];
