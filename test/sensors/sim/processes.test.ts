import { describe, expect, it } from 'vitest';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';

const SIGCHLD = 17;
const CLONE_THREAD = 0x10000 | 0x800 | 0x200 | 0x100;
const [SIGKILL, SIGTERM, SIGCONT] = [9, 15, 18];
const CHLD_IGNORED = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

const shell = (host: SimHost, uid = 0): SimTask => host.spawn({ exepath: '/usr/bin/bash', uid });

const child = (host: SimHost, parent: SimTask, flags = SIGCHLD): SimTask => {
  const made = host.task(host.call(parent, 'clone', [flags]).result);
  if (!made) throw new Error('clone made no task');
  return made;
};

const statusOf = (data: Uint8Array | undefined): number => (data?.[0] ?? 0) | ((data?.[1] ?? 0) << 8);

describe('fork and exit', () => {
  it('copies descriptors, working directory and credentials', () => {
    const host = createSimHost();
    const parent = host.spawn({ exepath: '/usr/bin/bash', uid: 1000, cwd: '/var/log', cgroup: '/user.slice' });
    const { result: fd } = host.call(parent, 'open', ['/etc/passwd', 0, 0]);
    const made = child(host, parent);
    host.call(parent, 'chdir', ['/']);
    host.call(parent, 'close', [fd]);
    expect(made).toMatchObject({ uid: 1000, cwd: '/var/log', cgroup: '/user.slice', name: 'bash' });
    expect(made.parent).toBe(parent);
    expect(host.call(made, 'read', [fd, 0, 4]).data).toEqual(new TextEncoder().encode('root'));
  });

  it('shares the position of descriptors that were open before', () => {
    const host = createSimHost();
    const parent = shell(host);
    const { result: fd } = host.call(parent, 'open', ['/etc/passwd', 0, 0]);
    const made = child(host, parent);
    host.call(made, 'read', [fd, 0, 5]);
    expect(host.call(parent, 'lseek', [fd, 0, 1]).result).toBe(5);
  });

  it('keeps a dead child until its parent waits, and hands out its status', () => {
    const host = createSimHost();
    const parent = shell(host);
    const made = child(host, parent);
    expect(host.call(parent, 'wait4', [-1, 0, 0, 0]).result).toBe(-512);
    expect(host.call(parent, 'wait4', [-1, 0, 1, 0]).result).toBe(0);
    host.call(made, 'exit_group', [3]);
    expect(made).toMatchObject({ alive: false, exitStatus: 3, killedBy: undefined });
    expect(host.task(made.pid)).toBeUndefined();
    expect(host.call(parent, 'kill', [made.pid, 0]).result).toBe(0);
    const waited = host.call(parent, 'wait4', [made.pid, 0, 0, 0]);
    expect([waited.result, statusOf(waited.data)]).toEqual([made.pid, 3 << 8]);
    expect(host.call(parent, 'wait4', [made.pid, 0, 0, 0]).result).toBe(-10);
    expect(host.call(parent, 'kill', [made.pid, 0]).result).toBe(-3);
  });

  it('keeps none for a parent that ignores SIGCHLD', () => {
    const host = createSimHost();
    const parent = shell(host);
    host.call(parent, 'rt_sigaction', [SIGCHLD, CHLD_IGNORED, null, 8]);
    const made = child(host, parent);
    host.call(made, 'exit_group', [0]);
    expect(host.call(parent, 'kill', [made.pid, 0]).result).toBe(-3);
  });

  it('gives orphans to pid 1', () => {
    const host = createSimHost();
    const parent = shell(host);
    const made = child(host, parent);
    const grandchild = child(host, made);
    host.call(made, 'exit_group', [0]);
    expect(grandchild.parent).toBe(host.root);
    expect(host.call(grandchild, 'getppid', []).result).toBe(1);
  });

  it('refuses calls of the dead and of strangers', () => {
    const host = createSimHost();
    const task = shell(host);
    const stranger = shell(createSimHost());
    host.call(task, 'exit_group', [0]);
    expect(() => host.call(task, 'getpid', [])).toThrow(`bash (pid ${task.pid}) is dead; it can make no call`);
    expect(() => host.call(stranger, 'getpid', [])).toThrow(`bash (pid ${stranger.pid}) is no task of this host`);
    expect(() => host.call(host.root, 'nonsense', [])).toThrow('there is no system call "nonsense"');
    expect(() => host.spawn({ exepath: '/usr/bin/bash', pid: 1 })).toThrow(
      'pid 1 is taken by systemd; leave it out or choose another',
    );
  });
});

