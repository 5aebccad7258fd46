import type { BtfKind } from './btf-kinds.ts';

/** A member of a struct or union. Offsets and sizes in bytes; a bit field has `bits`. */
export interface BtfMember {
  /** Empty for an anonymous struct or union, whose members are reached through the outer one, as in C. */
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly bits?: { readonly offset: number; readonly size: number };
}

/** Who can see a function or variable (BTF_FUNC_*, BTF_VAR_* of include/uapi/linux/btf.h); an extern is defined elsewhere. */
export type BtfLinkage = 'static' | 'global' | 'extern';

/** A type in a kernel's or an object's BTF (Documentation/bpf/btf.rst). Types are numbered from 1; 0 is void. */
export type BtfType =
  | {
      readonly kind: 'int';
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      /** What it is for people who read it, where the compiler says so. */
      readonly encoding?: 'char' | 'bool';
      /** Where compilers of old put a bit field's place, or a width below the size's: its first bit and width. */
      readonly bits?: { readonly offset: number; readonly size: number };
    }
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
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: 'forward'; readonly name: string; readonly of: 'struct' | 'union' }
  | {
      readonly kind: 'typedef' | 'volatile' | 'const' | 'restrict' | 'type_tag';
      readonly name: string;
      readonly target: number;
    }
  | { readonly kind: 'func' | 'var'; readonly name: string; readonly target: number; readonly linkage: BtfLinkage }
  | {
      readonly kind: 'datasec';
      readonly name: string;
      readonly size: number;
      /** Types of kind var, or func for kernel functions; offsets and sizes in bytes, 0 until an object is linked or loaded. */
      readonly variables: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
    }
  /** `component` is the member or parameter that is tagged, -1 for the type as a whole. */
  | { readonly kind: 'decl_tag'; readonly name: string; readonly target: number; readonly component: number }
  | { readonly kind: 'float'; readonly name: string; readonly size: number }
  | {
      readonly kind: 'func_proto';
      readonly returns: number;
      readonly parameters: readonly { readonly name: string; readonly type: number }[];
    };

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
  /** The kind alone, which tells an enum64 from an enum. */
  kind(id: number): BtfKind;
  /** The first type of that kind and name, undefined where there is none. */
  find(kind: BtfKind, name: string): number | undefined;
  /** All types of that name with any flavour (`task_struct`, `task_struct___old`), as CO-RE sees them. */
  flavours(name: string): readonly number[];
  /** Text at an offset of the string section. @throws BtfError */
  string(offset: number): string;
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
