import type { FeatureLevel, HookName } from '../../engine/object/index.ts';
import type { Abi } from '../../rules/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Engine } from './kernel/engine.ts';
import type { PreparedCall } from './syscalls/prepared.ts';

/** What a simulated host is made from; everything has a default, and the same options give the same run, byte for byte. */
export interface SimHostOptions {
  /** Of the virtual clock's jitter and of what bpf_get_prandom_u32 returns; default 1. */
  readonly seed?: number;
  readonly hostname?: string;
  /** The kernel version whose helpers and limits hold; default 6.12. */
  readonly level?: FeatureLevel;
  /** Wall time of boot; default 2026-01-01T00:00:00Z. */
  readonly bootTime?: Date;
  /** Kernel memory in bytes; default 16 MiB, which is enough for the machine and a few programs. */
  readonly memory?: number;
  /** What nobody knows of processes and files is unknown to programs: for recordings. */
  readonly untold?: boolean;
  /** What runs programs; default `tiered`. Results are the same. */
  readonly engine?: Engine;
  /** cgroup v2 paths that are there before any process is in them. */
  readonly cgroups?: readonly string[];
}

/** A process that exists before anything happens. */
export interface SpawnOptions {
  /** comm; default the last component of `exepath`, as exec does it. */
  readonly name?: string;
  /** Created as an executable file where it is missing. */
  readonly exepath: string;
  /** Default `[exepath]`. */
  readonly argv?: readonly string[];
  readonly uid?: number;
  /** Default `uid`. */
  readonly gid?: number;
  readonly groups?: readonly number[];
  /** Default unset (4294967295). */
  readonly loginuid?: number;
  /** Default `/`; created where it is missing. */
  readonly cwd?: string;
  /** cgroup v2 path; default the parent's. Created where it is missing. */
  readonly cgroup?: string;
  /** `NAME=value` each. */
  readonly env?: readonly string[];
  /** Default pid 1. */
  readonly parent?: SimTask;
  /** Default the next free one. */
  readonly pid?: number;
  /** `pts/0`: file descriptors 0 to 2 are that terminal; otherwise they are /dev/null. */
  readonly tty?: string;
  /** Its process id in a pid namespace of its own, or in its parent's where that has one; 1 for a container's first process. */
  readonly vpid?: number;
  /** Its capabilities by name; default all for uid 0, none for others. Root keeps them across exec as its bounding set, others as their ambient set. */
  readonly capabilities?: readonly string[];
  /** A kernel thread (PF_KTHREAD): no memory of its own, no executable. */
  readonly kernelThread?: boolean;
}

/** A task of the simulated host: a process's first thread, or another of its threads. */
export interface SimTask {
  readonly pid: number;
  readonly tgid: number;
  /** comm. */
  readonly name: string;
  /** The executable's path as of exec; empty for kernel threads. */
  readonly exepath: string;
  readonly argv: readonly string[];
  readonly alive: boolean;
  /** The signal that ended it; undefined while it lives and where it exited by itself. */
  readonly killedBy: number | undefined;
  /** Exit status (0 to 255) where it exited by itself. */
  readonly exitStatus: number | undefined;
  /** The real parent's first thread; undefined for pid 1 and kthreadd. */
  readonly parent: SimTask | undefined;
  /** cgroup v2 path. */
  readonly cgroup: string;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  /** Nanoseconds since boot. */
  readonly startNs: bigint;
  readonly cwd: string;
  /** Open file descriptors in ascending order. */
  readonly fds: readonly number[];
  /** Whether a descriptor is open. */
  holds(fd: number): boolean;
}

/** The other end, or the own end, of a socket: IPv4 and IPv6 in their usual text forms, or a Unix socket's path (`@name`: abstract). */
export type SimAddress = { readonly address: string; readonly port: number } | { readonly path: string };

/** openat2's third argument. */
export interface OpenHow {
  readonly flags: number;
  readonly mode?: number;
  readonly resolve?: number;
}

/** A message header (struct msghdr) of sendmsg: what is sent, and where to where that is not the socket's peer. */
export interface SimMessage {
  readonly message: string | Uint8Array;
  readonly to?: SimAddress;
}

/** clone3's argument. */
export interface CloneArguments {
  readonly flags: number;
}

/**
 * One argument of a call. Strings, lists of strings (argv, envp), bytes and addresses are copied to the caller's memory and
 * passed as pointers; null is the null pointer. The length that follows a sockaddr may be left out.
 */
export type SimArgument =
  | number
  | bigint
  | string
  | null
  | Uint8Array
  | readonly string[]
  | SimAddress
  | SimMessage
  | OpenHow
  | CloneArguments;

/** What a recording knows beside the result. */
export type RecordedDetail = SimAddress | { readonly fds: readonly [number, number] };

/** The result that a call had in a recording. Negative is -errno. */
export interface Recorded {
  readonly result: number;
  /** accept: the peer's address; connect: the own end, where it is known; pipe, pipe2 and socketpair: the two file descriptors. */
  readonly detail?: RecordedDetail;
}

/** How a task has a ring's requests taken. */
export type Via = 'io_uring' | 'io_uring_sqpoll';

export interface CallOptions {
  /** The table the call's number is from; default x86-64. */
  readonly abi?: Abi;
  /**
   * Not a system call of its own but a request of the task's io_uring, which is set up the first time: `io_uring` takes it by
   * io_uring_enter, `io_uring_sqpoll` by the kernel's thread. The result is the completion's.
   */
  readonly via?: Via;
  /**
   * Play the call as recorded: hooks fire and the result is this one, whatever programs return; the host makes its state agree
   * with it (a recorded openat = 3 creates what is missing and puts the file at 3). A recorded failure changes nothing, and
   * signals that programs send have no effect.
   */
  readonly recorded?: Recorded;
}

