/**
 * The binary form of BTF (Documentation/bpf/btf.rst, include/uapi/linux/btf.h): a header of 24 bytes, types, strings. A type is
 *
 *     u32 name     offset in the strings
 *     u32 info     bit 31: flag | bits 28..24: kind | bits 15..0: vlen, how many members follow
 *     u32 size, or the type it refers to
 *     and what its kind adds
 */
export const BTF_MAGIC = 0xeb9f;
export const BTF_HEADER_BYTES = 24;

/** BTF_KIND_*. */
export const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  enum64: 19,
} as const;

/** What a type is, by the kernel's name in lower case. */
export type BtfKind = keyof typeof KIND;

/** A kind's name by its number. */
export const KIND_NAMES: readonly (BtfKind | undefined)[] = (() => {
  const names: (BtfKind | undefined)[] = [];
  for (const [name, number] of Object.entries(KIND)) names[number] = name as BtfKind;
  return names;
})();

/** BTF_INT_* in an int's encoding. */
export const BTF_INT_ENCODING = { signed: 1, char: 2, bool: 4 } as const;

/** Thrown for BTF that can't be read or built. */
export class BtfError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BtfError';
  }
}
