/** A member of a struct or union. Offsets and sizes in bytes; a bit field has `bits`. */
export interface BtfMember {
  /** Empty for an anonymous struct or union, whose members are reached through the outer one, as in C. */
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly bits?: { readonly offset: number; readonly size: number };
}

/** A type in a kernel's or an object's BTF (Documentation/bpf/btf.rst). Types are numbered from 1; 0 is void. */
export type BtfType =
  | { readonly kind: 'int'; readonly name: string; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'pointer'; readonly target: number }
  | { readonly kind: 'array'; readonly element: number; readonly index: number; readonly length: number }
  | {
      readonly kind: 'struct' | 'union';
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly size: number;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: 'forward'; readonly name: string }
  | {
      readonly kind: 'typedef' | 'volatile' | 'const' | 'restrict' | 'type_tag';
      readonly name: string;
      readonly target: number;
    }
  | { readonly kind: 'func'; readonly name: string; readonly target: number }
  | {
      readonly kind: 'func_proto';
      readonly returns: number;
      readonly parameters: readonly { readonly name: string; readonly type: number }[];
    }
  | { readonly kind: 'other'; readonly name: string };

/** What an access path comes to: `task_struct.cred`. `type` has modifiers and typedefs stripped. */
export interface BtfAccess {
  readonly offset: number;
  readonly size: number;
  readonly type: BtfType;
  readonly typeId: number;
  /** Of a bit field: its first bit, counted from the start of its struct, and its width. `offset` is the byte with the first bit. */
  readonly bits?: { readonly offset: number; readonly size: number };
}

/** A BTF section, readable by name. */
export interface Btf {
  readonly count: number;
  type(id: number): BtfType;
  /** Id of a struct or union by name, undefined where there is none. */
  struct(name: string): number | undefined;
  /** Strips const, volatile, restrict, type tags and typedefs. */
  resolve(id: number): number;
  /** Size in bytes of a type. */
  size(id: number): number;
  /** Follows `struct.member.member`, through anonymous members, embedded structs and array elements (`name[3]`); undefined where it doesn't exist. */
  access(path: string): BtfAccess | undefined;
  /** The struct that a pointer member at `offset` bytes into a struct points to, for typed loads; undefined where it is no such pointer. */
  pointee(structId: number, offset: number, size: number): number | undefined;
}
