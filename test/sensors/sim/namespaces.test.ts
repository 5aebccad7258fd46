import { describe, expect, it } from 'vitest';
import { createSimHost, type SimArgument, type SimHost, type SimTask } from '../../../sensors/index.ts';

const [EPERM, ENOENT, ESRCH, ENOMEM, EINVAL, EBUSY, ENOSPC] = [1, 2, 3, 12, 22, 16, 28];
const [SIGCHLD, SIGKILL, SIGTERM, SIGUSR1] = [17, 9, 15, 10];
const [NEWNS, NEWPID, NEWUSER, NEWUTS, NEWIPC, NEWNET, NEWCGROUP] = [
  0x0002_0000, 0x2000_0000, 0x1000_0000, 0x0400_0000, 0x0800_0000, 0x4000_0000, 0x0200_0000,
];
const [CLONE_VM, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD, CLONE_PARENT] = [0x100, 0x200, 0x800, 0x10000, 0x8000];
const THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
const [MS_RDONLY, MS_BIND, MS_MOVE, MS_REC, MS_REMOUNT, MS_PRIVATE] = [1, 4096, 8192, 16384, 32, 1 << 18];
const [MNT_DETACH, WNOHANG] = [2, 1];

const spawn = (host: SimHost, uid = 0): SimTask => host.spawn({ exepath: '/usr/bin/bash', uid });
const result = (host: SimHost, task: SimTask, name: string, ...args: SimArgument[]): number =>
  host.call(task, name, args).result;
const cloneOf = (host: SimHost, task: SimTask, flags: number): SimTask => {
  const { child } = host.call(task, 'clone', [flags | SIGCHLD]);
  if (!child) throw new Error('nothing was cloned');
  return child;
};
const link = (host: SimHost, task: SimTask, path: string): string =>
  new TextDecoder().decode(host.call(task, 'readlink', [path, null, 100]).data);
const text = (host: SimHost, task: SimTask, path: string): string => {
  const { result: fd } = host.call(task, 'open', [path, 0, 0]);
  const { data } = host.call(task, 'read', [fd, null, 65_536]);
  host.call(task, 'close', [fd]);
  return new TextDecoder().decode(data);
};
const names = (host: SimHost, task: SimTask, path: string): string[] => {
  const { result: fd } = host.call(task, 'open', [path, 0, 0]);
  const { data } = host.call(task, 'getdents64', [fd, null, 65_536]);
  host.call(task, 'close', [fd]);
  return new TextDecoder().decode(data).trim().split('\n');
};

