import { BPF_F_NO_COMMON_LRU, type MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { createElements } from './elements.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM } from './errno.ts';
import { hashEntries } from './hash-entries.ts';
import { createHashTable, KEY_AT } from './hash-table.ts';
import { createLru, LRU_NODE } from './lru.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type MapHost, type PerCpuMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { mapOperations } from './operations.ts';
import { valueShape } from './percpu.ts';

/** With lists of each CPU, all of them have as many elements. */
function mostEntries({ flags = 0, maxEntries }: MapSpec, host: MapHost | undefined): number {
  const cpus = host?.cpus ?? 1;
  return (flags & BPF_F_NO_COMMON_LRU) === 0 ? maxEntries : Math.ceil(maxEntries / cpus) * cpus;
}

/**
 * A hash map that makes room by dropping what was not used for long (kernel/bpf/hashtab.c), also when memory is used up. Lookups of
 * programs count as use, as do updates; those of user space do not. The kernel may drop elements before the map is full, and for an
 * update of a key that is there; this one does neither.
 */
export function createLruHashMap(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): PerCpuMap {
  const { bytes } = memory;
  const { keySize, valueSize } = spec;
  const maxEntries = mostEntries(spec, host);
  const shape = valueShape(spec, host);
  const { perCpu, stride } = shape;
  const valueAt = KEY_AT + align8(keySize);
  const nodeAt = valueAt + shape.room;
  const elements = createElements(memory, { size: nodeAt + LRU_NODE, valueAt, valueSize, stride }, maxEntries);
  const table = createHashTable(memory, keySize, maxEntries);
  const lru = createLru(memory);
  const { find, hash } = table;
  let count = 0;

  const { findAt, nextAt, eachAt, put } = hashEntries(memory, table, keySize, valueAt, shape.current);

  /** Takes an element in under a key. */
  const add = (element: number, keyOffset: number, keyHash: number): number => {
    lru.add(element + nodeAt);
    return put(element, keyOffset, keyHash);
  };
  const drop = (element: number): void => {
    table.unlink(element);
    lru.remove(element + nodeAt);
  };
  /** A free element, else the one that was not used for longest. */
  const takeElement = (): number => {
    const free = elements.take();
    if (free !== 0 || count === 0) return free;
    const victim = lru.victim() - nodeAt;
    table.unlink(victim);
    count--;
    return victim;
  };

  const operations = mapOperations(memory, spec, shape, {
    findAt,
    touchAt: (keyOffset) => {
      const element = find(keyOffset, hash(keyOffset));
      if (element === 0) return 0;
      lru.mark(element + nodeAt);
      return element + valueAt;
    },
    placeAt: (keyOffset, flags) => {
      if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
      const keyHash = hash(keyOffset);
      let element = find(keyOffset, keyHash);
      if (element !== 0) {
        if (flags === BPF_NOEXIST) return -EEXIST;
        const fresh = perCpu ? 0 : elements.take();
        if (fresh !== 0) {
          drop(element);
          add(fresh, keyOffset, keyHash);
          elements.give(element);
          element = fresh;
        }
        lru.mark(element + nodeAt);
        return element + valueAt;
      }
      if (flags === BPF_EXIST) return -ENOENT;
      element = takeElement();
      if (element === 0) return -ENOMEM;
      count++;
      if (perCpu) bytes.fill(0, element + valueAt, element + nodeAt);
      return add(element, keyOffset, keyHash);
    },
    deleteAt: (keyOffset) => {
      const element = find(keyOffset, hash(keyOffset));
      if (element === 0) return -ENOENT;
      drop(element);
      elements.give(element);
      count--;
      return 0;
    },
    nextAt,
    takes: true,
  });

  return {
    spec,
    handle,
    ...operations,
    eachAt,
    contains: elements.contains,
    valueOffset: undefined,
    layout: undefined,
    close: memory.close,
  };
}
