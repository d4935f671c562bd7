import type { GeneratedToken } from './model.ts';

/**
 * How many UTF-16 units of a completion each of its tokens stands for, in order, so that a report can show the text token
 * by token. `tokens`: those of the answer, without thinking and the end of the turn. A leading space that the completion
 * has lost is nobody's; null where the tokens' texts do not make up the completion, as with characters split among tokens.
 */
export function tokenLengths(
  tokens: readonly Pick<GeneratedToken, 'text'>[],
  completion: string,
): number[] | null {
  const whole = tokens.map(({ text }) => text).join('');
  if (!whole.endsWith(completion) || whole.length > completion.length + lead(whole)) return null;
  let lost = whole.length - completion.length;
  return tokens.map(({ text }) => {
    const missing = Math.min(lost, text.length);
    lost -= missing;
    return text.length - missing;
  });
}

/** How much white space a text begins with. */
const lead = (text: string) => text.length - text.trimStart().length;
