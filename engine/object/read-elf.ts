import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, type Instruction } from '../isa/index.ts';
import { checkBtf } from './btf-check.ts';
import { readBtfExtension } from './btf-ext.ts';
import { BtfError } from './btf-kinds.ts';
import { parseBtf, typePlaces } from './btf-reader.ts';
import { ElfError, type ElfFile, parseElf, SYMBOL_TYPE } from './elf.ts';
import { readDataMaps, readGlobalVariables } from './elf-data.ts';
import { kconfigMap, readExterns } from './elf-externs.ts';
import {
  codeSections,
  type ElfContents,
  type ElfFunction,
  isHidden,
  readFunctions,
  TEXT_SECTION,
} from './elf-functions.ts';
import { readMaps } from './elf-maps.ts';
import type { ElfObject, FunctionInfo, LineInfo, ProgramSpec, Relocation } from './object.ts';

/** Instructions, source lines and references of all programs together; each program has its own copy of the functions it calls. */
const MAX_PARTS = 4_000_000;
/** BTF_FUNC_STATIC, in the low half of a function's info. */
const STATIC = 0;

/**
 * Reads an ELF64 object for eBPF as clang writes it: programs with the functions they call, maps and variables, BTF and what refers to it.
 * @param name the file's name, for messages.
 * @throws ElfError naming file, section and place; nothing else, whatever the bytes are.
 */
export function readElf(bytes: Uint8Array, name = 'object'): ElfObject {
  try {
    return read(parseElf(bytes, name));
  } catch (error) {
    if (error instanceof BtfError) throw new ElfError(`${name}: section .BTF: ${error.message}`);
    throw error;
  }
}

function read(file: ElfFile): ElfObject {
  const btfSection = file.section('.BTF');
  const btfBytes = btfSection && withHiddenStatic(file, btfSection.data);
  const btf = btfBytes && parseBtf(btfBytes);
  if (btf) checkBtf(btf);
  const extensionSection = file.section('.BTF.ext');
  const extension = btf && extensionSection && readBtfExtension(file, extensionSection.data, btf);
  const maps = readMaps(file, btf);
  const externs = readExterns(file, btf);
  const contents: ElfContents = { file, btf, extension, maps, externs };
  const kconfig = kconfigMap(externs.kconfig);
  return {
    name: file.name,
    license: readLicense(file),
    maps: [...maps.maps, ...readDataMaps(file, btf), ...(kconfig ? [kconfig] : [])],
    programs: readPrograms(contents),
    btf,
    btfBytes,
    variables: readGlobalVariables(file),
    kconfig: externs.kconfig,
  };
}

/** The BTF section with hidden functions as static ones, so that the kernel verifies them where they are called, as libbpf has it. */
function withHiddenStatic(file: ElfFile, section: Uint8Array): Uint8Array {
  const bytes = section.slice();
  const hidden = file.symbols.filter((symbol) => symbol.type === SYMBOL_TYPE.func && isHidden(symbol));
  if (hidden.length === 0) return bytes;
  const btf = parseBtf(section);
  const places = typePlaces(section);
  const view = new DataView(bytes.buffer);
  for (const { name } of hidden) {
    const id = btf.find('func', name);
    const place = id === undefined ? undefined : places[id];
    if (place !== undefined) view.setUint16(place + 4, STATIC, true);
  }
  return bytes;
}

function readLicense(file: ElfFile): string {
  const section = file.section('license');
  if (!section) return '';
  const end = section.data.indexOf(0);
  if (end < 0) throw file.error('section license', 'its text has no NUL byte at the end');
  return new TextDecoder().decode(section.data.subarray(0, end));
}

