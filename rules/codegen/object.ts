import { AssembleError, assemble } from '../../engine/isa/index.ts';
import type { BpfObject, FeatureLevel, HookName, MapSpec, ProgramSpec } from '../../engine/object/index.ts';
import { X32_CALL_COUNT } from '../language/index.ts';
import {
  type BooleanFact,
  HOOKS_BEFORE_EFFECT,
  type HookPlan,
  type Plan,
  type ProcessFact,
  type ProcessTest,
  processTestKey,
  taskDetailsOf,
  usedFields,
} from '../plan/index.ts';
import { emitBeforeEffect } from './before-effect.ts';
import { killsMap } from './budget.ts';
import { CONFIG } from './config.ts';
import { EXTRA, type HookContext, PROCESS_FACTS, type ProcessGroup, type ProcessLayout } from './context.ts';
import { type Dimensions, dimensionsOf } from './dimensions.ts';
import { createEmitter, type Loops } from './emitter.ts';
import { MAX_SPARED } from './enforce.ts';
import { emitExec } from './exec.ts';
import { type FactRows, factMaps, layOutFacts } from './facts.ts';
import { workBytes } from './filter.ts';
import { isBeforeEffect } from './gather-before-effect.ts';
import { emitIoUring } from './io-uring.ts';
import { type Guard, type RecordLayout, type RecordString, recordLayout, type TruthPlace } from './layout.ts';
import { emitExit, emitFork } from './lifecycle.ts';
import { BUCKET, limitsMap, MAX_BUCKETS } from './limits.ts';
import { type Decision, dimensionBytes, matchingOf } from './matching.ts';
import { NAMED_MAP, namedCalls } from './named-calls.ts';
import { placeNormalForm } from './normal-form.ts';
import { LOST, RINGS, type Ring } from './rings.ts';
import { placeTests, ROW, rowOfText } from './rows.ts';
import { sequenceMaps } from './sequence.ts';
import { SLOTS_MAP, SLOTS_PER_CPU } from './slot.ts';
import { groupStrings } from './string-groups.ts';
import { CALL_NUMBERS, CALL_PLACES, CALLS_MAP, callTable, emitSysExit, namedNumbers } from './sys-exit.ts';
import { createTables, TABLES_MAP, type Tables } from './tables.ts';
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
  ...HOOKS_BEFORE_EFFECT,
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
  readonly facts: readonly FactRows[];
  /** How each hook's program decides its rules. */
  readonly decisions: ReadonlyMap<HookName, readonly Decision[]>;
  /** Hooks whose program would be too large; the object has none for them. */
  readonly tooLarge: readonly { readonly hook: HookName; readonly reason: string }[];
  /** Predicates per hook that no automaton could take, by their text; user space decides them. */
  readonly overBudget: readonly { readonly hook: HookName; readonly predicate: number }[];
}

const EMPTY = (hook: HookName): HookPlan => ({ hook, predicates: [], events: [] });

/** The facts that some rule asks of any ancestor, by their tests' keys. */
const askedOfAny = (plan: Plan): ReadonlySet<string> =>
  new Set(
    plan.hooks.flatMap(({ predicates }) =>
      predicates.flatMap(({ kernel }) =>
        kernel.place === 'process' && kernel.depth === 'any' ? [processTestKey(kernel.fact, kernel.test)] : [],
      ),
    ),
  );

/** The facts that some rule asks of one process, by their tests' keys. */
const askedOfOne = (plan: Plan): ReadonlySet<string> =>
  new Set(
    plan.hooks.flatMap(({ predicates }) =>
      predicates.flatMap(({ kernel }) =>
        kernel.place === 'process' && kernel.depth !== 'any' ? [processTestKey(kernel.fact, kernel.test)] : [],
      ),
    ),
  );

const layOutProcesses = (plan: Plan, tables: Tables): ProcessLayout => {
  const groups: ProcessGroup[] = [];
  const add = (fact: ProcessFact, tests: readonly ProcessTest[], ofAny: boolean): void => {
    const nulIsBlank = fact === 'args' || fact === 'cmdline' || fact === 'env';
    const { placed } = placeTests(
      tables,
      tests.map((each) => each.test),
      { nulIsBlank },
    );
    for (const { placed: automaton, tests: its } of placed) {
      const known = its.map((test) => tests.find((each) => each.test === test));
      const columns = new Map(known.flatMap((test, column) => (test === undefined ? [] : [[test.key, column]])));
      const texts = known.map((test) => test?.text ?? '');
      groups.push({ fact, placed: automaton, at: 2 * groups.length, columns, ofAny, texts });
    }
  };
  const [any, one] = [askedOfAny(plan), askedOfOne(plan)];
  for (const fact of PROCESS_FACTS) {
    const tests = plan.processTests.filter((test) => test.fact === fact);
    add(
      fact,
      tests.filter(({ key }) => one.has(key)),
      false,
    );
    add(
      fact,
      tests.filter(({ key }) => any.has(key)),
      true,
    );
  }
  const shared = 2 * groups.length;
  const isProtected = shared + 1;
  return { groups, shared, isProtected, size: (isProtected + 8) & ~7 };
};

/** Where records have the truths of a hook's predicates. */
const truthPlaces = ({ dimensions, predicates }: Dimensions): readonly TruthPlace[] =>
  predicates.map(({ join, leaves }) => ({
    join,
    leaves: leaves.map((leaf) => {
      if (leaf.kind === 'byte') return { kind: 'byte', at: ((2 * dimensions.length + 7) & ~7) + leaf.at };
      const { bytes: rows = new Uint8Array(), width = 0 } = dimensions[leaf.dimension]?.rows ?? {};
      return { kind: 'cell', at: 2 * leaf.dimension, rows, width, column: leaf.column };
    }),
  }));

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

