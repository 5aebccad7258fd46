import { add, jgt, loadMapValue, type Register } from '../../engine/isa/index.ts';
import { BEHIND_TABLES } from './automaton-table.ts';
import type { Emitter } from './emitter.ts';

/** The map of one value that holds all that programs look up by its place: automata, truths, rows of bits, decision chains. */
export const TABLES_MAP = 'tables';

const align = (value: number): number => (value + 7) & ~7;

/** Collects tables one behind the other. No table begins at 0, so that 0 can stand for none. */
export interface Tables {
  /** Places a table and returns where it begins, a multiple of 8. The bytes are taken when `value` is asked for. */
  place(bytes: Uint8Array): number;
  /** The same for tables of which equal ones are kept once. */
  placeShared(bytes: Uint8Array): number;
  /** Bytes of all tables so far. */
  readonly size: number;
  value(): Uint8Array;
}

export const createTables = (): Tables => {
  const tables: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const shared = new Map<string, number>();
  let size = 8;
  const place = (bytes: Uint8Array): number => {
    const at = size;
    tables.push({ at, bytes });
    size = align(at + bytes.length);
    return at;
  };
  return {
    place,
    placeShared: (bytes) => {
      const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
      let at = shared.get(key);
      if (at === undefined) {
        at = place(bytes);
        shared.set(key, at);
      }
      return at;
    },
    get size() {
      return size;
    },
    value: () => {
      const value = new Uint8Array(size + BEHIND_TABLES);
      for (const { at, bytes } of tables) value.set(bytes, at);
      return value;
    },
  };
};

/** pointer = the address of the `bytes` bytes at the offset in `offset`; jumps to `outside` where the tables end before. Both registers differ. */
export const emitTable = (
  out: Emitter,
  tables: Tables,
  pointer: Register,
  offset: Register,
  bytes: number,
  outside: string,
): void => {
  out.emit(jgt(offset, tables.size - bytes, outside), loadMapValue(pointer, TABLES_MAP, 0), add(pointer, offset));
};
