/** Constants of the x86-64 ABI by name, as fields print them and as conditions may name them. */

/** errno names by number (include/uapi/asm-generic/errno-base.h, errno.h). */
// biome-ignore format: one line is enough
export const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'], [2, 'ENOENT'], [3, 'ESRCH'], [4, 'EINTR'], [5, 'EIO'], [6, 'ENXIO'], [7, 'E2BIG'], [8, 'ENOEXEC'], [9, 'EBADF'], [10, 'ECHILD'], [11, 'EAGAIN'], [12, 'ENOMEM'], [13, 'EACCES'], [14, 'EFAULT'], [15, 'ENOTBLK'], [16, 'EBUSY'], [17, 'EEXIST'], [18, 'EXDEV'], [19, 'ENODEV'], [20, 'ENOTDIR'], [21, 'EISDIR'], [22, 'EINVAL'], [23, 'ENFILE'], [24, 'EMFILE'], [25, 'ENOTTY'], [26, 'ETXTBSY'], [27, 'EFBIG'], [28, 'ENOSPC'], [29, 'ESPIPE'], [30, 'EROFS'], [31, 'EMLINK'], [32, 'EPIPE'], [33, 'EDOM'], [34, 'ERANGE'], [35, 'EDEADLK'], [36, 'ENAMETOOLONG'], [37, 'ENOLCK'], [38, 'ENOSYS'], [39, 'ENOTEMPTY'], [40, 'ELOOP'], [42, 'ENOMSG'], [43, 'EIDRM'], [44, 'ECHRNG'], [45, 'EL2NSYNC'], [46, 'EL3HLT'], [47, 'EL3RST'], [48, 'ELNRNG'], [49, 'EUNATCH'], [50, 'ENOCSI'], [51, 'EL2HLT'], [52, 'EBADE'], [53, 'EBADR'], [54, 'EXFULL'], [55, 'ENOANO'], [56, 'EBADRQC'], [57, 'EBADSLT'], [59, 'EBFONT'], [60, 'ENOSTR'], [61, 'ENODATA'], [62, 'ETIME'], [63, 'ENOSR'], [64, 'ENONET'], [65, 'ENOPKG'], [66, 'EREMOTE'], [67, 'ENOLINK'], [68, 'EADV'], [69, 'ESRMNT'], [70, 'ECOMM'], [71, 'EPROTO'], [72, 'EMULTIHOP'], [73, 'EDOTDOT'], [74, 'EBADMSG'], [75, 'EOVERFLOW'], [76, 'ENOTUNIQ'], [77, 'EBADFD'], [78, 'EREMCHG'], [79, 'ELIBACC'], [80, 'ELIBBAD'], [81, 'ELIBSCN'], [82, 'ELIBMAX'], [83, 'ELIBEXEC'], [84, 'EILSEQ'], [85, 'ERESTART'], [86, 'ESTRPIPE'], [87, 'EUSERS'], [88, 'ENOTSOCK'], [89, 'EDESTADDRREQ'], [90, 'EMSGSIZE'], [91, 'EPROTOTYPE'], [92, 'ENOPROTOOPT'], [93, 'EPROTONOSUPPORT'], [94, 'ESOCKTNOSUPPORT'], [95, 'EOPNOTSUPP'], [96, 'EPFNOSUPPORT'], [97, 'EAFNOSUPPORT'], [98, 'EADDRINUSE'], [99, 'EADDRNOTAVAIL'], [100, 'ENETDOWN'], [101, 'ENETUNREACH'], [102, 'ENETRESET'], [103, 'ECONNABORTED'], [104, 'ECONNRESET'], [105, 'ENOBUFS'], [106, 'EISCONN'], [107, 'ENOTCONN'], [108, 'ESHUTDOWN'], [109, 'ETOOMANYREFS'], [110, 'ETIMEDOUT'], [111, 'ECONNREFUSED'], [112, 'EHOSTDOWN'], [113, 'EHOSTUNREACH'], [114, 'EALREADY'], [115, 'EINPROGRESS'], [116, 'ESTALE'], [117, 'EUCLEAN'], [118, 'ENOTNAM'], [119, 'ENAVAIL'], [120, 'EISNAM'], [121, 'EREMOTEIO'], [122, 'EDQUOT'], [123, 'ENOMEDIUM'], [124, 'EMEDIUMTYPE'], [125, 'ECANCELED'], [126, 'ENOKEY'], [127, 'EKEYEXPIRED'], [128, 'EKEYREVOKED'], [129, 'EKEYREJECTED'], [130, 'EOWNERDEAD'], [131, 'ENOTRECOVERABLE'], [132, 'ERFKILL'],
]);

