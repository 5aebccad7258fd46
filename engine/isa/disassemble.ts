import type { Relocation } from '../object/index.ts';
import type { Instruction } from './instruction.ts';
import { LDDW, opcodeOf } from './opcodes.ts';

/** Names that a listing shows in place of numbers; what they leave undefined is shown as a number. */
export interface DisassemblyNames {
  /** `bpf_map_lookup_elem` of id 1. */
  helper?(id: number): string | undefined;
  /** A map's name by its handle. */
  map?(handle: number): string | undefined;
  /** The relocation of a slot, for programs that are not relocated yet. */
  relocation?(at: number): Relocation | undefined;
}

/** One instruction of a listing; `at` is its (first) slot. */
export interface DisassembledLine {
  readonly at: number;
  readonly text: string;
}

/** A program in the notation of the kernel's kernel/bpf/disasm.c and of `bpftool prog dump xlated`, without the opcode in brackets. */
export function disassemble(instructions: readonly Instruction[], names: DisassemblyNames = {}): DisassembledLine[] {
  const lines: DisassembledLine[] = [];
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at];
    if (!instruction) break;
    lines.push({ at, text: text(instruction, instructions[at + 1]?.imm ?? 0, names, names.relocation?.(at)) });
    if (instruction.opcode === LDDW) at++;
  }
  return lines;
}

const signed = (value: number) => (value < 0 ? `${value}` : `+${value}`);
const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;

function text(instruction: Instruction, next: number, names: DisassemblyNames, relocation?: Relocation): string {
  const row = opcodeOf(instruction);
  if (!row) return `unknown opcode 0x${instruction.opcode.toString(16).padStart(2, '0')}`;
  const { dst, src, offset, imm } = instruction;
  if (relocation?.kind === 'kfunc') return `call ${relocation.name}`;
  if (relocation?.kind === 'ksym') return `r${dst} = ksym[${relocation.name}]`;
  if (relocation?.kind === 'map') return `r${dst} = map[${relocation.map}]`;
  if (relocation?.kind === 'map_value') return `r${dst} = map[${relocation.map}][0]+${relocation.offset}`;
  const field =
    relocation?.kind === 'field'
      ? {
          offset: relocation.access,
          offset_or_0: relocation.access,
          exists: `exists(${relocation.access})`,
          size: `sizeof(${relocation.access})`,
        }[relocation.what]
      : undefined;
  const mapName = () => names.map?.(imm) ?? `id:${imm}`;
  const show = (name: string): string => {
    switch (name) {
      case 'dst':
        return `r${dst}`;
      case 'src':
        return `r${src}`;
      case 'wdst':
        return `w${dst}`;
      case 'wsrc':
        return `w${src}`;
      case 'offset':
        return field === undefined ? signed(offset) : `+${field}`;
      case 'imm':
        if (relocation?.kind !== 'field' || row.class === 'st') return `${imm}`;
        return relocation.what === 'offset' || relocation.what === 'offset_or_0'
          ? `offsetof(${relocation.access})`
          : `${field}`;
      case 'hex':
        return hex(imm);
      case 'imm64':
        return `0x${((BigInt(next >>> 0) << 32n) | BigInt(imm >>> 0)).toString(16)}`;
      case 'next':
        return `${next >>> 0}`;
      case 'near':
        return `pc${signed(offset)}`;
      case 'far':
        return row.name === 'lddw_code' ? signed(imm) : `pc${signed(imm)}`;
      case 'helper':
        return `${names.helper?.(imm) ?? 'unknown'}#${imm}`;
      case 'map':
        return `map[${mapName()}]`;
      case 'map_value':
        return `map[${mapName()}][0]+${next >>> 0}`;
      default:
        return name;
    }
  };
  return row.text.replace(/\{(\w+)\}/g, (_, name: string) => show(name));
}
