import { describe, expect, it, onTestFinished } from 'vitest';
import {
  add,
  assemble,
  call,
  exit,
  type Item,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R10,
  st,
} from '../../engine/isa/index.ts';
import {
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY_PROG,
  createBtfBuilder,
  MAP_TYPE_IDS,
  type MapSpec,
  type MapType,
} from '../../engine/object/index.ts';
import { type ArgumentType, HELPERS, type Helper, helperFor, mayCall } from '../../engine/vm/index.ts';
import {
  BpfError,
  createLinuxMap,
  type LinuxMap,
  type LinuxProgramSpec,
  loadBtf,
  loadLinuxProgram,
} from '../../sensors/linux/index.ts';
import { kernelSkip } from '../support/kernel.ts';

const skip = kernelSkip();
const REGISTERS = [R1, R2, R3, R4, R5] as const;
/** Bytes of stack that are written before the call, and what of them a buffer has. */
const [STACK, BUFFER] = [256, 64];
const GET_TASK = 158;
/** Types of which one may call each helper that there is a call for; those that sleep are for the last. */
const TYPES: readonly LinuxProgramSpec['programType'][] = [
  'kprobe',
  'sched_cls',
  'perf_event',
  'xdp',
  'cgroup_skb',
  'cgroup_sock_addr',
  'cgroup_sysctl',
  'cgroup_sockopt',
  'syscall',
];
const ATTACH: Partial<Record<LinuxProgramSpec['programType'], number>> = {
  cgroup_sock_addr: 10,
  cgroup_sysctl: 18,
  cgroup_sockopt: 22,
};

const SIZES: Partial<Record<MapType, readonly [key: number, value: number]>> = {
  lpm_trie: [8, 8],
  queue: [0, 8],
  stack: [0, 8],
  bloom_filter: [0, 8],
  prog_array: [4, 4],
  perf_event_array: [4, 4],
  cgroup_array: [4, 4],
  stack_trace: [4, 64],
  task_storage: [4, 8],
  cgrp_storage: [4, 8],
};
const TEXT: MapSpec = {
  ...{ name: 'text', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, flags: BPF_F_RDONLY_PROG },
  contents: [[new Uint8Array(4), new TextEncoder().encode('text\0\0\0\0')]],
};

/** Creates the maps that calls need; the object's members are made when they are first asked for. */
function createMaps() {
  const maps = new Map<string, LinuxMap>();
  const open = (spec: MapSpec, btf?: { fd: number; key: number; value: number }): LinuxMap => {
    const map = createLinuxMap(spec, btf ? { btf } : {});
    onTestFinished(() => map.close());
    maps.set(spec.name, map);
    return map;
  };
  const text = open(TEXT);
  text.freeze();
  open({ name: 'ringbuf', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 });
  return {
    fd(name: string): number {
      const known = maps.get(name);
      if (known) return known.fd;
      const type = name as MapType;
      const [keySize, valueSize] = SIZES[type] ?? [4, 8];
      const isStorage = type.endsWith('_storage');
      const spec: MapSpec = {
        name,
        type,
        keySize,
        valueSize,
        maxEntries: isStorage ? 0 : 4,
        flags: isStorage || type === 'lpm_trie' ? BPF_F_NO_PREALLOC : 0,
      };
      if (!isStorage) return open(spec).fd;
      const builder = createBtfBuilder();
      const key = builder.int('int', 4, true);
      const value = builder.int('long', 8, true);
      const btf = loadBtf(builder.bytes());
      onTestFinished(() => btf.close());
      return open(spec, { fd: btf.fd, key, value }).fd;
    },
  };
}

/** What puts an argument of that type into a register; undefined where this test can't make one. */
function argument(
  helper: Helper,
  type: ArgumentType,
  register: (typeof REGISTERS)[number],
  map: MapType = helper.mapTypes?.[0] ?? 'ringbuf',
): Item[] | undefined {
  const buffer = [mov(register, R10), add(register, -STACK)];
  if (typeof type === 'object') {
    if ('memory' in type) return buffer;
    return 'struct' in type && type.struct === 'task_struct' ? [mov(register, R7)] : undefined;
  }
  switch (type) {
    case 'map':
      return [loadMap(register, map)];
    case 'ringbuf':
      return [loadMap(register, map)];
    case 'map_key':
    case 'map_value':
    case 'map_value_out':
    case 'map_value_or_null':
    case 'memory':
    case 'memory_out':
    case 'memory_or_null':
    case 'memory_out_or_null':
      return buffer;
    case 'size':
    case 'size_or_zero':
    case 'constant_size':
      return [mov(register, BUFFER)];
    case 'constant_string':
      return [loadMapValue(register, 'text', 0)];
    case 'context':
      return [mov(register, R6)];
    case 'anything':
      return [mov(register, 0)];
    default:
      return undefined;
  }
}

