import { describe, expect, it } from 'vitest';
import { createSimHost } from '../../sensors/index.ts';
import { clangSkip } from '../support/clang.ts';
import { attachObject } from '../support/host-object.ts';
import { index } from '../support/loaded-object.ts';
import { pack, text, unpack } from '../support/pack.ts';

const AT_FDCWD = -100;
const [EPERM, ENOENT, EACCES] = [1, 2, 13];
const [AF_INET, SOCK_STREAM] = [2, 1];

const skip = clangSkip();

/** What clang made, in a whole simulated host: hooks fire because tasks make calls. */
describe.skipIf(skip)(`objects in the simulated host${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('exec_snoop and process_tree see an exec and its ancestors', () => {
    const host = createSimHost();
    const exec = attachObject(host, 'exec_snoop');
    const tree = attachObject(host, 'process_tree', { programs: ['with_bounded_loop', 'with_bpf_loop'] });
    const daemon = host.spawn({ exepath: '/usr/sbin/sshd', uid: 0 });
    const shell = host.spawn({ exepath: '/usr/bin/bash', uid: 1000, parent: daemon });
    expect(host.call(shell, 'execve', ['/usr/bin/ls', ['ls', '-la', '/etc'], []]).result).toBe(0);
    expect(host.call(shell, 'execve', ['/usr/bin/no-such-program', ['x'], []]).result).toBe(-ENOENT);
    const records = exec.records('records');
    expect(records.map((record) => unpack('u32 u32 u32 u32 c16 c64 u32 u32', record))).toEqual([
      [shell.pid, daemon.pid, 1000, 3, 'ls', '/usr/bin/ls', 12, 0],
    ]);
    expect(new TextDecoder().decode(records[0]!.subarray(104, 116))).toBe('ls\0-la\0/etc\0');
    for (const row of [0, 1])
      expect(unpack('u32 u32 u32', tree.lookup('ancestries', index(row))!)).toEqual([2, daemon.pid, 1]);
  });

  it('open_snoop, open_counts and dentry_path see the same opens', () => {
    const host = createSimHost();
    const snoop = attachObject(host, 'open_snoop');
    const counts = attachObject(host, 'open_counts');
    const paths = attachObject(host, 'dentry_path');
    host.fs.symlink('/etc/hosts', '/tmp/link');
    const shell = host.spawn({ exepath: '/usr/bin/bash', uid: 1000, cwd: '/home' });
    const open = (path: string, flags = 0) => host.call(shell, 'openat', [AT_FDCWD, path, flags, 0]).result;
    const [hosts, link, missing, shadow] = [
      open('/etc/hosts'),
      open('/tmp/link'),
      open('/nowhere'),
      open('/etc/shadow'),
    ];
    const relative = open('../etc/passwd');
    expect([missing, shadow]).toEqual([-ENOENT, -EACCES]);
    expect(snoop.records('records').map((record) => unpack('u32 s32 u32 s32 c128', record))).toEqual([
      [shell.pid, hosts, 0, 11, '/etc/hosts'],
      [shell.pid, link, 0, 10, '/tmp/link'],
      [shell.pid, -ENOENT, 0, 9, '/nowhere'],
      [shell.pid, -EACCES, 0, 12, '/etc/shadow'],
      [shell.pid, relative, 0, 14, '../etc/passwd'],
    ]);
    expect(unpack('u64 u64', counts.lookup('opens', index(shell.pid))!)).toEqual([3n, 2n]);
    // What the kernel opened, whatever it was called
    expect(paths.records('records').map((record) => new TextDecoder().decode(record))).toEqual([
      '/etc/hosts',
      '/etc/hosts',
      '/etc/passwd',
    ]);
  });

  it('lsm_file_open denies a file under every name it has', () => {
    const host = createSimHost();
    const guard = attachObject(host, 'lsm_file_open');
    const { dev, ino } = host.fs.stat('/etc/shadow')!;
    guard.update('protected', pack('u64 u64', ino, dev), pack('u32 u32', 42, 0));
    const root = host.spawn({ exepath: '/usr/bin/bash', uid: 0 });
    const open = (path: string) => host.call(root, 'openat', [AT_FDCWD, path, 0, 0]);
    expect(open('/etc/shadow')).toMatchObject({ result: -EPERM, deniedBy: 'lsm/file_open' });
    expect(host.call(root, 'link', ['/etc/shadow', '/etc/innocent']).result).toBe(0);
    expect(open('/etc/innocent').result).toBe(-EPERM);
    expect(open('/etc/passwd').result).toBeGreaterThanOrEqual(0);
    expect(unpack('u32 u32', guard.lookup('protected', pack('u64 u64', ino, dev))!)).toEqual([42, 2]);
  });

  it('lsm_exec denies set-uid programs and what lies in /tmp', () => {
    const host = createSimHost();
    const guard = attachObject(host, 'lsm_exec');
    host.fs.write('/tmp/miner', '\x7fELF', 0o755);
    const shell = host.spawn({ exepath: '/usr/bin/bash', uid: 1000 });
    const exec = (path: string) => host.call(shell, 'execve', [path, ['x'], []]).result;
    expect([exec('/tmp/miner'), exec('/usr/bin/sudo'), exec('/usr/bin/ls')]).toEqual([-EPERM, -EPERM, 0]);
    expect(guard.records('denials').map((record) => unpack('u32 u32 c64', record))).toEqual([
      [shell.pid, 1, '/tmp/miner'],
      [shell.pid, 100, '/usr/bin/sudo'],
    ]);
  });

  it('lsm_connect denies ports, some of them to root only', () => {
    const host = createSimHost();
    const guard = attachObject(host, 'lsm_connect');
    guard.update('denied_ports', index(4444), Uint8Array.of(2));
    guard.update('denied_ports', index(22), Uint8Array.of(1));
    for (const port of [22, 443, 4444]) host.network.declareRemote('203.0.113.9', port);
    const connect = (uid: number, port: number) => {
      const task = host.spawn({ exepath: '/usr/bin/curl', uid });
      const { result: fd } = host.call(task, 'socket', [AF_INET, SOCK_STREAM, 0]);
      return host.call(task, 'connect', [fd, { address: '203.0.113.9', port }]).result;
    };
    expect([connect(1000, 443), connect(1000, 22), connect(1000, 4444)]).toEqual([0, 0, -EPERM]);
    expect([connect(0, 443), connect(0, 22), connect(0, 4444)]).toEqual([0, -EPERM, -EPERM]);
  });

  it('fd_tracker and work_queue follow forks and exits', () => {
    const host = createSimHost();
    const tracker = attachObject(host, 'fd_tracker');
    const queue = attachObject(host, 'work_queue');
    const shell = host.spawn({ exepath: '/usr/bin/bash', uid: 0 });
    const watched = (pid: number) => {
      const value = tracker.lookup('watched', index(pid));
      return value && unpack('u64 u32 u32', value);
    };
    tracker.update('watched', index(shell.pid), pack('u64 u32 u32', 0, 0, 0));
    const { result: fd } = host.call(shell, 'openat', [AT_FDCWD, '/etc/hosts', 0, 0]);
    const children = [1, 2].map(() => host.task(host.call(shell, 'fork', []).result)!);
    const [first, second] = children;
    expect(watched(first!.pid)).toEqual([1n << BigInt(fd), 0, shell.pid]);
    host.call(first!, 'close', [fd]);
    expect(watched(first!.pid)).toEqual([0n, 0, shell.pid]);
    for (const child of children) host.call(child, 'exit_group', [0]);
    expect([watched(first!.pid), watched(second!.pid)]).toEqual([undefined, undefined]);
    expect([tracker.number('ended'), tracker.number('most')]).toEqual([2n, 1n]);
    expect(queue.records('pairs').map((record) => unpack('u32 u32 u32 u32 s32', record))).toEqual([
      [shell.pid, first!.pid, shell.pid, second!.pid, second!.pid],
      [shell.pid, second!.pid, shell.pid, first!.pid, -1],
    ]);
  });

  it('ring_discard and rate_limiter choose from many calls', () => {
    const host = createSimHost();
    const getppid = 110;
    const discard = attachObject(host, 'ring_discard', { variables: { wanted: getppid } });
    const limiter = attachObject(host, 'rate_limiter');
    const task = host.spawn({ exepath: '/usr/bin/bash', uid: 0 });
    for (let i = 0; i < 20; i++) host.call(task, i % 4 === 0 ? 'getppid' : 'getpid', []);
    const records = discard.records('records').map((record) => unpack('u64 u32 u32', record));
    expect(records).toEqual([0n, 4n, 8n, 12n, 16n].map((sequence) => [sequence, task.pid, getppid]));
    expect(discard.number('discarded')).toBe(15n);
    const events = () => limiter.records('events').map((record) => unpack('u32 u32 u64', record)[2]);
    expect(events()).toEqual([0n, 0n, 0n, 0n, 0n]);
    host.advance(1_000_000_000n);
    host.call(task, 'getpid', []);
    expect(events()).toEqual([15n]);
  });

  it('texts in records end where the kernel ended them', () => {
    const host = createSimHost();
    const snoop = attachObject(host, 'open_snoop', { variables: { only_failures: 1 } });
    const task = host.spawn({ exepath: '/usr/bin/bash', uid: 0 });
    host.call(task, 'openat', [AT_FDCWD, `/tmp/${'x'.repeat(200)}`, 0, 0]);
    const [record] = snoop.records('records');
    expect(unpack('x12 s32', record!)).toEqual([128]);
    expect(text(record!.subarray(16))).toBe(`/tmp/${'x'.repeat(122)}`);
  });
});
