import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';

/** Commands of bpf(2) (enum bpf_cmd of include/uapi/linux/bpf.h). */
export const COMMANDS = {
  BPF_MAP_CREATE: 0,
  BPF_MAP_LOOKUP_ELEM: 1,
  BPF_MAP_UPDATE_ELEM: 2,
  BPF_MAP_DELETE_ELEM: 3,
  BPF_MAP_GET_NEXT_KEY: 4,
  BPF_PROG_LOAD: 5,
  BPF_OBJ_PIN: 6,
  BPF_PROG_TEST_RUN: 10,
  BPF_PROG_GET_NEXT_ID: 11,
  BPF_MAP_GET_NEXT_ID: 12,
  BPF_OBJ_GET_INFO_BY_FD: 15,
  BPF_RAW_TRACEPOINT_OPEN: 17,
  BPF_BTF_LOAD: 18,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: 21,
  BPF_MAP_FREEZE: 22,
  BPF_MAP_LOOKUP_BATCH: 24,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: 25,
  BPF_MAP_UPDATE_BATCH: 26,
  BPF_MAP_DELETE_BATCH: 27,
  BPF_LINK_CREATE: 28,
  BPF_LINK_UPDATE: 29,
  BPF_LINK_GET_NEXT_ID: 31,
  BPF_ENABLE_STATS: 32,
  BPF_ITER_CREATE: 33,
} as const;

export type Command = keyof typeof COMMANDS;

/** __NR_bpf, __NR_perf_event_open and __NR_membarrier of x86-64. */
const [NR_BPF, NR_PERF_EVENT_OPEN, NR_MEMBARRIER] = [321, 298, 324];
/** __NR_pidfd_open and __NR_pidfd_send_signal. */
const [NR_PIDFD_OPEN, NR_PIDFD_SEND_SIGNAL] = [434, 424];
/** MEMBARRIER_CMD_GLOBAL (include/uapi/linux/membarrier.h). */
const MEMBARRIER_GLOBAL = 1;
/** Clocks by number (include/uapi/linux/time.h). */
const CLOCKS = { CLOCK_REALTIME: 0, CLOCK_BOOTTIME: 7 } as const;
const PERF_FLAG_FD_CLOEXEC = 8;
/** include/uapi/asm-generic/fcntl.h */
const [O_PATH, O_CLOEXEC] = [0o10000000, 0o2000000];

interface Libc {
  /** The result, or the errno negated. */
  bpf(command: Command, attr: Uint8Array, size: number): number;
  /** perf_event_open(2): a file descriptor, or the errno negated. */
  perfEventOpen(attr: Uint8Array, pid: number, cpu: number, group: number, flags: number): number;
  /** membarrier(2): 0, or the errno negated. */
  barrier(command: number): number;
  /** pidfd_open(2): a file descriptor, or the errno negated. */
  openPid(pid: number): number;
  /** pidfd_send_signal(2): 0, or the errno negated. */
  signalPid(fd: number, signal: number): number;
  /** pthread_sigmask(3). */
  signalMask(how: number, mask: Uint8Array, before: Uint8Array | null): void;
  openByHandle(mount: number, handle: Uint8Array, flags: number): number;
  clock(id: number, time: BigInt64Array): void;
  address(bytes: Uint8Array): bigint;
  map(fd: number, length: number, protection: number, offset: number): bigint;
  view(address: bigint, length: number): ArrayBuffer;
  unmap(address: bigint, length: number): void;
}

let loaded: Libc | string | undefined;

