// OpenAI's SDK: Chat Completions and Responses.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { CITY, LONG, cancelledSince, collect, heal, key, onlyBehindAProxy, stats, twenty, url } from "./support.mjs";

const model = "gpt-4o";
const chatTools = [{ type: "function", function: { name: "get_weather", parameters: CITY, strict: true } }];
const tools = [{ type: "function", name: "get_weather", parameters: CITY, strict: true }];
const connect = (apiKey) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
const client = connect(key);
const chat = (text, more = {}) => ({ model, messages: [{ role: "user", content: text }], ...more });
const chatStream = (text, more) =>
  client.chat.completions.stream(chat(text, { stream_options: { include_usage: true }, ...more })).finalChatCompletion();
const responseStream = (input, more) => client.responses.stream({ model, input, ...more }).finalResponse();
const TWO_CALLS = 'call get_weather {"city": "Köln"} and call get_weather {"city": "Oslo"}';
const TWO_ARGUMENTS = ['{"city": "Köln"}', '{"city": "Oslo"}'];

beforeEach(heal);

test("chat: plain and streamed are equal", async () => {
  const text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]";
  const plain = await client.chat.completions.create(chat(text));
  const final = await chatStream(text);
  assert.equal(final.choices[0].message.content, plain.choices[0].message.content);
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.equal(final.usage.completion_tokens, 60);
  assert.equal(plain.usage.completion_tokens, 60);
});

test("chat: parallel tool calls and their results", async () => {
  const final = await chatStream(TWO_CALLS, { tools: chatTools });
  const calls = final.choices[0].message.tool_calls;
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(calls.map((call) => call.function.arguments), TWO_ARGUMENTS);
  const history = chat(TWO_CALLS, { tools: chatTools });
  history.messages.push({ role: "assistant", tool_calls: calls });
  history.messages.push(...calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "12 degrees" })));
  const answer = await client.chat.completions.create(history);
  assert.match(answer.choices[0].message.content, /12 degrees\n12 degrees/);
});

test("chat: reasoning, refusal, usage", async () => {
  const final = await chatStream("hello [[sim reasoning=40 input-tokens=1000 cache-read=6000]]", { reasoning_effort: "high" });
  assert.ok(final.choices[0].message.reasoning_content);
  assert.equal(final.usage.prompt_tokens, 7000);
  assert.equal(final.usage.prompt_tokens_details.cached_tokens, 6000);
  assert.equal(final.usage.completion_tokens_details.reasoning_tokens, 40);
  const refused = await chatStream("[[sim refuse]]");
  assert.equal(refused.choices[0].message.refusal, "I cannot help with that.");
});

test("chat: broken streams reject", async () => {
  for (const fault of ["error-after", "truncate-after", "reset-after"]) {
    await assert.rejects(chatStream(`[[sim output-tokens=50 ${fault}=6]]`), undefined, fault);
    await heal();
  }
});

test("chat: a stream without its end is no answer", onlyBehindAProxy, async () => {
  await assert.rejects(chatStream("[[sim output-tokens=50 eof-after=6]]"), OpenAI.APIError);
});

test("responses: plain and streamed are equal", async () => {
  const text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]";
  const plain = await client.responses.create({ model, input: text });
  const final = await responseStream(text);
  assert.equal(final.output_text, plain.output_text);
  assert.equal(final.status, "completed");
  assert.equal(final.usage.output_tokens, 60);
});

test("responses: parallel tool calls and their results", async () => {
  const final = await responseStream(TWO_CALLS, { tools });
  assert.deepEqual(final.output.map((call) => call.arguments), TWO_ARGUMENTS);
  const input = [{ role: "user", content: TWO_CALLS }, ...final.output.map(({ type, call_id, name, arguments: json }) => ({ type, call_id, name, arguments: json }))];
  input.push(...final.output.map(({ call_id }) => ({ type: "function_call_output", call_id, output: "12 degrees" })));
  const answer = await client.responses.create({ model, input, tools });
  assert.match(answer.output_text, /12 degrees\n12 degrees/);
});