describe('a pid namespace', () => {
  it('numbers its processes from 1 on, and its first one has no parent there (pid_namespaces(7))', () => {
    const host = createSimHost();
    const task = spawn(host);
    const { result: outside, child: init } = host.call(task, 'clone', [NEWPID | SIGCHLD]);
    if (!init) throw new Error('nothing was cloned');
    expect(outside).toBe(init.pid);
    const who = (of: SimTask) => ['getpid', 'gettid', 'getppid', 'getpgrp'].map((name) => result(host, of, name));
    expect(who(init)).toEqual([1, 1, 0, 0]);
    const { result: second, child } = host.call(init, 'fork', []);
    if (!child) throw new Error('nothing was forked');
    expect(second).toBe(2);
    expect(who(child)).toEqual([2, 2, 1, 0]);
    expect(result(host, child, 'setsid')).toBe(2);
    expect(['getsid', 'getpgid'].map((name) => result(host, child, name, 0))).toEqual([2, 2]);
    expect(host.pidFor(task, child)).toBe(child.pid);
    expect(host.pidFor(child, task)).toBe(0);
  });

  it('may be one in another, up to three here', () => {
    const host = createSimHost();
    const outer = cloneOf(host, spawn(host), NEWPID);
    const inner = cloneOf(host, outer, NEWPID);
    const innermost = cloneOf(host, inner, NEWPID);
    expect([host.pidFor(outer, inner), host.pidFor(outer, innermost), host.pidFor(inner, innermost)]).toEqual([
      2, 3, 2,
    ]);
    expect(result(host, innermost, 'getpid')).toBe(1);
    expect(result(host, innermost, 'clone', NEWPID | SIGCHLD)).toBe(-ENOSPC);
  });

  it('hides who is outside: kill, wait and tgkill know its own numbers only', () => {
    const host = createSimHost();
    const task = spawn(host);
    const init = cloneOf(host, task, NEWPID);
    const child = cloneOf(host, init, 0);
    expect(result(host, init, 'kill', task.pid, SIGTERM)).toBe(-ESRCH);
    expect(result(host, init, 'kill', 2, SIGTERM)).toBe(0);
    expect(child).toMatchObject({ alive: false, killedBy: SIGTERM });
    expect(result(host, init, 'wait4', -1, null, 0, null)).toBe(2);
    expect(task.alive).toBe(true);
    const other = cloneOf(host, init, 0);
    expect(result(host, init, 'kill', -1, SIGKILL)).toBe(0);
    expect([other.alive, task.alive, init.alive, host.root.alive]).toEqual([false, true, true, true]);
    expect(result(host, task, 'wait4', init.pid, null, WNOHANG, null)).toBe(0);
  });

  it("has a first process that only SIGKILL from outside ends, and what it catches doesn't", () => {
    const host = createSimHost();
    const task = spawn(host);
    const init = cloneOf(host, task, NEWPID);
    const child = cloneOf(host, init, 0);
    for (const [sender, pid] of [
      [child, 1],
      [init, 1],
    ] as const)
      expect(result(host, sender, 'kill', pid, SIGKILL)).toBe(0);
    expect(init.alive).toBe(true);
    expect(result(host, task, 'kill', init.pid, SIGTERM)).toBe(0);
    expect(init.alive).toBe(true);
    expect(result(host, task, 'kill', init.pid, SIGKILL)).toBe(0);
    expect(init).toMatchObject({ alive: false, killedBy: SIGKILL });
  });

  it('ends with its first process: all others are killed, and nothing begins in it any more', () => {
    const host = createSimHost();
    const task = spawn(host);
    expect(result(host, task, 'unshare', NEWPID)).toBe(0);
    const init = cloneOf(host, task, 0);
    const [child, deep] = [cloneOf(host, init, 0), cloneOf(host, init, NEWPID)];
    const orphan = cloneOf(host, child, 0);
    host.call(init, 'exit_group', [3]);
    expect([child, deep, orphan].map(({ alive, killedBy }) => [alive, killedBy])).toEqual(
      Array.from({ length: 3 }, () => [false, SIGKILL]),
    );
    expect(result(host, task, 'wait4', init.pid, null, 0, null)).toBe(init.pid);
    expect(result(host, task, 'fork')).toBe(-ENOMEM);
    expect(task.alive).toBe(true);
  });

  it('takes in orphans: their parent is its first process', () => {
    const host = createSimHost();
    const init = cloneOf(host, spawn(host), NEWPID);
    const child = cloneOf(host, init, 0);
    const orphan = cloneOf(host, child, 0);
    host.call(child, 'exit_group', [0]);
    expect(orphan.parent).toBe(init);
    expect(result(host, orphan, 'getppid')).toBe(1);
  });

  it('is the one of children after unshare, and not of the caller, who can make no threads then (unshare(2))', () => {
    const host = createSimHost();
    const task = spawn(host);
    const before = result(host, task, 'getpid');
    expect(result(host, task, 'unshare', NEWPID)).toBe(0);
    expect(result(host, task, 'getpid')).toBe(before);
    expect(result(host, task, 'clone', THREAD)).toBe(-EINVAL);
    expect(link(host, task, '/proc/self/ns/pid')).not.toBe(link(host, task, '/proc/self/ns/pid_for_children'));
    expect(result(host, cloneOf(host, task, 0), 'getpid')).toBe(1);
  });

  it('is shown by a proc of its own', () => {
    const host = createSimHost();
    const init = cloneOf(host, spawn(host), NEWPID | NEWNS);
    const child = cloneOf(host, init, 0);
    expect(result(host, init, 'mount', 'proc', '/proc', 'proc', 0, null)).toBe(0);
    expect(names(host, init, '/proc').filter((name) => /^\d+$/.test(name))).toEqual(['1', '2']);
    expect(link(host, child, '/proc/self')).toBe('2');
    expect(text(host, child, '/proc/self/status')).toContain('\nPid:\t2\nPPid:\t1\n');
    expect(result(host, child, 'open', '/proc/3/status', 0, 0)).toBe(-ENOENT);
    expect(host.fs.exists(`/proc/${child.pid}/status`)).toBe(true);
  });
});

