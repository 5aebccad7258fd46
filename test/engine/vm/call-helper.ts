import { helperByName, type Memory, type VmEnvironment } from '../../../engine/vm/index.ts';

/** Calls a helper with r1, r2, ...; the result as a signed number. */
export function call(environment: VmEnvironment, name: string, ...args: readonly (bigint | number)[]): bigint {
  const registers = new BigUint64Array(11);
  for (const [i, value] of args.entries()) registers[i + 1] = BigInt.asUintN(64, BigInt(value));
  const helper = helperByName(name);
  if (!helper) throw new Error(`no helper ${name}`);
  registers[0] = helper.run(environment, registers, { call: () => 0n, tailCall: () => {}, context: 0n });
  return BigInt.asIntN(64, registers[0]);
}

/** Puts bytes, or text without a NUL, in memory; returns the address. */
export function put(memory: Memory, content: string | readonly number[]): bigint {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content);
  const offset = memory.allocate(bytes.length);
  memory.bytes.set(bytes, offset);
  return memory.address(offset);
}

export const bytesAt = (memory: Memory, address: bigint, length: number): Uint8Array => {
  const offset = memory.offset(address, length) as number;
  return memory.bytes.slice(offset, offset + length);
};

export const textAt = (memory: Memory, address: bigint, length: number): string =>
  new TextDecoder().decode(bytesAt(memory, address, length));
