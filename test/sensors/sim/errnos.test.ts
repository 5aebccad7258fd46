import { describe, expect, it } from 'vitest';
import { createSimHost, type SimArgument } from '../../../sensors/index.ts';

/**
 * What Linux 6.18 answered to the same calls in the same order, on a machine with its usual settings. `root` and `user` (uid 1000)
 * are two processes; a number is the result, a name the errno.
 */
type Step = readonly ['root' | 'user', string, readonly SimArgument[], number | keyof typeof ERRNO];

// biome-ignore format: a table
const ERRNO = {
  EPERM: 1, ENOENT: 2, ESRCH: 3, ENOEXEC: 8, EBADF: 9, ECHILD: 10, EACCES: 13, ENODEV: 19, ENOTDIR: 20, EINVAL: 22, ESPIPE: 29,
  EPIPE: 32, ENAMETOOLONG: 36, ELOOP: 40, ENOTSOCK: 88, EDESTADDRREQ: 89, EPROTOTYPE: 91, EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94, EOPNOTSUPP: 95, EAFNOSUPPORT: 97, EADDRINUSE: 98, EADDRNOTAVAIL: 99, EISCONN: 106, ENOTCONN: 107,
  ECONNREFUSED: 111, EINPROGRESS: 115, ENXIO: 6,
} as const;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
const loopback = (port: number): SimArgument => ({ address: '127.0.0.1', port });
const anyAddress = (port: number): SimArgument => ({ address: '0.0.0.0', port });
const unix = (path: string): SimArgument => ({ path });
const v6 = { address: '::1', port: 1 };
const short = Uint8Array.of(2, 0, 1, 1);

