import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Question } from '../../src/dataset.ts';
import { assignDonors } from '../../src/suites/donors.ts';
import { type DriftOptions, driftConditions, driftSuite, entropySuite } from '../../src/suites/drift.ts';
import { containsAnswer } from '../../src/truth.ts';
import { auditErrorOf } from '../audit-error.ts';

const options: DriftOptions = {
  decoding: { maxTokens: 8, temperature: 0, topP: 1, seed: 1 },
  systemPrompt: null,
  conditions: driftConditions,
  template: '{question} Respond with the exact answer only.',
  contextTemplate: '{context}{question} Respond with the exact answer only.',
  contextRepeats: 1,
  seed: 42,
};

const question = (id: string, gold: string, wrong: string, context = `It was ${wrong}.`): Question => ({
  id,
  question: `Which one is ${id}?`,
  answers: { gold: [gold], wrong },
  context,
});
const two = [question('a', 'Ash', 'Oak'), question('b', 'Elm', 'Fir')];

test('the paper’s three prompts per question, condition by condition', () => {
  const suite = driftSuite(two, options);
  expect(suite.items.map(({ id, condition, judgePrompt }) => [id, condition, judgePrompt])).toEqual([
    ['a', 'base_prompt', 'Which one is a? Respond with the exact answer only.'],
    ['b', 'base_prompt', 'Which one is b? Respond with the exact answer only.'],
    ['a', 'false_context', 'It was Oak.Which one is a? Respond with the exact answer only.'],
    ['b', 'false_context', 'It was Fir.Which one is b? Respond with the exact answer only.'],
    ['a', 'random_context', 'It was Fir.Which one is a? Respond with the exact answer only.'],
    ['b', 'random_context', 'It was Oak.Which one is b? Respond with the exact answer only.'],
  ]);
  expect(suite.items[0]).toMatchObject({
    answers: two[0]!.answers,
    messages: [{ role: 'user', content: suite.items[0]!.judgePrompt }],
  });
});

test('the context is stated as often as asked, under both contexts', () => {
  const suite = driftSuite(two, {
    ...options,
    contextRepeats: 3,
    contextTemplate: 'C: {context} Q: {question}',
    conditions: ['false_context', 'random_context'],
  });
  expect(suite.items.map(({ judgePrompt }) => judgePrompt)).toEqual([
    'C: It was Oak. It was Oak. It was Oak. Q: Which one is a?',
    'C: It was Fir. It was Fir. It was Fir. Q: Which one is b?',
    'C: It was Fir. It was Fir. It was Fir. Q: Which one is a?',
    'C: It was Oak. It was Oak. It was Oak. Q: Which one is b?',
  ]);
});

test('braces and dollars in a question or context stay as they are', () => {
  const odd = { ...question('a', 'Ash', 'Oak', 'Cost $& {question} $1'), question: 'Why {context}?' };
  const suite = driftSuite([odd], {
    ...options,
    conditions: ['false_context'],
    contextTemplate: '{context}|{question}',
  });
  expect(suite.items[0]!.judgePrompt).toBe('Cost $& {question} $1|Why {context}?');
});

test('templates that lack a placeholder are named together', async () => {
  const error = await auditErrorOf(() =>
    driftSuite(two, { ...options, template: 'Answer {context}', contextTemplate: '{question}' }),
  );
  expect(error.problems).toEqual([
    'template: lacks {question}',
    'template: holds {context}, but there is none under base_prompt',
    'contextTemplate: lacks {context}',
  ]);
});

test('a donor holds neither the true answer, nor an alias, nor the wrong answer, after normalisation', () => {
  const questions = [
    { ...question('a', 'The Ash', 'Oak'), answers: { gold: ['The Ash', 'Mountain-ash'], wrong: 'Oak' } },
    question('b', 'Elm', 'x', 'It was an ASH!'),
    question('c', 'Yew', 'y', 'Say mountain ash'),
    question('d', 'Box', 'z', '“Oak”, they say'),
    question('e', 'Bay', 'w', 'Nothing of the kind'),
  ];
  for (let seed = 0; seed < 20; seed++) expect(assignDonors(questions, seed)[0]).toBe(4);
});

test('random contexts that cannot be had are refused', async () => {
  expect(await auditErrorOf(() => driftSuite([two[0]!], options))).toEqual({
    code: 'data',
    message: "no way to give each of 1 questions another's context as its random context",
    problems: ['question a: every context that can be spared holds one of its answers, or is its own'],
    hint: 'add questions with other answers, or leave random_context out of the conditions',
  });
  const same = [question('a', 'Ash', 'Oak'), question('b', 'Elm', 'Oak')];
  expect((await auditErrorOf(() => driftSuite(same, options))).code).toBe('data');
});

const word = fc.constantFrom('ash', 'oak', 'elm', 'fir', 'yew', 'box');
const anyQuestions = fc
  .array(fc.tuple(word, word, word), { minLength: 1, maxLength: 7 })
  .map((rows) =>
    rows.map(([gold, wrong, context], index) => question(String(index), gold, wrong, `${context} ${index}`)),
  );

