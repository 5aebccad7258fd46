/** What kind of thing an event type does, as evt.category says it; types in none of the lists are `other`. */
const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  file: `open openat openat2 creat close access faccessat faccessat2 rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat
    mkdir mkdirat rmdir chmod fchmod fchmodat chown fchown lchown fchownat stat lstat fstat newfstatat statx truncate ftruncate mknod mknodat
    mount umount2 readlink readlinkat getdents getdents64 chdir fchdir chroot pivot_root dup dup2 dup3 fcntl flock lseek inotify_init
    inotify_init1 memfd_create copy_file_range utimensat open_by_handle_at name_to_handle_at`.split(/\s+/),
  net: `socket bind connect listen accept accept4 shutdown socketpair getsockname getpeername setsockopt getsockopt`.split(
    /\s+/,
  ),
  ipc: 'pipe pipe2 eventfd eventfd2 signalfd signalfd4 semget semop semctl shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl'.split(
    ' ',
  ),
  memory: 'brk mmap munmap mprotect mremap mlock munlock mlockall munlockall mlock2'.split(' '),
  process:
    `clone clone3 fork vfork execve execveat exit exit_group procexit setsid setpgid ptrace prctl unshare setns getrlimit setrlimit
    prlimit64 process_vm_readv process_vm_writev`.split(/\s+/),
  sleep: 'nanosleep clock_nanosleep pause'.split(' '),
  system:
    'quotactl bpf init_module finit_module delete_module kexec_load kexec_file_load reboot sethostname setdomainname'.split(
      ' ',
    ),
  signal: 'kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal'.split(' '),
  user: `setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups getuid getgid geteuid getegid getresuid getresgid
    capset capget`.split(/\s+/),
  time: 'time gettimeofday settimeofday clock_gettime clock_settime adjtimex'.split(' '),
  'I/O read': 'read pread64 readv preadv preadv2 recvfrom recvmsg recvmmsg'.split(' '),
  'I/O write': 'write pwrite64 writev pwritev pwritev2 sendto sendmsg sendmmsg'.split(' '),
  'I/O other': 'sendfile splice tee vmsplice'.split(' '),
  wait: 'wait4 waitid poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2 futex'.split(' '),
};

const BY_TYPE: ReadonlyMap<string, string> = new Map(
  Object.entries(CATEGORIES).flatMap(([category, types]) => types.map((type) => [type, category] as const)),
);

/** evt.category of an event type. */
export const categoryOf = (type: string): string => BY_TYPE.get(type) ?? 'other';

/** Whether an event type reads or writes. */
export const isIo = (type: string): boolean => categoryOf(type).startsWith('I/O');
export const isIoRead = (type: string): boolean => categoryOf(type) === 'I/O read';
export const isIoWrite = (type: string): boolean => categoryOf(type) === 'I/O write';
export const isWait = (type: string): boolean => categoryOf(type) === 'wait';
