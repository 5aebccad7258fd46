import type { EventRecord } from '../../rules/index.ts';
import type { ProcessFacts } from '../kernel.ts';
import { imageOf, type KnownProcess, nothingBut, processIn, processOf } from './process.ts';

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
  ancestors(process: { readonly parentPid: number; readonly parentStart: bigint }): readonly KnownProcess[];
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

/** What the table knows of a process. */
interface Entry {
  process: KnownProcess;
  /** When what is known of it was so, where a record or a snapshot says. */
  since: bigint;
  /** What a snapshot says that is ahead of the records. */
  ahead: ProcessFacts | undefined;
  /** One before it with the same id. */
  older: Entry | undefined;
}

/** A process whose start is known in ticks of /proc. */
interface Coarse {
  readonly facts: ProcessFacts;
  /** Its exact start, once a record gave it. */
  start: bigint | undefined;
}

/** Nanoseconds of a tick in which /proc counts starts (USER_HZ is 100). */
const TICK = 10_000_000n;

const isSameImage = (process: KnownProcess, facts: ProcessFacts): boolean =>
  process.exepath === facts.exepath && process.argv?.join('\0') === facts.argv?.join('\0');

export const createProcessTable = ({ onExact }: ProcessTableOptions = {}): ProcessTable => {
  /** The latest of each id. */
  const latest = new Map<number, Entry>();
  const coarse = new Map<number, Coarse>();
  /** Those that ended last; `oldest` is where the first of them is once there are as many as can be. */
  const ended: Entry[] = [];
  let oldest = 0;
  let alive = 0;
  let time = 0n;

  const advance = (to: bigint): void => {
    if (to > time) time = to;
  };
  const find = (pid: number, start: bigint): Entry | undefined => {
    let entry = latest.get(pid);
    while (entry !== undefined && entry.process.start !== start) entry = entry.older;
    return entry;
  };
  const put = (process: KnownProcess, at: bigint): void => {
    const entry = find(process.pid, process.start);
    if (entry === undefined) {
      alive++;
      latest.set(process.pid, { process, since: at, ahead: undefined, older: latest.get(process.pid) });
    } else if (!entry.process.alive) return;
    else {
      entry.process = process;
      entry.since = at;
    }
  };
  const forget = (entry: Entry): void => {
    const { pid } = entry.process;
    const first = latest.get(pid);
    if (first === entry) {
      if (entry.older === undefined) latest.delete(pid);
      else latest.set(pid, entry.older);
      return;
    }
    for (let each = first; each !== undefined; each = each.older) if (each.older === entry) each.older = entry.older;
  };
  const end = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    entry.ahead = undefined;
    const { process } = entry;
    if (!process.alive) return;
    alive--;
    entry.process = processOf(process, process, false);
    if (ended.length < MAX_ENDED) {
      ended.push(entry);
      return;
    }
    const gone = ended[oldest];
    ended[oldest] = entry;
    oldest = (oldest + 1) % MAX_ENDED;
    if (gone !== undefined) forget(gone);
  };
  /** Lets a snapshot's facts count where the records have come as far. */
  const settle = (entry: Entry): void => {
    const facts = entry.ahead;
    if (facts?.asOf === undefined || facts.asOf > time) return;
    entry.ahead = undefined;
    const { process } = entry;
    if (isSameImage(process, facts) && process.name === facts.name) return;
    if (facts.asOf >= entry.since) put(processIn(facts), facts.asOf);
  };
  const addCoarse = (facts: ProcessFacts): void => {
    const known = coarse.get(facts.pid);
    if (known?.facts.start === facts.start) return;
    if (known === undefined || known.start !== undefined) alive++;
    coarse.set(facts.pid, { facts, start: undefined });
  };
  /** A process that is only coarsely known by its start; an exact start makes it one like others. */
  const lookCoarse = (pid: number, start: bigint): KnownProcess | undefined => {
    const known = coarse.get(pid);
    if (known === undefined || known.facts.start / TICK !== start / TICK) return undefined;
    if (known.start !== undefined) return find(pid, known.start)?.process;
    const process = processIn(known.facts);
    if (start % TICK === 0n) return process;
    known.start = start;
    alive--;
    const exact = processOf({ ...process, start }, process);
    put(exact, known.facts.asOf ?? 0n);
    onExact?.(exact);
    return find(pid, start)?.process;
  };
  const get = (pid: number, start: bigint): KnownProcess | undefined => {
    const entry = find(pid, start);
    if (entry === undefined) return coarse.size > 0 ? lookCoarse(pid, start) : undefined;
    if (entry.ahead !== undefined) settle(entry);
    return entry.process;
  };
  const add = (facts: ProcessFacts): void => {
    if (facts.coarse === true) {
      addCoarse(facts);
      return;
    }
    const known = find(facts.pid, facts.start);
    if (known === undefined) put(processIn(facts), facts.asOf ?? 0n);
    else if (!known.process.alive) return;
    if (facts.asOf === undefined) put(processIn(facts), time);
    const entry = find(facts.pid, facts.start);
    if (entry === undefined) return;
    if (facts.asOf !== undefined && (facts.asOf > time || known !== undefined)) entry.ahead = facts;
    settle(entry);
  };
  const entries = function* (): Iterable<Entry> {
    for (const first of latest.values())
      for (let entry: Entry | undefined = first; entry !== undefined; entry = entry.older) yield entry;
  };
  const ancestor = (process: { readonly parentPid: number; readonly parentStart: bigint }): KnownProcess | undefined =>
    process.parentPid === 0 ? undefined : get(process.parentPid, process.parentStart);
  return {
    add,
    resync: (facts, asOf) => {
      const there = new Set(facts.map(({ pid, start }) => `${pid} ${start}`));
      const pids = new Set(facts.map(({ pid }) => pid));
      const exact = facts.every((each) => each.coarse !== true);
      const isThere = ({ pid, start }: KnownProcess): boolean => (exact ? there.has(`${pid} ${start}`) : pids.has(pid));
      for (const entry of [...entries()])
        if (entry.process.alive && entry.since < asOf && !isThere(entry.process)) end(entry);
      for (const each of facts) add(each);
    },
    advance,
    apply: (record) => {
      advance(record.time);
      const { kind, pid, start } = record;
      if (kind === 'exec') {
        get(pid, start);
        put(processOf(record, imageOf(record)), record.time);
      } else if (kind === 'fork') {
        const [makerPid = 0n, makerStart = 0n] = record.arguments;
        const maker = get(Number(makerPid), makerStart);
        put(processOf(record, maker ?? nothingBut(record.comm)), record.time);
      } else if (kind === 'exit') {
        get(pid, start);
        end(find(pid, start));
        if (coarse.get(pid)?.start === start) coarse.delete(pid);
      }
    },
    get,
    living: (pid) => {
      let entry = latest.get(pid);
      while (entry !== undefined && !entry.process.alive) entry = entry.older;
      return entry && get(pid, entry.process.start);
    },
    ancestors: (process) => {
      const found: KnownProcess[] = [];
      for (let next = ancestor(process); next !== undefined; next = ancestor(next)) {
        found.push(next);
        if (found.length === MAX_LISTED_ANCESTORS) break;
      }
      return found;
    },
    get size() {
      return alive;
    },
  };
};

/** A record's process and ancestors as they are now, for when the record is looked at later. */
export const snapshotOf = (table: Processes, record: EventRecord): Processes => {
  const process = table.get(record.pid, record.start);
  const ancestors = table.ancestors(record);
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
