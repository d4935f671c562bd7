import { z } from 'zod';
import { suiteKind } from './record.ts';

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
const suiteItem = z.object({
  id: z.string(),
  condition: z.string(),
  messages: z.array(message),
  judgePrompt: z.string(),
  functionalCategory: z.string().nullable(),
  semanticCategory: z.string().nullable(),
  answers: z.object({ gold: z.array(z.string()), wrong: z.string() }).nullable(),
  contextRepeats: z.int().exactOptional(),
  key: z.object({ choices: z.array(z.string()).nullable(), gold: z.array(z.string()) }).exactOptional(),
});
const trainingStep = z.object({
  step: z.int(),
  loss: z.number(),
  gradientNorm: z.number(),
  learningRate: z.number(),
  tokens: z.int(),
  labelledTokens: z.int(),
  evaluationLoss: z.number().optional(),
  rows: z.array(z.int()).optional(),
});

/** What a run asked, every prompt in full, and how its arms' losses went: setting.json, from which a report is written anew. */
export const settingDocument = z.object({
  schema: z.literal('aftertune/setting@1'),
  suites: z.array(
    z.object({
      kind: suiteKind,
      version: z.string(),
      decoding: z.object({
        maxTokens: z.int(),
        temperature: z.number(),
        topP: z.number(),
        topK: z.int().exactOptional(),
        minP: z.number().exactOptional(),
        stop: z.array(z.string()).exactOptional(),
        seed: z.int(),
      }),
      items: z.array(suiteItem),
    }),
  ),
  /** How prompts were rendered beside their messages; left out by earlier versions. */
  rendering: z.object({ enableThinking: z.boolean().nullable(), templateDate: z.string() }).optional(),
  histories: z.record(z.string(), z.array(trainingStep)),
});
