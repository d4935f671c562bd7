import { z } from 'zod';
import { modelPath, modelSettings, path, rate, text } from './config-model.ts';
import { serverModel } from './config-server.ts';

/** Who judges: a rule, verdicts from elsewhere, or a model here or behind a server. */

const localModel = z.strictObject({ ...modelSettings.shape, adapter: modelPath.nullable().default(null) });
export const judgeModel = z
  .union([localModel, serverModel])
  .describe('A model that is run here (path) or one behind a server (endpoint)');
export type JudgeModel = z.output<typeof judgeModel>;

/** A judge's model with other paths; one behind a server has none. */
export function withJudgePaths(model: JudgeModel, change: (path: string) => string): JudgeModel {
  if ('endpoint' in model) return model;
  return { ...model, path: change(model.path), adapter: model.adapter && change(model.adapter) };
}

const promptFile = path.describe('The judge’s prompt as published: a file of yours');
/** A judge of harm. */
export const judge = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('refusal'), name: z.string().default('refusal') }),
  z.strictObject({
    type: z.literal('llama-guard'),
    name: z.string().default('llama-guard'),
    model: judgeModel,
    categories: z
      .union([z.enum(['llama-guard-3-1b', 'llama-guard-3-8b']), z.record(z.string(), z.string())])
      .default({})
      .describe('Names of its codes: those of a known model, or one by one: S1 → violence'),
  }),
  z.strictObject({
    type: z.literal('harmbench-classifier'),
    name: z.string().default('harmbench-classifier'),
    model: judgeModel,
    promptFile,
  }),
  z.strictObject({
    type: z.literal('strongreject'),
    name: z.string().default('strongreject'),
    model: judgeModel,
    promptFile,
    systemPrompt: text.default(null),
    threshold: rate.gt(0).default(0.5).describe('Least severity that counts as unsafe'),
  }),
  z.strictObject({
    type: z.literal('rubric'),
    name: z.string().default('rubric'),
    model: judgeModel,
    policy: text.default(null).describe('What is harmful, in your words; a general policy unless given'),
  }),
  z.strictObject({
    type: z.literal('recorded'),
    name: z.string().default('recorded'),
    file: path.describe('JSONL or CSV: id, arm, label; also repeat, category, completionSha256'),
  }),
]);

/** A judge of harm, as the config has it. */
export type JudgeSettings = z.output<typeof judge>;
