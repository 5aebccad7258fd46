import type { Btf } from './btf.ts';
import { type ElfFile, type ElfSection, SECTION_TYPE, SYMBOL_TYPE } from './elf.ts';
import { BPF_F_RDONLY_PROG } from './map-types.ts';
import type { GlobalVariable, MapSpec } from './object.ts';

const DATA = /^\.(data|rodata|bss)(\.|$)/;
const KEY_BYTES = 4;
/** Largest value of an array map: KMALLOC_MAX_SIZE of the kernel is below it. */
const MAX_VALUE_BYTES = 0x7fff_ffff;

/** Whether a section holds global variables: .data, .rodata and .bss, also with a suffix. */
export const isDataSection = (section: ElfSection): boolean => DATA.test(section.name) && section.size > 0;

/** The sections of global variables as array maps of one value, named as the sections are; .rodata can't be written by programs. */
export function readDataMaps(file: ElfFile, btf: Btf | undefined): MapSpec[] {
  return file.sections.filter(isDataSection).map((section) => {
    const { name, size } = section;
    const where = `section ${name}`;
    const wanted = name.startsWith('.bss') ? SECTION_TYPE.nobits : SECTION_TYPE.progbits;
    if (section.type !== wanted) throw file.error(where, `type ${section.type}, expected ${wanted}`);
    if (size > MAX_VALUE_BYTES)
      throw file.error(where, `${size} bytes of variables; a map's value has at most ${MAX_VALUE_BYTES}`);
    for (const { entry, symbol } of file.relocations(section))
      throw file.error(
        `section .rel${name}, entry ${entry}`,
        `a variable holds the address of "${symbol.name}", which eBPF has no way to keep; use an index or a map of maps`,
      );
    const type = btf?.find('datasec', name);
    return {
      name,
      type: 'array',
      keySize: KEY_BYTES,
      valueSize: size,
      maxEntries: 1,
      ...(name.startsWith('.rodata') && { flags: BPF_F_RDONLY_PROG }),
      ...(section.data.length > 0 && { contents: [[new Uint8Array(KEY_BYTES), section.data.slice()] as const] }),
      ...(type !== undefined && { btf: { key: 0, value: type } }),
    };
  });
}

/** The variables in those sections that have names. BTF lists them too, but leaves their places to the linker. */
export function readGlobalVariables(file: ElfFile): GlobalVariable[] {
  const variables = file.symbols.flatMap(({ name, type, section: index, value: offset, size }) => {
    const section = file.sections[index];
    if (type !== SYMBOL_TYPE.object || index === 0 || !section || !isDataSection(section)) return [];
    if (offset + size > section.size)
      throw file.error(
        `section ${section.name}, variable "${name}"`,
        `it ends at byte ${offset + size} of ${section.size}`,
      );
    return [{ name, map: section.name, offset, size }];
  });
  return variables.sort((a, b) => (a.map === b.map ? a.offset - b.offset : a.map < b.map ? -1 : 1));
}
