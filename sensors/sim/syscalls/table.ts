import { EVENT_TYPES, type EventType } from '../../../rules/index.ts';
import { ENOSYS } from '../errno.ts';
import { attributeCalls } from './attributes.ts';
import type { CallHandler } from './call.ts';
import { credentialCalls } from './credentials.ts';
import { descriptorCalls } from './descriptors.ts';
import { directoryCalls } from './directories.ts';
import { moduleCalls } from './modules.ts';
import { mountCalls } from './mount.ts';
import { nameCalls } from './names.ts';
import { openCalls } from './open.ts';
import { processCalls } from './process.ts';
import { readWriteCalls } from './read-write.ts';
import { signalCalls } from './signals.ts';
import { socketCalls } from './socket.ts';

/** Calls that succeed without an effect that anything in the simulation could see. */
const WITHOUT_EFFECT = `
  poll mmap mprotect munmap brk rt_sigprocmask rt_sigreturn ioctl select sched_yield mremap msync mincore madvise pause nanosleep
  getitimer alarm setitimer uname flock fsync fdatasync gettimeofday getrlimit getrusage sysinfo times syslog capget
  rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack utime personality statfs fstatfs getpriority setpriority
  sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min
  sched_rr_get_interval mlock munlock mlockall munlockall arch_prctl setrlimit sync readahead listxattr llistxattr flistxattr
  time futex sched_setaffinity sched_getaffinity io_destroy epoll_wait epoll_ctl set_tid_address restart_syscall fadvise64
  timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime clock_getres clock_nanosleep utimes mbind
  set_mempolicy get_mempolicy ioprio_set ioprio_get inotify_add_watch inotify_rm_watch futimesat pselect6 ppoll
  set_robust_list get_robust_list sync_file_range utimensat epoll_pwait epoll_pwait2 fallocate timerfd_settime timerfd_gettime
  prlimit64 syncfs getcpu sched_setattr sched_getattr seccomp membarrier mlock2 rseq process_madvise setns
`;

/** Every call the simulation makes happen. Other names of the system call table return -ENOSYS. */
const HANDLERS: ReadonlyMap<string, CallHandler> = new Map(
  Object.entries({
    ...Object.fromEntries(
      WITHOUT_EFFECT.trim()
        .split(/\s+/)
        .map((name): [string, CallHandler] => [name, () => 0]),
    ),
    ...attributeCalls,
    ...credentialCalls,
    ...descriptorCalls,
    ...directoryCalls,
    ...moduleCalls,
    ...mountCalls,
    ...nameCalls,
    ...openCalls,
    ...processCalls,
    ...readWriteCalls,
    ...signalCalls,
    ...socketCalls,
  }),
);

const notImplemented: CallHandler = () => -ENOSYS;

/** A system call of the table. */
export interface CallEntry {
  readonly event: EventType;
  readonly handler: CallHandler;
}

const ENTRIES: ReadonlyMap<string, CallEntry> = new Map(
  [...EVENT_TYPES.values()]
    .filter((event) => event.nr >= 0)
    .map((event) => [event.type, { event, handler: HANDLERS.get(event.type) ?? notImplemented }]),
);

/** A system call by its kernel name; undefined for what is none. */
export const callNamed = (name: string): CallEntry | undefined => ENTRIES.get(name);
