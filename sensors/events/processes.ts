import type { EventRecord, ExeFacts } from '../../rules/index.ts';
import type { ProcessFacts } from '../kernel.ts';

/** A process as the agent knows it; facts are as of its last exec, or its parent's until then. */
export interface KnownProcess {
  readonly pid: number;
  readonly start: bigint;
  readonly parentPid: number;
  readonly parentStart: bigint;
  readonly name: string;
  /** Undefined where it couldn't be read. */
  readonly exepath: string | undefined;
  readonly argv: readonly string[] | undefined;
  readonly cwd: string | undefined;
  readonly memfd: boolean | undefined;
  /** `NAME=value` each; undefined where it couldn't be read, or no rule asks for it. */
  readonly env: readonly string[] | undefined;
  /** The layer of an overlay that the executable lies in. */
  readonly layer: ExeFacts['layer'];
  readonly exeIno: bigint | undefined;
  /** Nanoseconds since 1970. */
  readonly exeCtime: bigint | undefined;
  readonly exeMtime: bigint | undefined;
  readonly uid: number;
  readonly alive: boolean;
}

/** Ended processes that are remembered, for events still on their way and as ancestors in alerts. */
const MAX_ENDED = 4096;
/** Ancestors that alerts name at most. */
export const MAX_LISTED_ANCESTORS = 16;

/** Processes that can be looked up. */
export interface Processes {
  get(pid: number, start: bigint): KnownProcess | undefined;
  /** The living process with an id. */
  living(pid: number): KnownProcess | undefined;
  /** Parent first; ends at the first process, or where a parent isn't known. */
  ancestors(process: { readonly parentPid: number; readonly parentStart: bigint }): Iterable<KnownProcess>;
}

/** The processes of the observed host, kept by the records of exec, fork and exit, and by snapshots. */
export interface ProcessTable extends Processes {
  /**
   * What a process is, as read at `asOf`: known at once where nothing was known of it, else from the records' time `asOf` on. It does not
   * bring back a process whose exit was seen, nor take the place of what a later exec said.
   */
  add(facts: ProcessFacts): void;
  /** Adds all processes there are, read no earlier than `asOf`; those known from before it that are not among them have ended. */
  resync(facts: readonly ProcessFacts[], asOf: bigint): void;
  apply(record: EventRecord): void;
  /** Says that records have come as far as `to`, though there may be none: what snapshots say counts up to then. */
  advance(to: bigint): void;
  /** Processes that are alive. */
  readonly size: number;
}

export interface ProcessTableOptions {
  /** The exact start of a process is known that was only coarsely known before (`ProcessFacts.coarse`). */
  readonly onExact?: (process: KnownProcess) => void;
}

/** A process whose start is known in ticks of /proc. */
interface Coarse {
  readonly facts: ProcessFacts;
  /** Its key, once a record gave its exact start. */
  key: string | undefined;
}

/** Nanoseconds of a tick in which /proc counts starts (USER_HZ is 100). */
const TICK = 10_000_000n;

/** The key made last: one record asks for it several times. */
let lastKey = { pid: 0, start: 0n, key: '0 0' };

const keyOf = (pid: number, start: bigint): string => {
  if (lastKey.pid !== pid || lastKey.start !== start) lastKey = { pid, start, key: `${pid} ${start}` };
  return lastKey.key;
};

const splitArguments = (text: string): readonly string[] => {
  const parts = text.split('\0');
  if (parts.at(-1) === '') parts.pop();
  return parts;
};

const environmentOf = (record: EventRecord): readonly string[] | undefined => {
  const env = record.string('env');
  return env?.state === 'present' ? splitArguments(env.text) : undefined;
};

const processOf = (facts: ProcessFacts): KnownProcess => ({
  pid: facts.pid,
  start: facts.start,
  parentPid: facts.parentPid,
  parentStart: facts.parentStart,
  name: facts.name,
  exepath: facts.exepath,
  argv: facts.argv,
  cwd: undefined,
  memfd: facts.memfd,
  env: facts.env,
  layer: facts.layer,
  exeIno: facts.exeIno,
  exeCtime: facts.exeCtime,
  exeMtime: facts.exeMtime,
  uid: facts.uid,
  alive: true,
});

