import type { Btf } from '../../engine/object/index.ts';
import type { Memory } from '../../engine/vm/index.ts';

/** What a member is set to: a number or address, or the text of a char array. */
export type MemberValue = number | bigint | string;

/** Makes structs of a kernel in a machine's memory, laid out as its BTF says. */
export interface KernelStructs {
  /** The address of a new struct; members are paths (`d_name.len`), those that aren't named are zero. */
  make(struct: string, members?: Readonly<Record<string, MemberValue>>): bigint;
  set(address: bigint, struct: string, members: Readonly<Record<string, MemberValue>>): void;
  /** The address of a text with its NUL. */
  text(text: string): bigint;
  /** The address of pointers or numbers of 8 bytes, one after the other. */
  words(...values: readonly (number | bigint)[]): bigint;
  /** The address of a member of the struct at `address`. */
  member(address: bigint, struct: string, member: string): bigint;
}

export function kernelStructs(memory: Memory, btf: Btf): KernelStructs {
  const write = (at: number, size: number, value: bigint): void => {
    for (let i = 0; i < size; i++) memory.bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  };
  const access = (struct: string, member: string) => {
    const found = btf.access(`${struct}.${member}`);
    if (!found) throw new Error(`the kernel's BTF has no ${struct}.${member}`);
    return found;
  };
  const offsetOf = (address: bigint): number => Number(address & 0xffff_ffffn);
  const set: KernelStructs['set'] = (address, struct, members) => {
    for (const [name, value] of Object.entries(members)) {
      const { offset, size, bits } = access(struct, name);
      const at = offsetOf(address) + offset;
      if (typeof value === 'string') memory.bytes.set(new TextEncoder().encode(value).subarray(0, size), at);
      else if (bits) {
        const byte = offsetOf(address) + (bits.offset >> 3);
        const shift = bits.offset & 7;
        const mask = (1 << bits.size) - 1;
        memory.bytes[byte] = (memory.bytes[byte]! & ~(mask << shift)) | ((Number(value) & mask) << shift);
      } else write(at, size, BigInt(value));
    }
  };
  return {
    set,
    make(struct, members = {}) {
      const id = btf.struct(struct);
      if (id === undefined) throw new Error(`the kernel's BTF has no struct ${struct}`);
      const address = memory.address(memory.allocate(btf.size(id)));
      set(address, struct, members);
      return address;
    },
    text(text) {
      const bytes = new TextEncoder().encode(`${text}\0`);
      const at = memory.allocate(bytes.length);
      memory.bytes.set(bytes, at);
      return memory.address(at);
    },
    words(...values) {
      const at = memory.allocate(8 * values.length);
      for (const [index, value] of values.entries()) write(at + 8 * index, 8, BigInt(value));
      return memory.address(at);
    },
    member: (address, struct, member) => address + BigInt(access(struct, member).offset),
  };
}
