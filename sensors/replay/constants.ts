import { ERRNO_NAMES, PTRACE_REQUESTS, SIGNAL_NAMES } from '../../rules/index.ts';
import type { StraceValue } from './value.ts';

/** The names that strace prints for numbers the simulated host acts on, by their header under include/uapi of the kernel. */
// biome-ignore format: one header a line reads as a table
const NAMES: Readonly<Record<string, number>> = {
  NULL: 0,
  // asm-generic/fcntl.h (with __O_TMPFILE, __O_SYNC)
  O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_ACCMODE: 3, O_CREAT: 0x40, O_EXCL: 0x80, O_NOCTTY: 0x100, O_TRUNC: 0x200, O_APPEND: 0x400, O_NONBLOCK: 0x800, O_NDELAY: 0x800, O_DSYNC: 0x1000, FASYNC: 0x2000, O_ASYNC: 0x2000, O_DIRECT: 0x4000, O_LARGEFILE: 0x8000, O_DIRECTORY: 0x10000, O_NOFOLLOW: 0x20000, O_NOATIME: 0x40000, O_CLOEXEC: 0x80000, O_SYNC: 0x101000, O_PATH: 0x200000, O_TMPFILE: 0x410000,
  F_DUPFD: 0, F_GETFD: 1, F_SETFD: 2, F_GETFL: 3, F_SETFL: 4, F_GETLK: 5, F_SETLK: 6, F_SETLKW: 7, F_SETOWN: 8, F_GETOWN: 9, FD_CLOEXEC: 1,
  // linux/fcntl.h
  AT_FDCWD: -100, AT_SYMLINK_NOFOLLOW: 0x100, AT_EACCESS: 0x200, AT_REMOVEDIR: 0x200, AT_SYMLINK_FOLLOW: 0x400, AT_NO_AUTOMOUNT: 0x800, AT_EMPTY_PATH: 0x1000, AT_RECURSIVE: 0x8000, F_DUPFD_CLOEXEC: 1030, F_SETPIPE_SZ: 1031, F_GETPIPE_SZ: 1032, F_ADD_SEALS: 1033, F_GET_SEALS: 1034,
  // linux/fs.h, linux/openat2.h
  RENAME_NOREPLACE: 1, RENAME_EXCHANGE: 2, RENAME_WHITEOUT: 4, RESOLVE_NO_XDEV: 1, RESOLVE_NO_MAGICLINKS: 2, RESOLVE_NO_SYMLINKS: 4, RESOLVE_BENEATH: 8, RESOLVE_IN_ROOT: 0x10, RESOLVE_CACHED: 0x20, SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2,
  // linux/stat.h
  S_IFSOCK: 0o140000, S_IFLNK: 0o120000, S_IFREG: 0o100000, S_IFBLK: 0o060000, S_IFDIR: 0o040000, S_IFCHR: 0o020000, S_IFIFO: 0o010000, S_ISUID: 0o4000, S_ISGID: 0o2000, S_ISVTX: 0o1000,
  R_OK: 4, W_OK: 2, X_OK: 1, F_OK: 0,
  // linux/sched.h
  CLONE_NEWTIME: 0x80, CLONE_VM: 0x100, CLONE_FS: 0x200, CLONE_FILES: 0x400, CLONE_SIGHAND: 0x800, CLONE_PIDFD: 0x1000, CLONE_PTRACE: 0x2000, CLONE_VFORK: 0x4000, CLONE_PARENT: 0x8000, CLONE_THREAD: 0x10000, CLONE_NEWNS: 0x20000, CLONE_SYSVSEM: 0x40000, CLONE_SETTLS: 0x80000, CLONE_PARENT_SETTID: 0x100000, CLONE_CHILD_CLEARTID: 0x200000, CLONE_DETACHED: 0x400000, CLONE_UNTRACED: 0x800000, CLONE_CHILD_SETTID: 0x1000000, CLONE_NEWCGROUP: 0x2000000, CLONE_NEWUTS: 0x4000000, CLONE_NEWIPC: 0x8000000, CLONE_NEWUSER: 0x10000000, CLONE_NEWPID: 0x20000000, CLONE_NEWNET: 0x40000000, CLONE_IO: 0x80000000,
  // linux/socket.h, net.h, in.h
  AF_UNSPEC: 0, AF_UNIX: 1, AF_LOCAL: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17, AF_ALG: 38, AF_VSOCK: 40, PF_UNIX: 1, PF_LOCAL: 1, PF_INET: 2, PF_INET6: 10, PF_NETLINK: 16, PF_PACKET: 17, SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_RAW: 3, SOCK_SEQPACKET: 5, SOCK_NONBLOCK: 0x800, SOCK_CLOEXEC: 0x80000, IPPROTO_IP: 0, IPPROTO_ICMP: 1, IPPROTO_TCP: 6, IPPROTO_UDP: 17, IPPROTO_IPV6: 41, IPPROTO_ICMPV6: 58, IPPROTO_RAW: 255, NETLINK_ROUTE: 0, NETLINK_AUDIT: 9, NETLINK_KOBJECT_UEVENT: 15,
  SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2,
  // linux/mount.h
  MS_RDONLY: 1, MS_NOSUID: 2, MS_NODEV: 4, MS_NOEXEC: 8, MS_SYNCHRONOUS: 16, MS_REMOUNT: 32, MS_MANDLOCK: 64, MS_DIRSYNC: 128, MS_NOSYMFOLLOW: 256, MS_NOATIME: 1024, MS_NODIRATIME: 2048, MS_BIND: 4096, MS_MOVE: 8192, MS_REC: 16384, MS_SILENT: 32768, MS_POSIXACL: 0x10000, MS_UNBINDABLE: 0x20000, MS_PRIVATE: 0x40000, MS_SLAVE: 0x80000, MS_SHARED: 0x100000, MS_RELATIME: 0x200000, MS_STRICTATIME: 0x1000000, MS_LAZYTIME: 0x2000000, MNT_FORCE: 1, MNT_DETACH: 2, MNT_EXPIRE: 4, UMOUNT_NOFOLLOW: 8,
  // linux/memfd.h
  MFD_CLOEXEC: 1, MFD_ALLOW_SEALING: 2, MFD_HUGETLB: 4, MFD_NOEXEC_SEAL: 8, MFD_EXEC: 16,
  // linux/wait.h
  WNOHANG: 1, WUNTRACED: 2, WSTOPPED: 2, WEXITED: 4, WCONTINUED: 8, WNOWAIT: 0x1000000, __WNOTHREAD: 0x20000000, __WALL: 0x40000000, __WCLONE: 0x80000000, P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3,
  // linux/mman.h
  PROT_NONE: 0, PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4, MAP_SHARED: 1, MAP_PRIVATE: 2, MAP_FIXED: 0x10, MAP_ANONYMOUS: 0x20, MAP_DENYWRITE: 0x800, MAP_NORESERVE: 0x4000, MAP_POPULATE: 0x8000, MAP_STACK: 0x20000,
  // linux/prctl.h, linux/seccomp.h
  PR_SET_PDEATHSIG: 1, PR_GET_DUMPABLE: 3, PR_SET_DUMPABLE: 4, PR_GET_KEEPCAPS: 7, PR_SET_KEEPCAPS: 8, PR_SET_NAME: 15, PR_GET_NAME: 16, PR_SET_SECCOMP: 22, PR_CAPBSET_READ: 23, PR_CAPBSET_DROP: 24, PR_SET_NO_NEW_PRIVS: 38, PR_GET_NO_NEW_PRIVS: 39, PR_CAP_AMBIENT: 47, PR_SET_PTRACER: 0x59616d61, SECCOMP_SET_MODE_STRICT: 0, SECCOMP_SET_MODE_FILTER: 1,
  // linux/bpf.h
  BPF_MAP_CREATE: 0, BPF_MAP_LOOKUP_ELEM: 1, BPF_MAP_UPDATE_ELEM: 2, BPF_MAP_DELETE_ELEM: 3, BPF_MAP_GET_NEXT_KEY: 4, BPF_PROG_LOAD: 5, BPF_OBJ_PIN: 6, BPF_OBJ_GET: 7, BPF_PROG_ATTACH: 8, BPF_PROG_DETACH: 9, BPF_RAW_TRACEPOINT_OPEN: 17, BPF_BTF_LOAD: 18, BPF_LINK_CREATE: 28,
  // asm-generic/ioctls.h
  TCGETS: 0x5401, TCSETS: 0x5402, TCSETSW: 0x5403, TCSETSF: 0x5404, TIOCSCTTY: 0x540e, TIOCGPGRP: 0x540f, TIOCSPGRP: 0x5410, TIOCSTI: 0x5412, TIOCGWINSZ: 0x5413, TIOCSWINSZ: 0x5414, FIONREAD: 0x541b, FIONBIO: 0x5421, FIOCLEX: 0x5451, FICLONE: 0x40049409,
};