const isSameImage = (process: KnownProcess, facts: ProcessFacts): boolean =>
  process.exepath === facts.exepath && process.argv?.join('\0') === facts.argv?.join('\0');

export const createProcessTable = ({ onExact }: ProcessTableOptions = {}): ProcessTable => {
  const processes = new Map<string, KnownProcess>();
  /** When the living process with an id started. */
  const starts = new Map<number, bigint>();
  /** When what is known of a process was so, where a record or a snapshot says. */
  const since = new Map<string, bigint>();
  /** What snapshots say that are ahead of the records. */
  const ahead = new Map<string, ProcessFacts>();
  const coarse = new Map<number, Coarse>();
  const ended: string[] = [];
  let alive = 0;
  let time = 0n;

  const advance = (to: bigint): void => {
    if (to > time) time = to;
  };
  const put = (process: KnownProcess, at: bigint): void => {
    const key = keyOf(process.pid, process.start);
    const before = processes.get(key);
    if (before === undefined) alive++;
    else if (!before.alive) return;
    processes.set(key, process);
    since.set(key, at);
    starts.set(process.pid, process.start);
  };
  const end = (key: string): void => {
    ahead.delete(key);
    const process = processes.get(key);
    if (process?.alive !== true) return;
    alive--;
    processes.set(key, { ...process, alive: false });
    if (starts.get(process.pid) === process.start) starts.delete(process.pid);
    ended.push(key);
    if (ended.length <= MAX_ENDED) return;
    const oldest = ended.shift() ?? '';
    processes.delete(oldest);
    since.delete(oldest);
  };
  /** Lets a snapshot's facts count where the records have come as far. */
  const settle = (key: string): void => {
    const facts = ahead.get(key);
    if (facts?.asOf === undefined || facts.asOf > time) return;
    ahead.delete(key);
    const process = processes.get(key);
    if (process === undefined || (isSameImage(process, facts) && process.name === facts.name)) return;
    if (facts.asOf >= (since.get(key) ?? 0n)) put(processOf(facts), facts.asOf);
  };
  const addCoarse = (facts: ProcessFacts): void => {
    const known = coarse.get(facts.pid);
    if (known?.facts.start === facts.start) return;
    if (known === undefined || known.key !== undefined) alive++;
    coarse.set(facts.pid, { facts, key: undefined });
  };
  /** A process that is only coarsely known by its start; an exact start makes it one like others. */
  const lookCoarse = (pid: number, start: bigint): KnownProcess | undefined => {
    const known = coarse.get(pid);
    if (known === undefined || known.facts.start / TICK !== start / TICK) return undefined;
    if (known.key !== undefined) return processes.get(known.key);
    const process = processOf(known.facts);
    if (start % TICK === 0n) return process;
    known.key = keyOf(pid, start);
    alive--;
    const exact = { ...process, start };
    put(exact, known.facts.asOf ?? 0n);
    onExact?.(exact);
    return processes.get(known.key);
  };
  const get = (pid: number, start: bigint): KnownProcess | undefined => {
    const key = keyOf(pid, start);
    settle(key);
    return processes.get(key) ?? (coarse.size > 0 ? lookCoarse(pid, start) : undefined);
  };
  const add = (facts: ProcessFacts): void => {
    if (facts.coarse === true) {
      addCoarse(facts);
      return;
    }
    const key = keyOf(facts.pid, facts.start);
    const known = processes.get(key);
    if (known === undefined) put(processOf(facts), facts.asOf ?? 0n);
    else if (!known.alive) return;
    if (facts.asOf === undefined) put(processOf(facts), time);
    else if (facts.asOf > time || known !== undefined) ahead.set(key, facts);
    settle(key);
  };
  return {
    add,
    resync: (facts, asOf) => {
      const there = new Set(facts.map(({ pid, start }) => keyOf(pid, start)));
      const pids = new Set(facts.map(({ pid }) => pid));
      const exact = facts.every((each) => each.coarse !== true);
      for (const [key, process] of processes)
        if (process.alive && (since.get(key) ?? 0n) < asOf && !(exact ? there.has(key) : pids.has(process.pid)))
          end(key);
      for (const each of facts) add(each);
    },
    advance,
    apply: (record) => {
      advance(record.time);
      if (record.kind === 'exec') {
        const image = record.string('file');
        const argv = record.string('argv');
        const base = record.string('base');
        get(record.pid, record.start);
        put(
          {
            pid: record.pid,
            start: record.start,
            parentPid: record.parentPid,
            parentStart: record.parentStart,
            name: record.comm,
            exepath: image?.state === 'present' ? image.text : undefined,
            argv: argv?.state === 'present' ? splitArguments(argv.text) : argv?.state === 'absent' ? [] : undefined,
            cwd: base?.state === 'present' ? base.text : undefined,
            memfd: record.typechar === '' ? undefined : record.typechar === 'm',
            env: environmentOf(record),
            layer: record.exe.layer,
            exeIno: record.ino === 0n ? undefined : record.ino,
            exeCtime: record.exe.ctime,
            exeMtime: record.exe.mtime,
            uid: record.uid,
            alive: true,
          },
          record.time,
        );
      } else if (record.kind === 'fork') {
        const [pid = 0n, start = 0n] = record.arguments;
        const maker = get(Number(pid), start);
        put(
          {
            pid: record.pid,
            start: record.start,
            parentPid: record.parentPid,
            parentStart: record.parentStart,
            name: maker?.name ?? record.comm,
            exepath: maker?.exepath,
            argv: maker?.argv,
            cwd: maker?.cwd,
            memfd: maker?.memfd,
            env: maker?.env,
            layer: maker?.layer,
            exeIno: maker?.exeIno,
            exeCtime: maker?.exeCtime,
            exeMtime: maker?.exeMtime,
            uid: record.uid,
            alive: true,
          },
          record.time,
        );
      } else if (record.kind === 'exit') {
        get(record.pid, record.start);
        end(keyOf(record.pid, record.start));
        if (coarse.get(record.pid)?.key === keyOf(record.pid, record.start)) coarse.delete(record.pid);
      }
    },
    get,
    living: (pid) => {
      const start = starts.get(pid);
      const process = start === undefined ? undefined : get(pid, start);
      return process?.alive === true ? process : undefined;
    },
    ancestors: function* (process) {
      let { parentPid, parentStart } = process;
      for (let depth = 0; depth < MAX_LISTED_ANCESTORS && parentPid !== 0; depth++) {
        const parent = get(parentPid, parentStart);
        if (parent === undefined) return;
        yield parent;
        ({ parentPid, parentStart } = parent);
      }
    },
    get size() {
      return alive;
    },
  };
};

/** A record's process and ancestors as they are now, for when the record is looked at later. */
export const snapshotOf = (table: Processes, record: EventRecord): Processes => {
  const process = table.get(record.pid, record.start);
  const ancestors = [...table.ancestors(record)];
  const leaders = new Map(
    (['sid', 'pgid'] as const).flatMap((name) => {
      const pid = record.detail(name);
      const leader = pid === undefined ? undefined : table.living(Number(pid));
      return leader === undefined ? [] : [[leader.pid, leader] as const];
    }),
  );
  return {
    get: (pid, start) => (pid === record.pid && start === record.start ? process : undefined),
    living: (pid) => leaders.get(pid),
    ancestors: () => ancestors,
  };
};

/** proc.args: the arguments after the first, joined by blanks. */
export const argumentsText = (argv: readonly string[]): string => argv.slice(1).join(' ');

/** proc.cmdline: the name and the arguments. */
export const commandLine = (process: Pick<KnownProcess, 'name' | 'argv'>): string | undefined => {
  if (process.argv === undefined) return undefined;
  const rest = argumentsText(process.argv);
  return rest === '' && process.argv.length < 2 ? process.name : `${process.name} ${rest}`;
};
