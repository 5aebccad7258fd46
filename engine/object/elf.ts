/** Thrown for an object file that can't be read; the message names the file, the section, the place in it and the remedy. */
export class ElfError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ElfError';
  }
}

/** sh_type of the sections that are read (System V gABI, chapter 4). */
export const SECTION_TYPE = { progbits: 1, symtab: 2, strtab: 3, rela: 4, nobits: 8, rel: 9 } as const;
/** SHF_EXECINSTR of sh_flags. */
export const SHF_EXECINSTR = 4;
/** st_info and st_other of symbols. */
export const SYMBOL_TYPE = { none: 0, object: 1, func: 2, section: 3 } as const;
export const BINDING = { local: 0, global: 1, weak: 2 } as const;
export const VISIBILITY = { default: 0, internal: 1, hidden: 2 } as const;

/** A section of the file. `data` is empty where the file holds no bytes of it (SHT_NOBITS), whatever `size` says. */
export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly data: Uint8Array;
}

/** A symbol; `section` is 0 for one that the file doesn't define. */
export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly binding: number;
  readonly visibility: number;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

/** A relocation: a place in the section, what is to be put there (R_BPF_*) and from which symbol. */
export interface ElfRelocation {
  readonly entry: number;
  readonly offset: number;
  readonly type: number;
  readonly symbol: ElfSymbol;
}

/** A relocatable object of EM_BPF, its frame checked. */
export interface ElfFile {
  readonly name: string;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  section(name: string): ElfSection | undefined;
  /** The relocations of a section, in the file's order. @throws ElfError */
  relocations(section: ElfSection): readonly ElfRelocation[];
  /** An error about this file: where, and what is wrong. */
  error(where: string, problem: string): ElfError;
}

const HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 16;
const EM_BPF = 247;
const ET_REL = 1;
/** Longer names are not read: no compiler writes them, and many that share one tail would take forever. */
const MAX_NAME_BYTES = 4096;
const MAX_SYMBOLS = 1_000_000;
const MAX_NAMES_BYTES = 0x200_0000;

const COMPILE = 'compile with clang -target bpf -c';
const hex = (n: number): string => `0x${n.toString(16)}`;

