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
  /** The map itself, as helpers take it. */
  | { readonly kind: 'map'; readonly handle: number; readonly spec: MapSpec }
  | { readonly kind: 'map_value'; readonly handle: number; readonly spec: MapSpec }
  /** A kernel struct by its BTF id. Loads through one that isn't `trusted` may fault, and read 0 then. */
  | { readonly kind: 'struct'; readonly struct: number; readonly trusted: boolean }
  /** What bpf_ringbuf_reserve returned, of `size` bytes. */
  | { readonly kind: 'record'; readonly size: number };

export interface Pointer {
  readonly kind: 'pointer';
  readonly target: Target;
  /** Bytes from the start of the target, as far as they are constant. */
  readonly offset: number;
  /** What comes on top. */
  readonly variable: Scalar;
  readonly orNull: boolean;
  /** Copies of one pointer that may be null share an id, and so do those of one reference; 0 is none. */
  readonly id: number;
}

/** What the verifier knows of a register. */
export type Value = Uninitialised | Scalar | Pointer;

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

/** A pointer that a comparison with 0 can't find equal. */
export const isNeverNull = (p: Pointer): boolean => !p.orNull && (p.target.kind !== 'struct' || p.target.trusted);

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
  }
}
