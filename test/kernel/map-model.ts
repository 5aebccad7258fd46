import * as maps from '../../engine/maps/index.ts';
import { type BpfMap, createMap, ENOENT, isPerCpu, type MapHost, MapSpecError } from '../../engine/maps/index.ts';
import { BPF_F_ZERO_SEED, type MapSpec } from '../../engine/object/index.ts';
import { Memory } from '../../engine/vm/index.ts';
import {
  BpfError,
  createLinuxMap,
  type LinuxMap,
  type LinuxMapOptions,
  possibleCpus,
} from '../../sensors/linux/index.ts';
import type { Random } from '../support/random.ts';
import { createMapProgram, type MapProgram, programOperations } from './map-program.ts';
import { hasKnownOrder, randomFlags, randomKey, randomLookupFlags } from './map-specs.ts';

/** What both sides know beside the maps, under the same numbers. */
export interface MapWorld {
  readonly random: Random;
  memory(): Memory;
  /** File descriptors of loaded programs, and the kernel's ids of them. */
  readonly programs: ReadonlyMap<number, number>;
  /** A pidfd of this process. */
  readonly pidfd: number | undefined;
  /** Loaded BTF for a value of that many bytes. */
  btf(valueSize: number): NonNullable<LinuxMapOptions['btf']>;
}

/** A map of ours and one of the kernel's that were created from one spec. */
interface Pair {
  readonly spec: MapSpec;
  readonly ours: BpfMap;
  readonly kernel: LinuxMap;
  /** What was pushed onto a bloom filter. */
  readonly pushed: Set<string>;
  /** A program that works on the maps, where there can be one. */
  readonly program?: MapProgram | undefined;
}

/** Thrown where the two sides differ. */
class Difference extends Error {}

const MEMORY_BYTES = 256 * 1024 * 1024;

