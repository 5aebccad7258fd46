import { type Instruction, LDDW, type Opcode, opcodeOf } from '../isa/index.ts';
import type { Helper } from '../vm/index.ts';
import { constant, type Scalar } from './scalar.ts';

/** What an instruction does to the state. */
export type StepKind =
  | 'alu'
  | 'goto'
  | 'branch'
  | 'load'
  | 'store'
  | 'atomic'
  | 'constant'
  | 'packet'
  | 'helper'
  | 'callx'
  | 'kfunc'
  | 'call'
  | 'may_goto'
  | 'exit';

/** An instruction as the verifier reads it: decoded once, explored many times. */
export interface Step {
  readonly kind: StepKind;
  readonly at: number;
  /** The slot after it; a wide instruction takes two. */
  readonly next: number;
  readonly row: Opcode;
  readonly operation: string;
  readonly width: 8 | 16 | 32 | 64;
  /** Whether the second operand is `src`, not `imm`. */
  readonly register: boolean;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
  /** The immediate as the operation sees it: sign-extended, of 64 bits for `lddw`. */
  readonly constant: Scalar;
  /** Slot that a jump or a local call goes to, or whose address is loaded; else -1. */
  readonly target: number;
  /** What a call by id calls. */
  readonly helper: Helper | undefined;
}

const STX_KINDS: Readonly<Record<string, StepKind>> = { stx: 'store', load_acquire: 'load', store_release: 'store' };

function kindOf({ class: cls, operation }: Opcode): StepKind {
  if (cls === 'alu' || cls === 'alu64') return 'alu';
  if (cls === 'ldx') return 'load';
  if (cls === 'st') return 'store';
  if (cls === 'stx') return STX_KINDS[operation] ?? 'atomic';
  if (cls === 'ld') return operation === 'lddw' ? 'constant' : 'packet';
  switch (operation) {
    case 'ja':
    case 'ja32':
      return 'goto';
    case 'call':
      return 'helper';
    case 'call_local':
      return 'call';
    case 'exit':
      return 'exit';
    case 'callx':
      return 'callx';
    case 'call_btf':
      return 'kfunc';
    case 'may_goto':
      return 'may_goto';
    default:
      return 'branch';
  }
}

/** What calls by id call: helpers by theirs, kernel functions by their BTF id. */
interface KernelFunctions {
  helper(id: number): Helper | undefined;
  kfunc(id: number): Helper | undefined;
}

const NO_FUNCTIONS: KernelFunctions = { helper: () => undefined, kfunc: () => undefined };

/** Decodes the instruction at a slot; undefined where there is none. */
export function decodeStep(
  instructions: readonly Instruction[],
  at: number,
  functions: KernelFunctions = NO_FUNCTIONS,
): Step | undefined {
  const instruction = instructions[at];
  const row = instruction && opcodeOf(instruction);
  if (!row) return undefined;
  const kind = kindOf(row);
  const { dst, src, offset, imm } = instruction;
  const wide = row.opcode === LDDW;
  const value = wide
    ? (BigInt((instructions[at + 1]?.imm ?? 0) >>> 0) << 32n) | BigInt(imm >>> 0)
    : BigInt(row.class === 'alu' || row.class === 'jmp32' ? imm >>> 0 : imm);
  const code = row.name === 'lddw_code';
  const distance = row.operation === 'ja32' || kind === 'call' || code ? imm : offset;
  const jumps = kind === 'goto' || kind === 'branch' || kind === 'call' || kind === 'may_goto' || code;
  return {
    kind,
    at,
    next: at + (wide ? 2 : 1),
    row,
    operation: row.operation,
    width: row.width,
    register: row.source === 'reg',
    dst,
    src,
    offset,
    imm,
    constant: constant(value),
    target: jumps ? at + 1 + distance : -1,
    helper: kind === 'helper' ? functions.helper(imm) : kind === 'kfunc' ? functions.kfunc(imm) : undefined,
  };
}
