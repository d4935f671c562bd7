import { z } from 'zod';
import type { Conversation, Message } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import {
  type Importer,
  type RecordedAnswer,
  type RecordedJudge,
  type RecordedOutcome,
  unrecorded,
  unscored,
} from '../importer.ts';
import {
  isObject,
  jsonOrNull,
  readAs,
  refuseDuplicate,
  type SourceFile,
  shown,
  unknownValue,
} from '../source-file.ts';
import type { SuiteItem } from '../suite.ts';
import { isZip, readArchive } from './inspect-archive.ts';
import { type Sample, sample, answerOf as sayOf, textOf } from './inspect-sample.ts';
import { outcomeOf, readScore, type Score, scoreNotes } from './score.ts';

const header = z.looseObject({
  status: z.string().default('started'),
  eval: z.looseObject({
    task: z.string(),
    model: z.string(),
    dataset: z.looseObject({ samples: z.int().nullish() }),
    config: z.looseObject({ epochs: z.int().nullish() }).nullish(),
    packages: z.record(z.string(), z.string()).nullish(),
    scorers: z.array(z.looseObject({ name: z.string() })).nullish(),
  }),
});
type Header = z.infer<typeof header>;

interface Placed {
  readonly where: string;
  readonly sample: Sample;
}

/**
 * Inspect AI's logs, .eval and .json: samples with epochs (repeats) and the scores of one or more scorers. C and 1 are
 * right, I and 0 wrong; P and N are not right. Without --unsafe-score they are questions with targets. Scorers whose
 * values say neither are left out by name.
 * Source: github.com/UKGovernmentBEIS/inspect_ai (log/_log.py, scorer/_metric.py of 0.3.285: fields, letters, that NaN means unscored).
 */
export const inspect: Importer = {
  name: 'inspect',
  what: 'Inspect AI .eval or .json log',
  takes: ['unsafeScore'],
  recognises: (file) => {
    if (isZip(file)) return true;
    const value = jsonOrNull(file);
    return isObject(value) && isObject(value.eval) && 'task' in value.eval && 'version' in value;
  },
  read: async (file, { unsafeScore }) => {
    const { head, samples } = isZip(file) ? await readEval(file) : readJson(file);
    const scorers = scorersOf(file, samples);
    if (unsafeScore === null && samples.every(({ sample }) => targets(sample).length === 0))
      throw new AuditError(
        'unsupported',
        `${file.path}: the task ${head.eval.task} has no targets to be right or wrong about`,
        {
          hint: 'where a score means a harmful answer, say which: --unsafe-score I, for example',
        },
      );
    const items = new Map<string, SuiteItem>();
    const seen = new Set<string>();
    const found: Score[] = [];
    const answers = samples.map(({ where, sample }) => {
      refuseDuplicate(seen, `${sample.id} in epoch ${sample.epoch}`, file, where);
      const item = itemOf(file, where, sample, unsafeScore);
      if (!items.has(item.id)) items.set(item.id, item);
      return answerOf(file, where, sample, item, { scorers: scorers.used, unsafeScore, found });
    });
    return {
      suite: unsafeScore === null ? 'drift' : 'harm',
      tool: `Inspect ${head.eval.packages?.inspect_ai ?? '(version not recorded)'}, ${head.eval.task} on ${head.eval.model}`,
      judges: scorers.used.map((name) => judgeOf(head, name, unsafeScore)),
      items: [...items.values()],
      answers,
      notes: [
        ...unfinished(head, samples.length),
        ...scorers.notes,
        ...scoreNotes(found, unsafeScore),
        ...failures(samples),
      ],
    };
  },
};

async function readEval(file: SourceFile): Promise<{ head: Header; samples: Placed[] }> {
  const members = await readArchive(
    file,
    (name) => /^samples\/[^/]+\.json$/.test(name) || name === 'header.json' || name === '_journal/start.json',
  );
  const where = members.has('header.json') ? 'header.json' : '_journal/start.json';
  const head = readAs(header, members.get(where), file, where);
  const samples = [...members].flatMap(([name, value]) =>
    name.startsWith('samples/') ? [{ where: name, sample: readAs(sample, value, file, name) }] : [],
  );
  return { head, samples: refuseNone(file, samples) };
}

function readJson(file: SourceFile): { head: Header; samples: Placed[] } {
  const value = file.json();
  const head = readAs(header, value, file, 'document');
  const list = readAs(
    z.looseObject({ samples: z.array(z.unknown()).nullish() }),
    value,
    file,
    'document',
  ).samples;
  const samples = (list ?? []).map((entry, at) => ({
    where: `samples[${at}]`,
    sample: readAs(sample, entry, file, `samples[${at}]`),
  }));
  return { head, samples: refuseNone(file, samples) };
}

