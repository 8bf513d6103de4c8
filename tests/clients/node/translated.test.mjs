// The SDKs on upstreams of the other dialects.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { CITY, collect, direct, heal, key, url } from "./support.mjs";

const name = "get_weather";
const model = "house-model";
const options = (to) => ({ apiKey: key, maxRetries: 0, timeout: 30_000, defaultHeaders: { "x-to": to } });
const openai = (to) => new OpenAI({ baseURL: `${url}/v1`, ...options(to) });
const user = (content) => [{ role: "user", content }];
/** Who asks `text` with one tool, streamed: text, arguments of the calls, stop reason, prompt and output tokens, model. */
const SPEAKERS = {
  anthropic: (to) => async (text) => {
    const tools = [{ name, input_schema: CITY }];
    const client = new Anthropic({ baseURL: url, ...options(to) });
    const message = await client.messages.stream({ model, max_tokens: 1000, messages: user(text), tools }).finalMessage();
    const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
    const pick = (type, what) => message.content.filter((block) => block.type === type).map((block) => block[what]);
    const stop = { tool_use: "calls", end_turn: "end" }[message.stop_reason];
    return [pick("text", "text").join(""), pick("tool_use", "input"), stop, input_tokens + cache_read_input_tokens, output_tokens, message.model];
  },
  "openai-chat": (to) => async (text) => {
    const tools = [{ type: "function", function: { name, parameters: CITY } }];
    const stream = openai(to).chat.completions.stream({ model, messages: user(text), tools, stream_options: { include_usage: true } });
    const { choices, usage, model: named } = await stream.finalChatCompletion();
    const calls = (choices[0].message.tool_calls ?? []).map((call) => JSON.parse(call.function.arguments));
    const stop = { tool_calls: "calls", stop: "end" }[choices[0].finish_reason];
    return [choices[0].message.content ?? "", calls, stop, usage.prompt_tokens, usage.completion_tokens, named];
  },
  "openai-responses": (to) => async (text) => {
    const tools = [{ type: "function", name, parameters: CITY, strict: false }];
    const stream = openai(to).responses.stream({ model, input: text, tools });
    const { output, usage, status, error, model: named } = await stream.finalResponse();
    assert.equal(status, "completed", error?.message);
    const calls = output.filter((item) => item.type === "function_call").map((call) => JSON.parse(call.arguments));
    const said = output.flatMap((item) => item.content ?? []).map((part) => part.text ?? "").join("");
    return [said, calls, calls.length > 0 ? "calls" : "end", usage.input_tokens, usage.output_tokens, named];
  },
  gemini: (to) => async (text) => {
    const config = { tools: [{ functionDeclarations: [{ name, parametersJsonSchema: CITY }] }] };
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, timeout: 30_000, headers: { "x-to": to } } });
    const chunks = await collect(await client.models.generateContentStream({ model, contents: text, config }));
    const parts = chunks.flatMap((chunk) => chunk.candidates?.[0].content?.parts ?? []);
    const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall.args);
    const { usageMetadata: usage, modelVersion, candidates } = chunks.at(-1);
    const stop = candidates[0].finishReason === "STOP" ? (calls.length > 0 ? "calls" : "end") : candidates[0].finishReason;
    const said = parts.map((part) => part.text ?? "").join("");
    return [said, calls, stop, usage.promptTokenCount, usage.candidatesTokenCount, modelVersion];
  },
};

beforeEach(heal);

for (const [client, speaker] of Object.entries(SPEAKERS)) {
  for (const upstream of Object.keys(SPEAKERS).filter((other) => other !== client)) {
    const ask = speaker(upstream);
    test(`${client} on ${upstream}`, { skip: direct && "nobody translates" }, async () => {
      const hello = await ask("häßlich 🦀 [[sim chunk=1 input-tokens=100 cache-read=600]]");
      assert.deepEqual(hello, ["You said: häßlich 🦀", [], "end", 700, 6, model]);

      const [, calls, stop] = await ask(`call ${name} {"city": "Köln"} and call ${name} {"city": "Oslo"}`);
      assert.deepEqual([calls, stop], [[{ city: "Köln" }, { city: "Oslo" }], "calls"]);

      const overloaded = client === "anthropic" ? 529 : 503;
      for (const [fault, status] of [["error=context-length", 400], ["error=overloaded", overloaded], ["error=auth", 502]]) {
        await assert.rejects(ask(`[[sim ${fault}]]`), (error) => error.status === status, fault);
        await heal();
      }
      for (const fault of ["error-after", "truncate-after", "reset-after", "eof-after"]) {
        await assert.rejects(ask(`[[sim output-tokens=50 ${fault}=8]]`), undefined, fault);
        await heal();
      }
    });
  }
}