describe('clone and unshare', () => {
  it.each([
    ['a mount namespace with a shared root', NEWNS | CLONE_FS, -EINVAL],
    ['a user namespace with a shared root', NEWUSER | CLONE_FS, -EINVAL],
    ['a thread in another pid namespace', NEWPID | THREAD, -EINVAL],
    ['a thread in another user namespace', NEWUSER | THREAD, -EINVAL],
    ['a thread with handlers of its own', CLONE_THREAD, -EINVAL],
  ])('clone refuses %s (clone(2))', (_what, flags, expected) => {
    const host = createSimHost();
    expect(result(host, spawn(host), 'clone', flags)).toBe(expected);
  });

  it('the first process of a namespace has no siblings', () => {
    const host = createSimHost();
    expect(result(host, cloneOf(host, spawn(host), NEWPID), 'clone', CLONE_PARENT | SIGCHLD)).toBe(-EINVAL);
  });

  it('want CAP_SYS_ADMIN, but for a user namespace, which gives it', () => {
    const host = createSimHost();
    const task = spawn(host, 1000);
    for (const flags of [NEWNS, NEWPID, NEWUTS, NEWIPC, NEWNET, NEWCGROUP]) {
      expect(result(host, task, 'unshare', flags)).toBe(-EPERM);
      expect(result(host, task, 'clone', flags | SIGCHLD)).toBe(-EPERM);
    }
    expect(result(host, task, 'unshare', NEWUSER | NEWNS)).toBe(0);
    for (const flags of [NEWNS, NEWUTS, NEWIPC, NEWNET, NEWCGROUP, NEWPID])
      expect(result(host, task, 'unshare', flags)).toBe(0);
  });

  it('unshare refuses what it does not know, and what threads have in common', () => {
    const host = createSimHost();
    const task = spawn(host);
    expect(result(host, task, 'unshare', 1)).toBe(-EINVAL);
    expect(result(host, task, 'unshare', CLONE_THREAD)).toBe(0);
    expect(result(host, task, 'clone', THREAD)).toBeGreaterThan(0);
    expect(result(host, task, 'unshare', CLONE_THREAD)).toBe(-EINVAL);
    expect(result(host, task, 'unshare', NEWUSER)).toBe(-EINVAL);
  });

  it.each([
    ['cgroup', NEWCGROUP],
    ['ipc', NEWIPC],
    ['mnt', NEWNS],
    ['net', NEWNET],
    ['user', NEWUSER],
    ['uts', NEWUTS],
  ])('make a %s namespace of its own, which setns enters and leaves', (type, flag) => {
    const host = createSimHost();
    const task = spawn(host);
    const path = `/proc/self/ns/${type}`;
    const before = link(host, task, path);
    expect(before).toMatch(new RegExp(`^${type}:\\[\\d+\\]$`));
    const old = result(host, task, 'open', path, 0, 0);
    const child = cloneOf(host, task, flag);
    expect(link(host, task, path)).toBe(before);
    expect(link(host, child, path)).not.toBe(before);
    const wanted = result(host, task, 'open', `/proc/${child.pid}/ns/${type}`, 0, 0);
    expect(result(host, task, 'setns', wanted, flag === NEWNET ? NEWNS : NEWNET === flag ? 0 : NEWNET)).toBe(-EINVAL);
    expect(result(host, task, 'setns', wanted, flag)).toBe(0);
    expect(link(host, task, path)).toBe(link(host, child, path));
    expect(result(host, task, 'setns', old, 0)).toBe(type === 'user' ? -EPERM : 0);
  });
});