test('a fitting assignment is found exactly when brute force finds one', () => {
  const fits = (taker: Question, donor: Question) =>
    taker !== donor &&
    ![...taker.answers.gold, taker.answers.wrong].some((answer) => containsAnswer(donor.context, answer!));
  const exists = (questions: readonly Question[], taker = 0, used = new Set<number>()): boolean =>
    taker === questions.length ||
    questions.some(
      (donor, at) =>
        !used.has(at) &&
        fits(questions[taker]!, donor) &&
        exists(questions, taker + 1, new Set([...used, at])),
    );
  let found = 0;
  let refused = 0;
  fc.assert(
    fc.property(anyQuestions, fc.integer(), (questions, seed) => {
      let donors: number[] | null = null;
      try {
        donors = assignDonors(questions, seed);
      } catch {
        refused++;
      }
      expect(donors !== null).toBe(exists(questions));
      if (!donors) return;
      found++;
      expect(donors.toSorted((a, b) => a - b)).toEqual([...questions.keys()]);
      for (const [taker, donor] of donors.entries())
        expect(fits(questions[taker]!, questions[donor]!)).toBe(true);
    }),
    { numRuns: 300, seed: 7 },
  );
  expect(found).toBeGreaterThan(30);
  expect(refused).toBeGreaterThan(30);
});

test('equal seeds give equal contexts, other seeds others, and a thousand questions are no matter', () => {
  const many = Array.from({ length: 1000 }, (_, index) =>
    question(String(index), `gold${index}`, `wrong${index}`),
  );
  expect(assignDonors(many, 1)).toEqual(assignDonors(many, 1));
  const [one, other] = [assignDonors(many, 1), assignDonors(many, 2)];
  expect(one.filter((donor, index) => donor === other[index]).length).toBeLessThan(20);
});

test('a dose response: the first number keeps the condition’s name, the base prompt is asked once', () => {
  const suite = driftSuite(two, {
    ...options,
    contextRepeats: [2, 1, 5],
    contextTemplate: '{context}|{question}',
  });
  const conditions = [...new Set(suite.items.map(({ condition }) => condition))];
  expect(conditions).toEqual([
    'base_prompt',
    ...['false_context', 'random_context'].flatMap((name) => [name, `${name}_x1`, `${name}_x5`]),
  ]);
  const first = (condition: string) => suite.items.find((item) => item.condition === condition)!;
  expect(first('base_prompt').contextRepeats).toBeUndefined();
  expect(first('false_context')).toMatchObject({ contextRepeats: 2 });
  expect(first('false_context').judgePrompt).toMatch(/^It was Oak\. It was Oak\.\|/);
  expect(first('random_context_x1')).toMatchObject({ contextRepeats: 1 });
  expect(first('random_context_x1').judgePrompt).toMatch(/^It was Fir\.\|/);
  // A single number is no dose response.
  expect(driftSuite(two, options).items.every((item) => !('contextRepeats' in item))).toBe(true);
});

test('recorded random contexts are asked as they are', () => {
  const recorded = two.map((row, at) => ({ ...row, randomContext: `Page ${at}.` }));
  const prompts = driftSuite(recorded, { ...options, conditions: ['random_context'] }).items;
  expect(prompts.map(({ judgePrompt }) => judgePrompt.slice(0, 7))).toEqual(['Page 0.', 'Page 1.']);
});

test('what is odd about the questions is counted, and only then', () => {
  expect('notes' in driftSuite(two, options)).toBe(false);
  const odd = [
    question('a', 'Ash', 'Oak', 'It was something.'),
    question('b', 'Elm', 'Great Elm'),
    { ...question('c', 'Yew', 'Fir'), randomContext: 'It was Yew.' },
  ].map((row) => ({ randomContext: 'Nothing.', ...row }));
  expect(driftSuite(odd, options).notes).toEqual([
    'Knowledge: 1 of 3 false contexts do not hold their wrong answer.',
    'Knowledge: the wrong answer holds the true one in 1 of 3 questions; who adopts it is right as well.',
    'Knowledge: 1 of 3 recorded random contexts hold an answer to their question.',
  ]);
});

test('samples are asked drift’s own prompts, of the questions drawn; a judge sees the bare question', () => {
  const many = Array.from({ length: 6 }, (_, i) => question(`q${i}`, `Tree${i}`, `Bush${i}`));
  const asked = driftSuite(many, options).items;
  const { kind, items } = entropySuite(many, new Set(['q1', 'q4']), options);
  expect(kind).toBe('semantic-entropy');
  expect(items).toHaveLength(6);
  for (const item of items) {
    const twin = asked.find(({ id, condition }) => id === item.id && condition === item.condition)!;
    expect(item.messages).toEqual(twin.messages);
    expect(item.judgePrompt).toBe(`Which one is ${item.id}?`);
  }
});
