import type { BpfMap } from '../maps/index.ts';
import type { ExecutableProgram } from './decoded.ts';
import type { Kfunc } from './kfunc.ts';
import type { Memory } from './memory.ts';

/** What helpers need of the kernel they run in; `current` is the task that the hook runs on. */
export interface VmEnvironment {
  readonly memory: Memory;
  map(handle: number): BpfMap | undefined;
  /** Nanoseconds since boot. */
  bootNs(): bigint;
  /** Address of the current task_struct. */
  currentTask(): bigint;
  /** tgid << 32 | pid, in the first pid namespace. */
  currentPidTgid(): bigint;
  /** gid << 32 | uid. */
  currentUidGid(): bigint;
  /** At most 15 bytes and a NUL. */
  currentComm(): Uint8Array;
  currentCgroupId(): bigint;
  /** Id of the ancestor at `level` (0 is the root), 0 where the current cgroup is not that deep. */
  currentAncestorCgroupId(level: number): bigint;
  /** Bytes of the current task's memory, or undefined where any of them isn't mapped or isn't a user address. */
  readUser(address: bigint, length: number): Uint8Array | undefined;
  /** Queues a signal to the current process; 0 or a negative errno. */
  sendSignal(signal: number): number;
  /** 32 random bits; seeded in the simulation. */
  random(): number;
  /** Text of bpf_trace_printk. */
  trace(text: string): void;
  /** A loaded program by the handle that a prog array has; without it tail calls find nothing. */
  program?(handle: number): ExecutableProgram | undefined;
  /** Address of the kernel's variable with a BTF id. */
  variable?(id: number): bigint | undefined;
  /** A kernel function by the BTF id that a call carries; left out, ids are those of KFUNCS. */
  kfunc?(id: number): Kfunc | undefined;
  /** Where the packet lies that the hook runs on: offset in memory, and bytes. */
  packet?(): { readonly offset: number; readonly length: number } | undefined;
}
