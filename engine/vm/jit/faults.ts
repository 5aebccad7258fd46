import type { DecodedProgram } from '../decoded.ts';
import { Fault } from '../fault.ts';
import { FRAMES } from '../thread.ts';
import { accessBytes } from './access.ts';

const [CALL, LDDW, LOAD_ACQUIRE] = [0x85, 0x18, 0x100] as const;

/** What an instruction does with memory: `reads 8 bytes at r1 +16`. */
function accessText({ opcode, dst, src, offset, imm }: DecodedProgram, at: number): string {
  const op = opcode[at]!;
  const isOrdered = (op & 7) === 3 && (op & 0xe0) === 0xc0 && imm[at] === LOAD_ACQUIRE;
  const reads = (op & 7) === 1 || isOrdered;
  const distance = offset[at]!;
  const place = `r${(reads ? src[at]! : dst[at]!) >> 1} ${distance < 0 ? '' : '+'}${distance}`;
  return `${reads ? 'reads' : 'writes'} ${accessBytes(op)} bytes at ${place}`;
}

/** What the interpreter says of the same instruction where it can't go on. */
export function faultAt(program: DecodedProgram, at: number, address: bigint): Fault {
  const opcode = program.opcode[at]!;
  if (opcode === CALL) return new Fault(at, `calls more than ${FRAMES} functions deep`);
  if (opcode === 0)
    return at >= program.opcode.length - 1
      ? new Fault(at, 'the program runs or jumps out of its instructions')
      : new Fault(at, 'there is no instruction of this machine');
  const place = `${accessText(program, at)} = 0x${BigInt.asUintN(64, address).toString(16)}`;
  return new Fault(at, `${place}, where there is no memory`);
}

/** The end of the budget: `count` instructions begin at a slot, of which `left` could still be executed. */
export function exhaustedAt({ opcode }: DecodedProgram, start: number, left: number, maxInstructions: number): Fault {
  let at = start;
  for (let n = 0; n < left; n++) at += opcode[at] === LDDW ? 2 : 1;
  return new Fault(at, `the run was stopped after ${maxInstructions} instructions`);
}

/** A trap of compiled code: only programs that the verifier should not have accepted, as others check first. */
export const trapAt = (program: DecodedProgram, at: number): Fault =>
  new Fault(at, `${accessText(program, at)}, beyond the machine's memory`);
