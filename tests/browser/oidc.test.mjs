// Sign-in at a real OpenID provider: npm's oidc-provider, in Chromium.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { browser, freePort, start } from "./support.mjs";

let weir, server, issuer, chrome;
const people = { ada: ["weir-admins"], eve: ["weir-viewers"], mallory: ["strangers"] };

before(async () => {
  const port = await freePort();
  issuer = `http://127.0.0.1:${port}`;
  weir = await start({
    adminExtra: `  oidc:
    issuer: ${issuer}
    client_id: weir
    client_secret: { env: WEIR_OIDC_SECRET }
    role_claim: groups
    roles: { weir-admins: admin, weir-viewers: viewer }
    scopes: [openid, profile]
`,
    env: { WEIR_OIDC_SECRET: "the-secret-of-the-client:&%" },
  });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "weir",
        client_secret: "the-secret-of-the-client:&%",
        redirect_uris: [`${weir.admin}/admin/api/v1/oidc/callback`],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: people[id] ?? [] }) }),
  });
  server = http.createServer(provider.callback()).listen(port, "127.0.0.1");
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  server?.closeAllConnections();
  server?.close();
  await weir?.stop();
});

async function signIn(name) {
  const page = await (await chrome.newContext()).newPage();
  await page.goto(`${weir.admin}/console/now`);
  await page.click("#door a");
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "anything");
  await page.click("button[type=submit]");
  await page.click("button[type=submit]");
  return page;
}

test("a member of a group is let in with its role", async () => {
  for (const [name, role] of [
    ["ada", "admin"],
    ["eve", "viewer"],
  ]) {
    const page = await signIn(name);
    await page.waitForURL(`${weir.admin}/console/now`);
    const who = await page.evaluate(() => fetch("/admin/api/v1/session").then((r) => r.json()));
    assert.deepEqual([who.name, who.role], [name, role]);
    await page.context().close();
  }
});

test("a stranger is not", async () => {
  const page = await signIn("mallory");
  await page.waitForURL(/oidc\/callback/);
  assert.match(await page.textContent("body"), /mallory has no role here/);
  const answer = await page.context().request.get(`${weir.admin}/admin/api/v1/session`);
  assert.equal(answer.status(), 401);
  await page.context().close();
});