/** A program that does nothing but call a helper with what its signature asks for; `wrong` is the argument that gets a number, or `instead`. */
function calling(helper: Helper, wrong?: number, instead?: Item[], map?: MapType): Item[] | undefined {
  const args = helper.arguments.map((type, n) =>
    n === wrong ? (instead ?? [mov(REGISTERS[n]!, 0x5eed)]) : argument(helper, type, REGISTERS[n]!, map),
  );
  if (args.includes(undefined)) return undefined;
  const needsTask = helper.arguments.some((type) => typeof type === 'object' && 'struct' in type);
  return [
    mov(R6, R1),
    ...(needsTask ? [call(GET_TASK), mov(R7, R0)] : []),
    ...Array.from({ length: STACK / 8 }, (_, n) => st('dw', R10, -8 * (n + 1), 0)),
    ...args.flatMap((items) => items ?? []),
    call(helper.id),
    mov(R0, 0),
    exit(),
  ];
}

/** The kernel's log where it refuses the program. */
function refusal(maps: ReturnType<typeof createMaps>, programType: LinuxProgramSpec['programType'], items: Item[]) {
  const { instructions, relocations } = assemble(items);
  for (const relocation of relocations) {
    if (relocation.kind !== 'map' && relocation.kind !== 'map_value') throw new Error('calls refer to maps only');
    instructions[relocation.at] = { ...instructions[relocation.at]!, imm: maps.fd(relocation.map) };
  }
  const attachType = ATTACH[programType];
  try {
    loadLinuxProgram({
      ...{ name: 'call', programType, instructions, sleepable: programType === 'syscall' },
      ...(attachType === undefined ? {} : { attachType }),
    }).close();
    return undefined;
  } catch (error) {
    if (error instanceof BpfError) return error.log;
    throw error;
  }
}

/** Those whose results must be given back, and those that a kernel may be built or locked down without. */
const UNFINISHED =
  /^bpf_(ringbuf_reserve|sk_lookup_tcp|sk_lookup_udp|skc_lookup_tcp|probe_write_user|override_return)$/;
/** Arguments that may be any number. */
const ANY_NUMBER: ReadonlySet<ArgumentType> = new Set<ArgumentType>([
  'anything',
  'size',
  'size_or_zero',
  'constant_size',
]);

const CALLS = HELPERS.filter(({ name }) => !UNFINISHED.test(name)).flatMap((row) => {
  const programType = TYPES.slice(row.sleepable ? -1 : 0).find((type) => {
    const attachType = ATTACH[type];
    return mayCall(row, { programType: type, ...(attachType === undefined ? {} : { attachType }) });
  });
  const helper = programType && helperFor(row, programType);
  return helper && calling(helper) ? [[helper.name, helper, programType] as const] : [];
});

describe.skipIf(skip)('the running kernel takes calls as their signatures say', () => {
  it('of most helpers', () => {
    expect(CALLS.length).toBeGreaterThan(80);
  });

  it.each(CALLS)('%s', (_, helper, programType) => {
    const maps = createMaps();
    expect(refusal(maps, programType, calling(helper)!)).toBeUndefined();
    for (const [n, type] of helper.arguments.entries())
      if (!ANY_NUMBER.has(type))
        expect(refusal(maps, programType, calling(helper, n)!)).toMatch(`R${n + 1} type=scalar`);
    for (let n = 1; n < helper.arguments.length; n++)
      expect(refusal(maps, programType, calling(helper, n, [])!)).toContain(`R${n + 1} !read_ok`);
  });

  const withMap = CALLS.filter(([, { arguments: types }]) =>
    types.some((type) => type === 'map' || type === 'ringbuf'),
  );
  it.each(withMap)('%s: which maps it takes', (_, helper, programType) => {
    const maps = createMaps();
    const types = (Object.keys(MAP_TYPE_IDS) as MapType[]).filter((type) => !type.endsWith('_of_maps'));
    const ours = types.filter((type) =>
      helper.arguments.includes('ringbuf') ? type === 'ringbuf' : helper.mapTypes!.includes(type),
    );
    const kernels = types.filter(
      (type) => refusal(maps, programType, calling(helper, undefined, undefined, type)!) === undefined,
    );
    expect(ours).toEqual(kernels);
  });
});
