import { type Instruction, LDDW, type Opcode, opcodeOf } from '../isa/index.ts';
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
  | 'helper'
  | 'call'
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
  /** Slot that a jump or a local call goes to, else -1. */
  readonly target: number;
}

function kindOf({ class: cls, operation }: Opcode): StepKind | undefined {
  if (cls === 'alu' || cls === 'alu64') return 'alu';
  if (cls === 'ldx') return 'load';
  if (cls === 'st') return 'store';
  if (cls === 'stx') return operation === 'stx' ? 'store' : 'atomic';
  if (cls === 'ld') return operation === 'lddw' ? 'constant' : undefined;
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
    case 'call_btf':
      return undefined;
    default:
      return 'branch';
  }
}

/** Decodes the instruction at a slot; undefined where RFC 9669 has none or the kernel doesn't take it (`callx`, packet access). */
export function decodeStep(instructions: readonly Instruction[], at: number): Step | undefined {
  const instruction = instructions[at];
  const row = instruction && opcodeOf(instruction);
  const kind = row && kindOf(row);
  if (!kind) return undefined;
  const { dst, src, offset, imm } = instruction;
  const wide = row.opcode === LDDW;
  const value = wide
    ? (BigInt((instructions[at + 1]?.imm ?? 0) >>> 0) << 32n) | BigInt(imm >>> 0)
    : BigInt(row.class === 'alu' || row.class === 'jmp32' ? imm >>> 0 : imm);
  const distance = row.operation === 'ja32' || kind === 'call' ? imm : offset;
  const jumps = kind === 'goto' || kind === 'branch' || kind === 'call';
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
  };
}
