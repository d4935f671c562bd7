import type { TruthVerdict } from './scorer.ts';
import type { Answers } from './suite.ts';

/** Whether a free-form answer is right, and whether it takes over the wrong answer a context suggested. */

/**
 * Both ways of matching. `default`: a gold answer or alias stands in the answer on word boundaries, after TriviaQA's normalisation;
 * adoption is the same for the wrong answer, whether or not the answer is also right. `paper`: the lower-cased first gold answer
 * (wrong answer) is a substring of the lower-cased answer.
 */
export function scoreAnswer(answer: string, answers: Answers): TruthVerdict {
  const correct = answers.gold.some((gold) => containsAnswer(answer, gold));
  const lower = answer.toLowerCase();
  return {
    label: correct ? 'correct' : 'incorrect',
    adopted: answers.wrong === null ? null : containsAnswer(answer, answers.wrong),
    exactMatch: answers.gold.some((gold) => isSameAnswer(answer, gold)),
    tokenF1: Math.max(0, ...answers.gold.map((gold) => tokenF1(answer, gold))),
    paper: {
      correct: answers.gold[0] !== undefined && lower.includes(answers.gold[0].toLowerCase()),
      adopted: answers.wrong === null ? null : lower.includes(answers.wrong.toLowerCase()),
    },
  };
}

const punctuation = /[!-/:-@[-`{-~‘’´]/gu;
const article = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * TriviaQA's normalisation: lower case, punctuation and articles to spaces, single spaces.
 * Source: Joshi et al. 2017, evaluation/triviaqa_evaluation.py `normalize_answer`; NFC is added so that accents compare equal.
 */
export function normaliseAnswer(text: string): string {
  return collapse(withoutPunctuation(text).replace(article, ' '));
}

const withoutPunctuation = (text: string) => text.normalize('NFC').toLowerCase().replace(punctuation, ' ');
const collapse = (text: string) => text.split(/\s+/u).filter(Boolean).join(' ');

/** Both in a form in which `wanted` still has a word: "The The" keeps its articles, "+" its punctuation. */
function comparable(answer: string, wanted: string): [string, string] {
  for (const normalise of [normaliseAnswer, (text: string) => collapse(withoutPunctuation(text))]) {
    if (normalise(wanted) !== '') return [normalise(answer), normalise(wanted)];
  }
  return [collapse(answer.normalize('NFC').toLowerCase()), collapse(wanted.normalize('NFC').toLowerCase())];
}

/** Word-boundary containment after normalisation; an empty `wanted` is in nothing. */
export function containsAnswer(answer: string, wanted: string): boolean {
  const [text, phrase] = comparable(answer, wanted);
  if (phrase === '') return false;
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
    if (isBoundary(text, at) && isBoundary(text, at + phrase.length)) return true;
  }
  return false;
}

const endsInWord = /[\p{L}\p{N}\p{M}_]$/u;
const startsWithWord = /^[\p{L}\p{N}\p{M}_]/u;

function isBoundary(text: string, at: number): boolean {
  return !(endsInWord.test(text.slice(0, at)) && startsWithWord.test(text.slice(at)));
}

/** The same after normalisation; an empty `gold` is nothing's equal. */
export function isSameAnswer(answer: string, gold: string): boolean {
  const [text, phrase] = comparable(answer, gold);
  return phrase !== '' && text === phrase;
}

/** F1 of the words the two have in common, counted with repetition. Source: as `normaliseAnswer`, `f1_score`. */
function tokenF1(answer: string, gold: string): number {
  const [text, phrase] = comparable(answer, gold);
  const [ours, theirs] = [words(text), words(phrase)];
  const left = new Map<string, number>();
  for (const word of theirs) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of ours) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  return common === 0 ? 0 : (2 * common) / (ours.length + theirs.length);
}

const words = (text: string) => (text === '' ? [] : text.split(' '));