/** 64 bits as a number; above 2^53 it is rounded, which no bound that a file can have is sensitive to. */
const u64 = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function readName(file: string, where: string, table: Uint8Array, at: number): string {
  const fail = (problem: string): ElfError => new ElfError(`${file}: ${where}: ${problem}`);
  if (at >= table.length) throw fail(`its name lies at byte ${at} of a string table of ${table.length} bytes`);
  const end = table.subarray(at, at + MAX_NAME_BYTES).indexOf(0);
  if (end < 0) {
    const missing = table.length - at <= MAX_NAME_BYTES;
    throw fail(missing ? 'its name has no NUL byte at the end' : `its name is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return new TextDecoder().decode(table.subarray(at, at + end));
}

function checkHeader(file: string, bytes: Uint8Array): DataView {
  const view = viewOf(bytes);
  const fail = (problem: string): ElfError => new ElfError(`${file}: ELF header: ${problem}`);
  const magic = bytes.length >= 4 ? view.getUint32(0, false) : 0;
  if (bytes.length >= 4 && magic !== 0x7f454c46)
    throw fail(`it starts with ${hex(magic)}, not with 0x7f454c46; give an object file (${COMPILE})`);
  if (bytes.length < HEADER_BYTES)
    throw fail(`the file is truncated: ${bytes.length} bytes, less than the header's ${HEADER_BYTES}`);
  const [fileClass, data] = [bytes[4], bytes[5]];
  if (fileClass !== 2) throw fail(`class ${fileClass}, expected 2 (64 bits); ${COMPILE}`);
  if (data !== 1) throw fail(`byte order ${data}, expected 1 (little endian); compile with -target bpfel`);
  const machine = view.getUint16(18, true);
  if (machine !== EM_BPF) throw fail(`machine ${machine}, expected ${EM_BPF} (EM_BPF); ${COMPILE}`);
  const type = view.getUint16(16, true);
  if (type !== ET_REL)
    throw fail(`type ${type}, expected ${ET_REL} (a relocatable object); don't link it into a program`);
  return view;
}

function readSections(file: string, bytes: Uint8Array, view: DataView): ElfSection[] {
  const fail = (where: string, problem: string): ElfError => new ElfError(`${file}: ${where}: ${problem}`);
  const start = u64(view, 40);
  const entryBytes = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (count === 0) throw fail('ELF header', `there are no section headers; ${COMPILE}`);
  if (entryBytes !== SECTION_HEADER_BYTES)
    throw fail('ELF header', `section headers of ${entryBytes} bytes, expected ${SECTION_HEADER_BYTES}`);
  if (start + count * SECTION_HEADER_BYTES > bytes.length)
    throw fail(
      'ELF header',
      `the file is truncated: ${count} section headers from byte ${start} end behind its ${bytes.length} bytes`,
    );
  const raw = Array.from({ length: count }, (_, index) => {
    const at = start + index * SECTION_HEADER_BYTES;
    const type = view.getUint32(at + 4, true);
    const offset = u64(view, at + 24);
    const size = u64(view, at + 32);
    const stored = index > 0 && type !== SECTION_TYPE.nobits && type !== 0;
    if (stored && offset + size > bytes.length)
      throw fail(
        `section ${index}`,
        `the file is truncated: ${size} bytes from byte ${offset} end behind its ${bytes.length} bytes`,
      );
    return {
      index,
      nameAt: view.getUint32(at, true),
      type,
      flags: u64(view, at + 8),
      size,
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      data: stored ? bytes.subarray(offset, offset + size) : new Uint8Array(0),
    };
  });
  const names = raw[namesIndex];
  if (names?.type !== SECTION_TYPE.strtab)
    throw fail('ELF header', `the section names are said to be in section ${namesIndex}, which is no string table`);
  return raw.map(({ nameAt, ...section }) => ({
    ...section,
    name: section.index === 0 ? '' : readName(file, `section ${section.index}`, names.data, nameAt),
  }));
}

function readSymbols(file: string, sections: readonly ElfSection[]): ElfSymbol[] {
  const tables = sections.filter((section) => section.type === SECTION_TYPE.symtab);
  const [table] = tables;
  const fail = (where: string, problem: string): ElfError => new ElfError(`${file}: ${where}: ${problem}`);
  if (!table) throw fail('ELF', 'there is no symbol table; do not strip the object (or use llvm-strip -g)');
  const where = `section ${table.name}`;
  if (tables.length > 1) throw fail(where, 'a second symbol table; an object has one');
  const { data } = table;
  if (data.length % SYMBOL_BYTES !== 0)
    throw fail(where, `${data.length} bytes are no multiple of a symbol's ${SYMBOL_BYTES}`);
  const count = data.length / SYMBOL_BYTES;
  if (count > MAX_SYMBOLS) throw fail(where, `${count} symbols; at most ${MAX_SYMBOLS} are read`);
  const strings = sections[table.link];
  if (strings?.type !== SECTION_TYPE.strtab)
    throw fail(where, `its names are said to be in section ${table.link}, which is no string table`);
  const view = viewOf(data);
  let nameBytes = 0;
  return Array.from({ length: count }, (_, index) => {
    const at = index * SYMBOL_BYTES;
    const info = view.getUint8(at + 4);
    const name = readName(file, `symbol ${index}`, strings.data, view.getUint32(at, true));
    nameBytes += name.length;
    if (nameBytes > MAX_NAMES_BYTES)
      throw fail(where, `the names of symbols have over ${MAX_NAMES_BYTES} bytes together`);
    return {
      index,
      name,
      type: info & 15,
      binding: info >> 4,
      visibility: view.getUint8(at + 5) & 3,
      section: view.getUint16(at + 6, true),
      value: u64(view, at + 8),
      size: u64(view, at + 16),
    };
  });
}

/**
 * Reads the frame of an ELF64 little-endian relocatable object for eBPF: sections, symbols, relocations.
 * @param name the file's name, for messages.
 * @throws ElfError
 */
export function parseElf(bytes: Uint8Array, name: string): ElfFile {
  const sections = readSections(name, bytes, checkHeader(name, bytes));
  const symbols = readSymbols(name, sections);
  const error = (where: string, problem: string): ElfError => new ElfError(`${name}: ${where}: ${problem}`);

  const byName = new Map<string, ElfSection>();
  for (const section of sections) if (section.index > 0 && !byName.has(section.name)) byName.set(section.name, section);

  const relocations = (section: ElfSection): ElfRelocation[] =>
    sections.flatMap((table) => {
      if (table.info !== section.index || table.index === 0) return [];
      const where = `section ${table.name}`;
      if (table.type === SECTION_TYPE.rela)
        throw error(where, `relocations with addends (SHT_RELA), which no eBPF compiler writes; ${COMPILE}`);
      if (table.type !== SECTION_TYPE.rel) return [];
      const { data } = table;
      if (data.length % RELOCATION_BYTES !== 0)
        throw error(where, `${data.length} bytes are no multiple of a relocation's ${RELOCATION_BYTES}`);
      const view = viewOf(data);
      return Array.from({ length: data.length / RELOCATION_BYTES }, (_, entry) => {
        const at = entry * RELOCATION_BYTES;
        const offset = u64(view, at);
        const symbolIndex = view.getUint32(at + 12, true);
        const symbol = symbols[symbolIndex];
        if (!symbol)
          throw error(`${where}, entry ${entry}`, `symbol ${symbolIndex}, but there are ${symbols.length} symbols`);
        if (offset >= section.size)
          throw error(
            `${where}, entry ${entry}`,
            `it changes byte ${offset} of ${section.name}, which has ${section.size} bytes`,
          );
        return { entry, offset, type: view.getUint32(at + 8, true), symbol };
      });
    });

  return { name, sections, symbols, section: (wanted) => byName.get(wanted), relocations, error };
}
