import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, type Instruction, LDDW } from '../../../engine/isa/index.ts';
import { createMap, isRingBuffer } from '../../../engine/maps/index.ts';
import { type Btf, createBtfBuilder } from '../../../engine/object/index.ts';
import { type Verified, VerifierError, verify } from '../../../engine/verifier/index.ts';
import {
  createInterpreter,
  createJit,
  Fault,
  helperById,
  type Interpreter,
  type Jit,
  KERNEL_BASE_HIGH,
  Memory,
} from '../../../engine/vm/index.ts';
import {
  BpfError,
  createLinuxMap,
  kernelBtf,
  type LinuxProgramSpec,
  loadBtf,
  openRingBuffer,
  type TestRunOptions,
  testRun,
  tryLoad,
} from '../../../sensors/linux/index.ts';
import { testEnvironment } from '../../support/environment.ts';
import type { MapName } from './knowledge.ts';
import { MAPS, type PacketContext, type Profile } from './profiles.ts';

/** What a program meets: its context, its packet, and what the maps hold. */
export interface Input {
  readonly context: Uint8Array;
  readonly packet: Uint8Array;
  readonly cell: Uint8Array;
  readonly list: readonly Uint8Array[];
  readonly table: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}

/** What a run left behind, each part as one text, so that runs can be compared and differences shown. */
export interface Outcome {
  /** r0, its low 32 bits; or what went wrong. */
  readonly result: string;
  readonly context: string;
  readonly packet: string;
  readonly cell: string;
  readonly list: string;
  readonly table: string;
  readonly ring: string;
}

/** One of the two kernels that programs go to. */
export interface Side {
  run(program: number | Verified, profile: Profile, input: Input): Outcome;
  close(): void;
}

const NAMES = Object.keys(MAPS) as MapName[];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
const key32 = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
const KEYS = Array.from({ length: 8 }, (_, n) => key32(n));
const LIST_KEYS = KEYS.slice(0, MAPS.list.maxEntries);

/** What both kernels' maps offer to user space. */
interface UserMap {
  lookup(key: Uint8Array): Uint8Array | number | undefined;
  update(key: Uint8Array, value: Uint8Array): number;
  delete(key: Uint8Array): number;
}
type UserMaps = Readonly<Record<MapName, UserMap>>;

function fill(maps: UserMaps, keys: Iterable<Uint8Array>, input: Input): void {
  maps.cell.update(KEYS[0]!, input.cell);
  for (const [n, key] of LIST_KEYS.entries()) maps.list.update(key, input.list[n]!);
  for (const key of [...keys]) maps.table.delete(key);
  for (const [key, value] of input.table) maps.table.update(key, value);
}

function contents(maps: UserMaps, keys: Iterable<Uint8Array>): Pick<Outcome, 'cell' | 'list' | 'table'> {
  const at = (map: UserMap, key: Uint8Array): string => {
    const value = map.lookup(key);
    return value instanceof Uint8Array ? hex(value) : 'none';
  };
  return {
    cell: at(maps.cell, KEYS[0]!),
    list: LIST_KEYS.map((key) => at(maps.list, key)).join(' '),
    table: [...keys]
      .map((key) => `${hex(key)}=${at(maps.table, key)}`)
      .sort()
      .join(' '),
  };
}

/** What BPF_PROG_TEST_RUN takes for a profile. */
function runOptions({ packet, contextBytes }: Profile, { context, packet: data }: Input): TestRunOptions {
  if (!packet) return { contextIn: context };
  const { given } = packet;
  return {
    dataIn: data,
    repeat: 1,
    ...(given.length > 0 && { contextIn: members(contextBytes, given, context), contextOutSize: contextBytes }),
  };
}

/** A context with those members only. */
function members(size: number, given: PacketContext['given'], context: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const [at, length] of given) bytes.set(context.subarray(at, at + length), at);
  return bytes;
}

function ourContext(
  { packet, contextBytes }: Profile,
  { context, packet: data }: Input,
  packetAt: number,
  garbage: number,
): Uint8Array {
  if (!packet) return context;
  const bytes = members(contextBytes, packet.given, context);
  const view = new DataView(bytes.buffer);
  view.setUint32(packet.data, packetAt, true);
  view.setUint32(packet.end, packetAt + data.length, true);
  if (packet.length !== undefined) view.setUint32(packet.length, data.length, true);
  for (const [at, value] of packet.fixed) view.setUint32(at, value, true);
  for (const at of packet.untold) bytes.fill(garbage, at, at + 4);
  return bytes;
}

/** What a context says after a run. */
const contextAfter = ({ packet }: Profile, bytes: Uint8Array): string =>
  packet ? packet.given.map(([at, length]) => hex(bytes.subarray(at, at + length))).join(' ') : hex(bytes);

