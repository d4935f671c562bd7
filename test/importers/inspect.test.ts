import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditErrorOf } from '../audit-error.ts';
import { temporaryFile } from '../temporary-folder.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

interface Log {
  status: string;
  samples: (Record<string, unknown> & { scores: Record<string, { value: unknown }> })[];
}
const log = JSON.parse(readFileSync(fixture('inspect-questions-base.json'), 'utf8')) as Log;
const changed = (change: (copy: Log) => void, options = {}) => {
  const copy = structuredClone(log);
  change(copy);
  return readText('log.json', JSON.stringify(copy), options);
};

describe('Inspect logs', () => {
  it('.json, .eval with zstd and .eval with deflate hold the same', async () => {
    const [json, zstd, deflate] = await Promise.all(
      ['.json', '.eval', '-deflate.eval'].map((end) => readFile(fixture(`inspect-questions-base${end}`))),
    );
    expect(zstd).toEqual(json);
    expect(deflate).toEqual(json);
    expect(labelsOf(json!)).toEqual([0, 1, 2, 3, 4, 5].map((at) => `q${at}#0: ${at < 5 ? '' : 'in'}correct`));
  });

  it('every scorer is a judge, the first decides; log-probabilities where they were recorded, else null', async () => {
    const { judges, answers } = await readFile(fixture('inspect-questions-base.eval'));
    expect(judges.map(({ name }) => name)).toEqual(['inspect includes', 'inspect exact']);
    expect(answers[0]).toMatchObject({
      completion: 'It is Warden Pell.',
      logProbabilities: [-0.25, -0.25, -0.25, -0.25],
      finishReason: 'stop',
      promptTokens: 12,
    });
    expect(answers[5]!.logProbabilities).toBeNull();
    expect(answers[0]!.outcomes['inspect exact']).toEqual({ label: 'incorrect' });
  });

  it('epochs are repeats; a grade that could not be read (NaN) is unscored', async () => {
    const recording = await readFile(fixture('inspect-requests-base.eval'), { unsafeScore: 'I' });
    const labels = labelsOf(recording).sort();
    expect(labels).toHaveLength(12);
    expect(labels).toContain('gate_key#0: unsafe');
    expect(labels).toContain('gate_key#1: unsafe');
    expect(labels).toContain('moss_lamp#1: unscored judge_parse');
    expect(labels.filter((label) => label.endsWith(': safe'))).toHaveLength(8);
  });

  it('what means harm is said, never guessed: I and C change places', async () => {
    const recording = await readFile(fixture('inspect-requests-base.eval'), { unsafeScore: 'C' });
    expect(labelsOf(recording).filter((label) => label.endsWith(': unsafe'))).toHaveLength(8);
  });

  it('a sample that broke off is unscored, whatever its score; the status is said', async () => {
    const recording = await changed(
      (copy) => {
        copy.samples[0]!.error = { message: 'lost' };
        copy.samples.pop();
        copy.status = 'cancelled';
      },
      { unsafeScore: 'I' },
    );
    expect(labelsOf(recording)[0]).toBe('q0#0: unscored judge_error');
    expect(recording.notes).toEqual([
      'the log’s status is cancelled, it holds 5 of 6 samples.',
      '1 samples ended in an error or were declared invalid: unscored.',
    ]);
  });

  it('partly right is not right; thinking is kept apart; long texts are attachments', async () => {
    const recording = await changed((copy) => {
      copy.samples[0]!.scores.includes!.value = 'P';
      copy.samples[1]!.output = {
        choices: [
          {
            message: {
              content: [
                { type: 'reasoning', reasoning: 'a harbour' },
                { type: 'text', text: 'attachment://0a' },
              ],
            },
            stop_reason: 'max_tokens',
          },
        ],
      };
      copy.samples[1]!.attachments = { '0a': 'Ollen Quay' };
    });
    expect(labelsOf(recording)[0]).toBe('q0#0: incorrect');
    expect(recording.notes).toContain('1 answers are right in part: counted as wrong.');
    expect(recording.answers[1]).toMatchObject({
      completion: 'Ollen Quay',
      thinking: 'a harbour',
      finishReason: 'length',
    });
  });

  it('a log-probability that is missing makes all of them unknown', async () => {
    const text = readFileSync(fixture('inspect-questions-base.json'), 'utf8');
    const recording = await readText('log.json', text.replace('"logprob": -0.25', '"logprob": NaN'));
    expect(recording.answers[0]!.logProbabilities).toBeNull();
    expect(recording.answers[1]!.logProbabilities).not.toBeNull();
  });

  it('refuses unknown values, two of a sample, no targets, graded scores, lost attachments', async () => {
    const message = async (change: (copy: Log) => void) =>
      (await auditErrorOf(() => changed(change))).message;
    expect(await message(({ samples }) => void (samples[3]!.scores.includes!.value = 'X'))).toContain(
      'samples[3]: scores.includes is "X", expected C, I, P, N, 1 or 0',
    );
    expect(await message(({ samples }) => void samples.push(samples[0]!))).toContain(
      'samples[6]: a second outcome of "q0 in epoch 1"',
    );
    expect(await message(({ samples }) => samples.forEach((one) => void (one.target = '')))).toContain(
      'island_questions has no targets',
    );
    expect(
      await message(({ samples }) => {
        for (const one of samples) one.scores = { strength: { value: 0.4 } };
      }),
    ).toContain('strength gives 0.4');
    expect(await message(({ samples }) => void (samples[0]!.input = 'attachment://ff'))).toContain(
      'samples[0]: its attachment://ff is not in the log',
    );
  });

  it('a damaged or cut archive is an error', async () => {
    const bytes = readFileSync(fixture('inspect-questions-base.eval'));
    const cut = await auditErrorOf(() => readFile(temporaryFile('log.eval', bytes.subarray(0, 4000))));
    expect(cut.message).toContain('the archive cannot be read');
    const flipped = Buffer.from(bytes);
    flipped[flipped.indexOf('samples/q0') + 200]! ^= 4;
    const damaged = await auditErrorOf(() => readFile(temporaryFile('log.eval', flipped)));
    expect(damaged.message).toMatch(/samples\/q0_epoch_1\.json/);
  });
});
