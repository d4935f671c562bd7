import { describe, expect, it } from 'vitest';
import { commentCharacters, documentToComment } from '../../src/report/comment.ts';
import type { Document, Section } from '../../src/report/document.ts';

const section = (id: string, text: string): Section => ({
  id,
  title: `About ${id}`,
  blocks: [{ kind: 'paragraph', text }],
});
const document = (sections: readonly Section[], findings = 1, sentence = 'It changed.'): Document => ({
  title: 'a run',
  arms: ['base', 'tuned'],
  baseArm: 'base',
  lead: {
    verdict: 'FAIL',
    exitCode: 2,
    alarms: ['Another judge would say PASS.'],
    sentence: 'The tuned arm lost its safety.',
    findings: Array.from({ length: findings }, () => ({
      ...{ arm: 'tuned', verdict: 'FAIL' as const, sentence, measures: [] },
    })),
  },
  sections,
});

describe('a comment', () => {
  it('begins with the verdict and folds the sections away', () => {
    const text = documentToComment(document([section('gate', 'margins'), section('method', 'formulas')]));
    expect(
      text.startsWith(
        '# a run\n\n**FAIL** (exit code 2). The tuned arm lost its safety.\n\n> **Warning:** Another judge would say PASS.\n\n- **tuned**',
      ),
    ).toBe(true);
    expect(text).toContain('<details>\n<summary>About gate</summary>\n\nmargins\n\n</details>');
  });

  it('drops method, then what was compared, then the last sections, and says so', () => {
    const large = (id: string, size: number) => section(id, 'x'.repeat(size));
    const text = documentToComment(
      document([
        large('gate', 20_000),
        large('harm', 50_000),
        large('compared', 20_000),
        large('method', 20_000),
      ]),
    );
    expect(text.length).toBeLessThan(commentCharacters);
    expect(text).toContain('left out: About harm, About compared, About method.');
    expect(text).toContain('About gate</summary>');
  });

  it('stays short whatever the findings', () => {
    const text = documentToComment(document([], 100, 'y'.repeat(1500)));
    expect(text.length).toBeLessThan(commentCharacters);
    expect(text).toMatch(/left out: \d+ arms/);
  });

  it('mentions nobody and opens no tag, link or order of letters', () => {
    const hostile = 'ask @octocat in #12 or GH-3, https://x.example www.x.example <b>|`\u202e\u001b[31m';
    const text = documentToComment(document([section('gate', hostile)], 1, hostile));
    expect(text).not.toMatch(/@octocat|#12|GH-3|:\/\/|www\.|(?<!\\)<b>|\p{Cf}/u);
    expect(text).not.toContain('\u001b');
  });
});