function readPrograms(contents: ElfContents): ProgramSpec<string>[] {
  const sections = codeSections(contents.file);
  const text = sections.find(({ name }) => name === TEXT_SECTION);
  const callable = new Map((text ? readFunctions(contents, text) : []).map((one) => [one.start, one] as const));
  const plans: Plan[] = [];
  const names = new Set<string>();
  let parts = 0;
  for (const section of sections) {
    if (section === text) continue;
    for (const main of readFunctions(contents, section)) {
      if (names.has(main.name)) throw contents.file.error(`section ${section.name}`, `a second program "${main.name}"`);
      names.add(main.name);
      const plan = planProgram(contents, main, callable);
      parts += plan.parts;
      if (parts > MAX_PARTS)
        throw contents.file.error(
          `program "${main.name}"`,
          `all programs with the functions they call have over ${MAX_PARTS} instructions, lines and references; call fewer functions from each`,
        );
      plans.push(plan);
    }
  }
  return plans.map(link);
}

/** Which functions a program consists of, and at which slot each begins. */
interface Plan {
  readonly main: ElfFunction;
  readonly placed: ReadonlyMap<ElfFunction, number>;
  /** The function that a reference leads to. */
  readonly callee: (one: ElfFunction, slot: number, start: number) => ElfFunction;
  readonly parts: number;
}

/** Every function that a program calls, in the order in which libbpf appends them: a function's own callees follow it at once. */
function planProgram({ file }: ElfContents, main: ElfFunction, callable: ReadonlyMap<number, ElfFunction>): Plan {
  const placed = new Map<ElfFunction, number>();
  let length = 0;
  let parts = 0;
  const place = (one: ElfFunction): { readonly one: ElfFunction; next: number } => {
    placed.set(one, length);
    length += one.instructions.length;
    parts += one.instructions.length + one.lines.length + one.references.length;
    return { one, next: 0 };
  };
  const callee: Plan['callee'] = (one, slot, start) => {
    const found = callable.get(start);
    if (!found)
      throw file.error(
        `section ${one.section.name}, function "${one.name}", instruction ${slot}`,
        `no function begins at byte ${start} of .text`,
      );
    return found;
  };
  const path = [place(main)];
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const [slot, reference] = top.one.references[top.next++] ?? [];
    if (slot === undefined || reference === undefined) path.pop();
    else if (reference.kind === 'function') {
      const found = callee(top.one, slot, reference.start);
      if (!placed.has(found)) path.push(place(found));
    }
  }
  return { main, placed, callee, parts };
}

/** A program with every function it calls behind it, its references counted from its own first slot. */
function link({ main, placed, callee }: Plan): ProgramSpec<string> {
  const instructions: Instruction[] = [];
  const relocations: Relocation[] = [];
  const lines: LineInfo[] = [];
  const functions: FunctionInfo[] = [];
  for (const [one, base] of placed) {
    for (const instruction of one.instructions) instructions.push(instruction);
    for (const line of one.lines) lines.push({ ...line, at: base + line.at });
    if (one.type !== undefined)
      functions.push({ at: base, name: one.name, type: one.type, linkage: one === main ? 'global' : one.linkage });
    for (const [slot, reference] of one.references) {
      const at = base + slot;
      const instruction = instructions[at] as Instruction;
      if (reference.kind !== 'function') {
        relocations.push({ ...reference, at } as Relocation);
        if (reference.kind === 'kfunc') instructions[at] = { ...instruction, src: BPF_PSEUDO_KFUNC_CALL, imm: 0 };
        continue;
      }
      const second = instructions[at + 1];
      const target = placed.get(callee(one, slot, reference.start)) as number;
      const isCall = instruction.src === BPF_PSEUDO_CALL;
      instructions[at] = { ...instruction, src: isCall ? BPF_PSEUDO_CALL : BPF_PSEUDO_FUNC, imm: target - at - 1 };
      if (!isCall && second) instructions[at + 1] = { ...second, imm: 0 };
    }
  }
  const optional = main.section.name.startsWith('?');
  return {
    name: main.name,
    hook: optional ? main.section.name.slice(1) : main.section.name,
    instructions,
    relocations,
    lines,
    ...(functions.length === placed.size && { functions }),
    ...(optional && { optional: true as const }),
  };
}
