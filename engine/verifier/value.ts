import type { MapSpec } from '../object/index.ts';
import { constant, type Scalar } from './scalar.ts';

/** A register that was never written, or whose content a call took away. */
export interface Uninitialised {
  readonly kind: 'uninitialised';
}

/** What a pointer points into. */
export type Target =
  | { readonly kind: 'context' }
  /** Frame number, 0 is the main function's; offset 0 is its r10. */
  | { readonly kind: 'stack'; readonly frame: number }
  /** The map itself, as helpers take it; one that was found in a map of maps has a negative handle, the outer one's complement. */
  | { readonly kind: 'map'; readonly handle: number; readonly spec: MapSpec }
  | { readonly kind: 'map_value'; readonly handle: number; readonly spec: MapSpec }
  /** A kernel struct by its BTF id. Loads through one that isn't `trusted` may fault, and read 0 then. */
  | { readonly kind: 'struct'; readonly struct: number; readonly trusted: boolean }
  /** What bpf_ringbuf_reserve returned, of `size` bytes. */
  | { readonly kind: 'record'; readonly size: number }
  /** Plain bytes that lie in one piece; `what` names them in messages. */
  | {
      readonly kind: 'memory';
      readonly size: number;
      readonly writable: boolean;
      readonly what: string;
      /** Id of the dynptr it is a part of. */
      readonly owner?: number;
    }
  /** A packet, or what lies before it (`meta`): `range` bytes from where offset is 0 are known to be there. */
  | { readonly kind: 'packet'; readonly from: 'data' | 'meta'; readonly range: number }
  | { readonly kind: 'packet_end' }
  /** A kernel variable of `size` bytes that each CPU has, before a helper says which CPU's. */
  | { readonly kind: 'per_cpu'; readonly size: number; readonly struct: number | undefined; readonly what: string }
  /** A function of the program by its first slot, as helpers that call back take it. */
  | { readonly kind: 'code'; readonly at: number };

export interface Pointer {
  readonly kind: 'pointer';
  readonly target: Target;
  /** Bytes from the start of the target, as far as they are constant. */
  readonly offset: number;
  /** What comes on top. */
  readonly variable: Scalar;
  readonly orNull: boolean;
  /** Copies of one pointer that may be null share an id, and so do those of one reference and those into a packet with one variable offset; 0 is none. */
  readonly id: number;
}

/** The state of an open-coded iterator, which lies in the stack only. */
export interface Iterator {
  readonly kind: 'iterator';
  /** The reference that it is until it is destroyed. */
  readonly id: number;
  /** Its kernel functions' common part: `num` of bpf_iter_num_next. */
  readonly name: string;
  /** Whether its last round isn't over. */
  readonly active: boolean;
}

/** What the verifier knows of a register, or of a stack slot. */
export type Value = Uninitialised | Scalar | Pointer | Iterator;

export const UNINITIALISED: Uninitialised = { kind: 'uninitialised' };
export const ZERO = constant(0n);

export const pointer = (target: Target, offset = 0, orNull = false, id = 0): Pointer => ({
  kind: 'pointer',
  target,
  offset,
  variable: ZERO,
  orNull,
  id,
});

/** The number 0, as a null pointer is given. */
export const isNull = (value: Value): boolean =>
  value.kind === 'scalar' && value.bits.mask === 0n && value.bits.value === 0n;

/**
 * A pointer of which a comparison with 0 is decided. Of the context, the stack and packets Linux follows both ways (reg_not_null of
 * kernel/bpf/verifier.c).
 */
export function isNeverNull({ orNull, target }: Pointer): boolean {
  if (orNull) return false;
  if (target.kind === 'struct') return target.trusted;
  return target.kind === 'map' || target.kind === 'map_value' || target.kind === 'record' || target.kind === 'memory';
}

export function sameTarget(a: Target, b: Target): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'context':
      return b.kind === 'context';
    case 'stack':
      return b.kind === 'stack' && a.frame === b.frame;
    case 'map':
    case 'map_value':
      return a.kind === b.kind && a.handle === b.handle;
    case 'struct':
      return b.kind === 'struct' && a.struct === b.struct && a.trusted === b.trusted;
    case 'record':
      return b.kind === 'record' && a.size === b.size;
    case 'memory':
      return (
        b.kind === 'memory' &&
        a.size === b.size &&
        a.writable === b.writable &&
        a.what === b.what &&
        a.owner === b.owner
      );
    case 'packet':
      return b.kind === 'packet' && a.from === b.from && a.range === b.range;
    case 'packet_end':
      return b.kind === 'packet_end';
    case 'per_cpu':
      return b.kind === 'per_cpu' && a.what === b.what;
    case 'code':
      return b.kind === 'code' && a.at === b.at;
  }
}

/** A target in a message. */
export function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'context':
      return 'the context';
    case 'stack':
      return 'the stack';
    case 'map':
      return `the map ${target.spec.name}`;
    case 'map_value':
      return `a value of map ${target.spec.name}`;
    case 'struct':
      return 'a kernel struct';
    case 'record':
      return 'a ring buffer record';
    case 'memory':
      return target.what;
    case 'packet':
      return target.from === 'data' ? 'the packet' : "the packet's metadata";
    case 'packet_end':
      return 'the end of the packet';
    case 'per_cpu':
      return target.what;
    case 'code':
      return 'a function';
  }
}