describe('threads', () => {
  it('die one by one, the process with the last', () => {
    const host = createSimHost();
    const parent = shell(host);
    const first = child(host, parent);
    const second = child(host, first, CLONE_THREAD);
    expect(second.tgid).toBe(first.pid);
    expect(host.call(second, 'getpid', []).result).toBe(first.pid);
    expect(host.call(second, 'gettid', []).result).toBe(second.pid);
    host.call(first, 'exit', [0]);
    expect(host.call(parent, 'wait4', [-1, 0, 1, 0]).result).toBe(0);
    host.call(second, 'exit', [7]);
    const waited = host.call(parent, 'wait4', [-1, 0, 1, 0]);
    expect([waited.result, statusOf(waited.data)]).toEqual([first.pid, 7 << 8]);
  });

  it('share the working directory with CLONE_FS, and all die by one signal', () => {
    const host = createSimHost();
    const first = child(host, shell(host));
    const second = child(host, first, CLONE_THREAD);
    host.call(second, 'chdir', ['/var']);
    expect(first.cwd).toBe('/var');
    host.call(host.root, 'kill', [second.pid, SIGTERM]);
    expect([first, second].map(({ alive, killedBy }) => [alive, killedBy])).toEqual([
      [false, SIGTERM],
      [false, SIGTERM],
    ]);
  });

  it("end at exec; the caller takes the first thread's place", () => {
    const host = createSimHost();
    const parent = shell(host);
    const first = child(host, parent);
    const second = child(host, first, CLONE_THREAD);
    const orphan = child(host, first);
    expect(host.call(second, 'execve', ['/bin/ls', ['ls'], []]).result).toBe(0);
    expect(first.alive).toBe(false);
    expect(second).toMatchObject({ alive: true, pid: first.pid, tgid: first.pid, name: 'ls' });
    expect(second.parent).toBe(parent);
    expect(host.task(first.pid)).toBe(second);
    expect(orphan.parent).toBe(second);
    host.call(second, 'exit_group', [0]);
    expect(host.call(parent, 'wait4', [-1, 0, 0, 0]).result).toBe(first.pid);
  });
});

describe('signals', () => {
  it('end a process after the call that sent them', () => {
    const host = createSimHost();
    const task = shell(host);
    expect(host.call(task, 'kill', [task.pid, SIGTERM]).result).toBe(0);
    expect(task).toMatchObject({ alive: false, killedBy: SIGTERM });
  });

  it('do nothing where they are caught, harmless, or sent to pid 1', () => {
    const host = createSimHost();
    const task = shell(host);
    host.call(task, 'rt_sigaction', [SIGTERM, Uint8Array.of(0, 0x10, 0x40, 0, 0, 0, 0, 0), null, 8]);
    host.call(host.root, 'kill', [task.pid, SIGTERM]);
    host.call(host.root, 'kill', [task.pid, SIGCONT]);
    host.call(task, 'kill', [1, SIGKILL]);
    expect([task.alive, host.root.alive]).toEqual([true, true]);
    host.call(task, 'execve', ['/bin/ls', ['ls'], []]);
    host.call(host.root, 'kill', [task.pid, SIGTERM]);
    expect(task.alive).toBe(false);
  });

  it('come with a write to a pipe that nobody reads', () => {
    const host = createSimHost();
    const task = shell(host);
    const [read, write] = host.call(task, 'pipe', [0]).fds ?? [];
    host.call(task, 'close', [read ?? -1]);
    expect(host.call(task, 'write', [write ?? -1, 'x', 1]).result).toBe(-32);
    expect(task.killedBy).toBe(13);
  });

  it('reach a whole group', () => {
    const host = createSimHost();
    const leader = child(host, shell(host));
    host.call(leader, 'setsid', []);
    const others = [child(host, leader), child(host, leader)];
    expect(host.call(host.root, 'kill', [-leader.pid, SIGKILL]).result).toBe(0);
    expect([leader, ...others].map((task) => task.alive)).toEqual([false, false, false]);
  });
});

