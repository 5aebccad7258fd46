import { CONFIG, factColumn, type Guard, type ProcessLayout, processKey, SPARED, SWITCH } from './codegen/index.ts';
import type { Compiled } from './compile.ts';
import {
  type Condition,
  evaluate,
  type FieldRef,
  type FieldSource,
  type FieldValue,
  type Predicate,
  Truth,
  truthOn,
} from './language/index.ts';
import {
  ASKED_BY_FANOTIFY,
  beyondFanotify,
  type FanotifyQuestion,
  type Placed,
  predicateText,
  processTestKey,
  scopedCondition,
} from './plan/index.ts';

/** Where a predicate's truth comes from when fanotify asks. */
type Source =
  | { readonly from: 'plan'; readonly truth: Truth }
  /** A row of the process's exec facts: its number is at `at` of the value in the map `processes`. */
  | { readonly from: 'process'; readonly at: number; readonly truths: Uint8Array }
  /** A column of a row that the agent keeps in a map. */
  | {
      readonly from: 'facts';
      readonly map: string;
      readonly key: 'cgroup' | 'uid' | 'gid' | 'loginuid';
      readonly column: number;
    }
  | { readonly from: 'scope'; readonly cgroup: string }
  | { readonly from: 'event' };

/** A rule that denies opens or execs, as the process that answers for the kernel has it. */
export interface FanotifyRule {
  /** Index into the plan's rules. */
  readonly rule: number;
  readonly on: FanotifyQuestion;
  /** The policy's mode is enforce. */
  readonly enforces: boolean;
  readonly condition: Condition;
  readonly sources: ReadonlyMap<Predicate, Source>;
  /** Numbers of predicates at the hook that fanotify stands for. */
  readonly numbers: ReadonlyMap<Predicate, number>;
}

/** All that is needed to answer; it can be serialized. */
export interface FanotifyTask {
  readonly rules: readonly FanotifyRule[];
  /** Bits of `CONFIG.unproven` and `CONFIG.tried`. */
  readonly bits: Readonly<Record<FanotifyQuestion, number>>;
  readonly processes: Pick<ProcessLayout, 'isProtected' | 'size'>;
  /** Names of the object's maps that are read. */
  readonly maps: readonly string[];
}

/** A rule that fanotify can't decide, and why. */
export interface LeftOut {
  readonly rule: number;
  readonly why: string;
}

/** Who opens or executes what. */
export interface Asked {
  readonly on: FanotifyQuestion;
  readonly path: string;
  readonly ino: bigint;
  /** major << 20 | minor */
  readonly dev: bigint;
  /** As fd.typechar; empty where it is not known. */
  readonly typechar: string;
  /** In the first pid namespace. */
  readonly pid: number;
  readonly tid: number;
  readonly start: bigint;
  readonly comm: string;
  readonly parentPid: number;
  readonly parentStart: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly loginuid: number;
  readonly cgroup: bigint;
  /** Undefined where it is not known. */
  readonly cgroupPath: string | undefined;
  readonly isKernelThread: boolean;
  /** The program that it runs; undefined where it runs none. */
  readonly exe: { readonly ino: bigint; readonly dev: bigint } | undefined;
  /** Nanoseconds since boot. */
  readonly time: bigint;
}

/** What rules say of an open or exec. */
export interface Answer {
  /** Rules that may match, as indices into the plan's rules. */
  readonly matched: readonly number[];
  readonly certain: readonly number[];
  /** Truths by the hook's predicate numbers. */
  readonly truths: readonly (readonly [number: number, truth: Truth])[];
  readonly guard: Guard;
  readonly denied: boolean;
}

/** Reads an object's map; undefined where it has no such key. */
export type Lookup = (map: string, key: Uint8Array) => Uint8Array | undefined;

const HOOKS = Object.entries(ASKED_BY_FANOTIFY) as [keyof typeof ASKED_BY_FANOTIFY, FanotifyQuestion][];
const FACT_KEYS = { container: 'cgroup', user: 'uid', group: 'gid', login: 'loginuid' } as const;

