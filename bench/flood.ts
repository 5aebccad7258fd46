import {
  add,
  assemble,
  atomicAdd,
  atomicFetchAdd,
  call,
  exit,
  type Item,
  ja,
  jeq,
  jne,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R10,
  st,
  stx,
} from '../engine/isa/index.ts';
import { helperByName } from '../engine/vm/index.ts';
import { cgroupLevel, type Kernel, type KernelMap, type RecordStream } from '../sensors/index.ts';

/** Bytes of a record, and where in it are its ring's number, its time and which record of its ring it is. */
export const FLOOD_RECORD = { size: 128, ring: 0, time: 8, sequence: 16 } as const;
/** The rings, in the order of their numbers, and the call that writes a record into each (arch/x86/entry/syscalls/syscall_64.tbl). */
const RINGS = [
  { name: 'events', call: 110 },
  { name: 'critical', call: 121 },
] as const;
const NO_WAKEUP = 1;

/** How many records there were of each ring, and how many found no room. */
export interface FloodCounts {
  readonly produced: readonly [events: number, critical: number];
  readonly lost: readonly [events: number, critical: number];
}

/** Bytes of the rings, powers of two. */
export interface FloodSizes {
  readonly events: number;
  readonly critical: number;
}

/** A program that writes a record of 128 bytes for each getppid in a cgroup into one ring, for each getpgid into another. */
export interface Flood {
  readonly stream: RecordStream;
  counts(): FloodCounts;
}

const helper = (name: string): Item => {
  const found = helperByName(name);
  if (found === undefined) throw new Error(`no helper is called ${name}`);
  return call(found.id);
};

/** Call and scope are tested in front of everything else. */
const itemsOf = (cgroup: bigint, level: number): readonly Item[] => {
  const fillers = Array.from({ length: FLOOD_RECORD.size / 8 }, (_, index) => 8 * index).filter(
    (at) => at !== FLOOD_RECORD.time && at !== FLOOD_RECORD.sequence,
  );
  const at = (offset: number): number => offset - FLOOD_RECORD.size;
  return [
    ldx('dw', R2, R1, 0),
    ldxField('dw', R6, R2, 'pt_regs.orig_ax'),
    ...RINGS.map((ring) => jeq(R6, ring.call, 'call')),
    ja('exit'),
    label('call'),
    mov(R1, level),
    helper('bpf_get_current_ancestor_cgroup_id'),
    lddw(R1, cgroup),
    jne(R0, R1, 'exit'),
    ...fillers.map((offset) => st('dw', R10, at(offset), 0)),
    helper('bpf_ktime_get_boot_ns'),
    stx('dw', R10, at(FLOOD_RECORD.time), R0),
    loadMapValue(R7, 'counts', 0),
    ...RINGS.flatMap(({ name, call: number }, ring) => [
      jne(R6, number, `not.${name}`),
      mov(R8, 1),
      atomicFetchAdd('dw', R7, 8 * ring, R8),
      stx('dw', R10, at(FLOOD_RECORD.sequence), R8),
      st('dw', R10, at(FLOOD_RECORD.ring), ring),
      loadMap(R1, name),
      mov(R2, R10),
      add(R2, -FLOOD_RECORD.size),
      mov(R3, FLOOD_RECORD.size),
      mov(R4, NO_WAKEUP),
      helper('bpf_ringbuf_output'),
      jeq(R0, 0, 'exit'),
      mov(R8, 1),
      atomicAdd('dw', R7, 8 * (RINGS.length + ring), R8),
      ja('exit'),
      label(`not.${name}`),
    ]),
    label('exit'),
    mov(R0, 0),
    exit(),
  ];
};

/** Attaches the program to a kernel, for tasks of one cgroup and those below it. */
export const attachFlood = (kernel: Kernel, cgroup: string, sizes: FloodSizes): Flood => {
  const id = kernel.cgroupId(cgroup);
  if (id === undefined) throw new Error(`there is no cgroup ${cgroup}`);
  const maps = new Map<string, KernelMap>();
  for (const { name } of RINGS)
    maps.set(name, kernel.createMap({ name, type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: sizes[name] }));
  const counts = kernel.createMap({ name: 'counts', type: 'array', keySize: 4, valueSize: 32, maxEntries: 1 });
  maps.set('counts', counts);
  const { instructions, relocations, lines } = assemble(itemsOf(id, cgroupLevel(cgroup)));
  const program = { name: 'flood', hook: 'tp_btf/sys_exit', instructions, relocations, lines };
  const loaded = kernel.loadProgram(program, maps);
  const rings = RINGS.flatMap(({ name }) => maps.get(name) ?? []);
  const stream = kernel.stream(rings, FLOOD_RECORD.time);
  kernel.attach(loaded);
  return {
    stream,
    counts: () => {
      const value = counts.lookup(new Uint8Array(4)) ?? new Uint8Array(32);
      const view = new DataView(value.buffer, value.byteOffset);
      const number = (index: number): number => Number(view.getBigUint64(8 * index, true));
      return { produced: [number(0), number(1)], lost: [number(2), number(3)] };
    },
  };
};
