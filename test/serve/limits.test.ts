import { afterEach, expect, it, vi } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import type { AnswerPart, Generation, LanguageModel, Prompt } from '../../src/model.ts';
import { bodyLimit } from '../../src/serve/admission.ts';
import { type ServeSettings, type Serving, serveModels } from '../../src/serve/server.ts';

/** Too much, too long, gone away, shutting down: against a model that answers letter by letter, once it is let. */

let serving: Serving;
let prompts: Prompt[];
let left: number;
/** Answers wait until this is called. */
let go: () => void;
let gate: Promise<void>;
const hold = () => {
  gate = new Promise((resolve) => {
    go = resolve;
  });
};
afterEach(() => serving.close(0));

const letters = 'Grüße🦉!';

async function* letterByLetter(prompt: Prompt, signal: AbortSignal): AsyncGenerator<AnswerPart> {
  prompts.push(prompt);
  try {
    for (const text of letters) {
      await Promise.race([gate, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
      if (signal.aborted) throw new AuditError('interrupted', 'interrupted');
      const token = { id: 1, text, logProbability: -1, topLogProbabilities: [-1], endOfTurn: false };
      yield { type: 'token', token, text };
    }
    const generation: Generation = { text: letters, tokens: [], finishReason: 'stop', promptTokens: 1 };
    yield { type: 'end', text: '', generation };
  } finally {
    left++;
  }
}

async function open(extra: Partial<ServeSettings> = {}): Promise<void> {
  [prompts, left, gate] = [[], 0, Promise.resolve()];
  const stream: LanguageModel['stream'] = (prompt, _, signal) => letterByLetter(prompt, signal!);
  const model = { fingerprint: 'f'.repeat(64), contextLength: 64, stream } as unknown as LanguageModel;
  const settings = { host: '127.0.0.1', port: 0, key: null, version: '0', log: () => {}, ...extra };
  serving = await serveModels([{ name: 'm', root: 'm', parent: null, model }], settings);
}

const chat = (extra: object = {}, signal?: AbortSignal) =>
  fetch(`${serving.url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'a' }], ...extra }),
    ...(signal && { signal }),
  });

it('tells those beyond its places to come again, and takes them then', async () => {
  await open({ mostAnswers: 2 });
  hold();
  const busy = chat({ n: 2 });
  await vi.waitFor(() => expect(prompts).toHaveLength(2), 30_000);
  const refused = await chat();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error' } });
  go();
  expect((await busy).status).toBe(200);
  expect((await chat()).status).toBe(200);
});

it('tells those that want more than all its places so', async () => {
  await open({ mostAnswers: 2 });
  const refused = await chat({ n: 3 });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([400, null]);
  expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining('at most 2') } });
});

it('reads no body beyond its limit, and none that is not JSON', async () => {
  await open();
  const messages = [{ role: 'user', content: 'a'.repeat(bodyLimit) }];
  expect(
    (await chat({ messages })).status,
    'what is a little too long is read, so that the answer arrives',
  ).toBe(413);
  const bad = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
    fetch(`${serving.url}/chat/completions`, { method: 'POST', headers: { 'content-type': type }, body });
  expect((await bad('{', 'application/json')).status).toBe(400);
  expect((await bad('{}', 'text/plain')).status).toBe(415);
  const latin = Buffer.from('{"model":"m","messages":[{"role":"user","content":"caf\xe9"}]}', 'latin1');
  expect((await bad(Uint8Array.from(latin), 'application/json')).status, 'no UTF-8').toBe(400);
  expect(prompts).toEqual([]);
});

it('names the routes that there are to a client that asks another', async () => {
  await open();
  const reply = await fetch(serving.url.replace('/v1', '/chat/completions'), { method: 'POST', body: '{}' });
  expect(reply.status).toBe(404);
  const { error } = (await reply.json()) as { error: { message: string } };
  expect(error.message).toBe(
    'no such route: POST /chat/completions; there is POST /v1/chat/completions and POST /v1/completions',
  );
});

it('ends what runs past its deadline, with an error that says so', async () => {
  await open({ deadlineMs: 60 });
  hold();
  const whole = await chat();
  expect(whole.status).toBe(503);
  const streamed = await (await chat({ stream: true })).text();
  expect(streamed).toContain('deadline');
  expect(streamed).not.toContain('[DONE]');
  expect(left).toBe(2);
});

it('stops working for a client that has gone', async () => {
  await open({ mostAnswers: 1 });
  hold();
  const leaving = new AbortController();
  const gone = chat({}, leaving.signal).catch((error: Error) => error.name);
  await vi.waitFor(() => expect(prompts).toHaveLength(1), 30_000);
  leaving.abort();
  expect(await gone).toBe('AbortError');
  await vi.waitFor(() => expect(left).toBe(1), 30_000);
  go();
  expect((await chat()).status).toBe(200);
});

it('lets answers under way finish when it is closed, and takes no others', async () => {
  await open();
  hold();
  const running = chat();
  await vi.waitFor(() => expect(prompts).toHaveLength(1), 30_000);
  // Longer than this test may take: what is idle is not waited for, however long a client keeps its connection.
  const closed = serving.close(600_000);
  await expect(chat()).rejects.toThrow();
  go();
  expect(await (await running).json()).toMatchObject({ choices: [{ message: { content: letters } }] });
  await closed;
  await open();
});

it('streams characters of several bytes whole', async () => {
  await open();
  const response = await chat({ stream: true });
  const text = new TextDecoder('utf-8', { fatal: true }).decode(await response.arrayBuffer());
  const pieces = text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)).choices[0].delta.content ?? '');
  expect(pieces.join('')).toBe(letters);
  expect(pieces).toContain('🦉');
});

it('goes on with a final message, which the answer does not repeat', async () => {
  await open();
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'It is' },
  ];
  await chat({ messages, continue_final_message: true, add_generation_prompt: false });
  expect(prompts[0]).toMatchObject({ messages: [messages[0]], prefill: 'It is' });
  const both = await chat({ messages, continue_final_message: true, add_generation_prompt: true });
  expect(both.status).toBe(400);
});