export interface LinuxSide extends Side {
  /** File descriptors of the maps, which the programs carry on both sides. */
  readonly handles: Readonly<Record<MapName, number>>;
  specOf(instructions: readonly Instruction[], profile: Profile): LinuxProgramSpec;
  /** A file descriptor, or a negative errno. */
  load(instructions: readonly Instruction[], profile: Profile): number;
}

const isFunctionAddress = ({ opcode, src }: Instruction): boolean => opcode === LDDW && src === BPF_PSEUDO_FUNC;

/** Where functions begin: at 0, and where calls and addresses lead. */
function functionStarts(instructions: readonly Instruction[]): readonly number[] {
  const starts = new Set([0]);
  for (const [at, it] of instructions.entries()) {
    const isCall = it.opcode === 0x85 && it.src === BPF_PSEUDO_CALL && instructions[at - 1]?.opcode !== LDDW;
    if (isCall || isFunctionAddress(it)) starts.add(at + 1 + it.imm);
  }
  return [...starts].sort((a, b) => a - b);
}

/** BTF of a static function without parameters, which does for all. */
function loadFunctionType(): { readonly fd: number; readonly type: number; close(): void } {
  const builder = createBtfBuilder();
  const int = builder.int('int', 4, true);
  const type = builder.func('generated', builder.funcProto(int, []), 'static');
  return { ...loadBtf(builder.bytes()), type };
}

/** The running kernel, with maps of its own. */
export function createLinuxSide(): LinuxSide {
  const maps = Object.fromEntries(NAMES.map((name) => [name, createLinuxMap(MAPS[name])])) as Record<
    MapName,
    ReturnType<typeof createLinuxMap>
  >;
  const ring = openRingBuffer(maps.ring);
  const { fd, type, close } = loadFunctionType();
  /** Functions that are called back are known to Linux by BTF only. */
  const specOf = (instructions: readonly Instruction[], { hook }: Profile): LinuxProgramSpec => {
    const functions = functionStarts(instructions).map((at) => ({ at, type }));
    return {
      name: 'generated',
      instructions,
      programType: hook.programType,
      ...(hook.sleepable && { sleepable: true }),
      ...(instructions.some(isFunctionAddress) && { btf: { fd, functions } }),
    };
  };
  return {
    handles: Object.fromEntries(NAMES.map((name) => [name, maps[name].fd])) as Record<MapName, number>,
    specOf,
    load: (instructions, profile) => tryLoad(specOf(instructions, profile)),
    run(program, profile, input) {
      fill(maps, maps.table.keys(), input);
      let ran: ReturnType<typeof testRun>;
      try {
        ran = testRun(program as number, runOptions(profile, input));
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
        return { result: error.errno, context: '', packet: '', cell: '', list: '', table: '', ring: '' };
      }
      const records: string[] = [];
      ring.consume((record) => void records.push(hex(record)));
      return {
        result: `${ran.returnValue}`,
        context: contextAfter(profile, ran.contextOut),
        packet: hex(ran.dataOut),
        ...contents(maps, maps.table.keys()),
        ring: records.join(' '),
      };
    },
    close() {
      ring.close();
      close();
      for (const name of NAMES) maps[name].close();
    },
  };
}

/** What may be added to the low half of addresses: no bit is the same in all, which a program could ask for. */
export const SHIFTS = [0x9abc_dd38, 0x6543_22c8, 0x3c5a_9968, 0xc3a5_66a0] as const;
/** The high half in place of the usual. */
const OTHER_HIGH = 0xffff_c900 | 0;

/** Gives a machine's memory other addresses; returns the low half of an offset's, and what sets the high half of them all. */
function shiftAddresses(
  memory: Memory,
  shift: number,
): { low(offset: number): number; setHigh(isOther: boolean): void } {
  const offsetOf = memory.offsetOf.bind(memory);
  let high = KERNEL_BASE_HIGH;
  const low = (offset: number): number => (offset + shift) >>> 0;
  memory.address = (offset) => (BigInt.asUintN(32, BigInt(high)) << 32n) | BigInt(low(offset));
  memory.offsetOf = (least, most, length) =>
    most === high ? offsetOf((least - shift) | 0, KERNEL_BASE_HIGH, length) : -1;
  return {
    low,
    setHigh: (isOther) => {
      high = isOther ? OTHER_HIGH : KERNEL_BASE_HIGH;
    },
  };
}

export interface OurSide extends Side {
  /** The program as the verifier accepts it, or why it does not. */
  verify(instructions: readonly Instruction[], profile: Profile): Verified | VerifierError;
  /** @param untold what each byte of untold members holds */
  run(program: Verified, profile: Profile, input: Input, untold?: number): Outcome;
  /** Instructions that the interpreter executed in the last run. */
  readonly executed: number;
}

