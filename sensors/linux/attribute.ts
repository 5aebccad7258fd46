/** `union bpf_attr` of include/uapi/linux/bpf.h as a buffer that calls fill in anew; little endian. */
export interface Attribute {
  readonly bytes: Uint8Array;
  /** Zeroes it all. */
  clear(): void;
  u32(offset: number, value: number): void;
  u64(offset: number, value: bigint): void;
  readU32(offset: number): number;
  /** Exact up to 2^53. */
  readU64(offset: number): number;
  /** At most 15 characters and a NUL; those the kernel does not take in names become `_`. */
  name(offset: number, text: string): void;
}

export function createAttribute(size: number): Attribute {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  return {
    bytes,
    clear: () => void bytes.fill(0),
    u32: (offset, value) => view.setUint32(offset, value, true),
    u64: (offset, value) => view.setBigUint64(offset, value, true),
    readU32: (offset) => view.getUint32(offset, true),
    readU64: (offset) => Number(view.getBigUint64(offset, true)),
    name(offset, text) {
      const allowed = text.replace(/[^A-Za-z0-9_.]/g, '_').slice(0, 15);
      for (let i = 0; i < allowed.length; i++) bytes[offset + i] = allowed.charCodeAt(i);
    },
  };
}
