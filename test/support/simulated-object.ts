import { type BpfMap, createMap, isPerCpuMap, isRingBuffer, type MapHost } from '../../engine/maps/index.ts';
import {
  type Btf,
  type ElfObject,
  type Hook,
  hookOfSection,
  relocateProgram,
  withKconfig,
} from '../../engine/object/index.ts';
import { type Verified, verify } from '../../engine/verifier/index.ts';
import {
  createInterpreter,
  createJit,
  helperById,
  type Kfunc,
  kfuncByName,
  Memory,
  type VmEnvironment,
} from '../../engine/vm/index.ts';
import { testEnvironment } from './environment.ts';
import { type KernelStructs, kernelStructs } from './kernel-structs.ts';
import type { LoadedObject, RunInput } from './loaded-object.ts';
import { testKernelBtf, variableOf } from './objects.ts';

const MEMORY_BYTES = 16 * 1024 * 1024;
/** Programs have handles from here on, so that none is a map's. */
const FIRST_PROGRAM = 1000;
/** Where struct xdp_md and struct __sk_buff say where the packet is (include/uapi/linux/bpf.h). */
const PACKET_FIELDS = { xdp: [0, 4], other: [76, 80] } as const;
const [SKB_LENGTH, SKB_PROTOCOL, SOCKOPT_VALUE] = [0, 16, 8];
const ETHERNET_BYTES = 14;
const PAGE_BYTES = 4096;
/** Where functions of the kernel seem to lie. */
const KERNEL_TEXT = 0xffff_ffff_8100_0000n;
/** The configuration of the kernel that exists in tests only. */
export const TEST_CONFIG = {
  LINUX_KERNEL_VERSION: (6 << 16) | (12 << 8) | 34,
  CONFIG_HZ: '250',
  CONFIG_BPF_SYSCALL: 'y',
} as const;
/** sizeof(struct __sk_buff), the largest context. */
const CONTEXT_BYTES = 192;

interface Runner {
  run(contextAddress: bigint, contextLength: bigint): bigint;
  close(): void;
}

/** What is current when a program runs; tests change it between runs. */
export interface Surroundings {
  /** Nanoseconds since boot. */
  now: bigint;
  tgid: number;
  pid: number;
  uid: number;
  comm: string;
  cgroup: bigint;
  /** Address of the current task_struct. */
  task: bigint;
  /** User memory by the address it begins at, a page's; zeroes up to the end of its last page. */
  readonly user: Map<bigint, Uint8Array>;
  /** What a program of cgroup/sysctl is asked about. */
  readonly sysctl: { name: string; current: Uint8Array; written: Uint8Array | undefined };
}

export interface SimulatedObject extends LoadedObject {
  readonly memory: Memory;
  readonly surroundings: Surroundings;
  readonly structs: KernelStructs;
  readonly verified: ReadonlyMap<string, Verified>;
  readonly maps: ReadonlyMap<string, BpfMap>;
}

export interface SimulationOptions {
  /** The kernel that programs are fitted to; default test/objects/kernel/types.c. */
  readonly btf?: Btf;
  /** What runs the programs: the interpreter, with each access checked, or compiled code; default the interpreter. */
  readonly engine?: 'interpreter' | 'jit';
  /** More of the environment, for helpers beyond the usual. */
  readonly environment?: Partial<VmEnvironment>;
}

/** Relocates and verifies one program of an object whose maps have handles. @throws RelocationError VerifierError */
export function verifyProgram(
  object: ElfObject,
  program: ElfObject['programs'][number],
  maps: ReadonlyMap<string, BpfMap>,
  btf: Btf,
): Verified {
  const { instructions } = relocateProgram(program, { maps: (name) => maps.get(name)?.handle, btf, object });
  const byHandle = new Map([...maps.values()].map((map) => [map.handle, map.spec]));
  return verify(instructions, {
    name: program.name,
    hook: hookOfSection(program.hook, btf),
    btf,
    map: (handle) => byHandle.get(handle),
    helper: helperById,
    lines: program.lines,
    license: object.license,
    ...(program.functions && { functions: program.functions }),
    ...(object.btf && { objectBtf: object.btf }),
  });
}

