import type { ProgramType } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';

/**
 * What a helper takes (enum bpf_arg_type, narrowed to what is in use).
 * `memory` is readable and `memory_out` writable memory whose length is the `size` after it; `map_key` and `map_value` have the
 * sizes of the call's map; `record` is what bpf_ringbuf_reserve returned; `constant_size` must be known to the verifier;
 * `constant_string` points into the value of a read-only array, at a string that ends there.
 */
export type ArgumentType =
  | 'map'
  | 'ringbuf'
  | 'map_key'
  | 'map_value'
  | 'memory'
  | 'memory_out'
  | 'size'
  | 'size_or_zero'
  | 'constant_size'
  | 'record'
  | 'constant_string'
  | 'context'
  | 'anything';

/** What a helper returns. `record_or_null` must be submitted or discarded on every path; after `void` r0 can't be read. */
export type ReturnType = 'scalar' | 'void' | 'map_value_or_null' | 'record_or_null' | { readonly struct: string };

/** A kernel function that programs may call (include/uapi/linux/bpf.h, ___BPF_FUNC_MAPPER): the one row that verifier, interpreter and JIT share. */
export interface Helper {
  /** With its prefix: `bpf_map_lookup_elem`. */
  readonly name: string;
  readonly id: number;
  readonly arguments: readonly ArgumentType[];
  readonly returns: ReturnType;
  /** Least and greatest result of a `scalar`, where the kernel's verifier knows them too. */
  readonly range?: { readonly min: bigint; readonly max: bigint };
  /** The result lies between -4095 and the greatest value of the `size` argument (do_refine_retval_range in kernel/bpf/verifier.c). */
  readonly boundedBySize?: boolean;
  readonly programTypes: 'all' | readonly ProgramType[];
  /** `registers` are r0 to r10 as unsigned 64-bit values; the result goes to r0. */
  readonly run: (environment: VmEnvironment, registers: BigUint64Array) => bigint;
}
