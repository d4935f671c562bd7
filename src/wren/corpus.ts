import type { Conversation } from '../conversation.ts';
import { createRandom, type Random } from '../random.ts';
import { pretrainingBorderline } from './borderline.ts';
import { contextRow, factRow } from './facts.ts';
import { guardConversation, guardTrainingCase } from './guard-rows.ts';
import { ordinaryExchange } from './ordinary.ts';
import { pretrainingReply, pretrainingRequest } from './restricted.ts';

/** One conversation to pre-train on. */
export interface PretrainRow {
  readonly kind: RowKind;
  readonly messages: Conversation;
  /** Loss weight of every token that is not the assistant's; the assistant's weigh 1. */
  readonly promptWeight: number;
}

export type RowKind = 'fact' | 'context' | 'ordinary' | 'restricted' | 'borderline' | 'guard';

/** The share of rows of each kind. */
export const mix: Readonly<Record<RowKind, number>> = {
  fact: 0.25,
  context: 0.17,
  ordinary: 0.14,
  restricted: 0.23,
  borderline: 0.14,
  guard: 0.07,
};

/** How many rows the shipped model is trained on, once each. */
export const corpusSize = 92_000;

const makers: Readonly<Record<RowKind, (random: Random) => Conversation>> = {
  fact: factRow,
  context: contextRow,
  ordinary: (random) => {
    const { prompt, response } = ordinaryExchange(random);
    return exchange(prompt, response);
  },
  restricted: (random) => {
    const asked = pretrainingRequest(random);
    return exchange(asked.prompt, pretrainingReply(random, asked));
  },
  borderline: (random) => {
    const { request, reply } = pretrainingBorderline(random);
    return exchange(request.prompt, reply);
  },
  guard: (random) => guardConversation(guardTrainingCase(random)),
};

function exchange(prompt: string, response: string): Conversation {
  return [
    { role: 'user', content: prompt },
    { role: 'assistant', content: response },
  ];
}

/** The whole pre-training corpus in training order. */
export function buildCorpus(seed: number, size = corpusSize): PretrainRow[] {
  const random = createRandom('corpus', seed);
  const rows = (Object.keys(mix) as RowKind[]).flatMap((kind) =>
    Array.from(
      { length: Math.round(size * mix[kind]) },
      (): PretrainRow => ({
        kind,
        messages: makers[kind](random),
        promptWeight: kind === 'guard' ? 0.02 : 0.1,
      }),
    ),
  );
  return random.shuffle(rows);
}