/** The result of a run that executes too many instructions to be waited for. */
export const TOO_LONG = 'too long';

const MEMORY_BYTES = 4 << 20;
/** Bytes between a context and its packet. */
const PACKET_ROOM = 1024;

/**
 * Our verifier and machine, with maps of the same numbers. With `padding` everything lies elsewhere and has addresses of
 * other bits, so that what a program makes of an address changes; `garbage` is what fresh records and untold members hold.
 */
export function createOurSide(
  handles: LinuxSide['handles'],
  {
    padding = 0,
    shift = SHIFTS[0],
    garbage = 0,
    engine = 'interpreter',
    btf = kernelBtf(),
  }: {
    readonly padding?: number;
    /** One of SHIFTS; only with `padding`. */
    readonly shift?: number;
    readonly garbage?: number;
    readonly engine?: 'interpreter' | 'jit';
    readonly btf?: Btf;
  } = {},
): OurSide {
  const memory = new Memory(MEMORY_BYTES);
  const shifted = padding > 0 ? shiftAddresses(memory, shift) : undefined;
  /** Contexts and packets lie before the maps in the one, behind them in the other. */
  const early = padding > 0 ? memory.allocate(padding) : 0;
  const maps = Object.fromEntries(NAMES.map((name) => [name, createMap(memory, MAPS[name], handles[name])])) as Record<
    MapName,
    ReturnType<typeof createMap>
  >;
  const specs = new Map(NAMES.map((name) => [handles[name], MAPS[name]]));
  const { ring } = maps;
  if (!isRingBuffer(ring)) throw new Error('the ring buffer is none');
  const { layout } = ring;
  if (layout?.kind === 'ringbuf') memory.bytes.fill(garbage, layout.data, layout.data + layout.mask + 1);
  /** The table's elements are allocated with its first, and are to lie with the maps. */
  maps.table.update(KEYS[0]!, new Uint8Array(MAPS.table.valueSize));
  const room = early > 0 ? early : memory.allocate(4096);
  let packet = { offset: 0, length: 0 };
  let executed = 0;
  const environment = testEnvironment({ memory, packet: () => packet }, Object.values(maps));
  const newMachine = (program: Verified, { hook, contextBytes, packet }: Profile): Jit | Interpreter => {
    if (engine === 'jit') return createJit(program, environment);
    const writable = hook.context?.kind === 'memory' ? hook.context.writable : packet?.given.length !== 0;
    return createInterpreter(program, environment, {
      maxInstructions: 8_000_000,
      checked: { context: { bytes: contextBytes, writable } },
    });
  };
  /** The machine of the last program, which mostly runs on several inputs. */
  let latest: { readonly program: Verified; readonly machine: Jit | Interpreter } | undefined;
  const machineOf = (program: Verified, profile: Profile): Jit | Interpreter => {
    if (latest?.program !== program) {
      latest?.machine.close();
      latest = { program, machine: newMachine(program, profile) };
    }
    return latest.machine;
  };
  return {
    verify(instructions, { hook }) {
      try {
        return verify(instructions, {
          name: 'generated',
          hook,
          btf,
          map: (handle) => specs.get(handle),
          helper: helperById,
        });
      } catch (error) {
        if (error instanceof VerifierError) return error;
        throw error;
      }
    },
    run(program, profile, input, untold = garbage) {
      fill(maps, maps.table.keys(), input);
      const at = shifted ? room + PACKET_ROOM : room;
      packet = { offset: shifted ? room : room + PACKET_ROOM, length: input.packet.length };
      shifted?.setHigh(!profile.packet);
      memory.bytes.set(ourContext(profile, input, shifted?.low(packet.offset) ?? packet.offset, untold), at);
      memory.bytes.set(input.packet, packet.offset);
      const machine = machineOf(program as Verified, profile);
      let result: string;
      try {
        result = `${Number(BigInt.asUintN(32, machine.run(memory.address(at), BigInt(profile.contextBytes))))}`;
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        result = error.message.includes('was stopped after') ? TOO_LONG : `fault: ${error.message}`;
      } finally {
        executed = 'executed' in machine ? machine.executed : 0;
      }
      const records: string[] = [];
      ring.consume((record) => void records.push(hex(record)));
      return {
        result,
        context: contextAfter(profile, memory.bytes.subarray(at, at + profile.contextBytes)),
        packet: profile.packet ? hex(memory.bytes.subarray(packet.offset, packet.offset + packet.length)) : '',
        ...contents(maps, maps.table.keys()),
        ring: records.join(' '),
      };
    },
    get executed() {
      return executed;
    },
    close: () => latest?.machine.close(),
  };
}
