import { PROGRAMS } from './values.ts';
import {
  bind,
  CGROUPS,
  close,
  connectUnix,
  end,
  exec,
  exit,
  FAMILIES,
  type From,
  fork,
  fromCwd,
  type Happened,
  type Known,
  kill,
  LONG,
  LONGEST,
  mount,
  moveToCgroup,
  onDescriptor,
  onPath,
  onTwoPaths,
  open,
  ptrace,
  reach,
  rename,
  request,
  setId,
  socket,
  startThread,
  TOO_LONG,
  type World,
} from './world/index.ts';

/** One step of a history, in numbers that choose. */
export type Step = readonly [action: number, who: number, a: number, b: number, c: number];

/** Paths that are opened. */
export const PATHS: readonly string[] = [
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
  LONGEST,
  TOO_LONG,
  `/w/${'z'.repeat(250)}/${'z'.repeat(50)}`,
  '/w/sub/deep',
  '/dev/null',
  '/w/ÄÖ.txt',
];
/** Paths that are made, renamed and taken away; nothing else lies in their folder. */
const NAMES = ['/w/n/one', '/w/n/two', 'n/three', '/w/n/../n/one', '/w//n/two', '/w/n/none/x'] as const;
const FOLDERS = ['/w', '/w/sub', '/tmp', 'sub', '..', '/w/none', '/w/dirlink'] as const;
const ARGUMENTS: readonly (readonly string[])[] = [
  ['cat', '/etc/shadow'],
  ['bash'],
  [],
  [''],
  ['x', ''],
  ['sh', '-c', 'id; echo evil'],
  ['-bash', '--login', 'two words', 'x'],
  ['CAT', '/ETC/Shadow'],
  ['cat', '/etc/shadow2'],
  ['long', 'y'.repeat(600)],
  ['edge', 'e'.repeat(505)],
  ['over', 'e'.repeat(506)],
];
const FLAGS = [0, 1, 2, 0o101, 0o2002, 0o200000, 0o3000000, 0o1001, 0o1102] as const;
const REMOTES = [
  { address: '203.0.113.5', port: 4444 },
  { address: '203.0.113.5', port: 81 },
  { address: '198.51.100.7', port: 443 },
  { address: '2001:db8:1::5', port: 443 },
  { address: '::ffff:203.0.113.5', port: 4444 },
  { address: '10.1.2.3', port: 53 },
  { address: '127.0.0.1', port: 8080 },
] as const;
const SIGNALS: readonly (readonly [number, string])[] = [
  [0, '0'],
  [9, 'SIGKILL'],
  [15, 'SIGTERM'],
  [17, 'SIGCHLD'],
  [34, '34'],
];
const IDS = [0, 33, 1000] as const;
const MODES = [0o700, 0o4755, 0o2711, 0, 0o1777] as const;

const pick = <Value>(list: readonly Value[], number: number): Value => list[number % list.length] as Value;

/** A directory to start from; one in seven is none. */
const folderOf = (process: Known, choice: number): From => {
  const open = [...process.fds].filter(([, { type }]) => type === 'd');
  const options: From[] = [fromCwd(process), ...open.map(([fd, { path }]) => ({ dirfd: fd, base: path }))];
  return choice % 7 === 6 ? { dirfd: 98, base: undefined } : pick(options, choice);
};

const connect = (world: World, process: Known, a: number, b: number): void => {
  const remote = pick(REMOTES, a);
  const six = remote.address.includes(':');
  const udp = b % 3 === 2;
  const fd = socket(world, process, six ? FAMILIES.ipv6 : FAMILIES.ipv4, udp ? 2 : 1);
  if (b % 4 === 1) bind(world, process, fd, { address: six ? 'fd00::15' : '10.0.2.15', port: 20_000 + (a % 9) });
  if (udp) {
    reach(world, process, 'connect', fd, REMOTES[six ? 3 : 2]);
    reach(world, process, 'sendto', fd, remote);
  } else reach(world, process, 'connect', fd, remote);
  if (b % 5 === 0) onDescriptor(world, process, 'dup2', fd, 50 + (a % 3));
  close(world, process, fd);
};

type Act = (world: World, process: Known, a: number, b: number, c: number) => void;

