import { BPF_PSEUDO_CALL, type Instruction } from '../isa/index.ts';
import { atomic, byteOrder, divide64, modulo64, multiply64, signedDivide64, signedModulo64 } from './arithmetic.ts';
import { decodeProgram, REGISTERS } from './decoded.ts';
import type { VmEnvironment } from './environment.ts';
import { Fault } from './fault.ts';
import type { Helper } from './helper.ts';
import { HelperError } from './helper-arguments.ts';
import { helperById } from './helpers.ts';

/** Bytes of a function's stack, and how many functions deep calls may go (MAX_BPF_STACK, MAX_CALL_FRAMES). */
const STACK_BYTES = 512;
const FRAMES = 8;
/** Where r6 and r10 begin in the register halves: what a local call saves. */
const [SAVED, SAVED_END] = [6 * 2, 11 * 2];

/** A relocated program as the machine takes it. */
export interface ExecutableProgram {
  readonly instructions: readonly Instruction[];
  /** Slots of loads that read 0 where they would fault (the kernel's BPF_PROBE_MEM). */
  readonly probeReads?: ReadonlySet<number>;
}

export interface InterpreterOptions {
  /** Instructions that one run may execute; default 16,000,000. */
  readonly maxInstructions?: number;
  /** A helper by its id; default all of HELPERS. */
  readonly helper?: (id: number) => Helper | undefined;
}

/** A program, ready to run any number of times. */
export interface Interpreter {
  /** Runs from the first instruction with r1 and r2 set and returns r0, unsigned. @throws Fault */
  run(contextAddress: bigint, contextLength?: bigint): bigint;
  /** Instructions that the last run executed. */
  readonly executed: number;
  /** Gives the stack's memory back; the program can't run afterwards. */
  close(): void;
}

/**
 * The reference machine for RFC 9669. Registers are one array of 64-bit words seen also as 32-bit halves: JavaScript computes with
 * those without allocating, which it can't with BigInt.
 */
