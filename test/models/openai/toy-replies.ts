import type { Conversation } from '../../../src/conversation.ts';
import { createRandom } from '../../../src/random.ts';
import type { Asked, ToyOptions } from './toy-server.ts';

/** What a toy server says, as one make or another says it. */

const deafToEcho = {
  choices: [{ text: '\n', logprobs: { content: [{ id: 198, token: '\n', bytes: [10], logprob: -3.31 }] } }],
  usage: { completion_tokens: 1, prompt_tokens: 1, total_tokens: 2 },
};

type Reply = { readonly status?: number; readonly body: unknown };
const refuse = (status: number, message: string): Reply => ({ status, body: { error: { message } } });
/** As TGI's router words it. */
const invalid = (what: string): Reply => ({
  status: 422,
  body: { error: `Input validation error: ${what}`, error_type: 'validation' },
});

export function cards(
  { make, adapters = [], root = '/models/toy' }: ToyOptions,
  loaded: ReadonlyMap<string, string>,
): object[] {
  if (make === 'vllm') {
    const lora = [...adapters.map((id) => [id, `/loras/${id}`]), ...loaded];
    return [
      { id: 'toy', owned_by: 'vllm', root, parent: null, max_model_len: 4096 },
      ...lora.map(([id, root]) => ({ id, owned_by: 'vllm', root, parent: 'toy' })),
    ];
  }
  const owner = { 'llama-server': 'llamacpp', ollama: 'library', tgi: 'toy' }[make];
  const meta = make === 'llama-server' ? { meta: { n_ctx: 2048, n_ctx_train: 8192 } } : {};
  const tag = make === 'ollama' ? ':latest' : '';
  return ['toy', ...adapters].map((id) => ({ id: id + tag, object: 'model', owned_by: owner, ...meta }));
}

/** What Ollama says of the models that it has loaded. */
export const running = ({ adapters = [], context = 4096 }: ToyOptions) => ({
  models: ['toy', ...adapters].map((name) => ({ name: `${name}:latest`, context_length: context })),
});