const ACTS: Readonly<Record<string, Act>> = {
  open: (world, process, a, b, c) => {
    const kind = pick(['open', 'openat', 'openat2', 'creat', 'openat'] as const, c);
    open(world, process, {
      kind,
      path: pick(PATHS, a),
      flags: pick(FLAGS, b),
      from: folderOf(process, a + b),
      abi: c % 3 === 0 ? 'ia32' : 'x86-64',
      unreadable: c % 11 === 10,
      thread: b % 2 === 0,
    });
  },
  descriptor: (world, process, a, b) => {
    const kind = pick(['read', 'write', 'fchmod', 'close', 'dup', 'fstat', 'dup2', 'dup3'] as const, b);
    onDescriptor(world, process, kind, pick([...process.fds.keys(), 97, -1], a), 60 + (a % 3));
  },
  path: (world, process, a, b, c) => {
    const kinds = [
      'unlink',
      'unlinkat',
      'mkdir',
      'mkdirat',
      'rmdir',
      'chmod',
      'stat',
      'truncate',
      'chdir',
      'fchmodat',
    ] as const;
    const kind = pick(kinds, b);
    onPath(world, process, {
      kind,
      path: kind === 'chdir' ? pick(FOLDERS, a) : pick(NAMES, a),
      from: folderOf(process, c),
      mode: pick(MODES, a + c),
      abi: c % 3 === 0 ? 'ia32' : 'x86-64',
      unreadable: c % 11 === 10,
    });
  },
  two: (world, process, a, b, c) => {
    const kind = pick(['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat'] as const, b);
    const source = kind.startsWith('sym') ? 'nowhere' : pick(NAMES, a);
    onTwoPaths(world, process, kind, source, pick(NAMES, a + 1 + (c % 4)), {
      from: folderOf(process, a),
      to: folderOf(process, c),
      abi: c % 2 === 0 ? 'ia32' : 'x86-64',
    });
  },
  exec: (world, process, a, b, c) => {
    exec(world, process, {
      path: pick(PROGRAMS, a),
      argv: pick(ARGUMENTS, b),
      env: pick([[], ['LANG=C'], ['HTTP_PROXY=x', 'LANG=C']], a + b),
      ...(c % 4 === 3 ? { from: folderOf(process, c) } : {}),
      thread: c % 5 === 4,
    });
  },
  fork: (world, process, a) => {
    if (world.living.length < 12) fork(world, process, pick(['fork', 'vfork', 'clone'] as const, a), true);
  },
  connect,
  request: (world, process, a, b, c) => {
    const kind = pick(['openat', 'openat', 'unlinkat', 'mkdirat'] as const, b);
    const path = kind === 'openat' ? pick(PATHS, a) : pick(NAMES, a);
    if (path === '') return;
    request(world, process, { kind, path, flags: pick(FLAGS, c), from: folderOf(process, c) });
  },
  mount: (world, process, a) => mount(world, process, pick(['/w/mnt', '/w/missing', 'mnt'], a)),
  ptrace: (world, process, a, b) =>
    ptrace(
      world,
      process,
      pick(['PTRACE_ATTACH', 'PTRACE_TRACEME', 'PTRACE_POKETEXT'] as const, a),
      pick(world.living, b),
    ),
  unix: (world, process) => connectUnix(world, process, '/run/none.sock'),
  netlink: (world, process) => close(world, process, socket(world, process, FAMILIES.netlink, 3)),
  thread: (world, process) => startThread(world, process),
  setuid: (world, process, a) => setId(world, process, 'setuid', pick(IDS, a)),
  setgid: (world, process, a) => setId(world, process, 'setgid', pick(IDS, a)),
  rename: (world, process, a) => rename(world, process, pick(['renamed', 'cat', 'a-name-that-is-long'], a)),
  move: (world, process, a) => moveToCgroup(world, process, pick(Object.values(CGROUPS), a)),
  kill: (world, process, a, b) => {
    if (world.living.length <= 2) return;
    const [number, name] = pick(SIGNALS, a);
    kill(world, process, pick(world.living, b), number, name);
  },
  exit: (world, process) => {
    if (world.living.length > 4) exit(world, process);
  },
};

const OFTEN = [
  'open',
  'open',
  'open',
  'descriptor',
  'path',
  'path',
  'two',
  'exec',
  'exec',
  'exec',
  'fork',
  'connect',
  'connect',
  'rare',
  'rare',
];
const RARE = [
  'unix',
  'netlink',
  'thread',
  'setuid',
  'setgid',
  'rename',
  'move',
  'move',
  'kill',
  'exit',
  'request',
  'request',
  'mount',
  'ptrace',
];

/** Processes to begin with. */
export const populate = (world: World): void => {
  const server = world.stand({ exepath: '/usr/sbin/nginx', argv: ['nginx', '-g', 'daemon off'] });
  world.stand({
    exepath: '/usr/bin/bash',
    argv: ['-bash'],
    uid: 1000,
    parent: server,
    tty: 'pts/3',
    cgroup: CGROUPS.docker,
  });
  world.stand({
    exepath: '/w/daemon-with-a-long-name',
    argv: ['d', 'v'.repeat(700)],
    cwd: '/w/sub',
    cgroup: CGROUPS.pod,
  });
};

/** Makes one step happen and says which events that was. */
export const happen = (world: World, [action, who, a, b, c]: Step): readonly Happened[] => {
  const chosen = pick(OFTEN, action);
  const act = ACTS[chosen === 'rare' ? pick(RARE, a + c) : chosen];
  const process = pick(world.living, who);
  act?.(world, process, a, b, c);
  if (!process.task.alive) end(world, process);
  return world.take();
};
