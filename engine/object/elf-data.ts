import type { Btf } from './btf.ts';
import { type ElfFile, type ElfSection, SECTION_TYPE } from './elf.ts';
import { BPF_F_RDONLY_PROG } from './map-types.ts';
import type { MapSpec } from './object.ts';

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
