/**
 * Continuous batching as vLLM does it, in simulated seconds. Every step writes one token for each sequence whose prompt
 * has been read, and reads prompts of the others with what is left of the step's tokens (chunked prefill).
 * Source: vLLM's documentation, "Optimization and Tuning" (chunked prefill: decodes first).
 */
export function createBatching({ stepMs, perSequenceMs, readPerSecond }, { maxSequences, maxBatchedTokens }) {
  const waiting = [];
  const running = [];
  const totals = { busy: 0, steps: 0, sequenceSteps: 0, read: 0, written: 0 };
  /** When the last step ends. */
  let now = 0;
  /** A step that has been worked out and is not over yet. */
  let current = null;

  /** One step; who was finished by it. */
  const step = () => {
    while (waiting.length > 0 && running.length < maxSequences) running.push(waiting.shift());
    const writing = running.filter(({ unread }) => unread === 0);
    let room = maxBatchedTokens - writing.length;
    let read = 0;
    const ready = [...writing];
    for (const sequence of running) {
      if (sequence.unread === 0 || room <= 0) continue;
      const part = Math.min(sequence.unread, room);
      sequence.unread -= part;
      room -= part;
      read += part;
      // The pass that reads the last of a prompt gives its first token.
      if (sequence.unread === 0) ready.push(sequence);
    }
    const seconds = (stepMs + perSequenceMs * ready.length) / 1000 + read / readPerSecond;
    now += seconds;
    totals.busy += seconds;
    totals.steps++;
    totals.sequenceSteps += running.length;
    totals.read += read;
    totals.written += ready.length;
    const finished = ready.filter((sequence) => --sequence.unwritten === 0);
    for (const sequence of finished) running.splice(running.indexOf(sequence), 1);
    return finished;
  };

  const somethingToDo = () => running.length + waiting.length > 0;
  return {
    totals,
    /** Asks at a moment, in seconds, up to which it has been advanced: tokens to read and to write. */
    ask(at, { read, written, ...rest }) {
      if (!somethingToDo() && !current) now = Math.max(now, at);
      waiting.push({ ...rest, unread: Math.max(1, read), unwritten: Math.max(1, written) });
    },
    /** Every step that is over by `until`; calls back with who was finished. */
    advance(until, onFinished) {
      for (;;) {
        if (!current && somethingToDo() && now <= until) current = { finished: step(), at: now };
        if (!current || current.at > until) return;
        for (const sequence of current.finished) onFinished(sequence);
        current = null;
      }
    },
    /** The next step, whenever it ends; null where there is nothing to do. */
    next: () => (somethingToDo() ? { finished: step(), at: now } : null),
    get idle() {
      return !somethingToDo() && !current;
    },
  };
}
