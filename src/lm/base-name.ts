import { repositoryOf } from '../hub/name.ts';

/** How the base that an adapter names and the one it is put on go together, by their names alone. */
export type BaseMatch = 'same' | 'quantised' | 'other';

/** Endings of repositories that hold a model's weights in fewer bits: Unsloth's and bitsandbytes' own, GPTQ, AWQ. */
const quantised = /(?:-unsloth)?-bnb-(?:4|8)bit$|-(?:gptq|awq)(?:-int[48])?$|-4bit$|-8bit$/i;

/** A folder's or a repository's own name, without owner and place; a Windows path has one too. */
export const ownName = (path: string): string =>
  repositoryOf(path).split(/[\\/]/).filter(Boolean).at(-1) ?? path;

/** `quantised`: the names differ only in how many bits the adapter was trained on. Case does not tell models apart. */
export function matchBase(named: string, used: string): BaseMatch {
  const [one, other] = [ownName(named), ownName(used)].map((name) => name.toLowerCase()) as [string, string];
  if (one === other) return 'same';
  return one.replace(quantised, '') === other.replace(quantised, '') ? 'quantised' : 'other';
}
