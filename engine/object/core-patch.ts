import { CLASSES, type Instruction, LDDW } from '../isa/index.ts';
import type { Btf } from './btf.ts';
import { type CoreRelocation, type CoreResult, describeCore } from './core.ts';
import { ACCESS_BYTES, isMemoryAccess } from './relocate-field.ts';

const MAX_OFFSET = 0x7fff;
/** Bit 3 of arithmetic: the second operand is a register. */
const REGISTER = 8;
/** Bits 4 and 3 of a load or store, by its size in bytes. */
const SIZE_BITS: Readonly<Record<number, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

/** A load or store whose member has another width in the kernel and would read a wrong value. */
interface Misread {
  readonly misread: string;
}

/** The instruction with the answer put where it belongs (bpf_core_patch_insn of libbpf's relo_core.c). */
export function patchCore(
  instruction: Instruction,
  second: Instruction | undefined,
  relocation: CoreRelocation,
  { value, original, width }: Extract<CoreResult, { value: bigint }>,
  local: Btf,
): readonly Instruction[] | Misread | { readonly problem: string } {
  const what = describeCore(relocation, local);
  const differs = (held: bigint): { problem: string } | undefined =>
    original === undefined || BigInt.asUintN(64, held) === original
      ? undefined
      : { problem: `${what}: the instruction holds ${held}, but the object's BTF says ${original}; compile it again` };
  if (isMemoryAccess(instruction)) {
    const wrong = differs(BigInt(instruction.offset));
    if (wrong) return wrong;
    if (value > MAX_OFFSET)
      return {
        problem: `${what}: offset ${value} is beyond the ${MAX_OFFSET} that an instruction can hold; add the offset to the pointer instead`,
      };
    if (!width) return [{ ...instruction, offset: Number(value) }];
    if (!width.adjustable)
      return {
        misread: `${what}: ${width.from} bytes in the object, ${width.to} in this kernel, and not both unsigned; read it with BPF_CORE_READ_BITFIELD() or bpf_core_read()`,
      };
    const bytes = ACCESS_BYTES[(instruction.opcode >> 3) & 3];
    const size = SIZE_BITS[width.to];
    if (bytes !== width.from || size === undefined)
      return {
        problem: `${what}: an access of ${bytes} bytes to a member of ${width.from} can't become one of ${width.to}`,
      };
    return [{ ...instruction, opcode: (instruction.opcode & ~0x18) | size, offset: Number(value) }];
  }
  const low = Number(BigInt.asIntN(32, value));
  if (instruction.opcode === LDDW && second && instruction.src === 0) {
    const held = (BigInt(second.imm) << 32n) | BigInt(instruction.imm >>> 0);
    return (
      differs(held) ?? [
        { ...instruction, imm: low },
        { ...second, imm: Number(BigInt.asIntN(32, value >> 32n)) },
      ]
    );
  }
  const cls = instruction.opcode & 7;
  if ((cls === CLASSES.alu || cls === CLASSES.alu64) && (instruction.opcode & REGISTER) === 0)
    return differs(BigInt(instruction.imm)) ?? [{ ...instruction, imm: low }];
  return { problem: `${what}: opcode 0x${instruction.opcode.toString(16)} has no place for it` };
}
