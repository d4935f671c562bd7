/** Writes the tokenizer of test/fixtures/wren/tokenizer.json into a folder: see tokenizer_fixture.py. */
import { readFileSync } from 'node:fs';
import { trainTokenizer, writeTokenizer } from '../../dist/wren/byte-pair.js';

const fixture = JSON.parse(
  readFileSync(new URL('../../test/fixtures/wren/tokenizer.json', import.meta.url), 'utf8'),
);
writeTokenizer(process.argv[2], trainTokenizer(fixture.training, fixture.size), 384);
