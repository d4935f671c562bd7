import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';

const tied = fileURLToPath(new URL('../fixtures/parity/tied', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'digits-'));
  cpSync(tied, folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ids of `a ¼½ 12` by the fixture's tokenizer with one merge (a space with the first byte of ¼) and these pre-tokenizers first. */
function encodeWith(first: readonly object[]): number[] {
  const json = JSON.parse(readFileSync(join(tied, 'tokenizer.json'), 'utf8'));
  json.model.vocab.ĠÂ = 259;
  json.model.merges = [['Ġ', 'Â']];
  json.pre_tokenizer = { type: 'Sequence', pretokenizers: [...first, json.pre_tokenizer] };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
  return loadChatTokenizer(folder).encode('a ¼½ 12');
}

/** Expected ids: the Python package tokenizers 0.23.3. */
test('digits are split off where the reference does so: at every Unicode number', () => {
  const apart = [67, 223, 129, 123, 129, 124, 223, 19, 20];
  expect(encodeWith([])).toEqual([67, 259, 123, 129, 124, 223, 19, 20]);
  for (const individual of [true, false])
    expect(encodeWith([{ type: 'Digits', individual_digits: individual }])).toEqual(apart);
});
