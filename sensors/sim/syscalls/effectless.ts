import { EINVAL, ENOTTY } from '../../../engine/maps/index.ts';
import { AT_EMPTY_PATH, S_IFCHR } from '../uapi.ts';
import type { CallHandler } from './call.ts';

/** Calls that succeed without an effect that anything in the simulation could see. */
const ALWAYS = `
  poll mprotect munmap rt_sigprocmask rt_sigreturn select sched_yield mremap msync mincore madvise pause nanosleep
  getitimer alarm setitimer uname gettimeofday getrlimit getrusage sysinfo times rt_sigpending rt_sigtimedwait
  rt_sigsuspend sigaltstack getpriority setpriority sched_setparam sched_getparam sched_setscheduler
  sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall
  arch_prctl setrlimit sync time futex sched_setaffinity sched_getaffinity io_destroy set_tid_address restart_syscall
  timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime clock_getres clock_nanosleep mbind
  set_mempolicy get_mempolicy ioprio_set ioprio_get pselect6 ppoll set_robust_list get_robust_list prlimit64 getcpu
  sched_setattr sched_getattr seccomp membarrier mlock2 rseq process_madvise
`;

/** The same for those whose first argument is a descriptor, which must be open. */
const ON_DESCRIPTOR = `
  flock fsync fdatasync fstatfs flistxattr readahead epoll_wait epoll_ctl fadvise64 inotify_rm_watch sync_file_range
  epoll_pwait epoll_pwait2 fallocate timerfd_settime timerfd_gettime syncfs inotify_add_watch
`;

/** The same for those whose first argument is a path, which must lead to something; the second list does not follow links. */
const ON_PATH = 'utime utimes statfs listxattr';
const ON_LINK = 'llistxattr';

/** ioctl's request for a terminal's settings (include/uapi/asm-generic/ioctls.h): the way isatty asks. */
const TCGETS = 0x5401;
/** Major numbers of terminals: pseudo terminals, and /dev/tty and its like. */
const TERMINALS = [136, 5];

const ioctl: CallHandler = (call) => {
  const { inode } = call.file(0);
  if (call.unsigned(1) !== TCGETS) return 0;
  return inode.type === S_IFCHR && TERMINALS.includes(inode.rdev >>> 20) ? 0 : -ENOTTY;
};

/** utimensat(directory, path, times, flags): the null pointer as path stands for the descriptor itself. */
const utimensat: CallHandler = (call) => {
  if (call.isNull(1)) call.anyFile(0);
  else if ((call.int(3) & AT_EMPTY_PATH) === 0) call.find(1, 0, true);
  return 0;
};

const words = (text: string): string[] => text.trim().split(/\s+/);
const each = (text: string, handler: CallHandler): [string, CallHandler][] =>
  words(text).map((name) => [name, handler]);

/** Where mappings go, one after the other, as they never collide. */
const FIRST_MAPPING = 0x7f00_0000_0000;
const PAGE = 4096;
const MAP_ANONYMOUS = 0x20;
const MAP_TYPE = 0xf;
/** Where the heap of a process begins. */
const BREAK = 0x5555_5576_0000;

/** mmap(address, length, protection, flags, descriptor, offset): an address; nothing is ever there. */
const mmap: CallHandler = (call) => {
  const flags = call.unsigned(3);
  if ((flags & MAP_ANONYMOUS) === 0) call.file(4);
  if (call.number(1) <= 0 || (flags & MAP_TYPE) === 0) return -EINVAL;
  const pages = Math.ceil(call.number(1) / PAGE);
  const at = FIRST_MAPPING + call.machine.mappedPages * PAGE;
  call.machine.mappedPages += pages;
  return at;
};

/** Calls of which a success changes nothing that a recording would not tell. */
export const EFFECTLESS: readonly string[] = [...words(ALWAYS), ...words(ON_DESCRIPTOR), 'ioctl', 'mmap', 'brk'];

/** Calls that do nothing but check what they are given. */
export const effectlessCalls: Readonly<Record<string, CallHandler>> = {
  ...Object.fromEntries([
    ...each(ALWAYS, () => 0),
    ...each(ON_DESCRIPTOR, (call) => {
      call.file(0);
      return 0;
    }),
    ...each(ON_PATH, (call) => {
      call.find(0, undefined, true);
      return 0;
    }),
    ...each(ON_LINK, (call) => {
      call.find(0, undefined, false);
      return 0;
    }),
  ]),
  ioctl,
  utimensat,
  futimesat: (call) => {
    call.find(1, 0, true);
    return 0;
  },
  mmap,
  brk: (call) => (call.number(0) > BREAK ? call.number(0) : BREAK),
};
