/** A server whose answers are the files of a folder, as they lie there when it is asked. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const position = (token, logprob) => ({
  ...{ token, logprob, bytes: [...Buffer.from(token)] },
  top_logprobs: [token, ' word', ' other'].map((text, at) => ({
    ...{ token: text, logprob: logprob - at, bytes: [...Buffer.from(text)] },
  })),
});

/** By file: what a whole server says. */
export const wholeAnswers = {
  'chat.json': {
    id: 'chatcmpl-1',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'five six', reasoning_content: null },
        finish_reason: 'stop',
        logprobs: { content: [position('five', -0.1), position(' six', -0.2), position('<|end|>', -0.01)] },
      },
    ],
    usage: { prompt_tokens: 5, completion_tokens: 3 },
    prompt_logprobs: [null, { 1: { logprob: -1.5, rank: 1, decoded_token: 'a' } }],
    system_fingerprint: null,
  },
  'models.json': {
    object: 'list',
    data: [{ id: 'toy', owned_by: 'vllm', root: '/toy', max_model_len: 4096 }],
  },
  'tokenize.json': { tokens: [1, 2, 3], count: 3, max_model_len: 4096 },
  'detokenize.json': { prompt: 'five' },
};

let started = null;

/** @returns the endpoint; the same server for every call. */
export function startServer(folder) {
  started ??= new Promise((resolve) => {
    const server = createServer((request, response) => {
      const name = /\b(detokenize|tokenize|models)$/.exec(request.url)?.[1] ?? 'chat';
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
        response.end(readFileSync(join(folder, `${name}.json`)));
      });
    });
    server.unref();
    server.on('connection', (socket) => socket.unref());
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/v1`));
  });
  return started;
}
