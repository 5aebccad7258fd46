import { AssembleError, assemble } from '../../engine/isa/index.ts';
import type { BpfObject, FeatureLevel, HookName, MapSpec, ProgramSpec } from '../../engine/object/index.ts';
import { Truth, X32_CALL_COUNT } from '../language/index.ts';
import {
  type BooleanFact,
  type HookPlan,
  type Plan,
  type ProcessFact,
  taskDetailsOf,
  usedFields,
} from '../plan/index.ts';
import { runAutomaton } from './automaton.ts';
import { emitBeforeEffect } from './before-effect.ts';
import { CONFIG } from './config.ts';
import { EXTRA, type HookContext, PROCESS_FACTS, type ProcessGroup, type ProcessLayout } from './context.ts';
import { createEmitter, type Loops } from './emitter.ts';
import { emitExec } from './exec.ts';
import { type FactRows, factMaps, layOutFacts } from './facts.ts';
import { emitIoUring } from './io-uring.ts';
import { type RecordLayout, type RecordString, recordLayout } from './layout.ts';
import { emitExit, emitFork } from './lifecycle.ts';
import { BUCKET, limitsMap, MAX_BUCKETS } from './limits.ts';
import { NAMED_MAP, namedCalls } from './named-calls.ts';
import { LOST, RINGS, type Ring } from './rings.ts';
import { createTables, groupStrings, type Tables } from './string-groups.ts';
import { AUTOMATA_MAP, CELL_BYTES } from './strings.ts';
import { CALL_NUMBERS, CALL_PLACES, CALLS_MAP, callTable, emitSysExit, namedNumbers } from './sys-exit.ts';
import { thresholdMaps } from './threshold.ts';

/** Programs that every object has: without them there are no facts of processes. */
const LIFECYCLE: readonly HookName[] = [
  'tp_btf/sched_process_exec',
  'tp_btf/sched_process_fork',
  'tp_btf/sched_process_exit',
];
/** Lifecycle first, so that facts exist before a rule asks for them. */
const ORDER: readonly HookName[] = [
  ...LIFECYCLE,
  'lsm/file_open',
  'lsm/bprm_check_security',
  'lsm/socket_connect',
  'tp_btf/sys_exit',
  'tp_btf/io_uring_submit_req',
];

/** Processes that facts are kept for at most. */
const MAX_PROCESSES = 32_768;
const MAX_PROTECTED = 1024;
/** may_goto is from Linux 6.9 on. */
const LOOPS: Readonly<Record<FeatureLevel, Loops>> = { '6.1': 'bounded', '6.9': 'may_goto', '6.12': 'may_goto' };
/** Bytes of the ring buffers, where the loader doesn't know better. */
const RING_BYTES: Readonly<Record<Ring, number>> = { critical: 1024 * 1024, events: 4 * 1024 * 1024 };

/** An object with what user space needs to feed it and to read its records. */
export interface Generated {
  readonly object: BpfObject;
  readonly layouts: readonly RecordLayout[];
  readonly processes: ProcessLayout;
  /** Rows of facts that user space tells the kernel. */
  readonly facts: readonly FactRows[];
  /** Hooks whose program would be too large; the object has none for them. */
  readonly tooLarge: readonly { readonly hook: HookName; readonly reason: string }[];
  /** Predicates per hook that no automaton could take, by their text; user space decides them. */
  readonly overBudget: readonly { readonly hook: HookName; readonly predicate: number }[];
}

const EMPTY = (hook: HookName): HookPlan => ({ hook, predicates: [], events: [] });

const layOutProcesses = (plan: Plan, tables: Tables): ProcessLayout => {
  const groups: ProcessGroup[] = [];
  const byteOf = new Map<string, number>();
  let size = 0;
  for (const fact of PROCESS_FACTS) {
    const tests = plan.processTests.filter((test) => test.fact === fact);
    const nulIsBlank = fact === 'args' || fact === 'cmdline' || fact === 'env';
    const { placed } = tables.place(
      tests.map((each) => each.test),
      { nulIsBlank },
    );
    for (const { placed: automaton, tests: its } of placed) {
      const known = its.map((test) => tests.find((each) => each.test === test));
      groups.push({ fact, placed: automaton, at: size, texts: known.map((test) => test?.text ?? '') });
      for (const [position, test] of known.entries()) if (test !== undefined) byteOf.set(test.key, size + position);
      size += automaton.automaton.width;
    }
  }
  return { groups, byteOf, shared: size, size: size + 8 };
};

/** Fields whose values lie in strings that records carry only where a rule names one. */
const STRINGS_OF: Partial<Record<RecordString, readonly string[]>> = {
  env: ['proc.env', 'proc.aenv'],
  cwd: ['proc.cwd'],
  text: ['evt.arg', 'evt.args', 'evt.rawarg', 'fs.path.source', 'fs.path.sourceraw'],
};

/** The strings that no rule reads. */
const unusedStrings = (used: ReadonlySet<string>): ReadonlySet<RecordString> =>
  new Set(
    (Object.entries(STRINGS_OF) as [RecordString, readonly string[]][]).flatMap(([name, fields]) =>
      fields.some((field) => used.has(field)) ? [] : [name],
    ),
  );

const emitHook = (context: HookContext): void => {
  const { hook } = context.layout;
  if (hook === 'tp_btf/sys_exit') emitSysExit(context);
  else if (hook === 'tp_btf/sched_process_exec') emitExec(context);
  else if (hook === 'tp_btf/sched_process_fork') emitFork(context);
  else if (hook === 'tp_btf/sched_process_exit') emitExit(context);
  else if (hook === 'tp_btf/io_uring_submit_req') emitIoUring(context);
  else if (hook === 'raw_tp/sys_enter') throw new Error(`no program is generated for ${hook}`);
  else emitBeforeEffect(context, hook);
};

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