describe('setns', () => {
  it('takes a file of a namespace only', () => {
    const host = createSimHost();
    const task = spawn(host);
    expect(result(host, task, 'setns', 99, 0)).toBe(-9);
    expect(result(host, task, 'setns', 0, 0)).toBe(-EINVAL);
  });

  it('wants CAP_SYS_ADMIN there and here', () => {
    const host = createSimHost();
    const task = spawn(host, 1000);
    const fd = result(host, task, 'open', '/proc/self/ns/net', 0, 0);
    expect(result(host, task, 'setns', fd, 0)).toBe(-EPERM);
    expect(result(host, task, 'unshare', NEWUSER)).toBe(0);
    expect(result(host, task, 'setns', fd, 0)).toBe(-EPERM);
  });

  it('enters no pid namespace above the own one, and no user namespace that one is in', () => {
    const host = createSimHost();
    const task = spawn(host);
    const [pids, users] = ['pid', 'user'].map((type) => result(host, task, 'open', `/proc/self/ns/${type}`, 0, 0));
    const child = cloneOf(host, task, NEWPID);
    expect(result(host, child, 'setns', pids ?? -1, NEWPID)).toBe(-EINVAL);
    expect(result(host, task, 'setns', users ?? -1, 0)).toBe(-EINVAL);
  });

  it('enters a mount namespace at its root, where nobody shares the working directory', () => {
    const host = createSimHost();
    const task = spawn(host);
    const child = cloneOf(host, task, NEWNS);
    expect(result(host, child, 'mount', 'none', '/mnt', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, child, 'open', '/mnt/there', 0o101, 0o600)).toBeGreaterThan(2);
    expect(host.fs.exists('/mnt/there')).toBe(false);
    const fd = result(host, task, 'open', `/proc/${child.pid}/ns/mnt`, 0, 0);
    expect(result(host, task, 'chdir', '/etc')).toBe(0);
    expect(result(host, task, 'setns', fd, NEWNS)).toBe(0);
    expect(result(host, task, 'access', '/mnt/there', 0)).toBe(0);
    expect(task.cwd).toBe('/');
  });
});

describe('a user namespace', () => {
  it('gives all capabilities, which do not reach what is outside (user_namespaces(7))', () => {
    const host = createSimHost();
    host.fs.write('/etc/secret', 'x', 0o600);
    const task = spawn(host, 1000);
    expect(result(host, task, 'unshare', NEWUSER)).toBe(0);
    expect(result(host, task, 'open', '/etc/secret', 0, 0)).toBe(-13);
    expect(result(host, task, 'kill', 1, SIGUSR1)).toBe(-EPERM);
    expect(result(host, task, 'init_module', 'x', 1, '')).toBe(-EPERM);
    expect(result(host, task, 'mount', 'none', '/mnt', 'tmpfs', 0, null)).toBe(-EPERM);
    expect(result(host, task, 'sethostname', 'inside', 6)).toBe(-EPERM);
    expect(result(host, task, 'unshare', NEWNS | NEWUTS)).toBe(0);
    expect(result(host, task, 'mount', 'none', '/mnt', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, task, 'sethostname', 'inside', 6)).toBe(0);
  });

  it('gives back no right by executing a program of root', () => {
    const host = createSimHost();
    const task = spawn(host, 1000);
    expect(result(host, task, 'unshare', NEWUSER)).toBe(0);
    expect(result(host, task, 'execve', '/usr/bin/ls', ['ls'], [])).toBe(0);
    expect(result(host, task, 'kill', 1, SIGUSR1)).toBe(-EPERM);
  });
});