function load(): Libc | string {
  if (process.platform !== 'linux') return `bpf(2) is a system call of Linux; this is ${process.platform}`;
  if (process.arch !== 'x64' || endianness() !== 'LE')
    return `bpf(2) is called by its x86-64 number only; this is ${process.arch}`;
  let koffi: typeof Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  } catch (error) {
    return `bpf(2) is called through koffi, which can't be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  const libc = koffi.load('libc.so.6');
  const syscall = libc.func('long syscall(long, int, void *, unsigned int)');
  const openEvent = libc.func('long syscall(long, void *, int, int, int, unsigned long)');
  const membarrier = libc.func('long syscall(long, int, unsigned int, int)');
  const sendSignal = libc.func('long syscall(long, int, int, void *, unsigned int)');
  const signalMask = libc.func('int pthread_sigmask(int, void *, void *)');
  const openByHandleAt = libc.func('int open_by_handle_at(int, void *, int)');
  const clockGettime = libc.func('int clock_gettime(int, void *)');
  const mmap = libc.func('intptr_t mmap(void *, size_t, int, int, int, long)');
  const munmap = libc.func('int munmap(void *, size_t)');
  const MAP_SHARED = 1;
  return {
    bpf(command, attr, size) {
      const result = Number(syscall(NR_BPF, COMMANDS[command], attr, size));
      return result >= 0 ? result : -koffi.errno();
    },
    perfEventOpen(attr, pid, cpu, group, flags) {
      const result = Number(openEvent(NR_PERF_EVENT_OPEN, attr, pid, cpu, group, flags));
      return result >= 0 ? result : -koffi.errno();
    },
    barrier(command) {
      const result = Number(membarrier(NR_MEMBARRIER, command, 0, 0));
      return result >= 0 ? result : -koffi.errno();
    },
    openPid(pid) {
      const result = Number(membarrier(NR_PIDFD_OPEN, pid, 0, 0));
      return result >= 0 ? result : -koffi.errno();
    },
    signalPid(fd, signal) {
      const result = Number(sendSignal(NR_PIDFD_SEND_SIGNAL, fd, signal, null, 0));
      return result >= 0 ? result : -koffi.errno();
    },
    signalMask(how, mask, before) {
      signalMask(how, mask, before);
    },
    openByHandle(mount, handle, flags) {
      const result = Number(openByHandleAt(mount, handle, flags));
      return result >= 0 ? result : -koffi.errno();
    },
    clock(id, time) {
      clockGettime(id, time);
    },
    address: (bytes) => BigInt(koffi.address(bytes)),
    map(fd, length, protection, offset) {
      const at = BigInt(mmap(null, length, protection, MAP_SHARED, fd, offset));
      return at === -1n ? BigInt(-koffi.errno()) : at;
    },
    view: (address, length) => koffi.view(address, length),
    unmap(address, length) {
      munmap(address, length);
    },
  };
}

function libc(): Libc {
  loaded ??= load();
  if (typeof loaded === 'string') throw new Error(loaded);
  return loaded;
}

/** Calls bpf(2) with the first `size` bytes of `attr`; returns its result, or its errno negated. @throws Error where there is no bpf(2) */
export const bpf = (command: Command, attr: Uint8Array, size: number): number => libc().bpf(command, attr, size);

/**
 * Calls perf_event_open(2) for all processes on one CPU; returns a file descriptor, or an errno negated. A tracepoint's or kprobe's programs
 * run on every CPU whatever its event's is.
 */
export const openPerfEvent = (attr: Uint8Array, cpu: number): number =>
  libc().perfEventOpen(attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

/** A descriptor of a process (pidfd_open(2)), or an errno negated. */
export const openPid = (pid: number): number => libc().openPid(pid);

/** Sends a signal to the process of a descriptor; 0, or an errno negated. Signal 0 only says whether it lives. */
export const signalPid = (fd: number, signal: number): number => libc().signalPid(fd, signal);

/** Waits that take the barrier's place where the kernel has none: no program runs for as long, in milliseconds. */
const NO_BARRIER_MS = 200;

/** Returns when no program runs any more that ran before, on any CPU: synchronize_rcu (kernel/sched/membarrier.c). */
export function waitForPrograms(): void {
  if (libc().barrier(MEMBARRIER_GLOBAL) !== 0)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NO_BARRIER_MS);
}

const [SIG_BLOCK, SIG_SETMASK, SIGSET_BYTES] = [0, 2, 128];

/** Runs something while signals for this thread wait: a waiting one makes the kernel give up what takes long. */
export function withoutSignals<T>(run: () => T): T {
  const before = new Uint8Array(SIGSET_BYTES);
  libc().signalMask(SIG_BLOCK, new Uint8Array(SIGSET_BYTES).fill(0xff), before);
  try {
    return run();
  } finally {
    libc().signalMask(SIG_SETMASK, before, null);
  }
}

/**
 * Opens what has a struct file_handle on the file system of the folder `mount`, for its path alone (open_by_handle_at(2), O_PATH): a file descriptor,
 * or an errno negated, -EPERM without CAP_DAC_READ_SEARCH.
 */
export const openByHandle = (mount: number, handle: Uint8Array): number =>
  libc().openByHandle(mount, handle, O_PATH | O_CLOEXEC);

/** Nanoseconds of a clock (clock_gettime(2)). */
export function readClock(clock: keyof typeof CLOCKS): bigint {
  const time = new BigInt64Array(2);
  libc().clock(CLOCKS[clock], time);
  return (time[0] ?? 0n) * 1_000_000_000n + (time[1] ?? 0n);
}

/** Where bytes lie in this process. They must stay referenced until the call that is given the address has returned. */
export const addressOf = (bytes: Uint8Array): bigint => libc().address(bytes);

/**
 * Maps `length` bytes of a file descriptor, shared: where they lie in this process, or an errno negated. `protection` is PROT_READ (1) |
 * PROT_WRITE (2).
 */
export const mapShared = (fd: number, length: number, protection: number, offset: number): bigint =>
  libc().map(fd, length, protection, offset);
/** The bytes of a mapping, in any thread of this process; they must not be touched once it is unmapped. */
export const viewOf = (address: bigint, length: number): ArrayBuffer => libc().view(address, length);
/** Takes back what `mapShared` mapped. */
export const unmapShared = (address: bigint, length: number): void => libc().unmap(address, length);

/** Closes a file descriptor of the kernel's. */
export const closeFd = (fd: number): void => closeSync(fd);

/** Why nothing can be called here, in a sentence; undefined where calls reach the kernel, whatever it answers. */
export function callsUnavailable(): string | undefined {
  loaded ??= load();
  return typeof loaded === 'string' ? loaded : undefined;
}