/** Loads an object into a machine of its own: maps, verified programs, what is current around them. @throws VerifierError */
export function loadSimulated(elf: ElfObject, options: SimulationOptions = {}): SimulatedObject {
  const object = withKconfig(elf, TEST_CONFIG);
  const btf = options.btf ?? testKernelBtf();
  const memory = new Memory(MEMORY_BYTES);
  const structs = kernelStructs(memory, btf);
  const surroundings: Surroundings = {
    now: 1_000_000_000n,
    tgid: 100,
    pid: 101,
    uid: 1000,
    comm: 'test',
    cgroup: 1n,
    task: 0n,
    user: new Map(),
    sysctl: { name: '', current: new Uint8Array(0), written: undefined },
  };
  const byHandle = new Map<number, BpfMap>();
  const maps = new Map<string, BpfMap>();
  const verified = new Map<string, Verified>();
  const handles = new Map<number, string>();
  let packet: { readonly offset: number; readonly length: number } | undefined;
  const host: MapHost = {
    map: (handle) => byHandle.get(handle),
    isProgram: (handle) => handles.has(handle),
    owner: () => undefined,
  };
  const environment = testEnvironment({
    memory,
    map: (handle) => byHandle.get(handle),
    program: (handle) => verified.get(handles.get(handle) ?? ''),
    bootNs: () => surroundings.now,
    currentTask: () => surroundings.task,
    currentPidTgid: () => (BigInt(surroundings.tgid) << 32n) | BigInt(surroundings.pid),
    currentUidGid: () => (BigInt(surroundings.uid) << 32n) | BigInt(surroundings.uid),
    currentComm: () => new TextEncoder().encode(surroundings.comm),
    currentCgroupId: () => surroundings.cgroup,
    readUser: (address, length) => readUser(surroundings.user, address, length),
    packet: () => packet,
    sysctl: surroundings.sysctl,
    kfunc: (id) => kfuncNamed(btf, id),
    variable: (id) => ({ address: KERNEL_TEXT + 16n * BigInt(id), bytes: 0 }),
    ...options.environment,
  });

  for (const spec of object.maps) {
    const map = createMap(memory, spec, byHandle.size + 1, host);
    byHandle.set(map.handle, map);
    maps.set(spec.name, map);
  }
  const runners = new Map<string, { readonly runner: Runner; readonly hook: Hook }>();
  for (const [number, program] of object.programs.entries()) {
    verified.set(program.name, verifyProgram(object, program, maps, btf));
    handles.set(FIRST_PROGRAM + number, program.name);
  }
  for (const spec of object.maps) fillSlots(spec.name, spec.slots ?? []);
  for (const program of object.programs) {
    const code = verified.get(program.name)!;
    const runner: Runner =
      options.engine === 'jit' ? createJit(code, environment) : createInterpreter(code, environment, { checked: true });
    runners.set(program.name, { runner, hook: hookOfSection(program.hook, btf) });
  }

  function fillSlots(name: string, slots: readonly (readonly [index: number, name: string])[]): void {
    const word = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
    for (const [slot, wanted] of slots) {
      const program = [...handles].find(([, one]) => one === wanted)?.[0];
      const result = maps.get(name)!.update(word(slot), word(maps.get(wanted)?.handle ?? program!));
      if (result !== 0) throw new Error(`slot ${slot} of ${name} does not take ${wanted} (${result})`);
    }
  }

  const mapOf = (name: string): BpfMap => {
    const map = maps.get(name);
    if (!map) throw new Error(`there is no map ${name}`);
    return map;
  };
  const variable = (name: string): Uint8Array => {
    const { map, offset, size } = variableOf(object, name);
    const at = mapOf(map).valueOffset! + offset;
    return memory.bytes.slice(at, at + size);
  };

  return {
    place: 'simulated machine',
    memory,
    surroundings,
    structs,
    verified,
    maps,
    run(name, input: RunInput = {}) {
      const { runner, hook } = runners.get(name)!;
      const size = Math.max(input.context?.length ?? CONTEXT_BYTES, 8);
      const at = memory.allocate(size);
      if (input.context) memory.bytes.set(input.context, at);
      if (input.packet) packet = placePacket(memory, hook, input.packet, at);
      const result = Number(BigInt.asIntN(32, runner.run(memory.address(at), BigInt(size))));
      const { offset, length } = packet ?? { offset: 0, length: 0 };
      return {
        result,
        context: memory.bytes.slice(at, at + size),
        packet: memory.bytes.slice(offset, offset + length),
      };
    },
    lookup: (map, key) => mapOf(map).lookup(key),
    lookupPerCpu(name, key) {
      const map = mapOf(name);
      if (!isPerCpuMap(map)) throw new Error(`map ${name} has no values per CPU`);
      const value = map.lookup(key);
      return value && [value.slice(0, map.spec.valueSize)];
    },
    update: (map, key, value) => mapOf(map).syscalls.update(key, value),
    keys: (map) => [...mapOf(map).keys()],
    records(name) {
      const map = mapOf(name);
      if (!isRingBuffer(map)) throw new Error(`map ${name} is no ring buffer`);
      const records: Uint8Array[] = [];
      map.consume((record) => records.push(record.slice()));
      return records;
    },
    variable,
    number: (name) => variable(name).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
    close() {
      for (const { runner } of runners.values()) runner.close();
    },
  };
}

