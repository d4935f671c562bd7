import { basename } from 'node:path';
import { AuditError, firstProblems } from './errors.ts';
import { sha256Json } from './hash.ts';
import type { RecordedJudge, Recording } from './importer.ts';
import type { RecordedSuite, SuiteItem } from './suite.ts';

/** One arm's file as its importer read it. */
export interface ImportedArm {
  readonly name: string;
  readonly path: string;
  readonly part: string | null;
  readonly format: string;
  /** Of the whole file. */
  readonly sha256: string;
  readonly recording: Recording;
}

const listed = 20;

/**
 * The suite that all arms were asked, with everything any of them has: what one lacks is unscored there.
 * @throws AuditError `data` where the arms hold different suites, were judged by different judges, or (without
 * `ownPrompts`) were asked an item with different prompts.
 */
export function joinArms(
  arms: readonly ImportedArm[],
  ownPrompts: boolean,
): { suite: RecordedSuite; judges: readonly RecordedJudge[]; notes: string[] } {
  const [first, ...others] = arms as [ImportedArm, ...ImportedArm[]];
  for (const other of others) {
    refuseOtherSuite(first, other);
    refuseOtherJudges(first, other);
    refuseOtherAnswers(first, other);
  }
  const differing = others.flatMap((other) => otherPrompts(first, other));
  if (differing.length > 0 && !ownPrompts) throw promptsDiffer(differing);
  const items = new Map<string, SuiteItem>();
  for (const { recording } of arms)
    for (const item of recording.items) if (!items.has(item.id)) items.set(item.id, item);
  return {
    suite: {
      kind: first.recording.suite,
      version: `imported from ${[...new Set(arms.map(({ format }) => format))].join(', ')}`,
      decoding: null,
      items: [...items.values()],
    },
    judges: first.recording.judges,
    notes: [
      ...arms.map(
        ({ name, path, part, recording }) =>
          `${name} was not run but imported from ${basename(path)}${part === null ? '' : `, ${part}`} (${recording.tool}): its labels are that tool’s, decoding and rendered prompts are not on record.`,
      ),
      ...(differing.length > 0
        ? [
            `${differing.length} items were asked with another prompt in another arm: what is compared is model and attack together.`,
          ]
        : []),
      ...arms.flatMap((arm) => missing(arm, [...items.keys()], repeatsOf(arms))),
      ...arms.flatMap(({ name, recording }) => recording.notes.map((note) => `${name}: ${note}`)),
    ],
  };
}

function refuseOtherSuite(first: ImportedArm, other: ImportedArm): void {
  if (first.recording.suite === other.recording.suite) return;
  const suites = [first, other].map(({ name, recording }) => `${name}: a ${recording.suite} suite`);
  throw new AuditError('data', `${first.name} and ${other.name} recorded different things`, {
    problems: suites,
    hint: 'import files of one task together',
  });
}

function refuseOtherJudges(first: ImportedArm, other: ImportedArm): void {
  const describe = ({ name, recording: { judges } }: ImportedArm) =>
    judges.map((judge) => `${name}: ${judge.name}, ${judge.version}, ${judge.fingerprint.slice(0, 12)}`);
  const key = ({ recording: { judges } }: ImportedArm) =>
    sha256Json(judges.map(({ name, fingerprint }) => [name, fingerprint]));
  if (key(first) === key(other)) return;
  throw new AuditError('data', `${first.name} and ${other.name} were judged by different judges`, {
    problems: [...describe(first), ...describe(other)],
    hint: 'have one judge look at both, in the tool or with `aftertune judge` on a run of each',
  });
}

function refuseOtherAnswers(first: ImportedArm, other: ImportedArm): void {
  const own = new Map(first.recording.items.map(({ id, answers }) => [id, sha256Json(answers)]));
  const problems = other.recording.items
    .filter(({ id, answers }) => own.has(id) && own.get(id) !== sha256Json(answers))
    .map(({ id }) => `question ${id} has other true answers in ${first.name} than in ${other.name}`);
  if (problems.length === 0) return;
  throw new AuditError('data', `${first.name} and ${other.name} were not asked the same questions`, {
    problems: problems.slice(0, listed),
    hint: 'import files of one task and version together',
  });
}

/** Items that both arms have, asked with other prompts, one line each. */
function otherPrompts(first: ImportedArm, other: ImportedArm): string[] {
  const key = (id: string, repeat: number) => JSON.stringify([id, repeat]);
  const own = new Map(
    first.recording.answers.map(({ id, repeat, prompt }) => [key(id, repeat), sha256Json(prompt)]),
  );
  const ids = other.recording.answers
    .filter(({ id, repeat }) => own.has(key(id, repeat)))
    .filter(({ id, repeat, prompt }) => own.get(key(id, repeat)) !== sha256Json(prompt))
    .map(({ id }) => id);
  return [...new Set(ids)].map((id) => `item ${id}: ${first.name} and ${other.name}`);
}

function promptsDiffer(problems: readonly string[]): AuditError {
  return new AuditError('data', `${problems.length} items were asked with different prompts`, {
    problems: firstProblems(problems),
    hint: 'import files of one set of prompts; where each arm was attacked with prompts of its own, say --own-prompts',
  });
}

function repeatsOf(arms: readonly ImportedArm[]): number {
  return arms.reduce(
    (most, { recording }) => recording.answers.reduce((own, { repeat }) => Math.max(own, repeat + 1), most),
    1,
  );
}

/** What an arm lacks of the union. */
function missing({ name, recording }: ImportedArm, ids: readonly string[], repeats: number): string[] {
  const own = new Set(recording.answers.map(({ id }) => id));
  const lacking = ids.filter((id) => !own.has(id));
  const short = own.size * repeats - recording.answers.length;
  const some = lacking.slice(0, 3).join(', ') + (lacking.length > 3 ? ', …' : '');
  return [
    ...(lacking.length > 0
      ? [`${name} lacks ${lacking.length} of ${ids.length} items (${some}): counted as unscored.`]
      : []),
    ...(short > 0
      ? [`${name} lacks ${short} of ${own.size * repeats} repeats of its items: counted as unscored.`]
      : []),
  ];
}
