import { closeSync, existsSync, fstatSync, readFileSync, readSync, realpathSync, writeSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { answerTo, type Lookup } from '../../../rules/index.ts';
import type { Answered } from '../../kernel.ts';
import { mapOfFd } from '../map.ts';
import { parseMounts } from '../mounts.ts';
import { askedBy } from './asker.ts';
import {
  createWait,
  endWithParent,
  eventsIn,
  FAN_ALLOW,
  FAN_DENY,
  FAN_OPEN_EXEC_PERM,
  METADATA_BYTES,
  neverWait,
  openGroup,
  responseOf,
} from './group.ts';
import { encodeLine, type ResponderLine, type ResponderTask } from './line.ts';

/** Of the memory that both threads see: since when an event waits, in milliseconds of the process's clock, its descriptor, a cell to sleep on, events done. */
const [SINCE, EVENT, DONE, CELLS] = [0, 1, 3, 4];
/** Lines that wait for somebody to read them, at most. */
const MAX_WAITING = 10_000;
/** How long after its exec a thread's open of the same file counts as that exec's, in milliseconds: the kernel asks twice. */
const SAME_EXEC_MS = 1_000;

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

/** Writes lines without ever waiting for whoever reads them, who may wait for an answer. */
const createSpeaker = (fd: number) => {
  let waiting: Buffer[] = [];
  let dropped = 0;
  const flush = (): void => {
    while (waiting[0] !== undefined) {
      let written: number;
      try {
        written = writeSync(fd, waiting[0]);
      } catch {
        return;
      }
      if (written < waiting[0].length) waiting[0] = waiting[0].subarray(written);
      else waiting = waiting.slice(1);
    }
    if (dropped === 0) return;
    waiting.push(encodeLine({ kind: 'dropped', lines: dropped }));
    dropped = 0;
  };
  return {
    flush,
    isWaiting: (): boolean => waiting.length > 0,
    say: (line: ResponderLine): void => {
      if (waiting.length >= MAX_WAITING) dropped++;
      else waiting.push(encodeLine(line));
      flush();
    },
  };
};

const answer = (group: number, fd: number, response: number): boolean => {
  try {
    writeSync(group, responseOf(fd, response));
    return true;
  } catch {
    return false;
  }
};

/** Threads whose calls are always let through: this process's, and those of the agent, which started it. */
const isOwn = (tid: number): boolean =>
  tid <= 0 || existsSync(`/proc/self/task/${tid}`) || existsSync(`/proc/${process.ppid}/task/${tid}`);

/** Recognizes the second question that the kernel asks about an exec: about the open of the file. */
const createExecs = () => {
  const execs = new Map<number, { readonly file: string; readonly at: number }>();
  return {
    begin: (tid: number, file: string): void => {
      const now = Date.now();
      for (const [each, { at }] of execs) if (now - at > SAME_EXEC_MS) execs.delete(each);
      execs.set(tid, { file, at: now });
    },
    isOpenOf: (tid: number, file: string): boolean => {
      const exec = execs.get(tid);
      execs.delete(tid);
      return exec !== undefined && exec.file === file && Date.now() - exec.at <= SAME_EXEC_MS;
    },
  };
};

/** File systems on which answers are looked up: whoever is asked before these are opened waits for itself. */
const LOOKED_UP_IN: ReadonlySet<string> = new Set(['proc', 'sysfs', 'cgroup', 'cgroup2', 'bpf', 'debugfs', 'tracefs']);

/** @throws Error with a sentence about a mount that can't be watched */
const checkMount = (path: string): void => {
  let place: string;
  try {
    place = realpathSync(path);
  } catch (error) {
    throw new Error(
      `${path} can't be watched by fanotify (${(error as NodeJS.ErrnoException).code ?? 'it is not there'})`,
    );
  }
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const found = mounts
    .filter((mount) => mount.place === '/' || `${place}/`.startsWith(`${mount.place}/`))
    .reduce<(typeof mounts)[number] | undefined>(
      (longest, each) => (longest !== undefined && longest.place.length > each.place.length ? longest : each),
      undefined,
    );
  if (found !== undefined && LOOKED_UP_IN.has(found.type))
    throw new Error(
      `${path} can't be watched by fanotify: it lies on a file system of the type ${found.type}, where answers are looked up`,
    );
};

const run = ({ task, mounts, maps, program, limitMs, holdMs }: ResponderTask): void => {
  endWithParent();
  neverWait(1);
  const { say, flush, isWaiting } = createSpeaker(1);
  const byName = new Map(maps.map(({ spec, fd }) => [spec.name, mapOfFd(spec, fd)]));
  const lookup: Lookup = (name, key) => {
    const value = byName.get(name)?.lookup(key);
    return typeof value === 'number' ? undefined : value;
  };
  const execs = createExecs();
  let hasFailed = false;
  const judge = (tid: number, fd: number, on: 'open' | 'exec'): Omit<Answered, 'late'> | 'deny' | undefined => {
    if (isOwn(tid)) return undefined;
    const { ino, dev } = fstatSync(fd, { bigint: true });
    if (on === 'exec') execs.begin(tid, `${dev} ${ino}`);
    else if (execs.isOpenOf(tid, `${dev} ${ino}`)) return undefined;
    const asked = askedBy(program, tid, fd, on);
    const said = asked && answerTo(task, asked, lookup);
    if (said === 'sentinel') return 'deny';
    return asked && said && { asked, answer: said };
  };
  const shared = new SharedArrayBuffer(4 * CELLS);
  const state = new Int32Array(shared);
  const origin = Date.now() - 1;
  const hold = new Int32Array(new SharedArrayBuffer(4));
  const handle = (group: number, fd: number, tid: number, on: 'open' | 'exec'): void => {
    Atomics.store(state, EVENT, fd);
    Atomics.store(state, SINCE, Date.now() - origin);
    let judged: ReturnType<typeof judge>;
    try {
      judged = judge(tid, fd, on);
    } catch (error) {
      if (!hasFailed) say({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
      hasFailed = true;
    }
    const denies = judged === 'deny' || judged?.answer.denied === true;
    if (holdMs !== undefined) Atomics.wait(hold, 0, 0, holdMs);
    const inTime = Atomics.exchange(state, SINCE, 0) !== 0;
    const answered = inTime && answer(group, fd, denies ? FAN_DENY : FAN_ALLOW);
    closeSync(fd);
    Atomics.add(state, DONE, 1);
    if (judged !== undefined && judged !== 'deny') say({ kind: 'answered', ...judged, late: !answered });
  };
  for (const mount of mounts) checkMount(mount);
  lookup('config', new Uint8Array(4));
  const group = openGroup(mounts);
  const watchdog = new Worker(WATCHDOG, { eval: true, workerData: { group, shared, limitMs, origin } });
  const buffer = Buffer.alloc(METADATA_BYTES);
  const wait = createWait(group, 1);
  watchdog.once('online', () => {
    say({ kind: 'ready' });
    for (;;) {
      const isAsked = wait(isWaiting());
      flush();
      if (!isAsked) continue;
      const length = readSync(group, buffer, 0, METADATA_BYTES, null);
      for (const { mask, fd, tid } of eventsIn(buffer.subarray(0, length)))
        if (fd >= 0) handle(group, fd, tid, (mask & FAN_OPEN_EXEC_PERM) !== 0n ? 'exec' : 'open');
    }
  });
};

run(deserialize(readFileSync(0)) as ResponderTask);