/** What a call came to. -512 (ERESTARTSYS) stands for a call that would still be waiting. */
export interface CallResult {
  /** Negative is -errno. */
  readonly result: number;
  /** What the call wrote to its caller's memory: bytes read, a link's target, a directory's names (one a line). */
  readonly data?: Uint8Array;
  /** pipe, pipe2, socketpair. */
  readonly fds?: readonly [number, number];
  /** clone and its kin: the task that was made. The result is its number in the caller's pid namespace. */
  readonly child?: SimTask;
  /** recvfrom, recvmsg: who sent it; accept: who connected. */
  readonly from?: SimAddress;
  /** The hook whose program refused the call; left out where none did. */
  readonly deniedBy?: HookName;
}

/** Facts of a file as stat gives them. */
export interface SimStat {
  readonly dev: number;
  readonly ino: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
}

/** The host's files from outside, with no permission asked and no hook run. Paths are absolute; symbolic links are followed. */
export interface SimFileSystem {
  exists(path: string): boolean;
  /** The content as UTF-8. @throws Error where there is no such regular file */
  read(path: string): string;
  /** @throws Error where there is no such regular file */
  readBytes(path: string): Uint8Array;
  /** Creates the file and missing directories, or replaces its content by bytes that nobody changes; mode default 0644, uid and gid 0. */
  write(path: string, content: string | Uint8Array, mode?: number, uid?: number, gid?: number): void;
  mkdir(path: string, mode?: number, uid?: number, gid?: number): void;
  /** Mounts an overlay at a directory, made where it is missing: files from outside are in its lower layer, those of processes in its upper one. */
  overlay(path: string): void;
  /** Puts a file of an overlay into its upper layer. @throws Error where there is no such regular file */
  copyUp(path: string): void;
  symlink(target: string, path: string): void;
  stat(path: string): SimStat | undefined;
  /** A directory's names in order. @throws Error where there is no such directory */
  list(path: string): readonly string[];
}

/** The simulated network around the host. */
export interface SimNetwork {
  /** A remote host answers connections to this port; `reply` can be read from each. Its other ports refuse, undeclared hosts time out. */
  declareRemote(address: string, port: number, options?: { readonly reply?: string | Uint8Array }): void;
  /** Resolvers, which are asked by UDP on port 53 of any remote host, know the address of a domain name; it may have several. */
  declareName(name: string, address: string): void;
  reachable(address: string, port: number): boolean;
  /** A connection comes in from outside for the listener on `port` to accept; false where nobody listens. */
  incoming(
    from: { readonly address: string; readonly port: number },
    port: number,
    data?: string | Uint8Array,
  ): boolean;
}

/** Calls of a recording of which only the time may have to pass. */
export interface PassedCalls {
  /** Their places in programs' tables. */
  readonly places: Int32Array;
  /** Nanoseconds since the recording's first line, NaN where they are not known. */
  readonly times: Float64Array;
}

/** A simulated machine: a kernel that programs attach to, and tasks that make calls. */
export interface SimHost {
  readonly hostname: string;
  readonly kernel: Kernel;
  /** pid 1. */
  readonly root: SimTask;
  readonly fs: SimFileSystem;
  readonly network: SimNetwork;
  /** Nanoseconds since boot. Every call takes 1 to 5 microseconds. */
  readonly bootNs: bigint;
  advance(ns: bigint | number): void;
  /** Lets time pass until so many nanoseconds since boot; a time that is over changes nothing. */
  advanceTo(bootNs: number): void;
  /** Nanoseconds since the Unix epoch of a time since boot. */
  wallTime(bootNs: bigint): bigint;
  /** System calls made so far. */
  readonly calls: number;
  /** A process that was there before; no hook fires. @throws Error where the pid is taken */
  spawn(options: SpawnOptions): SimTask;
  /** The number that a task has for another one, in the pid namespace of that one; 0 where it has none there. */
  pidFor(viewer: SimTask, task: SimTask): number;
  /** The living task with this thread id, as the first pid namespace numbers it. */
  task(pid: number): SimTask | undefined;
  /** The living tasks, threads included, by pid. */
  tasks(): readonly SimTask[];
  /**
   * A task makes a system call, by its kernel name. A new process or thread is `task(result)`.
   * @throws Error for a task that is dead or not this host's, for an unknown name, and for an argument the call can't take
   */
  call(task: SimTask, name: string, args: readonly SimArgument[], options?: CallOptions): CallResult;
  /** Moves a process with all its threads to a cgroup v2 path, created where it is missing. @throws Error for a task that is dead */
  moveToCgroup(task: SimTask, path: string): void;
  /** As `call`, for a call that was prepared and whose result nobody asks for. @throws Error for a task that is dead or not this host's */
  play(task: SimTask, call: PreparedCall): void;
  /** Whether the path that a recorded call is about is known to lead somewhere. */
  leads(task: SimTask, call: PreparedCall): boolean;
  /**
   * Recorded calls of a living task that change nothing: only their time passes, as nobody looks. Returns the index of the first that an
   * attached program may look at, so that it has to be played, or `to`. @param begins when the recording begins, nanoseconds since boot
   */
  pass(calls: PassedCalls, begins: number, from: number, to: number): number;
  /** A process ends without a call of its own: by a signal from outside, or as a recording says. Its exit hooks fire. */
  end(task: SimTask, how: { readonly signal: number } | { readonly status: number }): void;
}
