import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  type Instruction,
  LDDW,
} from '../isa/index.ts';
import { nearest } from '../text/index.ts';
import type { Btf } from './btf.ts';
import { BtfError } from './btf-kinds.ts';
import { resolveCore } from './core.ts';
import { patchCore } from './core-patch.ts';
import { typesAreCompatible } from './core-types.ts';
import { KCONFIG_MAP } from './elf-externs.ts';
import type { ElfObject, ProgramSpec, Relocation } from './object.ts';
import { relocateField } from './relocate-field.ts';

/** Thrown where a program can't be fitted to a kernel. */
export class RelocationError extends Error {
  readonly program: string;
  /** Index of the instruction's slot. */
  readonly at: number;

  constructor(program: ProgramSpec<string>, at: number, problem: string) {
    super(`program "${program.name}", instruction ${at}: ${problem}`);
    this.name = 'RelocationError';
    this.program = program.name;
    this.at = at;
  }
}

/** What a program is fitted to. */
export interface RelocationTarget {
  /** The handle of a map by its spec's name; undefined where there is none. */
  maps(name: string): number | undefined;
  /** The kernel's. */
  readonly btf: Btf;
  /** The object the program comes from: relocations of kind core refer to its BTF, and `.kconfig` to what it knows. */
  readonly object?: Pick<ElfObject, 'btf' | 'kconfig'>;
  /** The address of a kernel symbol without a type (/proc/kallsyms). */
  address?(name: string): bigint | undefined;
}

/** A program fitted to a kernel. */
export interface RelocatedProgram {
  readonly instructions: readonly Instruction[];
  /**
   * Slots that need what this kernel doesn't have, with the reason: each holds a call that no verifier accepts, so the program runs
   * only where they are never reached, behind a check for the field, type or function.
   */
  readonly poisoned: ReadonlyMap<number, string>;
}

/** `imm` of the call that stands for a CO-RE relocation without an answer: libbpf's "bad relo". */
const POISONED_CORE = 0xbad2310;
/** `imm` of the call that stands for a missing kernel function, as libbpf numbers them, from its place in the program on. */
const POISONED_CALL = 2_002_000_000;
const CALL = 0x85;

const poison = (imm: number): Instruction => ({ opcode: CALL, dst: 0, src: 0, offset: 0, imm });

/** Two slots or one, or what stands against the relocation, or why the instruction can't be reached. */
type Patched =
  | readonly Instruction[]
  | { readonly problem: string }
  | { readonly poison: number; readonly reason: string };

function relocateOne(
  relocation: Relocation,
  instruction: Instruction,
  second: Instruction | undefined,
  target: RelocationTarget,
): Patched {
  switch (relocation.kind) {
    case 'field': {
      const patched = relocateField(instruction, relocation, target.btf);
      if ('problem' in patched) return patched;
      return second ? [patched, { ...second, imm: 0 }] : [patched];
    }
    case 'map':
    case 'map_value': {
      const { kind, map } = relocation;
      if (!second) return { problem: `a reference to map "${map}" needs a wide instruction (lddw)` };
      const unknown = kind === 'map_value' ? unknownKconfig(target, map, relocation.offset) : undefined;
      if (unknown !== undefined) return { problem: unknown };
      const handle = target.maps(map);
      if (handle === undefined) return { problem: `there is no map "${map}"; create it before the program is loaded` };
      const src = kind === 'map_value' ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD;
      const offset = kind === 'map_value' ? relocation.offset : 0;
      return [
        { ...instruction, src, imm: handle },
        { ...second, imm: offset },
      ];
    }
    case 'core': {
      const local = target.object?.btf;
      if (!local) return { problem: "a CO-RE relocation needs the object's own BTF; compile with -g" };
      const result = resolveCore(relocation, local, target.btf);
      if ('missing' in result) return { poison: POISONED_CORE, reason: result.missing };
      const patched = patchCore(instruction, second, relocation, result, local);
      return 'misread' in patched ? { poison: POISONED_CORE, reason: patched.misread } : patched;
    }
    case 'kfunc':
      return relocateCall(relocation, instruction, target);
    case 'ksym':
      return relocateSymbol(relocation, instruction, second, target);
  }
}

function unknownKconfig({ object }: RelocationTarget, map: string, offset: number): string | undefined {
  if (map !== KCONFIG_MAP) return undefined;
  const variable = object?.kconfig.find((one) => one.offset === offset);
  if (!variable || variable.known || variable.weak) return undefined;
  return `${variable.name} is not known for this kernel; give its value, or declare it __weak to have 0`;
}

const functionNames = (btf: Btf): string[] => {
  const names: string[] = [];
  for (let id = 1; id <= btf.count; id++) {
    if (btf.kind(id) !== 'func') continue;
    const type = btf.type(id);
    if ('name' in type && type.name.startsWith('bpf_')) names.push(type.name);
  }
  return names;
};

