import { closeSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { deniedBy, type FanotifyRule } from './decide.ts';
import {
  endWithParent,
  eventsIn,
  FAN_ALLOW,
  FAN_DENY,
  FAN_OPEN_EXEC_PERM,
  type Mark,
  openGroup,
  responseOf,
} from './group.ts';

/** What the process that answers is told. */
export interface ResponderTask {
  readonly rules: readonly FanotifyRule[];
  readonly scope: string;
  readonly marks: readonly Mark[];
  /** Milliseconds after which a file may be opened that nothing was said about. */
  readonly limitMs: number;
  /** Milliseconds that each answer is held back: to see what comes of slowness. */
  readonly holdMs?: number;
}

/** A line that it writes: that it watches, or what became of a question that a rule denies. */
export type ResponderLine =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'denied' | 'late';
      readonly rule: string;
      readonly pid: number;
      readonly path: string;
      readonly on: 'open' | 'exec';
    };

const READ_BYTES = 4096;
/** Of the memory that both threads see: since when an event waits, in milliseconds of the process's clock, its descriptor, a cell to sleep on, events done. */
const [SINCE, EVENT, DONE, CELLS] = [0, 1, 3, 4];

/**
 * The watchdog: a thread that allows an event which has waited for too long, whatever the other does; where that one is still at it ten times as long after, it ends the process, and
 * the kernel allows all that wait. It is text, so that it needs no file of its own.
 */
const WATCHDOG = `
const { writeSync } = require('node:fs');
const { workerData: { group, shared, limitMs, origin } } = require('node:worker_threads');
const state = new Int32Array(shared);
const response = Buffer.alloc(8);
let late;
for (;;) {
  Atomics.wait(state, 2, 0, Math.max(1, limitMs / 4));
  const now = Date.now() - origin;
  if (late && Atomics.load(state, 3) === late.done && now - late.at > 10 * limitMs) process.kill(process.pid, 'SIGKILL');
  const [since, fd] = [Atomics.load(state, 0), Atomics.load(state, 1)];
  if (since === 0 || now - since < limitMs || Atomics.compareExchange(state, 0, since, 0) !== since) continue;
  late = { at: now, done: Atomics.load(state, 3) };
  response.writeInt32LE(fd, 0);
  response.writeUInt32LE(1, 4);
  try { writeSync(group, response); } catch {}
}`;

const say = (line: ResponderLine): void => void writeSync(1, `${JSON.stringify(line)}\n`);

const answer = (group: number, fd: number, response: number): boolean => {
  try {
    writeSync(group, responseOf(fd, response));
    return true;
  } catch {
    return false;
  }
};

const run = (task: ResponderTask): void => {
  endWithParent();
  const shared = new SharedArrayBuffer(4 * CELLS);
  const state = new Int32Array(shared);
  const origin = Date.now() - 1;
  const group = openGroup(task.marks);
  const watchdog = new Worker(WATCHDOG, { eval: true, workerData: { group, shared, limitMs: task.limitMs, origin } });
  const buffer = Buffer.alloc(READ_BYTES);
  const hold = new Int32Array(new SharedArrayBuffer(4));
  const handle = (fd: number, pid: number, on: 'open' | 'exec'): void => {
    Atomics.store(state, EVENT, fd);
    Atomics.store(state, SINCE, Date.now() - origin);
    let rule: string | undefined;
    let path = '';
    try {
      path = readlinkSync(`/proc/self/fd/${fd}`);
      rule =
        pid === process.pid || pid === process.ppid ? undefined : deniedBy(task.rules, task.scope, { pid, path, on });
    } catch {
      rule = undefined;
    }
    if (task.holdMs !== undefined) Atomics.wait(hold, 0, 0, task.holdMs);
    const inTime = Atomics.exchange(state, SINCE, 0) !== 0;
    const answered = inTime && answer(group, fd, rule === undefined ? FAN_ALLOW : FAN_DENY);
    closeSync(fd);
    Atomics.add(state, DONE, 1);
    if (rule !== undefined) say({ kind: answered ? 'denied' : 'late', rule, pid, path, on });
  };
  watchdog.once('online', () => {
    say({ kind: 'ready' });
    for (;;) {
      const length = readSync(group, buffer, 0, READ_BYTES, null);
      for (const { mask, fd, pid } of eventsIn(buffer.subarray(0, length)))
        if (fd >= 0) handle(fd, pid, (mask & FAN_OPEN_EXEC_PERM) !== 0n ? 'exec' : 'open');
    }
  });
};

run(deserialize(Buffer.from(process.argv[2] ?? '', 'base64')) as ResponderTask);
