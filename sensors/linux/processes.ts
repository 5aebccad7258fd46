import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { RelocationError } from '../../engine/object/index.ts';
import type { ProcessFacts } from '../kernel.ts';
import { readClock } from './call.ts';
import { type Cgroups, childrenOf } from './cgroups.ts';
import { BpfError } from './error.ts';
import { openSnapshots, type Snapshots } from './snapshot.ts';

/** Clock ticks a second of /proc (USER_HZ, the same on every x86-64 kernel). */
const TICKS = 100n;
const DELETED = ' (deleted)';
/** States of /proc/PID/stat in which a process has ended: zombie, dead. */
const ENDED: ReadonlySet<string> = new Set(['Z', 'X', 'x']);

/** Reads what the processes of a cgroup and of those below it are. */
export interface ProcessReader {
  read(scope: string): readonly ProcessFacts[];
  close(): void;
}

/** Reads processes by an iterator in the kernel; by /proc where the kernel refuses that, with starts to a hundredth of a second only. */
export function createProcessReader(cgroups: Cgroups): ProcessReader {
  const iterators = new Map<string, Snapshots | undefined>();
  const iteratorOf = (scope: string): Snapshots | undefined => {
    if (!iterators.has(scope))
      iterators.set(
        scope,
        openOr(() => openSnapshots(cgroups, scope)),
      );
    return iterators.get(scope);
  };
  return {
    read: (scope) => iteratorOf(scope)?.read() ?? processesOf(cgroups, scope),
    close() {
      for (const iterator of iterators.values()) iterator?.close();
      iterators.clear();
    },
  };
}

function openOr(open: () => Snapshots): Snapshots | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof BpfError || error instanceof RelocationError) return undefined;
    throw error;
  }
}

/** The processes of a cgroup and of those below it, by their cgroup.procs and /proc; parents outside of it are left out. */
export function processesOf(cgroups: Cgroups, scope: string): readonly ProcessFacts[] {
  const asOf = readClock('CLOCK_BOOTTIME');
  const seen = new Map<number, string>();
  for (const [pid, cgroup] of below(cgroups, scope)) seen.set(pid, cgroup);
  const starts = new Map<number, Stat>();
  for (const pid of seen.keys()) {
    const stat = readStat(pid);
    if (stat && !ENDED.has(stat.state)) starts.set(pid, stat);
  }
  const facts: ProcessFacts[] = [];
  for (const [pid, stat] of [...starts].sort(([one], [other]) => one - other)) {
    const one = factsOf(pid, stat, starts.get(stat.parentPid), seen.get(pid) ?? scope);
    if (one) facts.push({ ...one, asOf });
  }
  return facts;
}

function* below(cgroups: Cgroups, path: string): Generator<readonly [pid: number, cgroup: string]> {
  const folder = cgroups.folder(path);
  const pids = readOr(() => readFileSync(`${folder}/cgroup.procs`, 'utf8')) ?? '';
  for (const line of pids.split('\n')) if (Number(line) > 0) yield [Number(line), path];
  for (const name of childrenOf(folder)) yield* below(cgroups, path === '/' ? `/${name}` : `${path}/${name}`);
}

interface Stat {
  readonly name: string;
  readonly state: string;
  readonly parentPid: number;
  readonly start: bigint;
}

/** Name, parent and start of /proc/PID/stat (proc_pid_stat(5)); its name may hold spaces and parentheses. */
function readStat(pid: number): Stat | undefined {
  const text = readOr(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (text === undefined) return undefined;
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    parentPid: Number(fields[1]),
    start: (BigInt(fields[19] ?? 0) * 1_000_000_000n) / TICKS,
  };
}

function factsOf(pid: number, stat: Stat, parent: Stat | undefined, cgroup: string): ProcessFacts | undefined {
  const exe = readOr(() => readlinkSync(`/proc/${pid}/exe`));
  const command = readOr(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  const status = readOr(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  const file = readOr(() => statSync(`/proc/${pid}/exe`, { bigint: true }));
  const environ = readOr(() => readFileSync(`/proc/${pid}/environ`, 'utf8'));
  if (command === undefined || status === undefined) return undefined;
  const argv = command.split('\0');
  if (argv.at(-1) === '') argv.pop();
  const path = exe?.endsWith(DELETED) ? exe.slice(0, -DELETED.length) : (exe ?? '');
  return {
    pid,
    start: stat.start,
    coarse: true,
    parentPid: parent ? stat.parentPid : 0,
    parentStart: parent?.start ?? 0n,
    name: stat.name,
    exepath: path,
    // in the middle of its exec a program has none yet, as kernel threads, which have no executable
    argv: command === '' && exe !== undefined ? undefined : argv,
    memfd: path.startsWith('/memfd:'),
    ...(file && { exeIno: file.ino, exeCtime: file.ctimeNs, exeMtime: file.mtimeNs }),
    ...(environ !== undefined && { env: environ.split('\0').slice(0, -1) }),
    uid: Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? 0),
    cgroup,
  };
}

function readOr<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
