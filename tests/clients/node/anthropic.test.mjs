// Anthropic's SDK.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { CITY, LONG, cancelledSince, collect, heal, key, onlyBehindAProxy, stats, twenty, url } from "./support.mjs";

const model = "claude-sonnet-5-5";
const tools = [{ name: "get_weather", description: "The weather in a city", input_schema: CITY }];
const connect = (apiKey) => new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 30_000 });
const client = connect(key);
const ask = (text, more = {}) => ({ model, max_tokens: 1000, messages: [{ role: "user", content: text }], ...more });
const streamed = (text, more) => client.messages.stream(ask(text, more)).finalMessage();

beforeEach(heal);

test("plain", async () => {
  const message = await client.messages.create(ask("hello"));
  assert.equal(message.content[0].text, "You said: hello");
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.usage.output_tokens, 4);
});

test("a stream accumulates to the plain message", async () => {
  const text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]";
  const plain = await client.messages.create(ask(text));
  const message = await streamed(text);
  assert.deepEqual(message.content, plain.content);
  assert.equal(message.stop_reason, plain.stop_reason);
  assert.equal(message.usage.output_tokens, plain.usage.output_tokens);
});

test("thinking", async () => {
  const message = await streamed("hello [[sim reasoning=40]]", { thinking: { type: "adaptive", display: "summarized" } });
  const [thinking, text] = message.content;
  assert.equal(thinking.type, "thinking");
  assert.ok(thinking.thinking.length > 0 && thinking.signature.length > 50);
  assert.equal(text.text, "You said: hello");
});

test("tool calls, one and parallel, and a result", async () => {
  const text = 'call get_weather {"city": "Köln"} and call get_weather {"city": "Oslo"}';
  const message = await streamed(text, { tools });
  assert.equal(message.stop_reason, "tool_use");
  assert.deepEqual(message.content.map((call) => call.input), [{ city: "Köln" }, { city: "Oslo" }]);
  const results = message.content.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "12 degrees" }));
  const history = ask(text, { tools });
  history.messages.push({ role: "assistant", content: message.content }, { role: "user", content: results });
  const answer = await client.messages.create(history);
  assert.match(answer.content[0].text, /12 degrees\n12 degrees/);
});

test("usage with caches", async () => {
  const { usage } = await streamed("[[sim input-tokens=65 cache-read=11584 cache-write=300 output-tokens=120]]");
  assert.equal(usage.input_tokens, 65);
  assert.equal(usage.cache_read_input_tokens, 11584);
  assert.equal(usage.cache_creation_input_tokens, 300);
  assert.equal(usage.output_tokens, 120);
});

test("errors map to their classes", async () => {
  const create = (text, more) => client.messages.create({ ...ask(text), ...more });
  await assert.rejects(connect("wrong").messages.create(ask("hello")), Anthropic.AuthenticationError);
  await assert.rejects(create("hello", { model: "no-such-model" }), Anthropic.NotFoundError);
  await assert.rejects(create("[[sim error=context-length]]"), (error) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    return error.error.error.message.startsWith("prompt is too long: ");
  });
  await assert.rejects(create("[[sim status=429 retry-after=3]]"), (error) => {
    assert.ok(error instanceof Anthropic.RateLimitError);
    return Number(error.headers.get("retry-after")) >= 1;
  });
  await heal();
  await assert.rejects(create("[[sim status=529]]"), (error) => {
    assert.ok(error instanceof Anthropic.InternalServerError);
    return error.status === 529;
  });
});

test("an error inside a stream rejects", async () => {
  await assert.rejects(streamed("[[sim output-tokens=50 error-after=6]]"), Anthropic.APIError);
});

for (const fault of ["truncate-after", "reset-after"]) {
  test(`a stream broken by ${fault} rejects`, async () => {
    await assert.rejects(streamed(`[[sim output-tokens=50 ${fault}=6]]`));
  });
}

test("a stream without its end is no answer", onlyBehindAProxy, async () => {
  await assert.rejects(streamed("[[sim output-tokens=50 eof-after=last]]"), Anthropic.APIError);
});

test("models and count_tokens", async () => {
  const models = await collect(client.models.list());
  assert.ok(models.some(({ id }) => id === model));
  const { input_tokens } = await client.messages.countTokens({ model, messages: [{ role: "user", content: "hello" }] });
  assert.ok(input_tokens > 0);
});

test("a long stream with pings", async () => {
  assert.equal((await streamed(LONG)).usage.output_tokens, 400);
});

test("twenty streams at once", () =>
  twenty(async (number) => {
    const message = await streamed(`stream ${number} [[sim output-tokens=100 chunk-delay=5ms]]`);
    assert.ok(message.content[0].text.startsWith(`You said: stream ${number} `));
  }));

test("leaving cancels the upstream", async () => {
  const before = (await stats()).cancelled;
  const stream = await client.messages.create({ ...ask("[[sim output-tokens=900 chunk-delay=20ms]]"), stream: true });
  for await (const event of stream) {
    if (event.type === "content_block_delta") break;
  }
  await cancelledSince(before);
});
