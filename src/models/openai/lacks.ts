import type { ModelLacks } from '../../model.ts';
import type { ServerCapabilities } from '../../server-record.ts';

/** What a model behind a server does not give, with what would help: the flags of the servers in the field. */
export function lacksOf(
  { topLogProbabilities, prefill, likelihood, tokenizer }: ServerCapabilities,
  wanted: boolean,
): ModelLacks {
  const withoutLogprobs =
    'start the server with log-probabilities (Ollama: 0.12.11 or later; llama-cpp-python: --logits_all true), or set model.logprobs: false to go without uncertainty';
  const tooFew = `it gives ${topLogProbabilities}: start vLLM with --max-logprobs 20 or TGI with --max-top-n-tokens 20, or set model.logprobs: false to go without uncertainty`;
  return {
    ...(wanted && topLogProbabilities === null && { logProbabilities: withoutLogprobs }),
    ...(topLogProbabilities !== null && topLogProbabilities < 10 && { topLogProbabilities: tooFew }),
    ...((!prefill || !tokenizer) && {
      prefill:
        'vLLM goes on from a beginning and shows its tokens as it is; llama-server as long as it is not started with --no-prefill-assistant; Ollama and TGI do not tell their tokens; or leave suites.harm.prefill out',
    }),
    ...(!likelihood && {
      likelihood:
        'vLLM scores given answers as it is (prompt_logprobs), aftertune serve too; completions that echo their prompt with logprobs do as well, on llama-cpp-python with --logits_all true and model.weights (a folder or GGUF file, for its chat template); llama-server, Ollama and TGI have neither; or leave the multiple choice out of suites.utility.tasks',
    }),
  };
}
