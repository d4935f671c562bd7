/**
 * An OpenAI-compatible server with a GPU's latencies and no GPU: `node bench/cluster/server.mjs '{"profile": "a100",
 * "scale": 50}'` prints its port. Time runs `scale` times as fast. It serves any base, loads any adapter, and answers
 * words that mean nothing, with log-probabilities that differ by model. GET /stats tells what it did.
 */
import { createServer } from 'node:http';
import { createBatching } from './batching.mjs';
import { answerLength, knowledgeMark } from './plan.mjs';
import { limits, profiles } from './profiles.mjs';

const { profile, scale, port = 0 } = JSON.parse(process.argv[2]);
const batching = createBatching(profiles[profile], limits);
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000) * scale;
const times = { first: null, last: null, requests: 0 };
const adapters = new Map();
const bases = ['llama-3.1-8b', 'llama-guard-3-8b'];

const server = createServer(async (request, response) => {
  const reply = (status, text) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  if (request.url === '/stats') return reply(200, JSON.stringify({ ...times, ...batching.totals }));
  if (request.method === 'GET') return reply(200, JSON.stringify({ object: 'list', data: cards() }));
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = JSON.parse(Buffer.concat(parts).toString());
  if (request.url === '/v1/load_lora_adapter') adapters.set(body.lora_name, body.lora_path);
  if (request.url === '/v1/unload_lora_adapter') adapters.delete(body.lora_name);
  if (request.url.endsWith('lora_adapter')) return reply(200, '"Success"');
  if (request.url !== '/v1/chat/completions') return reply(404, '{}');
  times.first ??= Date.now();
  times.requests++;
  const asked = tokensOf(body);
  catchUp();
  batching.ask(seconds(), { ...asked, finish: () => reply(200, completion(body, asked)) });
  tick();
});

const cards = () => [
  ...bases.map((id) => ({ id, owned_by: 'vllm', root: `/models/${id}`, parent: null, max_model_len: 8192 })),
  ...[...adapters].map(([id, root]) => ({ id, owned_by: 'vllm', root, parent: bases[0] })),
];

/** A quarter of the characters and the marks of a turn, as the plan counts; a guard's template has its own words. */
function tokensOf({ model, messages, max_tokens: most }) {
  const words = messages.reduce((sum, { content }) => sum + Math.ceil(content.length / 4) + 4, 0);
  const last = messages.at(-1).content;
  const judge = model.includes('guard');
  const kind = judge ? 'judge' : last.startsWith(knowledgeMark) ? 'knowledge' : 'harm';
  return { read: words + (judge ? 500 : 0), written: answerLength(kind, `${model} ${last}`, most) };
}

function catchUp() {
  batching.advance(seconds(), ({ finish }) => {
    times.last = Date.now();
    finish();
  });
}

let ticking = false;
function tick() {
  if (ticking) return;
  ticking = true;
  setTimeout(() => {
    ticking = false;
    catchUp();
    if (!batching.idle) tick();
  }, 1);
}

const word = (at) => ` word${at % 40}`;
const lines = new Map();
/** A position with its likeliest tokens, made once: what it says differs by model. */
function position(model, text, at, top) {
  const key = `${model} ${text} ${at % 40} ${top}`;
  if (lines.has(key)) return lines.get(key);
  const bytes = (token) => ({ token, bytes: [...Buffer.from(token)] });
  const p = 0.4 + answerLength('harm', key, 500) / 1000;
  const others = Array.from({ length: Math.max(0, top - 1) }, (_, rank) => ({
    ...bytes(` other${rank}`),
    logprob: Math.log((1 - p) / 2 ** (rank + 1)),
  }));
  const own = { ...bytes(text), logprob: Math.log(p) };
  const line = JSON.stringify({ ...own, top_logprobs: [own, ...others].slice(0, top) });
  lines.set(key, line);
  return line;
}

function completion({ model, max_tokens: most, logprobs, top_logprobs: top = 0 }, { read, written }) {
  const verdict = model.includes('guard');
  const words = verdict ? ['safe'] : Array.from({ length: written }, (_, at) => word(at));
  const content = words.map((text, at) => position(model, text, at, top)).join(',');
  const reason = !verdict && written >= most ? 'length' : 'stop';
  const message = JSON.stringify({ role: 'assistant', content: words.join('') });
  const usage = JSON.stringify({ prompt_tokens: read, completion_tokens: words.length });
  return `{"choices":[{"index":0,"message":${message},"finish_reason":"${reason}","logprobs":${logprobs ? `{"content":[${content}]}` : 'null'}}],"usage":${usage}}`;
}

server.listen(port, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
