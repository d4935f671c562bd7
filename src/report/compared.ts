import { count } from '../format.ts';
import type { ReportInput } from '../report.ts';
import type { ComparedPart } from './document.ts';

/** Of a hash: enough to tell two apart by eye. */
const hashShown = 12;

const dataFile = /\.(jsonl|csv|json|txt|parquet)$/;

/** What was compared, in short: files, adapters, prompts and judges with the beginnings of their hashes. */
export function comparedInShort({ summary, facts, suites }: ReportInput): ComparedPart[] {
  const files = Object.entries(facts['Files (SHA-256)'] ?? {}).map(([path, hash]) =>
    part(path.split(/[\\/]/).slice(-2).join('/'), hash),
  );
  const [data, models] = [true, false].map((wanted) =>
    files.filter(({ text }) => dataFile.test(text) === wanted),
  );
  const adapters = Object.entries(summary.arms).flatMap(([arm, { training }]) =>
    training ? [part(arm, training.adapterSha256)] : [],
  );
  const judges = summary.judges.map(({ suite, name, fingerprint }) =>
    part(`${name} (${suite})`, fingerprint),
  );
  const prompts = suites.map(({ kind, items }) => ({ text: `${kind} ${count(items.length)}`, hash: null }));
  return [
    { name: 'Models', values: models! },
    { name: 'Adapters', values: adapters },
    { name: 'Data', values: data! },
    { name: 'Prompts', values: prompts },
    { name: 'Judges', values: judges },
  ].filter(({ values }) => values.length > 0);
}

const part = (text: string, hash: unknown) => ({
  text,
  hash: typeof hash === 'string' && /^[0-9a-f]{16,}$/.test(hash) ? hash.slice(0, hashShown) : null,
});