/** What is said of a function or variable whose type in the kernel is another than the object declares. */
function mismatch(
  kind: 'func' | 'var',
  name: string,
  id: number,
  { btf, object }: RelocationTarget,
): string | undefined {
  const local = object?.btf;
  const localId = local?.find(kind, name);
  if (!local || localId === undefined) return undefined;
  const [mine, theirs] = [local.type(localId), btf.type(id)];
  if (!('target' in mine) || !('target' in theirs)) return undefined;
  const pair = { local, localId: mine.target, target: btf, targetId: theirs.target };
  return typesAreCompatible(pair)
    ? undefined
    : `"${name}" has another type in this kernel than the object declares; correct its declaration`;
}

function relocateCall(
  { name, weak, at }: Extract<Relocation, { kind: 'kfunc' }>,
  instruction: Instruction,
  target: RelocationTarget,
): Patched {
  if (instruction.opcode !== CALL) return { problem: `a reference to kernel function "${name}" needs a call` };
  const id = target.btf.find('func', name);
  if (id === undefined) {
    if (weak)
      return {
        poison: POISONED_CALL + at,
        reason: `this kernel has no function "${name}"; guard the call with bpf_ksym_exists(${name})`,
      };
    const near = nearest(name, functionNames(target.btf));
    const hint = near === undefined ? '' : `, nearest is "${near}"`;
    return {
      problem: `this kernel has no function "${name}"${hint}; declare it __weak and guard the call with bpf_ksym_exists(${name})`,
    };
  }
  const problem = mismatch('func', name, id, target);
  if (problem !== undefined) return { problem };
  return [{ ...instruction, src: BPF_PSEUDO_KFUNC_CALL, offset: 0, imm: id }];
}

function relocateSymbol(
  { name, weak, address }: Extract<Relocation, { kind: 'ksym' }>,
  instruction: Instruction,
  second: Instruction | undefined,
  target: RelocationTarget,
): Patched {
  if (!second) return { problem: `a reference to kernel symbol "${name}" needs a wide instruction (lddw)` };
  const number = (value: bigint): Patched => [
    { ...instruction, src: 0, imm: Number(BigInt.asIntN(32, value)) },
    { ...second, imm: Number(BigInt.asIntN(32, value >> 32n)) },
  ];
  if (address) {
    const value = target.address?.(name);
    if (value !== undefined) return number(value);
    if (weak) return number(0n);
    return {
      problem: `the address of kernel symbol "${name}" is not known; declare it with its type, or __weak to have 0`,
    };
  }
  const kind = target.btf.find('var', name) === undefined ? 'func' : 'var';
  const id = target.btf.find(kind, name);
  if (id === undefined) {
    if (weak) return number(0n);
    return { problem: `this kernel's BTF has no variable or function "${name}"; declare it __weak to have 0` };
  }
  const problem = mismatch(kind, name, id, target);
  if (problem !== undefined) return { problem };
  return [
    { ...instruction, src: BPF_PSEUDO_BTF_ID, imm: id },
    { ...second, imm: 0 },
  ];
}

/**
 * Fits a program to a kernel: handles of maps, what the kernel's BTF says of fields and types (CO-RE), its functions and variables.
 * @throws RelocationError
 */
export function relocateProgram(program: ProgramSpec<string>, target: RelocationTarget): RelocatedProgram {
  const instructions = [...program.instructions];
  const poisoned = new Map<number, string>();
  for (const relocation of program.relocations) {
    const { at } = relocation;
    const fail = (problem: string): RelocationError => new RelocationError(program, at, problem);
    const instruction = instructions[at];
    if (!instruction) throw fail(`a relocation names it, but the program has ${instructions.length} slots`);
    const second = instruction.opcode === LDDW ? instructions[at + 1] : undefined;
    if (instruction.opcode === LDDW && !second) throw fail('a wide instruction has no second slot');
    let patched: Patched;
    try {
      patched = relocateOne(relocation, instruction, second, target);
    } catch (error) {
      if (error instanceof BtfError) throw fail(error.message);
      throw error;
    }
    if ('problem' in patched) throw fail(patched.problem);
    if ('poison' in patched) {
      for (let slot = at; slot <= at + (second ? 1 : 0); slot++) {
        instructions[slot] = poison(patched.poison);
        poisoned.set(slot, patched.reason);
      }
      continue;
    }
    for (const [index, slot] of patched.entries()) instructions[at + index] = slot;
  }
  return { instructions, poisoned };
}

/**
 * A program's instructions with its relocations filled in, where nothing may be missing in the kernel.
 * @param maps the handle of a map by its spec's name.
 * @throws RelocationError
 */
export function relocate(
  program: ProgramSpec<string>,
  maps: (name: string) => number | undefined,
  btf: Btf,
): Instruction[] {
  const { instructions, poisoned } = relocateProgram(program, { maps, btf });
  for (const [at, reason] of poisoned) throw new RelocationError(program, at, reason);
  return [...instructions];
}
