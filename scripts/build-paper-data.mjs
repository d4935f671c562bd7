// Makes data/paper from the outputs released with arXiv 2409.19476: labels, flags and metrics by id, no text.
// node scripts/build-paper-data.mjs SOURCE_FOLDER [TARGET_FOLDER]   (harmbench_labels.csv, triviaqa_1000.jsonl, drift_results.jsonl, published.json)
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [source, target = join(root, 'data', 'paper')] = process.argv.slice(2);
if (!source) {
  console.error('usage: node scripts/build-paper-data.mjs SOURCE_FOLDER [TARGET_FOLDER]');
  process.exit(3);
}
const read = (file) => readFileSync(join(source, file), 'utf8');
const jsonLines = (file) =>
  read(file)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));

const wrongAnswers = new Map(
  jsonLines('triviaqa_1000.jsonl').map(({ id, wrong_answer }) => [id, wrong_answer.toLowerCase()]),
);

/** One column set per model and condition; the place in every column is the question's id. */
const columns = new Map();
for (const row of jsonLines('drift_results.jsonl')) {
  const { model, condition, id, answer, correct, entropy, perplexity, probability } = row;
  const key = `${model} ${condition}`;
  const empty = {
    model,
    condition,
    n: 0,
    correct: '',
    adopted: '',
    entropy: [],
    perplexity: [],
    probability: [],
  };
  const column = columns.get(key) ?? empty;
  columns.set(key, column);
  if (id !== column.n)
    throw new Error(`drift_results.jsonl: ${key}: expected question ${column.n}, got ${id}`);
  const wrong = wrongAnswers.get(id);
  if (!wrong) throw new Error(`triviaqa_1000.jsonl: question ${id} has no wrong answer`);
  column.n += 1;
  column.correct += correct ? '1' : '0';
  // Adoption coded as the paper coded correctness: a lower-cased substring.
  column.adopted += answer.toLowerCase().includes(wrong) ? '1' : '0';
  column.entropy.push(entropy);
  column.perplexity.push(perplexity);
  column.probability.push(probability);
}

mkdirSync(target, { recursive: true });
const lines = [...columns.values()].map((column) => JSON.stringify(column));
writeFileSync(join(target, 'drift.jsonl'), `${lines.join('\n')}\n`);
writeFileSync(join(target, 'harmbench-labels.csv'), read('harmbench_labels.csv'));
writeFileSync(join(target, 'published.json'), read('published.json'));
