import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Conversation } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { loadChatTokenizer } from '../lm/tokenizer.ts';
import { askedPrompts, type Evidence, type LocalModel, trainingRows } from './evidence.ts';
import { count, type Finding, ok, problem, warning } from './finding.ts';

/** Checks of what a model reads: its template, its ids. Templates are rendered, so a sample of prompts is enough. */
const sampled = 50;

/** Exactly one BOS in every prompt where the model has one. */
export function checkBos(evidence: Evidence): Finding[] {
  const { base } = evidence;
  if (!base) return [];
  const { tokenizer, shape } = base;
  const bos = shape.bosTokenId;
  if (bos === null) return [ok('bos', 'the model has no BOS token')];
  const counts = sample(askedPrompts(evidence)).map(({ name, messages }) => {
    const ids = tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt: true }));
    return { name, bos: ids.filter((id) => id === bos).length };
  });
  const wrong = counts.filter((prompt) => prompt.bos > 1);
  const without = counts.filter((prompt) => prompt.bos === 0);
  if (wrong.length > 0)
    return [
      problem(
        'bos',
        `${count(wrong.length, 'prompt')} of ${counts.length} with more than one BOS`,
        'take the BOS token out of the prompt texts or out of the chat template',
        {
          details: wrong.map((prompt) => `${prompt.name}: ${prompt.bos}`),
        },
      ),
    ];
  if (without.length > 0)
    return [
      warning(
        'bos',
        `${count(without.length, 'prompt')} of ${counts.length} without a BOS, which config.json names (id ${bos})`,
        'right for models whose template and tokenizer add none (Qwen); else compare with the model’s card',
      ),
    ];
  return [ok('bos', `one BOS in each of ${count(counts.length, 'prompt')}`)];
}

/** What is trained on begins with the ids of what is asked. */
export function checkTrainingIds(evidence: Evidence): Finding[] {
  const { base } = evidence;
  const rows = sample(trainingRows(evidence));
  if (!base || rows.length === 0) return [];
  const { tokenizer } = base;
  const different: string[] = [];
  for (const { id, messages } of rows) {
    const trained = tokenizer.encodeForTraining(messages).ids;
    const asked = tokenizer.encode(tokenizer.render(messages.slice(0, -1), { addGenerationPrompt: true }));
    const at = asked.findIndex((token, place) => trained[place] !== token);
    if (at >= 0) different.push(`row ${id}: from token ${at} on`);
  }
  if (different.length === 0)
    return [
      ok(
        'template',
        `${count(rows.length, 'training row')} begin with the ids that the same prompt is asked with`,
      ),
    ];
  return [
    warning(
      'template',
      `${count(different.length, 'training row')} of ${rows.length} begin otherwise than the same prompt is asked`,
      'the chat template writes something else before an answer that is there than before one to come; thinking models do so: set model.enableThinking',
      {
        details: different,
      },
    ),
  ];
}

/** Adapter folders that bring a chat template which renders the suites' prompts otherwise than the base's. */
export function checkAdapterTemplates(evidence: Evidence): Finding[] {
  const { base, config } = evidence;
  if (!base) return [];
  const prompts = sample(askedPrompts(evidence));
  return config.arms.flatMap(({ name, adapter }) => {
    if (adapter === null) return [];
    const folder = evidence.placeOf(adapter);
    if (!existsSync(join(folder, 'adapter_config.json'))) return [];
    try {
      return [compareTemplates(name, base, folder, prompts, config.model.enableThinking)];
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      return [problem('template', `${name}: ${error.message}`, error.hint ?? null)];
    }
  });
}

function compareTemplates(
  arm: string,
  { directory, tokenizer }: LocalModel,
  adapter: string,
  prompts: readonly { name: string; messages: Conversation }[],
  enableThinking: boolean | null,
): Finding {
  const own = loadChatTokenizer(directory, { templateDirectory: adapter, enableThinking });
  const different = prompts.filter(
    ({ messages }) =>
      own.render(messages, { addGenerationPrompt: true }) !==
      tokenizer.render(messages, { addGenerationPrompt: true }),
  );
  if (different.length === 0) return ok('template', `${arm}: its prompts are the base’s`);
  return problem(
    'template',
    `${arm}: the adapter’s chat template renders ${different.length} of ${count(prompts.length, 'prompt')} otherwise than the base’s`,
    'arms are compared on equal prompts only: take the chat template out of the adapter folder, or put it into the base',
    { details: different.map(({ name }) => name) },
  );
}

/** Evenly spaced, the first among them. */
function sample<T>(values: readonly T[]): T[] {
  const step = Math.max(1, values.length / sampled);
  return Array.from({ length: Math.min(sampled, values.length) }, (_, at) => values[Math.floor(at * step)]!);
}
