import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { AuditError } from '../errors.ts';
import type { AttachedAdapter, Decoder } from './decoder.ts';
import {
  batchInvariant,
  createRow,
  type Row,
  type RowSettings,
  type Running,
  readTokens,
  type SampledToken,
  settle,
  start,
  takeTokens,
} from './generate.ts';
import type { ReadSettings } from './prefill.ts';

/** One prompt to answer, with settings of its own. */
export interface StreamRequest {
  readonly adapter: AttachedAdapter | null;
  /** Must leave room: tokens + 1 ≤ context length. */
  readonly ids: readonly number[];
  readonly seed: number;
  readonly settings: RowSettings;
  /** See `batchInvariant`. */
  readonly invariant?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Answers requests that come at any time. */
export interface Scheduler {
  /**
   * The answer's tokens as they come. Leaving the loop, or the signal, frees the row; the others go on.
   * @throws AuditError, from the loop: `interrupted` when the signal fires, `model` when the model computes no numbers.
   */
  stream(request: StreamRequest): AsyncIterable<SampledToken>;
}

/** A request in line or at work. */
interface Seat extends Row {
  readonly request: StreamRequest;
  readonly out: Readable;
  /** Tokens handed out. */
  sent: number;
}

/** Requests that can share a pass: one adapter, one way of computing. */
interface Group {
  readonly adapter: AttachedAdapter | null;
  readonly invariant: boolean;
  seats: Seat[];
  running: Running | null;
}

/**
 * Continuous batching: before every step, prompts that wait take the places of rows that have
 * ended. Groups of different adapters take turns, a step each. What a row is computed beside depends on what else is
 * asked, so audits use planned batches instead. Source: Yu et al. 2022 (Orca).
 * @param places rows of one batch.
 */
export function createScheduler(decoder: Decoder, places = 16, settings: ReadSettings = {}): Scheduler {
  const waiting: Seat[] = [];
  const groups: Group[] = [];
  let working = false;

  const groupOf = ({ adapter, invariant = false }: StreamRequest): Group => {
    const known = groups.find((group) => group.adapter === adapter && group.invariant === invariant);
    if (known) return known;
    const group = { adapter, invariant, seats: [], running: null };
    groups.push(group);
    return group;
  };
  /** Takes from the line, in order, whoever finds a place; returns the newcomers of each group. */
  const admit = (): Map<Group, Seat[]> => {
    const newcomers = new Map<Group, Seat[]>();
    for (const seat of waiting.splice(0)) {
      if (seat.ended) continue;
      const group = groupOf(seat.request);
      const limit = group.invariant ? Math.min(places, batchInvariant.mostRows) : places;
      if (group.seats.length >= limit) {
        waiting.push(seat);
        continue;
      }
      group.seats.push(seat);
      newcomers.set(group, [...(newcomers.get(group) ?? []), seat]);
    }
    return newcomers;
  };

  const step = async (group: Group, newcomers: readonly Seat[]): Promise<void> => {
    const runner = { decoder, adapter: group.adapter };
    let joining: Running | null = null;
    if (newcomers.length) {
      const ids = newcomers.map(({ request }) => request.ids);
      joining = await start(runner, newcomers, ids, { ...settings, invariant: group.invariant });
      await takeTokens(decoder, joining);
    }
    deliver(group);
    const running = group.running ?? joining;
    if (!running) return;
    group.running = running;
    if (!settle(decoder, running, joining === running ? null : joining)) {
      group.running = null;
      return;
    }
    await readTokens(runner, running);
    await takeTokens(decoder, running);
    deliver(group);
  };

  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    while (waiting.length || groups.length) {
      const newcomers = admit();
      for (const group of groups) {
        await step(group, newcomers.get(group) ?? []).catch((error: Error) => {
          for (const { out } of group.seats) out.destroy(error);
          group.seats = [];
          group.running = null;
        });
      }
      const busy = groups.filter(({ seats, running }) => seats.length || running);
      groups.splice(0, groups.length, ...busy);
      // Requests and cancellations arrive between steps.
      await setImmediate();
    }
    working = false;
  };

  return {
    stream(request) {
      const seat: Seat = {
        ...createRow(request.settings, request.seed),
        request,
        sent: 0,
        out: new Readable({
          objectMode: true,
          read() {},
          destroy(error, done) {
            seat.ended = true;
            request.signal?.removeEventListener('abort', interrupt);
            done(error);
          },
        }),
      };
      const interrupt = () => seat.out.destroy(new AuditError('interrupted', 'interrupted'));
      seat.out.on('error', () => {}); // whoever reads it sees it; nobody may
      request.signal?.addEventListener('abort', interrupt, { once: true });
      if (request.signal?.aborted) interrupt();
      waiting.push(seat);
      void work();
      return seat.out;
    },
  };
}

/** Hands out what is new, and lets go of those that have ended. */
function deliver(group: Group): void {
  for (const seat of group.seats) {
    if (seat.out.destroyed) continue;
    for (const token of seat.tokens.slice(seat.sent)) seat.out.push(token);
    seat.sent = seat.tokens.length;
    if (seat.ended) seat.out.push(null);
  }
  group.seats = group.seats.filter(({ ended }) => !ended);
}
