import type { Code } from './code.ts';
import { Fault } from './fault.ts';

/** `imm` of a load that other CPUs see in order; that of the store is greater (include/uapi/linux/bpf.h). */
export const LOAD_ACQUIRE = 0x100;

/** The offset in memory that an access at a slot goes to, through the register whose halves begin at `base`, or -1. */
function place({ r, offset, memory }: Code, at: number, base: number, length: number): number {
  const distance = offset[at]!;
  const low = (r[base]! + distance) | 0;
  const carry = low >>> 0 < r[base]! >>> 0 ? 1 : 0;
  return memory.offsetOf(low, (r[base + 1]! + (distance >> 31) + carry) | 0, length);
}

function operand({ R, offset }: Code, at: number, base: number): string {
  const address = BigInt.asUintN(64, R[base >> 1]! + BigInt(offset[at]!));
  return `r${base >> 1} ${offset[at]! < 0 ? '' : '+'}${offset[at]} = 0x${address.toString(16)}`;
}

const noMemory = (code: Code, at: number, base: number, length: number, verb: 'reads' | 'writes'): Fault =>
  new Fault(at, `${verb} ${length} bytes at ${operand(code, at, base)}, where there is no memory`);

/** Where a load reads; -1 where it gives 0. @throws Fault */
export function from(code: Code, at: number, base: number, length: number): number {
  const found = place(code, at, base, length);
  if (found === -1) {
    if (!code.program.probeReads?.has(at)) throw noMemory(code, at, base, length, 'reads');
  } else if (code.checks !== undefined && !code.program.probeReads?.has(at)) {
    code.checks.access(at, found, length, 'reads', operand(code, at, base));
  }
  return found;
}

/** Where a store writes. @throws Fault */
export function to(code: Code, at: number, base: number, length: number): number {
  const found = place(code, at, base, length);
  if (found === -1) throw noMemory(code, at, base, length, 'writes');
  if (code.checks !== undefined) code.checks.access(at, found, length, 'writes', operand(code, at, base));
  return found;
}

/** Where an atomic operation reads and writes. @throws Fault */
export function both(code: Code, at: number, base: number, length: number): number {
  const found = code.checks === undefined ? -1 : place(code, at, base, length);
  if (found !== -1) code.checks?.access(at, found, length, 'reads', operand(code, at, base));
  return to(code, at, base, length);
}

/** A load or store that other CPUs see in order; this machine has one. @throws Fault */
export function ordered(code: Code, at: number, d: number, s: number, length: number): void {
  const { halves, view } = code;
  const load = code.imm[at] === LOAD_ACQUIRE;
  const found = load ? from(code, at, s, length) : to(code, at, d, length);
  for (let n = 0, register = (load ? d : s) * 4; n < 8; n++) {
    if (!load && n < length) view.setUint8(found + n, halves.getUint8(register + n));
    if (load) halves.setUint8(register + n, n < length ? view.getUint8(found + n) : 0);
  }
}

/** Where a packet's bytes lie (RFC 9669, section 5.5), or -1 beyond its end. */
export function inPacket({ environment }: Code, index: number, length: number): number {
  const packet = environment.packet?.();
  return packet && index >= 0 && index + length <= packet.length ? packet.offset + index : -1;
}
