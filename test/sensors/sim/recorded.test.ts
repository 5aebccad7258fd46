import { describe, expect, it } from 'vitest';
import { call, exit, ldx, ldxField, mov, R0, R1, R6, R7, R10, stx } from '../../../engine/isa/index.ts';
import { createSimHost, type SimArgument, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { attach, observe, word } from './attached.ts';

const AT_FDCWD = -100;
const SEND_SIGNAL = 109;

const play = (
  host: SimHost,
  task: SimTask,
  name: string,
  args: readonly SimArgument[],
  result: number,
  detail?: object,
) =>
  host.call(task, name, args, {
    recorded: { result, ...(detail === undefined ? {} : { detail: detail as { address: string; port: number } }) },
  });

const user = (host: SimHost): SimTask => host.spawn({ exepath: '/usr/bin/bash', uid: 1000, cwd: '/home/alice' });

describe('a recorded call', () => {
  it('opens at the descriptor it had, in the place of what was there, and creates what is missing', () => {
    const host = createSimHost();
    const task = user(host);
    expect(play(host, task, 'openat', [AT_FDCWD, '/root/deep/down/notes', 0, 0], 7).result).toBe(7);
    expect(host.fs.exists('/root/deep/down/notes')).toBe(true);
    expect(task.fds).toEqual([0, 1, 2, 7]);
    play(host, task, 'openat', [AT_FDCWD, 'relative', 0, 0], 7);
    expect(new TextDecoder().decode(host.call(task, 'readlink', ['/proc/self/fd/7', 0, 99]).data)).toBe(
      '/home/alice/relative',
    );
    play(host, task, 'openat', [AT_FDCWD, '/some/folder', 0o200000, 0], 8);
    expect((host.fs.stat('/some/folder')?.mode ?? 0) & 0o170000).toBe(0o040000);
  });

  it('may do what its rights would forbid', () => {
    const host = createSimHost();
    const task = user(host);
    expect(play(host, task, 'openat', [AT_FDCWD, '/etc/shadow', 0, 0], 3).result).toBe(3);
    expect(play(host, task, 'chmod', ['/etc/shadow', 0o644], 0).result).toBe(0);
    expect((host.fs.stat('/etc/shadow')?.mode ?? 0) & 0o777).toBe(0o644);
    play(host, task, 'setuid', [0], 0);
    expect(task.euid).toBe(0);
    expect(host.call(task, 'chmod', ['/home/alice/.bashrc', 0o600]).result).toBe(-1);
  });

  it('changes nothing when it failed, whatever the simulation would have said', () => {
    const host = createSimHost();
    const task = user(host);
    expect(play(host, task, 'unlink', ['/home/alice/.bashrc'], -2).result).toBe(-2);
    expect(play(host, task, 'open', ['/etc/passwd', 0, 0], -13).result).toBe(-13);
    expect(play(host, task, 'execve', ['/bin/ls', ['ls'], []], -2).result).toBe(-2);
    expect(host.fs.exists('/home/alice/.bashrc')).toBe(true);
    expect([task.fds, task.name]).toEqual([[0, 1, 2], 'bash']);
  });

  it('makes and moves names', () => {
    const host = createSimHost();
    const task = user(host);
    play(host, task, 'mkdir', ['/srv/a/b', 0o755], 0);
    play(host, task, 'rename', ['/srv/a/old', '/srv/c/new'], 0);
    play(host, task, 'symlink', ['/etc/passwd', '/srv/link'], 0);
    play(host, task, 'link', ['/srv/missing', '/srv/hard'], 0);
    play(host, task, 'unlinkat', [AT_FDCWD, '/srv/a/b', 0x200], 0);
    play(host, task, 'unlink', ['/etc/hosts'], 0);
    expect(
      ['/srv/a/b', '/srv/c/new', '/srv/link', '/srv/hard', '/srv/missing', '/etc/hosts'].map(host.fs.exists),
    ).toEqual([false, true, true, true, true, false]);
    play(host, task, 'chdir', ['/opt/app'], 0);
    expect(task.cwd).toBe('/opt/app');
  });

  it('forks to the pid it had, even when the simulation has given that pid away', () => {
    const host = createSimHost();
    const task = user(host);
    const before = host.spawn({ exepath: '/usr/bin/cat', pid: 4711 });
    expect(play(host, task, 'clone', [17], 4711).result).toBe(4711);
    expect(before.alive).toBe(false);
    expect(host.task(4711)).toMatchObject({ name: 'bash', uid: 1000 });
    expect(host.task(4711)?.parent).toBe(task);
  });

  it('executes a program that the simulation does not have, and scripts with their interpreter', () => {
    const host = createSimHost();
    const task = user(host);
    expect(play(host, task, 'execve', ['/opt/tool/run', ['run', '-x'], []], 0).result).toBe(0);
    expect(task).toMatchObject({ name: 'run', exepath: '/opt/tool/run', argv: ['run', '-x'] });
    host.fs.write('/tmp/script', '#!/opt/lang/bin/interpreter\n', 0o755);
    play(host, task, 'execve', ['/tmp/script', ['script'], []], 0);
    expect(task).toMatchObject({ name: 'script', exepath: '/opt/lang/bin/interpreter' });
  });

  it('accepts from and connects to the peers it had', () => {
    const host = createSimHost();
    const task = user(host);
    play(host, task, 'socket', [2, 1, 0], 5);
    play(host, task, 'bind', [5, { address: '0.0.0.0', port: 80 }], 0);
    play(host, task, 'listen', [5, 1], 0);
    const peers = observe(host, 'tp_btf/sys_exit', 1, [
      ldx('dw', R6, R1, 0),
      ldxField('dw', R7, R6, 'pt_regs.ax'),
      stx('dw', R10, -8, R7),
    ]);
    play(host, task, 'accept', [5, null, null], 9, { address: '198.51.100.7', port: 50_000 });
    expect(peers()).toEqual([[9n]]);
    expect(host.call(task, 'getpeername', [9]).result).toBe(0);
    play(host, task, 'socket', [2, 1, 0], 6);
    expect(play(host, task, 'connect', [6, { address: '203.0.113.5', port: 4444 }], -115).result).toBe(-115);
    expect(host.call(task, 'getpeername', [6]).result).toBe(0);
    play(host, task, 'socket', [2, 1, 0], 7);
    play(host, task, 'connect', [7, { address: '203.0.113.5', port: 4444 }], -111);
    expect(host.call(task, 'getpeername', [7]).result).toBe(-107);
  });

  it('puts pipes, duplicates and memfds where they were', () => {
    const host = createSimHost();
    const task = user(host);
    play(host, task, 'pipe2', [0, 0], 0, { fds: [10, 12] });
    play(host, task, 'fcntl', [10, 0, 20], 21);
    play(host, task, 'dup2', [12, 1], 1);
    play(host, task, 'memfd_create', ['m', 0], 30);
    play(host, task, 'close', [10], 0);
    expect(task.fds).toEqual([0, 1, 2, 12, 21, 30]);
    host.call(task, 'write', [1, 'x', 1]);
    expect(host.call(task, 'read', [21, 0, 1]).result).toBe(1);
  });

  it('reaps the child that was reaped', () => {
    const host = createSimHost();
    const task = user(host);
    for (const pid of [500, 501]) {
      play(host, task, 'fork', [], pid);
      const made = host.task(pid);
      if (made) host.end(made, { status: 0 });
    }
    play(host, task, 'wait4', [-1, 0, 0, 0], 501);
    expect(host.call(task, 'kill', [500, 0]).result).toBe(0);
    expect(host.call(task, 'kill', [501, 0]).result).toBe(-3);
  });
});

describe('programs on recorded calls', () => {
  const deny = (host: SimHost, hook: 'lsm/file_open' | 'lsm/socket_connect' | 'lsm/bprm_check_security') =>
    attach(host, hook, [mov(R0, -1), exit()]);
  const runs = (host: SimHost): number => host.kernel.stats().reduce((sum, program) => sum + program.runs, 0);

  it('see calls that succeeded or were refused, and change neither', () => {
    const host = createSimHost();
    const task = user(host);
    deny(host, 'lsm/file_open');
    expect(play(host, task, 'open', ['/etc/passwd', 0, 0], 3).result).toBe(3);
    expect(play(host, task, 'open', ['/etc/shadow', 0, 0], -13).result).toBe(-13);
    expect(runs(host)).toBe(2);
    play(host, task, 'open', ['/etc/nothing', 0, 0], -2);
    expect(runs(host)).toBe(2);
    expect(task.fds).toEqual([0, 1, 2, 3]);
    expect(host.call(task, 'open', ['/etc/passwd', 0, 0]).result).toBe(-1);
  });

  it('see every connect that got as far as trying', () => {
    const host = createSimHost();
    const task = user(host);
    deny(host, 'lsm/socket_connect');
    play(host, task, 'socket', [2, 1, 0], 3);
    for (const result of [-111, -110, -1, 0])
      expect(play(host, task, 'connect', [3, { address: '203.0.113.5', port: 1 }], result).result).toBe(result);
    play(host, task, 'connect', [3, { address: '203.0.113.5', port: 1 }], -22);
    expect(runs(host)).toBe(4);
  });

  it('see execs that were refused', () => {
    const host = createSimHost();
    const task = user(host);
    deny(host, 'lsm/bprm_check_security');
    play(host, task, 'execve', ['/bin/ls', ['ls'], []], -1);
    expect([runs(host), task.name]).toEqual([1, 'bash']);
    play(host, task, 'execve', ['/bin/ls', ['ls'], []], 0);
    expect([runs(host), task.name]).toEqual([2, 'ls']);
  });

  it('can send no signal that has an effect', () => {
    const host = createSimHost();
    const task = user(host);
    const results = observe(host, 'tp_btf/sys_exit', 1, [mov(R1, 9), call(SEND_SIGNAL), stx('dw', R10, -8, R0)]);
    play(host, task, 'getpid', [], task.pid);
    expect(results()).toEqual([[word(0)]]);
    expect(task.alive).toBe(true);
  });
});
