import { describe, expect, it } from 'vitest';
import { inline, play } from './play.ts';

/** What each step's call came to, in words. */
const results = async (steps: unknown): Promise<readonly string[]> => {
  const { outcomes, problems } = await play(inline(steps));
  return [...outcomes.map(({ by, text, result }) => `${by ?? '-'}: ${text} = ${result}`), ...problems];
};

describe('steps', () => {
  it('open, write, read and close files by the names that steps give them', async () => {
    const steps = [
      { openat: '/tmp/a', flags: ['O_RDWR', 'O_CREAT'], mode: '0600' },
      { write: 'hello' },
      { open: '/etc/hostname' },
      { pread64: '/tmp/a', pos: 1 },
      { pread64: { fd: '/tmp/a', pos: 1, count: 2 } },
      { close: 'file' },
      { close: 4, expect: 'EBADF' },
      { openat2: { path: '/tmp/a', flags: 'O_WRONLY|O_TRUNC' } },
      { creat: '/tmp/b', mode: 0o640 },
      { openat: ['AT_FDCWD', '/tmp/b', 'O_RDONLY'] },
      { openat: ['/tmp/b', 2] },
    ];
    expect(await results(steps)).toStrictEqual([
      'bash: openat /tmp/a O_RDWR|O_CREAT 0600 = 3',
      'bash: write hello = 5',
      'bash: open /etc/hostname = 4',
      'bash: pread64 /tmp/a 1 = 4',
      'bash: pread64 /tmp/a 2 1 = 2',
      'bash: close file = 0',
      'bash: close 4 = -9',
      'bash: openat2 /tmp/a O_WRONLY|O_TRUNC = 4',
      'bash: creat /tmp/b 416 = 5',
      'bash: openat AT_FDCWD /tmp/b O_RDONLY = 6',
      'bash: openat /tmp/b 2 = 7',
    ]);
  });

  it('start processes: of programs by name and by path, forked, in place, from memory', async () => {
    const { outcomes, host, problems } = await play(
      inline([
        { exec: ['id'] },
        { getuid: [] },
        {
          exec: {
            path: '/opt/tool',
            argv: ['tool', '-a'],
            as: 't',
            uid: 33,
            gid: 34,
            cgroup: '/system.slice/x.service',
          },
        },
        { getuid: [] },
        { fork: 'kid', by: 't' },
        { getpid: [] },
        { execve: ['/bin/sh', ['sh', '-i']], as: 'shell', by: 'kid' },
        { getppid: [], by: 'shell' },
        { memfd_create: 'code', by: 'shell' },
        { write: '\x7fELF', by: 'shell' },
        { exec: { memfd: 'code', argv: ['ghost'] }, by: 'shell' },
        { clone: { flags: ['CLONE_VM', 'CLONE_VFORK'] }, as: 'clone', by: 'ghost' },
        { exit: 3, by: 'clone' },
      ]),
    );
    expect(problems).toStrictEqual([]);
    const byName = (name: string) => host.tasks().find((task) => task.name === name);
    expect(byName('id')).toMatchObject({ exepath: '/usr/bin/id', argv: ['id'], uid: 0 });
    expect(byName('id')?.parent?.name).toBe('bash');
    expect(byName('tool')).toMatchObject({ argv: ['tool', '-a'], uid: 33, gid: 34, cgroup: '/system.slice/x.service' });
    expect(byName('sh')).toMatchObject({ exepath: '/usr/bin/sh', uid: 33, argv: ['sh', '-i'] });
    expect(outcomes[3]?.result).toBe(33);
    expect(outcomes[5]?.result).toBe(byName('sh')?.pid);
    expect(outcomes[7]?.result).toBe(byName('tool')?.pid);
    expect(host.tasks().find(({ argv }) => argv[0] === 'ghost')?.exepath).toMatch(/^\/memfd:code/);
  });

  it('connect, listen and accept', async () => {
    const steps = {
      remotes: [{ address: '203.0.113.5:80', reply: 'HTTP' }],
      processes: [{ name: 'server', listen: ['0.0.0.0:8080'] }],
      incoming: [{ from: '198.51.100.9:1', port: 8080, data: 'early' }],
      steps: [
        { connect: '203.0.113.5:80' },
        { read: 'socket' },
        { dup2: ['socket', 0] },
        { dup3: ['socket', 5, 'O_CLOEXEC'] },
        { connect: '127.0.0.1:7', expect: 'ECONNREFUSED' },
        { accept: null, by: 'server' },
        { read: 'socket', by: 'server' },
        { accept: { from: '198.51.100.7:50000', data: 'GET /' }, by: 'server' },
        { recvfrom: 3, by: 'server' },
        { bind: '[::1]:9000', by: 'bash' },
        { listen: '[::1]:9000' },
        { connect: '[::1]:9000', type: 'SOCK_STREAM', by: 'server' },
        { accept4: null, by: 'bash' },
        { bind: '/run/x.sock', by: 'bash' },
        { sendto: { text: 'q', address: '203.0.113.9:53', fd: 9 }, expect: 'EBADF', by: 'bash' },
      ],
    };
    expect(await results(steps)).toStrictEqual([
      'bash: connect 203.0.113.5:80 = 0',
      'bash: read socket = 4',
      'bash: dup2 socket 0 = 0',
      'bash: dup3 socket 5 O_CLOEXEC = 5',
      'bash: connect 127.0.0.1:7 = -111',
      'server: accept = 4',
      'server: read socket = 5',
      'server: accept 198.51.100.7:50000 GET / = 5',
      'server: recvfrom 3 = 3',
      'bash: bind [::1]:9000 = 0',
      'bash: listen [::1]:9000 = 0',
      'server: connect [::1]:9000 SOCK_STREAM = 0',
      'bash: accept4 = 7',
      'bash: bind /run/x.sock = 0',
      'bash: sendto q 203.0.113.9:53 9 = -9',
    ]);
  });

  it('change names, modes, owners, users and mounts', async () => {
    const steps = [
      { mkdir: '/tmp/d' },
      { creat: '/tmp/d/f' },
      { rename: ['/tmp/d/f', '/tmp/d/g'] },
      { link: ['/tmp/d/g', '/tmp/d/h'] },
      { symlink: ['/tmp/d/g', '/tmp/d/l'] },
      { chmod: ['/tmp/d/g', '4755'] },
      { chown: ['/tmp/d/g', 33, 33] },
      { truncate: ['/tmp/d/g', 0] },
      { chdir: '/tmp/d' },
      { unlink: 'l' },
      { unlinkat: ['/tmp/d/h'] },
      { mount: ['tmpfs', '/mnt', 'tmpfs'] },
      { umount2: '/mnt' },
      { ptrace: ['PTRACE_ATTACH', 'sshd'] },
      { init_module: 'code' },
      { exec: { argv: ['user'], uid: 1000 } },
      { setuid: 0, expect: 'EPERM' },
      { setresuid: [1000, 1000, 1000] },
      { kill: ['sshd', 'SIGTERM'], expect: -1 },
      { mount: ['tmpfs', '/mnt', 'tmpfs'], expect_errno: 'EPERM' },
      { init_module: 'code', expect: '< 0' },
      { pipe2: [] },
      { write: 'x', fd: 'pipe.write' },
      { read: 'pipe.read' },
      { wait: '1.5s' },
      'getppid',
    ];
    const { problems, outcomes, host } = await play(inline(steps));
    expect(problems).toStrictEqual([]);
    expect(outcomes).toHaveLength(steps.length);
    expect(host.fs.list('/tmp/d')).toStrictEqual(['g']);
    expect(host.fs.stat('/tmp/d/g')).toMatchObject({ uid: 33, gid: 33, size: 0, nlink: 1 });
  });

  it('are made in virtual time, which waits lengthen', async () => {
    const at = async (steps: unknown): Promise<bigint> => (await play(inline(steps))).host.bootNs;
    const without = await at([{ getpid: [] }, { getpid: [] }]);
    const withWait = await at([{ getpid: [] }, { wait: '1.5s' }, { getpid: [] }]);
    expect(Number((withWait - without) / 1_000_000n)).toBe(1510);
  });

  it('are 32-bit calls where they say so', async () => {
    const { outcomes } = await play(inline([{ openat: '/etc/passwd', abi: 'ia32' }]));
    expect(outcomes).toMatchObject([{ call: 'openat', result: 3 }]);
  });
});

