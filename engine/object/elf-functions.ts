import { BPF_PSEUDO_CALL, DecodeError, decode, type Instruction, LDDW, SLOT_BYTES } from '../isa/index.ts';
import type { Btf } from './btf.ts';
import type { BtfExtension } from './btf-ext.ts';
import {
  BINDING,
  type ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
  SECTION_TYPE,
  SHF_EXECINSTR,
  SYMBOL_TYPE,
  VISIBILITY,
} from './elf.ts';
import { isDataSection } from './elf-data.ts';
import { type Externs, KCONFIG_MAP } from './elf-externs.ts';
import { type DefinedMaps, MAPS_SECTION } from './elf-maps.ts';
import type { FunctionInfo, LineInfo, Relocation } from './object.ts';

type Distributed<R> = R extends Relocation ? Omit<R, 'at'> : never;

/** What an instruction of a function refers to: something the loader fills in, or a function by where it begins in .text. */
export type Reference = Distributed<Relocation> | { readonly kind: 'function'; readonly start: number };

/** A function as it lies in its section, its references not yet followed. */
export interface ElfFunction {
  readonly name: string;
  readonly section: ElfSection;
  /** Byte of the section at which it begins. */
  readonly start: number;
  readonly instructions: readonly Instruction[];
  /** By slot, in order. */
  readonly references: readonly (readonly [slot: number, reference: Reference])[];
  /** With `at` counted from its first slot. */
  readonly lines: readonly LineInfo[];
  /** Its type of kind func, where BTF has one. */
  readonly type: number | undefined;
  readonly linkage: FunctionInfo['linkage'];
}

/** What references are resolved against. */
export interface ElfContents {
  readonly file: ElfFile;
  readonly btf: Btf | undefined;
  readonly extension: BtfExtension | undefined;
  readonly maps: DefinedMaps;
  readonly externs: Externs;
}

/** The section of functions that are called by others; every other executable section holds programs. */
export const TEXT_SECTION = '.text';

const R_BPF_64_64 = 1;
const R_BPF_64_32 = 10;
const CALL = 0x85;

/** Sections with instructions that are kept. */
export const codeSections = (file: ElfFile): ElfSection[] =>
  file.sections.filter(
    ({ type, flags, size }) =>
      type === SECTION_TYPE.progbits && Math.floor(flags / SHF_EXECINSTR) % 2 === 1 && size > 0,
  );

/** The functions of a section in the order of their places. @throws ElfError */
export function readFunctions(contents: ElfContents, section: ElfSection): ElfFunction[] {
  const { file } = contents;
  const symbols = file.symbols
    .filter((symbol) => symbol.section === section.index && symbol.type === SYMBOL_TYPE.func)
    .sort((a, b) => a.value - b.value);
  const isText = section.name === TEXT_SECTION;
  for (const [index, symbol] of symbols.entries()) {
    const where = `section ${section.name}, function "${symbol.name}"`;
    const end = symbol.value + symbol.size;
    if (symbol.size === 0 || symbol.value % SLOT_BYTES !== 0 || symbol.size % SLOT_BYTES !== 0)
      throw file.error(where, `bytes ${symbol.value} to ${end} are no whole instructions of ${SLOT_BYTES} bytes`);
    if (end > section.data.length)
      throw file.error(where, `it ends at byte ${end} of a section of ${section.data.length}`);
    const next = symbols[index + 1];
    if (next && next.value < end)
      throw file.error(where, `it overlaps "${next.name}", which begins at byte ${next.value}`);
    if (!isText && symbol.binding === BINDING.local)
      throw file.error(where, 'a program is static; programs must be visible, so take `static` away');
  }
  const relocations = file.relocations(section).toSorted((a, b) => a.offset - b.offset);
  const types = new Map(contents.extension?.functions.get(section.name)?.map(({ offset, type }) => [offset, type]));
  const byPlace = partition(symbols, relocations, contents.extension, section);
  return symbols.map((symbol, index) => {
    const type = types.get(symbol.value);
    const own = byPlace[index] as Parts;
    for (const { offset } of own.lines)
      if (offset % SLOT_BYTES !== 0)
        throw file.error('section .BTF.ext, line_info', `byte ${offset} of ${section.name} is inside an instruction`);
    const instructions = decodeFunction(file, section, symbol);
    const references = resolveReferences(contents, section, symbol, instructions, own);
    return {
      name: symbol.name,
      section,
      start: symbol.value,
      instructions,
      references,
      lines: own.lines.map(({ offset, text, file: path, line, column }) => ({
        at: (offset - symbol.value) / SLOT_BYTES,
        text,
        ...(path !== '' && { file: path }),
        ...(line > 0 && { line }),
        ...(column > 0 && { column }),
      })),
      type: type !== undefined && contents.btf?.kind(type) === 'func' ? type : undefined,
      linkage: linkageOf(symbol),
    };
  });
}

