import type { BpfMap } from '../maps/index.ts';
import type { ExecutableProgram } from './decoded.ts';
import type { Kfunc } from './kfunc.ts';
import type { Memory } from './memory.ts';

/** Where a stretch of a process's memory lies: from an index on. */
export interface UserBytes {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** What helpers need of the kernel they run in; `current` is the task that the hook runs on. */
export interface VmEnvironment {
  readonly memory: Memory;
  map(handle: number): BpfMap | undefined;
  /** Nanoseconds since boot. */
  bootNs(): bigint;
  /** Address of the current task_struct. */
  currentTask(): bigint;
  /** Its offset in memory; left out, compiled code takes `currentTask`. */
  currentTaskAt?(): number;
  /** tgid << 32 | pid, in the first pid namespace. */
  currentPidTgid(): bigint;
  /** gid << 32 | uid. */
  currentUidGid(): bigint;
  /** At most 15 bytes and a NUL. */
  currentComm(): Uint8Array;
  /** Its offset in memory, with a NUL at its end; left out, compiled code takes `currentComm`. */
  currentCommAt?(): number;
  currentCgroupId(): bigint;
  /** Id of the ancestor at `level` (0 is the root), 0 where the current cgroup is not that deep. */
  currentAncestorCgroupId(level: number): bigint;
  /** Bytes of the current task's memory, or undefined where any of them isn't mapped or isn't a user address. */
  readUser(address: bigint, length: number): Uint8Array | undefined;
  /** Where they lie, for an address of less than 53 bits; good until it is asked again. Left out, compiled code takes `readUser`. */
  userAt?(address: number, length: number): UserBytes | undefined;
  /** Queues a signal to the current process; 0 or a negative errno. */
  sendSignal(signal: number): number;
  /** 32 random bits; seeded in the simulation. */
  random(): number;
  /** Text of bpf_trace_printk. */
  trace(text: string): void;
  /** A loaded program by the handle that a prog array has; without it tail calls find nothing. */
  program?(handle: number): ExecutableProgram | undefined;
  /** The kernel's variable with a BTF id, of each CPU or of all; without it there are none. */
  variable?(id: number): { readonly address: bigint; readonly bytes: number } | undefined;
  /** A kernel function by the BTF id that a call carries; left out, ids are those of KFUNCS. */
  kfunc?(id: number): Kfunc | undefined;
  /** Where the packet lies that the hook runs on: offset in memory, bytes, and how many of them come before the network header (0). */
  packet?(): { readonly offset: number; readonly length: number; readonly network?: number } | undefined;

