import { BPF_F_NO_PREALLOC, type MapSpec } from '../object/index.ts';
import { align8 } from './align.ts';
import { createElements } from './elements.ts';
import { E2BIG, EEXIST, EINVAL, ENOENT, ENOMEM } from './errno.ts';
import { hashEntries } from './hash-entries.ts';
import { createHashTable, KEY_AT } from './hash-table.ts';
import { BPF_ANY, BPF_EXIST, BPF_NOEXIST, type MapHost, type PerCpuMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { mapOperations } from './operations.ts';
import { valueShape } from './percpu.ts';

/**
 * A hash map or per-CPU hash map (kernel/bpf/hashtab.c). As there, an update gives a key a new element, so that a program which looked
 * the value up before still sees the old one; per-CPU values are overwritten. Memory is taken when it is first needed: unlike in the
 * kernel, where a map has all its elements from the start unless it says otherwise, an insertion can find none left (-ENOMEM).
 */
export function createHashMap(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): PerCpuMap {
  const { bytes } = memory;
  const { keySize, valueSize, maxEntries } = spec;
  const shape = valueShape(spec, host);
  const { perCpu, stride } = shape;
  const valueAt = KEY_AT + align8(keySize);
  const size = valueAt + shape.room;
  const elements = createElements(memory, { size, valueAt, valueSize, stride }, maxEntries + 1);
  const table = createHashTable(memory, keySize, maxEntries);
  const { find, hash } = table;
  const keepsSpare = ((spec.flags ?? 0) & BPF_F_NO_PREALLOC) === 0;
  let spare = 0;
  let count = 0;

  const { findAt, nextAt, eachAt, put } = hashEntries(memory, table, keySize, valueAt, shape.current);

  /** The element in `old`'s place: with preallocation the one that the last update left over, else the next free one. */
  const replace = (old: number, keyOffset: number, keyHash: number): number => {
    const element = (keepsSpare && spare) || elements.take();
    if (element === 0) return -ENOMEM;
    table.unlink(old);
    const place = put(element, keyOffset, keyHash);
    if (keepsSpare) spare = old;
    else elements.give(old);
    return place;
  };

  const operations = mapOperations(memory, spec, shape, {
    findAt,
    placeAt: (keyOffset, flags) => {
      if (flags !== BPF_ANY && flags !== BPF_NOEXIST && flags !== BPF_EXIST) return -EINVAL;
      const keyHash = hash(keyOffset);
      const old = find(keyOffset, keyHash);
      if (old !== 0) {
        if (flags === BPF_NOEXIST) return -EEXIST;
        return perCpu ? old + valueAt : replace(old, keyOffset, keyHash);
      }
      if (flags === BPF_EXIST) return -ENOENT;
      if (count === maxEntries) return -E2BIG;
      const element = elements.take();
      if (element === 0) return -ENOMEM;
      count++;
      if (perCpu) bytes.fill(0, element + valueAt, element + size);
      return put(element, keyOffset, keyHash);
    },
    deleteAt: (keyOffset) => {
      const element = find(keyOffset, hash(keyOffset));
      if (element === 0) return -ENOENT;
      table.unlink(element);
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