describe('exec', () => {
  it('closes what is marked, and runs set-user-id programs as their owner', () => {
    const host = createSimHost();
    const task = shell(host, 1000);
    const [kept, closed] = [0, 0o2000000].map((flags) => host.call(task, 'open', ['/etc/passwd', flags, 0]).result);
    expect(host.call(task, 'execve', ['/usr/bin/passwd', ['passwd'], []]).result).toBe(0);
    expect(task.fds).toContain(kept);
    expect(task.fds).not.toContain(closed);
    expect(task).toMatchObject({ uid: 1000, euid: 0 });
    expect(host.call(task, 'open', ['/etc/shadow', 0, 0]).result).toBeGreaterThan(0);
  });

  it('runs a memfd through /proc/self/fd', () => {
    const host = createSimHost();
    const task = shell(host, 1000);
    const { result: fd } = host.call(task, 'memfd_create', ['payload', 0]);
    host.call(task, 'write', [fd, '\x7fELF', 4]);
    expect(host.call(task, 'execve', [`/proc/self/fd/${fd}`, ['kworker'], []]).result).toBe(0);
    expect(task).toMatchObject({ name: String(fd), exepath: '/memfd:payload', argv: ['kworker'] });
    expect(host.kernel.processes('/').find(({ pid }) => pid === task.pid)).toMatchObject({ memfd: true });
  });

  it('does not open a program for writing while it runs', () => {
    const host = createSimHost();
    const task = shell(host);
    expect(host.call(task, 'open', ['/usr/bin/bash', 1, 0]).result).toBe(-26);
    expect(host.call(task, 'unlink', ['/usr/bin/bash']).result).toBe(0);
  });
});

describe('ptrace', () => {
  it("asks for the target's ids, and lets one tracer be", () => {
    const host = createSimHost();
    const [alice, other, root] = [shell(host, 1000), shell(host, 1000), shell(host)];
    const target = shell(host, 1000);
    const [ATTACH, DETACH, CONT] = [16, 17, 7];
    expect(host.call(alice, 'ptrace', [ATTACH, root.pid, 0, 0]).result).toBe(-1);
    expect(host.call(alice, 'ptrace', [ATTACH, target.pid, 0, 0]).result).toBe(0);
    expect(host.call(other, 'ptrace', [ATTACH, target.pid, 0, 0]).result).toBe(-1);
    expect(host.call(other, 'ptrace', [CONT, target.pid, 0, 0]).result).toBe(-3);
    expect(host.call(alice, 'ptrace', [DETACH, target.pid, 0, 0]).result).toBe(0);
    expect(host.call(root, 'ptrace', [ATTACH, target.pid, 0, 0]).result).toBe(0);
    host.end(root, { signal: SIGKILL });
    expect(host.call(other, 'ptrace', [ATTACH, target.pid, 0, 0]).result).toBe(0);
  });
});

describe('/proc', () => {
  const read = (host: SimHost, task: SimTask, path: string): string | number => {
    const { result: fd } = host.call(task, 'open', [path, 0, 0]);
    return fd < 0 ? fd : new TextDecoder().decode(host.call(task, 'read', [fd, 0, 4096]).data);
  };

  it('shows processes to those who may see them', () => {
    const host = createSimHost();
    const task = host.spawn({ exepath: '/usr/bin/cat', argv: ['cat', '-u'], env: ['SECRET=1'], uid: 1000 });
    const stranger = shell(host, 1001);
    expect(read(host, stranger, `/proc/${task.pid}/cmdline`)).toBe('cat\0-u\0');
    expect(read(host, task, '/proc/self/environ')).toBe('SECRET=1\0');
    expect(read(host, stranger, `/proc/${task.pid}/environ`)).toBe(-13);
    const link = host.call(stranger, 'readlink', [`/proc/${task.pid}/exe`, 0, 100]);
    expect(new TextDecoder().decode(link.data)).toBe('/usr/bin/cat');
    host.end(task, { status: 0 });
    expect(read(host, stranger, `/proc/${task.pid}/cmdline`)).toBe(-2);
  });

  it('names descriptors as Linux does', () => {
    const host = createSimHost();
    const task = shell(host);
    host.call(task, 'open', ['/tmp/gone', 0o102, 0o600]);
    host.call(task, 'unlink', ['/tmp/gone']);
    host.call(task, 'memfd_create', ['m', 0]);
    host.call(task, 'pipe', [0]);
    const link = (fd: number) =>
      new TextDecoder().decode(host.call(task, 'readlink', [`/proc/self/fd/${fd}`, 0, 100]).data);
    expect([0, 3, 4].map(link)).toEqual(['/dev/null', '/tmp/gone (deleted)', '/memfd:m (deleted)']);
    expect(link(5)).toMatch(/^pipe:\[\d+\]$/);
    expect(host.fs.list(`/proc/${task.pid}/fd`)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
  });
});