describe('an inline scenario', () => {
  it('finds what its steps name and none of them makes', async () => {
    const { problems, host } = await play(
      inline([
        { openat: '/etc/app/secret' },
        { exec: ['no-such-tool'] },
        { exec: { path: '/home/bob/x' } },
        { connect: '203.0.113.5:4444' },
        { rename: ['/srv/old', '/srv/new'], by: 'bash' },
        { openat: { path: '/srv/data/log', flags: ['O_WRONLY', 'O_CREAT'] } },
        { openat: '/srv/missing', expect: 'ENOENT' },
      ]),
    );
    expect(problems).toStrictEqual([]);
    expect(host.fs.list('/srv')).toStrictEqual(['data', 'new']);
  });
});

describe('an inline scenario that can not have what it names', () => {
  it('says so at the step', async () => {
    const { problems } = await play(inline([{ openat: '/etc/passwd/x' }, { exec: { path: '/etc/hosts/y' } }]));
    expect(problems).toStrictEqual([
      'test.yaml:1: step 1: bash: openat /etc/passwd/x returned ENOTDIR; where that is meant, write "expect: ENOTDIR".',
      'test.yaml:1: step 2: bash: exec /etc/hosts/y returned ENOTDIR; where that is meant, write "expect: ENOTDIR".',
    ]);
  });
});

describe('a process of a scenario', () => {
  it('is who and where it is said to be, otherwise where its parent is', async () => {
    const { host } = await play(
      inline({
        processes: [
          { name: 'app', path: '/opt/app', argv: ['app', 7], uid: 33, tty: 'pts/4', cwd: '/srv' },
          { name: 'helper', parent: 'app', gid: 5 },
        ],
        steps: [{ exec: { argv: ['id'], uid: 1000 } }],
      }),
    );
    const byName = (name: string) => host.tasks().find((task) => task.name === name);
    expect(byName('app')).toMatchObject({ exepath: '/opt/app', argv: ['app', '7'], uid: 33, gid: 33, cwd: '/srv' });
    expect(byName('app')?.cgroup).toBe('/system.slice/app.service');
    expect(byName('helper')).toMatchObject({ uid: 33, gid: 5, cgroup: '/system.slice/app.service' });
    expect(byName('id')).toMatchObject({ uid: 1000, gid: 1000, cwd: '/root' });
    expect(byName('id')?.cgroup).toBe('/user.slice/user-0.slice/session-1.scope');
  });
});
