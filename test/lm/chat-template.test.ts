import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, type Conversation } from '../../src/conversation.ts';
import { AuditError } from '../../src/errors.ts';
import { loadChatTemplate, type RenderOptions } from '../../src/lm/chat-template.ts';
import { modelFolder } from '../../src/lm/model-folder.ts';

/** Numbers of transformers: scripts/parity/chat_templates.py. */
interface Outcome {
  readonly text?: string;
  readonly generated?: readonly string[];
  readonly error?: string;
}

const fixture: {
  readonly conversations: Conversation[];
  readonly snippetConversation: Conversation;
  readonly special: Record<string, string>;
  readonly snippets: (Outcome & { readonly template: string })[];
  readonly families: Record<string, string>;
  readonly cases: (Outcome & {
    readonly family: string;
    readonly conversation: number;
    readonly prompt: boolean;
    readonly thinking: boolean | null;
  })[];
} = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/chat-templates.json'), 'utf8'));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aftertune-template-'));
  writeFileSync(join(folder, 'tokenizer_config.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(source: string) {
  writeFileSync(join(folder, 'chat_template.jinja'), source);
  return loadChatTemplate(modelFolder(folder), undefined, fixture.special);
}

/** What a template makes of a conversation, in the fixture's form; how it refuses is told by its own words. */
function outcome(source: string, messages: Conversation, options: RenderOptions): Outcome {
  try {
    const { text, generated } = load(source).render(messages, options);
    const marked = /\{%-?\s*generation/.test(source);
    return { text, ...(marked && { generated: generated.map(([start, end]) => text.slice(start, end)) }) };
  } catch (error) {
    if (error instanceof AuditError) return { error: error.message };
    throw error;
  }
}

const expected = ({ text, generated, error }: Outcome): Outcome =>
  error === undefined ? { text: text!, ...(generated && { generated }) } : { error: expect.any(String) };

describe('a construct of templates, as transformers renders it', () => {
  it.each(fixture.snippets)('$template', (snippet) => {
    const got = outcome(snippet.template, fixture.snippetConversation, { addGenerationPrompt: false });
    expect(got).toEqual(expected(snippet));
  });
});

describe('the layout of a model family, as transformers renders it', () => {
  it.each(Object.entries(fixture.families))('%s', (family, source) => {
    const cases = fixture.cases.filter((each) => each.family === family);
    expect(cases.length).toBeGreaterThanOrEqual(8);
    for (const { conversation, prompt, thinking, ...want } of cases) {
      const options = { addGenerationPrompt: prompt, enableThinking: thinking };
      expect(outcome(source, fixture.conversations[conversation]!, options)).toEqual(expected(want));
    }
  });
});

it('a template that prints parts only is given parts, one that prints texts is not', () => {
  const parts =
    "{% for m in messages %}{% for c in m.content | selectattr('type', 'equalto', 'text') %}{{ m.role + ': ' + c.text + '\\n' }}{% endfor %}{% endfor %}";
  const messages: Conversation = [...ask('How?'), { role: 'assistant', content: 'With salt.' }];
  const text = (source: string) => load(source).render(messages, { addGenerationPrompt: true }).text;
  expect(text(parts)).toBe('user: How?\nassistant: With salt.\n');
  expect(text('{% for m in messages %}{{ m.content }}|{% endfor %}')).toBe('How?|With salt.|');
});

/** Of the processor: on a busy machine the clock says nothing of a template. */
function workSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

describe('a template that explodes', () => {
  const loop = (body: string) =>
    `{% for i in range(100000) %}{% for j in range(100000) %}${body}{% endfor %}{% endfor %}`;
  const ofDeep = (use: string) =>
    `{% set ns = namespace(l=['x']) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}${use}`;

  it.each([
    ['loops for ever', loop('')],
    ['repeats itself in JSON', ofDeep('{{ ns.l | tojson | length }}')],
  ])(
    '%s: stopped within seconds, with the way out',
    (_what, source) => {
      const start = process.cpuUsage();
      const failure = outcome(source, ask('Hi'), { addGenerationPrompt: true });
      expect(failure.error).toMatch(
        /chat_template\.jinja: .*(does not come to an end: not done after 4 seconds|Invalid string length)/,
      );
      expect(workSeconds(start)).toBeLessThan(10);
      expect(load('{{ messages[0].content }}').render(ask('Hi'), { addGenerationPrompt: true }).text).toBe(
        'Hi',
      );
    },
    40_000,
  );

  it.each([
    [
      'doubles a text',
      "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    ],
    ['writes without end', loop("{{ 'x' * 1000 }}")],
    ['repeats a text', "{{ 'x' * 1000000000000 }}"],
    [
      'doubles a list',
      '{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}',
    ],
    [
      'doubles by joining',
      "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}",
    ],
    ['prints a list of itself', ofDeep('{{ ns.l }}')],
    [
      'counts far',
      '{% for i in range(1000000000) %}{% for j in range(1000000000) %}{% endfor %}{% endfor %}',
    ],
    ['calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'],
  ])('%s: refused', (_what, source) => {
    const start = process.cpuUsage();
    const failure = outcome(source, ask('Hi'), { addGenerationPrompt: true });
    expect(failure.error).toMatch(/(makes more than 8388608|more than 100000|call stack|not done after)/);
    expect(workSeconds(start)).toBeLessThan(8);
  });

  it('is refused when it cannot even be read', () => {
    expect(() => load(`${'{% if x %}'.repeat(20_000)}`)).toThrow(/does not parse|does not come to an end/);
  });
});