test("responses: reasoning", async () => {
  const more = { reasoning: { effort: "high", summary: "auto" }, include: ["reasoning.encrypted_content"], store: false };
  const final = await responseStream("hello [[sim reasoning=40]]", more);
  const [reasoning, message] = final.output;
  assert.ok(reasoning.summary[0].text && reasoning.encrypted_content);
  assert.equal(message.content[0].text, "You said: hello");
  assert.equal(final.usage.output_tokens_details.reasoning_tokens, 40);
});

test("responses: cut by length", async () => {
  const events = await collect(
    await client.responses.create({ model, input: "[[sim output-tokens=50]]", max_output_tokens: 16, stream: true }),
  );
  assert.equal(events.at(-1).type, "response.incomplete");
});

test("responses: broken streams do not complete", async () => {
  for (const fault of ["error-after", "truncate-after", "reset-after"]) {
    const types = [];
    try {
      const input = `[[sim output-tokens=50 ${fault}=8]]`;
      for await (const event of await client.responses.create({ model, input, stream: true })) types.push(event.type);
    } catch {
      types.push("rejected");
    }
    assert.ok(["rejected", "response.failed"].includes(types.at(-1)), `${fault}: ${types.at(-1)}`);
    await heal();
  }
});

test("responses: a stream without its end fails", onlyBehindAProxy, async () => {
  const input = "[[sim output-tokens=50 eof-after=last]]";
  const events = await collect(await client.responses.create({ model, input, stream: true }));
  assert.equal(events.at(-1).type, "response.failed");
});

const create = {
  chat: (text, more, by = client) => by.chat.completions.create({ ...chat(text), ...more }),
  responses: (input, more, by = client) => by.responses.create({ model, input, ...more }),
};

for (const [name, call] of Object.entries(create)) {
  test(`${name}: errors map to their classes`, async () => {
    await assert.rejects(call("hello", {}, connect("wrong")), OpenAI.AuthenticationError);
    await assert.rejects(call("hello", { model: "no-such-model" }), OpenAI.NotFoundError);
    await assert.rejects(call("[[sim error=context-length]]"), { code: "context_length_exceeded", status: 400 });
    await assert.rejects(call("[[sim status=429 retry-after=3]]"), OpenAI.RateLimitError);
    await heal();
    await assert.rejects(call("[[sim error=overloaded]]"), OpenAI.InternalServerError);
  });

  test(`${name}: leaving cancels the upstream`, async () => {
    const before = (await stats()).cancelled;
    const stream = await call("[[sim output-tokens=4000 chunk-delay=20ms]]", { stream: true });
    for await (const event of stream) {
      if (event.choices?.[0]?.delta.content || event.type === "response.output_text.delta") break;
    }
    await cancelledSince(before);
  });
}

test("long streams with pings", async () => {
  assert.equal((await chatStream(LONG)).usage.completion_tokens, 400);
  assert.equal((await responseStream(LONG)).usage.output_tokens, 400);
});

test("twenty streams at once", () =>
  twenty(async (number) => {
    const text = `stream ${number} [[sim output-tokens=100 chunk-delay=5ms]]`;
    const final = number % 2 ? await responseStream(text) : await chatStream(text);
    const answer = final.output_text ?? final.choices[0].message.content;
    assert.ok(answer.startsWith(`You said: stream ${number} `));
  }));

test("models, embeddings, files", async () => {
  const models = await collect(client.models.list());
  assert.ok(models.some(({ id }) => id === model));
  const { data } = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.deepEqual(data.map(({ embedding }) => embedding.length), [8, 8]);
  const content = Buffer.from('{"custom_id": "one"}\n'.repeat(5000));
  const file = await client.files.create({ file: await toFile(content, "batch.jsonl"), purpose: "batch" });
  assert.ok(file.bytes > content.length);
});
