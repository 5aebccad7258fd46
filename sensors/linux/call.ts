import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import { ERRNO_NAMES } from '../../rules/index.ts';

/** Commands of bpf(2) (enum bpf_cmd of include/uapi/linux/bpf.h). */
export const COMMANDS = {
  BPF_MAP_CREATE: 0,
  BPF_MAP_LOOKUP_ELEM: 1,
  BPF_MAP_UPDATE_ELEM: 2,
  BPF_MAP_DELETE_ELEM: 3,
  BPF_MAP_GET_NEXT_KEY: 4,
  BPF_PROG_LOAD: 5,
  BPF_PROG_TEST_RUN: 10,
  BPF_OBJ_GET_INFO_BY_FD: 15,
  BPF_BTF_LOAD: 18,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: 21,
  BPF_MAP_FREEZE: 22,
  BPF_MAP_LOOKUP_BATCH: 24,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: 25,
  BPF_MAP_UPDATE_BATCH: 26,
  BPF_MAP_DELETE_BATCH: 27,
} as const;

export type Command = keyof typeof COMMANDS;

/** __NR_bpf of x86-64. */
const NR_BPF = 321;
const EPERM = 1;

interface Libc {
  /** The result, or the errno negated. */
  bpf(command: Command, attr: Uint8Array, size: number): number;
  address(bytes: Uint8Array): bigint;
  map(fd: number, length: number, protection: number, offset: number): ArrayBuffer | number;
  unmap(view: ArrayBuffer): void;
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
  const mmap = libc.func('intptr_t mmap(void *, size_t, int, int, int, long)');
  const munmap = libc.func('int munmap(void *, size_t)');
  const MAP_SHARED = 1;
  return {
    bpf(command, attr, size) {
      const result = Number(syscall(NR_BPF, COMMANDS[command], attr, size));
      return result >= 0 ? result : -koffi.errno();
    },
    address: (bytes) => BigInt(koffi.address(bytes)),
    map(fd, length, protection, offset) {
      const at = BigInt(mmap(null, length, protection, MAP_SHARED, fd, offset));
      return at === -1n ? -koffi.errno() : koffi.view(at, length);
    },
    unmap(view) {
      munmap(koffi.address(view), view.byteLength);
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

/** Where bytes lie in this process. They must stay referenced until the call that is given the address has returned. */
export const addressOf = (bytes: Uint8Array): bigint => libc().address(bytes);

/** Maps `length` bytes of a file descriptor, shared; an errno negated where it can't be. `protection` is PROT_READ (1) | PROT_WRITE (2). */
export const mapShared = (fd: number, length: number, protection: number, offset: number): ArrayBuffer | number =>
  libc().map(fd, length, protection, offset);
/** Takes back what `mapShared` returned; its bytes must not be touched any more. */
export const unmapShared = (view: ArrayBuffer): void => libc().unmap(view);

/** Closes a file descriptor of the kernel's. */
export const closeFd = (fd: number): void => closeSync(fd);

/** An errno's name, `EINVAL`; 524 is the kernel's own ENOTSUPP. */
export const errnoName = (errno: number): string =>
  ERRNO_NAMES.get(errno) ?? (errno === 524 ? 'ENOTSUPP' : `errno ${errno}`);

let unavailable: { readonly reason: string | undefined } | undefined;

/** Why bpf(2) can't be used here, in a sentence; undefined where it can: found by creating a map, once. */
export function bpfUnavailable(): string | undefined {
  unavailable ??= { reason: probe() };
  return unavailable.reason;
}

function probe(): string | undefined {
  loaded ??= load();
  if (typeof loaded === 'string') return loaded;
  const attr = new Uint8Array(72);
  const view = new DataView(attr.buffer);
  for (const [at, value] of [2, 4, 8, 1].entries()) view.setUint32(4 * at, value, true);
  const fd = loaded.bpf('BPF_MAP_CREATE', attr, attr.length);
  if (fd >= 0) {
    closeFd(fd);
    return undefined;
  }
  if (fd === -EPERM)
    return 'bpf(2) is refused (EPERM): it needs root, or CAP_BPF and CAP_PERFMON, and a seccomp profile that lets it pass';
  return `bpf(2) can't create a map here (${errnoName(-fd)})`;
}
