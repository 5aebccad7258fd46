import type { ArgumentType } from '../vm/index.ts';
import { type Aliases, ANY_STACK, NO_STACK, stackAliases } from './aliases.ts';
import type { VerifierContext } from './context.ts';
import { type Flow, namesFunction } from './flow.ts';
import { foreignPointers } from './foreign.ts';
import { isAny } from './functions.ts';
import {
  type Facts,
  isExact,
  kill,
  killSlot,
  slotExact,
  slotSpan,
  use,
  useAllSlots,
  useSlot,
  useSpan,
} from './live-facts.ts';
import type { Step } from './step.ts';

/** What of a frame matters from a slot on. What doesn't may differ between two states that are taken for the same. */
export interface Liveness {
  liveRegister(at: number, register: number): boolean;
  exactRegister(at: number, register: number): boolean;
  liveSlot(at: number, index: number): boolean;
  exactSlot(at: number, index: number): boolean;
  /** Whether numbers in a frame that goes on at `at` matter exactly while a function that it called runs. */
  exactBelow(callee: number, at: number): boolean;
}

const FIELDS = 6;
const CALL_CLOBBERS = 0x3f;
const ARGUMENTS = 0x3e;

/** Functions, by their index, whose paths depend on the exact numbers they find in frames below their own. */
type Readers = Uint8Array;

/** A backward analysis over the control flow; memory other than the own stack frame needs no knowledge of numbers. */
export function liveness(flow: Flow, context: VerifierContext): Liveness {
  const aliases = stackAliases(flow);
  const readers: Readers = new Uint8Array(flow.functions.length);
  if (flow.functions.length > 1) findReaders(flow, aliases, analyse(flow, aliases, context, undefined), readers);
  const table = analyse(flow, aliases, context, readers);
  const bit = (at: number, field: number, index: number): boolean =>
    ((table[at * FIELDS + field]! >>> index) & 1) === 1;
  return {
    liveRegister: (at, register) => bit(at, 0, register),
    exactRegister: (at, register) => bit(at, 1, register),
    liveSlot: (at, index) => bit(at, index < 32 ? 2 : 3, index & 31),
    exactSlot: (at, index) => bit(at, index < 32 ? 4 : 5, index & 31),
    exactBelow: (callee, at) => readers[callee] === 1 || table[at * FIELDS + 4] !== 0 || table[at * FIELDS + 5] !== 0,
  };
}

/** @param readers undefined while they are looked for: then nothing is said of what goes to other frames */
function analyse(flow: Flow, aliases: Aliases, context: VerifierContext, readers: Readers | undefined): Int32Array {
  const table = new Int32Array(flow.steps.length * FIELDS);
  const { start, list } = predecessorsOf(flow);
  const pending: number[] = [];
  const queued = new Uint8Array(flow.steps.length);
  const enqueue = (at: number): void => {
    if (queued[at]) return;
    queued[at] = 1;
    pending.push(at);
  };
  for (const step of flow.steps) if (step) enqueue(step.at);
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    queued[at] = 0;
    const step = flow.steps[at]!;
    const facts = after(step, flow, table);
    transfer(step, facts, { aliases, context, flow, table, readers });
    if (!write(table, at, facts)) continue;
    for (let n = start[at]!; n < start[at + 1]!; n++) enqueue(list[n]!);
  }
  return table;
}

/** Marks functions that load exact numbers from frames below their own, and those that call or name them. */
function findReaders(flow: Flow, aliases: Aliases, table: Int32Array, readers: Readers): void {
  const foreign = foreignPointers(flow, aliases);
  for (const step of flow.steps) {
    if (step?.kind !== 'load' || ((foreign[step.at]! >>> step.src) & 1) === 0) continue;
    const { exact } = after(step, flow, table);
    if ((exact >>> step.dst) & 1) readers[flow.functionOf[step.at]!] = 1;
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const step of flow.steps) {
      if (!step || !namesFunction(step) || readers[flow.functionOf[step.target]!] === 0) continue;
      if (readers[flow.functionOf[step.at]!] === 1) continue;
      readers[flow.functionOf[step.at]!] = 1;
      changed = true;
    }
  }
}