export function createInterpreter(
  program: ExecutableProgram,
  environment: VmEnvironment,
  options: InterpreterOptions = {},
): Interpreter {
  const { opcode, dst, src, offset, imm, constants } = decodeProgram(program.instructions, environment);
  const { memory } = environment;
  const { view } = memory;
  const { probeReads } = program;
  const helperOf = options.helper ?? helperById;
  const called = program.instructions.map(({ opcode, imm }) => (opcode === 0x85 ? helperOf(imm) : undefined));
  const maxInstructions = options.maxInstructions ?? 16_000_000;

  const R = new BigUint64Array(REGISTERS + constants.length);
  const r = new Int32Array(R.buffer);
  const registers = R.subarray(0, REGISTERS);
  for (const [index, value] of constants.entries()) R[REGISTERS + index] = value;

  const stack = memory.allocate(STACK_BYTES * FRAMES);
  const stackTop = memory.address(stack + STACK_BYTES * FRAMES);
  const returnTo = new Int32Array(FRAMES);
  const saved = new Int32Array(FRAMES * (SAVED_END - SAVED));
  let depth = 0;
  let executed = 0;
  let running = false;
  let closed = false;

  /** The offset in memory that an access goes to, or -1. */
  const place = (base: number, distance: number, length: number): number => {
    const low = (r[base]! + distance) | 0;
    const carry = low >>> 0 < r[base]! >>> 0 ? 1 : 0;
    return memory.offsetOf(low, (r[base + 1]! + (distance >> 31) + carry) | 0, length);
  };

  const noMemory = (at: number, base: number, length: number, verb: 'reads' | 'writes'): Fault => {
    const address = BigInt.asUintN(64, R[base >> 1]! + BigInt(offset[at]!));
    const operand = `r${base >> 1} ${offset[at]! < 0 ? '' : '+'}${offset[at]}`;
    return new Fault(at, `${verb} ${length} bytes at ${operand} = 0x${address.toString(16)}, where there is no memory`);
  };

  /** Whether a load that faults reads 0. @throws Fault where it may not */
  const readsZero = (at: number, base: number, length: number): void => {
    if (!probeReads?.has(at)) throw noMemory(at, base, length, 'reads');
  };

  const callHelper = (at: number, helper: Helper | undefined, id: number): void => {
    if (!helper) throw new Fault(at, `calls helper ${id}, which this machine does not have`);
    try {
      R[0] = helper.run(environment, registers, { call: () => 0n, tailCall: () => {}, context: 0n });
    } catch (error) {
      throw error instanceof HelperError ? new Fault(at, error.message) : error;
    }
  };

  const enter = (at: number): void => {
    if (depth === FRAMES - 1) throw new Fault(at, `calls more than ${FRAMES} functions deep`);
    saved.set(r.subarray(SAVED, SAVED_END), depth * (SAVED_END - SAVED));
    returnTo[depth++] = at + 1;
    R[10] = R[10]! - BigInt(STACK_BYTES);
  };

  const leave = (): number => {
    depth--;
    const from = depth * (SAVED_END - SAVED);
    r.set(saved.subarray(from, from + SAVED_END - SAVED), SAVED);
    return returnTo[depth]!;
  };

  const execute = (): void => {
    let pc = 0;
    for (;;) {
      const at = pc++;
      const d = dst[at]!;
      const s = src[at]!;
      if (executed++ === maxInstructions) {
        executed = maxInstructions;
        throw new Fault(at, `the run was stopped after ${maxInstructions} instructions`);
      }
      switch (opcode[at]) {
        case 0x07: // add
        case 0x0f: {
          const low = (r[d]! + r[s]!) | 0;
          r[d + 1] = r[d + 1]! + r[s + 1]! + (low >>> 0 < r[d]! >>> 0 ? 1 : 0);
          r[d] = low;
          break;
        }
        case 0x17: // sub
        case 0x1f: {
          const borrow = r[d]! >>> 0 < r[s]! >>> 0 ? 1 : 0;
          r[d + 1] = r[d + 1]! - r[s + 1]! - borrow;
          r[d] = r[d]! - r[s]!;
          break;
        }
        case 0x27: // mul
        case 0x2f:
          multiply64(r, d, s);
          break;
        case 0x37: // div, sdiv
        case 0x3f:
          if (offset[at] === 0) divide64(r, R, d, s);
          else signedDivide64(R, d, s);
          break;
        case 0x47: // or
        case 0x4f:
          r[d] = r[d]! | r[s]!;
          r[d + 1] = r[d + 1]! | r[s + 1]!;
          break;
        case 0x57: // and
        case 0x5f:
          r[d] = r[d]! & r[s]!;
          r[d + 1] = r[d + 1]! & r[s + 1]!;
          break;
        case 0x67: // lsh
        case 0x6f: {
          const n = r[s]! & 63;
          const low = r[d]!;
          if (n > 31) {
            r[d + 1] = low << (n - 32);
            r[d] = 0;
          } else if (n > 0) {
            r[d + 1] = (r[d + 1]! << n) | (low >>> (32 - n));
            r[d] = low << n;
          }
          break;
        }
        case 0x77: // rsh
        case 0x7f: {
          const n = r[s]! & 63;
          const high = r[d + 1]!;
          if (n > 31) {
            r[d] = high >>> (n - 32);
            r[d + 1] = 0;
          } else if (n > 0) {
            r[d] = (r[d]! >>> n) | (high << (32 - n));
            r[d + 1] = high >>> n;
          }
          break;
        }
        case 0x87: // neg
          r[d] = -r[d]!;
          r[d + 1] = ~r[d + 1]! + (r[d] === 0 ? 1 : 0);
          break;
        case 0x97: // mod, smod
        case 0x9f:
          if (offset[at] === 0) modulo64(r, R, d, s);
          else signedModulo64(R, d, s);
          break;
        case 0xa7: // xor
        case 0xaf:
          r[d] = r[d]! ^ r[s]!;
          r[d + 1] = r[d + 1]! ^ r[s + 1]!;
          break;
        case 0xb7: // mov, movsx
        case 0xbf:
          if (offset[at] === 0) {
            r[d + 1] = r[s + 1]!;
            r[d] = r[s]!;
          } else {
            const unused = 32 - offset[at]!;
            r[d] = (r[s]! << unused) >> unused;
            r[d + 1] = r[d]! >> 31;
          }
          break;
        case 0xc7: // arsh
        case 0xcf: {
          const n = r[s]! & 63;
          const high = r[d + 1]!;
          if (n > 31) {
            r[d] = high >> (n - 32);
            r[d + 1] = high >> 31;
          } else if (n > 0) {
            r[d] = (r[d]! >>> n) | (high << (32 - n));
            r[d + 1] = high >> n;
          }
          break;
        }
        case 0xd7: // bswap
          byteOrder(r, d, imm[at]!, true);
          break;

        case 0x04: // add32
        case 0x0c:
          r[d] = r[d]! + r[s]!;
          r[d + 1] = 0;
          break;
        case 0x14: // sub32
        case 0x1c:
          r[d] = r[d]! - r[s]!;
          r[d + 1] = 0;
          break;
        case 0x24: // mul32
        case 0x2c:
          r[d] = Math.imul(r[d]!, r[s]!);
          r[d + 1] = 0;
          break;
        case 0x34: // div32, sdiv32
        case 0x3c:
          if (r[s] === 0) r[d] = 0;
          else if (offset[at] === 0) r[d] = (r[d]! >>> 0) / (r[s]! >>> 0);
          else r[d] = r[d]! / r[s]!;
          r[d + 1] = 0;
          break;
        case 0x44: // or32
        case 0x4c:
          r[d] = r[d]! | r[s]!;
          r[d + 1] = 0;
          break;
        case 0x54: // and32
        case 0x5c:
          r[d] = r[d]! & r[s]!;
          r[d + 1] = 0;
          break;
        case 0x64: // lsh32
        case 0x6c:
          r[d] = r[d]! << r[s]!;
          r[d + 1] = 0;
          break;
        case 0x74: // rsh32
        case 0x7c:
          r[d] = r[d]! >>> r[s]!;
          r[d + 1] = 0;
          break;
        case 0x84: // neg32
          r[d] = -r[d]!;
          r[d + 1] = 0;
          break;
        case 0x94: // mod32, smod32
        case 0x9c:
          if (r[s] !== 0) r[d] = offset[at] === 0 ? (r[d]! >>> 0) % (r[s]! >>> 0) : r[d]! % r[s]!;
          r[d + 1] = 0;
          break;
        case 0xa4: // xor32
        case 0xac:
          r[d] = r[d]! ^ r[s]!;
          r[d + 1] = 0;
          break;
        case 0xb4: // mov32, movsx32
        case 0xbc: {
          const unused = offset[at] === 0 ? 0 : 32 - offset[at]!;
          r[d] = (r[s]! << unused) >> unused;
          r[d + 1] = 0;
          break;
        }
        case 0xc4: // arsh32
        case 0xcc:
          r[d] = r[d]! >> r[s]!;
          r[d + 1] = 0;
          break;
        case 0xd4: // le
          byteOrder(r, d, imm[at]!, false);
          break;
        case 0xdc: // be
          byteOrder(r, d, imm[at]!, true);
          break;

        case 0x05: // ja
        case 0x06: // gotol
          pc = offset[at]!;
          break;
        case 0x15: // jeq
        case 0x1d:
          if (r[d] === r[s] && r[d + 1] === r[s + 1]) pc = offset[at]!;
          break;
        case 0x55: // jne
        case 0x5d:
          if (r[d] !== r[s] || r[d + 1] !== r[s + 1]) pc = offset[at]!;
          break;
        case 0x25: // jgt
        case 0x2d:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 > r[s]! >>> 0 : r[d + 1]! >>> 0 > r[s + 1]! >>> 0) pc = offset[at]!;
          break;
        case 0x35: // jge
        case 0x3d:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 >= r[s]! >>> 0 : r[d + 1]! >>> 0 > r[s + 1]! >>> 0) pc = offset[at]!;
          break;
        case 0xa5: // jlt
        case 0xad:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 < r[s]! >>> 0 : r[d + 1]! >>> 0 < r[s + 1]! >>> 0) pc = offset[at]!;
          break;
        case 0xb5: // jle
        case 0xbd:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 <= r[s]! >>> 0 : r[d + 1]! >>> 0 < r[s + 1]! >>> 0) pc = offset[at]!;
          break;
        case 0x65: // jsgt
        case 0x6d:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 > r[s]! >>> 0 : r[d + 1]! > r[s + 1]!) pc = offset[at]!;
          break;
        case 0x75: // jsge
        case 0x7d:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 >= r[s]! >>> 0 : r[d + 1]! > r[s + 1]!) pc = offset[at]!;
          break;
        case 0xc5: // jslt
        case 0xcd:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 < r[s]! >>> 0 : r[d + 1]! < r[s + 1]!) pc = offset[at]!;
          break;
        case 0xd5: // jsle
        case 0xdd:
          if (r[d + 1] === r[s + 1] ? r[d]! >>> 0 <= r[s]! >>> 0 : r[d + 1]! < r[s + 1]!) pc = offset[at]!;
          break;
        case 0x45: // jset
        case 0x4d:
          if ((r[d]! & r[s]!) !== 0 || (r[d + 1]! & r[s + 1]!) !== 0) pc = offset[at]!;
          break;

        case 0x16: // jeq32
        case 0x1e:
          if (r[d] === r[s]) pc = offset[at]!;
          break;
        case 0x56: // jne32
        case 0x5e:
          if (r[d] !== r[s]) pc = offset[at]!;
          break;
        case 0x26: // jgt32
        case 0x2e:
          if (r[d]! >>> 0 > r[s]! >>> 0) pc = offset[at]!;
          break;
        case 0x36: // jge32
        case 0x3e:
          if (r[d]! >>> 0 >= r[s]! >>> 0) pc = offset[at]!;
          break;
        case 0xa6: // jlt32
        case 0xae:
          if (r[d]! >>> 0 < r[s]! >>> 0) pc = offset[at]!;
          break;
        case 0xb6: // jle32
        case 0xbe:
          if (r[d]! >>> 0 <= r[s]! >>> 0) pc = offset[at]!;
          break;
        case 0x66: // jsgt32
        case 0x6e:
          if (r[d]! > r[s]!) pc = offset[at]!;
          break;
        case 0x76: // jsge32
        case 0x7e:
          if (r[d]! >= r[s]!) pc = offset[at]!;
          break;
        case 0xc6: // jslt32
        case 0xce:
          if (r[d]! < r[s]!) pc = offset[at]!;
          break;
        case 0xd6: // jsle32
        case 0xde:
          if (r[d]! <= r[s]!) pc = offset[at]!;
          break;
        case 0x46: // jset32
        case 0x4e:
          if ((r[d]! & r[s]!) !== 0) pc = offset[at]!;
          break;

        case 0x85: // call: of a helper, of this program's own function
          if (s === 0) {
            callHelper(at, called[at], imm[at]!);
          } else if (s === BPF_PSEUDO_CALL * 2) {
            enter(at);
            pc = offset[at]!;
          } else {
            throw new Fault(at, `calls kernel function ${imm[at]}, which this machine does not have`);
          }
          break;
        case 0x8d: // callx
          callHelper(at, helperOf(Number(R[d >> 1])), Number(R[d >> 1]));
          break;
        case 0x95: // exit
          if (depth === 0) return;
          pc = leave();
          break;

        case 0x18: // lddw
          r[d] = r[s]!;
          r[d + 1] = r[s + 1]!;
          pc++;
          break;
        case 0x71: // ldxb
        case 0x91: {
          const from = place(s, offset[at]!, 1);
          if (from === -1) {
            readsZero(at, s, 1);
            r[d] = 0;
          } else r[d] = opcode[at] === 0x71 ? view.getUint8(from) : view.getInt8(from);
          r[d + 1] = opcode[at] === 0x71 ? 0 : r[d]! >> 31;
          break;
        }
        case 0x69: // ldxh
        case 0x89: {
          const from = place(s, offset[at]!, 2);
          if (from === -1) {
            readsZero(at, s, 2);
            r[d] = 0;
          } else r[d] = opcode[at] === 0x69 ? view.getUint16(from, true) : view.getInt16(from, true);
          r[d + 1] = opcode[at] === 0x69 ? 0 : r[d]! >> 31;
          break;
        }
        case 0x61: // ldxw
        case 0x81: {
          const from = place(s, offset[at]!, 4);
          if (from === -1) {
            readsZero(at, s, 4);
            r[d] = 0;
          } else r[d] = view.getInt32(from, true);
          r[d + 1] = opcode[at] === 0x61 ? 0 : r[d]! >> 31;
          break;
        }
        case 0x79: {
          // ldxdw
          const from = place(s, offset[at]!, 8);
          if (from === -1) {
            readsZero(at, s, 8);
            r[d] = 0;
            r[d + 1] = 0;
          } else {
            r[d] = view.getInt32(from, true);
            r[d + 1] = view.getInt32(from + 4, true);
          }
          break;
        }
        case 0x72: // stb
        case 0x73: {
          const to = place(d, offset[at]!, 1);
          if (to === -1) throw noMemory(at, d, 1, 'writes');
          view.setInt8(to, r[s]!);
          break;
        }
        case 0x6a: // sth
        case 0x6b: {
          const to = place(d, offset[at]!, 2);
          if (to === -1) throw noMemory(at, d, 2, 'writes');
          view.setInt16(to, r[s]!, true);
          break;
        }
        case 0x62: // stw
        case 0x63: {
          const to = place(d, offset[at]!, 4);
          if (to === -1) throw noMemory(at, d, 4, 'writes');
          view.setInt32(to, r[s]!, true);
          break;
        }
        case 0x7a: // stdw
        case 0x7b: {
          const to = place(d, offset[at]!, 8);
          if (to === -1) throw noMemory(at, d, 8, 'writes');
          view.setInt32(to, r[s]!, true);
          view.setInt32(to + 4, r[s + 1]!, true);
          break;
        }
        case 0xc3: // lock, 32 bits
        case 0xdb: {
          const bits = opcode[at] === 0xc3 ? 32 : 64;
          const to = place(d, offset[at]!, bits / 8);
          if (to === -1) throw noMemory(at, d, bits / 8, 'writes');
          atomic(view, to, bits, r, s, imm[at]!);
          break;
        }
        default:
          throw at >= program.instructions.length
            ? new Fault(at, 'the program runs or jumps out of its instructions')
            : new Fault(at, 'there is no instruction of this machine');
      }
    }
  };

  return {
    run(contextAddress, contextLength) {
      if (running) throw new Fault(0, 'the program is running already; a machine runs one call at a time');
      if (closed) throw new Fault(0, 'the program was closed and has no stack any more');
      r.fill(0, 0, REGISTERS * 2);
      R[1] = contextAddress;
      if (contextLength !== undefined) R[2] = contextLength;
      R[10] = stackTop;
      depth = 0;
      executed = 0;
      running = true;
      try {
        execute();
      } finally {
        running = false;
      }
      return R[0]!;
    },
    get executed() {
      return executed;
    },
    close() {
      if (closed) return;
      closed = true;
      memory.free(stack, STACK_BYTES * FRAMES);
    },
  };
}