  /** The CPU that the program runs on; 0 where left out. */
  currentCpu?(): number;
  /** The NUMA node of that CPU; 0 where left out. */
  numaNode?(): number;
  /** Jiffies since boot; left out, 250 a second from INITIAL_JIFFIES on. */
  jiffies?(): bigint;
  /** Nanoseconds since boot without time asleep (CLOCK_MONOTONIC); left out, `bootNs`. */
  monotonicNs?(): bigint;
  /** Nanoseconds of international atomic time; left out, `bootNs`. */
  taiNs?(): bigint;
  /** net_cls's class of the current task's cgroup; 0 where left out. */
  currentClassid?(): number;
  /** The current pid namespace: its device and inode, and the task's numbers in it; left out, helpers answer -EINVAL. */
  pidNamespace?(): { readonly device: bigint; readonly inode: bigint; readonly pid: number; readonly tgid: number };
  /** Whether the current task is in the cgroup at an address or below it; left out, 0. */
  isUnderCgroup?(cgroup: bigint): boolean;
  /** Address of the task_struct with a thread id of the first pid namespace; left out, there is none. */
  taskOf?(pid: number): bigint | undefined;
  /** Address of the cgroup with an id; left out, there is none. */
  cgroupOf?(id: bigint): bigint | undefined;
  /** Address of the struct file that a task runs; left out, there is none. */
  exeFile?(task: bigint): bigint | undefined;
  /** Address of a task's user registers (struct pt_regs); left out, 0. */
  taskRegisters?(task: bigint): bigint;
  /** Address of the vm_area_struct of a task that holds a user address; left out, there is none. */
  findVma?(task: bigint, address: bigint): bigint | undefined;
  /** Bytes of a task's memory, with pages read in; left out, only the current task's by `readUser`. */
  readTask?(task: bigint, address: bigint, length: number): Uint8Array | undefined;
  /** Writes to the current task's memory: 0 or a negative errno; left out, -EPERM. */
  writeUser?(address: bigint, bytes: Uint8Array): number;
  /** Call chain of the current task, or of the one given, innermost first; left out or undefined, helpers answer -EFAULT. */
  stack?(user: boolean, task?: bigint): readonly bigint[] | undefined;
  /** Path of a struct path, as d_path writes it; left out, helpers answer -EINVAL. */
  path?(address: bigint): string | undefined;
  /** Name of what lies at a kernel address, `do_sys_open+0x10/0x80`; left out, the address in hexadecimal. */
  symbol?(address: bigint): string | undefined;
  /** Address of the symbol of that name; left out, there are none. */
  symbolAddress?(name: string): bigint | undefined;
  /** Address of the function that the program is attached to; left out, 0. */
  functionAddress?(): bigint;
  /** How many arguments the context holds, behind which the result lies, of programs at a function's entry or exit. */
  functionArguments?(): { readonly count: number; readonly hasResult: boolean };
  /** What the attachment was given as cookie; left out, 0. */
  attachCookie?(): bigint;
  /** Makes the probed function return at once; left out, nothing happens. */
  overrideReturn?(result: bigint): void;
  /** Text for the reader of an iterator: 0 or -EOVERFLOW; left out, helpers answer -EOVERFLOW. */
  sequence?(text: Uint8Array): number;
  /** Allows or forbids the coming program to gain privileges (bprm_opts_set); left out, nothing happens. */
  setBprmOptions?(bprm: bigint, flags: number): void;
  /** Address of the struct socket behind a struct file; left out, none. */
  socketOf?(file: bigint): bigint | undefined;
  /** The socket at an address as another struct, `tcp_sock`, or undefined where it is none; left out, it never is. */
  socketAs?(socket: bigint, struct: string): bigint | undefined;
  /** Cookie of the socket or of the context's socket; left out, 0. */
  socketCookie?(address: bigint): bigint;
  /** Owner of the context's socket; left out, 65534. */
  socketUid?(context: bigint): number;
  /** Cookie of the network namespace; left out, 1 (that of the first). */
  netnsCookie?(): bigint;
  /** Cgroup id of the packet's or socket's owner, or of its ancestor at a level; left out, 0. */
  socketCgroupId?(address: bigint, level?: number): bigint;
  /** Options of the hook's socket: 0 or a negative errno; left out, -EINVAL. */
  getSocketOption?(level: number, option: number, value: Uint8Array): number;
  setSocketOption?(level: number, option: number, value: Uint8Array): number;
  /** Binds the hook's socket to the sockaddr: 0 or a negative errno; left out, -EINVAL. */
  bindSocket?(address: Uint8Array): number;
  /** Moves the packet's first byte, its last, or the metadata before it by a number of bytes; left out, helpers answer -EINVAL. */
  movePacket?(what: 'head' | 'tail' | 'meta', bytes: number): number;
  /** The sysctl that is read or written; left out, helpers answer -EINVAL. */
  readonly sysctl?: Sysctl;
  /** What the hook will return so far, 0 or a negative errno; left out, helpers answer 0 and -EINVAL. */
  readonly hookResult?: { value: number };
}

/** What programs of type cgroup_sysctl see. */
export interface Sysctl {
  /** Path below /proc/sys, `net/ipv4/tcp_mem`. */
  readonly name: string;
  readonly current: Uint8Array;
  /** What is being written; undefined for reads. */
  readonly written: Uint8Array | undefined;
  /** What a program put in its place. */
  replacement?: Uint8Array;
}
