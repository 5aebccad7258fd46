import type { MapType, ProgramType } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';

/**
 * What a helper takes (enum bpf_arg_type of include/linux/bpf.h).
 * - `map`: a map with keys, or one of the types that the row names; `ringbuf`: a ring buffer
 * - `map_key`, `map_value`: memory of the sizes of the call's map; `map_value_out` is filled in, `map_value_or_null` may be 0
 * - `memory`: readable, and `memory_out`: writable memory whose length is the `size` (`size_or_zero`, `constant_size`) after it;
 *   `memory_or_null` may be 0, and so may `memory_out_or_null`; `constant_size` must be known to the verifier
 * - `record`: what bpf_ringbuf_reserve returned, which the call gives back
 * - `constant_string`: points into the value of a read-only array, at a string that ends there
 * - `callback`: a function of the program (`callback` of the row says what it gets), and `callback_context`: what it is handed, a
 *   pointer into the stack or 0
 * - `dynptr`: a dynptr on the stack; `dynptr_out`: 16 bytes of stack that become one; `ringbuf_dynptr_out` does so with a record,
 *   also where the call fails, and `ringbuf_dynptr` gives that back
 * - `timer`, `spin_lock`, `kptr`: the special member of a map value; `kptr_value`: what goes into a kptr, or 0
 * - `per_cpu_variable`: a kernel variable that each CPU has
 * - `socket`: a struct sock, bpf_sock, sock_common or tcp_sock, or one of their kernel types
 * The object forms: memory of a fixed size, a pointer to a kernel struct (`releases`: which the call gives back), and a kernel
 * iterator of `bytes` on the stack, which the call makes, advances or ends.
 */
export type ArgumentType =
  | 'map'
  | 'ringbuf'
  | 'map_key'
  | 'map_value'
  | 'map_value_out'
  | 'map_value_or_null'
  | 'memory'
  | 'memory_out'
  | 'memory_or_null'
  | 'memory_out_or_null'
  | 'size'
  | 'size_or_zero'
  | 'constant_size'
  | 'record'
  | 'constant_string'
  | 'context'
  | 'anything'
  | 'callback'
  | 'callback_context'
  | 'dynptr'
  | 'dynptr_out'
  | 'ringbuf_dynptr'
  | 'ringbuf_dynptr_out'
  | 'timer'
  | 'spin_lock'
  | 'kptr'
  | 'kptr_value'
  | 'per_cpu_variable'
  | 'socket'
  | { readonly memory: number; readonly access: 'read' | 'out' }
  | { readonly struct: string; readonly nullable?: boolean; readonly releases?: boolean }
  | { readonly iterator: string; readonly bytes: number; readonly state: 'new' | 'next' | 'destroy' };

/**
 * What a helper returns. `record_or_null` must be submitted or discarded on every path; after `void` r0 can't be read;
 * `memory_or_null` has the size of the `constant_size` argument; `per_cpu` is this CPU's place of the `per_cpu_variable`.
 */
export type ReturnType =
  | 'scalar'
  | 'void'
  | 'map_value_or_null'
  | 'record_or_null'
  | 'memory_or_null'
  | 'per_cpu'
  | 'per_cpu_or_null'
  /** What was in the `kptr` before; it must be put back or released. */
  | 'kptr_or_null'
  /** The first argument, as it was. */
  | 'argument'
  /** Memory of `memory` bytes. */
  | { readonly memory: number; readonly nullable: boolean; readonly writable?: boolean }
  /** `acquires`: must be released on every path. */
  | { readonly struct: string; readonly nullable?: boolean; readonly acquires?: boolean };

/** What a callback finds in r1, r2, ...; `map`, `map_key` and `map_value` are those of the helper's map. */
export type CallbackArgument =
  | 'scalar'
  | 'map'
  | 'map_key'
  | 'map_value'
  | 'callback_context'
  | 'dynptr'
  | { readonly struct: string };

/** How a helper calls a function of the program, and what that may return. */
export interface Callback {
  readonly arguments: readonly CallbackArgument[];
  readonly returns: { readonly min: number; readonly max: number };
  /** Once, any number of times, or after the program has ended. */
  readonly times: 'once' | 'any' | 'later';
}

/** What a running helper may ask of the machine that runs the program. */
export interface Machine {
  /** Calls a function of the program, as bpf_loop does; `code` is what a wide instruction of kind BPF_PSEUDO_FUNC loaded. Returns r0. */
  call(code: bigint, first: bigint, second: bigint, third: bigint, fourth: bigint): bigint;
  /** Ends the program and goes on with the one of that handle, with the same context; called only where it exists. Does nothing after 33 of them. */
  tailCall(program: number): void;
  /** What r1 was at entry. */
  readonly context: bigint;
  /** Memory that callbacks may read and write while this helper runs; machines that don't check accesses have no use for it. */
  lend?(offset: number, bytes: number): void;
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
  /** Of Linux 6.18; older kernels let fewer types call some. */
  readonly programTypes: 'all' | readonly ProgramType[];
  /** What it takes in programs of some types, where that differs from `arguments`. */
  readonly otherArguments?: {
    readonly programTypes: readonly ProgramType[];
    readonly arguments: readonly ArgumentType[];
  };
  /** enum bpf_attach_type's numbers that programs of a type must have, where not all of them may call. */
  readonly attachTypes?: Readonly<Partial<Record<ProgramType, readonly number[]>>>;
  /** Hooks by whose names alone it may be called, `fentry/vfs_truncate`. */
  readonly hooks?: RegExp;
  /** Map types that the `map` argument may have (check_map_func_compatibility in kernel/bpf/verifier.c); all with keys where left out. */
  readonly mapTypes?: readonly MapType[];
  /** Only for programs whose license is compatible with the GPL (gpl_only of struct bpf_func_proto). */
  readonly gplOnly?: boolean;
  /** Only for programs that may sleep (might_sleep). */
  readonly sleepable?: boolean;
  /** First kernel that has it, `5.8`; 6.1 has those without. */
  readonly since?: string;
  readonly callback?: Callback;
  /** The packet may move: pointers into it are void afterwards (bpf_helper_changes_pkt_data). */
  readonly changesPacket?: boolean;
  /**
   * The same as `run` without 64-bit numbers: r0 to r10 are halves, signed 32 bits each, low first; false, with nothing done, where
   * only `run` can tell.
   */
  readonly fast?: (environment: VmEnvironment, halves: Int32Array) => boolean;
  /** `registers` are r0 to r10 as unsigned 64-bit values; the result goes to r0. */
  readonly run: (environment: VmEnvironment, registers: BigUint64Array, machine: Machine) => bigint;
}
