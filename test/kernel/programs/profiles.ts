import type { Size } from '../../../engine/isa/index.ts';
import { type Hook, hookOfSection, type MapSpec } from '../../../engine/object/index.ts';
import { BTF } from '../../engine/verifier/programs.ts';
import type { MapName } from './knowledge.ts';

/** Bytes of the value that programs leave their results in, and where the registers go. */
export const CELL_BYTES = 160;
export const DUMP_AT = 80;

/** The maps of generated programs. */
export const MAPS: Readonly<Record<MapName, MapSpec>> = {
  cell: { name: 'cell', type: 'array', keySize: 4, valueSize: CELL_BYTES, maxEntries: 1 },
  list: { name: 'list', type: 'array', keySize: 4, valueSize: 24, maxEntries: 4 },
  table: { name: 'table', type: 'hash', keySize: 4, valueSize: 40, maxEntries: 6 },
  ring: { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
};

/** What a context that leads to a packet holds beside numbers of its own. Offsets in bytes. */
export interface PacketContext {
  /** Where the first byte's address is, the end's, and the packet's length. */
  readonly data: number;
  readonly end: number;
  readonly length?: number;
  /** Members that a test run may set and gives back. */
  readonly given: readonly (readonly [offset: number, size: number])[];
  /** Members of 4 bytes that are the same in every test run. */
  readonly fixed: readonly (readonly [offset: number, value: number])[];
  /** Members of 4 bytes that the kernel fills in by what it knows of its devices and of the packet; what depends on them is not compared. */
  readonly untold: readonly number[];
}

/** A type of programs, what they may do with their context, and how both sides are told of it. */
export interface Profile {
  readonly hook: Hook & { readonly programType: 'raw_tracepoint' | 'syscall' | 'xdp' | 'sched_cls' };
  /** Members of the context that are numbers. */
  readonly context: readonly { readonly offset: number; readonly size: Size; readonly writable?: boolean }[];
  readonly contextBytes: number;
  readonly packet?: PacketContext;
  readonly returns: 'any' | 'zero';
}

const SIZES4 = ['dw', 'w', 'h', 'b'] as const;
const ANY_RESULT = { min: -(2 ** 63), max: 2 ** 63 };

export const RAW_TRACEPOINT: Profile = {
  hook: {
    programType: 'raw_tracepoint',
    arguments: Array.from({ length: 12 }, (_, n) => ({ name: `argument ${n}`, type: 'scalar' })),
    returns: ANY_RESULT,
  },
  context: Array.from({ length: 12 }, (_, n) => ({ offset: 8 * n, size: SIZES4[n % 4]! })),
  contextBytes: 96,
  returns: 'any',
};

export const SYSCALL: Profile = {
  hook: {
    programType: 'syscall',
    sleepable: true,
    arguments: [],
    context: { kind: 'memory', size: 96, writable: true },
    returns: ANY_RESULT,
  },
  context: Array.from({ length: 12 }, (_, n) => ({ offset: 8 * n, size: SIZES4[n % 4]!, writable: true })),
  contextBytes: 96,
  returns: 'any',
};

export const XDP: Profile = {
  hook: { ...hookOfSection('xdp', BTF), programType: 'xdp' },
  context: [
    { offset: 12, size: 'w' },
    { offset: 16, size: 'w' },
  ],
  contextBytes: 24,
  packet: { data: 0, end: 4, given: [], fixed: [[12, 1]], untold: [] },
  returns: 'any',
};

export const SCHED_CLS: Profile = {
  hook: { ...hookOfSection('tc', BTF), programType: 'sched_cls' },
  context: [
    { offset: 0, size: 'w' },
    { offset: 8, size: 'w', writable: true },
    { offset: 32, size: 'w', writable: true },
    { offset: 48, size: 'dw', writable: true },
    { offset: 56, size: 'dw', writable: true },
    { offset: 64, size: 'h', writable: true },
    { offset: 67, size: 'b', writable: true },
  ],
  contextBytes: 192,
  packet: {
    data: 76,
    end: 80,
    length: 0,
    given: [
      [8, 4],
      [32, 4],
      [48, 20],
    ],
    fixed: [],
    untold: [4, 12, 16, 20, 24, 28, 36, 40, 44, 68, 72, 84, 152, 156, 160, 164, 176, 180, 184, 188],
  },
  returns: 'any',
};

export const PROFILES: readonly Profile[] = [RAW_TRACEPOINT, SYSCALL, XDP, SCHED_CLS];
