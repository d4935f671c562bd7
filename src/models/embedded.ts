import { sharedEngine } from '../lm/engine-client.ts';
import type { LanguageModel } from '../model.ts';

export interface EmbeddedModelOptions {
  /** A Hugging Face directory: config.json, safetensors, tokenizer.json, chat template. */
  readonly directory: string;
  /** A PEFT adapter folder; its own chat template, where it has one, replaces the base's. */
  readonly adapter?: string | null;
  readonly batchSize?: number;
  /** The chat template's `enable_thinking`; null: its own default. */
  readonly enableThinking?: boolean | null;
}

/**
 * A local checkpoint run by the embedded engine in its worker thread.
 * @throws AuditError `model`, `adapter`, `unsupported`; `engine` when onnxruntime-node is missing.
 */
export async function createEmbeddedModel({
  directory,
  adapter = null,
  batchSize = 16,
  enableThinking = null,
}: EmbeddedModelOptions): Promise<LanguageModel> {
  const engine = sharedEngine();
  const { handle, fingerprint, contextLength, unprovenBase } = await engine.open(
    directory,
    adapter,
    enableThinking,
  );
  return {
    name: adapter ? `${directory} + ${adapter}` : directory,
    fingerprint,
    contextLength,
    unprovenBase,
    batchSize,
    render: (conversations) => engine.render(handle, conversations),
    generate: (prompts, decoding, signal) => engine.generate(handle, prompts, decoding, signal),
    close: () => engine.close(handle),
  };
}
