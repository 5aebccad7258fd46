import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, CLASSES, type Instruction, LDDW } from '../isa/index.ts';
import { nearest } from '../text/index.ts';
import { type AccessProblem, followAccess } from './access.ts';
import type { Btf, BtfAccess } from './btf.ts';
import type { ProgramSpec, Relocation } from './object.ts';

/** Thrown where a program can't be fitted to a kernel. */
export class RelocationError extends Error {
  readonly program: string;
  /** Index of the instruction's slot. */
  readonly at: number;

  constructor(program: ProgramSpec, at: number, problem: string) {
    super(`program "${program.name}", instruction ${at}: ${problem}`);
    this.name = 'RelocationError';
    this.program = program.name;
    this.at = at;
  }
}

type Field = Extract<Relocation, { kind: 'field' }>;

const MAX_OFFSET = 0x7fff;
/** Sizes of loads and stores by bits 4 and 3 of the opcode: w, h, b, dw. */
const ACCESS_BYTES = [4, 2, 1, 8] as const;

const classOf = (instruction: Instruction): number => instruction.opcode & 7;
const isMemoryAccess = (instruction: Instruction): boolean =>
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
function fieldValue(btf: Btf, { access, what }: Field): number | { problem: string } | { access: BtfAccess } {
  const followed = followAccess(btf, access);
  if ('problem' in followed) {
    const { problem } = followed;
    const missing = problem.code === 'no_struct' || problem.code === 'no_member' || problem.code === 'beyond_array';
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

/**
 * A program's instructions with its relocations filled in: handles of maps, and what the kernel's BTF says of each member (CO-RE by name).
 * @param maps the handle of a map by its spec's name.
 * @throws RelocationError
 */
export function relocate(program: ProgramSpec, maps: (name: string) => number | undefined, btf: Btf): Instruction[] {
  const instructions = [...program.instructions];
  for (const relocation of program.relocations) {
    const { at } = relocation;
    const fail = (problem: string): RelocationError => new RelocationError(program, at, problem);
    const instruction = instructions[at];
    if (!instruction) throw fail(`a relocation names it, but the program has ${instructions.length} slots`);
    const second = instruction.opcode === LDDW ? instructions[at + 1] : undefined;
    if (instruction.opcode === LDDW && !second) throw fail('a wide instruction has no second slot');
    if (relocation.kind === 'field') {
      const value = fieldValue(btf, relocation);
      if (typeof value === 'object' && 'problem' in value) throw fail(value.problem);
      if (typeof value === 'number' && isMemoryAccess(instruction))
        throw fail(`"${relocation.what}" of ${relocation.access} goes into imm, but this is a load or store`);
      const patched =
        typeof value === 'number'
          ? { ...instruction, imm: value }
          : patchOffset(instruction, relocation.access, value.access);
      if ('problem' in patched) throw fail(patched.problem);
      instructions[at] = patched;
      if (second) instructions[at + 1] = { ...second, imm: 0 };
      continue;
    }
    if (relocation.kind !== 'map' && relocation.kind !== 'map_value')
      throw fail(`relocations of kind ${relocation.kind} need the object's own BTF`);
    if (!second) throw fail(`a reference to map "${relocation.map}" needs a wide instruction (lddw)`);
    const handle = maps(relocation.map);
    if (handle === undefined) throw fail(`there is no map "${relocation.map}"; create it before the program is loaded`);
    const isValue = relocation.kind === 'map_value';
    instructions[at] = { ...instruction, src: isValue ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD, imm: handle };
    instructions[at + 1] = { ...second, imm: isValue ? relocation.offset : 0 };
  }
  return instructions;
}