const sourceOf = (placed: Placed, { processes, facts }: Compiled): Source => {
  if (placed.kind === 'constant') return { from: 'plan', truth: placed.truth };
  if (placed.kind === 'user') return { from: 'plan', truth: Truth.UNKNOWN };
  const { kernel } = placed;
  if (kernel.place === 'scope') return { from: 'scope', cgroup: kernel.cgroup };
  if (kernel.place === 'facts') {
    const rows = facts.find(({ source }) => source === kernel.of);
    const column = factColumn(facts, kernel);
    return rows === undefined || column < 0
      ? { from: 'plan', truth: Truth.UNKNOWN }
      : { from: 'facts', map: rows.map, key: FACT_KEYS[kernel.of], column };
  }
  if (kernel.place !== 'process') return { from: 'event' };
  const key = processTestKey(kernel.fact, kernel.test);
  const group = processes.groups.find(({ ofAny, columns }) => !ofAny && columns.has(key));
  const column = group?.columns.get(key);
  if (group === undefined || column === undefined) return { from: 'plan', truth: Truth.UNKNOWN };
  const { bytes, width } = group.placed.rows;
  return {
    from: 'process',
    at: group.at,
    truths: Uint8Array.from({ length: bytes.length / width }, (_, row) => bytes[row * width + column] ?? Truth.UNKNOWN),
  };
};

/**
 * The rules of a plan that fanotify decides in the place of lsm/file_open and lsm/bprm_check_security: those that deny there and whose condition needs
 * nothing else than what fanotify tells; and the others, with the reason.
 */
export const fanotifyTask = (
  compiled: Compiled,
): { readonly task: FanotifyTask; readonly left: readonly LeftOut[] } => {
  const { plan, layouts, processes, facts } = compiled;
  const rules: FanotifyRule[] = [];
  const left: LeftOut[] = [];
  for (const [hook, on] of HOOKS)
    for (const [index, rule] of plan.rules.entries()) {
      const placements = plan.placements.filter((each) => each.rule === index && each.hook === hook);
      if (rule.action !== 'deny' || placements.length === 0) continue;
      const beyond = placements.flatMap(({ placed, predicate }) => {
        const why = beyondFanotify(placed);
        return why === undefined ? [] : [`"${predicateText(predicate)}": ${why}`];
      });
      if (beyond[0] !== undefined) {
        left.push({ rule: index, why: beyond[0] });
        continue;
      }
      rules.push({
        rule: index,
        on,
        enforces: rule.mode === 'enforce',
        condition: scopedCondition(rule),
        sources: new Map(placements.map(({ predicate, placed }) => [predicate, sourceOf(placed, compiled)])),
        numbers: new Map(
          placements.flatMap(({ predicate, number }) => (number === undefined ? [] : [[predicate, number] as const])),
        ),
      });
    }
  const bitOf = (wanted: FanotifyQuestion): number => {
    const hook = HOOKS.find(([, on]) => on === wanted)?.[0];
    const layout = layouts.find((each) => each.hook === hook);
    return layout === undefined ? 0 : (1 << layout.index) >>> 0;
  };
  const { isProtected, size } = processes;
  return {
    task: {
      rules,
      bits: { open: bitOf('open'), exec: bitOf('exec') },
      processes: { isProtected, size },
      maps: ['config', 'processes', 'protected', 'spared', ...facts.map(({ map }) => map)],
    },
    left,
  };
};

const UNKNOWN: FieldValue = { state: 'unknown' };
const present = (value: string | bigint | boolean): FieldValue => ({ state: 'present', value, trust: 'resolved' });

const fieldsOf = (asked: Asked): FieldSource => {
  const { on, path, typechar, dev } = asked;
  const slash = path.lastIndexOf('/');
  const values: Readonly<Record<string, FieldValue>> = {
    'proc.pid': present(BigInt(asked.pid)),
    'thread.tid': present(BigInt(asked.tid)),
    'user.uid': present(BigInt(asked.uid)),
    'group.gid': present(BigInt(asked.gid)),
    'user.loginuid': present(BigInt(asked.loginuid)),
    ...(on === 'exec'
      ? {
          'proc.exepath': present(path),
          'proc.is_exe_from_memfd': typechar === '' ? UNKNOWN : present(typechar === 'm'),
        }
      : {
          'fd.name': present(path),
          'fd.directory': present(path.slice(0, Math.max(1, slash))),
          'fd.filename': present(path.slice(slash + 1)),
          'fd.typechar': typechar === '' ? UNKNOWN : present(typechar),
          'fd.ino': present(asked.ino),
          'fd.dev': present(dev),
          'fd.dev.major': present(dev >> 20n),
          'fd.dev.minor': present(dev & 0xf_ffffn),
        }),
  };
  return ({ name }: FieldRef): FieldValue => values[name] ?? UNKNOWN;
};

const isBelow = (path: string, top: string): boolean => top === '/' || `${path}/`.startsWith(`${top}/`);

const TRUTHS: ReadonlySet<number> = new Set(Object.values(Truth));
const truthFrom = (byte: number | undefined): Truth =>
  byte !== undefined && TRUTHS.has(byte) ? (byte as Truth) : Truth.UNKNOWN;

