import { isDeepStrictEqual } from 'node:util';
import type { ItemRecord, RunDocument } from './record.ts';
import type { SettingDocument } from './setting.ts';
import type { SuiteJudge } from './summarise.ts';

/** What two runs must share before their numbers are compared: everything but the declared factor. */

/** What may be declared as the factor under test; the arms' adapters always are. */
export const factors = ['model', 'template', 'decoding', 'judge', 'prompts', 'random-context-seed'] as const;
export type Factor = (typeof factors)[number];

/** A run as far as comparability goes. */
export interface ComparableRun {
  readonly run: RunDocument;
  readonly suites: SettingDocument['suites'];
  readonly rendering: SettingDocument['rendering'];
  readonly items: Iterable<Pick<ItemRecord, 'suite' | 'id' | 'condition' | 'promptSha256'>>;
  readonly judges: readonly SuiteJudge[];
}

/** One difference: what it is of, and in words. */
export interface Difference {
  readonly factor: Factor;
  readonly what: string;
}

/** Everything that differs between two runs and makes their numbers incomparable, unless it is the declared factor. */
export function differencesOf(first: ComparableRun, second: ComparableRun): Difference[] {
  return [
    ...suiteDifferences(first, second),
    ...promptDifferences(first, second),
    ...judgeDifferences(first, second),
    ...modelDifferences(first, second),
    ...scoringDifferences(first, second),
  ];
}

/** Servers may cut a given answer into other tokens where it is sent as another kind of prompt. */
function scoringDifferences(first: ComparableRun, second: ComparableRun): Difference[] {
  const wayOf = ({ run, suites }: ComparableRun) => {
    const capabilities = run.server?.capabilities;
    const scores = suites.some(({ items }) => items.some(({ key }) => key?.choices));
    // Runs that do not say knew prompt_logprobs alone.
    return scores && capabilities ? (capabilities.scoring ?? 'prompt_logprobs') : null;
  };
  const [a, b] = [wayOf(first), wayOf(second)];
  if (a === null || b === null || a === b) return [];
  return [{ factor: 'decoding', what: `utility: given answers scored by ${a} and by ${b}` }];
}

function suiteDifferences(first: ComparableRun, second: ComparableRun): Difference[] {
  const kinds = [...new Set([...first.suites, ...second.suites].map(({ kind }) => kind))];
  return kinds.flatMap((kind): Difference[] => {
    const [a, b] = [first, second].map(({ suites }) => suites.find((suite) => suite.kind === kind));
    if (!a || !b) return [{ factor: 'prompts', what: `${kind}: only one of the runs asked this suite` }];
    const places = (suite: typeof a) =>
      new Set(suite.items.map(({ id, condition }) => `${id} (${condition})`));
    const [mine, theirs] = [places(a), places(b)];
    const only = [...mine].filter((place) => !theirs.has(place)).length;
    const other = [...theirs].filter((place) => !mine.has(place)).length;
    const decoding = decodingDifferences(a.decoding, b.decoding);
    return [
      ...(only + other === 0
        ? []
        : [
            {
              factor: 'prompts',
              what: `${kind}: ${only} prompts are only in the first run, ${other} only in the second`,
            } as const,
          ]),
      ...(decoding.length === 0
        ? []
        : [{ factor: 'decoding', what: `${kind}: ${decoding.join(', ')}` } as const]),
      ...(a.version === b.version
        ? []
        : [
            {
              factor: 'prompts',
              what: `${kind}: built in different ways (${a.version} and ${b.version})`,
            } as const,
          ]),
    ];
  });
}

type Decoding = NonNullable<ComparableRun['suites'][number]['decoding']>;

/** What is set differently, seeds apart: null is of a run that does not say, which is a difference unless both do not. */
function decodingDifferences(first: Decoding | null, second: Decoding | null): string[] {
  if (!first || !second) return first === second ? [] : ['only one of the runs says how answers were drawn'];
  const [a, b]: Record<string, unknown>[] = [{ ...first }, { ...second }];
  return [...new Set([...Object.keys(a!), ...Object.keys(b!)])]
    .filter((key) => key !== 'seed' && !isDeepStrictEqual(a![key], b![key]))
    .map((key) => `${key} ${String(a![key] ?? 'none')} and ${String(b![key] ?? 'none')}`);
}

