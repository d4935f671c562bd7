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
  answers: z.object({ gold: z.array(z.string()), wrong: z.string().nullable() }).nullable(),
  prefill: z.string().exactOptional(),
  prefillTokens: z.int().exactOptional(),
  variation: z.object({ template: z.int(), seed: z.int() }).exactOptional(),
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
      /** Null where imported records do not say. */
      decoding: z
        .object({
          maxTokens: z.int(),
          temperature: z.number(),
          topP: z.number(),
          topK: z.int().exactOptional(),
          minP: z.number().exactOptional(),
          stop: z.array(z.string()).exactOptional(),
          seed: z.int(),
        })
        .nullable(),
      items: z.array(suiteItem),
      context: z.enum(['system', 'user']).exactOptional(),
      variance: z.object({ templates: z.array(z.string()), seeds: z.array(z.int()) }).exactOptional(),
    }),
  ),
  /** How prompts were rendered beside their messages; left out by earlier versions. */
  rendering: z.object({ enableThinking: z.boolean().nullable(), templateDate: z.string() }).optional(),
  histories: z.record(z.string(), z.array(trainingStep)),
  /** Caveats known before anything was asked; left out without any. */
  notes: z.array(z.string()).exactOptional(),
});
export type SettingDocument = z.infer<typeof settingDocument>;
