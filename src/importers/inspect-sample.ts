import { z } from 'zod';
import { AuditError } from '../errors.ts';
import type { RecordedAnswer } from '../importer.ts';
import type { SourceFile } from '../source-file.ts';

/** One sample of an Inspect log: its fields, and what the model said. Source: github.com/UKGovernmentBEIS/inspect_ai (log/_log.py, model/_model_output.py of 0.3.285). */

const content = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional(), reasoning: z.string().optional() })),
]);
type Content = z.infer<typeof content>;
const choice = z.looseObject({
  message: z.looseObject({ content }),
  stop_reason: z.string().nullish(),
  logprobs: z.looseObject({ content: z.array(z.looseObject({ logprob: z.number().nullable() })) }).nullish(),
});

export const sample = z.looseObject({
  id: z.union([z.int(), z.string()]),
  epoch: z.int().min(1),
  input: z.union([z.string(), z.array(z.looseObject({ role: z.string(), content }))]),
  target: z.union([z.string(), z.array(z.string())]).default(''),
  output: z
    .looseObject({
      choices: z.array(choice).default([]),
      completion: z.string().default(''),
      usage: z.looseObject({ input_tokens: z.int().min(0).nullish() }).nullish(),
      time: z.number().nullish(),
    })
    .nullish(),
  scores: z.record(z.string(), z.looseObject({ value: z.unknown() })).nullish(),
  attachments: z.record(z.string(), z.string()).default({}),
  error: z.unknown().optional(),
  invalidation: z.unknown().optional(),
});
export type Sample = z.infer<typeof sample>;

const protocol = 'attachment://';

/** The text of a message's content; long ones lie among the sample's attachments. @throws AuditError where one is missing, or is no text. */
export function textOf(
  value: Content,
  attachments: Sample['attachments'],
  { path }: SourceFile,
  where: string,
): string {
  const resolve = (text: string) => {
    if (!text.startsWith(protocol)) return text;
    const found = attachments[text.slice(protocol.length)];
    if (found !== undefined) return found;
    throw new AuditError('data', `${path}: ${where}: its ${text} is not in the log`, {
      hint: 'the log is damaged or not whole',
    });
  };
  if (typeof value === 'string') return resolve(value);
  const strange = value.find(({ type }) => type !== 'text' && type !== 'reasoning');
  if (strange)
    throw new AuditError('unsupported', `${path}: ${where}: a message holds ${strange.type}`, {
      hint: 'only text can be imported',
    });
  return value.flatMap(({ type, text }) => (type === 'text' ? [resolve(text ?? '')] : [])).join('\n');
}

/** What the model said, thought and how likely each token was. */
export function answerOf(
  file: SourceFile,
  where: string,
  { output, attachments }: Sample,
): Pick<
  RecordedAnswer,
  'completion' | 'thinking' | 'logProbabilities' | 'finishReason' | 'promptTokens' | 'milliseconds'
> {
  const [first] = output?.choices ?? [];
  const said = first?.message.content ?? output?.completion ?? '';
  const thoughts = Array.isArray(said)
    ? said.flatMap(({ reasoning }) => (reasoning ? [textOf(reasoning, attachments, file, where)] : []))
    : [];
  return {
    completion: textOf(said, attachments, file, where),
    thinking: thoughts.length > 0 ? thoughts.join('\n') : null,
    logProbabilities: logProbabilitiesOf(first),
    finishReason: finishReasonOf(first?.stop_reason),
    promptTokens: output?.usage?.input_tokens ?? null,
    milliseconds: output?.time == null ? null : Math.round(output.time * 1e6) / 1e3,
  };
}

/** Null where they were not recorded, or one of them is missing. */
function logProbabilitiesOf(first: z.infer<typeof choice> | undefined): number[] | null {
  const values = first?.logprobs?.content.map(({ logprob }) => logprob) ?? [];
  if (values.length === 0 || values.some((value) => value === null || value > 0)) return null;
  return values.map((value) => Math.round(value! * 1e4) / 1e4 + 0);
}

function finishReasonOf(reason: string | null | undefined): RecordedAnswer['finishReason'] {
  if (reason === 'max_tokens' || reason === 'model_length' || reason === 'length') return 'length';
  return reason === 'stop' || reason === 'content_filter' ? reason : null;
}
