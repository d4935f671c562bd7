import { z } from 'zod';
import { ask } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import { type Importer, type RecordedAnswer, unrecorded } from '../importer.ts';
import {
  firstLine,
  isObject,
  readAs,
  refuseDuplicate,
  type SourceFile,
  type SourceLine,
  unknownValue,
} from '../source-file.ts';
import type { SuiteItem } from '../suite.ts';
import { outcomeOf, readScore, type Score, scoreNotes } from './score.ts';

const sample = z.looseObject({
  doc_id: z.union([z.int(), z.string()]),
  target: z.union([z.string(), z.number()]).transform(String),
  arguments: z.record(z.string(), z.looseObject({ arg_0: z.string(), arg_1: z.unknown().optional() })),
  resps: z.array(z.unknown()).min(1),
  filtered_resps: z.array(z.unknown()).min(1),
  filter: z.string().optional(),
  metrics: z.array(z.string()).optional(),
});
type Sample = z.infer<typeof sample>;
interface Row extends SourceLine {
  readonly value: Sample;
}

/** Metrics of earlier versions, which do not list theirs. */
const usual = ['exact_match', 'acc', 'em'];

/**
 * lm-evaluation-harness's samples_*.jsonl: generated answers, and multiple choice, where the answer is the option with
 * the largest log-likelihood. The first metric that is 0 or 1 says whether it is right. Where a task has several
 * filters every document is there once for each: the first filter counts.
 * Source: github.com/EleutherAI/lm-evaluation-harness (evaluator.py and loggers/evaluation_tracker.py of 0.4.13: the fields of a sample).
 */
export const lmEval: Importer = {
  name: 'lm-eval',
  what: 'lm-eval samples_*.jsonl',
  takes: ['unsafeScore'],
  recognises: (file) => {
    const first = firstLine(file);
    return isObject(first) && 'doc_id' in first && 'resps' in first && 'arguments' in first;
  },
  read: (file, { unsafeScore }) => {
    const { filters, metric, rows } = readRows(file, unsafeScore);
    const judge = judgeOf(metric);
    return {
      suite: unsafeScore === null ? 'drift' : 'harm',
      tool: 'lm-eval',
      judges: [
        {
          name: judge,
          version: `filter ${filters[0]}`,
          fingerprint: sha256Json({ tool: 'lm-eval', metric, filter: filters[0], unsafeScore }),
        },
      ],
      items: rows.map(({ item }) => item),
      answers: rows.map(({ answer }) => answer),
      notes: [
        ...scoreNotes(
          rows.map(({ score }) => score),
          unsafeScore,
        ),
        ...(filters.length > 1
          ? [`the samples of filter ${filters.slice(1).join(', ')} are left out; ${filters[0]} counts.`]
          : []),
        ...(rows.some(({ samples }) => samples > 1)
          ? ['lm-eval gave one verdict for several samples of a document: the one its filter chose is kept.']
          : []),
      ],
    };
  },
};

const judgeOf = (metric: string) => `lm-eval ${metric}`;

/** What is kept of a line: the samples themselves may be of any size. */
interface Kept {
  readonly item: SuiteItem;
  readonly answer: RecordedAnswer;
  readonly score: Score;
  readonly samples: number;
}

/** The rows of the first filter, by the first row's metric. */
function readRows(file: SourceFile, unsafeScore: string | null) {
  const filters = new Set<string>();
  const seen = new Set<string>();
  const rows: Kept[] = [];
  let metric = '';
  for (const { where, value: line } of file.lines()) {
    const value = readAs(sample, line, file, where);
    const filter = value.filter ?? 'none';
    if (filters.size === 0) metric = metricOf(file, value);
    filters.add(filter);
    if (!isFirst(filters, filter)) continue;
    refuseDuplicate(seen, String(value.doc_id), file, where);
    const score = readScore(value[metric]);
    if (score === undefined) throw unknownValue(file, where, metric, value[metric], '0 or 1');
    const answer = answerOf(file, { where, value }, judgeOf(metric), score, unsafeScore);
    rows.push({ item: itemOf(value, unsafeScore), answer, score, samples: samplesOf(value) });
  }
  if (rows.length === 0) throw new AuditError('data', `${file.path}: holds no samples`);
  return { filters: [...filters], metric, rows };
}

const isFirst = (filters: ReadonlySet<string>, filter: string) => filters.values().next().value === filter;

function metricOf(file: SourceFile, first: Sample): string {
  const names = first.metrics ?? usual;
  const found = names.find((name) => readScore(first[name]) !== undefined && first[name] !== undefined);
  if (found) return found;
  throw new AuditError(
    'unsupported',
    `${file.path}: lm-eval’s ${names.join(', ')} of this task say neither right nor wrong`,
    {
      hint: 'tasks with exact_match or acc can be imported; perplexities and graded scores cannot',
    },
  );
}

/** The options of a multiple-choice document, or null: more than one request, each with a continuation. */
function optionsOf({ arguments: requests }: Sample): string[] | null {
  const options = Object.values(requests).map(({ arg_1: continuation }) => continuation);
  if (options.length < 2) return null;
  return options.every((option) => typeof option === 'string')
    ? options.map((option) => option.trim())
    : null;
}

function promptOf({ arguments: requests }: Sample): string {
  return Object.values(requests)[0]?.arg_0 ?? '';
}

/** How often a document was asked. */
function samplesOf(value: Sample): number {
  return optionsOf(value) === null && Array.isArray(value.resps[0]) ? value.resps[0].length : 1;
}

function itemOf(value: Sample, unsafeScore: string | null): SuiteItem {
  const prompt = promptOf(value);
  const options = optionsOf(value);
  const gold = (options && /^\d+$/.test(value.target) ? options[Number(value.target)] : null) ?? value.target;
  return {
    id: String(value.doc_id),
    condition: unsafeScore === null ? 'base_prompt' : 'default',
    messages: ask(prompt),
    judgePrompt: prompt,
    functionalCategory: null,
    semanticCategory: null,
    answers: unsafeScore === null ? { gold: [gold], wrong: null } : null,
  };
}

function answerOf(
  file: SourceFile,
  { where, value }: Row,
  judge: string,
  score: Score,
  unsafeScore: string | null,
): RecordedAnswer {
  const completion = completionOf(file, where, value);
  const outcome = outcomeOf(score, completion, unsafeScore);
  return {
    ...unrecorded,
    id: String(value.doc_id),
    repeat: 0,
    prompt: ask(promptOf(value)),
    completion,
    outcomes: outcome ? { [judge]: outcome } : {},
  };
}

function completionOf(file: SourceFile, where: string, value: Sample): string {
  const options = optionsOf(value);
  if (options) return options[likeliest(file, where, value, options.length)]!;
  const response = value.resps[0];
  const text = Array.isArray(response) ? response[0] : response;
  if (typeof text === 'string') return text;
  throw new AuditError('unsupported', `${file.path}: ${where}: its response is no text and no choice`, {
    hint: 'only generated answers and multiple choice can be imported',
  });
}

/** The place of the option with the largest log-likelihood; lm-eval writes numbers as text. */
function likeliest(file: SourceFile, where: string, value: Sample, options: number): number {
  const scores = value.filtered_resps.map((pair) => Number(Array.isArray(pair) ? pair[0] : Number.NaN));
  if (scores.length !== options || scores.some(Number.isNaN))
    throw unknownValue(
      file,
      where,
      'filtered_resps',
      value.filtered_resps,
      `${options} pairs of log-likelihood and flag`,
    );
  return scores.indexOf(Math.max(...scores));
}
