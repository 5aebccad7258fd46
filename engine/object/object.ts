import type { Instruction } from '../isa/index.ts';
import type { Btf } from './btf.ts';
import type { HookName } from './hooks.ts';
import type { MapType } from './map-types.ts';

/** What a map is created from. Sizes in bytes; a ring buffer has no key and value, and `maxEntries` is its size (a power of two, 4,096 or more). */
export interface MapSpec {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* of map creation; 0 when left out. */
  readonly flags?: number;
  /** Entries that the loader writes before any program is loaded. */
  readonly contents?: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /** Of a map of maps: what its inner maps look like. */
  readonly inner?: MapSpec;
  /** Entries of a map of maps or of a prog array that the loader fills in: index, and the name of a map or program. */
  readonly slots?: readonly (readonly [index: number, name: string])[];
  /** `map_extra`: of a bloom filter, how many hash functions (0 is 5). */
  readonly extra?: number;
  /** BTF ids of key and value in the object's BTF; local storage can't be created without. */
  readonly btf?: { readonly key: number; readonly value: number };
  /** The object asks for it to be pinned by name; that is noted, not done. */
  readonly pinned?: true;
}

/** What a CO-RE relocation asks (enum bpf_core_relo_kind of include/uapi/linux/bpf.h, without its prefix). */
export type CoreKind =
  | 'field_byte_offset'
  | 'field_byte_size'
  | 'field_exists'
  | 'field_signed'
  | 'field_lshift_u64'
  | 'field_rshift_u64'
  | 'type_id_local'
  | 'type_id_target'
  | 'type_exists'
  | 'type_size'
  | 'enumval_exists'
  | 'enumval_value'
  | 'type_matches';

/** What of a member goes into an instruction. */
export type FieldWhat = 'offset' | 'offset_or_0' | 'exists' | 'size';

/** A place in a program that is filled in at load. `at` is the slot's index. */
export type Relocation =
  /** A wide instruction that becomes a reference to the map. */
  | { readonly kind: 'map'; readonly at: number; readonly map: string }
  /** A wide instruction that becomes the address `offset` bytes into the map's only value. */
  | { readonly kind: 'map_value'; readonly at: number; readonly map: string; readonly offset: number }
  /**
   * CO-RE: `access` is `struct.member.member...`. The offset in bytes goes into `offset` of a load or store and into `imm` of
   * anything else; `offset_or_0` is 0 where there is no such member, for code that is reached only where there is. `exists` puts 1
   * or 0, `size` the member's size in bytes into `imm`.
   */
  | {
      readonly kind: 'field';
      readonly at: number;
      readonly access: string;
      readonly what: FieldWhat;
    }
  /** CO-RE as clang writes it: a type of the object's own BTF and an access string, `0:1:2`, to be found again in the kernel's. */
  | {
      readonly kind: 'core';
      readonly at: number;
      readonly type: number;
      readonly access: string;
      readonly what: CoreKind;
    }
  /** A call of a kernel function by name (BPF_PSEUDO_KFUNC_CALL); a weak one that is missing becomes a call that the verifier refuses if reached. */
  | { readonly kind: 'kfunc'; readonly at: number; readonly name: string; readonly weak: boolean }
  /**
   * A wide instruction that becomes the address of a kernel variable or function (BPF_PSEUDO_BTF_ID), or 0 where it is weak and missing.
   * `address` marks one without a type, whose address is a plain number.
   */
  | {
      readonly kind: 'ksym';
      readonly at: number;
      readonly name: string;
      readonly weak: boolean;
      readonly address?: true;
    };

/** What a slot came from, for listings and verifier messages. */
export interface LineInfo {
  readonly at: number;
  readonly text: string;
  /** Source file with line and column from 1, where a compiler wrote them. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Where a function of a program begins, with its BTF id in the object's BTF; static functions are verified where they are called, global ones alone. */
export interface FunctionInfo {
  readonly at: number;
  readonly name: string;
  readonly type: number;
  readonly linkage: 'static' | 'global';
}

/** A program before relocation, its functions one after the other, the main one first. */
export interface ProgramSpec<Hook extends string = HookName> {
  readonly name: string;
  /** Where it attaches, `tp_btf/sys_exit`: the section's name. */
  readonly hook: Hook;
  readonly instructions: readonly Instruction[];
  readonly relocations: readonly Relocation[];
  readonly lines: readonly LineInfo[];
  /** Functions from BTF, where the object has any. */
  readonly functions?: readonly FunctionInfo[];
  /** Its section's name began with `?`: it is loaded only where someone asks for it. */
  readonly optional?: true;
  /**
   * The name of an array of numbers of 32 bits, one for each call of each table. During a call whose number is 0 the program reads neither
   * the registers nor the memory of the caller, and at sys_exit it does nothing. Left out, it may look at any call.
   */
  readonly calls?: string;
}

/** Programs + maps + relocations: what clang puts in an ELF file, and what the rule compiler emits. */
export interface BpfObject {
  readonly level: FeatureLevel;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ProgramSpec[];
}

/** A variable of the kernel's configuration or version that an object refers to (`extern int CONFIG_HZ __kconfig`). */
export interface KconfigVariable {
  readonly name: string;
  /** Its place in the map `.kconfig`, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** An array of char rather than a number. */
  readonly text: boolean;
  readonly signed: boolean;
  /** May stay unknown, and is 0 then. */
  readonly weak: boolean;
  /** Whether its value is in the map's contents. */
  readonly known: boolean;
}

/** A global variable: in the only value of the map that its section became, offset and size in bytes. */
export interface GlobalVariable {
  readonly name: string;
  /** `.data`, `.rodata`, `.bss`, also with a suffix. */
  readonly map: string;
  readonly offset: number;
  readonly size: number;
}

/** What an ELF file from clang holds: its hooks are whatever its sections name. */
export interface ElfObject {
  /** The file's name. */
  readonly name: string;
  readonly license: string;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ProgramSpec<string>[];
  /** The object's own BTF, which CO-RE relocations, maps and functions refer to; undefined where it was built without. */
  readonly btf: Btf | undefined;
  /** The same as it lies in the file, but for hidden functions, which are static here too. */
  readonly btfBytes: Uint8Array | undefined;
  /** Its global variables, static ones included, by map and place. */
  readonly variables: readonly GlobalVariable[];
  /** What it wants to know of the kernel's configuration; empty where it asks for nothing. */
  readonly kconfig: readonly KconfigVariable[];
}

/** Kernel versions from which on an object's instructions and helpers exist. */
export type FeatureLevel = '6.1' | '6.9' | '6.12';
