import { constants } from 'node:os';
import type { SimArgument, SimHost, SimTask } from '../../../sensors/index.ts';
import type { Fact, Happened } from './oracle.ts';

const AT_FDCWD = -100;
const FAR = 0xdead_0000;
const CLONE_PARENT = 0x8000;
/** Bytes from which on a path or an argument vector is longer than what is read. */
const LONG_PATH = 255;
const LONG_ARGV = 512;

const is = (value: string | number | bigint | boolean | readonly string[]): Fact => ({
  is: typeof value === 'number' ? BigInt(value) : value,
});

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** A process as the test knows it. */
interface Known {
  task: SimTask;
  readonly pid: number;
  parent: Known | undefined;
  name: string;
  exepath: string;
  /** Undefined: longer than what is read at exec. */
  argv: readonly string[] | undefined;
  uid: number;
  cwd: string;
  readonly fds: Map<number, { readonly path: string; readonly type: string }>;
  /** A second thread, where it has one. */
  thread?: SimTask;
}

/** One step of a history, in numbers that choose. */
export type Step = readonly [action: number, who: number, a: number, b: number, c: number];

const LINKS = new Map([
  ['/bin', 'usr/bin'],
  ['/sbin', 'usr/sbin'],
  ['/w/link.txt', 'a.txt'],
  ['/w/dirlink', 'sub'],
  ['/usr/bin/python', 'python3'],
]);

/** Where a path leads, links followed, by the tree that `plant` makes. */
const resolve = (path: string): string => {
  const found: string[] = [];
  const left = path.split('/');
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') found.pop();
    if (part === '' || part === '.' || part === '..') continue;
    const target = LINKS.get(`/${[...found, part].join('/')}`);
    if (target === undefined) found.push(part);
    else left.unshift(...target.split('/'));
  }
  return `/${found.join('/')}`;
};

/** A path made absolute by its text alone. */
const absolute = (base: string, path: string): string => {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${base}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
};

const LONG = `/w/${'x'.repeat(150)}/${'y'.repeat(120)}`;
const LONG_MISSING = `/w/${'z'.repeat(250)}/${'z'.repeat(50)}`;

export const PATHS = [
  '/w/a.txt',
  '/w/b.log',
  '/w/sub/c.txt',
  'a.txt',
  'sub/../b.log',
  './sub//c.txt',
  '/w/link.txt',
  '/w/dirlink/c.txt',
  'dirlink/../a.txt',
  '../w/sub/deep/d.conf',
  '/w/missing.txt',
  'nothing/here',
  '/w/./sub/../gone',
  '/tmp/t.txt',
  '/etc/shadow',
  '/w',
  '/w/sub/',
  '/',
  'deep/d.conf',
  '',
  LONG,
  LONG_MISSING,
  '/w/sub/deep',
] as const;

/** Paths that are made, renamed and taken away; nothing else lies in their folder. */
const NAMES = ['/w/n/one', '/w/n/two', 'n/three', '/w/n/../n/one', '/w//n/two', '/w/n/none/x'] as const;
const FOLDERS = ['/w', '/w/sub', '/tmp', 'sub', '..', '/w/none', '/w/dirlink'] as const;
const PROGRAMS = [
  '/usr/bin/cat',
  '/bin/bash',
  '/w/daemon-with-a-long-name',
  '/usr/bin/python',
  '/usr/bin/su',
  '/w/none',
  'tool',
  './sub/tool2',
  '/w/a.txt',
] as const;
const ARGUMENTS: readonly (readonly string[])[] = [
  ['cat', '/etc/shadow'],
  ['bash'],
  [],
  [''],
  ['x', ''],
  ['sh', '-c', 'id; echo evil'],
  ['-bash', '--login', 'two words', 'x'],
  ['long', 'y'.repeat(600)],
  ['edge', 'e'.repeat(LONG_ARGV - 7)],
  ['over', 'e'.repeat(LONG_ARGV - 6)],
];
const FLAGS: readonly (readonly [flags: number, text: string])[] = [
  [0, 'O_RDONLY'],
  [1, 'O_WRONLY'],
  [2, 'O_RDWR'],
  [0o101, 'O_WRONLY|O_CREAT'],
  [0o2002, 'O_RDWR|O_APPEND'],
  [0o200000, 'O_RDONLY|O_DIRECTORY'],
  [0o1000000 | 0o2000000, 'O_RDONLY|O_NOATIME|O_CLOEXEC'],
];
const REMOTES = [
  { address: '203.0.113.5', port: 4444 },
  { address: '203.0.113.5', port: 81 },
  { address: '198.51.100.7', port: 443 },
  { address: '2001:db8:1::5', port: 443 },
  { address: '::ffff:203.0.113.5', port: 4444 },
] as const;
const SIGNALS: readonly (readonly [number, string])[] = [
  [0, '0'],
  [9, 'SIGKILL'],
  [15, 'SIGTERM'],
  [17, 'SIGCHLD'],
  [34, '34'],
];
const UIDS = [0, 33, 1000] as const;