const idKey = (value: bigint | number): Uint8Array =>
  typeof value === 'bigint'
    ? new Uint8Array(BigUint64Array.of(value).buffer)
    : new Uint8Array(Uint32Array.of(value).buffer);

const fileKey = (ino: bigint, dev: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(ino, dev).buffer);

const FIRST = new Uint8Array(4);

/** What stands before every denial, in the programs' order (`emitGuards`); `done` where nothing does. */
const guardOf = (task: FanotifyTask, asked: Asked, config: DataView, lookup: Lookup): Guard => {
  const { on, pid, start, exe, time } = asked;
  const enforce = config.getUint32(CONFIG.enforce, true);
  if (enforce === SWITCH.monitor || (config.getUint32(CONFIG.unproven, true) & task.bits[on]) !== 0) return 'monitor';
  if (enforce === SWITCH.off) return 'switched off';
  const expires = config.getBigUint64(CONFIG.expires, true);
  if (expires !== 0n && time >= expires) return 'expired';
  const spared = lookup('spared', processKey(pid, start))?.[0] ?? 0;
  if (pid === config.getUint32(CONFIG.agent, true) || (spared & SPARED.agent) !== 0) return 'agent';
  if (pid === 1) return 'init';
  if (asked.isKernelThread) return 'kernel thread';
  const isProtected = (file: { readonly ino: bigint; readonly dev: bigint }): boolean =>
    lookup('protected', fileKey(file.ino, file.dev)) !== undefined;
  if (on === 'exec' && isProtected(asked)) return 'protected executable';
  if (exe === undefined) return 'executable unknown';
  if (isProtected(exe) && lookup('processes', processKey(pid, start))?.[task.processes.isProtected] !== 0)
    return 'protected executable';
  return 'done';
};

/**
 * What rules say of a process of the scope that opens or executes a file: `sentinel` for the agent's own, whose calls are denied to see that they are;
 * undefined where no rule may match. What is not known denies nothing.
 */
export const answerTo = (task: FanotifyTask, asked: Asked, lookup: Lookup): Answer | 'sentinel' | undefined => {
  const value = lookup('config', FIRST);
  if (value === undefined) return undefined;
  const config = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const { on, cgroup } = asked;
  const isTried = (config.getUint32(CONFIG.tried, true) & task.bits[on]) !== 0;
  if (isTried && cgroup !== 0n && config.getBigUint64(CONFIG.sentinel, true) === cgroup) return 'sentinel';
  const fields = fieldsOf(asked);
  let process: Uint8Array | undefined | null = null;
  const truths = new Map<number, Truth>();
  const decide = (source: Source | undefined, predicate: Predicate): Truth => {
    switch (source?.from) {
      case 'plan':
        return source.truth;
      case 'process': {
        if (process === null) process = lookup('processes', processKey(asked.pid, asked.start));
        if (process === undefined) return Truth.UNKNOWN;
        return truthFrom(source.truths[(process[source.at] ?? 0) | ((process[source.at + 1] ?? 0) << 8)]);
      }
      case 'facts':
        return truthFrom(lookup(source.map, idKey(asked[source.key]))?.[source.column]);
      case 'scope':
        if (asked.cgroupPath === undefined) return Truth.UNKNOWN;
        return isBelow(asked.cgroupPath, source.cgroup) ? Truth.TRUE : Truth.FALSE;
      case 'event':
        return truthOn(predicate, fields);
      default:
        return Truth.UNKNOWN;
    }
  };
  const matched: number[] = [];
  const certain: number[] = [];
  let wantsDenial = false;
  for (const { rule, on: asks, enforces, condition, sources, numbers } of task.rules) {
    if (asks !== on) continue;
    const known = new Map<Predicate, Truth>();
    const truthOf = (predicate: Predicate): Truth => {
      const before = known.get(predicate);
      if (before !== undefined) return before;
      const truth = decide(sources.get(predicate), predicate);
      known.set(predicate, truth);
      const number = numbers.get(predicate);
      if (number !== undefined) truths.set(number, truth);
      return truth;
    };
    if (!evaluate(condition, truthOf, 'possible')) continue;
    matched.push(rule);
    if (!evaluate(condition, truthOf, 'certain')) continue;
    certain.push(rule);
    wantsDenial ||= enforces;
  }
  if (matched.length === 0) return undefined;
  const guard = wantsDenial ? guardOf(task, asked, config, lookup) : 'done';
  return { matched, certain, truths: [...truths], guard, denied: wantsDenial && guard === 'done' };
};