/** Whether a function is visible to others, but said to be called by its own object only. */
export const isHidden = ({ binding, visibility }: ElfSymbol): boolean =>
  binding !== BINDING.local && (visibility === VISIBILITY.hidden || visibility === VISIBILITY.internal);

const linkageOf = (symbol: ElfSymbol): FunctionInfo['linkage'] =>
  symbol.binding === BINDING.local || isHidden(symbol) ? 'static' : 'global';

interface Parts {
  readonly relocations: ElfRelocation[];
  readonly lines: NonNullable<ReturnType<BtfExtension['lines']['get']>>[number][];
  readonly core: NonNullable<ReturnType<BtfExtension['core']['get']>>[number][];
}

/** What of the section's records belongs to which function; records between functions belong to none. */
function partition(
  symbols: readonly ElfSymbol[],
  relocations: readonly ElfRelocation[],
  extension: BtfExtension | undefined,
  section: ElfSection,
): Parts[] {
  const parts: Parts[] = symbols.map(() => ({ relocations: [], lines: [], core: [] }));
  const deal = <R extends { readonly offset: number }>(records: readonly R[], of: (part: Parts) => R[]): void => {
    let index = 0;
    for (const record of records.toSorted((a, b) => a.offset - b.offset)) {
      let symbol = symbols[index];
      while (symbol && record.offset >= symbol.value + symbol.size) symbol = symbols[++index];
      if (symbol && record.offset >= symbol.value) of(parts[index] as Parts).push(record);
    }
  };
  deal(relocations, (part) => part.relocations);
  deal(extension?.lines.get(section.name) ?? [], (part) => part.lines);
  deal(extension?.core.get(section.name) ?? [], (part) => part.core);
  return parts;
}

function decodeFunction(file: ElfFile, section: ElfSection, symbol: ElfSymbol): Instruction[] {
  try {
    return decode(section.data.subarray(symbol.value, symbol.value + symbol.size));
  } catch (error) {
    if (error instanceof DecodeError)
      throw file.error(`section ${section.name}, function "${symbol.name}"`, `in the function's ${error.message}`);
    throw error;
  }
}

function resolveReferences(
  contents: ElfContents,
  section: ElfSection,
  symbol: ElfSymbol,
  instructions: readonly Instruction[],
  { relocations, core }: Parts,
): (readonly [slot: number, reference: Reference])[] {
  const { file } = contents;
  const references = new Map<number, Reference>();
  const slotOf = (where: string, offset: number): readonly [slot: number, instruction: Instruction] => {
    const slot = (offset - symbol.value) / SLOT_BYTES;
    const instruction = instructions[slot];
    if (!instruction || instructions[slot - 1]?.opcode === LDDW)
      throw file.error(where, `byte ${offset} of ${section.name} is not where an instruction begins`);
    return [slot, instruction];
  };
  for (const relocation of relocations) {
    const where = `section .rel${section.name}, entry ${relocation.entry}`;
    const [slot, instruction] = slotOf(where, relocation.offset);
    if (references.has(slot)) throw file.error(where, `a second relocation of byte ${relocation.offset}`);
    references.set(slot, resolve(contents, where, relocation, instruction));
  }
  for (const [slot, { opcode, src, imm }] of instructions.entries()) {
    if (opcode !== CALL || src !== BPF_PSEUDO_CALL || references.has(slot) || instructions[slot - 1]?.opcode === LDDW)
      continue;
    const place = `section ${section.name}, function "${symbol.name}", instruction ${slot}`;
    if (section.name !== TEXT_SECTION)
      throw file.error(place, 'it calls a function of its own section; functions that are called must lie in .text');
    references.set(slot, { kind: 'function', start: symbol.value + (slot + imm + 1) * SLOT_BYTES });
  }
  for (const { offset, type, access, what } of core) {
    const where = `section .BTF.ext, core_relo of ${section.name}`;
    const [slot] = slotOf(where, offset);
    if (references.has(slot)) throw file.error(where, `byte ${offset} has another relocation already`);
    references.set(slot, { kind: 'core', type, access, what });
  }
  return [...references].sort(([a], [b]) => a - b);
}

