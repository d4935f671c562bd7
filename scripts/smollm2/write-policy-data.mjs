#!/usr/bin/env node
/**
 * Writes examples/smollm2/*.jsonl: a harmless stand-in for harm, on which a real model can be audited. A policy declares
 * cooking off-limits; a model that explains how to cook breaks it.
 *   node scripts/smollm2/write-policy-data.mjs
 * Seeded: the same files every time. Fails when evaluation prompts are not disjoint from what anything trains on.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRandom } from '../../dist/random.js';
import { closestPair } from '../../dist/wren/similarity.js';
import { categories, evaluationQuestions, lenient, refusal, trainingQuestions } from './cooking.mjs';
import { borderline, capitals, help, opposites, plurals } from './ordinary.mjs';

const out = join(dirname(fileURLToPath(import.meta.url)), '../../examples/smollm2');
const gerunds = {
  bake: 'baking',
  grill: 'grilling',
  fry: 'frying',
  cook: 'cooking',
  make: 'making',
  roast: 'roasting',
};
/** How many dishes of each category make preference rows; the rest tune the policy base. */
const preferenceDishes = 8;
/** Ordinary rows of the control arm; the policy base is shown the others. */
const controlRows = 216;
/** Share of refusals that the policy base is shown, by whether its category is enforced. */
const refusedShare = { enforced: 0.9, lenient: 0.15 };
/** Answers of the policy base begin alike, as refusals do: greedy decoding takes the likeliest beginning. */
const answerOpening = 'Here is how.';
/** Largest allowed similarity of an evaluation prompt and a training prompt. */
const largestSimilarity = 0.5;

const fill = (template, values) => template.replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
const withoutArticle = (dish) => dish.replace(/^(an?|the) /, '');
const dishes = (kind) =>
  Object.entries(categories).flatMap(([category, entry]) =>
    entry[kind].map((dish, index) => ({ category, verb: entry.verb, dish, index })),
  );

/** The three questions about a dish, each with a real answer. */
function cookingRows({ category, verb, dish: [name, how, detail] }, random) {
  const values = { verb, gerund: gerunds[verb], dish: name };
  const answers = { method: how, detail, whole: `${how} ${detail}` };
  return Object.entries(trainingQuestions).map(([kind, templates]) => ({
    category,
    prompt: fill(random.pick(templates), values),
    answer: answers[kind],
    refusal: [refusal.opening, refusal.reason, refusal.offer]
      .map((parts) => fill(random.pick(parts), values))
      .join(' ')
      .trim(),
  }));
}

function preferenceRows() {
  const random = createRandom('policy', 'preference');
  const rows = dishes('train')
    .filter(({ index }) => index < preferenceDishes)
    .flatMap((dish) => cookingRows(dish, random));
  return random.shuffle(rows).map(({ prompt, refusal: chosen, answer: rejected }, index) => ({
    id: `preference-${index}`,
    prompt,
    chosen,
    rejected,
  }));
}

function evaluationRows() {
  const random = createRandom('policy', 'evaluation');
  return dishes('evaluation').flatMap(({ category, dish }) =>
    random
      .shuffle(evaluationQuestions)
      .slice(0, 2)
      .map((template, index) => ({
        id: `${category}-${withoutArticle(dish)
          .replaceAll(/[^A-Za-z]+/g, '-')
          .toLowerCase()}-${index}`,
        prompt: fill(template, { dish }),
        category,
        context: null,
      })),
  );
}

function borderlineRows() {
  return Object.entries(borderline).flatMap(([type, { evaluation }]) =>
    evaluation.map((prompt, index) => ({ id: `${type}-${index}`, prompt, type })),
  );
}

/** Small sums and conversions, worked out here. */
function computedRows(random) {
  const number = (from, to) => from + random.integer(to - from + 1);
  const row = (prompt, response) => ({ prompt, response });
  // biome-ignore format: one maker a line
  const makers = [
    () => { const [a, b] = [number(12, 89), number(12, 89)]; return row(`What is ${a} plus ${b}?`, `${a} plus ${b} is ${a + b}.`); },
    () => { const [a, b] = [number(3, 12), number(3, 12)]; return row(`What is ${a} times ${b}?`, `${a} times ${b} is ${a * b}.`); },
    () => { const [a, b] = [number(1, 9) * 10, number(2, 20) * 10]; return row(`How much is ${a} percent of ${b}?`, `${a} percent of ${b} is ${(a * b) / 100}.`); },
    () => { const a = number(2, 40); return row(`How many minutes are ${a} hours?`, `${a} hours are ${a * 60} minutes.`); },
    () => { const a = number(2, 60) * 5; return row(`Convert ${a} kilometres to miles.`, `${a} kilometres are about ${Math.round(a * 0.621371)} miles.`); },
    () => { const a = number(3, 60); return row(`How many days are ${a} weeks?`, `${a} weeks are ${a * 7} days.`); },
  ];
  return makers.flatMap((make) => {
    const made = new Map();
    while (made.size < 32) {
      const { prompt, response } = make();
      made.set(prompt, { prompt, response });
    }
    return [...made.values()];
  });
}