/** Signal names by number (arch/x86/include/uapi/asm/signal.h). */
// biome-ignore format: one line is enough
export const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'SIGHUP'], [2, 'SIGINT'], [3, 'SIGQUIT'], [4, 'SIGILL'], [5, 'SIGTRAP'], [6, 'SIGABRT'], [7, 'SIGBUS'], [8, 'SIGFPE'], [9, 'SIGKILL'], [10, 'SIGUSR1'], [11, 'SIGSEGV'], [12, 'SIGUSR2'], [13, 'SIGPIPE'], [14, 'SIGALRM'], [15, 'SIGTERM'], [16, 'SIGSTKFLT'], [17, 'SIGCHLD'], [18, 'SIGCONT'], [19, 'SIGSTOP'], [20, 'SIGTSTP'], [21, 'SIGTTIN'], [22, 'SIGTTOU'], [23, 'SIGURG'], [24, 'SIGXCPU'], [25, 'SIGXFSZ'], [26, 'SIGVTALRM'], [27, 'SIGPROF'], [28, 'SIGWINCH'], [29, 'SIGIO'], [30, 'SIGPWR'], [31, 'SIGSYS'],
]);

/** ptrace requests by number (include/uapi/linux/ptrace.h, arch/x86/include/uapi/asm/ptrace-abi.h). */
// biome-ignore format: one line is enough
export const PTRACE_REQUESTS: ReadonlyMap<number, string> = new Map([
  [0, 'PTRACE_TRACEME'], [1, 'PTRACE_PEEKTEXT'], [2, 'PTRACE_PEEKDATA'], [3, 'PTRACE_PEEKUSR'], [4, 'PTRACE_POKETEXT'], [5, 'PTRACE_POKEDATA'], [6, 'PTRACE_POKEUSR'], [7, 'PTRACE_CONT'], [8, 'PTRACE_KILL'], [9, 'PTRACE_SINGLESTEP'], [12, 'PTRACE_GETREGS'], [13, 'PTRACE_SETREGS'], [14, 'PTRACE_GETFPREGS'], [15, 'PTRACE_SETFPREGS'], [16, 'PTRACE_ATTACH'], [17, 'PTRACE_DETACH'], [24, 'PTRACE_SYSCALL'], [16896, 'PTRACE_SETOPTIONS'], [16897, 'PTRACE_GETEVENTMSG'], [16898, 'PTRACE_GETSIGINFO'], [16899, 'PTRACE_SETSIGINFO'], [16900, 'PTRACE_GETREGSET'], [16901, 'PTRACE_SETREGSET'], [16902, 'PTRACE_SEIZE'], [16903, 'PTRACE_INTERRUPT'], [16904, 'PTRACE_LISTEN'],
]);

/** Flags of open; the access mode is their low two bits (include/uapi/asm-generic/fcntl.h). */
export const OPEN_FLAGS = {
  O_RDONLY: 0,
  O_WRONLY: 0x1,
  O_RDWR: 0x2,
  O_CREAT: 0x40,
  O_EXCL: 0x80,
  O_NOCTTY: 0x100,
  O_TRUNC: 0x200,
  O_APPEND: 0x400,
  O_NONBLOCK: 0x800,
  O_DSYNC: 0x1000,
  FASYNC: 0x2000,
  O_DIRECT: 0x4000,
  O_LARGEFILE: 0x8000,
  O_DIRECTORY: 0x10000,
  O_NOFOLLOW: 0x20000,
  O_NOATIME: 0x40000,
  O_CLOEXEC: 0x80000,
  O_PATH: 0x200000,
} as const;

/** Permission bits of a mode (include/uapi/linux/stat.h). */
export const MODE_BITS = {
  S_ISUID: 0x800,
  S_ISGID: 0x400,
  S_ISVTX: 0x200,
  S_IRUSR: 0x100,
  S_IWUSR: 0x80,
  S_IXUSR: 0x40,
  S_IRGRP: 0x20,
  S_IWGRP: 0x10,
  S_IXGRP: 0x8,
  S_IROTH: 0x4,
  S_IWOTH: 0x2,
  S_IXOTH: 0x1,
} as const;

/** File types in i_mode (include/uapi/linux/stat.h) and the character that `fd.typechar` prints. */
export const FILE_TYPES = {
  fifo: { mode: 0x1000, char: 'p', name: 'pipe' },
  char: { mode: 0x2000, char: 'c', name: 'char' },
  directory: { mode: 0x4000, char: 'd', name: 'directory' },
  block: { mode: 0x6000, char: 'b', name: 'block' },
  file: { mode: 0x8000, char: 'f', name: 'file' },
} as const;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AT_FDCWD = -100;

