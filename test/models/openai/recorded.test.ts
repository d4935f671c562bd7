import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../src/files.ts';
import { readChatAnswer, toGeneration } from '../../../src/models/openai/chat.ts';
import { readEchoed } from '../../../src/models/openai/likelihood.ts';

/** What a real Ollama said (`scripts/fixtures/ollama.mjs`), as it is read here. */

interface Recorded {
  readonly name: string;
  readonly status: number;
  readonly body: string;
}
const path = join(packageRoot, 'test/fixtures/servers/ollama.json');
const { bodies } = JSON.parse(readFileSync(path, 'utf8')) as { bodies: readonly Recorded[] };
const recorded = (name: string) => bodies.find((one) => one.name === name)!;
const answerTo = (name: string) => readChatAnswer(recorded(name).body)!;
const generationOf = (name: string, stop: readonly string[] = []) => {
  const answer = answerTo(name);
  const promptTokens = answer.promptTokens ?? 99;
  return toGeneration(answer, { messages: [] }, { promptTokens, most: 10, stop });
};

test('models have a tag behind the name they were given', () => {
  const { data } = JSON.parse(recorded('models').body);
  const ids = data.map(({ id }: { id: string }) => id);
  expect(ids).toContain('wren:latest');
  expect(data[0]).toMatchObject({ object: 'model', owned_by: 'library' });
});

test('what it has not is 404, not 200', () => {
  for (const name of ['health', 'tokenize', 'adapter', 'unknown']) expect(recorded(name).status).toBe(404);
  expect(JSON.parse(recorded('unknown').body).error.message).toBe("model 'nobody' not found");
  expect(recorded('too many')).toMatchObject({
    status: 400,
    body: expect.stringContaining('between 0 and 20'),
  });
});

test('an answer has its log-probabilities, without that of the token which ends it', () => {
  const cut = generationOf('cut');
  expect(cut).toMatchObject({ finishReason: 'length' });
  expect(cut.tokens.map(({ topLogProbabilities }) => topLogProbabilities.length)).toEqual([3, 3]);
  const { completionTokens, systemFingerprint } = answerTo('ended');
  const ended = generationOf('ended');
  expect(ended.finishReason).toBe('stop');
  expect(ended.tokens.map(({ text }) => text).join('')).toBe(ended.text);
  expect(ended.tokens.some(({ endOfTurn }) => endOfTurn)).toBe(false);
  expect([completionTokens, systemFingerprint]).toEqual([ended.tokens.length + 1, 'fp_ollama']);
  const alone = answerTo('drawn alone').positions;
  expect(alone.map(({ top }) => top)).toEqual([[], []]);
});

test('it goes on from a beginning only where its template has a response to go on from', () => {
  const tokens = (name: string) => answerTo(name).promptTokens!;
  // Two tokens of words; the turn's marks are two more.
  expect(tokens('a response begun') - tokens('the same without')).toBe(2);
  expect(tokens('a turn begun') - tokens('ended')).toBe(4);
});

test('a template that it does not know is none: the prompt is the words alone', () => {
  expect(answerTo('no template').promptTokens).toBe(answerTo('ended').promptTokens! - 3);
});

test('a prompt that is too long is cut to the context in silence', () => {
  expect(answerTo('too long').promptTokens).toBe(512);
});

test('thinking is apart, and ends by reasoning_effort alone', () => {
  expect(answerTo('thinking').text).toMatch(/^<think>has a song.*<\/think>/);
  expect(answerTo('thinking still').text).toMatch(/^<think>/);
  expect(answerTo('not thinking').text).not.toContain('think');
  expect(answerTo('not thinking anyway').text).toBe(answerTo('ended').text);
});

test('its penalty leaves the likeliest token', () => {
  const others = answerTo('penalised').positions.filter(
    ({ logProbability, top }) => logProbability! < top[0]!.logProbability - 0.01,
  );
  expect(others.length).toBeGreaterThan(0);
});

test('an answer that it gave up is one that was cut, and nothing was counted', () => {
  const given = JSON.parse(recorded('given up').body);
  expect([given.choices[0].finish_reason, given.usage.completion_tokens]).toEqual([null, 0]);
  expect(generationOf('given up')).toMatchObject({ finishReason: 'length', promptTokens: 99 });
});

test('a stop string is cut off, with its tokens', () => {
  const stopped = generationOf('stop', [' a a']);
  expect(stopped.text).not.toContain(' a a');
  expect(stopped.tokens.map(({ text }) => text).join('')).toBe(stopped.text);
});

test('completions neither echo nor give numbers', () => {
  expect(recorded('text').status).toBe(200);
  expect(readEchoed(recorded('text').body)).toBeNull();
});
