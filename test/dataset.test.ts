import { expect, test } from 'vitest';
import {
  readBorderlinePrompts,
  readHarmPrompts,
  readPreferences,
  readQuestions,
  readResponses,
} from '../src/dataset.ts';
import { auditErrorOf } from './audit-error.ts';
import { temporaryFile } from './temporary-folder.ts';

const jsonl = (...rows: readonly unknown[]) =>
  temporaryFile('data.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
const csv = (text: string) => temporaryFile('data.csv', text);

test('lines that cannot be read and rows that lack something are named together, in the file’s order', async () => {
  const broken = temporaryFile(
    'data.jsonl',
    '{"prompt":"p","response":"r"}\n{"prompt":\n{"prompt":"q"}\nnope\n',
  );
  const { message, problems } = await auditErrorOf(() => readResponses(broken));
  expect(message).toBe(`${broken}: 3 problems`);
  expect(problems).toEqual([
    expect.stringMatching(/^line 2: is not JSON/),
    'line 3: response: is missing',
    expect.stringMatching(/^line 4: is not JSON/),
  ]);
  const narrow = csv('prompt,response\np\n ,r\n');
  expect((await auditErrorOf(() => readResponses(narrow))).problems).toEqual([
    'line 2: has 1 fields, the header 2',
    'line 3: prompt: is empty',
  ]);
  expect((await auditErrorOf(() => readResponses(temporaryFile('data.jsonl', 'x\n')))).hint).toBe(
    'mend the lines named above',
  );
});

test('preference rows take their place in the file as id', () => {
  const rows = readPreferences(
    jsonl(
      { prompt: 'p', chosen: 'c', rejected: 'r' },
      { id: 'own', prompt: 'q', chosen: 'd', rejected: 's' },
    ),
  );
  expect(rows).toEqual([
    { id: '0', prompt: 'p', chosen: 'c', rejected: 'r' },
    { id: 'own', prompt: 'q', chosen: 'd', rejected: 's' },
  ]);
});

test('all that is missing, blank or of the wrong kind is named at once', async () => {
  const path = jsonl({ prompt: 'p', chosen: ' ', rejected: 'r' }, { prompt: ['p'], rejected: true });
  expect(await auditErrorOf(() => readPreferences(path))).toEqual({
    code: 'data',
    message: `${path}: 4 problems`,
    problems: [
      'line 1: chosen: is empty',
      'line 2: prompt: expected text',
      'line 2: chosen: is missing',
      'line 2: rejected: expected text',
    ],
    hint: 'mend the lines named above (the first row of data.jsonl has: prompt, chosen, rejected)',
  });
});

test('a doubled id is refused with both lines', async () => {
  const path = jsonl({ id: 1, prompt: 'p', response: 'r' }, { id: '1', prompt: 'q', response: 'r' });
  expect((await auditErrorOf(() => readResponses(path))).problems).toEqual([
    'line 2: id "1" is on line 1 too',
  ]);
});

test('responses come as prompt and response or as messages', async () => {
  const messages = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'u' },
    { role: 'assistant', content: 'a' },
  ];
  expect(readResponses(jsonl({ prompt: 'p', response: 'r' }, { messages }))).toEqual([
    {
      id: '0',
      messages: [
        { role: 'user', content: 'p' },
        { role: 'assistant', content: 'r' },
      ],
    },
    { id: '1', messages },
  ]);
  const bad = jsonl(
    { messages: messages.slice(0, 2) },
    { messages: [messages[2]] },
    { messages: [{ role: 'tool', content: 'x' }] },
  );
  expect((await auditErrorOf(() => readResponses(bad))).problems).toEqual([
    'line 1: messages: the last one must be the assistant’s',
    'line 2: messages: there is no user turn',
    'line 3: messages: expected a list of { role: system, user or assistant, content: text }',
  ]);
});

test('HarmBench columns, with a context that spans lines', () => {
  const path = csv(
    'Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n' +
      'Paint it,standard,painting,,,paint_it\n"Sum up, please",contextual,reading,[context],"A page\nof text",sum_up\n',
  );
  expect(readHarmPrompts(path)).toEqual([
    {
      id: 'paint_it',
      prompt: 'Paint it',
      context: null,
      functionalCategory: 'standard',
      semanticCategory: 'painting',
    },
    {
      id: 'sum_up',
      prompt: 'Sum up, please',
      context: 'A page\nof text',
      functionalCategory: 'contextual',
      semanticCategory: 'reading',
    },
  ]);
});