/** What only rules that deny or kill need; without them the maps that the agent fills are there, and small. */
const enforcementMaps = (
  plan: Plan,
  prepared: readonly { readonly hook: HookPlan }[],
  slotBytes: number,
): readonly MapSpec[] => {
  const acts = plan.rules.some(({ action }) => action !== 'alert');
  const slots: MapSpec = {
    name: SLOTS_MAP,
    type: 'percpu_array',
    keySize: 4,
    valueSize: slotBytes + 8,
    maxEntries: SLOTS_PER_CPU,
  };
  return [
    { name: 'spared', type: 'hash', keySize: 16, valueSize: 4, maxEntries: acts ? MAX_SPARED : 1 },
    acts ? killsMap : { ...killsMap, maxEntries: 1 },
    ...(prepared.some(({ hook }) => isBeforeEffect(hook.hook)) ? [slots] : []),
  ];
};

const emitHook = (context: HookContext): void => {
  const { hook } = context.layout;
  if (hook === 'tp_btf/sys_exit') emitSysExit(context);
  else if (hook === 'tp_btf/sched_process_exec') emitExec(context);
  else if (hook === 'tp_btf/sched_process_fork') emitFork(context);
  else if (hook === 'tp_btf/sched_process_exit') emitExit(context);
  else if (hook === 'tp_btf/io_uring_submit_req') emitIoUring(context);
  else if (isBeforeEffect(hook)) emitBeforeEffect(context);
  else throw new Error(`no program is generated for ${hook}`);
};

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

/**
 * Generates one program a hook for a plan: lifecycle programs always, the others where rules need them. The instructions are those
 * every level from 6.1 on has, so that all levels get the same bytes so far. @param without guards that are left out, for tests that show what
 * each is for; nothing else passes it
 */
export const generate = (plan: Plan, level: FeatureLevel, without: ReadonlySet<Guard> = new Set()): Generated => {
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
  const normalForm = placeNormalForm(tables);
  const prepared = hooks.map((hook, index) => {
    const { groups, refused } = grouped[index] ?? { groups: [], refused: new Set<number>() };
    const dimensions = dimensionsOf(hook, { processes, facts, groups }, tables);
    const layout = recordLayout(hook.hook, index, hook, dimensionBytes(dimensions), truthPlaces(dimensions), unused);
    return { hook, groups, refused, layout, matching: matchingOf(plan, hook, layout, dimensions, tables) };
  });
  const extra = Math.max(...prepared.map(({ layout }) => layout.size));
  const loopCell = extra + EXTRA.process + processes.size;
  const work = loopCell + 8;
  const slotBytes = (work + Math.max(...prepared.map(({ matching, layout }) => workBytes(matching, layout))) + 7) & ~7;
  const tooLarge: { hook: HookName; reason: string }[] = [];
  const programs = prepared.flatMap(({ hook, groups, layout, matching }): ProgramSpec[] => {
    const out = createEmitter(LOOPS[level]);
    try {
      const own = { out, plan, hook, layout, groups, matching };
      emitHook({ ...own, processes, facts, details, tables, normalForm, extra, loopCell, work, slotBytes, without });
      const { instructions, relocations, lines } = assemble(out.items);
      return [{ name: hook.hook.replace(/^.*\//, ''), hook: hook.hook, instructions, relocations, lines }];
    } catch (error) {
      if (!(error instanceof AssembleError && error.outOfReach)) throw error;
      tooLarge.push({ hook: hook.hook, reason: error.message });
      return [];
    }
  });
  const detection = prepared.find(({ hook }) => hook.hook === 'tp_btf/sys_exit');
  const events = detection?.hook.events ?? [];
  const calls = detection === undefined ? [] : callTable(events, detection.matching);
  const named = namedCalls(namedNumbers(events), CALL_NUMBERS + X32_CALL_COUNT);
  const one = (name: string, valueSize: number, value?: Uint8Array, type: MapSpec['type'] = 'array'): MapSpec => ({
    name,
    type,
    keySize: 4,
    valueSize,
    maxEntries: 1,
    ...(value && { contents: [[word(0), value] as const] }),
  });
  const contents = tables.value();
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
    one('scratch', slotBytes, undefined, 'percpu_array'),
    ...enforcementMaps(plan, prepared, slotBytes),
    one(TABLES_MAP, contents.length, contents),
    one('scopes', Math.max(8, plan.scopes.length * 8)),
    one('config', CONFIG.size),
    one('lost', LOST.bytesPerHook * prepared.length),
    ...sequenceMaps(plan),
    ...thresholdMaps(plan),
  ];
  return {
    object: { level, maps, programs: programs.map((program) => ({ ...program, calls: CALLS_MAP })) },
    layouts: prepared.map(({ layout }) => layout),
    processes,
    facts,
    decisions: new Map(prepared.map(({ hook, matching }) => [hook.hook, matching.decisions])),
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
  value[processes.isProtected] = 1;
  const view = new DataView(value.buffer);
  for (const { fact, placed, at } of processes.groups) {
    const known = facts[fact];
    const text = typeof known === 'boolean' ? (known ? '1' : '') : known;
    const row = text === undefined ? ROW.unknown : rowOfText(placed, encoder.encode(text));
    view.setUint16(at, row, true);
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