const inverse = (names: ReadonlyMap<number, string>): readonly (readonly [string, number])[] =>
  [...names].map(([value, name]) => [name, value]);

/** errno by name, and what stands for an interrupted call (include/linux/errno.h). */
const ERRNOS = new Map<string, number>([
  ...inverse(ERRNO_NAMES),
  ['ERESTARTSYS', 512],
  ['ERESTARTNOINTR', 513],
  ['ERESTARTNOHAND', 514],
  ['ERESTART_RESTARTBLOCK', 516],
]);
const SIGNALS = new Map<string, number>(inverse(SIGNAL_NAMES));
const CONSTANTS = new Map<string, number>([
  ...Object.entries(NAMES),
  ...SIGNALS,
  ...inverse(PTRACE_REQUESTS),
  ['PTRACE_PEEKUSER', 3],
  ['PTRACE_POKEUSER', 6],
]);

/** An errno by its name or as `(errno 134)`; undefined for one the kernel has not. */
export const errnoOf = (name: string): number | undefined =>
  ERRNOS.get(name) ?? (name.startsWith('(errno ') ? Number.parseInt(name.slice(7), 10) : undefined);

/** A signal's number by its name, `SIGKILL` or `SIGRT_3`; undefined where there is none. */
export const signalOf = (name: string): number | undefined => {
  const realTime = /^SIGRT_(\d+)$/.exec(name);
  return SIGNALS.get(name) ?? (realTime === null ? undefined : 32 + Number(realTime[1]));
};