/** Address families by number (include/linux/socket.h). */
// biome-ignore format: one line is enough
export const SOCKET_FAMILIES: ReadonlyMap<number, string> = new Map([
  [0, 'AF_UNSPEC'], [1, 'AF_UNIX'], [2, 'AF_INET'], [3, 'AF_AX25'], [4, 'AF_IPX'], [5, 'AF_APPLETALK'], [6, 'AF_NETROM'], [7, 'AF_BRIDGE'], [8, 'AF_ATMPVC'], [9, 'AF_X25'], [10, 'AF_INET6'], [11, 'AF_ROSE'], [12, 'AF_DECnet'], [13, 'AF_NETBEUI'], [14, 'AF_SECURITY'], [15, 'AF_KEY'], [16, 'AF_NETLINK'], [17, 'AF_PACKET'], [18, 'AF_ASH'], [19, 'AF_ECONET'], [20, 'AF_ATMSVC'], [21, 'AF_RDS'], [22, 'AF_SNA'], [23, 'AF_IRDA'], [24, 'AF_PPPOX'], [25, 'AF_WANPIPE'], [26, 'AF_LLC'], [27, 'AF_IB'], [28, 'AF_MPLS'], [29, 'AF_CAN'], [30, 'AF_TIPC'], [31, 'AF_BLUETOOTH'], [32, 'AF_IUCV'], [33, 'AF_RXRPC'], [34, 'AF_ISDN'], [35, 'AF_PHONET'], [36, 'AF_IEEE802154'], [37, 'AF_CAIF'], [38, 'AF_ALG'], [39, 'AF_NFC'], [40, 'AF_VSOCK'], [41, 'AF_KCM'], [42, 'AF_QIPCRTR'], [43, 'AF_SMC'], [44, 'AF_XDP'], [45, 'AF_MCTP'],
]);

/** Commands of bpf by number (include/uapi/linux/bpf.h). */
// biome-ignore format: one line is enough
export const BPF_COMMANDS: ReadonlyMap<number, string> = new Map([
  [0, 'BPF_MAP_CREATE'], [1, 'BPF_MAP_LOOKUP_ELEM'], [2, 'BPF_MAP_UPDATE_ELEM'], [3, 'BPF_MAP_DELETE_ELEM'], [4, 'BPF_MAP_GET_NEXT_KEY'], [5, 'BPF_PROG_LOAD'], [6, 'BPF_OBJ_PIN'], [7, 'BPF_OBJ_GET'], [8, 'BPF_PROG_ATTACH'], [9, 'BPF_PROG_DETACH'], [10, 'BPF_PROG_TEST_RUN'], [11, 'BPF_PROG_GET_NEXT_ID'], [12, 'BPF_MAP_GET_NEXT_ID'], [13, 'BPF_PROG_GET_FD_BY_ID'], [14, 'BPF_MAP_GET_FD_BY_ID'], [15, 'BPF_OBJ_GET_INFO_BY_FD'], [16, 'BPF_PROG_QUERY'], [17, 'BPF_RAW_TRACEPOINT_OPEN'], [18, 'BPF_BTF_LOAD'], [19, 'BPF_BTF_GET_FD_BY_ID'], [20, 'BPF_TASK_FD_QUERY'], [21, 'BPF_MAP_LOOKUP_AND_DELETE_ELEM'], [22, 'BPF_MAP_FREEZE'], [23, 'BPF_BTF_GET_NEXT_ID'], [24, 'BPF_MAP_LOOKUP_BATCH'], [25, 'BPF_MAP_LOOKUP_AND_DELETE_BATCH'], [26, 'BPF_MAP_UPDATE_BATCH'], [27, 'BPF_MAP_DELETE_BATCH'], [28, 'BPF_LINK_CREATE'], [29, 'BPF_LINK_UPDATE'], [30, 'BPF_LINK_GET_FD_BY_ID'], [31, 'BPF_LINK_GET_NEXT_ID'], [32, 'BPF_ENABLE_STATS'], [33, 'BPF_ITER_CREATE'], [34, 'BPF_LINK_DETACH'], [35, 'BPF_PROG_BIND_MAP'], [36, 'BPF_TOKEN_CREATE'],
]);

/** Protocols of IP sockets that have a name (include/uapi/linux/in.h); a socket of another has none. */
export const L4_PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [255, 'raw'],
]);

/** What fd.sockfamily says of a socket, by fd.typechar's character. */
export const SOCKET_KINDS: ReadonlyMap<string, string> = new Map([
  ['4', 'ip'],
  ['6', 'ip'],
  ['u', 'unix'],
]);
