import type { MapSpec } from '../object/index.ts';
import { powerOfTwo } from './align.ts';
import { E2BIG, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM } from './errno.ts';
import { jhash } from './jhash.ts';
import type { StackTraceMap } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { userOperations } from './syscalls.ts';

const FRAME = 8;
const SKIPPED = 0xff;
const BPF_F_FAST_STACK_CMP = 1 << 9;
const BPF_F_REUSE_STACKID = 1 << 10;
/** All flags that there are, BPF_F_USER_STACK (2^8) included. */
const KNOWN = 0x7ff;

interface Chain {
  readonly hash: number;
  readonly frames: readonly bigint[];
}

/**
 * A map of call chains (kernel/bpf/stackmap.c). A chain's id is the low part of its hash, so a second chain of the same id is refused
 * unless it may replace the first; there are as many ids as the next power of two from maxEntries.
 */
export function createStackTrace(memory: MapMemory, spec: MapSpec, handle: number): StackTraceMap {
  const { view } = memory;
  const { maxEntries, valueSize } = spec;
  const ids = powerOfTwo(maxEntries);
  const depth = valueSize / FRAME;
  const chains = new Map<number, Chain>();
  const nextKey = memory.allocate(4);
  const value = memory.allocate(valueSize);

  /** Writes the frames where a value is handed out, zeroes behind them. */
  const show = (frames: readonly bigint[]): number => {
    for (let i = 0; i < depth; i++) view.setBigUint64(value + FRAME * i, frames[i] ?? 0n, true);
    return value;
  };
  const read = (key: number): number => {
    const chain = chains.get(view.getUint32(key, true));
    return chain ? show(chain.frames) : -ENOENT;
  };
  const remove = (key: number): number => {
    const id = view.getUint32(key, true);
    if (id >= ids) return -E2BIG;
    return chains.delete(id) ? 0 : -ENOENT;
  };

  return {
    spec,
    handle,
    lookupAt: () => 0,
    updateAt: () => -EINVAL,
    deleteAt: remove,
    stackId(all, flags) {
      if (flags < 0 || flags > KNOWN) return -EINVAL;
      const skip = flags & SKIPPED;
      if (all.length <= skip) return -EFAULT;
      const frames = all.slice(skip, skip + depth);
      show(frames);
      const hash = jhash(view, value, FRAME * frames.length, 0);
      const id = hash & (ids - 1);
      const there = chains.get(id);
      if (there?.hash === hash) {
        if ((flags & BPF_F_FAST_STACK_CMP) !== 0) return id;
        if (there.frames.length === frames.length && there.frames.every((frame, i) => frame === frames[i])) return id;
      }
      if (there && (flags & BPF_F_REUSE_STACKID) === 0) return -EEXIST;
      /** The kernel takes the new chain's room before it gives back the old one's. */
      if (chains.size === maxEntries) return -ENOMEM;
      chains.set(id, { hash, frames });
      return id;
    },
    ...userOperations(memory, spec, valueSize, {
      read,
      write: () => -EINVAL,
      /** From Linux 6.18 on. */
      take: (key) => {
        const chain = read(key);
        if (chain > 0) remove(key);
        return chain;
      },
      remove,
      next: (key) => {
        const before = key === 0 ? undefined : view.getUint32(key, true);
        const sorted = [...chains.keys()].sort((a, b) => a - b);
        const from = before !== undefined && chains.has(before) ? before : -1;
        const id = sorted.find((other) => other > from);
        if (id === undefined) return -ENOENT;
        view.setUint32(nextKey, id, true);
        return nextKey;
      },
    }),
    contains: () => false,
    valueOffset: undefined,
    layout: undefined,
    close() {
      chains.clear();
      memory.close();
    },
  };
}