function resolve(
  { file, maps, externs }: ElfContents,
  where: string,
  { type, symbol }: ElfRelocation,
  instruction: Instruction,
): Reference {
  const { name } = symbol;
  const isCall = instruction.opcode === CALL && instruction.src === BPF_PSEUDO_CALL;
  const isWide = instruction.opcode === LDDW;
  if (type !== R_BPF_64_64 && type !== R_BPF_64_32)
    throw file.error(where, `type ${type}, expected ${R_BPF_64_64} (R_BPF_64_64) or ${R_BPF_64_32} (R_BPF_64_32)`);
  if (isCall !== (type === R_BPF_64_32) || (!isCall && !isWide))
    throw file.error(
      where,
      `it refers to "${name}", but is no ${type === R_BPF_64_32 ? 'call' : 'wide instruction (lddw)'}`,
    );
  if (symbol.section === 0) return external({ file, externs }, where, symbol, isCall);
  const section = file.sections[symbol.section];
  if (!section)
    throw file.error(where, `"${name}" is in section ${symbol.section}, but there are ${file.sections.length}`);
  if (Math.floor(section.flags / SHF_EXECINSTR) % 2 === 1) {
    if (section.name !== TEXT_SECTION)
      throw file.error(
        where,
        `"${name}" is a program; functions that are called must lie in .text, without a section of their own`,
      );
    return { kind: 'function', start: symbol.value + (isCall ? (instruction.imm + 1) * SLOT_BYTES : instruction.imm) };
  }
  if (isCall) throw file.error(where, `it calls "${name || section.name}", which is no function`);
  const offset = symbol.value + instruction.imm;
  if (section.name === MAPS_SECTION) {
    const map = maps.at(offset);
    if (map === undefined) throw file.error(where, `byte ${offset} of .maps belongs to no map`);
    return { kind: 'map', map };
  }
  if (!isDataSection(section))
    throw file.error(
      where,
      `it refers to "${name || section.name}" in section ${section.name}, which is not loaded; variables belong in .data, .rodata or .bss`,
    );
  if (offset < 0 || offset >= section.size)
    throw file.error(where, `byte ${offset} of ${section.name} is outside of its ${section.size} bytes`);
  return { kind: 'map_value', map: section.name, offset };
}

function external(
  { file, externs }: Pick<ElfContents, 'file' | 'externs'>,
  where: string,
  { name }: ElfSymbol,
  isCall: boolean,
): Reference {
  const variable = externs.kconfig.find((one) => one.name === name);
  if (variable && !isCall) return { kind: 'map_value', map: KCONFIG_MAP, offset: variable.offset };
  const symbol = externs.symbols.get(name);
  if (!symbol)
    throw file.error(
      where,
      `"${name}" is not defined in this object; define it, or declare it with __ksym or __kconfig and compile with -g`,
    );
  const { weak } = symbol;
  if (isCall && symbol.kind !== 'function') throw file.error(where, `it calls "${name}", which is a variable`);
  if (isCall) return { kind: 'kfunc', name, weak };
  return { kind: 'ksym', name, weak, ...(symbol.kind === 'address' && { address: true as const }) };
}
