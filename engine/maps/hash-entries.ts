import { copyBytes } from './copy.ts';
import { ENOENT } from './errno.ts';
import { type HashTable, KEY_AT } from './hash-table.ts';
import type { IterableMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import type { MapStorage } from './operations.ts';

/** What all maps with a hash table do with its elements, whose values lie `valueAt` bytes in. */
export interface HashEntries extends Pick<MapStorage, 'findAt' | 'nextAt'>, Pick<IterableMap, 'eachAt'> {
  /** Links an element under a key and returns the offset of its value. */
  put(element: number, keyOffset: number, hash: number): number;
}

/** @param current where the current CPU's value lies, from the first one's. */
export function hashEntries(
  memory: MapMemory,
  table: HashTable,
  keySize: number,
  valueAt: number,
  current: () => number,
): HashEntries {
  const { find, hash, next } = table;
  return {
    put(element, keyOffset, keyHash) {
      copyBytes(memory, element + KEY_AT, keyOffset, keySize);
      table.link(element, keyHash);
      return element + valueAt;
    },
    findAt(keyOffset) {
      const element = find(keyOffset, hash(keyOffset));
      return element === 0 ? 0 : element + valueAt;
    },
    nextAt(keyOffset) {
      const element = next(keyOffset === 0 ? 0 : find(keyOffset, hash(keyOffset)));
      return element === 0 ? -ENOENT : element + KEY_AT;
    },
    eachAt(visit) {
      let visited = 0;
      table.each((element) => {
        visited++;
        return visit(element + KEY_AT, element + valueAt + current());
      });
      return visited;
    },
  };
}