/**
 * Generates one program a hook for a plan: lifecycle programs always, the others where rules need them. The instructions are those
 * every level from 6.1 on has, so that all levels get the same bytes so far.
 */
export const generate = (plan: Plan, level: FeatureLevel): Generated => {
  const tables = createTables();
  const processes = layOutProcesses(plan, tables);
  const facts = layOutFacts(plan);
  const used = usedFields(plan.rules);
  const details = taskDetailsOf(used);
  const unused = unusedStrings(used);
  const hooks = ORDER.flatMap((name) => {
    const hook = plan.hooks.find((each) => each.hook === name);
    return hook !== undefined || LIFECYCLE.includes(name) ? [hook ?? EMPTY(name)] : [];
  });
  const grouped = groupStrings(hooks, tables);
  const prepared = hooks.map((hook, index) => {
    const { groups, refused } = grouped[index] ?? { groups: [], refused: new Set<number>() };
    const widths = groups.map((group) => ({ predicates: group.predicates, width: group.placed.automaton.width }));
    return { hook, groups, refused, layout: recordLayout(hook.hook, index, hook, widths, unused) };
  });
  const extra = Math.max(...prepared.map(({ layout }) => layout.size));
  const states = extra + EXTRA.process + processes.size + CELL_BYTES;
  const automataCount = processes.groups.length + Math.max(...prepared.map(({ groups }) => groups.length));
  const tooLarge: { hook: HookName; reason: string }[] = [];
  const programs = prepared.flatMap(({ hook, groups, refused, layout }): ProgramSpec[] => {
    const out = createEmitter(LOOPS[level]);
    try {
      emitHook({ out, plan, hook, layout, processes, facts, details, groups, refused, extra, states });
      const { instructions, relocations, lines } = assemble(out.items);
      return [{ name: hook.hook.replace(/^.*\//, ''), hook: hook.hook, instructions, relocations, lines }];
    } catch (error) {
      if (!(error instanceof AssembleError && error.outOfReach)) throw error;
      tooLarge.push({ hook: hook.hook, reason: error.message });
      return [];
    }
  });
  const detection = plan.hooks.find((hook) => hook.hook === 'tp_btf/sys_exit');
  const calls = callTable(detection?.events ?? []);
  const named = namedCalls(namedNumbers(calls), CALL_NUMBERS + X32_CALL_COUNT);
  const one = (name: string, valueSize: number, value?: Uint8Array, type: MapSpec['type'] = 'array'): MapSpec => ({
    name,
    type,
    keySize: 4,
    valueSize,
    maxEntries: 1,
    ...(value && { contents: [[word(0), value] as const] }),
  });
  const automata = tables.value();
  const maps: MapSpec[] = [
    ...RINGS.map(
      (name): MapSpec => ({ name, type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: RING_BYTES[name] }),
    ),
    {
      name: CALLS_MAP,
      type: 'array',
      keySize: 4,
      valueSize: 4,
      maxEntries: CALL_PLACES,
      contents: [...calls].map(([call, recipe]) => [word(call), word(recipe)] as const),
    },
    one(NAMED_MAP, named.length, named),
    ...factMaps(facts),
    { name: 'processes', type: 'hash', keySize: 16, valueSize: processes.size, maxEntries: MAX_PROCESSES },
    {
      name: 'buckets',
      type: 'hash',
      keySize: BUCKET.key.size,
      valueSize: BUCKET.value.size,
      maxEntries: MAX_BUCKETS,
    },
    limitsMap(
      plan,
      prepared.map(({ layout }) => layout),
    ),
    { name: 'protected', type: 'hash', keySize: 16, valueSize: 4, maxEntries: MAX_PROTECTED },
    one('scratch', states + ((2 * automataCount + 7) & ~7), undefined, 'percpu_array'),
    one(AUTOMATA_MAP, automata.length, automata),
    one('scopes', Math.max(8, plan.scopes.length * 8)),
    one('config', CONFIG.size),
    one('lost', LOST.bytesPerHook * prepared.length),
    ...thresholdMaps(plan),
  ];
  return {
    object: { level, maps, programs: programs.map((program) => ({ ...program, calls: CALLS_MAP })) },
    layouts: prepared.map(({ layout }) => layout),
    processes,
    facts,
    tooLarge,
    overBudget: prepared.flatMap(({ hook, refused }) =>
      [...refused].map((predicate) => ({ hook: hook.hook, predicate })),
    ),
  };
};

/** The value of the `processes` map for a process that was there before: its facts, by the same automata; undefined is unknown. */
export const processValue = (
  processes: ProcessLayout,
  facts: Readonly<Record<Exclude<ProcessFact, BooleanFact>, string | undefined>> &
    Readonly<Record<BooleanFact, boolean | undefined>>,
): Uint8Array => {
  const value = new Uint8Array(processes.size);
  const encoder = new TextEncoder();
  value[processes.shared] = 1;
  for (const { fact, placed, at } of processes.groups) {
    const known = facts[fact];
    const text = typeof known === 'boolean' ? (known ? '1' : '') : known;
    if (text === undefined) value.fill(Truth.UNKNOWN, at, at + placed.automaton.width);
    else value.set(runAutomaton(placed.automaton, encoder.encode(text)), at);
  }
  return value;
};

/** The key of a process in the `processes` map. */
export const processKey = (pid: number, start: bigint): Uint8Array => {
  const key = new Uint8Array(16);
  const view = new DataView(key.buffer);
  view.setUint32(0, pid, true);
  view.setBigUint64(8, start, true);
  return key;
};
