import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import type { Conversation } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';
import { readModelJson } from './model-folder.ts';

/** A chat template, parsed once. */
export interface ChatTemplate {
  readonly source: string;
  /** @throws AuditError `model` when the template refuses the conversation. */
  render(messages: Conversation, options: { readonly addGenerationPrompt: boolean }): string;
}

/** The special tokens a template may print, by transformers' names (`bos_token`, …). */
export type SpecialTokens = Readonly<Record<string, string>>;

/**
 * Reads the chat template of a model directory; an adapter directory's own template wins when it has one.
 * `strftime_now` is left undefined, so that a template falls back on its fixed date and prompts never change overnight.
 * @throws AuditError `model` when there is no template or it does not parse.
 */
export function loadChatTemplate(
  directory: string,
  templateDirectory: string | undefined,
  specialTokens: SpecialTokens,
): ChatTemplate {
  const found =
    (templateDirectory === undefined ? null : readTemplate(templateDirectory)) ?? readTemplate(directory);
  if (!found) {
    throw new AuditError('model', `${directory}: no chat template`, {
      hint: 'use an instruction-tuned model, or put its chat template into the folder as chat_template.jinja',
    });
  }
  const { path, source } = found;
  const program = parseTemplate(path, source);
  return {
    source,
    render: (messages, { addGenerationPrompt }) => {
      try {
        const environment = templateGlobals(specialTokens);
        environment.set(
          'messages',
          messages.map(({ role, content }) => ({ role, content })),
        );
        environment.set('add_generation_prompt', addGenerationPrompt);
        return new Interpreter(environment).run(program).value as string;
      } catch (error) {
        const roles = messages.map((message) => message.role).join(', ');
        throw new AuditError(
          'model',
          `${path}: the chat template refuses this conversation (${roles}): ${(error as Error).message}`,
          {
            hint: 'many templates want no system message, or strictly alternating user and assistant turns',
            cause: error,
          },
        );
      }
    },
  };
}

function parseTemplate(path: string, source: string) {
  if (/\{%-?\s*break\b/.test(source)) {
    throw new AuditError('unsupported', `${path}: the chat template uses break, which would lose text here`, {
      hint: 'put a chat_template.jinja without it into the folder',
    });
  }
  try {
    return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw new AuditError('model', `${path}: the chat template does not parse: ${(error as Error).message}`, {
      hint: 'fetch the file again, or put a simpler chat_template.jinja into the folder',
      cause: error,
    });
  }
}

/** What transformers gives a template, but for the clock. */
function templateGlobals(specialTokens: SpecialTokens): Environment {
  const environment = new Environment();
  for (const [name, value] of [
    ['true', true],
    ['True', true],
    ['false', false],
    ['False', false],
    ['none', null],
    ['None', null],
  ] as const) {
    environment.set(name, value);
  }
  environment.set('raise_exception', (message: string) => {
    throw new Error(message);
  });
  environment.set('range', range);
  environment.set('tools', null);
  environment.set('documents', null);
  for (const [name, token] of Object.entries(specialTokens)) environment.set(name, token);
  return environment;
}

/** Python's range. */
function range(start: number, stop?: number, step = 1): number[] {
  const [first, end] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new Error('range() step must not be zero');
  return Array.from({ length: Math.max(0, Math.ceil((end - first) / step)) }, (_, i) => first + i * step);
}

function readTemplate(directory: string): { path: string; source: string } | null {
  const file = join(directory, 'chat_template.jinja');
  if (existsSync(file)) return { path: file, source: readText(file, 'model', 'chat template') };
  const path = join(directory, 'tokenizer_config.json');
  const template = readModelJson(directory, 'tokenizer_config.json')?.chat_template;
  if (template === undefined || template === null) return null;
  if (typeof template === 'string') return { path, source: template };
  const named = Array.isArray(template) ? (template as { name?: unknown; template?: unknown }[]) : [];
  const chosen = named.find((entry) => entry?.name === 'default');
  if (typeof chosen?.template === 'string') return { path, source: chosen.template };
  throw new AuditError(
    'model',
    `${path}: chat_template is neither a text nor a list with a template named default`,
    {
      hint: 'put the chat template into the folder as chat_template.jinja',
    },
  );
}
