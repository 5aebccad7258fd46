import type { MapType, ProgramType } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';

/**
 * What a helper takes (enum bpf_arg_type of include/linux/bpf.h).
 * `memory` is readable and `memory_out` writable memory whose length is the `size` after it; `map_key` and `map_value` have the
 * sizes of the call's map; `record` is what bpf_ringbuf_reserve returned; `constant_size` must be known to the verifier;
 * `constant_string` points into the value of a read-only array, at a string that ends there. `map_value_out` is filled in by the
 * helper, `map_value_or_null` may be 0. `callback` is a function of the program and `callback_context` what it is handed, a pointer
 * into the stack or 0. The object forms: memory of a fixed size, and a pointer to a kernel struct.
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
  | 'anything'
  | 'memory_or_null'
  | 'map_value_out'
  | 'map_value_or_null'
  | 'callback'
  | 'callback_context'
  | { readonly memory: number; readonly access: 'read' | 'out' }
  | { readonly struct: string; readonly nullable?: boolean };

/** What a helper returns. `record_or_null` must be submitted or discarded on every path; after `void` r0 can't be read. */
export type ReturnType =
  | 'scalar'
  | 'void'
  | 'map_value_or_null'
  | 'record_or_null'
  /** A value of a per-CPU variable or array of `memory` bytes, or null. */
  | { readonly memory: number; readonly nullable: boolean }
  | { readonly struct: string; readonly nullable?: boolean };

/** What a running helper may ask of the machine that runs the program. */
export interface Machine {
  /** Calls a function of the program, as bpf_loop does; `code` is what a wide instruction of kind BPF_PSEUDO_FUNC loaded. Returns r0. */
  call(code: bigint, first: bigint, second: bigint, third: bigint, fourth: bigint): bigint;
  /** Ends the program and goes on with the one of that handle, with the same context; called only where it exists. */
  tailCall(program: number): void;
  /** What r1 was at entry. */
  readonly context: bigint;
}

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
  /** Map types that the `map` argument may have (check_map_func_compatibility in kernel/bpf/verifier.c); all with keys where left out. */
  readonly mapTypes?: readonly MapType[];
  /** Only for programs whose license is compatible with the GPL (gpl_only of struct bpf_func_proto). */
  readonly gplOnly?: boolean;
  /** Only for programs that may sleep (might_sleep). */
  readonly sleepable?: boolean;
  /** First kernel that has it, `5.8`; 6.1 has those without. */
  readonly since?: string;
  /** `registers` are r0 to r10 as unsigned 64-bit values; the result goes to r0. */
  readonly run: (environment: VmEnvironment, registers: BigUint64Array, machine: Machine) => bigint;
}