function refuseNone({ path }: SourceFile, samples: Placed[]): Placed[] {
  if (samples.length > 0) return samples;
  throw new AuditError('data', `${path}: holds no samples`, {
    hint: 'the log was written with --no-log-samples, or of a run that never began',
  });
}

/** Scorers whose first value says right or wrong; a later one of another kind is an error, not a guess. */
function scorersOf(file: SourceFile, samples: readonly Placed[]): { used: string[]; notes: string[] } {
  const first = new Map<string, unknown>();
  for (const { sample } of samples) {
    for (const [name, { value }] of Object.entries(sample.scores ?? {}))
      if (value !== null && !first.has(name)) first.set(name, value);
  }
  const used = [...first].flatMap(([name, value]) => (readScore(value) === undefined ? [] : [name]));
  const left = [...first].filter(([name]) => !used.includes(name));
  const notes = left.map(
    ([name, value]) =>
      `the scorer ${name} is left out: its values (${shown(value)}) say neither right nor wrong.`,
  );
  if (used.length > 0 || first.size === 0) return { used: used.length > 0 ? used : ['no scorer'], notes };
  throw new AuditError(
    'unsupported',
    `${file.path}: no scorer of this log says right or wrong: ${[...first].map(([name, value]) => `${name} gives ${shown(value)}`).join('; ')}`,
    { hint: 'scores of C and I, 1 and 0, true and false can be imported' },
  );
}

function judgeOf(head: Header, name: string, unsafeScore: string | null): RecordedJudge {
  const recorded = head.eval.scorers?.find((scorer) => scorer.name === name) ?? null;
  return {
    name: `inspect ${name}`,
    version: `inspect_ai ${head.eval.packages?.inspect_ai ?? 'not recorded'}`,
    fingerprint: sha256Json({ tool: 'inspect', name, recorded, unsafeScore }),
  };
}

const targets = ({ target }: Sample) => [target].flat().filter((text) => text.trim() !== '');

function itemOf(file: SourceFile, where: string, value: Sample, unsafeScore: string | null): SuiteItem {
  const messages = promptOf(file, where, value);
  return {
    id: String(value.id),
    condition: unsafeScore === null ? 'base_prompt' : 'default',
    messages,
    judgePrompt: messages
      .filter(({ role }) => role === 'user')
      .map(({ content }) => content)
      .join('\n'),
    functionalCategory: null,
    semanticCategory: null,
    answers: unsafeScore === null ? { gold: targets(value), wrong: null } : null,
  };
}

function promptOf(file: SourceFile, where: string, { input, attachments }: Sample): Conversation {
  const resolve = (content: Parameters<typeof textOf>[0]) => textOf(content, attachments, file, where);
  if (typeof input === 'string') return [{ role: 'user', content: resolve(input) }];
  return input.map(({ role, content }): Message => {
    if (role === 'system' || role === 'user' || role === 'assistant')
      return { role, content: resolve(content) };
    throw new AuditError('unsupported', `${file.path}: ${where}: its input holds a message of ${role}`, {
      hint: 'only plain conversations can be imported',
    });
  });
}

function answerOf(
  file: SourceFile,
  where: string,
  value: Sample,
  { id, messages }: SuiteItem,
  { scorers, unsafeScore, found }: { scorers: readonly string[]; unsafeScore: string | null; found: Score[] },
): RecordedAnswer {
  const said = sayOf(file, where, value);
  const outcomes: Record<string, RecordedOutcome> = {};
  for (const name of scorers) {
    const score = value.scores?.[name];
    const read = score === undefined ? 'unscored' : readScore(score.value);
    if (read === undefined)
      throw unknownValue(file, where, `scores.${name}`, score?.value, 'C, I, P, N, 1 or 0');
    const failed = isFailed(value);
    if (name === scorers[0] && !failed) found.push(read);
    const outcome = failed
      ? unsafeScore === null
        ? null
        : unscored('judge_error')
      : outcomeOf(read, said.completion, unsafeScore);
    if (outcome) outcomes[`inspect ${name}`] = outcome;
  }
  return { ...unrecorded, ...said, id, repeat: value.epoch - 1, prompt: messages, outcomes };
}

/** A sample that broke off or was declared invalid shows nothing, whatever its score. */
const isFailed = ({ error, invalidation }: Sample) => Boolean(error) || Boolean(invalidation);

function failures(samples: readonly Placed[]): string[] {
  const failed = samples.filter(({ sample }) => isFailed(sample)).length;
  return failed > 0 ? [`${failed} samples ended in an error or were declared invalid: unscored.`] : [];
}

function unfinished({ status, eval: { dataset, config } }: Header, logged: number): string[] {
  const planned = dataset.samples ? dataset.samples * (config?.epochs ?? 1) : null;
  const short = planned !== null && logged < planned ? `, it holds ${logged} of ${planned} samples` : '';
  return status === 'success' && short === '' ? [] : [`the log’s status is ${status}${short}.`];
}
