import { describe, expect, it } from 'vitest';
import {
  add,
  call,
  exit,
  type Item,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R10,
  stx,
} from '../../../engine/isa/index.ts';
import type { HookName } from '../../../engine/object/index.ts';
import { createSimHost, type SimArgument, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { attach, observe, textWord } from './attached.ts';

const [EPERM, ENOENT, EACCES, EEXIST, EROFS, ENOTCONN] = [1, 2, 13, 17, 30, 107];
const PROBE_READ_KERNEL = 113;
const PROBE_READ_KERNEL_STR = 115;
const SIGTERM = 15;
const PTRACE_ATTACH = 16;
const PTRACE_MODE_ATTACH_REALCREDS = 0x12;
const MODULE = '\x7fELF\0name=rootkit\0';
const DENY = [mov(R0, -EPERM)];

const keep = (index: number): Item => stx('dw', R10, -8 * (index + 1), R7);
/** Word `index` is the hook's argument `slot`. */
const number = (index: number, slot: number): Item[] => [ldx('dw', R7, R6, 8 * slot), keep(index)];
/** The same of a member of the structure that the argument points to. */
const member = (index: number, slot: number, access: string, width: 'h' | 'w' | 'dw' = 'w'): Item[] => [
  ldx('dw', R7, R6, 8 * slot),
  ldxField(width, R7, R7, access),
  keep(index),
];
/** Word `index` is the beginning of the text at r7. */
const text = (index: number): Item[] => [
  mov(R1, R10),
  add(R1, -8 * (index + 1)),
  mov(R2, 8),
  mov(R3, R7),
  call(PROBE_READ_KERNEL_STR),
];
const name = (index: number, slot: number): Item[] => [
  ldx('dw', R7, R6, 8 * slot),
  ldxField('dw', R7, R7, 'dentry.d_name.name'),
  ...text(index),
];
const directory = (index: number, slot: number): Item[] => [
  ldx('dw', R7, R6, 8 * slot),
  ldxField('dw', R7, R7, 'path.dentry'),
  ldxField('dw', R7, R7, 'dentry.d_name.name'),
  ...text(index),
];

interface Fixture {
  readonly host: SimHost;
  readonly task: SimTask;
  readonly other: SimTask;
}

/** Descriptors of `task`: 3 is a stream, 4 a module's file, 5 and 6 datagram sockets of which 5 is bound to port 5353. */
const fixture = (): Fixture => {
  const host = createSimHost();
  host.network.declareRemote('203.0.113.5', 80);
  host.fs.mkdir('/work', 0o777);
  host.fs.write('/work/a', 'content', 0o644);
  host.fs.write('/work/b', 'other', 0o644);
  host.fs.write('/work/rootkit.ko', MODULE);
  const task = host.spawn({ exepath: '/usr/bin/bash' });
  const other = host.spawn({ exepath: '/usr/bin/sleep' });
  const make = (callName: string, args: readonly SimArgument[]): number => host.call(task, callName, args).result;
  expect(make('socket', [2, 1, 0])).toBe(3);
  expect(make('open', ['/work/rootkit.ko', 0, 0])).toBe(4);
  expect(make('socket', [2, 2, 0])).toBe(5);
  expect(make('bind', [5, { address: '127.0.0.1', port: 5353 }])).toBe(0);
  expect(make('socket', [2, 2, 0])).toBe(6);
  return { host, task, other };
};

const hex = (bytes: Uint8Array | undefined): string => [...(bytes ?? [])].join(' ');

const contentOf = (host: SimHost, path: string): string | undefined =>
  host.fs.exists(path) ? host.fs.read(path) : undefined;

/** Everything that the cases could change, as calls of another process and the host tell it. */
const stateOf = ({ host, task, other }: Fixture): object => {
  const ask = (callName: string, args: readonly SimArgument[]) => host.call(task, callName, args);
  return {
    names: host.fs.list('/work'),
    inodes: host.fs.list('/work').map((each) => host.fs.stat(`/work/${each}`)),
    content: ['/work/a', '/work/b'].map((path) => contentOf(host, path)),
    modules: host.call(host.root, 'delete_module', ['rootkit', 0]).result,
    uids: [task.uid, task.euid, ask('setfsuid', [0xffff_ffff]).result],
    fds: task.fds,
    alive: other.alive,
    tracer: contentOf(host, `/proc/${other.pid}/status`)?.match(/TracerPid:\t\d+/)?.[0],
    sockets: [3, 5, 6].map((fd) => hex(ask('getsockname', [fd, null, null]).data)),
    peer: ask('getpeername', [3, null, null]).result,
    waiting: ask('getsockopt', [5, 1, 4, null, null]).result,
  };
};

interface Denial {
  readonly hook: HookName;
  readonly words: number;
  readonly fill: readonly Item[];
  readonly seen: (fixture: Fixture) => readonly bigint[];
  readonly act: (fixture: Fixture) => readonly [callName: string, args: readonly SimArgument[]];
  /** What the call gives where nobody denies it. */
  readonly allowed?: number;
}

const pid = ({ other }: Fixture): bigint => BigInt(other.pid);

const DENIALS: readonly Denial[] = [
  {
    hook: 'lsm/path_unlink',
    words: 2,
    fill: [...directory(0, 0), ...name(1, 1)],
    seen: () => [textWord('work'), textWord('a')],
    act: () => ['unlink', ['/work/a']],
  },
  {
    hook: 'lsm/path_rename',
    words: 5,
    fill: [...directory(0, 0), ...name(1, 1), ...directory(2, 2), ...name(3, 3), ...number(4, 4)],
    seen: () => [textWord('work'), textWord('a'), textWord('work'), textWord('moved'), 1n],
    act: () => ['renameat2', [-100, '/work/a', -100, '/run/../work/../work/moved', 1]],
  },
  {
    hook: 'lsm/path_link',
    words: 3,
    fill: [...name(0, 0), ...directory(1, 1), ...name(2, 2)],
    seen: () => [textWord('a'), textWord('work'), textWord('again')],
    act: () => ['link', ['/work/a', '/work/again']],
  },
  {
    hook: 'lsm/path_symlink',
    words: 3,
    fill: [...directory(0, 0), ...name(1, 1), ldx('dw', R7, R6, 16), ...text(2)],
    seen: () => [textWord('work'), textWord('s'), textWord('target')],
    act: () => ['symlink', ['target', '/work/s']],
  },
  {
    hook: 'lsm/path_chmod',
    words: 2,
    fill: [...directory(0, 0), ...number(1, 1)],
    seen: () => [textWord('a'), 0o4755n],
    act: () => ['chmod', ['/work/a', 0o4755]],
  },
  {
    hook: 'lsm/task_kill',
    words: 4,
    fill: [
      ...member(0, 0, 'task_struct.pid'),
      ...member(1, 1, 'kernel_siginfo.si_signo'),
      ...number(2, 2),
      ...number(3, 3),
    ],
    seen: (fixed) => [pid(fixed), BigInt(SIGTERM), BigInt(SIGTERM), 0n],
    act: ({ other }) => ['kill', [other.pid, SIGTERM]],
  },
  {
    hook: 'lsm/task_fix_setuid',
    words: 3,
    fill: [...member(0, 0, 'cred.euid.val'), ...member(1, 1, 'cred.euid.val'), ...number(2, 2)],
    seen: () => [1000n, 0n, 1n],
    act: () => ['setuid', [1000]],
  },
  {
    hook: 'lsm/ptrace_access_check',
    words: 2,
    fill: [...member(0, 0, 'task_struct.pid'), ...number(1, 1)],
    seen: (fixed) => [pid(fixed), BigInt(PTRACE_MODE_ATTACH_REALCREDS)],
    act: ({ other }) => ['ptrace', [PTRACE_ATTACH, other.pid, 0, 0]],
  },
  {
    hook: 'lsm/sb_mount',
    words: 4,
    fill: [ldx('dw', R7, R6, 0), ...text(0), ...directory(1, 1), ldx('dw', R7, R6, 16), ...text(2), ...number(3, 3)],
    seen: () => [textWord('none'), textWord('work'), textWord('tmpfs'), 1n],
    act: () => ['mount', ['none', '/work', 'tmpfs', 1, null]],
  },
  {
    hook: 'lsm/kernel_read_file',
    words: 3,
    fill: [
      ldx('dw', R7, R6, 0),
      ldxField('dw', R7, R7, 'file.f_path.dentry'),
      ldxField('dw', R7, R7, 'dentry.d_name.name'),
      ...text(0),
      ...number(1, 1),
      ...number(2, 2),
    ],
    seen: () => [textWord('rootkit'), 2n, 1n],
    act: () => ['finit_module', [4, '', 0]],
  },
  {
    hook: 'lsm/kernel_load_data',
    words: 2,
    fill: [...number(0, 0), ...number(1, 1)],
    seen: () => [2n, 1n],
    act: () => ['init_module', [MODULE, MODULE.length, '']],
  },
  {
    hook: 'lsm/bpf',
    words: 3,
    fill: [...number(0, 0), ...member(1, 1, 'bpf_attr.prog_type'), ...number(2, 2)],
    seen: () => [5n, 17n, 8n],
    act: () => ['bpf', [5, Uint8Array.of(17, 0, 0, 0, 2, 0, 0, 0), 8]],
    allowed: 7,
  },
  {
    hook: 'lsm/socket_connect',
    words: 2,
    fill: [...member(0, 1, 'sockaddr.sa_family', 'h'), ...number(1, 2)],
    seen: () => [2n, 16n],
    act: () => ['connect', [3, { address: '203.0.113.5', port: 80 }]],
  },
  {
    hook: 'lsm/socket_bind',
    words: 2,
    fill: [...member(0, 1, 'sockaddr.sa_family', 'h'), ...number(1, 2)],
    seen: () => [2n, 16n],
    act: () => ['bind', [3, { address: '127.0.0.1', port: 8080 }]],
  },
  {
    hook: 'lsm/socket_sendmsg',
    words: 3,
    fill: [...member(0, 0, 'socket.type', 'h'), ...member(1, 1, 'msghdr.msg_namelen'), ...number(2, 2)],
    seen: () => [2n, 16n, 5n],
    act: () => ['sendto', [6, 'query', 5, 0, { address: '127.0.0.1', port: 5353 }]],
    allowed: 5,
  },
];

/** The hook's first argument is at r1 when a program begins; here r6 points to all of them. */
const beginning = mov(R6, R1);

describe.each(DENIALS)('$hook', ({ hook, words, fill, seen, act, allowed = 0 }) => {
  it('sees what the call is about', () => {
    const fixed = fixture();
    const records = observe(fixed.host, hook, words, [beginning, ...fill]);
    const [callName, args] = act(fixed);
    expect(fixed.host.call(fixed.task, callName, args)).toMatchObject({ result: allowed });
    expect(records()).toEqual([seen(fixed)]);
  });

  it('denies: -EPERM, and everything is as it was', () => {
    const fixed = fixture();
    attach(fixed.host, hook, [...DENY, exit()]);
    const [callName, args] = act(fixed);
    const before = stateOf(fixed);
    expect(fixed.host.call(fixed.task, callName, args)).toMatchObject({ result: -EPERM, deniedBy: hook });
    expect(stateOf(fixed)).toEqual(before);
  });

  it('lets pass what it does not deny: something changes', () => {
    const fixed = fixture();
    attach(fixed.host, hook, [mov(R0, 0), exit()]);
    const [callName, args] = act(fixed);
    const before = stateOf(fixed);
    fixed.host.call(fixed.task, callName, args);
    if (hook === 'lsm/socket_sendmsg')
      expect(fixed.host.call(fixed.task, 'recvfrom', [5, null, 10, 0, null, null]).result).toBe(5);
    else expect(stateOf(fixed)).not.toEqual(before);
  });

  it('takes any errno, and that of the newest program', () => {
    const fixed = fixture();
    attach(fixed.host, hook, [...DENY, exit()]);
    attach(fixed.host, hook, [mov(R0, -EACCES), exit()]);
    const [callName, args] = act(fixed);
    expect(fixed.host.call(fixed.task, callName, args).result).toBe(-EACCES);
  });
});

/** A hook is asked only once what comes before it has agreed: the call by somebody who may not, and whether programs see it. */
const ORDER: readonly (readonly [
  hook: HookName,
  why: string,
  asked: boolean,
  call: (fixture: Fixture) => readonly [string, readonly SimArgument[]],
  result: number,
])[] = [
  ['lsm/path_unlink', 'before the directory says no (do_unlinkat)', true, () => ['unlink', ['/etc/passwd']], -EACCES],
  ['lsm/path_unlink', 'not for a name that is not there', false, () => ['unlink', ['/work/none']], -ENOENT],
  ['lsm/path_rename', 'before the directory says no', true, () => ['rename', ['/etc/passwd', '/etc/p']], -EACCES],
  ['lsm/path_rename', 'not for a name that is not there', false, () => ['rename', ['/work/none', '/work/x']], -ENOENT],
  ['lsm/path_link', 'before the directory says no', true, () => ['link', ['/work/c', '/etc/c']], -EACCES],
  ['lsm/path_link', 'not where the name is taken', false, () => ['link', ['/work/c', '/work/b']], -EEXIST],
  [
    'lsm/path_link',
    'not where links are protected (may_linkat)',
    false,
    () => ['link', ['/etc/shadow', '/work/x']],
    -EPERM,
  ],
  ['lsm/path_symlink', 'before the directory says no', true, () => ['symlink', ['x', '/etc/x']], -EACCES],
  ['lsm/path_symlink', 'not where the name is taken', false, () => ['symlink', ['x', '/work/b']], -EEXIST],
  [
    'lsm/path_chmod',
    'before the owner is looked at (chmod_common)',
    true,
    () => ['chmod', ['/etc/passwd', 0o777]],
    -EPERM,
  ],
  ['lsm/path_chmod', 'not on a read-only mount', false, () => ['chmod', ['/run', 0o777]], -EROFS],
  [
    'lsm/task_kill',
    'not where the ids say no (check_kill_permission)',
    false,
    ({ other }) => ['kill', [other.pid, 9]],
    -EPERM,
  ],
  ['lsm/task_fix_setuid', 'not where the ids say no', false, () => ['setuid', [0]], -EPERM],
  [
    'lsm/ptrace_access_check',
    'not where the ids say no',
    false,
    ({ other }) => ['ptrace', [16, other.pid, 0, 0]],
    -EPERM,
  ],
  [
    'lsm/sb_mount',
    'before the capability (path_mount)',
    true,
    () => ['mount', ['none', '/work', 'tmpfs', 0, null]],
    -EPERM,
  ],
  [
    'lsm/kernel_load_data',
    'not without CAP_SYS_MODULE',
    false,
    () => ['init_module', [MODULE, MODULE.length, '']],
    -EPERM,
  ],
  ['lsm/kernel_read_file', 'not without CAP_SYS_MODULE', false, () => ['finit_module', [0, '', 0]], -EPERM],
  ['lsm/bpf', 'before the capability', true, () => ['bpf', [5, null, 0]], -EPERM],
  [
    'lsm/socket_bind',
    'before the port is looked at (__sys_bind)',
    true,
    () => ['bind', [3, { address: '127.0.0.1', port: 80 }]],
    -EACCES,
  ],
  ['lsm/file_open', 'not where the mode says no (do_open)', false, () => ['open', ['/etc/shadow', 0, 0]], -EACCES],
];

describe.each(ORDER)('%s is asked %s', (hook, _why, asked, make, result) => {
  it(asked ? 'and says no first' : 'and is not heard', () => {
    const fixed = fixture();
    const { host } = fixed;
    expect(host.call(host.root, 'mount', ['none', '/run', 'tmpfs', 1, null]).result).toBe(0);
    const task = host.spawn({ exepath: '/usr/bin/bash', uid: 1000 });
    host.fs.write('/work/c', 'own', 0o644, 1000, 1000);
    expect(host.call(task, 'socket', [2, 1, 0]).result).toBe(3);
    const [callName, args] = make(fixed);
    const records = observe(host, hook, 1, [mov(R7, 1), keep(0)]);
    expect(host.call(task, callName, args).result).toBe(result);
    expect(records()).toHaveLength(asked ? 1 : 0);
    attach(host, hook, [mov(R0, -ENOTCONN), exit()]);
    expect(host.call(task, callName, args).result).toBe(asked ? -ENOTCONN : result);
  });
});

describe('lsm/socket_sendmsg', () => {
  it('is asked about every way to send', () => {
    const { host, task } = fixture();
    expect(host.call(task, 'connect', [6, { address: '127.0.0.1', port: 5353 }]).result).toBe(0);
    const records = observe(host, 'lsm/socket_sendmsg', 2, [
      beginning,
      ...number(0, 2),
      ...member(1, 1, 'msghdr.msg_namelen'),
    ]);
    host.call(task, 'write', [6, 'one', 3]);
    host.call(task, 'sendto', [6, 'four', 4, 0, null, 0]);
    host.call(task, 'sendmsg', [6, { message: 'fives', to: { address: '127.0.0.1', port: 5353 } }, 0]);
    host.call(task, 'writev', [6, ['si', 'xs', 'is'], 3]);
    expect(records()).toEqual([
      [3n, 0n],
      [4n, 0n],
      [5n, 16n],
      [6n, 0n],
    ]);
    expect(host.call(task, 'recvfrom', [5, null, 100, 0, null, null]).data).toEqual(new TextEncoder().encode('one'));
  });

  it('gets the address where the kernel has copied it to', () => {
    const { host, task } = fixture();
    const records = observe(host, 'lsm/socket_sendmsg', 1, [
      beginning,
      ldx('dw', R7, R6, 8),
      ldxField('dw', R7, R7, 'msghdr.msg_name'),
      mov(R1, R10),
      add(R1, -8),
      mov(R2, 8),
      mov(R3, R7),
      call(PROBE_READ_KERNEL),
    ]);
    host.call(task, 'sendto', [6, 'x', 1, 0, { address: '127.0.0.1', port: 5353 }]);
    // sin_family 2, port 5353 (0x14e9) in network order, 127.0.0.1
    expect(records()).toEqual([[0x0100_007f_e914_0002n]]);
  });
});

describe('lsm/task_kill', () => {
  it('is asked about the signal 0 and about each process of a group, and spares the denied one', () => {
    const { host, task, other } = fixture();
    const records = observe(host, 'lsm/task_kill', 2, [beginning, ...member(0, 0, 'task_struct.pid'), ...number(1, 2)]);
    expect(host.call(task, 'kill', [other.pid, 0]).result).toBe(0);
    expect(host.call(task, 'tgkill', [other.pid, other.pid, 0]).result).toBe(0);
    expect(records()).toEqual([
      [BigInt(other.pid), 0n],
      [BigInt(other.pid), 0n],
    ]);
    expect(other.alive).toBe(true);
  });
});

describe('lsm/task_fix_setuid', () => {
  it('says what kind of change it is, and is not asked where nothing changes', () => {
    const { host, task } = fixture();
    const records = observe(host, 'lsm/task_fix_setuid', 1, [beginning, ...number(0, 2)]);
    host.call(task, 'setresuid', [0, 0, 0]);
    host.call(task, 'setfsuid', [0]);
    host.call(task, 'setfsuid', [5]);
    host.call(task, 'setreuid', [0, 0]);
    host.call(task, 'setresuid', [0, 0, 7]);
    host.call(task, 'setgid', [7]);
    expect(records()).toEqual([[8n], [2n], [4n]]);
  });
});

describe('recorded calls', () => {
  it('are shown and not refused', () => {
    const { host, task } = fixture();
    attach(host, 'lsm/path_unlink', [...DENY, exit()]);
    const runs = observe(host, 'lsm/path_unlink', 1, [mov(R7, 1), keep(0)]);
    expect(host.call(task, 'unlink', ['/work/a'], { recorded: { result: 0 } })).toEqual({ result: 0 });
    expect(runs()).toHaveLength(1);
    expect(host.fs.exists('/work/a')).toBe(false);
  });
});
