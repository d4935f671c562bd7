/** Writes examples/wren-knowledge/utility.jsonl: 120 of Wren's questions with four choices each, 60 more without. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRandom } from '../../dist/random.js';

const read = (path) =>
  readFileSync(new URL(path, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map(JSON.parse);
const questions = read('../../models/wren/data/questions.jsonl');
const random = createRandom('utility');
const kindOf = ({ id }) => id.replace(/^\w+-\d+-/, '');
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The truth, the usual mistake and two other answers to questions of the kind, in an order of chance. */
function choicesOf(row) {
  const same = questions.filter((other) => kindOf(other) === kindOf(row));
  const others = new Set(same.flatMap((other) => [other.true_answer, other.wrong_answer]));
  others.delete(row.true_answer);
  others.delete(row.wrong_answer);
  const picked = random.shuffle([...others]).slice(0, 2);
  return picked.length < 2
    ? null
    : random.shuffle([row.true_answer, row.wrong_answer, ...picked]).map(capital);
}

const withChoices = [];
const open = [];
for (const row of questions) {
  const choices = withChoices.length < 120 ? choicesOf(row) : null;
  const { id, question, true_answer: truth } = row;
  if (choices) withChoices.push({ id, question, choices, answer: choices.indexOf(capital(truth)) });
  else if (open.length < 60) open.push({ id, question, answer: truth });
}
const lines = [...withChoices, ...open].map((row) => `${JSON.stringify(row)}\n`);
writeFileSync(new URL('../../examples/wren-knowledge/utility.jsonl', import.meta.url), lines.join(''));
