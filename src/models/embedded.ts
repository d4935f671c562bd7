import { Readable } from 'node:stream';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import { sharedEngine } from '../lm/engine-client.ts';
import {
  type AnswerPart,
  type Decoding,
  defaultOptions,
  type LanguageModel,
  type ModelOptions,
} from '../model.ts';

export interface EmbeddedModelOptions {
  /** A Hugging Face directory (config.json, safetensors, tokenizer.json, chat template) or a GGUF file. */
  readonly directory: string;
  /** A PEFT adapter folder; its own chat template, where it has one, replaces the base's. */
  readonly adapter?: string | null;
  readonly batchSize?: number;
  readonly options?: ModelOptions;
  /** Every answer is the same to the last bit in whichever batch it is generated. */
  readonly batchInvariant?: boolean;
}

/**
 * A local checkpoint run by the embedded engine in its worker thread.
 * @throws AuditError `model`, `adapter`, `unsupported`; `engine` when onnxruntime-node is missing.
 */
export async function createEmbeddedModel({
  directory,
  adapter = null,
  batchSize = 16,
  batchInvariant = false,
  options = defaultOptions,
}: EmbeddedModelOptions): Promise<LanguageModel> {
  const engine = sharedEngine();
  const facts = await engine.open(directory, adapter, options);
  const { handle, fingerprint, contextLength, device, memory, unprovenBase } = facts;
  if (batchInvariant && device !== 'cpu') {
    await engine.close(handle);
    throw new AuditError('unsupported', 'batchInvariant: holds on the CPU alone', {
      hint: 'set device: cpu, or leave batchInvariant out',
    });
  }
  const invariantly = (decoding: Decoding): Decoding =>
    batchInvariant ? { ...decoding, batchInvariant } : decoding;
  return {
    name: adapter ? `${directory} + ${adapter}` : directory,
    fingerprint: batchInvariant ? sha256Json([fingerprint, 'batch-invariant']) : fingerprint,
    contextLength,
    device,
    memory,
    unprovenBase,
    batchSize,
    render: (conversations) => engine.render(handle, conversations),
    generate: (prompts, decoding, signal) => engine.generate(handle, prompts, invariantly(decoding), signal),
    stream: (prompt, decoding, signal) =>
      parts(
        (onPart, leaving) => engine.stream(handle, prompt, invariantly(decoding), onPart, leaving),
        signal,
      ),
    tokenTexts: (texts) => engine.tokenTexts(handle, texts),
    loglikelihood: (...request) => engine.loglikelihood(handle, ...request),
    firstTokenMass: (...request) => engine.firstTokenMass(handle, ...request),
    scoreTokens: (...request) => engine.scoreTokens(handle, ...request),
    tokenIds: (...request) => engine.tokenIds(handle, ...request),
    specialTokens: () => engine.specialTokens(handle),
    textsOf: (sequences) => engine.textsOf(handle, sequences),
    hiddenStates: (...request) => engine.hiddenStates(handle, ...request),
    close: () => engine.close(handle),
  };
}

/** What `run` reports, as a loop reads it; leaving the loop aborts the run. */
function parts(
  run: (onPart: (part: AnswerPart) => void, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): AsyncIterable<AnswerPart> {
  const leaving = new AbortController();
  const out = new Readable({
    objectMode: true,
    read() {},
    destroy(error, done) {
      leaving.abort();
      done(error);
    },
  });
  out.on('error', () => {}); // whoever reads it sees it; nobody may
  run(
    (part) => !out.destroyed && out.push(part),
    signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
  ).then(
    () => out.push(null),
    (error: Error) => out.destroy(error),
  );
  return out;
}