describe('mounts', () => {
  const mounted = (): { host: SimHost; task: SimTask } => {
    const host = createSimHost();
    for (const path of ['/work', '/work/a', '/work/b']) host.fs.mkdir(path);
    host.fs.write('/work/a/file', 'content');
    return { host, task: spawn(host) };
  };

  it('MS_BIND shows a directory elsewhere, MS_REC with what is mounted in it', () => {
    const { host, task } = mounted();
    host.fs.mkdir('/work/a/inner');
    expect(result(host, task, 'mount', 'none', '/work/a/inner', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, task, 'open', '/work/a/inner/x', 0o101, 0o600)).toBe(3);
    expect(result(host, task, 'mount', '/work/a', '/work/b', null, MS_BIND, null)).toBe(0);
    expect([host.fs.exists('/work/b/file'), host.fs.exists('/work/b/inner/x')]).toEqual([true, false]);
    expect(result(host, task, 'umount2', '/work/b', 0)).toBe(0);
    expect(result(host, task, 'mount', '/work/a', '/work/b', null, MS_BIND | MS_REC, null)).toBe(0);
    expect([host.fs.exists('/work/b/file'), host.fs.exists('/work/b/inner/x')]).toEqual([true, true]);
    expect(result(host, task, 'umount2', '/work/b', 0)).toBe(-EBUSY);
    expect(result(host, task, 'umount2', '/work/b', MNT_DETACH)).toBe(0);
    expect(host.fs.exists('/work/b/file')).toBe(false);
  });

  it('MS_BIND takes a file over a file, and no file over a directory (mount(2), ENOTDIR)', () => {
    const { host, task } = mounted();
    host.fs.write('/work/other', 'other');
    expect(result(host, task, 'mount', '/work/other', '/work/b', null, MS_BIND, null)).toBe(-20);
    expect(result(host, task, 'mount', '/work/other', '/work/a/file', null, MS_BIND, null)).toBe(0);
    expect(host.fs.read('/work/a/file')).toBe('other');
  });

  it('MS_REMOUNT makes a mount read only and writable again', () => {
    const { host, task } = mounted();
    expect(result(host, task, 'mount', '/work/a', '/work/b', null, MS_BIND, null)).toBe(0);
    expect(result(host, task, 'mount', null, '/work/b', null, MS_REMOUNT | MS_BIND | MS_RDONLY, null)).toBe(0);
    expect(result(host, task, 'open', '/work/b/file', 1, 0)).toBe(-30);
    expect(result(host, task, 'open', '/work/a/file', 1, 0)).toBe(3);
    expect(result(host, task, 'mount', null, '/work/b', null, MS_REMOUNT | MS_BIND, null)).toBe(0);
    expect(result(host, task, 'open', '/work/b/file', 1, 0)).toBe(4);
    expect(result(host, task, 'mount', null, '/work/a', null, MS_REMOUNT, null)).toBe(-EINVAL);
    expect(result(host, task, 'mount', null, '/work/b', null, MS_PRIVATE, null)).toBe(0);
  });

  it('MS_MOVE takes a mount elsewhere, but not into itself (mount(2), ELOOP)', () => {
    const { host, task } = mounted();
    expect(result(host, task, 'mount', 'none', '/work/a', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, task, 'mkdir', '/work/a/in', 0o755)).toBe(0);
    expect(result(host, task, 'mount', '/work/a', '/work/a/in', null, MS_MOVE, null)).toBe(-40);
    expect(result(host, task, 'mount', '/work/a', '/work/b', null, MS_MOVE, null)).toBe(0);
    expect([host.fs.exists('/work/a/file'), host.fs.exists('/work/b/in')]).toEqual([true, true]);
    expect(result(host, task, 'mount', '/work/a', '/work/b', null, MS_MOVE, null)).toBe(-EINVAL);
  });

  it('umount2 refuses what is in use, and what is no mount (umount(2))', () => {
    const { host, task } = mounted();
    expect(result(host, task, 'mount', 'none', '/work/a', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, task, 'umount2', '/work/b', 0)).toBe(-EINVAL);
    expect(result(host, task, 'umount2', '/work/a', 0x100)).toBe(-EINVAL);
    expect(result(host, task, 'chdir', '/work/a')).toBe(0);
    expect(result(host, task, 'umount2', '/work/a', 0)).toBe(-EBUSY);
    expect(result(host, task, 'umount2', '/work/a', MNT_DETACH)).toBe(0);
    expect(host.fs.exists('/work/a/file')).toBe(true);
  });

  it('are listed in /proc/PID/mounts, each namespace its own', () => {
    const { host, task } = mounted();
    expect(result(host, task, 'mount', 'cache', '/work/a', 'tmpfs', MS_RDONLY, null)).toBe(0);
    expect(text(host, task, '/proc/self/mounts')).toContain('\ncache /work/a tmpfs ro 0 0\n');
    expect(text(host, task, '/proc/mounts')).toBe(text(host, task, '/proc/self/mounts'));
    const child = cloneOf(host, task, NEWNS);
    expect(result(host, child, 'umount2', '/work/a', 0)).toBe(0);
    expect(text(host, child, '/proc/self/mounts')).not.toContain('/work/a');
    expect(text(host, task, '/proc/self/mounts')).toContain('/work/a');
  });

  it('of another namespace are nobody else’s', () => {
    const { host, task } = mounted();
    const child = cloneOf(host, task, NEWNS);
    expect(result(host, child, 'mount', 'none', '/work/a', 'tmpfs', 0, null)).toBe(0);
    expect(host.fs.exists('/work/a/file')).toBe(true);
    expect(result(host, child, 'access', '/work/a/file', 0)).toBe(-ENOENT);
    expect(result(host, task, 'access', '/work/a/file', 0)).toBe(0);
    const fd = result(host, task, 'open', '/work', 0, 0);
    expect(fd).toBe(3);
  });
});

