import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, type Conversation } from '../../src/conversation.ts';
import { AuditError } from '../../src/errors.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';

const fixtures = join(import.meta.dirname, '../fixtures/tokenizers');

interface Rendered {
  readonly text: string;
  readonly ids: number[];
}

interface Expected {
  readonly strings: { readonly text: string; readonly ids: number[]; readonly decoded: string }[];
  readonly chats: {
    readonly messages: Conversation;
    readonly withPrompt: Rendered;
    readonly whole: Rendered;
    /** Where the template marks what the assistant wrote. */
    readonly mask?: number[];
  }[];
}

const expectedOf = (name: string): Expected =>
  JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8'));

/** Numbers of transformers: scripts/parity/tokenizer.py. */
const kinds = ['chatml', 'gpt2', 'llama3', 'qwen2', 'llama2', 'gemma', 'mistral', 'phi3'];
describe.each(kinds)('%s tokenizer beside transformers', (name) => {
  const tokenizer = loadChatTokenizer(join(fixtures, name));
  const expected = expectedOf(name);

  it('gives the same ids for plain strings, no special token added', () => {
    const got = expected.strings.map(({ text }) => ({ text, ids: tokenizer.encode(text) }));
    expect(got).toEqual(expected.strings.map(({ text, ids }) => ({ text, ids })));
  });

  it('decodes them to the same text', () => {
    const got = expected.strings.map(({ ids }) => tokenizer.decode(ids));
    expect(got).toEqual(expected.strings.map(({ decoded }) => decoded));
  });

  it('renders and encodes the same conversations', () => {
    const got = expected.chats.map(({ messages }) => {
      const [withPrompt, whole] = [true, false].map((addGenerationPrompt) => {
        const text = tokenizer.render(messages, { addGenerationPrompt });
        return { text, ids: tokenizer.encode(text) };
      });
      return { messages, withPrompt, whole };
    });
    expect(got).toEqual(expected.chats.map(({ mask: _, ...chat }) => chat));
  });

  it('labels the last answer and its end of turn, nothing else', () => {
    const rows = expected.chats.filter(({ messages }) => messages.at(-1)!.role === 'assistant');
    expect(rows.length).toBe(3);
    for (const { messages, whole, mask } of rows) {
      const { ids, labelled } = tokenizer.encodeForTraining(messages);
      expect(ids).toEqual(whole.ids);
      const answer = ids.filter((_, i) => labelled[i]);
      expect(tokenizer.eosTokenIds.some((id) => answer.includes(id))).toBe(true);
      expect(tokenizer.decode(answer).trim()).toBe(messages.at(-1)!.content);
      const [first, last] = [labelled.indexOf(true), labelled.lastIndexOf(true)];
      expect(last - first + 1).toBe(answer.length);
      if (mask) {
        expect(mask.map(Boolean).slice(mask.lastIndexOf(0, mask.lastIndexOf(1)) + 1)).toEqual(
          labelled.slice(first),
        );
      } else {
        const prompt = tokenizer.render(messages.slice(0, -1), { addGenerationPrompt: true });
        expect(first).toBe(tokenizer.encode(prompt).length);
        expect(tokenizer.eosTokenIds).toContain(answer.at(-1));
      }
    }
  });

  it('spells a sentence token by token', () => {
    const ids = tokenizer.encode('The boats: don’t count 42 boats.');
    const pieces = ids.map((id) => tokenizer.tokenText(id));
    expect(pieces.filter((piece) => piece.includes('\ufffd')).length).toBeLessThanOrEqual(3); // the bytes of ’
    expect(
      pieces
        .join('')
        .replace(/\ufffd+/, '’')
        .trim(),
    ).toBe('The boats: don’t count 42 boats.');
  });
});