/** What the local end is called here: no condition of the test names it. */
const LOCAL = { ipv4: '192.0.2.99', ipv6: '2001:db8:ffff::1', port: 60_001 };

const plant = (host: SimHost): void => {
  const { fs } = host;
  for (const folder of ['/w', '/w/sub/deep', '/w/n']) fs.mkdir(folder, 0o777);
  fs.mkdir(LONG.slice(0, LONG.lastIndexOf('/')), 0o777);
  for (const file of ['/w/a.txt', '/w/b.log', '/w/sub/c.txt', '/w/sub/deep/d.conf', '/tmp/t.txt', LONG])
    fs.write(file, 'some text', 0o666);
  for (const program of ['/w/daemon-with-a-long-name', '/w/tool', '/w/sub/tool2', '/w/sub/tool'])
    fs.write(program, '\x7fELF', 0o755);
  fs.symlink('a.txt', '/w/link.txt');
  fs.symlink('sub', '/w/dirlink');
  host.network.declareRemote('203.0.113.5', 4444);
  host.network.declareRemote('198.51.100.7', 443);
  host.network.declareRemote('2001:db8:1::5', 443);
};

/** A simulated host on which steps happen, and what the test knows of them from its own calls and their results. */
export interface World {
  /** Makes one step happen and says which events that was. */
  happen(step: Step): readonly Happened[];
  /** What happened, for messages. */
  readonly story: string[];
}