export function replyTo(options: ToyOptions, loaded: Map<string, string>, { path, body }: Asked): Reply {
  const vllm = options.make === 'vllm';
  if (path === '/v1/load_lora_adapter' && vllm) {
    if (!body.lora_name || options.neverLoads)
      return refuse(options.neverLoads ? 404 : 400, 'Both must be given');
    if (body.lora_path.includes('missing')) return refuse(404, 'No adapter found');
    loaded.set(body.lora_name, body.lora_path);
    return { body: '"Success: LoRA adapter added successfully."' };
  }
  if (path === '/v1/unload_lora_adapter' && vllm) {
    loaded.delete(body.lora_name);
    return { body: '"Success"' };
  }
  if (path === '/tokenize' && vllm && 'prompt' in body)
    return { body: { tokens: wordsOf(body.prompt).map(idOf), count: 0, max_model_len: 4096 } };
  if (path === '/detokenize' && vllm) return { body: { prompt: body.tokens.map(wordOf).join('') } };
  // It reads `content` alone: of messages it finds no tokens.
  if (path === '/tokenize' && options.make === 'llama-server')
    return { body: { tokens: wordsOf(body.content ?? '').map((piece) => ({ id: idOf(piece), piece })) } };
  if (path === '/tokenize' && vllm)
    return { body: { tokens: promptWords(body.messages, body.continue_final_message ?? false).map(idOf) } };
  if (path === '/v1/completions' && options.echoes) return echo(options, body);
  // As llama-server b1-0c1e570 answers: `echo` is passed over, and the numbers have the chat's shape.
  if (path === '/v1/completions' && options.make === 'llama-server') return { body: deafToEcho };
  if (path !== '/v1/chat/completions') return refuse(404, 'Not Found');
  const untagged = (id: string) => (options.make === 'ollama' ? id.replace(/:latest$/, '') : id);
  const names = cards(options, loaded).map((card) => untagged((card as { id: string }).id));
  const model = untagged(body.model);
  if (!names.includes(model)) return refuse(404, `The model ${body.model} does not exist.`);
  return chat(options, loaded, { ...body, model });
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
function chat(options: ToyOptions, loaded: ReadonlyMap<string, string>, body: any): Reply {
  const { make, maxLogprobs = 20 } = options;
  const top = body.logprobs ? (body.top_logprobs ?? 0) : null;
  if (options.showsNoOthers && top > 0) return refuse(400, 'top_logprobs is not supported');
  if (make === 'vllm' && top > maxLogprobs)
    return refuse(
      400,
      `Requested sample logprobs of ${top}, which is greater than max allowed: ${maxLogprobs}`,
    );
  if (make === 'ollama' && top > 20) return refuse(400, 'top_logprobs must be between 0 and 20');
  if (make === 'tgi' && top > 5) return invalid(`\`top_n_tokens\` must be >= 0 and <= 5. Given: ${top}`);
  if (make === 'tgi' && body.top_p >= 1) return invalid('`top_p` must be > 0.0 and < 1.0');
  const last = body.messages.at(-1);
  const goesOn =
    last.role === 'assistant' &&
    (make === 'llama-server' ||
      make === 'tgi' ||
      (make === 'vllm' && body.continue_final_message && body.add_generation_prompt === false));
  const named = options.alias?.(body.model) ?? body.model;
  const served = options.ignoresAdapters && loaded.has(body.model) ? 'toy' : named;
  const whole = options.answer(
    served,
    body.messages.filter(({ role }: { role: string }) => role !== 'assistant'),
    body.seed ?? 0,
  );
  const spoken = wordsOf(whole);
  const stopped = (body.stop ?? []).map((word: string) => spoken.findIndex((own) => own.endsWith(word)));
  // Of the toys only TGI's knows stop strings: it leaves them in the text.
  const stop = make === 'tgi' ? Math.max(-1, ...stopped) : -1;
  const words = spoken.slice(0, stop < 0 ? body.max_tokens : stop + 1);
  const prompt = promptWords(body.messages, goesOn);
  const complete = spoken.length < body.max_tokens;
  const positions = [...words, ...(complete && stop < 0 ? ['<|end|>'] : [])];
  const message = { role: 'assistant', content: words.join('') };
  const hidden = options.hidesLogprobs || top === null;
  // Ollama counts the token that ends a turn and does not show it.
  const numbered = make === 'ollama' ? words : positions;
  return {
    body: {
      choices: [
        {
          index: 0,
          message: make === 'vllm' ? { ...message, reasoning_content: null, tool_calls: [] } : message,
          finish_reason: stop >= 0 ? 'stop_sequence' : complete ? 'stop' : 'length',
          logprobs: hidden
            ? null
            : { content: numbered.map((word, at) => position(options, served, prompt, word, at, top)) },
        },
      ],
      usage: {
        prompt_tokens: make === 'ollama' ? Math.min(prompt.length, options.context ?? 4096) : prompt.length,
        completion_tokens: positions.length,
      },
      system_fingerprint: fingerprints[make],
      ...(make === 'vllm' &&
        !options.echoes &&
        body.prompt_logprobs != null && { prompt_logprobs: promptLogprobs(served, prompt) }),
    },
  };
}

const fingerprints = { vllm: null, 'llama-server': 'b9999-toy', ollama: 'fp_ollama', tgi: '3.3.6-native' };

/** As a template writes them: a header and an end for every turn, and a header for the answer. */
function promptWords(messages: Conversation, goesOn: boolean): string[] {
  const words = messages.flatMap(({ role, content }) => [`<${role}>`, '\n', ...wordsOf(content), '<|end|>']);
  return goesOn ? words.slice(0, -1) : [...words, '<assistant>', '\n'];
}

const vocabulary = Array.from({ length: 25 }, (_, at) => ` word${at}`);

/** The drawn word is the likeliest; what else is likely depends on the model. vLLM has no number for the last one. */
function position(
  { make, punishes }: ToyOptions,
  model: string,
  prompt: readonly string[],
  word: string,
  at: number,
  top: number,
) {
  const random = createRandom('toy', model, prompt.join(''), at);
  const probability = 0.4 + 0.5 * random.next();
  const entries = [
    ...(punishes ? [{ token: ' likelier', logprob: Math.log(probability) / 2 }] : []),
    { token: word, logprob: Math.log(probability) },
    ...random.shuffle(vocabulary).map((token, rank) => ({
      token,
      logprob: Math.log(((1 - probability) * 0.8) / 2 ** (rank + 1)),
    })),
  ].slice(0, top);
  if (make === 'vllm' && entries.length > 19) entries[entries.length - 1]!.logprob = -9999;
  const bytesOf = (token: string) => (make === 'tgi' ? {} : { bytes: [...Buffer.from(token)] });
  return {
    ...{ token: word, logprob: Math.log(probability), ...bytesOf(word) },
    top_logprobs: entries.map((entry) => ({ ...entry, ...bytesOf(entry.token) })),
  };
}

/** What the chat would have said is as likely as it says there; anything else in its place is less so. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the client sent
function echo(options: ToyOptions, body: any): Reply {
  const words = (body.prompt as number[]).map(wordOf);
  const asked = words.lastIndexOf('<|end|>') - 1;
  const messages = [{ role: 'user' as const, content: words.slice(2, asked + 1).join('') }];
  const start = words.lastIndexOf('<assistant>') + 2;
  const answer = wordsOf(options.answer(body.model, messages, 0));
  const numbers = words.map((word, at) => {
    if (at === 0) return null;
    if (at < start) return -1;
    const { logprob } = position(options, body.model, words.slice(0, start), word, at - start, 1);
    return word === answer[at - start] ? logprob : logprob - 3;
  });
  const own = options.echoes === 'shifted' ? [null, ...numbers].slice(0, -1) : numbers;
  const tops = own.map((value, at) => (value === null ? null : { [words[at]!]: value, other: value - 1 }));
  return {
    body: {
      choices: [
        {
          text: '',
          logprobs: { tokens: [...words, 'x'], token_logprobs: [...own, -1], top_logprobs: [...tops, {}] },
        },
      ],
      usage: { prompt_tokens: words.length, completion_tokens: 1 },
    },
  };
}

function promptLogprobs(model: string, prompt: readonly string[]) {
  return prompt.map((word, at) => {
    if (at === 0) return null;
    const logprob = -createRandom('toy', model, prompt.slice(0, at + 1).join('')).next() * 5;
    return { [idOf(word)]: { logprob, rank: 2, decoded_token: word } };
  });
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];
const known: string[] = [];
function idOf(word: string): number {
  if (!known.includes(word)) known.push(word);
  return known.indexOf(word);
}
const wordOf = (id: number) => known[id]!;