const placeOf = (suite: string, { id, condition }: { readonly id: string; readonly condition: string }) =>
  `${suite}\u0000${id}\u0000${condition}`;

/** Prompts that both asked and that read differently; one example of each suite and cause. */
function promptDifferences(first: ComparableRun, second: ComparableRun): Difference[] {
  const rendered = ({ items }: ComparableRun) => {
    const found = new Map<string, Pick<ItemRecord, 'suite' | 'id' | 'condition' | 'promptSha256'>>();
    for (const { suite, id, condition, promptSha256 } of items)
      found.set(placeOf(suite, { id, condition }), { suite, id, condition, promptSha256 });
    return found;
  };
  const theirs = rendered(second);
  const isRedrawn = redrawnContexts(first, second);
  const found = new Map<string, { suite: string; factor: Factor; count: number; example: string }>();
  for (const [place, { suite, id, condition, promptSha256 }] of rendered(first)) {
    const other = theirs.get(place);
    if (!other || other.promptSha256 === promptSha256) continue;
    const factor = isRedrawn(place, condition) ? 'random-context-seed' : 'template';
    const earlier = found.get(`${suite} ${factor}`);
    if (earlier) earlier.count++;
    else found.set(`${suite} ${factor}`, { suite, factor, count: 1, example: `${id} (${condition})` });
  }
  return [...found.values()].map(({ suite, factor, count, example }) => ({
    factor,
    what:
      factor === 'template'
        ? `${suite}: ${count} prompts read differently to the model, ${example} first`
        : `${suite}: ${count} prompts have another question’s context drawn by another seed (${seedOf(first)} and ${seedOf(second)}), ${example} first`,
  }));
}

const seedOf = ({ run }: ComparableRun) => run.seeds.run ?? 'none';

/** Whether a random context is another one because the runs drew it by different seeds. */
function redrawnContexts(first: ComparableRun, second: ComparableRun) {
  if (seedOf(first) === seedOf(second)) return () => false;
  const asked = ({ suites }: ComparableRun) =>
    new Map(
      suites.flatMap(({ kind, items }) => items.map((item) => [placeOf(kind, item), item.messages] as const)),
    );
  const [mine, theirs] = [asked(first), asked(second)];
  return (place: string, condition: string) =>
    condition.startsWith('random_context') && !isDeepStrictEqual(mine.get(place), theirs.get(place));
}

function judgeDifferences(first: ComparableRun, second: ComparableRun): Difference[] {
  const deciding = ({ judges }: ComparableRun, kind: SuiteJudge['suite']) =>
    judges.find(({ suite }) => suite === kind);
  return [...new Set(first.judges.map(({ suite }) => suite))].flatMap((kind): Difference[] => {
    const [a, b] = [deciding(first, kind), deciding(second, kind)];
    if (!a || !b || (a.name === b.name && a.fingerprint === b.fingerprint)) return [];
    const show = ({ name, fingerprint }: SuiteJudge) => `${name} ${fingerprint.slice(0, 12)}`;
    return [{ factor: 'judge', what: `${kind}: judged by ${show(a)} and by ${show(b)}` }];
  });
}

function modelDifferences(first: ComparableRun, second: ComparableRun): Difference[] {
  const modelOf = ({ run }: ComparableRun) => {
    const { model } = run.config.resolved as { model?: { path?: string; enableThinking?: unknown } };
    const path = model?.path ?? '';
    return { path, hash: run.hashes[path] ?? null };
  };
  const [a, b] = [modelOf(first), modelOf(second)];
  const show = ({ path, hash }: typeof a) => `${path || 'unnamed'} ${hash?.slice(0, 12) ?? '(no hash)'}`;
  const same = a.hash !== null && a.hash === b.hash;
  const thinking = isDeepStrictEqual(first.rendering, second.rendering);
  return [
    ...(same
      ? []
      : [{ factor: 'model', what: `base models or their quantisation: ${show(a)} and ${show(b)}` } as const]),
    ...(thinking
      ? []
      : [{ factor: 'template', what: 'thinking or the clock of templates is set differently' } as const]),
  ];
}
