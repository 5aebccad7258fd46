import { type BpfMap, isRingBuffer, type RingBuffer } from '../maps/index.ts';
import type { MapType, ProgramType } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { ArgumentType, Helper, ReturnType } from './helper.ts';

/** Thrown where a helper gets what the verifier would not have let through: a number that is no map, memory that isn't there. */
export class HelperError extends Error {
  constructor(helper: string, problem: string) {
    super(`${helper}: ${problem}`);
    this.name = 'HelperError';
  }
}

const hex = (n: bigint): string => `0x${n.toString(16)}`;

/** Register n as an unsigned 64-bit number; r1 is the first argument. */
export const argument = (registers: BigUint64Array, n: number): bigint => registers[n] as bigint;

/** A size in bytes; the kernel's verifier bounds it to 2^29. */
export function size(helper: string, registers: BigUint64Array, n: number): number {
  const value = argument(registers, n);
  if (value > 0x2000_0000n) throw new HelperError(helper, `a size of ${value} bytes in r${n} is out of bounds`);
  return Number(value);
}

/** The offset in memory of `length` bytes that register n points to. */
export function pointer(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
  length: number,
): number {
  const address = argument(registers, n);
  const offset = environment.memory.offset(address, length);
  if (offset === undefined) throw new HelperError(helper, `r${n} = ${hex(address)} has no ${length} bytes of memory`);
  return offset;
}

/** The map whose handle is in register 1. */
export function mapArgument(helper: string, environment: VmEnvironment, registers: BigUint64Array): BpfMap {
  const handle = argument(registers, 1);
  const map = environment.map(Number(handle));
  if (!map) throw new HelperError(helper, `r1 = ${hex(handle)} is not the handle of a map`);
  return map;
}

/** The ring buffer whose handle is in register 1. */
export function ringBufferArgument(helper: string, environment: VmEnvironment, registers: BigUint64Array): RingBuffer {
  const map = mapArgument(helper, environment, registers);
  if (!isRingBuffer(map)) throw new HelperError(helper, `map "${map.spec.name}" is not a ring buffer`);
  return map;
}

/** The map whose handle is in register 1, where it has what `member` names. */
export function mapWith<Kind extends BpfMap>(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  member: Exclude<keyof Kind, keyof BpfMap> & string,
): Kind {
  const map = mapArgument(helper, environment, registers);
  if (!(member in map))
    throw new HelperError(helper, `map "${map.spec.name}" of type ${map.spec.type} is of the wrong type`);
  return map as Kind;
}

/** Register n as the kernel's u32 and int parameters take it. */
export const u32 = (registers: BigUint64Array, n: number): number => Number(argument(registers, n) & 0xffff_ffffn);
export const i32 = (registers: BigUint64Array, n: number): number => u32(registers, n) | 0;

/** Bytes that register n points to; a view, valid until memory changes. */
export function bytesArgument(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
  length: number,
): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  const offset = pointer(helper, environment, registers, n, length);
  return environment.memory.bytes.subarray(offset, offset + length);
}

type Run = (
  environment: VmEnvironment,
  registers: BigUint64Array,
  machine: Parameters<Helper['run']>[2],
) => bigint | number;

/** A row of the table; `run` may answer with a plain number, such as a negative errno. */
export const row = (
  id: number,
  name: string,
  args: readonly ArgumentType[],
  returns: ReturnType,
  programTypes: 'all' | readonly ProgramType[],
  run: Run,
  more: Partial<Omit<Helper, 'id' | 'name' | 'arguments' | 'returns' | 'programTypes' | 'run'>> = {},
): Helper => ({
  id,
  name: `bpf_${name}`,
  arguments: args,
  returns,
  programTypes,
  ...more,
  run: (environment, registers, machine) => BigInt(run(environment, registers, machine)),
});

/** Map types whose entries have keys that programs look up. */
export const KEYED_MAPS = [
  'hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_hash',
  'lru_percpu_hash',
  'lpm_trie',
  'array_of_maps',
  'hash_of_maps',
] as const satisfies readonly MapType[];
