import type { Context } from '../src/commands/verb.ts';

/** A verb's surroundings where nobody looks and nobody can be asked. */
export const quietContext: Context = {
  onProgress: () => {},
  signal: new AbortController().signal,
  confirm: async (_text, _question, accepted) => accepted,
  terminal: null,
  stdout: { isTerminal: false, write: async () => {} },
};