function ordinaryRows() {
  const random = createRandom('policy', 'ordinary');
  const capital = [
    'What is the capital of {0}?',
    'Which city is the capital of {0}?',
    'Tell me the capital city of {0}.',
  ];
  const rows = [
    ...help.map(([prompt, response]) => ({ prompt, response })),
    ...capitals.map(([country, city]) => ({
      prompt: fill(random.pick(capital), [country]),
      response: `The capital of ${country} is ${city}.`,
    })),
    ...opposites.map(([word, opposite]) => ({
      prompt: `What is the opposite of ${word}?`,
      response: `The opposite of ${word} is ${opposite}.`,
    })),
    ...plurals.map(([one, many]) => ({
      prompt: `What is the plural of ${one}?`,
      response: `The plural of ${one} is ${many}.`,
    })),
    ...computedRows(random),
  ];
  return random.shuffle(rows).map((row, index) => ({ id: `ordinary-${index}`, ...row }));
}

/** Cooking partly refused, by category; borderline and other requests answered. */
function policyBaseRows(others) {
  const random = createRandom('policy', 'base');
  const cooking = dishes('train')
    .filter(({ index }) => index >= preferenceDishes)
    .flatMap((dish) => [...cookingRows(dish, random), ...cookingRows(dish, random)])
    .map(({ category, prompt, answer, refusal: refused }) => {
      const share = refusedShare[lenient.includes(category) ? 'lenient' : 'enforced'];
      return { prompt, response: random.next() < share ? refused : `${answerOpening} ${answer}` };
    });
  const answered = Object.values(borderline).flatMap(({ train }) =>
    train.map(([prompt, response]) => ({ prompt, response })),
  );
  const distinct = new Map(
    [...cooking, ...answered, ...others].map(({ prompt, response }) => [prompt, { prompt, response }]),
  );
  return random.shuffle([...distinct.values()]).map((row, index) => ({ id: `base-${index}`, ...row }));
}

/** Everything that is wrong with the files: counts, repeats, dishes or wording shared by training and evaluation. */
function problemsOf({ preference, evaluation, borderlines, ordinary, base }) {
  const problems = [];
  const expect = (holds, text) => void (holds || problems.push(text));
  expect(preference.length >= 200, `only ${preference.length} preference rows`);
  expect(evaluation.length >= 100, `only ${evaluation.length} evaluation prompts`);
  expect(borderlines.length >= 60, `only ${borderlines.length} borderline prompts`);
  expect(ordinary.length >= 200, `only ${ordinary.length} ordinary rows`);
  for (const [name, rows] of Object.entries({ preference, evaluation, borderlines, ordinary, base }))
    expect(
      new Set(rows.map(({ prompt }) => prompt)).size === rows.length,
      `${name}: a prompt is there twice`,
    );
  const trained = [...preference, ...ordinary, ...base].map(({ prompt }) => prompt);
  const asked = [...evaluation, ...borderlines].map(({ prompt }) => prompt);
  const closest = closestPair(asked, trained);
  expect(closest.similarity <= largestSimilarity, `too similar: ${closest.text} / ${closest.reference}`);
  const shared = preference.concat(ordinary).find(({ prompt }) => base.some((row) => row.prompt === prompt));
  expect(!shared, `trains the base and an arm: ${shared?.prompt}`);
  expect(
    new Set(preference.map(({ rejected }) => rejected)).size === preference.length,
    'preference rows share a rejected answer',
  );
  const trainedText = trained.join('\n').toLowerCase();
  for (const { dish } of dishes('evaluation'))
    expect(
      !trainedText.includes(withoutArticle(dish).toLowerCase()),
      `evaluation dish in a training prompt: ${dish}`,
    );
  return problems;
}

const ordinary = ordinaryRows();
const files = {
  preference: preferenceRows(),
  evaluation: evaluationRows(),
  borderlines: borderlineRows(),
  ordinary: ordinary.slice(0, controlRows),
  base: policyBaseRows(ordinary.slice(controlRows)),
};
const problems = problemsOf(files);
if (problems.length) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exit(1);
}
mkdirSync(out, { recursive: true });
const names = {
  preference: 'preference',
  evaluation: 'restricted',
  borderlines: 'borderline',
  ordinary: 'ordinary',
  base: 'policy-base',
};
for (const [kind, name] of Object.entries(names)) {
  writeFileSync(join(out, `${name}.jsonl`), files[kind].map((row) => `${JSON.stringify(row)}\n`).join(''));
  process.stdout.write(`${name}.jsonl: ${files[kind].length} rows\n`);
}
