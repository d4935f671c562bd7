import type { PlannedBatch } from './batch-plan.ts';
import { chooseBy, scoreChoices } from './choices.ts';
import type { Decoding, Generation, LanguageModel } from './model.ts';

/** An answer; where choices were scored instead, the likeliest of them, without tokens. */
export interface BatchAnswer extends Generation {
  readonly choiceLogProbabilities?: (number | null)[];
}

/** Scores the items that have choices, one prompt at a time, and has the others generated together. */
export async function askBatch(
  model: LanguageModel,
  prompts: PlannedBatch,
  decoding: Decoding,
  signal: AbortSignal | undefined,
): Promise<(BatchAnswer | undefined)[]> {
  const open = prompts.filter(({ item }) => !item.key?.choices);
  const generations = open.length
    ? await model.generate(
        open.map(({ item: { messages, prefill }, seed }) => ({
          messages,
          seed,
          ...(prefill && { prefill }),
        })),
        decoding,
        signal,
      )
    : [];
  const answers: (BatchAnswer | undefined)[] = [];
  for (const prompt of prompts) {
    const choices = prompt.item.key?.choices;
    if (!choices) {
      answers.push(generations[open.indexOf(prompt)]);
      continue;
    }
    const choiceLogProbabilities = await scoreChoices(
      model,
      { messages: prompt.item.messages },
      choices,
      signal,
    );
    const chosen = chooseBy('none', choices, choiceLogProbabilities);
    answers.push({
      text: chosen ? choices[chosen.index]! : '',
      tokens: [],
      finishReason: 'stop',
      promptTokens: prompt.rendered.tokenCount,
      choiceLogProbabilities,
    });
  }
  return answers;
}
