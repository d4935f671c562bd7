import { z } from 'zod';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import { sha256 } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import { mockModel } from './mock.ts';

const script = z.strictObject({
  /** Answers by the text of the last turn. */
  answers: z.record(z.string(), z.string()).default({}),
  /** The answer to everything else. */
  otherwise: z.string(),
  contextLength: z.int().min(1).default(4096),
  /** How long a batch takes. */
  batchMs: z.int().min(0).default(0),
});

/**
 * A model without weights whose answers are written in a JSON file, to try out a config, prompts and judges in no
 * time; an adapter is such a file too, and takes the model's place.
 * @throws AuditError `model` or `adapter` when the file is not one.
 */
export function openMockFile(source: {
  path: string;
  adapter: string | null;
  batchSize: number;
}): LanguageModel {
  const path = source.adapter ?? source.path;
  const code = source.adapter === null ? 'model' : 'adapter';
  const text = readText(path, code, 'mock model');
  const { answers, otherwise, contextLength, batchMs } = parseScript(text, path, code);
  const model = mockModel({
    name: `mock ${sha256(text)}`,
    answer: (conversation) => {
      const turn = conversation.at(-1)?.content ?? '';
      return (Object.hasOwn(answers, turn) ? answers[turn] : undefined) ?? otherwise;
    },
    contextLength,
    batchSize: source.batchSize,
  });
  return {
    ...model,
    name: path,
    generate: async (prompts, decoding, signal) => {
      if (batchMs > 0) await new Promise((resolve) => setTimeout(resolve, batchMs));
      return model.generate(prompts, decoding, signal);
    },
  };
}

function parseScript(text: string, path: string, code: 'model' | 'adapter'): z.output<typeof script> {
  const refuse = (problems: string[]) =>
    new AuditError(code, `${path}: is not a mock model`, {
      problems,
      hint: 'expected { "answers": { … }, "otherwise": "…" }',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse([(error as Error).message]);
  }
  const parsed = script.safeParse(value);
  if (!parsed.success)
    throw refuse(parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`));
  return parsed.data;
}