/** Gives the machine's memory for the next maps: another when the sizes of those that were closed no longer leave room for any other. */
export function createMemories(): () => Memory {
  let memory = new Memory(MEMORY_BYTES);
  return () => {
    if (memory.used > MEMORY_BYTES / 2) memory = new Memory(MEMORY_BYTES);
    return memory;
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const show = (result: Uint8Array | number): string => (typeof result === 'number' ? String(result) : hex(result));

/**
 * Creates the maps of a spec on both sides and sends both the same operations; every result must be the same. Keys without a known order
 * are compared as sets. Returns how many operations there were, and what came out, as `type operation errno`.
 * @throws Difference with everything that was done
 */
export function compareMaps(world: MapWorld, spec: MapSpec, operations: number, seen: Set<string>): number {
  const pool = new Map<number, Pair>();
  const memory = world.memory();
  let currentCpu = 0;
  const host = { ...hostOf(world, pool), currentCpu: () => currentCpu };
  const log: string[] = [`spec ${JSON.stringify(spec)}`];
  const fail = (what: string, ours: string, kernel: string): never => {
    throw new Difference(`${what}: ours ${ours}, the kernel ${kernel}\n${log.join('\n')}`);
  };
  try {
    for (const inner of innerSpecs(world.random, spec)) {
      const pair = createPair(memory, host, inner, world, fail);
      if (pair) pool.set(pair.kernel.fd, pair);
    }
    const created = createPair(memory, host, spec, world, fail);
    const program =
      created &&
      createMapProgram(memory, created.ours, (cpu) => {
        currentCpu = cpu;
      });
    const pair = created && { ...created, program };
    seen.add(`${spec.type} ${pair ? 'created' : 'refused'}`);
    if (!pair) return 1;
    try {
      for (let i = 0; i < operations; i++)
        operate(pair, world, pool, (what, ours, kernel) => {
          log.push(`${what}: ${show(kernel)}`);
          if (show(ours) !== show(kernel)) fail(what, show(ours), show(kernel));
          seen.add(`${spec.type} ${what.split('(')[0]} ${typeof kernel === 'number' ? kernel : 'bytes'}`);
        });
    } finally {
      program?.close();
      pair.kernel.close();
      pair.ours.close();
    }
    return operations + 1;
  } finally {
    for (const { kernel, ours } of pool.values()) {
      kernel.close();
      ours.close();
    }
  }
}

/** Maps to put into a map of maps: some like the one it was made for, some not. */
function innerSpecs(random: Random, { inner }: MapSpec): MapSpec[] {
  if (!inner) return [];
  const name = 'other';
  return [
    { ...inner, name },
    { ...inner, name, maxEntries: inner.maxEntries * 2 },
    { ...inner, name, valueSize: inner.valueSize + random.pick([0, 8]) },
    { name, type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 },
  ];
}

const hostOf = ({ programs, pidfd }: MapWorld, pool: ReadonlyMap<number, Pair>): MapHost => ({
  map: (handle) => pool.get(handle)?.ours,
  isProgram: (handle) => programs.has(handle),
  owner: (kind, fd) => (kind === 'task' && fd === pidfd ? 0x1000n : undefined),
  cpus: possibleCpus(),
});

function createPair(
  memory: Memory,
  host: MapHost,
  spec: MapSpec,
  { btf }: MapWorld,
  fail: (what: string, ours: string, kernel: string) => never,
): Pair | undefined {
  const kernel = attempt(() => createLinuxMap(spec, spec.btf ? { btf: btf(spec.valueSize) } : {}));
  const handle = typeof kernel === 'string' ? 1 : kernel.fd;
  const ours = attempt(() => createMap(memory, spec, handle, host));
  if (typeof kernel !== 'string' && typeof ours !== 'string') return { spec, ours, kernel, pushed: new Set() };
  if (typeof kernel !== 'string') kernel.close();
  const [own, its] = [ours, kernel].map((result) => (typeof result === 'string' ? result : 'a map'));
  return own === its ? undefined : fail(`creation of ${JSON.stringify(spec)}`, own!, its!);
}

const ERRNO_NAMES = new Map(
  Object.entries(maps).flatMap(([name, number]) =>
    typeof number === 'number' && /^E/.test(name) ? [[number, name]] : [],
  ),
);

/** The result, or the name of the errno of what was thrown. */
function attempt<T>(create: () => T): T | string {
  try {
    return create();
  } catch (error) {
    if (error instanceof BpfError) return error.errno;
    if (error instanceof MapSpecError) return ERRNO_NAMES.get(error.errno)!;
    throw error;
  }
}

type Compare = (what: string, ours: Uint8Array | number, kernel: Uint8Array | number) => void;

/** One random operation on both sides. */
function operate(pair: Pair, world: MapWorld, pool: ReadonlyMap<number, Pair>, compare: Compare): void {
  const { random } = world;
  const { spec, ours, kernel } = pair;
  const { syscalls } = ours;
  const keyless = spec.keySize === 0;
  const key = random.chance(keyless ? 0.95 : 0.02) ? undefined : keyOf(world, spec);
  const name = key ? hex(key) : 'none';
  const value = randomValue(world, spec, pool, kernel.valueBytes);
  switch (random.weighted(OPERATIONS)) {
    case 'update': {
      const flags = randomFlags(random);
      const result = kernel.update(key, value, flags);
      compare(`update(${name}, ${hex(value)}, ${flags})`, syscalls.update(key, value, flags), result);
      if (result === 0) pair.pushed.add(hex(value));
      break;
    }
    case 'lookup': {
      if (spec.type === 'bloom_filter') {
        const answers = [syscalls.contains(value), kernel.contains(value)] as const;
        if (!mayDiffer(pair, value, ...answers)) compare(`contains(${hex(value)})`, ...answers);
        break;
      }
      const flags = randomLookupFlags(random);
      compare(
        `lookup(${name}, ${flags})`,
        unpadded(spec, syscalls.lookup(key, flags)),
        unpadded(spec, handleOf(world, pool, spec, kernel.lookup(key, flags))),
      );
      break;
    }
    case 'delete': {
      const some = key ?? keyOf(world, spec);
      compare(`delete(${hex(some)})`, syscalls.delete(some), kernel.delete(some));
      break;
    }
    case 'lookupAndDelete': {
      const flags = randomLookupFlags(random);
      compare(
        `lookupAndDelete(${name}, ${flags})`,
        unpadded(spec, syscalls.lookupAndDelete(key, flags)),
        unpadded(spec, kernel.lookupAndDelete(key, flags)),
      );
      break;
    }
    case 'nextKey':
      if (hasKnownOrder(spec)) compare(`nextKey(${name})`, syscalls.nextKey(key), kernel.nextKey(key));
      else compare(`first()`, ...firstKeys(ours, kernel));
      break;
    case 'keys':
      compare('keys()', ...allKeys(ours, kernel));
      break;
    case 'program':
      if (pair.program) runProgram(pair, pair.program, world, value, compare);
      break;
    case 'freeze':
      if (random.chance(0.1)) compare('freeze()', syscalls.freeze(), kernel.freeze());
  }
}

const OPERATIONS = [
  [10, 'update'],
  [6, 'lookup'],
  [3, 'delete'],
  [3, 'lookupAndDelete'],
  [3, 'nextKey'],
  [1, 'keys'],
  [1, 'freeze'],
  [9, 'program'],
] as const;

/** One helper call, or a lookup and another, on both sides. */
function runProgram(pair: Pair, program: MapProgram, world: MapWorld, value: Uint8Array, compare: Compare): void {
  const { random } = world;
  const { spec, pushed } = pair;
  const operation = random.pick(programOperations(spec));
  const key = keyOf(world, spec);
  const flags = operation === 'lookupCpu' ? random.below(4) : randomFlags(random);
  const own = value.subarray(0, spec.valueSize);
  const [ours, its] = program.run(operation, key, own, flags);
  const result = (bytes: Uint8Array): number => Number(new DataView(bytes.buffer).getBigInt64(0, true));
  if (operation === 'peek' && spec.type === 'bloom_filter' && mayDiffer(pair, own, result(ours), result(its))) return;
  if (operation === 'push' && result(its) === 0) pushed.add(hex(own));
  compare(`program: ${operation}(${hex(key)}, ${hex(own)}, ${flags})`, ours, its);
}

const keyOf = ({ random, pidfd }: MapWorld, spec: MapSpec): Uint8Array => {
  if (!spec.type.endsWith('_storage')) return randomKey(random, spec);
  return descriptor(random.chance(0.8) && spec.type === 'task_storage' ? (pidfd ?? -1) : random.pick(NO_DESCRIPTORS));
};
const descriptor = (fd: number): Uint8Array => new Uint8Array(Int32Array.of(fd).buffer);
const NO_DESCRIPTORS = [-1, 0x7fff_ffff, 1_000_000];

function randomValue(
  { random, programs }: MapWorld,
  { type }: MapSpec,
  pool: ReadonlyMap<number, Pair>,
  bytes: number,
): Uint8Array {
  if (bytes === 4 && type.endsWith('_array') && !isPerCpu(type))
    return descriptor(random.pick(type === 'prog_array' ? [...programs.keys(), -1] : NO_DESCRIPTORS));
  if (bytes === 4 && type.endsWith('_of_maps'))
    return descriptor(random.pick([...pool.keys(), ...pool.keys(), ...NO_DESCRIPTORS]));
  /** A bloom filter's bits collide only where there are many values. */
  if (type === 'bloom_filter') return new Uint8Array(bytes).fill(random.below(256));
  const few = random.pick([1, 2, 3, 0xff]);
  return Uint8Array.from({ length: bytes }, (_, i) => (few + i * random.pick([0, 1])) & 0xff);
}

/** Ids of programs and maps that the kernel answers with, as the descriptors that they were written as. */
function handleOf(
  { programs }: MapWorld,
  pool: ReadonlyMap<number, Pair>,
  { type }: MapSpec,
  result: Uint8Array | number,
): Uint8Array | number {
  if (typeof result === 'number') return result;
  const maps = type.endsWith('_of_maps');
  if (!maps && type !== 'prog_array') return result;
  const id = new DataView(result.buffer, result.byteOffset).getUint32(0, true);
  const ids = maps ? [...pool].map(([fd, { kernel }]) => [fd, kernel.id] as const) : [...programs];
  return descriptor(ids.find(([, other]) => other === id)?.[0] ?? -1);
}

/** Without the padding of per-CPU values: an insertion by a program leaves there what another element had before. */
function unpadded({ type, valueSize }: MapSpec, result: Uint8Array | number): Uint8Array | number {
  if (typeof result === 'number' || !isPerCpu(type)) return result;
  const stride = Math.ceil(valueSize / 8) * 8;
  return result.map((byte, i) => (i % stride < valueSize ? byte : 0));
}

/** Without BPF_F_ZERO_SEED the two sides may be wrong about different values, though not about those that were pushed. */
function mayDiffer({ spec, pushed }: Pair, value: Uint8Array, ...answers: readonly number[]): boolean {
  if (((spec.flags ?? 0) & BPF_F_ZERO_SEED) !== 0 || pushed.has(hex(value))) return false;
  return answers.every((answer) => answer === 0 || answer === -ENOENT);
}

function allKeys(ours: BpfMap, kernel: LinuxMap): [Uint8Array, Uint8Array] {
  const every = (next: (key: Uint8Array | undefined) => Uint8Array | number): Uint8Array => {
    const keys: string[] = [];
    for (let key = next(undefined); typeof key !== 'number'; key = next(key)) keys.push(hex(key));
    if (!hasKnownOrder(ours.spec)) keys.sort();
    return Buffer.from(keys.join(''), 'hex');
  };
  return [every(ours.syscalls.nextKey), every(kernel.nextKey)];
}

function firstKeys(ours: BpfMap, kernel: LinuxMap): [number, number] {
  const errno = (result: Uint8Array | number): number => (typeof result === 'number' ? result : 0);
  return [errno(ours.syscalls.nextKey(undefined)), errno(kernel.nextKey(undefined))];
}
