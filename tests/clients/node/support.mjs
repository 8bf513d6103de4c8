// What the client tests share. Everything they need to know is in the environment; see ../run.sh.
import assert from "node:assert/strict";

const { WEIR_URL, WEIR_KEY, WEIR_UPSTREAM, WEIR_ADMIN, WEIR_ADMIN_TOKEN } = process.env;

export const url = WEIR_URL;
export const key = WEIR_KEY;
/** Whether there is no proxy in between. */
export const direct = WEIR_URL === WEIR_UPSTREAM;
export const onlyBehindAProxy = { skip: direct && "the SDK itself does not notice; a proxy must" };

/** Makes the proxy forget the failures that a test before this one caused. */
export async function heal() {
  if (!WEIR_ADMIN) return;
  const headers = { authorization: `Bearer ${WEIR_ADMIN_TOKEN}` };
  const status = await (await fetch(`${WEIR_ADMIN}/status/accounts`, { headers })).json();
  for (const { name } of status.accounts ?? status) {
    await fetch(`${WEIR_ADMIN}/admin/accounts/${name}/reset`, { method: "POST", headers });
  }
}

/** The counters of the simulated upstream. */
export async function stats() {
  return (await fetch(`${WEIR_UPSTREAM}/sim/stats`)).json();
}

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** Waits until the upstream has counted one cancelled request more. */
export async function cancelledSince(before) {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await stats()).cancelled > before) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("the upstream still streams");
}

/** Twenty at once. */
export async function twenty(run) {
  await Promise.all(Array.from({ length: 20 }, (_, number) => run(number)));
}

export const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const LONG = "[[sim output-tokens=400 chunk=4 chunk-delay=10ms ping-every=5]]";