/** Slots to look at again when what is live at a slot changes: `list` from `start[at]` to `start[at + 1]`. */
interface Predecessors {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

/** Those that lead to a slot, and for a function's start its calls. */
function predecessorsOf(flow: Flow): Predecessors {
  const start = new Int32Array(flow.steps.length + 2);
  const each = (visit: (to: number, from: number) => void): void => {
    for (const step of flow.steps) {
      if (!step) continue;
      for (const next of flow.successors(step)) visit(next, step.at);
      if (step.kind === 'call') visit(step.target, step.at);
    }
  };
  each((to) => {
    start[to + 2]!++;
  });
  for (let at = 2; at < start.length; at++) start[at]! += start[at - 1]!;
  const list = new Int32Array(start[start.length - 1]!);
  each((to, from) => {
    list[start[to + 1]!++] = from;
  });
  return { start, list };
}

function after(step: Step, flow: Flow, table: Int32Array): Facts {
  const facts: Facts = { registers: 0, exact: 0, slots: 0, slotsHigh: 0, slotsExact: 0, slotsExactHigh: 0 };
  for (const next of flow.successors(step)) {
    const base = next * FIELDS;
    facts.registers |= table[base]!;
    facts.exact |= table[base + 1]!;
    facts.slots |= table[base + 2]!;
    facts.slotsHigh |= table[base + 3]!;
    facts.slotsExact |= table[base + 4]!;
    facts.slotsExactHigh |= table[base + 5]!;
  }
  return facts;
}

function write(table: Int32Array, at: number, facts: Facts): boolean {
  const base = at * FIELDS;
  const { registers, exact, slots, slotsHigh, slotsExact, slotsExactHigh } = facts;
  const same =
    table[base] === registers &&
    table[base + 1] === exact &&
    table[base + 2] === slots &&
    table[base + 3] === slotsHigh &&
    table[base + 4] === slotsExact &&
    table[base + 5] === slotsExactHigh;
  if (same) return false;
  table[base] = registers;
  table[base + 1] = exact;
  table[base + 2] = slots;
  table[base + 3] = slotsHigh;
  table[base + 4] = slotsExact;
  table[base + 5] = slotsExactHigh;
  return true;
}

interface Analysis {
  readonly aliases: Aliases;
  readonly context: VerifierContext;
  readonly flow: Flow;
  readonly table: Int32Array;
  readonly readers: Readers | undefined;
}

function transfer(step: Step, facts: Facts, { aliases, context, flow, table, readers }: Analysis): void {
  switch (step.kind) {
    case 'alu': {
      const exact = isExact(facts, step.dst);
      const overwrites = step.operation === 'mov' || step.operation === 'movsx';
      if (overwrites) kill(facts, 1 << step.dst);
      else use(facts, step.dst, exact);
      if (step.register) use(facts, step.src, exact);
      return;
    }
    case 'branch':
      use(facts, step.dst, true);
      if (step.register) use(facts, step.src, true);
      return;
    case 'load': {
      const exact = isExact(facts, step.dst);
      kill(facts, 1 << step.dst);
      use(facts, step.src, true);
      readStack(facts, aliases.of(step.at, step.src), step, exact);
      return;
    }
    case 'store': {
      const called = readers !== undefined && flow.functionOf[step.at] !== 0;
      const exact = writeStack(facts, aliases.of(step.at, step.dst), step, called);
      if (step.register) use(facts, step.src, exact);
      use(facts, step.dst, true);
      return;
    }
    case 'atomic':
      if (step.operation === 'lock_cmpxchg') {
        kill(facts, 1);
        use(facts, 0, false);
      } else if (/fetch|xchg/.test(step.operation)) kill(facts, 1 << step.src);
      use(facts, step.src, false);
      use(facts, step.dst, true);
      readStack(facts, aliases.of(step.at, step.dst), step, false);
      return;
    case 'constant':
      kill(facts, 1 << step.dst);
      return;
    case 'packet':
      kill(facts, CALL_CLOBBERS);
      use(facts, 6, true);
      if (step.register) use(facts, step.src, false);
      return;
    case 'helper':
      kill(facts, CALL_CLOBBERS);
      if (step.helper?.callback) useCallback(step, facts, { aliases, context, flow, table, readers });
      useArguments(step, step.helper?.arguments ?? [], facts, aliases, context);
      return;
    case 'callx':
    case 'kfunc':
      kill(facts, CALL_CLOBBERS);
      facts.registers |= ARGUMENTS;
      facts.exact |= ARGUMENTS;
      if (step.kind === 'callx') use(facts, step.dst, true);
      useAllSlots(facts, true);
      return;
    case 'call': {
      kill(facts, CALL_CLOBBERS);
      const callee = step.target * FIELDS;
      facts.registers |= table[callee]! & ARGUMENTS;
      facts.exact |= table[callee + 1]! & ARGUMENTS;
      useAllSlots(facts, needsExact(facts, readers, flow.functionOf[step.target]!));
      return;
    }
    case 'exit':
      use(facts, 0, flow.functionOf[step.at] !== 0 || limitsResult(context));
      return;
    default:
      return;
  }
}

/** Whether the hook takes some results only. */
const limitsResult = ({ profile, hook: { returns } }: VerifierContext): boolean =>
  profile !== 'isa' && !isAny(returns.min, returns.max);

/** Whether numbers of the caller's frame matter exactly to a function it calls, or come to where they do. */
const needsExact = (facts: Facts, readers: Readers | undefined, callee: number): boolean =>
  readers?.[callee] === 1 || facts.slotsExact !== 0 || facts.slotsExactHigh !== 0;

/** A function that is called back, if it is known which, else any. */
function useCallback(step: Step, facts: Facts, { aliases, flow, readers }: Analysis): void {
  const register = (step.helper?.arguments.indexOf('callback') ?? -1) + 1;
  const start = aliases.code(step.at, register);
  useAllSlots(facts, start === undefined || needsExact(facts, readers, flow.functionOf[start]!));
}

function readStack(facts: Facts, alias: number, step: Step, exact: boolean): void {
  if (alias === NO_STACK) return;
  if (alias === ANY_STACK) {
    useAllSlots(facts, exact);
    return;
  }
  const [low, high] = slotSpan(alias + step.offset, step.width / 8);
  for (let index = low; index <= high; index++) useSlot(facts, index, exact);
}

/**
 * Returns whether the number that is stored matters exactly. In a function that was called it may go into a caller's stack, of which
 * nothing is known here.
 */
function writeStack(facts: Facts, alias: number, step: Step, called: boolean): boolean {
  if (alias === NO_STACK) return called;
  if (alias === ANY_STACK) return called || facts.slotsExact !== 0 || facts.slotsExactHigh !== 0;
  const offset = alias + step.offset;
  const [low, high] = slotSpan(offset, step.width / 8);
  let exact = false;
  for (let index = low; index <= high; index++) exact ||= slotExact(facts, index);
  if (step.width === 64 && offset % 8 === 0 && low === high) killSlot(facts, low);
  return exact;
}

/** Types of arguments through which a helper reads memory. */
const READS: ReadonlySet<ArgumentType> = new Set<ArgumentType>([
  'memory',
  'memory_or_null',
  'map_key',
  'map_value',
  'map_value_or_null',
]);

function useArguments(
  step: Step,
  types: readonly ArgumentType[],
  facts: Facts,
  aliases: Aliases,
  context: VerifierContext,
): void {
  types.forEach((type, index) => {
    const register = index + 1;
    use(facts, register, type !== 'anything' || step.helper?.callback !== undefined);
    const reads = typeof type === 'object' ? 'memory' in type && type.access === 'read' : READS.has(type);
    if (!reads) return;
    const alias = aliases.of(step.at, register);
    if (alias === NO_STACK) return;
    if (alias === ANY_STACK) useAllSlots(facts, false);
    else useSpan(facts, alias, argumentBytes(step, types, index, aliases, context) ?? -alias);
  });
}

/** How many bytes a helper reads through an argument, undefined where that isn't known without exploring. */
function argumentBytes(
  { at }: Step,
  types: readonly ArgumentType[],
  index: number,
  aliases: Aliases,
  context: VerifierContext,
): number | undefined {
  const type = types[index];
  if (typeof type === 'object') return 'memory' in type ? type.memory : undefined;
  if (type === 'memory' || type === 'memory_or_null') return aliases.number(at, index + 2);
  const handle = aliases.number(at, types.indexOf('map') + 1);
  const spec = handle === undefined ? undefined : context.map(handle);
  return type === 'map_key' ? spec?.keySize : spec?.valueSize;
}
