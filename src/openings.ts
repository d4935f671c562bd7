import { AuditError, firstProblems } from './errors.ts';
import type { LanguageModel } from './model.ts';
import type { Suite, SuiteItem } from './suite.ts';

/**
 * Cuts every opening that an answer is made to begin with to its number of tokens.
 * @throws AuditError `data` naming every opening that is too short, or that cannot be cut there because a token ends
 * inside a character; `unsupported` where the model does not show its tokens.
 */
export async function cutOpenings(suites: readonly Suite[], model: LanguageModel): Promise<Suite[]> {
  const texts = suites.flatMap(({ items }) => items.flatMap(({ prefill }) => prefill ?? []));
  const openings = [...new Set(texts)];
  if (openings.length === 0) return [...suites];
  if (!model.tokenTexts) {
    throw new AuditError('unsupported', `${model.name}: does not show the tokens of a text`, {
      hint: 'leave suites.harm.prefill out, or run the model with the embedded engine',
    });
  }
  const tokens = await model.tokenTexts(openings);
  const tokensOf = new Map(openings.map((text, at) => [text, tokens[at]!]));
  const problems: string[] = [];
  const cut = (item: SuiteItem): SuiteItem => {
    const { prefill, prefillTokens = 0 } = item;
    if (prefill === undefined) return item;
    const own = tokensOf.get(prefill)!;
    const text = own.slice(0, prefillTokens).join('');
    if (own.length < prefillTokens) problems.push(`${item.id}: ${own.length} tokens, ${prefillTokens} asked`);
    else if (own[prefillTokens - 1] === '' || !prefill.startsWith(text))
      problems.push(`${item.id}: token ${prefillTokens} ends inside a character`);
    return { ...item, prefill: text };
  };
  const made = suites.map((suite) => ({ ...suite, items: suite.items.map(cut) }));
  if (problems.length === 0) return made;
  throw new AuditError('data', `${problems.length} openings cannot be cut to their number of tokens`, {
    problems: firstProblems(problems),
    hint: 'give longer openings (column opening, or suites.harm.prefill.text), or fewer tokens',
  });
}
