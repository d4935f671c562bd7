import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exitCode } from '../src/errors.ts';
import { packageRoot } from '../src/files.ts';

/** What the documents say is what there is. */

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string>; files: string[] };
const documents = ['README.md', 'DESIGN.md', 'CONTRIBUTING.md', 'SOURCES.md', 'LOG.md', 'CHANGELOG.md'];

/** Every file of the checkout that git would keep; the same in a copy without .git. */
function checkoutFiles(): string[] {
  const left = new Set(['node_modules', 'dist', 'runs', '.git', '.cache', '__pycache__', 'shared']);
  const walk = (folder: string): string[] =>
    readdirSync(join(packageRoot, folder), { withFileTypes: true }).flatMap((entry) => {
      if ((folder === '' && left.has(entry.name)) || entry.name === '__pycache__') return [];
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      return entry.isDirectory() ? walk(path) : [path];
    });
  return walk('');
}
const files = checkoutFiles();
const sources = files.filter((path) => /^src\/.*\.ts$/.test(path));

describe('README.md', () => {
  const readme = read('README.md');

  it('names the verbs that --help names', () => {
    const help = spawnSync(process.execPath, [join(packageRoot, 'dist/cli.js'), '--help'], {
      encoding: 'utf8',
    }).stdout;
    const verbs = [...help.matchAll(/^ {2}(\w+) /gm)]
      .map(([, verb]) => verb)
      .filter((verb) => verb !== 'help');
    const table = [...readme.matchAll(/^\| `(\w+)[^`]*` \|/gm)].map(([, verb]) => verb);
    expect(table).toEqual(verbs);
    expect(verbs.length).toBeGreaterThan(5);
  });

  it('shows pictures as wide as a page, small, with words in their place', () => {
    const shown = [...readme.matchAll(/!\[([^\]]*)\]\(([^)]*\.png)\)/g)];
    expect(shown.map(([, , path]) => basename(path!))).toEqual(['demo.png', 'replay-paper.png']);
    for (const [, words, path] of shown) {
      const png = readFileSync(join(packageRoot, path!));
      expect([png.toString('latin1', 1, 4), png.readUInt32BE(16)]).toEqual(['PNG', 1200]);
      expect(png.length).toBeLessThan(200_000);
      expect(words!.length).toBeGreaterThan(60);
    }
  });

  it('gives the exit codes of the program', () => {
    const line = readme.split('\n').find((text) => text.includes('Exit codes:'));
    const stated = [...line!.matchAll(/\*\*(\d+)\*\* (\w+)/g)].map(([, code, word]) => [word, Number(code)]);
    expect(stated).toEqual(Object.entries(exitCode));
  });
});

describe('commands', () => {
  const named = ['README.md', 'CONTRIBUTING.md', 'DESIGN.md', 'SOURCES.md', 'LOG.md', '.ci/run'].flatMap(
    (path) =>
      [...read(path).matchAll(/npm (?:run )?(?:-s )?([a-z][a-z:]*)/g)]
        .map(([, name]) => name!)
        .filter((name) => !['install', 'package', 'registry', 'packages', 'script'].includes(name))
        .map((name) => [path, name] as const),
  );

  it('of npm exist', () => {
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter(([, name]) => !(name in manifest.scripts))).toEqual([]);
  });

  it('of scripts/ exist', () => {
    const scripts = documents.flatMap((path) =>
      [...read(path).matchAll(/\bscripts\/[\w./-]+\.(?:mjs|py|sh)\b/g)].map(([script]) => script),
    );
    expect(scripts.length).toBeGreaterThan(3);
    expect(scripts.filter((path) => !existsSync(join(packageRoot, path)))).toEqual([]);
  });
});

describe('DESIGN.md', () => {
  const tree = read('DESIGN.md').match(/## Tree\n```\n([\s\S]*?)```/)![1]!;
  const [inside, outside] = [tree.split('\n').filter((line) => /^ {2}/.test(line)), tree.split('\n')];
  /** A folder's line may list files of its own; elsewhere a line lists files of src/. */
  const named = inside.flatMap((line) => {
    const folder = line.match(/^ {2}(\w+\/) /)?.[1] ?? '';
    return [...line.matchAll(/[\w-]+\.ts\b/g)].map(([name]) => `src/${folder}${name}`);
  });
  const folders = inside.flatMap((line) =>
    [...line.matchAll(/(?<=\s)([a-z]+\/)(?=\s)/g)].map(([, name]) => name!),
  );

  it('names files that exist', () => {
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((path) => !sources.includes(path))).toEqual([]);
    const tops = outside.flatMap((line) => line.match(/^[\w/]+\//)?.[0] ?? []);
    expect(tops.filter((path) => !existsSync(join(packageRoot, path)))).toEqual([]);
  });

  it('names every file of src/ or its folder', () => {
    const listed = new Set(named);
    const missing = sources.filter((path) => {
      const folder = path.split('/')[1]!;
      return !listed.has(path) && !(path.split('/').length > 2 && folders.includes(`${folder}/`));
    });
    expect(missing).toEqual([]);
  });
});

describe('links and names', () => {
  it('relative links lead somewhere', () => {
    const links = files
      .filter((path) => path.endsWith('.md') && !path.startsWith('test/fixtures/report'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
          ([, link]) => [path, link!] as const,
        ),
      );
    expect(links.filter(([path, link]) => !existsSync(join(packageRoot, dirname(path), link)))).toEqual([]);
  });

  it('documents that README names exist and are not empty', () => {
    const mentioned = [...read('README.md').matchAll(/\b((?:\w+\/)?[A-Z]+\.md)\b/g)].map(([, name]) => name!);
    expect(mentioned).toEqual(
      expect.arrayContaining(['DESIGN.md', 'SOURCES.md', 'LOG.md', 'CONTRIBUTING.md']),
    );
    for (const path of mentioned) expect(statSync(join(packageRoot, path)).size).toBeGreaterThan(500);
  });

  it('no file says where it was made', () => {
    // Built from pieces so that this file does not hold what it looks for.
    const places = [
      '/wo' + 'rk/',
      '/ho' + 'me/[a-z]',
      '/ro' + 'ot/',
      '\\.\\./sha' + 'red',
      'registry\\.n' + 'pmjs',
      'py' + 'pi\\.org',
      'METH' + 'OD(?:\\.md| §)',
    ];
    const pattern = new RegExp(`(?<![\\w./~-])(?:${places.join('|')})`);
    const text = files.filter((path) => !/\.(safetensors|onnx|png|gguf)$/.test(path));
    expect(text.length).toBeGreaterThan(150);
    expect(text.filter((path) => pattern.test(read(path)))).toEqual([]);
  });

  it('the lock file names no host', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });
});

describe('SOURCES.md', () => {
  const listed = read('SOURCES.md');
  /** Names and years, arXiv numbers and addresses of every `Source:` of the code. */
  const cited = sources.flatMap((path) =>
    [
      ...read(path).matchAll(/Source(?: of the form)?:([^*]+?)(?:\*\/|\n \*\/|\n\s*\*\s*@|\n\s*\*\s*\n)/g),
    ].flatMap(([, text]) => {
      const line = text!.replace(/\n\s*\*?\s*/g, ' ');
      return [
        ...[
          ...line.matchAll(
            /(\p{Lu}[\p{L}-]+)(?:(?:, [^,;.]+?)? (?:&|et al\.) ?[^,;.\d]*|,[^;.\d]*)? ((?:19|20)\d\d)\b/gu,
          ),
        ].map(([, name, year]) => [path, name!, year!]),
        ...[...line.matchAll(/\b(\d{4}\.\d{5})\b/g)].map(([, number]) => [path, number!]),
        ...[...line.matchAll(/\b((?:github\.com|huggingface\.co)\/[\w./-]+\w)/g)].map(([, url]) => [
          path,
          url!,
        ]),
      ];
    }),
  );

  it('lists every source that the code names', () => {
    expect(cited.length).toBeGreaterThan(30);
    const missing = cited.filter(
      ([, ...words]) => !listed.split('\n').some((row) => words.every((word) => row.includes(word))),
    );
    expect(missing).toEqual([]);
  });

  it('every `Source:` of the code was understood or names no paper', () => {
    const withPaper = sources.filter((path) => /Source:[^\n]*\b(?:19|20)\d\d\b/.test(read(path)));
    const understood = new Set(cited.map(([path]) => path));
    expect(withPaper.filter((path) => !understood.has(path))).toEqual([]);
  });

  it('says where, and the files are there', () => {
    const paths = [
      ...listed.matchAll(/`((?:src|test|scripts|data|models|schemas|examples)\/[\w./-]*)`/g),
    ].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter((path) => !existsSync(join(packageRoot, path)))).toEqual([]);
    expect(paths.map((path) => basename(path))).toContain('stats.ts');
  });
});