export const createWorld = (host: SimHost): World => {
  plant(host);
  const living: Known[] = [];
  const story: string[] = [];
  let events: Happened[] = [];
  const pick = <Value>(list: readonly Value[], number: number): Value => list[number % list.length] as Value;

  const init: Known = {
    task: host.root,
    pid: 1,
    parent: undefined,
    name: 'systemd',
    exepath: '/usr/lib/systemd/systemd',
    argv: ['/sbin/init'],
    uid: 0,
    cwd: '/',
    fds: new Map(),
  };
  const spawn = (exepath: string, argv: readonly string[], uid: number, cwd: string, parent: Known): Known => {
    const task = host.spawn({ exepath, argv, uid, cwd, parent: parent.task });
    const name = exepath.slice(exepath.lastIndexOf('/') + 1).slice(0, 15);
    const process = { task, pid: task.pid, parent, name, exepath, argv, uid, cwd, fds: new Map() };
    living.push(process);
    return process;
  };
  const server = spawn('/usr/sbin/nginx', ['nginx', '-g', 'daemon off'], 0, '/w', init);
  spawn('/usr/bin/bash', ['-bash'], 1000, '/w', server);
  spawn('/w/daemon-with-a-long-name', ['d', 'v'.repeat(700)], 0, '/w/sub', init);

  const ancestors = (process: Known): readonly Known[] =>
    process.parent === undefined ? [] : [process.parent, ...ancestors(process.parent)];

  const processFacts = (process: Known): [string, Fact][] => {
    const { argv, name, uid } = process;
    const above = ancestors(process);
    return [
      ['proc.name', is(name)],
      ['proc.exepath', is(process.exepath)],
      ['proc.exe', argv === undefined ? 'unknown' : is(argv[0] ?? '')],
      ['proc.args', argv === undefined ? 'unknown' : is(argv.slice(1).join(' '))],
      ['proc.cmdline', argv === undefined ? 'unknown' : is([name, ...argv.slice(1)].join(' '))],
      ['proc.pname', above[0] === undefined ? 'absent' : is(above[0].name)],
      ['proc.aname', is(above.map((each) => each.name))],
      ['proc.aname[2]', above[1] === undefined ? 'absent' : is(above[1].name)],
      ['proc.pid', is(process.pid)],
      ['user.uid', is(uid)],
    ];
  };
  const resultFacts = (result: number): [string, Fact][] => [
    ['evt.rawres', is(result)],
    ['evt.res', is(result >= 0 ? 'SUCCESS' : (ERRNO_NAMES.get(-result) ?? '?'))],
    ['evt.failed', is(result < 0)],
  ];
  const emit = (type: string, process: Known, ...facts: (readonly [string, Fact])[]): void => {
    const all = new Map<string, Fact>([['evt.type', is(type)], ...processFacts(process), ...facts]);
    events.push({ type, pid: process.pid, facts: all });
  };
  const fileFacts = (path: string, type: string): [string, Fact][] => {
    const slash = path.lastIndexOf('/');
    const long = path.length >= LONG_PATH;
    return [
      ['fd.name', long ? 'unknown' : is(path)],
      ['fd.directory', long ? 'unknown' : is(path.slice(0, Math.max(1, slash)))],
      ['fd.filename', long ? 'unknown' : is(path.slice(slash + 1))],
      ['fd.typechar', is(type)],
    ];
  };
  const noFlags: [string, Fact] = ['evt.arg[flags]', is('0')];
  const unknownFile: [string, Fact][] = ['fd.name', 'fd.directory', 'fd.filename', 'fd.typechar'].map((field) => [
    field,
    'unknown',
  ]);
  /** A path as the caller passed it; undefined: memory that can't be read. */
  const passed = (base: string | undefined, path: string | undefined): Fact => {
    if (path === undefined || path.length > LONG_PATH) return 'unknown';
    if (!path.startsWith('/') && base === undefined) return 'unknown';
    return is(absolute(base ?? '/', path));
  };
  const exists = (path: string): string =>
    host.fs.exists(path) && ((host.fs.stat(path)?.mode ?? 0) & 0o170000) === 0o040000 ? 'd' : 'f';

  const call = (
    process: Known,
    name: string,
    args: readonly SimArgument[],
    abi: 'x86-64' | 'ia32' = 'x86-64',
    thread = false,
  ): number => {
    const { result } = host.call(thread && process.thread?.alive ? process.thread : process.task, name, args, { abi });
    const shown = args.map((each) => (typeof each === 'object' ? JSON.stringify(each) : String(each)));
    story.push(`${process.pid} ${process.name}: ${name}(${shown.join(', ')}) ${abi} = ${result}`);
    return result;
  };

  /** A directory to start from: the argument and its path. */
  const folderOf = (process: Known, choice: number): { dirfd: number; base: string | undefined } => {
    const open = [...process.fds].filter(([, { type }]) => type === 'd');
    const options = [
      { dirfd: AT_FDCWD, base: process.cwd },
      ...open.map(([fd, { path }]) => ({ dirfd: fd, base: path })),
    ];
    return choice % 7 === 6 ? { dirfd: 98, base: undefined } : pick(options, choice);
  };

  const open = (process: Known, a: number, b: number, c: number): void => {
    const path = pick(PATHS, a);
    const [flags, flagsText] = pick(FLAGS, b);
    const kind = pick(['open', 'openat', 'openat2', 'creat', 'openat'], c);
    const abi = c % 3 === 0 ? 'ia32' : 'x86-64';
    const unreadable = c % 11 === 10;
    const text: SimArgument = unreadable ? FAR : path;
    const { dirfd, base } =
      kind === 'open' || kind === 'creat' ? { dirfd: AT_FDCWD, base: process.cwd } : folderOf(process, a + b);
    const creates = kind === 'creat';
    const args: Record<string, readonly SimArgument[]> = {
      open: [text, flags, 0o644],
      openat: [dirfd, text, flags, 0o644],
      openat2: [dirfd, text, { flags, mode: (flags & 0o100) === 0 ? 0 : 0o644 }],
      creat: [text, 0o644],
    };
    const result = call(process, kind, args[kind] ?? [], kind === 'openat2' ? 'x86-64' : abi, b % 2 === 0);
    const name = passed(base, unreadable ? undefined : path);
    const access = creates ? 1 : flags & 3;
    const facts: (readonly [string, Fact])[] = [
      ...resultFacts(result),
      ['fs.path.name', name],
      ['evt.arg[name]', name],
      ['evt.is_open_read', is(access !== 1)],
      ['evt.is_open_write', is(access !== 0)],
      ['evt.is_open_create', is(creates || (flags & 0o100) !== 0)],
      ['fd.num', is(Math.max(result, -1))],
    ];
    if (kind === 'open' || kind === 'openat') facts.push(['evt.arg[flags]', is(flagsText)]);
    if (result >= 0) {
      const real = resolve(path.startsWith('/') ? path : `${base}/${path}`);
      const type = exists(real);
      process.fds.set(result, { path: real, type });
      facts.push(...fileFacts(real, type));
    } else if (name === 'unknown' || name === 'absent') facts.push(...unknownFile, ['fd.typechar', is('f')]);
    else facts.push(...fileFacts(String(name.is), 'f'));
    emit(kind, process, ...facts);
  };

  const onDescriptor = (process: Known, a: number, b: number): void => {
    const fd = pick([...process.fds.keys(), 97, -1], a);
    const file = process.fds.get(fd);
    const kind = pick(['read', 'write', 'fchmod', 'close', 'dup', 'fstat'], b);
    const args: Record<string, readonly SimArgument[]> = {
      read: [fd, null, 0],
      write: [fd, 'x', 0],
      fchmod: [fd, 0o644],
      close: [fd],
      dup: [fd],
      fstat: [fd, null],
    };
    const result = call(process, kind, args[kind] ?? []);
    const at = kind === 'dup' ? Math.max(result, -1) : fd;
    if (kind === 'dup' && result >= 0 && file !== undefined) process.fds.set(result, file);
    if (kind === 'close') process.fds.delete(fd);
    const facts = at < 0 ? [] : kind === 'close' || file === undefined ? unknownFile : fileFacts(file.path, file.type);
    emit(kind, process, ...resultFacts(result), ...facts, ['fd.num', is(at)], ['evt.arg[fd]', is(String(fd))]);
  };

  const onPath = (process: Known, a: number, b: number, c: number): void => {
    const kind = pick(['unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'chmod', 'stat', 'truncate', 'chdir'], b);
    const path = kind === 'chdir' ? pick(FOLDERS, a) : pick(NAMES, a);
    const at = kind.endsWith('at') && kind !== 'stat';
    const { dirfd, base } = at ? folderOf(process, c) : { dirfd: AT_FDCWD, base: process.cwd };
    const unreadable = c % 11 === 10;
    const text: SimArgument = unreadable ? FAR : path;
    const abi = c % 3 === 0 ? 'ia32' : 'x86-64';
    const rest =
      kind.startsWith('mkdir') || kind === 'chmod' ? [0o700] : kind === 'unlinkat' || kind === 'truncate' ? [0] : [];
    const result = call(process, kind, [...(at ? [dirfd] : []), text, ...rest], abi);
    let name = passed(base, unreadable ? undefined : path);
    if (kind === 'chdir' && result === 0) {
      process.cwd = resolve(path.startsWith('/') ? path : `${base}/${path}`);
      name = is(process.cwd);
    }
    const argument = kind === 'chmod' ? 'filename' : kind === 'truncate' || kind === 'unlinkat' ? 'name' : 'path';
    const flags = kind === 'unlinkat' ? [noFlags] : [];
    emit(kind, process, ...resultFacts(result), ['fs.path.name', name], [`evt.arg[${argument}]`, name], ...flags);
  };

  const onTwoPaths = (process: Known, a: number, b: number, c: number): void => {
    const kind = pick(['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat'], b);
    const source = pick(NAMES, a);
    const target = pick(NAMES, a + 1 + (c % 4));
    const from = kind.includes('at') ? folderOf(process, a) : { dirfd: AT_FDCWD, base: process.cwd };
    const to = kind.includes('at') ? folderOf(process, c) : { dirfd: AT_FDCWD, base: process.cwd };
    const args: Record<string, readonly SimArgument[]> = {
      rename: [source, target],
      renameat: [from.dirfd, source, to.dirfd, target],
      renameat2: [from.dirfd, source, to.dirfd, target, 0],
      link: [source, target],
      linkat: [from.dirfd, source, to.dirfd, target, 0],
      symlink: ['nowhere', target],
      symlinkat: ['nowhere', to.dirfd, target],
    };
    const result = call(process, kind, args[kind] ?? [], c % 2 === 0 ? 'ia32' : 'x86-64');
    const at = passed(to.base, target);
    if (kind.startsWith('symlink')) {
      emit(
        kind,
        process,
        ...resultFacts(result),
        ['fs.path.name', at],
        ['fs.path.target', at],
        ['fs.path.source', 'unknown'],
        ['evt.arg[linkpath]', at],
      );
      return;
    }
    const name = passed(from.base, source);
    emit(
      kind,
      process,
      ...resultFacts(result),
      ['fs.path.source', name],
      ['fs.path.target', at],
      ['evt.arg[oldpath]', name],
      ['evt.arg[newpath]', at],
      ...(kind === 'renameat2' || kind === 'linkat' ? [noFlags] : []),
    );
  };

  const exec = (process: Known, a: number, b: number, c: number): void => {
    const path = pick(PROGRAMS, a);
    const argv = pick(ARGUMENTS, b);
    const kind = c % 4 === 3 ? 'execveat' : 'execve';
    const { dirfd, base } = kind === 'execve' ? { dirfd: AT_FDCWD, base: process.cwd } : folderOf(process, c);
    const before = process.thread;
    const byThread = c % 5 === 4;
    const result = call(
      process,
      kind,
      kind === 'execve' ? [path, argv, []] : [dirfd, path, argv, [], 0],
      'x86-64',
      byThread,
    );
    if (result < 0) {
      const name = passed(base, path);
      const flags = kind === 'execveat' ? [noFlags] : [];
      emit(kind, process, ...resultFacts(result), ['fs.path.name', name], ['evt.arg[filename]', name], ...flags);
      return;
    }
    if (byThread && before?.alive) process.task = host.task(process.pid) ?? process.task;
    delete process.thread;
    const real = resolve(path.startsWith('/') ? path : `${base}/${path}`);
    process.exepath = real;
    const filename = dirfd === AT_FDCWD || path.startsWith('/') ? path : `/dev/fd/${dirfd}/${path}`;
    process.name = filename.slice(filename.lastIndexOf('/') + 1).slice(0, 15);
    const passedArguments = argv.length === 0 ? [''] : argv;
    const size = passedArguments.reduce((sum, each) => sum + each.length + 1, 0);
    process.argv = size >= LONG_ARGV ? undefined : passedArguments;
    if (real === '/usr/bin/su') process.uid = 0;
    for (const fd of process.fds.keys()) if (!process.task.fds.includes(fd)) process.fds.delete(fd);
    emit('execve', process, ...resultFacts(0), ['fs.path.name', 'unknown'], ['evt.arg[filename]', 'unknown']);
  };

  const fork = (process: Known, a: number): void => {
    const kind = pick(['fork', 'vfork', 'clone'], a);
    const siblings = kind === 'clone' && process.parent !== undefined;
    const result = call(process, kind, siblings ? [CLONE_PARENT] : []);
    const task = host.task(result);
    if (task === undefined) throw new Error(`${kind} made no process`);
    const parent = siblings ? process.parent : process;
    const flags: [string, Fact][] =
      kind === 'clone' ? [['evt.arg[flags]', is(String(siblings ? CLONE_PARENT : 0))]] : [];
    const child = { ...process, task, pid: result, parent, fds: new Map(process.fds) };
    delete child.thread;
    living.push(child);
    emit(kind, process, ...resultFacts(result), ...flags);
    emit(kind, child, ...resultFacts(0), ...flags);
  };

  const thread = (process: Known): void => {
    const CLONE_THREAD = 0x10000 | 0x800 | 0x100 | 0x400 | 0x200;
    const result = call(process, 'clone', [CLONE_THREAD]);
    const made = host.task(result);
    if (made !== undefined) process.thread = made;
    const flags = ['evt.arg[flags]', is(String(CLONE_THREAD))] as const;
    emit('clone', process, ...resultFacts(result), flags);
    emit('clone', process, ...resultFacts(0), flags);
  };

  const close = (process: Known, fd: number): void => {
    const result = call(process, 'close', [fd]);
    emit('close', process, ...resultFacts(result), ...unknownFile, ['fd.num', is(fd)], ['evt.arg[fd]', is(String(fd))]);
  };
  const socketFacts = (fd: number, type: string): [string, Fact][] => [
    ['fd.num', is(fd)],
    ['fd.typechar', is(type)],
  ];
  /** A call that names a remote address. */
  const reach = (
    process: Known,
    kind: 'connect' | 'sendto',
    fd: number,
    six: boolean,
    remote: (typeof REMOTES)[number],
  ): void => {
    const to = { address: remote.address, port: remote.port };
    const result = call(process, kind, kind === 'connect' ? [fd, to] : [fd, 'hello', 5, 0, to]);
    const address = remote.address.replace('::ffff:', '');
    const local = address.includes(':') ? LOCAL.ipv6 : LOCAL.ipv4;
    const serverText = address.includes(':') ? `[${address}]:${remote.port}` : `${address}:${remote.port}`;
    emit(
      kind,
      process,
      ...resultFacts(result),
      ...socketFacts(fd, six ? '6' : '4'),
      ['evt.arg[fd]', is(String(fd))],
      ['fd.name', is(`127.0.0.9:60001->${serverText}`)],
      ['fd.sip', is(address)],
      ['fd.rip', is(address)],
      ['fd.snet', is(address)],
      ['fd.sport', is(remote.port)],
      ['fd.rport', is(remote.port)],
      ['fd.ip', is([local, address])],
      ['fd.net', is([local, address])],
      ['fd.port', is([String(LOCAL.port), String(remote.port)])],
      kind === 'sendto' ? noFlags : ['evt.arg[flags]', 'absent'],
    );
  };
  const socket = (process: Known, family: number, type: number, letter: string): number => {
    const fd = call(process, 'socket', [family, type, 0]);
    const name: [string, Fact][] = letter === 'u' ? [] : [['fd.name', is('127.0.0.9:60001')]];
    const domain = ['evt.arg[domain]', is(String(family))] as const;
    emit('socket', process, ...resultFacts(fd), ...socketFacts(fd, letter), ...name, domain);
    return fd;
  };
  const connect = (process: Known, a: number, b: number): void => {
    const remote = pick(REMOTES, a);
    const six = remote.address.includes(':');
    const udp = b % 3 === 2;
    const fd = socket(process, six ? 10 : 2, udp ? 2 : 1, six ? '6' : '4');
    if (udp) {
      reach(process, 'connect', fd, six, REMOTES[six ? 3 : 2]);
      reach(process, 'sendto', fd, six, remote);
    } else reach(process, 'connect', fd, six, remote);
    close(process, fd);
  };
  const unix = (process: Known): void => {
    const fd = socket(process, 1, 1, 'u');
    const result = call(process, 'connect', [fd, { path: '/run/none.sock' }]);
    emit('connect', process, ...resultFacts(result), ...socketFacts(fd, 'u'), ['evt.arg[fd]', is(String(fd))]);
    close(process, fd);
  };

  const netlink = (process: Known): void => {
    const fd = call(process, 'socket', [16, 3, 0]);
    const domain = ['evt.arg[domain]', is('16')] as const;
    emit('socket', process, ...resultFacts(fd), ...socketFacts(fd, 'o'), domain);
    close(process, fd);
  };

  const end = (process: Known): void => {
    living.splice(living.indexOf(process), 1);
    for (const other of living) if (other.parent === process) other.parent = init;
    emit('procexit', process, ['evt.arg[status]', 'unknown']);
  };

  const signal = (process: Known, a: number, b: number): void => {
    const target = pick(living, b);
    const [number, text] = pick(SIGNALS, a);
    const result = call(process, 'kill', [target.pid, number]);
    emit('kill', process, ...resultFacts(result), ['evt.arg[sig]', is(text)], ['evt.arg[pid]', is(String(target.pid))]);
    if (!target.task.alive) end(target);
  };

  const setuid = (process: Known, a: number): void => {
    if (process.thread?.alive) return;
    const uid = pick(UIDS, a);
    const result = call(process, 'setuid', [uid]);
    if (result === 0) process.uid = uid;
    emit('setuid', process, ...resultFacts(result), ['evt.arg[uid]', is(String(uid))]);
  };

  return {
    story,
    happen: ([action, who, a, b, c]) => {
      events = [];
      const process = pick(living, who);
      switch (
        pick(
          ['open', 'open', 'open', 'fd', 'path', 'path', 'two', 'exec', 'exec', 'fork', 'net', 'net', 'rare'],
          action,
        )
      ) {
        case 'open':
          open(process, a, b, c);
          break;
        case 'fd':
          onDescriptor(process, a, b);
          break;
        case 'path':
          onPath(process, a, b, c);
          break;
        case 'two':
          onTwoPaths(process, a, b, c);
          break;
        case 'exec':
          exec(process, a, b, c);
          break;
        case 'fork':
          if (living.length < 12) fork(process, a);
          break;
        case 'net':
          connect(process, a, b);
          break;
        default:
          if (a % 5 === 0) thread(process);
          else if (a % 5 === 1) (b % 2 === 0 ? unix : netlink)(process);
          else if (a % 5 === 2) setuid(process, b);
          else if (a % 5 === 3 && living.length > 2) signal(process, b, c);
          else if (living.length > 4) {
            story.push(`${process.pid} ${process.name}: exit_group`);
            host.call(process.task, 'exit_group', [0]);
            end(process);
          }
      }
      return events;
    },
  };
};
