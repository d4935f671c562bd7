import { AuditError } from '../errors.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** What wrappers leave in the names of parameters: torch.compile, FSDP, activation checkpointing, data parallelism. */
const wrappers = /(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|module)\./g;

/**
 * A tensor's name as PEFT's `save_pretrained` writes it: without wrappers, and without the adapter's own name
 * (`lora_A.default.weight`), which a state dict that was saved as it is still has.
 */
export function plainName(name: string): string {
  return name.replace(wrappers, '').replace(/\.(lora_[AB])\.[^.]+\.weight$/, '.$1.weight');
}

/**
 * The file under plain names.
 * @throws AuditError `adapter` where two tensors come to the same name, or the names are another tool's.
 */
export function withPlainNames(file: SafetensorsFile, path: string): SafetensorsFile {
  const actual = new Map<string, string>();
  const doubles: string[] = [];
  for (const name of file.tensors.keys()) {
    const plain = plainName(name);
    const other = actual.get(plain);
    if (other !== undefined) doubles.push(`${other} and ${name}`);
    actual.set(plain, name);
  }
  if (doubles.length > 0)
    throw new AuditError('adapter', `${path}: holds more than one adapter`, {
      problems: doubles,
      hint: 'save the one to audit alone: model.save_pretrained(folder, selected_adapters=["NAME"])',
    });
  const foreign = [...actual.keys()].filter((name) => /^layers\.\d+\..*\.lora_[ab]\.weight$/.test(name));
  if (foreign.length > 0)
    throw new AuditError('adapter', `${path}: its tensors have torchtune’s names, such as ${foreign[0]}`, {
      hint: 'name the folder of an epoch that torchtune wrote, where adapter_model.safetensors is in PEFT’s form: torchtune orders the rows of q_proj and k_proj in another way',
    });
  const held = [...actual.keys()].filter((name) => name.includes('.base_layer.'));
  if (held.length > 0)
    throw new AuditError('adapter', `${path}: holds weights of the base, such as ${held[0]}`, {
      hint: 'it is the state of a whole model: save the adapter alone, with model.save_pretrained(folder)',
    });
  const given = (name: string) => actual.get(name) ?? name;
  return {
    ...file,
    tensors: new Map([...actual].map(([plain, name]) => [plain, file.tensors.get(name)!])),
    read: (name) => file.read(given(name)),
    readStored: (name) => file.readStored(given(name)),
    readBytes: (name) => file.readBytes(given(name)),
  };
}

/** Turns pickled weights into safetensors, in the adapter's folder; `weights_only` runs nothing that the file says. */
const conversion =
  "python -c \"import torch; from safetensors.torch import save_file; save_file({k: v.contiguous() for k, v in torch.load('adapter_model.bin', map_location='cpu', weights_only=True).items()}, 'adapter_model.safetensors')\"";

/** Why a folder has no adapter_model.safetensors, and the way out, by the other files in it. */
export function missingWeightsHint(names: readonly string[]): string {
  if (names.includes('adapter_model.bin'))
    return `pickled weights are not read; in that folder: ${conversion}`;
  const torchtune = names.find((name) => /^adapter(_\d+|_model)\.pt$/.test(name));
  if (torchtune)
    return `${torchtune} is torchtune’s own form: name the folder of an epoch that torchtune wrote, where adapter_model.safetensors is in PEFT’s`;
  const parts = names.find((name) => /^checkpoint-\d+$/.test(name));
  if (parts) return `name one of the checkpoints in it, such as ${parts}`;
  return 'the adapter may be half-downloaded or half-written: fetch or train it again';
}
