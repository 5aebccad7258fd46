import type { DecodedProgram } from '../decoded.ts';
import { Fault } from '../fault.ts';
import { FRAMES } from '../thread.ts';
import { accessBytes } from './access.ts';

const [CALL, LDDW, LOAD_ACQUIRE] = [0x85, 0x18, 0x100] as const;

/** Register and verb of the access that an instruction makes. */
function accessOf({ opcode, dst, src, imm }: DecodedProgram, at: number): { base: number; verb: 'reads' | 'writes' } {
  const isOrdered = (opcode[at]! & 7) === 3 && (opcode[at]! & 0xe0) === 0xc0 && imm[at] === LOAD_ACQUIRE;
  return (opcode[at]! & 7) === 1 || isOrdered
    ? { base: src[at]! >> 1, verb: 'reads' }
    : { base: dst[at]! >> 1, verb: 'writes' };
}

/** What the interpreter says of the same instruction where it can't go on. */
export function faultAt(program: DecodedProgram, at: number, address: bigint): Fault {
  const opcode = program.opcode[at]!;
  if (opcode === CALL) return new Fault(at, `calls more than ${FRAMES} functions deep`);
  if (opcode === 0)
    return at >= program.opcode.length - 1
      ? new Fault(at, 'the program runs or jumps out of its instructions')
      : new Fault(at, 'there is no instruction of this machine');
  const { base, verb } = accessOf(program, at);
  const distance = program.offset[at]!;
  const operand = `r${base} ${distance < 0 ? '' : '+'}${distance} = 0x${BigInt.asUintN(64, address).toString(16)}`;
  return new Fault(at, `${verb} ${accessBytes(opcode)} bytes at ${operand}, where there is no memory`);
}

/** The end of the budget: `count` instructions begin at a slot, of which `left` could still be executed. */
export function exhaustedAt({ opcode }: DecodedProgram, start: number, left: number, maxInstructions: number): Fault {
  let at = start;
  for (let n = 0; n < left; n++) at += opcode[at] === LDDW ? 2 : 1;
  return new Fault(at, `the run was stopped after ${maxInstructions} instructions`);
}

/** A trap of compiled code: only programs that the verifier should not have accepted, as others check first. */
export function trapAt(program: DecodedProgram, at: number): Fault {
  const { base, verb } = accessOf(program, at);
  const bytes = accessBytes(program.opcode[at]!);
  return new Fault(at, `${verb} ${bytes} bytes at r${base} ${program.offset[at]}, beyond the machine's memory`);
}
