import { describe, expect, it } from 'vitest';
import { EVENT_TYPES } from '../../../rules/index.ts';
import { createSimHost, type SimHost, type SimHostOptions } from '../../../sensors/index.ts';

/** Calls of every kind, and what came of them. */
const play = (options: SimHostOptions): unknown[] => {
  const host = createSimHost(options);
  const task = host.spawn({ exepath: '/usr/bin/bash', uid: 1000, cwd: '/home/alice', tty: 'pts/0' });
  const log: unknown[] = [];
  const note = (name: string, args: Parameters<SimHost['call']>[2]): number => {
    const { result, data } = host.call(task, name, args);
    log.push([name, result, data, host.bootNs]);
    return result;
  };
  note('open', ['/tmp/x', 0o102, 0o600]);
  note('write', [3, 'hello', 5]);
  note('socket', [2, 2, 0]);
  note('sendto', [4, 'x', 1, 0, { address: '127.0.0.1', port: 53 }]);
  note('getrandom', [0, 16, 0]);
  note('fork', []);
  note('stat', ['/tmp/x', 0]);
  return [log, host.tasks().map(({ pid, name, startNs }) => [pid, name, startNs]), host.kernel.processes('/')];
};

describe('a simulated host', () => {
  it('gives the same run for the same seed, and another for another', () => {
    expect(play({ seed: 7 })).toEqual(play({ seed: 7 }));
    expect(play({ seed: 8 })).not.toEqual(play({ seed: 7 }));
  });

  it('takes one to five microseconds a call, and moves its clock only when told to', () => {
    const host = createSimHost({ bootTime: new Date('2026-03-01T12:00:00Z') });
    const before = host.bootNs;
    for (let count = 0; count < 1000; count++) host.call(host.root, 'getpid', []);
    const taken = Number(host.bootNs - before);
    expect(taken).toBeGreaterThan(1_000_000);
    expect(taken).toBeLessThan(5_000_000);
    expect(host.calls).toBe(1000);
    host.advance(1_000_000_000n);
    expect(host.bootNs).toBe(before + BigInt(taken) + 1_000_000_000n);
    expect(host.wallTime(1_500_000_000n)).toBe(BigInt(Date.parse('2026-03-01T12:00:01.500Z')) * 1_000_000n);
    expect(host.kernel.wallTime(0n)).toBe(host.wallTime(0n));
  });

  it('knows every call of the table, those it does not simulate as ENOSYS', () => {
    for (const { type, nr } of EVENT_TYPES.values()) {
      if (nr < 0) continue;
      const host = createSimHost({ memory: 4 * 1024 * 1024 });
      const task = host.spawn({ exepath: '/usr/bin/bash' });
      expect(Number.isInteger(host.call(task, type, [0, 0, 0, 0, 0, 0]).result), type).toBe(true);
    }
    const host = createSimHost();
    expect(host.call(host.root, 'landlock_create_ruleset', [null, 0, 0]).result).toBe(-38);
    expect(host.call(host.root, 'create_module', ['x', 0]).result).toBe(-38);
  });

  it('refuses what no call can take', () => {
    const host = createSimHost();
    expect(() => host.call(host.root, 'getpid', [1, 2, 3, 4, 5, 6, 7])).toThrow(
      'getpid got 7 arguments; a system call takes at most 6',
    );
    expect(() => host.call(host.root, 'accept', [3], { abi: 'ia32' })).toThrow(
      'the ia32 table has no system call "accept"',
    );
    expect(host.call(host.root, 'open', [0x1234, 0, 0]).result).toBe(-14);
  });

  it('has facts of its processes for the loader', () => {
    const host = createSimHost({ level: '6.1', hostname: 'web-1' });
    const nginx = host.spawn({
      exepath: '/usr/sbin/nginx',
      argv: ['nginx', '-g'],
      uid: 33,
      cgroup: '/system.slice/nginx',
    });
    const worker = host.call(nginx, 'clone', [0x10000 | 0x800 | 0x100]).result;
    expect(host.tasks().map((task) => task.pid)).toContain(worker);
    const [, ...others] = host.kernel.processes('/');
    expect(others).toHaveLength(1);
    expect(others).toMatchObject([
      {
        pid: nginx.pid,
        start: nginx.startNs,
        parentPid: 1,
        parentStart: host.root.startNs,
        name: 'nginx',
        exepath: '/usr/sbin/nginx',
        argv: ['nginx', '-g'],
        memfd: false,
        uid: 33,
        cgroup: '/system.slice/nginx',
      },
    ]);
    expect(host.kernel.features).toMatchObject({ name: 'sim 6.1', level: '6.1', enforcement: true });
    expect(host.fs.read('/etc/hostname')).toBe('web-1\n');
    expect(host.kernel.fileId('/bin/bash')).toEqual(host.kernel.fileId('/usr/bin/bash'));
    expect(host.kernel.fileId('/nothing')).toBeUndefined();
  });

  it('reads and writes files from outside', () => {
    const host = createSimHost();
    host.fs.write('/srv/app/config', 'a=1', 0o640, 5, 6);
    host.fs.symlink('config', '/srv/app/link');
    host.fs.mkdir('/srv/empty', 0o700, 7);
    expect(host.fs.read('/srv/app/link')).toBe('a=1');
    expect(host.fs.stat('/srv/app/link')).toMatchObject({ mode: 0o100640, uid: 5, gid: 6, nlink: 1, size: 3 });
    expect(host.fs.list('/srv')).toEqual(['app', 'empty']);
    expect(() => host.fs.read('/srv')).toThrow('there is no regular file "/srv" in the simulated file system');
    expect(() => host.fs.list('/srv/app/config')).toThrow(
      'there is no directory "/srv/app/config" in the simulated file system',
    );
    expect(() => host.fs.write('srv/x', '')).toThrow('"srv/x" is not an absolute path; write "/srv/x"');
    expect(() => host.fs.write('/srv/app/config/x', '')).toThrow(
      '"/srv/app/config/x" can\'t be in the simulated file system',
    );
    expect(() => host.fs.symlink('x', '/srv/app')).toThrow(
      '"/srv/app" is there already; a symbolic link can\'t take its place',
    );
  });

  it('changes files for itself alone, whatever it has in common with others', () => {
    const [one, other] = [createSimHost(), createSimHost()];
    const [path, O_WRONLY] = ['/usr/bin/cat', 1];
    const before = other.fs.read(path);
    const root = one.spawn({ exepath: '/usr/bin/bash', uid: 0 });
    expect(one.call(root, 'open', [path, O_WRONLY, 0]).result).toBe(3);
    expect(one.call(root, 'write', [3, 'text', 4]).result).toBe(4);
    expect(one.fs.read(path)).toBe(`text${before.slice(4)}`);
    const copied = one.fs.read('/usr/bin/ls');
    expect(one.call(root, 'truncate', ['/usr/bin/ls', 2]).result).toBe(0);
    expect(one.call(root, 'truncate', ['/usr/bin/ls', 4]).result).toBe(0);
    expect(one.fs.read('/usr/bin/ls')).toBe(`${copied.slice(0, 2)}\0\0`);
    expect([other.fs.read(path), other.fs.read('/usr/bin/ls')]).toEqual([before, copied]);
    expect(createSimHost().fs.read(path)).toBe(before);
  });

  it('does not grow while the same things happen again and again', () => {
    const host = createSimHost({ memory: 4 * 1024 * 1024 });
    const task = host.spawn({ exepath: '/usr/bin/bash' });
    for (let round = 0; round < 3000; round++) {
      const child = host.task(host.call(task, 'fork', []).result);
      if (!child) throw new Error('fork made no task');
      host.call(child, 'execve', ['/bin/ls', ['ls', '-l'], ['A=b']]);
      host.call(child, 'open', ['/tmp/a-name-that-is-longer-than-a-dentry-holds-inline', 0o102, 0o600]);
      host.call(child, 'unlink', ['/tmp/a-name-that-is-longer-than-a-dentry-holds-inline']);
      host.call(child, 'socket', [2, 1, 0]);
      host.call(child, 'pipe', [0]);
      host.call(child, 'memfd_create', ['m', 0]);
      host.call(child, 'chdir', ['/proc/self']);
      host.call(child, 'exit_group', [0]);
      expect(host.call(task, 'wait4', [-1, 0, 0, 0]).result).toBe(child.pid);
    }
    expect(host.tasks()).toHaveLength(2);
  });
});
