import type { Instruction } from '../isa/index.ts';
import type { HookName } from './hooks.ts';

/** The map types there are so far, by the kernel's names in lower case (enum bpf_map_type without its prefix). */
export type MapType = 'array' | 'percpu_array' | 'hash' | 'ringbuf';

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
}

/** A place in a program that is filled in at load. `at` is the slot's index. */
export type Relocation =
  /** A wide instruction that becomes a reference to the map. */
  | { readonly kind: 'map'; readonly at: number; readonly map: string }
  /** A wide instruction that becomes the address `offset` bytes into the map's only value. */
  | { readonly kind: 'map_value'; readonly at: number; readonly map: string; readonly offset: number }
  /**
   * CO-RE: `access` is `struct.member.member...`. The offset in bytes goes into `offset` of a load or store and into `imm` of
   * anything else; `exists` puts 1 or 0, `size` the member's size in bytes into `imm`.
   */
  | {
      readonly kind: 'field';
      readonly at: number;
      readonly access: string;
      readonly what: 'offset' | 'exists' | 'size';
    };

/** What a slot came from, for listings and verifier messages. */
export interface LineInfo {
  readonly at: number;
  readonly text: string;
}

/** A program before relocation. */
export interface ProgramSpec {
  readonly name: string;
  /** Where it attaches, `tp_btf/sys_exit`. */
  readonly hook: HookName;
  readonly instructions: readonly Instruction[];
  readonly relocations: readonly Relocation[];
  readonly lines: readonly LineInfo[];
}

/** Programs + maps + relocations: what clang puts in an ELF file, and what the rule compiler emits. */
export interface BpfObject {
  readonly level: FeatureLevel;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ProgramSpec[];
}

/** Kernel versions from which on an object's instructions and helpers exist. */
export type FeatureLevel = '6.1' | '6.9' | '6.12';