describe('special tokens', () => {
  const bosCount = (folder: string) => {
    const tokenizer = loadChatTokenizer(folder);
    const { ids } = tokenizer.encodeForTraining([...ask('Hi'), { role: 'assistant', content: 'Hello' }]);
    const text = tokenizer.render(ask('Hi'), { addGenerationPrompt: true });
    const bos = tokenizer.encode(
      JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8')).bos_token,
    );
    const counts = [ids, tokenizer.encode(text)].map((each) => each.filter((id) => id === bos[0]).length);
    expect(counts[0] === 0 || ids[0] === bos[0]).toBe(true);
    return counts;
  };

  it.each(['llama3', 'llama2', 'gemma', 'mistral'])(
    'puts exactly one BOS in front of a prompt of %s, whether the template prints it or not',
    (name) => {
      expect(bosCount(join(fixtures, name))).toEqual([1, 1]);
      const folder = mkdtempSync(join(tmpdir(), 'aftertune-bos-'));
      cpSync(join(fixtures, name), folder, { recursive: true });
      const path = join(folder, 'chat_template.jinja');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\bbos_token\b/g, "''"));
      expect(bosCount(folder)).toEqual([1, 1]);
      rmSync(folder, { recursive: true });
    },
  );

  it('puts none where neither the template nor the tokenizer does', () => {
    expect(bosCount(join(fixtures, 'phi3'))).toEqual([0, 0]);
  });

  it('leaves special tokens out of decoded text and spells them one by one', () => {
    const tokenizer = loadChatTokenizer(join(fixtures, 'chatml'));
    const ids = tokenizer.encode('a<|im_end|>b');
    expect(ids).toHaveLength(3);
    expect(tokenizer.decode(ids)).toBe('ab');
    expect(tokenizer.tokenText(ids[1]!)).toBe('<|im_end|>');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([tokenizer.vocabularySize + 3])).toBe('');
    expect(tokenizer.tokenText(tokenizer.vocabularySize + 3)).toBe('');
  });

  it('tells every template the same date, not today', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aftertune-'));
    cpSync(join(fixtures, 'chatml'), folder, { recursive: true });
    const template = "{{ strftime_now('%d %b %Y') }}";
    writeFileSync(join(folder, 'chat_template.jinja'), template);
    expect(loadChatTokenizer(folder).render(ask('x'), { addGenerationPrompt: true })).toBe('26 Jul 2024');
    rmSync(folder, { recursive: true });
  });
});

describe('a template that knows of thinking', () => {
  it('is told what was asked for, which is part of what decides an answer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aftertune-thinking-'));
    cpSync(join(fixtures, 'chatml'), folder, { recursive: true });
    const template = "{{ enable_thinking if enable_thinking is defined else 'as ever' }}";
    writeFileSync(join(folder, 'chat_template.jinja'), template);
    const tokenizers = [null, true, false].map((enableThinking) =>
      loadChatTokenizer(folder, { enableThinking }),
    );
    const texts = tokenizers.map((each) => each.render(ask('x'), { addGenerationPrompt: true }));
    expect(texts).toEqual(['as ever', 'True', 'False']);
    expect(new Set(tokenizers.map((each) => each.sha256())).size).toBe(3);
    rmSync(folder, { recursive: true });
  });

  it('keeps the tags of thinking in decoded text, though they be special', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aftertune-thinking-'));
    cpSync(join(fixtures, 'chatml'), folder, { recursive: true });
    const path = join(folder, 'tokenizer.json');
    const json = JSON.parse(readFileSync(path, 'utf8'));
    for (const [at, content] of ['<think>', '</think>'].entries())
      json.added_tokens.push({ ...json.added_tokens[0], id: 420 + at, content });
    writeFileSync(path, JSON.stringify(json));
    const tokenizer = loadChatTokenizer(folder);
    const ids = tokenizer.encode('<think>a</think>b<|im_end|>');
    expect(ids.slice(0, 3)).toEqual([420, expect.any(Number), 421]);
    expect(tokenizer.decode(ids)).toBe('<think>a</think>b');
    rmSync(folder, { recursive: true });
  });
});