describe('pivot_root', () => {
  const contained = (): { host: SimHost; task: SimTask } => {
    const host = createSimHost();
    for (const path of ['/new', '/plain']) host.fs.mkdir(path);
    const task = cloneOf(host, spawn(host), NEWNS);
    expect(result(host, task, 'mount', 'none', '/new', 'tmpfs', 0, null)).toBe(0);
    expect(result(host, task, 'mkdir', '/new/old', 0o755)).toBe(0);
    return { host, task };
  };

  it('makes another mount the root, with the old one below it, for its namespace only (pivot_root(2))', () => {
    const { host, task } = contained();
    const other = cloneOf(host, task, 0);
    expect(result(host, task, 'pivot_root', '/new', '/new/old')).toBe(0);
    expect(result(host, task, 'access', '/old/etc/passwd', 0)).toBe(0);
    expect(result(host, task, 'access', '/etc/passwd', 0)).toBe(-ENOENT);
    expect(result(host, other, 'access', '/old/etc/passwd', 0)).toBe(0);
    expect(host.fs.exists('/etc/passwd')).toBe(true);
    expect(result(host, task, 'chdir', '/')).toBe(0);
    expect(result(host, other, 'chdir', '/')).toBe(0);
    expect(result(host, task, 'umount2', '/old', MNT_DETACH)).toBe(0);
    expect(result(host, task, 'access', '/old/etc/passwd', 0)).toBe(-ENOENT);
    expect(names(host, task, '/')).toEqual(['.', '..', 'old']);
  });

  it('refuses what is no mount, lies elsewhere or is the root already', () => {
    const { host, task } = contained();
    expect(result(host, task, 'pivot_root', '/plain', '/plain')).toBe(-EBUSY);
    expect(result(host, task, 'pivot_root', '/new', '/plain')).toBe(-EBUSY);
    expect(result(host, task, 'pivot_root', '/new', '/tmp')).toBe(-EINVAL);
    expect(result(host, task, 'pivot_root', '/new/old', '/new/old')).toBe(-EINVAL);
    expect(result(host, task, 'pivot_root', '/new', '/etc/passwd')).toBe(-20);
    const user = spawn(host, 1000);
    expect(result(host, user, 'pivot_root', '/new', '/new')).toBe(-EPERM);
  });
});
