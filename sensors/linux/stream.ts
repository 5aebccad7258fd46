import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { RecordStream } from '../kernel.ts';
import { createDrainer, type DrainTask } from './drain/drainer.ts';
import { CONTROL, openOutboxReader, outboxMemory } from './drain/outbox.ts';
import { type RingMapping, unmapRing } from './drain/ring.ts';

/** Bytes of records between the threads: beyond that they stay in the kernel's rings. */
const OUTBOX_BYTES = 32 << 20;
const POLL_MS = 1;

export interface StreamOptions {
  /** Where a record has its time, a u64; a multiple of 8. */
  readonly timeAt: number;
  /** Drain in a thread of its own; without, `consume` does. Default true. */
  readonly worker?: boolean;
  /** Bytes of records between the threads, a power of two, from 64 KB. */
  readonly outboxBytes?: number;
}

/**
 * The worker's file: built JavaScript, or the source where Node reads TypeScript. From sources on a Node that does not, what was built is
 * taken (`dist`); undefined where there is none.
 */
export function workerFile(base: string, readsTypescript: boolean): URL | undefined {
  const own = new URL(`./drain/worker${base.endsWith('.ts') ? '.ts' : '.js'}`, base);
  if (base.endsWith('.js') || readsTypescript) return own;
  const built = new URL('../../dist/sensors/linux/drain/worker.js', base);
  return existsSync(fileURLToPath(built)) ? built : undefined;
}

/** Reads mapped ring buffers as one stream; unmaps them when it is closed. @throws Error where `timeAt` is no multiple of 8 */
export function openStream(rings: readonly RingMapping[], options: StreamOptions): RecordStream {
  const { timeAt, outboxBytes = OUTBOX_BYTES } = options;
  if (timeAt % 8 !== 0 || timeAt < 0)
    throw new Error(`records can't have their time at ${timeAt}: it must be a multiple of 8`);
  const outbox = outboxMemory(outboxBytes);
  const task: DrainTask = { rings, timeAt, outbox };
  const state = new Int32Array(outbox.control);
  const reader = openOutboxReader(outbox);
  const file =
    options.worker === false
      ? undefined
      : workerFile(import.meta.url, 'typescript' in process.features && Boolean(process.features.typescript));
  const unmap = (): void => rings.forEach(unmapRing);
  const thread = file ? startThread(file, task, state, unmap) : undefined;
  const drainer = thread ? undefined : createDrainer(task);
  let closed = false;

  const consume = (handle: (record: Uint8Array) => void): number => {
    if (closed) return 0;
    thread?.check();
    drainer?.step();
    return reader.read(handle);
  };
  return {
    consume,
    async drain(handle) {
      if (closed) return 0;
      const request = Atomics.add(state, CONTROL.asked, 1) + 1;
      wake(state);
      let records = 0;
      while (!closed) {
        const met = Atomics.load(state, CONTROL.met) === request;
        records += consume(handle);
        if (met) break;
        if (thread) await delay(POLL_MS);
      }
      return records;
    },
    close() {
      if (closed) return;
      closed = true;
      if (thread) thread.stop();
      else unmap();
    },
  };
}

function wake(state: Int32Array): void {
  Atomics.add(state, CONTROL.wake, 1);
  Atomics.notify(state, CONTROL.wake);
}

interface Thread {
  /** @throws Error where it has ended by itself. */
  check(): void;
  stop(): void;
}

function startThread(file: URL, workerData: DrainTask, state: Int32Array, ended: () => void): Thread {
  const worker = new Worker(file, { workerData, name: 'shrike-drain', execArgv: [] });
  let problem: Error | undefined;
  let stopping = false;
  worker.unref();
  worker.on('error', (error) => {
    problem = new Error(
      `the thread that drains the ring buffers has ended: ${error instanceof Error ? error.message : String(error)}; start again`,
    );
  });
  worker.on('exit', () => {
    if (!stopping) problem ??= new Error('the thread that drains the ring buffers has ended; start again');
    ended();
  });
  return {
    check() {
      if (problem) throw problem;
    },
    stop() {
      stopping = true;
      Atomics.store(state, CONTROL.stop, 1);
      wake(state);
    },
  };
}
