/**
 * What one GPU with one vLLM server of an 8B model in 16 bits needs, as declared parameters: a step that writes a token
 * for each of n sequences takes `stepMs + perSequenceMs × n`, a prompt is read at `readPerSecond`, beside them.
 * Replace these by your own, from `vllm bench serve` at one request and at many.
 */
export const profiles = {
  a100: {
    label: 'A100',
    stepMs: 14,
    perSequenceMs: 0.103,
    readPerSecond: 14_770,
    source:
      'the fit in kubernetes-sigs/llm-instance-gateway’s simulation of vLLM (14 ms + 0.1026 ms a sequence, 0.0677 ms a prompt token)',
  },
  h100: {
    label: 'H100',
    stepMs: 6.4,
    perSequenceMs: 0.055,
    readPerSecond: 29_540,
    source:
      '6.48 ms a token with one request (YobitelComm InferenceBench, vLLM 0.21), 12,500 tokens/s with 256 (morphllm.com), prompts at twice the A100’s (LambdaLabsML/vllm-benchmark)',
  },
  l4: {
    label: 'L4',
    stepMs: 72.6,
    perSequenceMs: 0.266,
    readPerSecond: 5_730,
    source:
      'the A100’s scaled on paper by the data sheets: memory at 300 of 1,555 GB/s, arithmetic at 121 of 312 TFLOP/s; nobody’s measurement',
  },
};

/** Of every vLLM server: its flags --max-num-seqs and --max-num-batched-tokens. */
export const limits = { maxSequences: 256, maxBatchedTokens: 2048 };

/** Mean tokens of an answer, drawn exponentially up to max_tokens: an assumption, where the plan counts the most there can be. */
export const answerTokens = { harm: 250, knowledge: 6, judge: 4 };
