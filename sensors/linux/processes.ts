import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessFacts } from '../kernel.ts';
import type { Cgroups } from './cgroups.ts';

/** Clock ticks a second of /proc (USER_HZ, the same on every x86-64 kernel). */
const TICKS = 100n;
const DELETED = ' (deleted)';

interface Seen {
  readonly pid: number;
  readonly cgroup: string;
}

/** The processes of a cgroup and of those below it, by their cgroup.procs and /proc; parents outside of it are left out. */
export function processesOf(cgroups: Cgroups, scope: string): readonly ProcessFacts[] {
  const seen = new Map<number, string>();
  for (const { pid, cgroup } of below(cgroups, scope)) seen.set(pid, cgroup);
  const starts = new Map<number, Stat>();
  for (const pid of seen.keys()) {
    const stat = readStat(pid);
    if (stat) starts.set(pid, stat);
  }
  const facts: ProcessFacts[] = [];
  for (const [pid, stat] of [...starts].sort(([one], [other]) => one - other)) {
    const parent = starts.get(stat.parentPid);
    const one = factsOf(pid, stat, parent, seen.get(pid) ?? scope);
    if (one) facts.push(one);
  }
  return facts;
}

function* below(cgroups: Cgroups, path: string): Generator<Seen> {
  const folder = cgroups.folder(path);
  let pids: string;
  let names: string[];
  try {
    pids = readFileSync(`${folder}/cgroup.procs`, 'utf8');
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return;
  }
  for (const line of pids.split('\n')) if (Number(line) > 0) yield { pid: Number(line), cgroup: path };
  for (const name of names) yield* below(cgroups, path === '/' ? `/${name}` : `${path}/${name}`);
}

interface Stat {
  readonly name: string;
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
    parentPid: Number(fields[1]),
    start: (BigInt(fields[19] ?? 0) * 1_000_000_000n) / TICKS,
  };
}

function factsOf(pid: number, stat: Stat, parent: Stat | undefined, cgroup: string): ProcessFacts | undefined {
  const exe = readOr(() => readlinkSync(`/proc/${pid}/exe`));
  const command = readOr(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  const status = readOr(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (command === undefined || status === undefined) return undefined;
  const argv = command.split('\0');
  if (argv.at(-1) === '') argv.pop();
  const path = exe?.endsWith(DELETED) ? exe.slice(0, -DELETED.length) : (exe ?? '');
  return {
    pid,
    start: stat.start,
    parentPid: parent ? stat.parentPid : 0,
    parentStart: parent?.start ?? 0n,
    name: stat.name,
    exepath: path,
    argv,
    memfd: path.startsWith('/memfd:'),
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
