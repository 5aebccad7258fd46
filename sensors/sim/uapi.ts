import { MODE_BITS, OPEN_FLAGS } from '../../rules/index.ts';

export { AF_INET, AF_INET6, AF_UNIX, AT_FDCWD } from '../../rules/index.ts';

/** File types and permission bits of i_mode (include/uapi/linux/stat.h). */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const { S_ISUID, S_ISGID, S_ISVTX } = MODE_BITS;

/** Flags of open (include/uapi/asm-generic/fcntl.h). */
export const {
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_NOATIME,
  O_NOCTTY,
  O_NONBLOCK,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_CLOEXEC,
  O_PATH,
} = OPEN_FLAGS;
export const O_ACCMODE = 3;
/** __O_TMPFILE | O_DIRECTORY */
export const O_TMPFILE = 0o20200000;

/** Of the calls whose name ends in `at` (include/uapi/linux/fcntl.h). */
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

/** fcntl commands (include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h). */
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1030;
export const FD_CLOEXEC = 1;

/** renameat2 flags (include/uapi/linux/fcntl.h). */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

/** clone flags (include/uapi/linux/sched.h). */
export const CLONE_VM = 0x100;
export const CLONE_FS = 0x200;
export const CLONE_FILES = 0x400;
export const CLONE_SIGHAND = 0x800;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_THREAD = 0x10000;

/** memfd_create flags (include/uapi/linux/memfd.h). */
export const MFD_CLOEXEC = 1;

/** ptrace requests (include/uapi/linux/ptrace.h). */
export const PTRACE_TRACEME = 0;
export const PTRACE_KILL = 8;
export const PTRACE_ATTACH = 16;
export const PTRACE_DETACH = 17;
export const PTRACE_SEIZE = 0x4206;

/** Signals (arch/x86/include/uapi/asm/signal.h). */
export const SIGKILL = 9;
export const SIGPIPE = 13;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGWINCH = 28;
/** _NSIG */
export const SIGNALS = 64;

/** Address families, socket types (SOCK_NONBLOCK and SOCK_CLOEXEC are open's flags) and protocols (include/linux/socket.h, net.h). */
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/** mount flags (include/uapi/linux/mount.h). */
export const MS_RDONLY = 1;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
/** MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED: how mounts propagate, which the simulation does not do. */
export const MS_PROPAGATION = 0x1e0000;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

/** wait4 options (include/uapi/linux/wait.h). */
export const WNOHANG = 1;

/** Limits (include/uapi/linux/limits.h, include/linux/namei.h). */
export const PATH_MAX = 4096;
export const NAME_MAX = 255;
export const MAXSYMLINKS = 40;
