import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { describe, expect, it, onTestFinished } from 'vitest';
import { assemble, exit, mov, R0 } from '../../engine/isa/index.ts';
import { E2BIG, EBADF, EEXIST, EFAULT, EINVAL, ENOENT, ENOTSUPP, EOPNOTSUPP, EPERM } from '../../engine/maps/index.ts';
import { createBtfBuilder, MAP_TYPE_IDS, type MapSpec, type MapType } from '../../engine/object/index.ts';
import { loadBtf, loadLinuxProgram } from '../../sensors/linux/index.ts';
import { count, seed } from '../support/counts.ts';
import { kernelSkip } from '../support/kernel.ts';
import { createRandom } from '../support/random.ts';
import { compareMaps, createMemories, type MapWorld } from './map-model.ts';
import { randomSpec, VALUE_TYPE_SIZES } from './map-specs.ts';

const skip = kernelSkip();
const TYPES = Object.keys(MAP_TYPE_IDS) as MapType[];
/** What the operations of even a short run come to. */
const ERRNOS = [EPERM, ENOENT, E2BIG, EBADF, EFAULT, EEXIST, EINVAL, EOPNOTSUPP, ENOTSUPP];
/** Large values take their time: one operation in ten. */
const operationsOf = ({ valueSize }: MapSpec): number => (valueSize > 4096 ? 6 : 60);

/** A pidfd of this process (pidfd_open is call 434 on every architecture). */
function openPidfd(): number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const syscall = koffi.load('libc.so.6').func('long syscall(long, int, unsigned int)');
  return Number(syscall(434, process.pid, 0));
}

/** BTF with an int as key, and for each size that values may have a type of that size. */
function loadTypes(): NonNullable<MapWorld['btf']> {
  const builder = createBtfBuilder();
  const key = builder.int('int', 4, true);
  const byte = builder.int('char', 1);
  const values = new Map(VALUE_TYPE_SIZES.map((size) => [size, builder.array(byte, size)]));
  const btf = loadBtf(builder.bytes());
  onTestFinished(() => btf.close());
  return (size) => ({ fd: btf.fd, key, value: values.get(size) ?? byte });
}

function createWorld(seedOfWorld: number): MapWorld {
  const { instructions } = assemble([mov(R0, 0), exit()]);
  const programs = new Map<number, number>();
  for (const name of ['one', 'other']) {
    const program = loadLinuxProgram({ name, programType: 'socket_filter', instructions });
    onTestFinished(() => program.close());
    programs.set(program.fd, program.id);
  }
  return {
    random: createRandom(seedOfWorld),
    memory: createMemories(),
    programs,
    pidfd: openPidfd(),
    btf: loadTypes(),
  };
}

/**
 * Everything is compared but for what the kernel leaves open: without BPF_F_ZERO_SEED the order of keys in hash maps (sets are compared)
 * and which wrong answers a bloom filter gives (never one about a value that was pushed); the padding of per-CPU values; which entries
 * an LRU map drops (here it never has to; lru.test.ts has its invariants). cgrp_storage, cgroup_array and perf_event_array only see
 * descriptors that are none, as this suite makes no cgroups and no perf events, and stack_trace only an empty map.
 */
describe.skipIf(skip)("maps beside the running kernel's", () => {
  it('give the same results, values and errnos for the same operations of user space', () => {
    const world = createWorld(seed('maps'));
    const seen = new Set<string>();
    const isComplete = (): boolean => TYPES.every((type) => seen.has(`${type} created`));
    let done = 0;
    for (let i = 0; done < count(100_000) || !isComplete(); i++) {
      const spec = randomSpec(world.random, TYPES[i % TYPES.length]!);
      done += compareMaps(world, spec, operationsOf(spec), seen);
    }
    for (const errno of ERRNOS) expect([...seen].filter((what) => what.endsWith(` ${-errno}`))).not.toEqual([]);
  }, 300_000);
});
