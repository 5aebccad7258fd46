import type { VmEnvironment } from './environment.ts';

/** DYNPTR_MAX_SIZE of kernel/bpf/helpers.c. */
export const MAX_DYNPTR = (1 << 24) - 1;
export const DYNPTR_LOCAL = 1;
export const DYNPTR_RINGBUF = 2;

/** A dynptr that leads somewhere; `data` is an offset in memory. */
export interface Dynptr {
  readonly data: number;
  readonly size: number;
  readonly type: typeof DYNPTR_LOCAL | typeof DYNPTR_RINGBUF;
  readonly readOnly: boolean;
}

/**
 * What the 16 bytes at an offset hold (struct bpf_dynptr_kern), undefined for the dynptr that leads nowhere.
 *
 *     byte   0..7     8..11                                              12..15
 *          | data   | size (bits 0..23), type (28..30), read only (31) | 0    |
 */
export function dynptrAt({ memory }: VmEnvironment, at: number): Dynptr | undefined {
  const data = memory.offset(memory.view.getBigUint64(at, true), 0);
  if (data === undefined) return undefined;
  const word = memory.view.getUint32(at + 8, true);
  const type = ((word >>> 28) & 7) === DYNPTR_RINGBUF ? DYNPTR_RINGBUF : DYNPTR_LOCAL;
  return { data, size: word & MAX_DYNPTR, type, readOnly: word >= 0x8000_0000 };
}

export function setDynptr({ memory }: VmEnvironment, at: number, { data, size, type, readOnly }: Dynptr): void {
  memory.view.setBigUint64(at, memory.address(data), true);
  memory.view.setUint32(at + 8, (size | (type << 28) | (readOnly ? 1 << 31 : 0)) >>> 0, true);
  memory.view.setUint32(at + 12, 0, true);
}

/** Makes a dynptr that leads nowhere. */
export function clearDynptr({ memory }: VmEnvironment, at: number): void {
  memory.bytes.fill(0, at, at + 16);
}
