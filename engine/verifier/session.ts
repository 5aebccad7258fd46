import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import type { Flow } from './flow.ts';
import type { Liveness } from './liveness.ts';
import type { State } from './state.ts';
import { current } from './state.ts';
import type { Value } from './value.ts';
import type { Changing } from './widen.ts';

/** Kinds of memory whose loads the kernel rewrites, so that one instruction can't do several. */
type LoadKind = 'context' | 'struct' | 'memory';

/** Another way that an instruction can go on, beside its own. */
export interface Fork {
  readonly state: State;
  readonly to: number;
}

/** What one verification knows and gathers, whatever the path. */
export interface Session {
  readonly context: VerifierContext;
  readonly flow: Flow;
  readonly live: Liveness;
  /** Slots whose loads go through pointers that may fault. */
  readonly probeReads: Set<number>;
  /** Slots of 32-bit loads from the context that give whole pointers. */
  readonly pointerLoads: Set<number>;
  readonly loads: Map<number, LoadKind>;
  /** Bytes of stack that each function uses. */
  readonly depths: Int32Array;
  /** Functions that are verified alone, by their index in the flow. */
  readonly globals: ReadonlySet<number>;
  /** Functions that call bpf_tail_call. */
  readonly tailCalls: Set<number>;
  /** What the instruction executed last left for later. */
  fork: Fork | undefined;
  readonly changing: Changing;
  /** Whether numbers were forgotten so that the rounds of a loop become alike. */
  widened: boolean;
  /** Whether that may be done. */
  readonly mayWiden: boolean;
  /** A number for what is to be recognised again: copies, nullable pointers, references. */
  nextId(): number;
}

export function newSession(
  context: VerifierContext,
  flow: Flow,
  live: Liveness,
  globals: ReadonlySet<number> = new Set(),
  mayWiden = true,
): Session {
  let lastId = 0;
  return {
    context,
    flow,
    live,
    probeReads: new Set(),
    pointerLoads: new Set(),
    loads: new Map(),
    depths: new Int32Array(flow.functions.length),
    globals,
    tailCalls: new Set(),
    fork: undefined,
    changing: new Map(),
    widened: false,
    mayWiden,
    nextId: () => ++lastId,
  };
}

/** Notes what a load reads. @throws Rejection where the same instruction read something else on another path */
export function noteLoad(session: Session, at: number, kind: LoadKind): void {
  const before = session.loads.get(at);
  if (before === undefined) session.loads.set(at, kind);
  else if (before !== kind) {
    const words = { context: 'the context', struct: 'a kernel struct', memory: 'other memory' };
    throw new Rejection(
      `this load reads ${words[kind]} here and ${words[before]} on another path; use an instruction for each`,
    );
  }
}

/** A register's value. @throws Rejection where it has none */
export function read(state: State, register: number): Value {
  const value = current(state).registers[register]!;
  if (value.kind === 'uninitialised') throw new Rejection(`r${register} is not initialised`);
  return value;
}
