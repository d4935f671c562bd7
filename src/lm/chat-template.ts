import { join } from 'node:path';
import { type Conversation, templateDate } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import { Environment, type Program, type Scope, type Value } from './jinja/library.ts';
import { FunctionValue, ObjectValue, strftime } from './jinja/python.ts';
import { TemplateRun } from './jinja/run.ts';
import { parseTemplate } from './jinja/syntax.ts';
import { type ModelFolder, type ModelSource, modelFolder, readModelJson } from './model-folder.ts';

/** What a template is asked for beside the conversation. */
export interface RenderOptions {
  readonly addGenerationPrompt: boolean;
  /** The template's `enable_thinking`; null or left out: the template's own default. */
  readonly enableThinking?: boolean | null;
}

/** A conversation as the model reads it. */
export interface RenderedChat {
  readonly text: string;
  /** Characters [start, end) that the template marks as the assistant's ({% generation %}); empty without marks. */
  readonly generated: readonly (readonly [start: number, end: number])[];
}

/** A chat template, parsed once. */
export interface ChatTemplate {
  readonly source: string;
  /** @throws AuditError `model` when the template refuses the conversation or takes too long. */
  render(messages: Conversation, options: RenderOptions): RenderedChat;
}

/** The special tokens a template may print, by transformers' names (`bos_token`, …). */
export type SpecialTokens = Readonly<Record<string, string>>;

/** A template that is not done by then will not be: real ones take milliseconds. */
const deadlineMs = 4000;

/**
 * Reads the chat template of a model; an adapter directory's own template wins when it has one.
 * @throws AuditError `model` when there is no template or it does not parse.
 */
export function loadChatTemplate(
  folder: ModelFolder,
  templateDirectory: string | undefined,
  specialTokens: SpecialTokens,
): ChatTemplate {
  const found =
    (templateDirectory === undefined ? null : readTemplate(templateDirectory)) ?? readTemplate(folder);
  if (!found) {
    throw new AuditError('model', `${folder.path}: no chat template`, {
      hint: 'use an instruction-tuned model, or put its chat template into the folder as chat_template.jinja',
    });
  }
  const { path, source } = found;
  const program = parse(path, source);
  const render = (messages: readonly TemplateMessage[], options: RenderOptions) =>
    withDeadline(deadlineMs, () => {
      const run = new TemplateRun(createGlobals(specialTokens, messages, options));
      return { text: run.run(program).value as string, generated: run.generated };
    });
  let wantsParts: boolean | undefined;
  return {
    source,
    render: (messages, options) => {
      try {
        wantsParts ??= readsPartsOnly(render);
        return render(wantsParts ? messages.map(toParts) : messages, options);
      } catch (error) {
        if (error instanceof DeadlineError) throw endless(path, error);
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

/** A turn as a template is given it: its text, or a list with the text as its one part. */
interface TemplateMessage {
  readonly role: string;
  readonly content: string | readonly { readonly type: 'text'; readonly text: string }[];
}

const toParts = ({ role, content }: Conversation[number]): TemplateMessage => ({
  role,
  content: [{ type: 'text', text: content }],
});

/**
 * Whether a template prints a turn only when its content is a list of parts, as Llama Guard 3 1B's does: from a plain
 * text it prints nothing, and the model would judge an empty conversation.
 */
function readsPartsOnly(
  render: (messages: readonly TemplateMessage[], options: RenderOptions) => RenderedChat,
): boolean {
  const probe = { role: 'user', content: 'a probe of 7 words and more' } as const;
  const shows = (message: TemplateMessage) => {
    try {
      return render([message], { addGenerationPrompt: true }).text.includes(probe.content);
    } catch (error) {
      if (error instanceof DeadlineError) throw error;
      return false;
    }
  };
  return !shows(probe) && shows(toParts(probe));
}

function parse(path: string, source: string): Program {
  try {
    return withDeadline(deadlineMs, () => parseTemplate(source));
  } catch (error) {
    if (error instanceof DeadlineError) throw endless(path, error);
    throw new AuditError('model', `${path}: the chat template does not parse: ${(error as Error).message}`, {
      hint: 'fetch the file again, or put a simpler chat_template.jinja into the folder',
      cause: error,
    });
  }
}

const endless = (path: string, cause: DeadlineError) =>
  new AuditError('model', `${path}: the chat template does not come to an end: ${cause.message}`, {
    hint: 'the file may be damaged or malicious: fetch it again, or put a simpler chat_template.jinja into the folder',
    cause,
  });

/** What transformers gives a template, but for the clock. */
function createGlobals(
  specialTokens: SpecialTokens,
  messages: readonly TemplateMessage[],
  { addGenerationPrompt, enableThinking = null }: RenderOptions,
): Scope {
  const environment = new Environment();
  const variables = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range,
    strftime_now: (format: string) => strftime(new Date(templateDate), format),
    tools: null,
    documents: null,
    ...specialTokens,
    ...(enableThinking !== null && { enable_thinking: enableThinking }),
    messages: messages.map(({ role, content }) => ({ role, content })),
    add_generation_prompt: addGenerationPrompt,
  };
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  environment.setVariable('dict', new FunctionValue(dict));
  return environment;
}

/** Python's range, with the largest length that jinja2's sandbox allows. */
function range(start: number, stop?: number, step = 1): number[] {
  const [first, end] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new Error('range() step must not be zero');
  const length = Math.max(0, Math.ceil((end - first) / step));
  if (length > 100_000) throw new Error(`range() of ${length} numbers, more than 100000`);
  return Array.from({ length }, (_, i) => first + i * step);
}

/** Python's dict(mapping, key=value). */
function dict(args: readonly Value[]): Value {
  const entries = args.flatMap((arg) =>
    arg instanceof ObjectValue ? [...(arg.value as Map<string, Value>)] : [],
  );
  return new ObjectValue(new Map(entries));
}

function readTemplate(from: ModelSource): { path: string; source: string } | null {
  const folder = modelFolder(from);
  const file = folder.text('chat_template.jinja');
  if (file !== null) return { path: join(folder.path, 'chat_template.jinja'), source: file };
  const path = join(folder.path, 'tokenizer_config.json');
  const template = readModelJson(folder, 'tokenizer_config.json')?.chat_template;
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
