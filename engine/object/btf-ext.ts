import type { Btf } from './btf.ts';
import type { ElfFile } from './elf.ts';
import type { CoreKind } from './object.ts';

/** Where a function begins in its section, in bytes, and its type of kind func. */
export interface FunctionRecord {
  readonly offset: number;
  readonly type: number;
}

/** The source line of the instruction at `offset` bytes into its section. */
export interface LineRecord {
  readonly offset: number;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** A CO-RE relocation of the instruction at `offset` bytes into its section. */
export interface CoreRecord {
  readonly offset: number;
  readonly type: number;
  readonly access: string;
  readonly what: CoreKind;
}

/** What .BTF.ext says about each section, by the section's name. */
export interface BtfExtension {
  readonly functions: ReadonlyMap<string, readonly FunctionRecord[]>;
  readonly lines: ReadonlyMap<string, readonly LineRecord[]>;
  readonly core: ReadonlyMap<string, readonly CoreRecord[]>;
}

/** enum bpf_core_relo_kind, by number. */
const CORE_KINDS: readonly CoreKind[] = [
  'field_byte_offset',
  'field_byte_size',
  'field_exists',
  'field_signed',
  'field_lshift_u64',
  'field_rshift_u64',
  'type_id_local',
  'type_id_target',
  'type_exists',
  'type_size',
  'enumval_exists',
  'enumval_value',
  'type_matches',
];

const BTF_EXT_MAGIC = 0xeb9f;
const WHERE = 'section .BTF.ext';
/** Header fields up to and with line_info; core_relo makes it 32. */
const MIN_HEADER_BYTES = 24;

/**
 * Reads .BTF.ext (Documentation/bpf/btf.rst, "4.2 .BTF.ext section"; core_relo of libbpf's btf.h): functions, lines, CO-RE relocations.
 * @throws ElfError, and BtfError for names that lie outside the strings
 */
export function readBtfExtension(file: ElfFile, bytes: Uint8Array, btf: Btf): BtfExtension {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < MIN_HEADER_BYTES)
    throw file.error(WHERE, `truncated: ${bytes.length} bytes, less than a header of ${MIN_HEADER_BYTES}`);
  const magic = view.getUint16(0, true);
  if (magic !== BTF_EXT_MAGIC) throw file.error(WHERE, `it starts with 0x${magic.toString(16)}, expected 0xeb9f`);
  const version = view.getUint8(2);
  if (version !== 1) throw file.error(WHERE, `version ${version}, expected 1`);
  const header = view.getUint32(4, true);
  if (header < MIN_HEADER_BYTES || header > bytes.length)
    throw file.error(WHERE, `a header of ${header} bytes, expected ${MIN_HEADER_BYTES} to ${bytes.length}`);

  /** One part: a record's size, then for each section its name, how many records, and the records. */
  const part = <R>(name: string, at: number, minBytes: number, read: (record: number) => R): Map<string, R[]> => {
    const found = new Map<string, R[]>();
    if (at + 8 > header) return found;
    const start = header + view.getUint32(at, true);
    const end = start + view.getUint32(at + 4, true);
    const where = `${WHERE}, ${name}`;
    if (end > bytes.length)
      throw file.error(where, `it ends at byte ${end} of ${bytes.length}; the section is truncated`);
    if (start === end) return found;
    if (end - start < 4) throw file.error(where, `${end - start} bytes, less than the size of a record takes`);
    const recordBytes = view.getUint32(start, true);
    if (recordBytes < minBytes || recordBytes % 4 !== 0)
      throw file.error(where, `records of ${recordBytes} bytes, expected a multiple of 4 from ${minBytes} on`);
    let place = start + 4;
    while (place < end) {
      if (place + 8 > end) throw file.error(where, `it ends within a section's header, at byte ${place}`);
      const section = btf.string(view.getUint32(place, true));
      const count = view.getUint32(place + 4, true);
      const records = place + 8;
      place = records + count * recordBytes;
      if (place > end)
        throw file.error(where, `${count} records for ${section} end at byte ${place}, behind the part's end, ${end}`);
      const list = found.get(section) ?? [];
      for (let i = 0; i < count; i++) list.push(read(records + i * recordBytes));
      found.set(section, list);
    }
    return found;
  };

  const offset = (record: number): number => view.getUint32(record, true);
  return {
    functions: part('func_info', 8, 8, (record) => ({
      offset: offset(record),
      type: view.getUint32(record + 4, true),
    })),
    lines: part('line_info', 16, 16, (record) => {
      const place = view.getUint32(record + 12, true);
      return {
        offset: offset(record),
        file: btf.string(view.getUint32(record + 4, true)),
        text: btf.string(view.getUint32(record + 8, true)).trim(),
        line: place >>> 10,
        column: place & 0x3ff,
      };
    }),
    core: part('core_relo', 24, 16, (record) => {
      const number = view.getUint32(record + 12, true);
      const what = CORE_KINDS[number];
      if (!what)
        throw file.error(
          `${WHERE}, core_relo`,
          `kind ${number}, expected 0 to ${CORE_KINDS.length - 1}; compile with clang 19`,
        );
      const access = btf.string(view.getUint32(record + 8, true));
      return { offset: offset(record), type: view.getUint32(record + 4, true), access, what };
    }),
  };
}
