import { CLASSES, type Instruction } from '../isa/index.ts';
import { nearest } from '../text/index.ts';
import { type AccessProblem, followAccess } from './access.ts';
import type { Btf, BtfAccess } from './btf.ts';
import type { Relocation } from './object.ts';

/** CO-RE by name, as the rule compiler writes it. */
export type FieldRelocation = Extract<Relocation, { kind: 'field' }>;

const MAX_OFFSET = 0x7fff;
/** Sizes of loads and stores by bits 4 and 3 of the opcode: w, h, b, dw. */
export const ACCESS_BYTES = [4, 2, 1, 8] as const;

const classOf = (instruction: Instruction): number => instruction.opcode & 7;
/** Whether it is a load or store through a register. */
export const isMemoryAccess = (instruction: Instruction): boolean =>
  classOf(instruction) === CLASSES.ldx || classOf(instruction) === CLASSES.st || classOf(instruction) === CLASSES.stx;

function explain(access: string, problem: AccessProblem): string {
  switch (problem.code) {
    case 'malformed':
      return `"${access}" is not a path; write for example "task_struct.cred" or "path.dentry[0]"`;
    case 'no_struct':
      return `this kernel's BTF has no struct "${problem.name}"`;
    case 'no_member': {
      const near = nearest(problem.name, problem.names);
      const hint = near === undefined ? '' : `; did you mean "${near}"?`;
      return `${problem.owner} has no member "${problem.name}" in this kernel${hint}`;
    }
    case 'pointer':
      return `"${access}" goes through the pointer ${problem.owner}; load the pointer first and name the rest from the struct it points to`;
    case 'not_a_struct':
      return `"${access}" goes through ${problem.owner}, which is of kind ${problem.kind}, not a struct or union`;
    case 'not_an_array':
      return `"${access}" takes an element of ${problem.owner}, which is of kind ${problem.kind}, not an array`;
    case 'beyond_array':
      return `"${access}" takes element ${problem.index} of ${problem.owner}, which has ${problem.length} elements`;
  }
}

/** What a field relocation comes to, or what stands against it. */
function fieldValue(
  btf: Btf,
  { access, what }: FieldRelocation,
): number | 'missing' | { problem: string } | { access: BtfAccess } {
  const followed = followAccess(btf, access);
  if ('problem' in followed) {
    const { problem } = followed;
    const missing = problem.code === 'no_struct' || problem.code === 'no_member' || problem.code === 'beyond_array';
    if (missing && what === 'offset_or_0') return 'missing';
    return what === 'exists' && missing ? 0 : { problem: explain(access, problem) };
  }
  if (what === 'exists') return 1;
  if (followed.access.bits)
    return {
      problem: `${access} is a bit field (width ${followed.access.bits.size}), which relocation can't address; name the member before it and shift`,
    };
  return what === 'size' ? followed.access.size : { access: followed.access };
}

function patchOffset(instruction: Instruction, path: string, access: BtfAccess): Instruction | { problem: string } {
  if (!isMemoryAccess(instruction)) return { ...instruction, imm: access.offset };
  const bytes = ACCESS_BYTES[(instruction.opcode >> 3) & 3] as number;
  if (bytes > access.size && access.size > 0)
    return {
      problem: `it accesses ${bytes} bytes at ${path}, which has ${access.size} in this kernel; use an access of its size`,
    };
  if (access.offset > MAX_OFFSET)
    return {
      problem: `${path} lies at offset ${access.offset}, beyond the ${MAX_OFFSET} that an instruction can hold; add the offset to the pointer instead`,
    };
  return { ...instruction, offset: access.offset };
}

/** The instruction with what the kernel's BTF says of the member, or what stands against it. */
export function relocateField(
  instruction: Instruction,
  relocation: FieldRelocation,
  btf: Btf,
): Instruction | { readonly problem: string } {
  const value = fieldValue(btf, relocation);
  if (typeof value === 'object' && 'problem' in value) return value;
  if (value === 'missing')
    return isMemoryAccess(instruction) ? { ...instruction, offset: 0 } : { ...instruction, imm: 0 };
  if (typeof value !== 'number') return patchOffset(instruction, relocation.access, value.access);
  if (isMemoryAccess(instruction))
    return { problem: `"${relocation.what}" of ${relocation.access} goes into imm, but this is a load or store` };
  return { ...instruction, imm: value };
}
