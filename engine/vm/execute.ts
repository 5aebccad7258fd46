import { BPF_PSEUDO_CALL } from '../isa/index.ts';
import { both, from, inPacket, LOAD_ACQUIRE, ordered, to } from './access.ts';
import { atomic, byteOrder, divide64, modulo64, multiply64, signedDivide64, signedModulo64 } from './arithmetic.ts';
import { type Code, enterCode } from './code.ts';
import { codeSlot, LOAD_POINTER } from './decoded.ts';
import { Fault } from './fault.ts';
import type { Helper } from './helper.ts';
import { HelperError } from './helper-arguments.ts';
import { describeHelper } from './helper-names.ts';
import { KERNEL_BASE_HIGH } from './memory.ts';
import { MAX_MAY_GOTO } from './thread.ts';

/** `src` of a call of a kernel function. */
const BPF_PSEUDO_KFUNC_CALL = 2;
/** What a callback's frame has for a slot to return to. */
const TO_HELPER = -1;

/** Calls a function of the program from a helper; returns r0. @throws Fault */
export function callFunction(code: Code, address: bigint, args: readonly bigint[]): bigint {
  const { R, r, thread } = code;
  const slot = codeSlot(address, code.program.instructions.length);
  if (slot === undefined) throw new HelperError('callback', `0x${address.toString(16)} is no function of the program`);
  thread.enter(r, R, slot, TO_HELPER);
  for (const [index, value] of args.entries()) R[index + 1] = value;
  execute(code, slot);
  thread.leave(r);
  return R[0]!;
}

function callHelper(code: Code, at: number, helper: Helper | undefined, id: number): void {
  const { R, r, registers, environment, machine, checks } = code;
  if (!helper) throw new Fault(at, `calls ${describeHelper(id)}, which this machine does not have`);
  try {
    if (checks === undefined) {
      if (!helper.fast?.(environment, r)) R[0] = helper.run(environment, registers, machine);
    } else {
      checks.call(at, helper, registers);
      const args = registers.slice(0, 6);
      R[0] = helper.run(environment, registers, machine);
      checks.returned(at, helper, args, R[0]!);
    }
  } catch (error) {
    throw error instanceof HelperError ? new Fault(at, error.message) : error;
  }
}

/** Goes on with another program in the place of the function that runs now; its r0 is that function's. */
function tailCall(code: Code, at: number, handle: number): number {
  const { thread, environment, checks } = code;
  const target = environment.program?.(handle);
  if (!target) throw new Fault(at, `tail-calls program ${handle}, which this machine does not have`);
  const next = code.codeOf(target);
  thread.tailCall = undefined;
  thread.tailCalls++;
  thread.mayGoto[thread.depth] = MAX_MAY_GOTO;
  checks?.enter();
  enterCode(next, 0n);
  const end = execute(next, 0);
  code.R[0] = next.R[0]!;
  return end;
}

/**
 * Runs from a slot to the end of the function that is the innermost one then; gives the slot of its exit. Registers are one array of
 * 64-bit words seen also as 32-bit halves: JavaScript computes with those without allocating, which it can't with BigInt.
 * @throws Fault
 */