/** Groups of calls; each starts on a host of its own, where the next descriptor is 3. */
const GROUPS: Readonly<Record<string, readonly Step[]>> = {
  'socket(2)': [
    ['root', 'socket', [99, 1, 0], 'EAFNOSUPPORT'],
    ['root', 'socket', [0, 1, 0], 'EAFNOSUPPORT'],
    ['root', 'socket', [2, 99, 0], 'EINVAL'],
    ['root', 'socket', [2, 7, 0], 'ESOCKTNOSUPPORT'],
    ['root', 'socket', [2, 5, 0], 'ESOCKTNOSUPPORT'],
    ['root', 'socket', [2, 1, 17], 'EPROTONOSUPPORT'],
    ['root', 'socket', [2, 2, 6], 'EPROTONOSUPPORT'],
    ['root', 'socket', [2, 3, 0], 'EPROTONOSUPPORT'],
    ['root', 'socket', [1, 1, 5], 'EPROTONOSUPPORT'],
    ['root', 'socket', [1, 7, 0], 'ESOCKTNOSUPPORT'],
    ['user', 'socket', [2, 3, 1], 'EPERM'],
    ['root', 'socketpair', [2, 1, 0, 0], 'EOPNOTSUPP'],
    ['root', 'socket', [16, 3, 0], 3],
  ],
  'a TCP socket that is not connected': [
    ['root', 'socket', [2, 1, 0], 3],
    ['root', 'connect', [3, loopback(40111), 16], 'ECONNREFUSED'],
    ['root', 'connect', [3, loopback(40111), 8], 'EINVAL'],
    ['root', 'connect', [3, new Uint8Array(200), 200], 'EINVAL'],
    ['root', 'connect', [3, unix('/tmp/x'), 9], 'EAFNOSUPPORT'],
    ['root', 'connect', [3, v6, 28], 'EAFNOSUPPORT'],
    ['root', 'getpeername', [3, 0, 0], 'ENOTCONN'],
    ['root', 'sendto', [3, 'x', 1, MSG_NOSIGNAL, null, 0], 'EPIPE'],
    ['root', 'recvfrom', [3, 0, 4, 0, null, null], 'ENOTCONN'],
    ['root', 'read', [3, 0, 4], 'ENOTCONN'],
    ['root', 'lseek', [3, 0, 0], 'ESPIPE'],
    ['root', 'pread64', [3, 0, 2, 0], 'ESPIPE'],
    ['root', 'shutdown', [3, 1], 'ENOTCONN'],
    ['root', 'shutdown', [3, 9], 'EINVAL'],
    ['root', 'accept', [3, null, null], 'EINVAL'],
  ],
  'bind(2)': [
    ['root', 'socket', [2, 1, 0], 3],
    ['root', 'bind', [3, loopback(40112), 16], 0],
    ['root', 'bind', [3, loopback(40113), 16], 'EINVAL'],
    ['root', 'socket', [2, 1, 0], 4],
    ['root', 'bind', [4, loopback(40112), 16], 'EADDRINUSE'],
    ['root', 'bind', [4, anyAddress(40112), 16], 'EADDRINUSE'],
    ['root', 'bind', [4, { address: '203.0.113.9', port: 40114 }, 16], 'EADDRNOTAVAIL'],
    ['root', 'bind', [4, short, 4], 'EINVAL'],
    ['root', 'bind', [4, unix('/tmp/x'), 9], 'EAFNOSUPPORT'],
    ['root', 'bind', [4, v6, 28], 'EAFNOSUPPORT'],
    ['user', 'socket', [2, 1, 0], 3],
    ['user', 'bind', [3, loopback(80), 16], 'EACCES'],
  ],
  'a TCP connection': [
    ['root', 'socket', [2, 1, 0], 3],
    ['root', 'bind', [3, loopback(40112), 16], 0],
    ['root', 'listen', [3, 1], 0],
    ['root', 'connect', [3, loopback(40112), 16], 'EISCONN'],
    ['root', 'socket', [2, 1, 0], 4],
    ['root', 'connect', [4, loopback(40112), 16], 0],
    ['root', 'connect', [4, loopback(40112), 16], 'EISCONN'],
    ['root', 'accept', [3, null, null], 5],
    ['root', 'listen', [4, 1], 'EINVAL'],
    ['root', 'bind', [4, loopback(40119), 16], 'EINVAL'],
    ['root', 'sendto', [4, 'hi', 2, 0, null, 0], 2],
    ['root', 'recvfrom', [5, 0, 4, 0, null, null], 2],
    ['root', 'close', [5], 0],
    ['root', 'recvfrom', [4, 0, 4, 0, null, null], 0],
    ['root', 'sendto', [4, 'hi', 2, MSG_NOSIGNAL, null, 0], 2],
    ['root', 'sendto', [4, 'hi', 2, MSG_NOSIGNAL, null, 0], 'EPIPE'],
  ],
  'a connect that does not wait': [
    ['root', 'socket', [2, 1, 0], 3],
    ['root', 'bind', [3, loopback(40112), 16], 0],
    ['root', 'listen', [3, 1], 0],
    ['root', 'socket', [2, 1 | NONBLOCK, 0], 4],
    ['root', 'connect', [4, loopback(40112), 16], 'EINPROGRESS'],
    ['root', 'connect', [4, loopback(40112), 16], 0],
    ['root', 'connect', [4, loopback(40112), 16], 'EISCONN'],
    ['root', 'socket', [2, 1 | NONBLOCK, 0], 5],
    ['root', 'connect', [5, loopback(40111), 16], 'EINPROGRESS'],
    ['root', 'connect', [5, loopback(40111), 16], 'ECONNREFUSED'],
  ],
  UDP: [
    ['root', 'socket', [2, 2, 0], 3],
    ['root', 'sendto', [3, 'x', 1, 0, null, 0], 'EDESTADDRREQ'],
    ['root', 'write', [3, 'x', 1], 'EDESTADDRREQ'],
    ['root', 'sendto', [3, 'x', 1, 0, v6, 28], 'EAFNOSUPPORT'],
    ['root', 'sendto', [3, 'x', 1, 0, loopback(40120), 4], 'EINVAL'],
    ['root', 'sendto', [3, 'x', 1, 0, loopback(0), 16], 'EINVAL'],
    ['root', 'sendto', [3, 'x', 1, 0, loopback(40120), 16], 1],
    ['root', 'listen', [3, 1], 'EOPNOTSUPP'],
    ['root', 'accept', [3, null, null], 'EOPNOTSUPP'],
    ['root', 'connect', [3, loopback(40120), 16], 0],
    ['root', 'connect', [3, loopback(40121), 16], 0],
    ['root', 'connect', [3, new Uint8Array(16), 16], 0],
  ],
  'Unix sockets': [
    ['root', 'socket', [1, 1, 0], 3],
    ['root', 'bind', [3, unix('/tmp/us')], 0],
    ['root', 'bind', [3, unix('/tmp/us2')], 'EINVAL'],
    ['root', 'socket', [1, 1, 0], 4],
    ['root', 'bind', [4, unix('/tmp/us')], 'EADDRINUSE'],
    ['root', 'bind', [4, unix(`/tmp/${'x'.repeat(120)}`)], 'EINVAL'],
    ['root', 'connect', [4, unix('/tmp/us')], 'ECONNREFUSED'],
    ['root', 'connect', [4, unix('/tmp/nope')], 'ENOENT'],
    ['root', 'connect', [4, unix('/etc/passwd')], 'ECONNREFUSED'],
    ['root', 'listen', [4, 1], 'EINVAL'],
    ['root', 'listen', [3, 1], 0],
    ['root', 'socket', [1, 2, 0], 5],
    ['root', 'connect', [5, unix('/tmp/us')], 'EPROTOTYPE'],
    ['root', 'listen', [5, 1], 'EOPNOTSUPP'],
    ['user', 'socket', [1, 1, 0], 3],
    ['user', 'connect', [3, unix('/tmp/us')], 'EACCES'],
    ['root', 'connect', [4, unix('/tmp/us')], 0],
    ['root', 'connect', [4, unix('/tmp/us')], 'EISCONN'],
    ['root', 'connect', [4, loopback(1), 16], 'EINVAL'],
    ['root', 'open', ['/tmp/us', 2, 0], 'ENXIO'],
    ['root', 'socket', [1, 1, 0], 6],
    ['root', 'sendto', [6, 'x', 1, MSG_NOSIGNAL, null, 0], 'ENOTCONN'],
    ['root', 'recvfrom', [6, 0, 1, 0, null, null], 'EINVAL'],
    ['root', 'shutdown', [6, 1], 0],
    ['root', 'bind', [6, Uint8Array.of(1, 0), 2], 0],
  ],
  'what is no socket': [
    ['root', 'open', ['/etc/passwd', 0, 0], 3],
    ['root', 'listen', [3, 1], 'ENOTSOCK'],
    ['root', 'listen', [99, 1], 'EBADF'],
    ['root', 'getdents64', [3, 0, 100], 'ENOTDIR'],
    ['root', 'open', ['/etc', 0, 0], 4],
    ['root', 'getdents64', [4, 0, 10], 'EINVAL'],
    ['root', 'sendfile', [1, 99, null, 10], 'EBADF'],
  ],
  'pipes and memfd': [
    ['root', 'pipe', [0], 0],
    ['root', 'write', [3, 'x', 1], 'EBADF'],
    ['root', 'read', [4, 0, 1], 'EBADF'],
    ['root', 'lseek', [4, 0, 0], 'ESPIPE'],
    ['root', 'ftruncate', [4, 1], 'EINVAL'],
    ['root', 'fchmod', [4, 0o600], 0],
    ['root', 'close', [4], 0],
    ['root', 'read', [3, 0, 1], 0],
    ['root', 'pipe2', [0, 1], 'EINVAL'],
    ['root', 'memfd_create', ['x'.repeat(250), 0], 'EINVAL'],
    ['root', 'memfd_create', ['x', 0x100], 'EINVAL'],
    ['root', 'memfd_create', ['x'.repeat(249), 0], 4],
  ],
  'waiting and signals': [
    ['root', 'wait4', [-1, null, 0, null], 'ECHILD'],
    ['root', 'wait4', [-1, null, 1, null], 'ECHILD'],
    ['root', 'kill', [4_000_000, 0], 'ESRCH'],
    ['root', 'kill', [1, 99], 'EINVAL'],
    ['user', 'kill', [1, 0], 'EPERM'],
    ['root', 'tgkill', [0, 1, 0], 'EINVAL'],
    ['root', 'tgkill', [1, 4_000_000, 0], 'ESRCH'],
    ['root', 'tkill', [0, 0], 'EINVAL'],
    ['root', 'rt_sigaction', [9, new Uint8Array(32), null, 8], 'EINVAL'],
    ['root', 'rt_sigaction', [0, null, null, 8], 'EINVAL'],
    ['root', 'rt_sigaction', [65, null, null, 8], 'EINVAL'],
  ],
  'sessions and groups': [
    ['user', 'setsid', [], 'EPERM'],
    ['user', 'setpgid', [0, 1], 'EPERM'],
    ['user', 'setpgid', [0, -5], 'EINVAL'],
    ['user', 'setpgid', [4_000_000, 0], 'ESRCH'],
    ['user', 'setpgid', [1, 1], 'ESRCH'],
    ['root', 'getpgid', [4_000_000], 'ESRCH'],
    ['root', 'getsid', [4_000_000], 'ESRCH'],
  ],
  'ptrace(2)': [
    ['root', 'ptrace', [16, 4_000_000, 0, 0], 'ESRCH'],
    ['root', 'ptrace', [16, -1, 0, 0], 'ESRCH'],
    ['root', 'ptrace', [7, 1, 0, 0], 'ESRCH'],
    ['root', 'ptrace', [12_345, 1, 0, 0], 'ESRCH'],
    ['user', 'ptrace', [16, 1, 0, 0], 'EPERM'],
    ['user', 'ptrace', [0, 0, 0, 0], 0],
    ['user', 'ptrace', [0, 0, 0, 0], 'EPERM'],
  ],
  'clone(2)': [
    ['root', 'clone', [0x10000, null, null, null, 0], 'EINVAL'],
    ['root', 'clone', [0x800, null, null, null, 0], 'EINVAL'],
    ['root', 'clone', [0x20000 | 0x200, null, null, null, 0], 'EINVAL'],
    ['user', 'clone', [0x2000_0011, null, null, null, 0], 'EPERM'],
  ],
  'execve(2)': [
    ['root', 'execve', ['/tmp', null, null], 'EACCES'],
    ['root', 'execve', ['/tmp/noexec', null, null], 'EACCES'],
    ['root', 'execve', ['/tmp/empty', null, null], 'ENOEXEC'],
    ['root', 'execve', ['/tmp/txt', null, null], 'ENOEXEC'],
    ['root', 'execve', ['/tmp/badint', null, null], 'ENOENT'],
    ['root', 'execve', ['/tmp/emptyint', null, null], 'ENOEXEC'],
    ['root', 'execve', ['/tmp/selfint', null, null], 'ELOOP'],
    ['root', 'execve', ['/tmp/dirint', null, null], 'EACCES'],
    ['root', 'execve', ['/tmp/noexint', null, null], 'EACCES'],
    ['root', 'execve', ['/tmp/loop', null, null], 'ELOOP'],
    ['root', 'execve', ['/tmp/txt/x', null, null], 'ENOTDIR'],
    ['root', 'execve', ['', null, null], 'ENOENT'],
    ['root', 'execve', ['x'.repeat(300), null, null], 'ENAMETOOLONG'],
    ['root', 'execveat', [AT_FDCWD, '', null, null, 0], 'ENOENT'],
    ['root', 'execveat', [AT_FDCWD, '', null, null, AT_EMPTY_PATH], 'EACCES'],
    ['root', 'execveat', [99, '', null, null, AT_EMPTY_PATH], 'EBADF'],
    ['root', 'execveat', [99, 'x', null, null, 0], 'EBADF'],
    ['root', 'execveat', [AT_FDCWD, '/tmp/txt', null, null, 1], 'EINVAL'],
    ['root', 'execveat', [AT_FDCWD, '/tmp/loop', null, null, 0x100], 'ELOOP'],
    ['root', 'open', ['/tmp/txt', 0, 0], 3],
    ['root', 'execveat', [3, 'x', null, null, 0], 'ENOTDIR'],
  ],
  'mounts and other privileges': [
    ['user', 'mount', ['none', '/tmp', 'tmpfs', 0, null], 'EPERM'],
    ['user', 'mount', ['none', '/nothing', 'tmpfs', 0, null], 'ENOENT'],
    ['user', 'mount', [null, '/', null, 32, null], 'EPERM'],
    ['user', 'umount2', ['/', 0], 'EPERM'],
    ['user', 'umount2', ['/etc', 0], 'EPERM'],
    ['root', 'umount2', ['/etc', 0], 'EINVAL'],
    ['root', 'umount2', ['/etc', 64], 'EINVAL'],
    ['root', 'mount', ['none', '/tmp/txt', 'nosuchfs', 0, null], 'ENODEV'],
    ['root', 'mount', ['none', '/etc', null, 0, null], 'EINVAL'],
    ['user', 'chroot', ['/tmp'], 'EPERM'],
    ['user', 'mknod', ['/tmp/device', 0o020666, 0x103], 'EPERM'],
    ['root', 'mknod', ['/tmp/device', 0o040755, 0], 'EPERM'],
    ['root', 'mknod', ['/tmp/device', 0o050755, 0], 'EINVAL'],
    ['user', 'setgroups', [0, null], 'EPERM'],
  ],
  'flags that do not exist': [
    ['root', 'fcntl', [0, 9999, 0], 'EINVAL'],
    ['root', 'prctl', [9999, 0, 0, 0, 0], 'EINVAL'],
    ['root', 'openat2', [AT_FDCWD, '/tmp', { flags: 0x40 | 0x2000_0000 }], 'EINVAL'],
    ['root', 'openat2', [AT_FDCWD, '/tmp', { flags: 0, mode: 0o600 }], 'EINVAL'],
    ['root', 'openat2', [AT_FDCWD, '/tmp', { flags: 0 }], 3],
    ['root', 'open', ['/dev/null', 0o1001, 0], 4],
    ['root', 'truncate', ['/dev/null', 0], 'EINVAL'],
  ],
};

describe('calls give what Linux gives', () => {
  for (const [title, steps] of Object.entries(GROUPS))
    it(title, () => {
      const host = createSimHost();
      const tasks = {
        root: host.spawn({ exepath: '/usr/bin/bash', tty: 'pts/0' }),
        user: host.spawn({ exepath: '/usr/bin/bash', uid: 1000, tty: 'pts/1' }),
      };
      host.fs.write('/tmp/noexec', 'x', 0o644);
      for (const [name, content] of Object.entries({
        empty: '',
        txt: 'hello',
        badint: '#!/no/such\n',
        emptyint: '#!\n',
        selfint: '#!/tmp/selfint\n',
        dirint: '#!/tmp\n',
        noexint: '#!/tmp/noexec\n',
      }))
        host.fs.write(`/tmp/${name}`, content, 0o755);
      host.fs.symlink('loop', '/tmp/loop');
      for (const [index, [who, name, args, expected]] of steps.entries()) {
        const { result } = host.call(tasks[who], name, args);
        const wanted = typeof expected === 'number' ? expected : -ERRNO[expected];
        expect(result, `step ${index + 1}: ${who} ${name}(${JSON.stringify(args)})`).toBe(wanted);
      }
    });
});