function kfuncNamed(btf: Btf, id: number): Kfunc | undefined {
  const type = btf.type(id);
  return 'name' in type ? kfuncByName(type.name) : undefined;
}

/** Puts a packet into memory and says in the context where it is; programs of cgroups and sockets don't see the Ethernet header. */
function placePacket(memory: Memory, { programType }: Hook, frame: Uint8Array, at: number) {
  const isWhole = programType === 'xdp' || programType === 'sched_cls' || programType === 'cgroup_sockopt';
  const bytes = isWhole ? frame : frame.subarray(ETHERNET_BYTES);
  const offset = memory.allocate(bytes.length);
  memory.bytes.set(bytes, offset);
  const [start, end] = [memory.address(offset), memory.address(offset + bytes.length)];
  if (programType === 'cgroup_sockopt') {
    memory.view.setBigUint64(at + SOCKOPT_VALUE, start, true);
    memory.view.setBigUint64(at + SOCKOPT_VALUE + 8, end, true);
  } else {
    const [startAt, endAt] = programType === 'xdp' ? PACKET_FIELDS.xdp : PACKET_FIELDS.other;
    memory.view.setUint32(at + startAt, Number(BigInt.asUintN(32, start)), true);
    memory.view.setUint32(at + endAt, Number(BigInt.asUintN(32, end)), true);
    if (programType !== 'xdp') {
      memory.view.setUint32(at + SKB_LENGTH, bytes.length, true);
      memory.bytes.set(frame.subarray(ETHERNET_BYTES - 2, ETHERNET_BYTES), at + SKB_PROTOCOL);
    }
  }
  return { offset, length: bytes.length };
}

function readUser(user: ReadonlyMap<bigint, Uint8Array>, address: bigint, length: number): Uint8Array | undefined {
  for (const [start, bytes] of user) {
    const from = Number(address - start);
    const pages = new Uint8Array(Math.ceil(bytes.length / PAGE_BYTES) * PAGE_BYTES);
    if (address < start || from + length > pages.length) continue;
    pages.set(bytes);
    return pages.subarray(from, from + length);
  }
  return undefined;
}
