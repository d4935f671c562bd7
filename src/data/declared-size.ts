import { isFile, readablePath } from './cache.ts';
import { dataSources } from './sources.ts';

/** How large public data sets are, for planning a run before they are fetched. */

/** Rows as their authors state them; tokens of a prompt are round numbers to plan with. */
const sizes: Readonly<Record<string, { readonly rows: number; readonly tokens: number }>> = {
  harmbench: { rows: 400, tokens: 150 },
  jailbreakbench: { rows: 100, tokens: 40 },
  xstest: { rows: 250, tokens: 30 },
  'or-bench': { rows: 1319, tokens: 40 },
  triviaqa: { rows: 17_944, tokens: 60 },
};

/** The size of a data set by the path where it would lie; null where it has been fetched, or is none of ours. */
export function declaredSize(path: string): { name: string; rows: number; tokens: number } | null {
  for (const [name, size] of Object.entries(sizes)) {
    const place = readablePath(name, dataSources[name]!);
    if (place === path && !isFile(path)) return { name, ...size };
  }
  return null;
}
