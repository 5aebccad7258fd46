import type { ArrayLayout, RingBufferLayout } from '../../maps/index.ts';
import { codeSlot, type DecodedProgram, REGISTERS } from '../decoded.ts';
import type { VmEnvironment } from '../environment.ts';
import { QUICK_HELPERS, type QuickHelper } from '../quick-helpers.ts';
import { isConditional, isJump } from './graph.ts';

/** A function of the host that compiled code calls: a helper or kernel function by its number, or an operation of the map with a handle. */
export interface HostCall {
  readonly kind: 'helper' | 'quick' | 'kfunc' | 'lookup' | 'update' | 'delete';
  readonly id: number;
}

/** What a call of a helper becomes; `index` counts in the plan's host calls. */
export type CallPlan =
  /** The host's function on registers in memory. */
  | { readonly kind: 'host'; readonly index: number }
  /** A helper's other form, which takes words. */
  | { readonly kind: 'quick'; readonly index: number; readonly gives: QuickHelper['gives'] }
  /** Map operations on offsets in memory. */
  | { readonly kind: 'lookup' | 'delete'; readonly index: number }
  | { readonly kind: 'update'; readonly index: number; readonly flags: number }
  | { readonly kind: 'array'; readonly layout: ArrayLayout }
  | { readonly kind: 'reserve'; readonly layout: RingBufferLayout; readonly handle: number; readonly bytes: number }
  | { readonly kind: 'commit'; readonly discards: boolean }
  /** bpf_probe_read_kernel, of a constant size where that is known; `index` is its other form, for what can't be read in place. */
  | { readonly kind: 'probe'; readonly index: number; readonly bytes: number | undefined };

export interface Plan {
  readonly calls: readonly HostCall[];
  at(slot: number): CallPlan;
}

/** Numbers of the helpers that have other forms than a call of the host (include/uapi/linux/bpf.h). */
const LOOKUP = 1;
const UPDATE = 2;
const DELETE = 3;
const RESERVE = 131;
const SUBMIT = 132;
const DISCARD = 133;
const PROBE_READ_KERNEL = 113;

const NO_REGISTERS = new BigUint64Array(0);

const [CALL, CALLX, LDDW, EXIT] = [0x85, 0x8d, 0x18, 0x95] as const;
const [LOCAL, KERNEL] = [1, 2] as const;
const [MOV_CONSTANT, MOV_REGISTER] = [0xb7, 0xbf] as const;
/** Larger reads don't gain. */
const MOST_PROBED = 4096;
const MOST_RESERVED = 0x3fff_ffff;

/**
 * Decides for each call what it becomes.
 * @param inlines whether a helper is the one of HELPERS and the program is trusted, so that its work can be done in place
 */
export function planCalls(
  program: DecodedProgram,
  environment: VmEnvironment,
  inlines: (helper: number) => boolean,
): Plan {
  const calls: HostCall[] = [];
  const index = (kind: HostCall['kind'], id: number): number => {
    const found = calls.findIndex((call) => call.kind === kind && call.id === id);
    return found >= 0 ? found : calls.push({ kind, id }) - 1;
  };
  const plans = new Map<number, CallPlan>();
  eachCall(program, (slot, known) => {
    const id = program.imm[slot]!;
    if (program.src[slot]! >> 1 === KERNEL) plans.set(slot, { kind: 'host', index: index('kfunc', id) });
    else
      plans.set(
        slot,
        (inlines(id) ? inlined(id, environment, known, index) : undefined) ?? {
          kind: 'host',
          index: index('helper', id),
        },
      );
  });
  return { calls, at: (slot) => plans.get(slot)! };
}

/** Visits calls of the host with what is known of the registers there. */
function eachCall(
  { opcode, dst, src, offset, imm, constants }: DecodedProgram,
  visit: (slot: number, known: readonly (bigint | undefined)[]) => void,
): void {
  const isTarget = new Uint8Array(opcode.length);
  let hasCalls = false;
  for (let at = 0; at < opcode.length; at++) {
    const op = opcode[at]!;
    const isLocal = op === CALL && src[at]! >> 1 === LOCAL;
    if (op === CALL && !isLocal) hasCalls = true;
    if (isConditional(op) || isJump(op) || isLocal) isTarget[offset[at]!] = 1;
    if (op === LDDW) {
      const callback = codeSlot(constants[(src[at]! >> 1) - REGISTERS]!, opcode.length - 1);
      if (callback !== undefined) isTarget[callback] = 1;
      at++;
    }
  }
  if (!hasCalls) return;
  const known = new Array<bigint | undefined>(REGISTERS).fill(undefined);
  for (let at = 0; at < opcode.length; at++) {
    const op = opcode[at]!;
    if (isTarget[at] === 1) known.fill(undefined);
    const to = dst[at]! >> 1;
    const group = op & 7;
    if (op === LDDW) {
      known[to] = constants[(src[at]! >> 1) - REGISTERS];
      at++;
    } else if (op === MOV_CONSTANT) known[to] = BigInt.asUintN(64, BigInt(imm[at]!));
    else if (op === MOV_REGISTER && offset[at] === 0) known[to] = known[src[at]! >> 1];
    else if (op === CALL || op === CALLX) {
      if (op === CALL && src[at]! >> 1 !== LOCAL) visit(at, known);
      known.fill(undefined, 0, 6);
    } else if (isJump(op) || op === EXIT) known.fill(undefined);
    else if (group === 4 || group === 7 || group === 1) known[to] = undefined;
    else if (group === 3 || group === 0) {
      // Atomic operations fetch into src or r0, an ordered load into dst; packet loads into r0.
      known[0] = undefined;
      known[to] = undefined;
      known[src[at]! >> 1] = undefined;
    }
  }
}

function inlined(
  id: number,
  environment: VmEnvironment,
  known: readonly (bigint | undefined)[],
  index: (kind: HostCall['kind'], id: number) => number,
): CallPlan | undefined {
  if (id === SUBMIT || id === DISCARD) return { kind: 'commit', discards: id === DISCARD };
  if (id === PROBE_READ_KERNEL) {
    const bytes = known[2] === undefined ? undefined : Number(known[2]);
    if (bytes === undefined || (bytes > 0 && bytes <= MOST_PROBED))
      return { kind: 'probe', index: index('quick', id), bytes };
  }
  const quick = QUICK_HELPERS.get(id);
  if (quick !== undefined)
    return quick.make(environment, NO_REGISTERS) && { kind: 'quick', index: index('quick', id), gives: quick.gives };
  if (known[1] === undefined) return undefined;
  const handle = Number(known[1]);
  const map = environment.map(handle);
  if (!map) return undefined;
  const { layout } = map;
  switch (id) {
    case LOOKUP:
      if ('mapAt' in map) return undefined;
      return layout?.kind === 'array' ? { kind: 'array', layout } : { kind: 'lookup', index: index('lookup', handle) };
    case UPDATE: {
      const flags = known[4];
      return flags === undefined || flags > 0xffffn
        ? undefined
        : { kind: 'update', index: index('update', handle), flags: Number(flags) };
    }
    case DELETE:
      return { kind: 'delete', index: index('delete', handle) };
    case RESERVE:
      return layout?.kind === 'ringbuf' && known[3] === 0n && known[2] !== undefined && known[2] <= MOST_RESERVED
        ? { kind: 'reserve', layout, handle, bytes: Number(known[2]) }
        : undefined;
    default:
      return undefined;
  }
}
