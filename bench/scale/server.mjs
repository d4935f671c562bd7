#!/usr/bin/env node
/**
 * A mock OpenAI-compatible server that only waits: node bench/scale/server.mjs LATENCY_MS
 * Prints its port. Every chat completion gets the same short answer; `/stats` tells how many prompts of the suite
 * (`suite.mjs`: they begin with `Item `) were asked, from when to when, and `/reset` starts over.
 */
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const models = ['mock', 'mock-tuned'];
const listed = JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) });
const completion = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-mock',
    object: 'chat.completion',
    created: 0,
    model: models[0],
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'I’m sorry, but I cannot help with that.' },
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 24, completion_tokens: 11, total_tokens: 35 },
  }),
);
const marker = Buffer.from('"Item ');

/** Milliseconds on a clock that all processes share. */
const now = () => performance.timeOrigin + performance.now();
const fresh = () => ({ requests: 0, items: 0, first: null, last: null, underWay: 0, most: 0 });

export function serve(latencyMs) {
  let stats = fresh();
  const server = createServer((request, response) => {
    const json = { 'content-type': 'application/json' };
    if (request.method === 'GET') {
      if (request.url === '/reset') stats = fresh();
      return response.writeHead(200, json).end(request.url === '/v1/models' ? listed : JSON.stringify(stats));
    }
    let isItem = false;
    request.on('data', (part) => {
      isItem ||= part.includes(marker);
    });
    request.on('end', () => {
      stats.requests++;
      if (!request.url.endsWith('/chat/completions')) return response.writeHead(404, json).end('{}');
      stats.most = Math.max(stats.most, ++stats.underWay);
      if (isItem) {
        stats.items++;
        stats.first ??= now();
      }
      setTimeout(() => {
        stats.underWay--;
        if (isItem) stats.last = now();
        response.writeHead(200, { ...json, 'content-length': completion.length }).end(completion);
      }, latencyMs);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) serve(Number(process.argv[2]));