export function execute(code: Code, start: number): number {
  const { opcode, dst, src, offset, imm, called, r, R, view, thread, maxInstructions } = code;
  const base = thread.depth;
  let pc = start;
  let executed = thread.executed;
  try {
    for (;;) {
      const at = pc++;
      const d = dst[at]!;
      const s = src[at]!;
      if (executed === maxInstructions) {
        throw new Fault(at, `the run was stopped after ${maxInstructions} instructions`);
      }
      executed++;
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

        case 0x85: // call: of this program's own function, of a helper, of a kernel function
          if (s === BPF_PSEUDO_CALL * 2) {
            thread.enter(r, R, at, at + 1);
            pc = offset[at]!;
            break;
          }
          if (s === BPF_PSEUDO_KFUNC_CALL * 2 && called[at] === undefined)
            throw new Fault(at, `calls kernel function ${imm[at]}, which this machine does not have`);
          thread.executed = executed;
          callHelper(code, at, called[at], imm[at]!);
          if (thread.tailCall !== undefined) {
            const end = tailCall(code, at, thread.tailCall);
            if (thread.depth === base) return end;
            pc = thread.leave(r);
          }
          executed = thread.executed;
          break;
        case 0x8d: // callx: of the helper whose number the register has
          thread.executed = executed;
          callHelper(code, at, code.helperOf(Number(R[d >> 1])), Number(R[d >> 1]));
          executed = thread.executed;
          break;
        case 0x95: // exit
          if (thread.depth === base) return at;
          pc = thread.leave(r);
          break;
        case 0xe5: // may_goto: leaves the loop when its budget is used up
          if (thread.mayGoto[thread.depth] === 0) pc = offset[at]!;
          else thread.mayGoto[thread.depth]!--;
          break;

        case 0x18: // lddw
          r[d] = r[s]!;
          r[d + 1] = r[s + 1]!;
          pc++;
          break;
        case 0x71: // ldxb
        case 0x91: {
          const place = from(code, at, s, 1);
          if (place === -1) r[d] = 0;
          else r[d] = opcode[at] === 0x71 ? view.getUint8(place) : view.getInt8(place);
          r[d + 1] = opcode[at] === 0x71 ? 0 : r[d]! >> 31;
          break;
        }
        case 0x69: // ldxh
        case 0x89: {
          const place = from(code, at, s, 2);
          if (place === -1) r[d] = 0;
          else r[d] = opcode[at] === 0x69 ? view.getUint16(place, true) : view.getInt16(place, true);
          r[d + 1] = opcode[at] === 0x69 ? 0 : r[d]! >> 31;
          break;
        }
        case 0x61: // ldxw
        case 0x81: {
          const place = from(code, at, s, 4);
          r[d] = place === -1 ? 0 : view.getInt32(place, true);
          r[d + 1] = opcode[at] === 0x61 ? 0 : r[d]! >> 31;
          break;
        }
        case LOAD_POINTER: {
          const place = from(code, at, s, 4);
          r[d] = view.getInt32(place, true);
          r[d + 1] = r[d] === 0 ? 0 : KERNEL_BASE_HIGH;
          break;
        }
        case 0x79: {
          // ldxdw
          const place = from(code, at, s, 8);
          if (place === -1) {
            r[d] = 0;
            r[d + 1] = 0;
          } else {
            r[d] = view.getInt32(place, true);
            r[d + 1] = view.getInt32(place + 4, true);
          }
          break;
        }
        case 0x72: // stb
        case 0x73:
          view.setInt8(to(code, at, d, 1), r[s]!);
          break;
        case 0x6a: // sth
        case 0x6b:
          view.setInt16(to(code, at, d, 2), r[s]!, true);
          break;
        case 0x62: // stw
        case 0x63:
          view.setInt32(to(code, at, d, 4), r[s]!, true);
          break;
        case 0x7a: // stdw
        case 0x7b: {
          const place = to(code, at, d, 8);
          view.setInt32(place, r[s]!, true);
          view.setInt32(place + 4, r[s + 1]!, true);
          break;
        }
        case 0xd3: // load_acquire, store_release of 8 and 16 bits
        case 0xcb:
          ordered(code, at, d, s, opcode[at] === 0xd3 ? 1 : 2);
          break;
        case 0xc3: // lock, load_acquire and store_release of 32 and 64 bits
        case 0xdb: {
          const bits = opcode[at] === 0xc3 ? 32 : 64;
          if (imm[at]! >= LOAD_ACQUIRE) ordered(code, at, d, s, bits / 8);
          else atomic(view, both(code, at, d, bits / 8), bits, r, s, imm[at]!);
          break;
        }
        case 0x20: // ldabs, ldind
        case 0x28:
        case 0x30:
        case 0x40:
        case 0x48:
        case 0x50: {
          const bytes = (opcode[at]! & 0x18) === 0 ? 4 : (opcode[at]! & 0x18) === 8 ? 2 : 1;
          const place = inPacket(code, (r[s]! + (opcode[at]! < 0x40 ? 0 : imm[at]!)) | 0, bytes);
          r[1] = 0;
          r[0] =
            place === -1
              ? 0
              : bytes === 4
                ? view.getInt32(place)
                : bytes === 2
                  ? view.getUint16(place)
                  : view.getUint8(place);
          if (place !== -1) break;
          if (thread.depth === base) return at;
          pc = thread.leave(r);
          break;
        }
        default:
          throw at >= code.program.instructions.length
            ? new Fault(at, 'the program runs or jumps out of its instructions')
            : new Fault(at, 'there is no instruction of this machine');
      }
    }
  } finally {
    if (executed > thread.executed) thread.executed = executed;
  }
}
