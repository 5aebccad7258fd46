/** A process by its id and its start in nanoseconds since boot. */
export interface ProcessId {
  readonly pid: number;
  readonly start: bigint;
}

/** A process with its parent, as records have it. */
export interface Child extends ProcessId {
  readonly parentPid: number;
  readonly parentStart: bigint;
}

/** A process as it is known elsewhere. */
export interface Known extends Child {
  readonly alive: boolean;
}

/** A process in the tree of who made whom. */
export interface Kin {
  /** Unlike all others' since the agent started. */
  readonly number: number;
  maker: Kin | undefined;
  /** Ended so long ago that no event of it is to come. */
  gone: boolean;
  /** Partial sequences that began here. */
  held: number;
}

/** Who made whom, for good: it stays as it was when an ancestor ends and its children get another parent. */
export interface Lineage {
  /** A process as it is known; what is not known of it is taken from its present parents. */
  of(process: Child): Kin;
  forked(child: Child, maker: ProcessId): void;
  /** Call it once the rules have seen the exit. */
  exited(process: ProcessId): void;
  readonly size: number;
}

/** Ended processes that events may still come of. */
const ENDED = 1024;
/** Generations that are looked through. */
const GENERATIONS = 4096;
/** Processes at which those are looked for whose ends were not seen. */
const SWEEP = 65_536;

const keyOf = ({ pid, start }: ProcessId): string => `${pid} ${start}`;

/** The nearest maker that still matters: those that ended and in which no sequence began can't begin one any more. */
const matters = (kin: Kin | undefined): Kin | undefined => {
  let found = kin;
  while (found?.gone && found.held === 0) found = found.maker;
  return found;
};

/** A process and those it descends from, nearest first. */
export const selfAndMakers = function* (kin: Kin): Generator<Kin> {
  let next: Kin | undefined = kin;
  for (let count = 0; next !== undefined && count < GENERATIONS; count++) {
    yield next;
    next.maker = matters(next.maker);
    next = next.maker;
  }
};

/** @param parentOf what is known of a process whose fork was not seen; undefined: nothing */
export const createLineage = (parentOf: (process: ProcessId) => Known | undefined): Lineage => {
  const known = new Map<string, Kin>();
  const ended: string[] = [];
  let number = 0;
  let sweepAt = SWEEP;
  const make = (process: ProcessId, maker: Kin | undefined): Kin => {
    const kin: Kin = { number: number++, maker: matters(maker), gone: false, held: 0 };
    if (known.size >= sweepAt) sweep();
    known.set(keyOf(process), kin);
    return kin;
  };
  const sweep = (): void => {
    for (const [key, kin] of known) {
      const [pid = '', start = ''] = key.split(' ');
      if (parentOf({ pid: Number(pid), start: BigInt(start) })?.alive === true) continue;
      kin.gone = true;
      known.delete(key);
    }
    sweepAt = Math.max(SWEEP, 2 * known.size);
  };
  const of = (process: Child): Kin => {
    const found = known.get(keyOf(process));
    if (found !== undefined) return found;
    const unknown: Child[] = [process];
    let maker: Kin | undefined;
    for (let child = process; child.parentPid !== 0 && unknown.length < GENERATIONS; ) {
      const id = { pid: child.parentPid, start: child.parentStart };
      maker = known.get(keyOf(id));
      if (maker !== undefined) break;
      child = parentOf(id) ?? { ...id, parentPid: 0, parentStart: 0n };
      unknown.push(child);
    }
    let kin = maker;
    for (const child of unknown.reverse()) kin = make(child, kin);
    return kin ?? make(process, undefined);
  };
  return {
    of,
    forked: (child, maker) => {
      const parent = parentOf(maker) ?? { ...maker, parentPid: 0, parentStart: 0n };
      if (!known.has(keyOf(child))) make(child, of(parent));
    },
    exited: (process) => {
      const key = keyOf(process);
      if (!known.has(key)) return;
      ended.push(key);
      if (ended.length <= ENDED) return;
      const oldest = ended.shift() ?? '';
      const kin = known.get(oldest);
      if (kin !== undefined) {
        kin.gone = true;
        kin.maker = matters(kin.maker);
      }
      known.delete(oldest);
    },
    get size() {
      return known.size;
    },
  };
};
