import { type DecodedProgram, REGISTERS } from '../decoded.ts';
import type { Graph } from './graph.ts';

/** The low half of a register as a constant plus the low half of another register, -1 for none. */
interface Sum {
  readonly base: number;
  readonly register: number;
}

/**
 * What is known of registers that addresses are made from, so that an address is computed in 32 bits: an addition of 64 whose
 * high half nobody looks at costs more.
 */
export interface Sums {
  /** A register's low half, where more than the register itself is known. */
  of(register: number): Sum | undefined;
  /** For the beginning of a block that can be reached in several ways. */
  forget(): void;
  /** An instruction was emitted. */
  follow(at: number): void;
}

const [MOV, MOV_CONSTANT, ADD, ADD_CONSTANT, LDDW, CALL, CALLX] = [0xbf, 0xb7, 0x0f, 0x07, 0x18, 0x85, 0x8d] as const;

/** The register that an instruction writes, -1 where it is none; of atomic operations also r0 may be written. */
function written({ opcode, dst, src, imm }: DecodedProgram, at: number): number {
  const op = opcode[at]!;
  const group = op & 7;
  if (op === CALL || op === CALLX) return 0;
  if (group === 0 && op !== LDDW) return 0;
  if (group === 1 || group === 4 || group === 7 || op === LDDW) return dst[at]! >> 1;
  if (group !== 3 || (op & 0xe0) !== 0xc0) return -1;
  if (imm[at] === 0x100) return dst[at]! >> 1;
  if (imm[at] === 0xf1) return 0;
  return (imm[at]! & 1) !== 0 ? src[at]! >> 1 : -1;
}

/** By register: the low half of the one constant that a function ever gives it. */
function constantsOf(program: DecodedProgram, graph: Graph): (number | undefined)[] {
  const { opcode, src, imm, constants } = program;
  const writes = new Array<number>(REGISTERS).fill(0);
  // r1 to r5 are given at entry; calls leave them as they please.
  for (let register = 1; register <= 5; register++) writes[register] = 1;
  const found = new Array<number | undefined>(REGISTERS).fill(undefined);
  for (const [block, start] of graph.start.entries()) {
    for (let at = start; at < graph.end[block]!; at++) {
      const to = written(program, at);
      const op = opcode[at]!;
      if (to >= 0) {
        writes[to]!++;
        if (op === LDDW) found[to] = Number(BigInt.asIntN(32, constants[(src[at]! >> 1) - REGISTERS]!));
        else if (op === MOV_CONSTANT) found[to] = imm[at]!;
      }
      if (op === LDDW) at++;
    }
  }
  return found.map((constant, register) => (writes[register] === 1 ? constant : undefined));
}

/** @param stackTop offset in memory of what r10 points to, where it is known and never written */
export function trackSums(program: DecodedProgram, graph: Graph, stackTop: number | undefined): Sums {
  const { opcode, dst, src, offset, imm } = program;
  const constants = constantsOf(program, graph);
  constants[10] = stackTop;
  const sums = new Array<Sum | undefined>(REGISTERS).fill(undefined);

  const of = (register: number): Sum | undefined => {
    const constant = constants[register];
    return constant === undefined ? sums[register] : { base: constant, register: -1 };
  };
  /** The sum that a register is after an instruction, undefined where it is none. */
  const after = (at: number, to: number): Sum | undefined => {
    const from = src[at]! >> 1;
    const before = sums[to];
    switch (opcode[at]) {
      case MOV:
        return offset[at] === 0 && from !== to ? (of(from) ?? { base: 0, register: from }) : undefined;
      case ADD_CONSTANT:
        return before && { base: (before.base + imm[at]!) | 0, register: before.register };
      case ADD: {
        if (!before) return undefined;
        const added = of(from) ?? { base: 0, register: from };
        if (added.register >= 0 && (before.register >= 0 || added.register === to)) return undefined;
        return { base: (before.base + added.base) | 0, register: Math.max(before.register, added.register) };
      }
      default:
        return undefined;
    }
  };
  return {
    of,
    forget: () => {
      sums.fill(undefined);
    },
    follow: (at) => {
      const to = written(program, at);
      if (to < 0) return;
      const sum = dst[at]! >> 1 === to ? after(at, to) : undefined;
      for (const [register, each] of sums.entries()) if (each?.register === to) sums[register] = undefined;
      sums[to] = sum?.register === to ? undefined : sum;
    },
  };
}