const OPERATIONS: Readonly<Record<string, (left: bigint, right: bigint) => bigint>> = {
  or: (left) => left,
  '|': (left, right) => left | right,
  '<<': (left, right) => left << right,
  '*': (left, right) => left * right,
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
};

/** The number that a value stands for; undefined for what is none and for names that are not in the table. */
export const numberOf = (value: StraceValue | undefined): bigint | undefined => {
  switch (value?.kind) {
    case 'number':
      return value.value;
    case 'constant': {
      const known = CONSTANTS.get(value.name) ?? signalOf(value.name);
      return known === undefined ? undefined : BigInt(known);
    }
    case 'operation': {
      const left = numberOf(value.left) ?? (value.operator === 'or' ? numberOf(value.right) : undefined);
      const right = value.operator === 'or' ? left : numberOf(value.right);
      if (left === undefined || right === undefined) return undefined;
      return OPERATIONS[value.operator]?.(left, right);
    }
    case 'complement': {
      const of = numberOf(value.of);
      return of === undefined ? undefined : ~of;
    }
    case 'change':
      return numberOf(value.before);
    case 'macro':
      if (value.name === 'makedev') {
        const major = numberOf(value.arguments[0]?.value);
        const minor = numberOf(value.arguments[1]?.value);
        return major === undefined || minor === undefined ? undefined : (major << 8n) | minor;
      }
      return /^(?:hton|ntoh)[sl]$/.test(value.name) ? numberOf(value.arguments[0]?.value) : undefined;
    default:
      return undefined;
  }
};
