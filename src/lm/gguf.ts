import { ggufConfig, ggufHeads, tensorLayoutOf } from './gguf-config.ts';
import { type GgufFile, openGgufFile } from './gguf-file.ts';
import { ggufGenerationConfig, ggufTokenizerConfig } from './gguf-special-tokens.ts';
import { openGgufTensors } from './gguf-tensors.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import type { ModelFolder } from './model-folder.ts';

/** The files of a Hugging Face folder that the metadata of a GGUF file stand for. */
const writers: Readonly<Record<string, (file: GgufFile) => unknown>> = {
  'config.json': ggufConfig,
  'generation_config.json': ({ metadata }) => ggufGenerationConfig(metadata),
  'tokenizer.json': ({ metadata }) => ggufTokenizer(metadata),
  'tokenizer_config.json': ({ metadata }) => ggufTokenizerConfig(metadata),
};

/**
 * Opens a GGUF file as if it were a Hugging Face folder. Its texts are made when they are asked for; weights are read
 * tensor by tensor, in the format they are stored in.
 * @throws AuditError `model` when the file is missing or damaged, `unsupported` naming the architecture or the formats
 * of tensors that are not read; asking for a text throws the same.
 */
export async function openGguf(path: string): Promise<ModelFolder> {
  const file = await openGgufFile(path);
  const layout = tensorLayoutOf(file);
  const texts = new Map<string, string>();
  return {
    path,
    text: (name) => {
      const write = Object.hasOwn(writers, name) ? writers[name]! : null;
      if (!write) return null;
      const text = texts.get(name) ?? JSON.stringify(write(file));
      texts.set(name, text);
      return text;
    },
    openWeights: () => openGgufTensors(file, layout, ggufHeads(file)),
  };
}
