import type { WriteStream } from 'node:tty';

/** How far one stage has come. */
export interface Progress {
  readonly stage:
    | 'download'
    | 'read'
    | 'train'
    | 'generate'
    | 'judge'
    | 'report'
    | 'merge'
    | 'import'
    | 'export';
  /** What the stage works on: a repository, an arm, an arm and its suite, a judge. */
  readonly label: string;
  readonly done: number;
  readonly total: number;
  /** What of `done` was there before this process; by default what the first update of the stage tells. */
  readonly resumed?: number;
  /** What `done` counts: MB, steps, answers. */
  readonly unit: string;
  /** More to say, as in `loss 1.42`. */
  readonly detail?: string;
  /** `detail` tells a person what to do meanwhile: shown at once, and whole. */
  readonly asks?: true;
  /** Of a step of training, nats per labelled token. */
  readonly loss?: number;
}

/** Shows progress somewhere; `stop` leaves the line complete. */
export interface ProgressDisplay {
  update(progress: Progress): void;
  stop(): void;
}

/** Time and amount at the first and the latest update: what was done before a resume is no part of the rate. */
interface Pace {
  readonly startMs: number;
  readonly startDone: number;
}

const plainEveryMs = 5_000;
/** The wall clock may be set while a run goes on. */
const monotonic = () => performance.now();

/** A bar with rate and time left on a terminal, otherwise plain lines, at most one every five seconds. */
export async function createProgressDisplay(stream: NodeJS.WriteStream): Promise<ProgressDisplay> {
  return stream.isTTY ? createBars(stream as WriteStream) : createLines((line) => stream.write(`${line}\n`));
}

/** Plain lines for logs: the first and the last of every stage, and some between. */
export function createLines(write: (line: string) => void, now: () => number = monotonic): ProgressDisplay {
  let current = '';
  let pace: Pace = { startMs: 0, startDone: 0 };
  let writtenMs = 0;
  return {
    update: (progress) => {
      const title = titleOf(progress);
      const begins = title !== current;
      if (begins) pace = { startMs: now(), startDone: progress.done };
      current = title;
      const ends = progress.done >= progress.total;
      if (!begins && !ends && !progress.asks && now() - writtenMs < plainEveryMs) return;
      writtenMs = now();
      write(
        `${title}: ${progress.done}/${progress.total} ${progress.unit}${paceText(progress, pace, now())}${detailOf(progress)}`,
      );
    },
    stop: () => {},
  };
}

async function createBars(stream: WriteStream): Promise<ProgressDisplay> {
  const { SingleBar } = (await import('cli-progress')).default;
  let current = '';
  let pace: Pace = { startMs: 0, startDone: 0 };
  let bar: InstanceType<typeof SingleBar> | undefined;
  return {
    update: (progress) => {
      const title = titleOf(progress);
      if (progress.asks) {
        // A bar ends where the line does; the next update draws a new one.
        bar?.stop();
        [bar, current] = [undefined, ''];
        stream.write(`${title}${detailOf(progress).replace(',', ':')}\n`);
        return;
      }
      if (title !== current) {
        bar?.stop();
        current = title;
        pace = { startMs: monotonic(), startDone: progress.done };
        bar = new SingleBar({
          stream,
          format: '{title} {bar} {value}/{total} {unit}{pace}{detail}',
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          hideCursor: true,
          fps: 8,
        });
        bar.start(progress.total, progress.done, {
          title: title.padEnd(32),
          unit: progress.unit,
          pace: '',
          detail: '',
        });
      }
      const shown = { pace: paceText(progress, pace, monotonic()), detail: detailOf(progress) };
      bar?.setTotal(progress.total);
      bar?.update(progress.done, shown);
      if (progress.done >= progress.total) {
        bar?.stop();
        bar = undefined;
      }
    },
    stop: () => bar?.stop(),
  };
}

function titleOf({ stage, label }: Progress): string {
  return label ? `${stage} ${label}` : stage;
}

function detailOf({ detail }: Progress): string {
  return detail ? `, ${detail}` : '';
}

/** Rate since the stage began here and the time left at that rate; nothing before something was done. */
function paceText(
  { done, total, unit, resumed }: Progress,
  { startMs, startDone }: Pace,
  nowMs: number,
): string {
  const seconds = (nowMs - startMs) / 1000;
  const worked = done - (resumed ?? startDone);
  if (worked <= 0 || seconds <= 0) return '';
  const rate = worked / seconds;
  const left = done < total ? `, ${durationText((total - done) / rate)} left` : `, ${durationText(seconds)}`;
  return `, ${Number(rate.toPrecision(2))} ${unit}/s${left}`;
}

/** `8 s`, `2 min 5 s`, `1 h 3 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
