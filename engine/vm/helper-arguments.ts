import { type BpfMap, isRingBuffer, type RingBuffer } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';

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