describe('a model folder with a problem', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aftertune-tokenizer-'));
    cpSync(join(fixtures, 'chatml'), folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
  const config = () => JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8'));
  const failure = (
    act: () => unknown,
  ): { code: string; message: string; hint: string | undefined; problems: readonly string[] } => {
    try {
      act();
    } catch (error) {
      if (error instanceof AuditError) {
        return {
          code: error.code,
          message: error.message.replaceAll(folder, ''),
          hint: error.hint,
          problems: error.problems,
        };
      }
      throw error;
    }
    throw new Error('nothing was thrown');
  };
  const row: Conversation = [...ask('Hi'), { role: 'assistant', content: 'Hello' }];

  it('reads the template from tokenizer_config.json, as a text or a named list', () => {
    const template = "{{ messages[0]['content'] }}{% if add_generation_prompt %}>{% endif %}";
    rmSync(join(folder, 'chat_template.jinja'));
    put('tokenizer_config.json', { ...config(), chat_template: template });
    expect(loadChatTokenizer(folder).render(ask('x'), { addGenerationPrompt: true })).toBe('x>');
    const list = [
      { name: 'tool_use', template: 'no' },
      { name: 'default', template },
    ];
    put('tokenizer_config.json', { ...config(), chat_template: list });
    expect(loadChatTokenizer(folder).render(ask('x'), { addGenerationPrompt: false })).toBe('x');
    put('tokenizer_config.json', { ...config(), chat_template: [{ name: 'rag', template }] });
    expect(failure(() => loadChatTokenizer(folder))).toMatchObject({
      code: 'model',
      message: expect.stringContaining('named default'),
    });
  });

  it('prefers the template of an adapter folder that carries one', () => {
    const adapter = mkdtempSync(join(tmpdir(), 'aftertune-adapter-'));
    const before = loadChatTokenizer(folder, { templateDirectory: adapter }).render(ask('x'), {
      addGenerationPrompt: true,
    });
    expect(before).toContain('<|im_start|>user\nx<|im_end|>');
    writeFileSync(join(adapter, 'chat_template.jinja'), 'other');
    expect(
      loadChatTokenizer(folder, { templateDirectory: adapter }).render(ask('x'), {
        addGenerationPrompt: true,
      }),
    ).toBe('other');
    rmSync(adapter, { recursive: true });
  });

  it('says what to do without a template, or with one that does not parse', () => {
    put('chat_template.jinja', '{% if messages %}');
    expect(failure(() => loadChatTokenizer(folder))).toMatchObject({
      code: 'model',
      message: expect.stringContaining('does not parse'),
    });
    rmSync(join(folder, 'chat_template.jinja'));
    expect(failure(() => loadChatTokenizer(folder))).toEqual({
      code: 'model',
      message: ': no chat template',
      hint: 'use an instruction-tuned model, or put its chat template into the folder as chat_template.jinja',
      problems: [],
    });
  });

  it('passes on why a template refuses a conversation', () => {
    cpSync(join(fixtures, 'llama2'), folder, { recursive: true });
    const messages: Conversation = [...ask('a'), ...ask('b')];
    const refused = failure(() => loadChatTokenizer(folder).render(messages, { addGenerationPrompt: true }));
    expect(refused).toMatchObject({
      code: 'model',
      message: expect.stringContaining('(user, user): roles must alternate'),
    });
  });

  it('refuses a template under which the answer cannot be told apart', () => {
    put(
      'chat_template.jinja',
      "{{ messages | length }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}",
    );
    expect(failure(() => loadChatTokenizer(folder).encodeForTraining(row))).toMatchObject({
      code: 'model',
      message: expect.stringContaining('cannot be told apart'),
    });
  });

  it('keeps the ids of the whole where an answer starts inside a token of the prompt', () => {
    put(
      'chat_template.jinja',
      "{% for m in messages %}{{ m['content'] }}{{ ' th' if m['role'] == 'user' else '<|im_end|>' }}{% endfor %}",
    );
    const tokenizer = loadChatTokenizer(folder);
    const { ids, labelled } = tokenizer.encodeForTraining([
      ...ask('Hi'),
      { role: 'assistant', content: 'e boats' },
    ]);
    expect(ids).toEqual(tokenizer.encode('Hi the boats<|im_end|>'));
    const answer = ids.filter((_, i) => labelled[i]);
    expect(answer.map((id) => tokenizer.tokenText(id)).join('')).toBe(' the boats<|im_end|>');
  });

  it('refuses a template whose answers have no end, until generation_config.json names it', () => {
    put('chat_template.jinja', "{% for m in messages %}{{ m['content'] }}<|endoftext|>{% endfor %}");
    expect(failure(() => loadChatTokenizer(folder).encodeForTraining(row)).message).toContain('end-of-turn');
    put('generation_config.json', { eos_token_id: [0] });
    const tokenizer = loadChatTokenizer(folder);
    expect(tokenizer.eosTokenIds).toEqual([2, 0]);
    const { ids, labelled } = tokenizer.encodeForTraining(row);
    expect(tokenizer.decode(ids.filter((_, i) => labelled[i]))).toBe('Hello');
    expect(labelled.at(-1)).toBe(true);
  });

  it('refuses a tokenizer that does not fit the embedding, and ids that are no tokens', () => {
    expect(loadChatTokenizer(folder, { vocabularySize: 420 }).vocabularySize).toBe(420);
    put('generation_config.json', { eos_token_id: 500 });
    expect(failure(() => loadChatTokenizer(folder, { vocabularySize: 419 }))).toMatchObject({
      code: 'model',
      problems: [
        'token ids go up to 419, the embedding has 419 rows',
        'end-of-turn id 500 is not a token: ids go up to 419',
      ],
    });
  });

  it.each([
    ['missing', null, 'no such file'],
    ['half-downloaded', '{"version": "1.0", "mod', 'not JSON'],
    ['of another kind', '{"version": "1.0"}', 'cannot be used'],
    ['a list', '[]', 'expected a JSON object'],
  ])('names a tokenizer.json that is %s', (_what, content, message) => {
    if (content === null) rmSync(join(folder, 'tokenizer.json'));
    else put('tokenizer.json', content);
    expect(failure(() => loadChatTokenizer(folder))).toMatchObject({
      code: 'model',
      message: expect.stringContaining(message),
    });
  });

  it('names a missing folder', () => {
    const missing = failure(() => loadChatTokenizer(join(folder, 'nowhere')));
    expect(missing).toMatchObject({ code: 'model', message: '/nowhere: no such model folder' });
  });
});
