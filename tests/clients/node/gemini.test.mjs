// Google's SDK, @google/genai.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ApiError, FinishReason, GoogleGenAI } from "@google/genai";
import { CITY, LONG, collect, heal, key, onlyBehindAProxy, twenty, url } from "./support.mjs";

const model = "gemini-2.5-pro";
const tools = [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: CITY }] }];
const connect = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url, timeout: 30_000 } });
const client = connect(key);
const plain = (contents, config = {}) => client.models.generateContent({ model, contents, config });
const streamed = async (contents, config = {}) => collect(await client.models.generateContentStream({ model, contents, config }));
const textOf = (chunks) => chunks.map((chunk) => chunk.text ?? "").join("");

beforeEach(heal);

test("plain and streamed are equal", async () => {
  const text = "häßlich \u2028 🦀 \u0085 [[sim output-tokens=60 chunk=1]]";
  const answer = await plain(text);
  const chunks = await streamed(text);
  assert.ok(chunks.length > 10);
  assert.equal(textOf(chunks), answer.text);
  assert.equal(answer.candidates[0].finishReason, FinishReason.STOP);
  assert.equal(chunks.at(-1).usageMetadata.candidatesTokenCount, 60);
});

test("parallel tool calls and their results", async () => {
  const text = 'call get_weather {"city": "Köln"} and call get_weather {"city": "Oslo"}';
  const chunks = await streamed(text, { tools });
  const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
  assert.deepEqual(calls.map((call) => call.args), [{ city: "Köln" }, { city: "Oslo" }]);
  const answer = await plain(
    [
      { role: "user", parts: [{ text }] },
      { role: "model", parts: calls.map((functionCall) => ({ functionCall })) },
      { role: "user", parts: calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: "12 degrees" } } })) },
    ],
    { tools },
  );
  assert.match(answer.text, /12 degrees.*\n.*12 degrees/);
});

test("thoughts and usage", async () => {
  const text = "hello [[sim reasoning=40 input-tokens=1000 cache-read=4000]]";
  const chunks = await streamed(text, { thinkingConfig: { includeThoughts: true } });
  const parts = chunks.flatMap((chunk) => chunk.candidates[0].content.parts);
  assert.ok(parts.some((part) => part.thought) && parts.some((part) => part.thoughtSignature));
  const usage = chunks.at(-1).usageMetadata;
  assert.equal(usage.promptTokenCount, 5000);
  assert.equal(usage.cachedContentTokenCount, 4000);
  assert.equal(usage.thoughtsTokenCount, 40);
});

test("errors carry their status", async () => {
  const status = (code) => (error) => error instanceof ApiError && error.status === code;
  await assert.rejects(connect("wrong").models.generateContent({ model, contents: "hello" }), (error) => [400, 401].includes(error.status));
  await assert.rejects(client.models.generateContent({ model: "no-such-model", contents: "hello" }), status(404));
  await assert.rejects(plain("[[sim error=context-length]]"), status(400));
  await assert.rejects(plain("[[sim status=429 retry-after=3]]"), status(429));
  await heal();
  await assert.rejects(plain("[[sim error=overloaded]]"), status(503));
});

test("an error inside a stream rejects", async () => {
  await assert.rejects(streamed("[[sim output-tokens=50 error-after=6]]"));
});

for (const fault of ["truncate-after", "reset-after"]) {
  test(`a stream broken by ${fault} rejects`, async () => {
    await assert.rejects(streamed(`[[sim output-tokens=50 ${fault}=6]]`));
  });
}

test("a stream without its end is no answer", onlyBehindAProxy, async () => {
  await assert.rejects(streamed("[[sim output-tokens=50 eof-after=last]]"));
});

test("models and countTokens", async () => {
  const models = await collect(await client.models.list());
  assert.ok(models.some(({ name }) => name === `models/${model}`));
  assert.ok((await client.models.countTokens({ model, contents: "hello" })).totalTokens > 0);
});

test("a long stream with pings", async () => {
  const chunks = await streamed(LONG);
  assert.equal(chunks.at(-1).usageMetadata.candidatesTokenCount, 400);
});

test("twenty streams at once", () =>
  twenty(async (number) => {
    const chunks = await streamed(`stream ${number} [[sim output-tokens=100 chunk-delay=5ms]]`);
    assert.ok(textOf(chunks).startsWith(`You said: stream ${number} `));
  }));
