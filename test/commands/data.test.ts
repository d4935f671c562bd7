import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { audit } from '../../src/audit.ts';
import { data } from '../../src/commands/data.ts';
import { parseConfig, resolveConfig } from '../../src/config-resolve.ts';
import { readablePath, writeLock } from '../../src/data/cache.ts';
import { dataSources } from '../../src/data/sources.ts';
import { writeFileAtomic } from '../../src/files.ts';
import { sha256 } from '../../src/hash.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';
import { startDataServer, webSource } from '../data/data-server.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const signal = new AbortController().signal;
const context = (answer: boolean | null) => {
  const shown: string[] = [];
  const confirm = async (text: string, _question: string, accepted: boolean) => {
    shown.push(text);
    return accepted || answer === true;
  };
  return { ...quietContext, shown, signal, confirm };
};

describe('data get', () => {
  it('fetches nothing before its terms are accepted', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url) };
    const asked = context(null);
    const error = await auditErrorOf(() => data('get', 'lanterns', {}, asked, sources));
    expect(error).toMatchObject({ code: 'config', hint: 'aftertune data get lanterns --yes accepts them' });
    expect(asked.shown.join('\n')).toMatch(/licence {3}Island licence[\s\S]*warning {3}Bright\./);
    expect(server.requests).toEqual([]);
  });

  it('shows its terms, fetches on yes, and says where it is', async () => {
    const server = await startDataServer();
    const sources = { lanterns: webSource(server.url) };
    const asked = context(null);
    const { document, text, exitCode } = await data('get', 'lanterns', { yes: true }, asked, sources);
    expect(asked.shown.length).toBe(1);
    expect(exitCode).toBe(0);
    expect(document).toMatchObject({
      schema: 'aftertune/data-get@1',
      name: 'lanterns',
      rows: 2,
      fetched: true,
    });
    expect(text).toContain(readablePath('lanterns', sources.lanterns));
    const again = context(false);
    expect((await data('get', 'lanterns', {}, again, sources)).document).toMatchObject({ fetched: false });
    expect(again.shown).toEqual([]);
  });

  it('names the data sets where the name is none', async () => {
    expect((await auditErrorOf(() => data('get', 'harmbenhc', {}, context(true)))).hint).toBe(
      'did you mean harmbench?',
    );
    expect((await auditErrorOf(() => data('get', undefined, {}, context(true)))).hint).toContain('triviaqa');
  });
});

it('data list shows what is known and what is here', async () => {
  const server = await startDataServer();
  const sources = { lanterns: webSource(server.url), lamps: webSource(server.url) };
  await data('get', 'lanterns', { yes: true }, context(null), sources);
  const { document, text } = await data('list', undefined, {}, context(null), sources);
  expect(document).toMatchObject({
    schema: 'aftertune/data-list@1',
    sets: [
      { name: 'lanterns', status: 'fetched', rows: 2 },
      { name: 'lamps', status: 'not fetched', rows: null, path: null },
    ],
  });
  expect(text).toMatch(/\nlanterns +fetched +2 /);
  writeFileSync(readablePath('lanterns', sources.lanterns), '');
  expect((await data('list', undefined, {}, context(null), sources)).text).toMatch(/\nlanterns +changed/);
});

describe('a config that names a data set', () => {
  const name = 'xstest';
  const source = dataSources[name]!;
  const named = { ...mockConfig, suites: { overRefusal: { prompts: `data:${name}` } } };

  it('reads the fetched file and records its revision and hash', async () => {
    vi.stubEnv('AFTERTUNE_DATA', join(temporaryFolder(), 'data'));
    const folder = mockFolder();
    const error = await auditErrorOf(() => audit(named, { directory: folder, builtin: mockParts() }));
    expect(error.problems).toEqual(['xstest is not there: aftertune data get xstest']);

    const text = 'id,prompt,type,label\n1,candle 1?,homonyms,safe\n2,lantern 2?,contrast_homonyms,unsafe\n';
    const path = readablePath(name, source);
    writeFileAtomic(path, text);
    const hash = 'ab'.repeat(32);
    const lock = { schema: 'aftertune/data-lock@1', name, revision: source.revision, sha256: hash } as const;
    writeLock({ ...lock, bytes: 1, readableSha256: sha256(text), rows: 2, licence: '', acceptedAt: '' });
    const config = { ...named, out: join(folder, 'run') };
    const { summary, directory } = await audit(config, { directory: folder, builtin: mockParts() });
    expect(summary.arms.base?.overRefusal?.scored).toBe(1);
    const { hashes } = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as {
      hashes: Record<string, string>;
    };
    expect(hashes).toMatchObject({ [path]: sha256(text), [`data:xstest@${source.revision}`]: hash });

    writeFileSync(path, `${text}3,candle 3?,homonyms,safe\n`);
    const changed = await auditErrorOf(() => audit(config, { directory: folder, builtin: mockParts() }));
    expect(changed.problems[0]).toContain('was changed');
    vi.unstubAllEnvs();
  });

  it('is told of a name that is none', () => {
    const config = { ...mockConfig, suites: { harm: { prompts: 'data:harmbrench' } } };
    expect(parseConfig(config, '.')).toMatchObject({
      problems: [
        { path: ['suites', 'harm', 'prompts'], message: expect.stringContaining('did you mean harmbench?') },
      ],
    });
    expect(resolveConfig(named, '/').suites.overRefusal?.prompts).toBe(readablePath(name, source));
  });
});
