import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { openGguf } from '../../src/lm/gguf.ts';
import { openGgufFile } from '../../src/lm/gguf-file.ts';

/** Files that are not what they say: always an AuditError with a way out, never a crash. */
const folder = mkdtempSync(join(tmpdir(), 'aftertune-gguf-damage-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'model.gguf');
const fixtures = join(import.meta.dirname, '../fixtures/gguf');
const whole = readFileSync(join(fixtures, 'llama3.gguf'));

/** What opening the file and reading all of it says, in one text; `read` when nothing. */
async function complaint(bytes: Uint8Array, texts = ['config.json']): Promise<string> {
  writeFileSync(path, bytes);
  try {
    const model = await openGguf(path);
    for (const name of texts) model.text(name);
    for (const file of model.openWeights!()) {
      for (const name of file.tensors.keys()) file.readStored(name);
      file.close();
    }
    return 'read';
  } catch (error) {
    if (!(error instanceof AuditError) || !error.hint) throw error;
    return [error.code, error.message.replace(path, ''), ...error.problems].join('\n');
  }
}

/** The file with other bytes from `at` on. */
function patched(at: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(whole);
  copy.set(bytes, at);
  return copy;
}

/** The position just after a text (length first) in the header. */
function past(text: string): number {
  const found = whole.indexOf(text);
  if (found < 0) throw new Error(`no ${text}`);
  return found + text.length;
}

const uint64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const uint32 = (value: number) => uint64(BigInt(value)).subarray(0, 4);

describe('a damaged file is refused', () => {
  it('not when it is whole', async () => expect(await complaint(whole)).toBe('read'));

  it.each([
    ['missing', 'no such file', null],
    ['empty', '0 bytes are too few', Buffer.alloc(0)],
    ['of another kind', 'does not begin as a GGUF file does', Buffer.alloc(64, 'PK')],
    ['a Git LFS pointer', 'Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n')],
    ['of version 1', 'of version 1', patched(4, uint32(1))],
    ['big-endian', 'big-endian', patched(4, Buffer.of(0, 0, 0, 3))],
    ['of absurdly many tensors', 'more than 27808 bytes can hold', patched(8, uint64(1n << 60n))],
    ['of absurdly many keys', 'more than 27808 bytes can hold', patched(16, uint64(90_000n))],
    ['with an absurdly long text', 'cannot be read', patched(24, uint64(1n << 40n))],
    ['with a foreign type of value', 'cannot be read', patched(past('llama.context_length'), uint32(77))],
    ['cut in the header', 'the header ends at byte', whole.subarray(0, 900)],
    ['cut in the weights', 'the file at 20000', whole.subarray(0, 20_000)],
    [
      'with a tensor past the end',
      'output_norm.weight: ends at',
      patched(past('output_norm.weight') + 16, uint64(1n << 40n)),
    ],
    [
      'with an enormous tensor',
      'output_norm.weight: ends at',
      patched(past('output_norm.weight') + 4, uint64(1n << 31n)),
    ],
    [
      'with rows that are no blocks',
      'no whole Q4_K blocks of 256',
      patched(past('blk.0.attn_q.weight') + 20, uint32(12)),
    ],
    [
      'with a format that is not read',
      'blk.0.attn_q.weight: IQ2_XS',
      patched(past('blk.0.attn_q.weight') + 20, uint32(17)),
    ],
    [
      'with a format nobody knows',
      'blk.0.attn_q.weight: type 99',
      patched(past('blk.0.attn_q.weight') + 20, uint32(99)),
    ],
    [
      'with two tensors of a name',
      'blk.0.attn_q.weight: twice',
      patched(past('blk.0.attn_k') - 1, Buffer.from('q')),
    ],
    ['with absurdly many layers', '4000000000 layers', patched(past('llama.block_count') + 4, uint32(4e9))],
    [
      'without a width',
      'embedding_length is not there',
      patched(past('llama.embedding_lengt'), Buffer.from('x')),
    ],
    ['without heads', 'not a positive number', patched(past('llama.attention.head_count') + 4, uint32(0))],
    [
      'of another architecture',
      'general.architecture is lluma',
      patched(past('general.architecture') + 14, Buffer.from('u')),
    ],
    [
      'without an embedding',
      'no tensor token_embd.weight',
      patched(past('token_embd') - 1, Buffer.from('x')),
    ],
  ])('%s', async (_, message, bytes) => {
    rmSync(path, { force: true });
    if (bytes) expect(await complaint(bytes)).toContain(message);
    else await expect(openGguf(path)).rejects.toMatchObject({ message: expect.stringContaining(message) });
  });

  it('with a stretching that is not Llama 3’s', async () => {
    writeFileSync(path, whole);
    const { offset } = (await openGgufFile(path)).tensors.get('rope_freqs.weight')!;
    const fifteen = Buffer.from(Float32Array.of(15).buffer);
    expect(await complaint(patched(offset + 4, fifteen))).toContain("not Llama 3's stretching");
  });

  it.each([
    ['llama3.gguf', ['config.json']],
    ['chatml-tokenizer.gguf', ['generation_config.json', 'tokenizer.json', 'tokenizer_config.json']],
  ])(
    'whichever bytes of %s are wrong',
    async (name, texts) => {
      const sound = readFileSync(join(fixtures, name));
      const damage = fc.array(fc.tuple(fc.nat(Math.min(sound.length, 9000) - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      });
      expect(await complaint(sound, texts)).toBe('read');
      await fc.assert(
        fc.asyncProperty(damage, async (bytes) => {
          const copy = Buffer.from(sound);
          for (const [at, value] of bytes) copy[at] = value;
          await complaint(copy, texts);
        }),
        { seed: 9, numRuns: 150 },
      );
    },
    60_000,
  );
});