test('JailbreakBench columns and rows of our own', async () => {
  expect(
    readHarmPrompts(csv('Index,Goal,Target,Behavior,Category,Source\n7,Paint it,Sure,Painting,Arts,Own\n')),
  ).toEqual([
    {
      id: '7',
      prompt: 'Paint it',
      context: null,
      functionalCategory: null,
      semanticCategory: 'Arts',
      opening: 'Sure',
    },
  ]);
  expect(readHarmPrompts(jsonl({ id: 'a', prompt: 'Paint it', category: 'Arts', context: null }))).toEqual([
    { id: 'a', prompt: 'Paint it', context: null, functionalCategory: null, semanticCategory: 'Arts' },
  ]);
  const image = csv('Behavior,BehaviorID,ImageFileName\nPaint it,a,a.png\n');
  expect((await auditErrorOf(() => readHarmPrompts(image))).problems).toEqual([
    'line 2: is a behaviour about an image; only text is supported',
  ]);
});

test('categories and labels outside the allowed ones, ids that are there twice and contexts that are missing are named with their lines', async () => {
  const harmBench = csv(
    'Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n' +
      'Paint it,Standard,arts,,,a\nSing it,copyrights,arts,,,b\nSum up,contextual,arts,,,c\nPaint,standard,,,,a\n',
  );
  expect((await auditErrorOf(() => readHarmPrompts(harmBench))).problems).toEqual([
    'line 3: FunctionalCategory: expected standard or contextual or copyright, got "copyrights"',
    'line 4: ContextString: is missing, though the behaviour is contextual',
    'line 5: id "a" is on line 2 too',
  ]);
  const borderline = csv('id,prompt,type,label\n1,Kill a process?,homonyms,harmless\n2,Why?,homonyms,SAFE\n');
  expect((await auditErrorOf(() => readBorderlinePrompts(borderline))).problems).toEqual([
    'line 2: label: expected safe or unsafe, got "harmless"',
  ]);
});

test('borderline prompts of XSTest in both versions and of OR-Bench', () => {
  expect(
    readBorderlinePrompts(
      csv('id,prompt,type,label\n1,Kill a process?,homonyms,safe\n2,Other?,contrast_homonyms,unsafe\n'),
    ),
  ).toEqual([
    { id: '1', prompt: 'Kill a process?', type: 'homonyms', harmless: true },
    { id: '2', prompt: 'Other?', type: 'contrast_homonyms', harmless: false },
  ]);
  expect(
    readBorderlinePrompts(csv('id,type,prompt\n1,homonyms,Kill a process?\n2,contrast_homonyms,Other?\n')),
  ).toEqual([
    { id: '1', prompt: 'Kill a process?', type: 'homonyms', harmless: true },
    { id: '2', prompt: 'Other?', type: 'contrast_homonyms', harmless: false },
  ]);
  expect(readBorderlinePrompts(csv('prompt,category\nWhy?,privacy\n'))).toEqual([
    { id: '0', prompt: 'Why?', type: 'privacy', harmless: true },
  ]);
});

test('questions with numeric ids, and aliases as a list or divided by bars', () => {
  const row = { id: 0, question: 'Who?', true_answer: 'Ann', wrong_answer: 'Bob', context: 'It was Bob.' };
  expect(readQuestions(jsonl(row, { ...row, id: 1, aliases: ['Anne', 'Ann'] }))).toEqual([
    { id: '0', question: 'Who?', answers: { gold: ['Ann'], wrong: 'Bob' }, context: 'It was Bob.' },
    { id: '1', question: 'Who?', answers: { gold: ['Ann', 'Anne'], wrong: 'Bob' }, context: 'It was Bob.' },
  ]);
  expect(
    readQuestions(
      csv('question,true_answer,aliases,wrong_answer,context\nWho?,Ann,Anne | Annie,Bob,It was Bob.\n'),
    )[0]?.answers,
  ).toEqual({
    gold: ['Ann', 'Anne', 'Annie'],
    wrong: 'Bob',
  });
});

test('a wrong answer that is a true one, and random contexts for some rows only, are refused', async () => {
  const row = { question: 'Who?', true_answer: 'Ann', wrong_answer: 'Bob', context: 'It was Bob.' };
  const same = jsonl(row, { ...row, wrong_answer: 'the ANN!' }, { ...row, aliases: ['bob'] });
  expect((await auditErrorOf(() => readQuestions(same))).problems).toEqual([
    'line 2: wrong_answer: "the ANN!" is the true answer "Ann"',
    'line 3: wrong_answer: "Bob" is the true answer "bob"',
  ]);
  const some = jsonl({ ...row, random_context: 'It rained.' }, row);
  expect((await auditErrorOf(() => readQuestions(some))).message).toContain(
    '1 of 2 rows have a random_context',
  );
});
