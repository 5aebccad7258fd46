import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createReplaySensor, type OnProblem } from '../../../sensors/replay/index.ts';
import { temporaryFolder } from '../../support/folder.ts';

const play = async (text: string, onProblem: OnProblem = 'skip') => {
  const path = join(temporaryFolder(), 'a.strace');
  writeFileSync(path, text);
  const sensor = createReplaySensor({ path, onProblem });
  const report = await sensor.run(() => {}, new AbortController().signal);
  return {
    host: sensor.host,
    kernel: sensor.kernel,
    calls: report.calls,
    problems: report.problems.map((it) => it.replace(path, 'FILE')),
  };
};

const lines = (...text: string[]): string => `${text.join('\n')}\n`;

describe('replay', () => {
  it('gives the host the state that the recorded calls left', async () => {
    const { host, calls, problems } = await play(
      lines(
        '42    1700000000.000000 execve("/usr/bin/python3", ["python3", "a.py"], 0x7ffd0 /* 4 vars */) = 0',
        '42    1700000000.000100 openat(AT_FDCWD</srv>, "data", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</srv/data>',
        '42    1700000000.000200 write(3</srv/data>, "two\\nlines", 9) = 9',
        '42    1700000000.000300 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 4<TCP:[77]>',
        '42    1700000000.000400 connect(4<TCP:[77]>, {sa_family=AF_INET, sin_port=htons(4444), sin_addr=inet_addr("198.51.100.7")}, 16) = 0',
        '42    1700000000.000500 dup2(4<TCP:[10.0.0.1:5000->198.51.100.7:4444]>, 0</dev/null>) = 0<TCP:[10.0.0.1:5000->198.51.100.7:4444]>',
        '42    1700000000.000600 unlink("/srv/data") = -1 EACCES (Permission denied)',
        '42    1700000000.000700 pipe2([5<pipe:[78]>, 9<pipe:[78]>], 0) = 0',
        '42    1700000002.500000 mkdir("/srv/new", 0700) = 0',
      ),
    );
    expect(problems).toEqual([
      'FILE:9: the recording ends while process 42 still runs: it was cut off here, or strace was stopped',
    ]);
    expect(calls).toBe(9);
    const task = host.task(42);
    expect(task).toMatchObject({ name: 'python3', argv: ['python3', 'a.py'], cwd: '/srv', fds: [0, 1, 2, 3, 4, 5, 9] });
    expect(task?.parent?.name).toBe('strace');
    expect(host.fs.read('/srv/data')).toBe('two\nlines');
    expect(host.fs.exists('/srv/new')).toBe(true);
    expect(Number(host.wallTime(host.bootNs) / 1_000_000n)).toBe(1_700_000_002_500);
  });

  it('lets a child begin before the call that made it returns', async () => {
    const { host, problems } = await play(
      lines(
        '42    execve("/bin/bash", ["bash"], 0x7ffd0 /* 4 vars */) = 0',
        '42    clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>',
        '43    execve("/bin/cat", ["cat", "/etc/hostname"], 0x55e5 /* 4 vars */) = 0',
        '42    <... clone resumed>, child_tidptr=0x7f8c) = 43',
        '43    openat(AT_FDCWD, "/etc/hostname", O_RDONLY) = 3',
        '42    vfork( <unfinished ...>',
        '50    execve("/usr/bin/id", ["id"], 0x55e5 /* 4 vars */ <unfinished ...>',
        '42    <... vfork resumed>)              = 50',
        '50    <... execve resumed>)             = 0',
        '50    exit_group(3)                     = ?',
        '50    +++ exited with 3 +++',
        '42    --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=50, si_uid=0, si_status=3, si_utime=0, si_stime=0} ---',
        '43    +++ killed by SIGKILL +++',
      ),
    );
    expect(problems).toEqual([
      'FILE:13: the recording ends while process 42 still runs: it was cut off here, or strace was stopped',
    ]);
    expect(
      host
        .tasks()
        .filter((task) => task.pid >= 42)
        .map((task) => task.pid),
    ).toEqual([42]);
  });

  it('ends a process with all its threads, whatever they were in', async () => {
    const { host, calls, problems } = await play(
      lines(
        '42    execve("/usr/bin/node", ["node"], 0x7ffd0 /* 4 vars */) = 0',
        '42    clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD, exit_signal=0, stack=0x7f45, stack_size=0x7e80} => {parent_tid=[43]}, 88) = 43',
        '43    futex(0x7f45, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>',
        '42    exit_group(0)                     = ?',
        '43    <... futex resumed>)              = ?',
        '43    +++ exited with 0 +++',
        '42    +++ exited with 0 +++',
      ),
    );
    expect(problems).toEqual([]);
    expect(calls).toBe(3);
    expect([host.task(42), host.task(43)]).toEqual([undefined, undefined]);
  });

  it('follows a symbolic link where the recording shows one', async () => {
    const { host, kernel } = await play(
      lines(
        '42    execve("/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0',
        '42    openat(AT_FDCWD</>, "/etc/localtime", O_RDONLY|O_CLOEXEC) = 3</usr/share/zoneinfo/Etc/UTC>',
      ),
    );
    expect(host.fs.exists('/usr/share/zoneinfo/Etc/UTC')).toBe(true);
    expect(kernel.fileId('/etc/localtime')).toEqual(kernel.fileId('/usr/share/zoneinfo/Etc/UTC'));
  });

  it('makes directories where the recording shows them', async () => {
    const { host, problems } = await play(
      lines(
        '42    execve("/usr/bin/find", ["find"], 0x7ffd0 /* 4 vars */) = 0',
        '42    newfstatat(AT_FDCWD</srv>, "a", {st_mode=S_IFDIR|0755, st_size=60, ...}, AT_SYMLINK_NOFOLLOW) = 0',
        '42    openat(AT_FDCWD</srv>, "a", O_RDONLY|O_DIRECTORY) = 3</srv/a>',
        '42    statx(3</srv/a>, "b", AT_STATX_SYNC_AS_STAT, STATX_MODE, {stx_mask=STATX_MODE, stx_mode=S_IFDIR|0755, ...}) = 0',
        '42    openat(3</srv/a>, "b", O_RDONLY|O_DIRECTORY) = 4</srv/a/b>',
        '42    openat(4</srv/a/b>, "c", O_RDONLY|O_DIRECTORY) = 5</srv/a/b/c>',
        '42    +++ exited with 0 +++',
      ),
    );
    expect(problems).toEqual([]);
    expect(host.fs.list('/srv/a/b')).toEqual(['c']);
    expect(host.fs.list('/srv/a/b/c')).toEqual([]);
  });

  it('knows a directory that is opened like a file by what is reached below it later', async () => {
    const { host, problems } = await play(
      lines(
        '42    execve("/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0',
        '42    openat(AT_FDCWD</>, "/usr/lib/locale/C.utf8/LC_MESSAGES", O_RDONLY|O_CLOEXEC) = 3</usr/lib/locale/C.utf8/LC_MESSAGES>',
        '42    openat(AT_FDCWD</>, "/srv/list", O_RDONLY) = 4</srv/list>',
        '42    read(4</srv/list>, "/srv/list/is/what/it/says", 4096) = 25',
        '42    openat(AT_FDCWD</>, "/usr/lib/locale/C.utf8/LC_MESSAGES/SYS", O_RDONLY|O_CLOEXEC) = 5</usr/lib/locale/C.utf8/LC_MESSAGES/SYS>',
        '42    getpid() = 42',
      ),
    );
    expect(problems.filter((problem) => problem.includes('descriptor'))).toEqual([]);
    expect(host.fs.list('/usr/lib/locale/C.utf8/LC_MESSAGES')).toEqual(['SYS']);
    expect(host.fs.read('/srv/list')).toBe('');
  });

  it('runs what lies in memory, by the descriptor it was executed from', async () => {
    const { kernel, problems } = await play(
      lines(
        '42    execve("/usr/bin/python3", ["python3"], 0x7ffd0 /* 4 vars */) = 0',
        '42    memfd_create("kthread", 0) = 3</memfd:kthread>(deleted)',
        '42    execve("/proc/self/fd/3", ["[kthread]"], 0x7ffd0 /* 4 vars */) = 0',
        '42    getpid() = 42',
      ),
    );
    expect(problems).toHaveLength(1);
    expect(kernel.processes('/').find((process) => process.pid === 42)).toMatchObject({
      memfd: true,
      argv: ['[kthread]'],
      name: '3',
    });
  });

  it('has strace and its child in the kernel before anything is played', () => {
    const path = join(temporaryFolder(), 'a.strace');
    writeFileSync(
      path,
      lines(
        '42    execve("/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0',
        '42    geteuid() = 1000',
        '42    getegid() = 100',
        '42    ioctl(0</dev/pts/3<char 136:3>>, TCGETS, {c_iflag=ICRNL|IXON, ...}) = 0',
        '42    openat(AT_FDCWD</home/alice>, "x", O_RDONLY) = -1 ENOENT (No such file or directory)',
        '42    +++ exited with 1 +++',
      ),
    );
    const { kernel, host } = createReplaySensor({ path, onProblem: 'stop' });
    const child = kernel.processes('/').find((process) => process.pid === 42);
    expect(child).toMatchObject({ name: 'strace', uid: 1000, parentPid: 41 });
    expect(kernel.processes('/').find((process) => process.pid === 41)).toMatchObject({ name: 'strace', parentPid: 1 });
    expect(host.task(42)).toMatchObject({ uid: 1000, gid: 100, cwd: '/home/alice' });
    expect(host.fs.stat('/dev/pts/3')).toBeDefined();
  });

  it('runs a process of which the recording tells no origin as unknown, and says so', async () => {
    const { host, problems } = await play(
      lines(
        '42    getpid() = 42',
        '60    openat(AT_FDCWD, "/etc/hostname", O_RDONLY) = 3',
        '42    +++ exited with 0 +++',
      ),
    );
    expect(problems).toEqual([
      'FILE:1: process 42 ran before the recording began: its program is unknown until it calls execve',
      'FILE:2: process 60 appears without the clone that made it: its program and its parent are unknown until it calls execve',
      'FILE:3: the recording ends while process 60 still runs: it was cut off here, or strace was stopped',
    ]);
    expect(host.task(60)).toMatchObject({ name: 'unknown', fds: [0, 1, 2, 3] });
  });

  it('ends at the first problem where that is asked for', async () => {
    const text = lines(
      '42    execve("/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0',
      '42    mkdir("/srv/a", 0700) = 0',
      '42    mkdir("/srv/b", 0700 = 0',
      '42    mkdir("/srv/c", 0700) = 0',
      '42    +++ exited with 0 +++',
    );
    const problem = 'FILE:3: expected a comma or ); found "= 0"';
    const stopped = await play(text, 'stop');
    expect(stopped.problems).toEqual([problem]);
    expect(['a', 'b', 'c'].filter((name) => stopped.host.fs.exists(`/srv/${name}`))).toEqual(['a']);
    const skipped = await play(text, 'skip');
    expect(skipped.problems).toEqual([problem]);
    expect(['a', 'b', 'c'].filter((name) => skipped.host.fs.exists(`/srv/${name}`))).toEqual(['a', 'c']);
  });

  it('names the file where there is no recording in it', async () => {
    expect((await play('<html></html>\n')).problems).toEqual([
      'FILE:1: this is no log of strace\'s; expected a line of strace: name(arguments) = result, --- SIGNAL ---, or +++ exited with 0 +++; found "<html></html>"',
    ]);
    expect((await play('')).problems).toEqual([
      'FILE: the recording is empty; expected the text that strace -f -o FILE writes',
    ]);
  });

  it('refuses a file that is not there', () => {
    expect(() => createReplaySensor({ path: 'no/such.strace', onProblem: 'stop' })).toThrow(
      'cannot read the recording no/such.strace (ENOENT): give the path of a log that strace -f -o FILE wrote',
    );
  });

  it('does nothing more once it is aborted', async () => {
    const path = join(temporaryFolder(), 'a.strace');
    writeFileSync(
      path,
      lines('42    execve("/bin/cat", ["cat"], 0x7ffd0 /* 4 vars */) = 0', '42    +++ exited with 0 +++'),
    );
    const sensor = createReplaySensor({ path, onProblem: 'stop' });
    const controller = new AbortController();
    controller.abort();
    expect(await sensor.run(() => {}, controller.signal)).toEqual({ calls: 0, problems: [] });
  });
});
