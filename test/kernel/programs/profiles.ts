import type { Size } from '../../../engine/isa/index.ts';
import type { Hook, MapSpec } from '../../../engine/object/index.ts';
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

/** A type of programs, what they may do with their context, and how both sides are told of it. */
export interface Profile {
  readonly hook: Hook & { readonly programType: 'raw_tracepoint' | 'syscall' | 'xdp' | 'sched_cls' };
  /** Members of the context that are numbers. */
  readonly context: readonly { readonly offset: number; readonly size: Size; readonly writable?: boolean }[];
  readonly contextBytes: number;
  /** Where the context holds the first byte of a packet and its end. */
  readonly packet?: { readonly data: number; readonly end: number };
  readonly returns: 'any' | 'zero';
}

const ANY_RESULT = { min: -(2 ** 63), max: 2 ** 63 };

export const RAW_TRACEPOINT: Profile = {
  hook: {
    programType: 'raw_tracepoint',
    arguments: Array.from({ length: 12 }, (_, n) => ({ name: `argument ${n}`, type: 'scalar' })),
    returns: ANY_RESULT,
  },
  context: Array.from({ length: 12 }, (_, n) => ({ offset: 8 * n, size: (['dw', 'w', 'h', 'b'] as const)[n % 4]! })),
  contextBytes: 96,
  returns: 'any',
};

export const PROFILES: readonly Profile[] = [RAW_TRACEPOINT];
