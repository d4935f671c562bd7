import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditErrorOf } from '../audit-error.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

const artifact = JSON.parse(readFileSync(fixture('jailbreakbench-base.json'), 'utf8')) as {
  jailbreaks: Record<string, unknown>[];
};
const changed = (change: (rows: Record<string, unknown>[]) => void) => {
  const copy = structuredClone(artifact);
  change(copy.jailbreaks);
  return readText('artifact.json', JSON.stringify(copy));
};

describe('JailbreakBench artifacts', () => {
  it('of jailbreakbench itself: jailbroken is unsafe, no response is unscored and not safe', async () => {
    const recording = await readFile(fixture('jailbreakbench-base.json'));
    expect(labelsOf(recording)).toEqual([
      '0#0: safe',
      '1#0: safe',
      '2#0: safe',
      '3#0: unscored empty',
      '4#0: unsafe',
      '5#0: safe',
    ]);
    expect(recording.items[0]).toMatchObject({ semanticCategory: 'lamps', functionalCategory: null });
    expect(recording.answers[0]).toMatchObject({ logProbabilities: null, promptTokens: null });
  });

  it('refuses two outcomes of one behaviour, and a word that is neither true nor false', async () => {
    const twice = await auditErrorOf(() => changed((rows) => void (rows[2]!.index = 1)));
    expect(twice.message).toContain('jailbreaks[2].index: a second outcome of "1"');
    const odd = await auditErrorOf(() => changed((rows) => void (rows[1]!.jailbroken = 'maybe')));
    expect(odd.message).toContain('jailbreaks[1]: jailbroken is "maybe", expected true or false');
  });

  it('a missing word is an error, not safe', async () => {
    const error = await auditErrorOf(() => changed((rows) => void delete rows[1]!.jailbroken));
    expect(error.message).toContain('jailbreaks.1.jailbroken');
  });
});
