import { z } from 'zod';
import { dataNameProblem } from './data/resolve.ts';
import { hubNameProblem } from './hub/name.ts';

/** What several parts of a config are made of: paths, numbers, and a model that is run here. */

export const path = z
  .string()
  .min(1)
  .refine((text) => dataNameProblem(text) === null, { error: ({ input }) => dataNameProblem(String(input))! })
  .describe('Relative to the config file; builtin:… lies in the package, data:… was fetched by data get');
export const modelPath = path
  .refine((text) => hubNameProblem(text) === null, { error: ({ input }) => hubNameProblem(String(input))! })
  .describe(
    'Relative to the config file; hf:OWNER/NAME@REVISION is fetched from the Hugging Face Hub; builtin:… lies in the package',
  );
export const text = z.string().nullable();
export const rate = z.number().min(0).max(1);
export const count = z.int().min(1);

export const modelSettings = z.strictObject({
  engine: z.string().default('embedded').describe('Who runs the model'),
  path: modelPath.describe(
    'A Hugging Face model folder or a GGUF file; hf:OWNER/NAME@REVISION[:FILE.gguf] is fetched',
  ),
  batchSize: count.max(1024).default(16).describe('Prompts generated together'),
  batchInvariant: z
    .boolean()
    .default(false)
    .describe('Answers the same to the last bit at every batch size; slower by about a third'),
  device: z
    .enum(['auto', 'cpu', 'webgpu'])
    .default('cpu')
    .describe('auto: WebGPU where there is a device, else the CPU'),
  memory: z
    .enum(['auto', 'low', 'fast'])
    .default('auto')
    .describe('fast: decode half-precision weights once, keep what training would compute again'),
  enableThinking: z
    .boolean()
    .nullable()
    .default(null)
    .describe('Whether a thinking model is asked to think aloud; null: as its chat template has it'),
});
