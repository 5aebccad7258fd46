import type { Random } from '../../support/random.ts';
import { type Run, startRun } from './simulation.ts';
import { ACTORS, type Argument, type Outcome, type Step } from './step.ts';
import { PATHS, PROGRAM_PATHS, PROLOGUE } from './tree.ts';

/** What arguments are chosen with: who makes the call, and what is there for it. */
interface Choice {
  readonly random: Random;
  readonly run: Run;
  readonly slot: number;
  /** Paths that may be there: those of the tree and those that calls have used. */
  readonly paths: string[];
}

const ENOSYS = -38;
const AT_FDCWD = -100;
const LONGEST_NAME = `/tmp/${'n'.repeat(255)}`;
const NEW = ['n1', 'n2', 'n3', 'made', 'sub'];
const WRITABLE = ['/tmp', '/tmp/d', '/tmp/g', '/home/u', '/home/v', '/open', '/tmp/full', '/etc'];

const EDGES: readonly (readonly [weight: number, path: Argument])[] = [
  [2, ''],
  [1, null],
  [2, { bad: true }],
  [2, '/'],
  [3, '.'],
  [3, '..'],
  [2, '/../../tmp/f'],
  [2, '../../../../../etc/passwd'],
  [2, LONGEST_NAME],
  [2, `${LONGEST_NAME}n`],
  [2, `${'/'.repeat(4090)}tmp/f`],
  [2, `${'/'.repeat(4091)}tmp/f`],
  [1, `/nothing/${'n'.repeat(256)}`],
  [2, '/loop'],
  [2, '/loop/x'],
  [2, `/c/39`],
  [2, `/c/40`],
  [2, '/tmp/f/'],
  [2, '/tmp/f/x'],
  [2, '/tmp/f/.'],
  [2, '/tmp/d/'],
  [1, '/tmp/d/.'],
  [1, '/tmp/d/..'],
  [2, '/link/'],
  [2, '/dlink/'],
  [2, '/gone/'],
  [2, '/nothing/x'],
  [2, '/priv/x'],
  [2, '/open/shut/x'],
  [1, '//tmp//f'],
];

const path = (choice: Choice): Argument => {
  const { random, paths } = choice;
  const drawn = random.below(100);
  if (drawn < 60) return random.pick(paths);
  if (drawn < 72) return newPath(choice);
  if (drawn < 80) return random.pick(paths).replace(/^\/(tmp\/|home\/u\/|)/, '') || '.';
  if (drawn < 83) return `${random.pick(paths)}/`;
  return random.weighted(EDGES);
};

/** A name in a directory that somebody may write to, which may be there already. */
const newPath = ({ random }: Choice): string =>
  random.chance(0.15) ? random.pick(NEW) : `${random.pick(WRITABLE)}/${random.pick(NEW)}`;

const target = (choice: Choice): Argument => (choice.random.chance(0.7) ? newPath(choice) : path(choice));

const fd = ({ random, run, slot }: Choice): number => {
  const open = run.tasks[slot]?.fds ?? [];
  return open.length > 0 && random.chance(0.88) ? random.pick(open) : random.pick([9, 99, -1, 1023, 1024, AT_FDCWD]);
};

const directory = (choice: Choice): number => (choice.random.chance(0.7) ? AT_FDCWD : fd(choice));

/** A process: one of the sequence's, the first, none. */
const pid = ({ random, run }: Choice): Argument => {
  const drawn = random.below(10);
  if (drawn === 0) return random.pick([{ pid: 1 }, { pid: 30_000 }, { pid: 0 }]);
  const made = run.tasks.filter((task) => task !== undefined);
  return { pid: random.pick(made).pid - run.pidOffset };
};

const group = (choice: Choice): Argument => {
  const one = pid(choice);
  const negative = typeof one === 'object' && one !== null && 'pid' in one && choice.random.chance(0.2);
  return negative ? { pid: -one.pid } : one;
};

const mode = ({ random }: Choice): number =>
  random.pick([0o644, 0o600, 0o755, 0o777, 0o700, 0o4755, 0o2755, 0o2745, 0o1777, 0, 0o400, 0o6777, 0o311]);

const O_NONBLOCK = 0o4000;
const OPEN_BITS: readonly (readonly [probability: number, bits: number])[] = [
  [0.35, 0o100],
  [0.08, 0o200],
  [0.12, 0o1000],
  [0.1, 0o2000],
  [0.12, 0o200000],
  [0.08, 0o400000],
  [0.06, 0o10000000],
  [0.12, 0o2000000],
  [0.03, 0o1000000],
  [0.03, 0o20000000],
  [0.02, 0o400],
];

const flags = ({ random }: Choice): number => {
  if (random.chance(0.05)) return random.pick([0o20200001, 0o20200002]) | O_NONBLOCK;
  let value = random.weighted([
    [5, 0],
    [3, 1],
    [5, 2],
    [1, 3],
  ]);
  for (const [probability, bits] of OPEN_BITS) if (random.chance(probability)) value |= bits;
  return value | (random.chance(0.7) ? O_NONBLOCK : 0);
};

const id = ({ random }: Choice): number => random.pick([0, 1000, 1000, 1001, 1001, 5, -1]);
const signal = ({ random }: Choice): number =>
  random.pick([0, 0, 0, 0, 15, 9, 1, 10, 17, 17, 18, 18, 23, 28, 28, 64, 65, -1, 6]);
const ids = (list: readonly number[]): Uint8Array => new Uint8Array(new Uint32Array(list).buffer);

const CAPABILITY_VERSION_3 = 0x20080522;
const capabilityHeader = ({ random }: Choice): Uint8Array =>
  ids([random.chance(0.9) ? CAPABILITY_VERSION_3 : 0x12345678, random.pick([0, 0, 0, 0, 30_000, -1])]);
/** Effective, permitted and inheritable, 32 bits each, and the same for the capabilities from 32 on. */
const capabilitySets = ({ random }: Choice): Uint8Array => {
  const set = (): number => random.pick([0, 0, 0xffff_ffff, 0xff, 0x1, 0x20]);
  return ids([set(), set(), set(), random.pick([0, 0x1ff]), random.pick([0, 0x1ff]), 0]);
};

const buffer = (size: number, { random }: Choice): Argument => (random.chance(0.04) ? { bad: true } : { out: size });
const stat = (choice: Choice): Argument => buffer(144, choice);
const sigaction = ({ random }: Choice): Argument => {
  const bytes = new Uint8Array(32);
  bytes[0] = random.below(2);
  return bytes;
};
const argv = ({ random }: Choice): Argument =>
  random.weighted<Argument>([
    [10, ['x', '-y']],
    [1, null],
    [1, []],
    [1, { bad: true }],
  ]);
const executable = (choice: Choice): Argument =>
  choice.random.chance(0.5)
    ? choice.random.pick([...PROGRAM_PATHS, '/bin/script'])
    : choice.random.chance(0.5)
      ? choice.random.pick(PATHS.filter((one) => one.startsWith('/bin')))
      : path(choice);

/** Names a call's arguments are drawn for, with how often it is chosen. */
type Draw = (choice: Choice) => readonly Argument[];
const CALLS: Readonly<Record<string, readonly [weight: number, draw: Draw]>> = {
  open: [10, (c) => [path(c), flags(c), mode(c)]],
  openat: [8, (c) => [directory(c), path(c), flags(c), mode(c)]],
  openat2: [4, (c) => [directory(c), path(c), openHow(c), c.random.pick([24, 24, 24, 24, 24, 16])]],
  creat: [4, (c) => [target(c), mode(c)]],
  close: [5, (c) => [fd(c)]],
  close_range: [1, (c) => [c.random.pick([5, 9]), c.random.pick([7, 20, 3]), c.random.pick([0, 4, 4, 8])]],
  read: [6, (c) => [fd(c), buffer(100, c), c.random.pick([0, 1, 10, 100])]],
  write: [6, (c) => [fd(c), 'hello', c.random.pick([0, 1, 5])]],
  pread64: [3, (c) => [fd(c), buffer(100, c), 10, c.random.pick([0, 2, 100, -1])]],
  pwrite64: [3, (c) => [fd(c), 'hello', c.random.pick([0, 1, 5]), c.random.pick([0, 3, -1])]],
  lseek: [3, (c) => [fd(c), c.random.pick([0, 0, 5, -3]), c.random.pick([0, 0, 0, 1, 9])]],
  dup: [3, (c) => [fd(c)]],
  dup2: [3, (c) => [fd(c), c.random.pick([3, 5, 8, 9, -1, 5000, 1024])]],
  dup3: [2, (c) => [fd(c), c.random.pick([4, 8, -1]), c.random.pick([0, 0o2000000, 1])]],
  fcntl: [5, (c) => [fd(c), c.random.pick([0, 1, 2, 3, 4, 1030, 99]), c.random.pick([0, 1, 5, 0o4000, 0o2000, 1024])]],
  truncate: [3, (c) => [path(c), c.random.pick([0, 2, 20, -1])]],
  ftruncate: [3, (c) => [fd(c), c.random.pick([0, 3, 40, -1])]],
  stat: [5, (c) => [path(c), stat(c)]],
  lstat: [4, (c) => [path(c), stat(c)]],
  fstat: [4, (c) => [fd(c), stat(c)]],
  newfstatat: [4, (c) => [directory(c), path(c), stat(c), c.random.pick([0, 0, 0x100, 0x1000, 1])]],
  access: [3, (c) => [path(c), c.random.pick([0, 1, 2, 4, 7, 8])]],
  faccessat2: [
    3,
    (c) => [directory(c), path(c), c.random.pick([0, 1, 2, 4, 6]), c.random.pick([0, 0x200, 0x100, 0x1000, 2])],
  ],
  readlink: [3, (c) => [path(c), buffer(100, c), c.random.pick([100, 2, 0, -1])]],
  readlinkat: [1, (c) => [directory(c), path(c), buffer(100, c), 100]],
  mkdir: [6, (c) => [target(c), mode(c)]],
  mkdirat: [2, (c) => [directory(c), target(c), mode(c)]],
  rmdir: [4, (c) => [path(c)]],
  link: [4, (c) => [path(c), target(c)]],
  linkat: [3, (c) => [directory(c), path(c), directory(c), target(c), c.random.pick([0, 0x400, 1])]],
  symlink: [4, (c) => [path(c), target(c)]],
  symlinkat: [1, (c) => [path(c), directory(c), target(c)]],
  unlink: [4, (c) => [path(c)]],
  unlinkat: [3, (c) => [directory(c), path(c), c.random.pick([0, 0x200, 1])]],
  rename: [5, (c) => [path(c), target(c)]],
  renameat2: [5, (c) => [directory(c), path(c), directory(c), target(c), c.random.pick([0, 1, 2, 2, 3, 8])]],
  chmod: [4, (c) => [path(c), mode(c)]],
  fchmod: [2, (c) => [fd(c), mode(c)]],
  fchmodat: [1, (c) => [directory(c), path(c), mode(c)]],
  chown: [4, (c) => [path(c), id(c), id(c)]],
  fchown: [2, (c) => [fd(c), id(c), id(c)]],
  lchown: [2, (c) => [path(c), id(c), id(c)]],
  fchownat: [2, (c) => [directory(c), path(c), id(c), id(c), c.random.pick([0, 0x100, 0x1000, 1])]],
  umask: [2, (c) => [c.random.pick([0o022, 0, 0o077])]],
  chdir: [4, (c) => [path(c)]],
  fchdir: [2, (c) => [fd(c)]],
  getcwd: [3, (c) => [buffer(4096, c), c.random.pick([4096, 4096, 3])]],
  mknod: [3, (c) => [target(c), c.random.pick([0o010644, 0o100644, 0o140644, 0o040644, 0o666, 0o120644, 0o050000]), 0]],
  memfd_create: [
    2,
    (c) => [c.random.pick(['m', 'm', 'n'.repeat(249), 'n'.repeat(250), { bad: true }]), c.random.pick([0, 1, 2, 0x40])],
  ],
  pipe2: [3, (c) => [buffer(8, c), c.random.pick([0o4000, 0o4000, 0o2004000, 1])]],
  socketpair: [
    2,
    (c) => [c.random.pick([1, 1, 1, 2]), c.random.pick([0o4001, 0o4002, 0o4005, 0o2004001]), 0, buffer(8, c)],
  ],
  fork: [2, () => []],
  clone: [3, (c) => [c.random.pick([17, 0x411, 0x211, 0x8011, 0x111, 0x10f00, 0x10f00, 0x10000, 0x800, 0x20211])]],
  clone3: [2, (c) => [clone3(c), c.random.pick([88, 88, 88, 64, 32, 5000])]],
  execve: [3, (c) => [executable(c), argv(c), c.random.chance(0.9) ? [] : argv(c)]],
  execveat: [
    2,
    (c) => [
      directory(c),
      c.random.chance(0.3) ? '' : executable(c),
      argv(c),
      [],
      c.random.pick([0, 0, 0x1000, 0x100, 1]),
    ],
  ],
  exit: [1, (c) => [c.random.pick([0, 1, 256, 300])]],
  exit_group: [1, (c) => [c.random.pick([0, 7, -1])]],
  wait4: [4, (c) => [waited(c), buffer(4, c), c.random.pick([1, 1, 1, 0, 0x4000_0001, 0x100]), null]],
  waitid: [3, (c) => [...awaited(c), buffer(128, c), c.random.pick([5, 5, 5, 0x0100_0005, 4, 1, 0x105]), null]],
  kill: [3, (c) => [group(c), signal(c)]],
  tgkill: [2, (c) => [pid(c), pid(c), signal(c)]],
  tkill: [1, (c) => [pid(c), signal(c)]],
  rt_sigaction: [1, (c) => [c.random.pick([15, 10, 13, 9, 19, 65, 0]), sigaction(c), null, 8]],
  setsid: [1, () => []],
  setpgid: [3, (c) => [pid(c), c.random.chance(0.9) ? pid(c) : -1]],
  getpgid: [1, (c) => [pid(c)]],
  getsid: [1, (c) => [pid(c)]],
  getpgrp: [1, () => []],
  getppid: [1, () => []],
  getpid: [1, () => []],
  gettid: [1, () => []],
  prctl: [5, (c) => prctl(c)],
  ptrace: [2, (c) => [c.random.pick([16, 0x4206, 17, 7, 3]), c.random.pick([{ pid: 30_000 }, own(c)]), 0, 0]],
  setuid: [1, (c) => [id(c)]],
  setgid: [1, (c) => [id(c)]],
  setreuid: [1, (c) => [id(c), id(c)]],
  setregid: [1, (c) => [id(c), id(c)]],
  setresuid: [2, (c) => [id(c), id(c), id(c)]],
  setresgid: [1, (c) => [id(c), id(c), id(c)]],
  setfsuid: [1, (c) => [id(c)]],
  setfsgid: [1, (c) => [id(c)]],
  setgroups: [1, (c) => [c.random.pick([0, 2, 2, 65_537]), c.random.chance(0.9) ? ids([1000, 5]) : { bad: true }]],
  getgroups: [2, (c) => [c.random.pick([0, 32, 1, -1]), buffer(128, c)]],
  getuid: [1, () => []],
  geteuid: [1, () => []],
  getgid: [1, () => []],
  getegid: [1, () => []],
  getresuid: [2, (c) => [buffer(4, c), { out: 4 }, { out: 4 }]],
  getresgid: [2, (c) => [buffer(4, c), { out: 4 }, { out: 4 }]],
  capget: [2, (c) => [capabilityHeader(c), buffer(24, c)]],
  capset: [2, (c) => [capabilityHeader(c), c.random.chance(0.95) ? capabilitySets(c) : { bad: true }]],
  personality: [1, (c) => [c.random.pick([0xffff_ffff, 0, 0x40000])]],
  unshare: [1, (c) => [c.random.pick([0, 0x200, 0x400, 1])]],
  setns: [1, (c) => [fd(c), c.random.pick([0, 0x20000])]],
};

const openHow = (choice: Choice): Argument => {
  const { random } = choice;
  if (random.chance(0.05)) return { bad: true };
  const asked = flags(choice);
  const makes = (asked & 0o100) !== 0 || (asked & 0o20200000) === 0o20200000;
  return {
    how: {
      flags: random.chance(0.9) ? asked : asked | random.pick([0x4000_0000, 2 ** 33]),
      mode: makes ? mode(choice) : random.chance(0.95) ? 0 : 0o644,
      resolve: random.pick([0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 0x40]),
    },
  };
};

const clone3 = ({ random }: Choice): Argument =>
  random.weighted<Argument>([
    [12, { clone: { flags: random.pick([0, 0x400, 0x200, 0x10f00, 0x10f00, 0x10000, 0x800, 0x1_0000_0000]) } }],
    [1, { bad: true }],
  ]);

const waited = (choice: Choice): Argument => (choice.random.chance(0.6) ? -1 : group(choice));
const awaited = (choice: Choice): [Argument, Argument] =>
  choice.random.weighted<[Argument, Argument]>([
    [5, [0, 0]],
    [3, [1, pid(choice)]],
    [2, [2, pid(choice)]],
    [1, [9, 0]],
    [1, [1, -1]],
  ]);
const own = ({ run, slot }: Choice): Argument => ({ pid: (run.tasks[slot]?.pid ?? run.pidOffset + 2) - run.pidOffset });

const prctl = (choice: Choice): readonly Argument[] =>
  choice.random.weighted<readonly Argument[]>([
    [2, [15, 'a name that is too long']],
    [1, [15, { bad: true }]],
    [2, [16, buffer(16, choice)]],
    [2, [36, choice.random.below(2)]],
    [1, [37, { out: 4 }]],
    [2, [38, choice.random.pick([1, 1, 0])]],
    [1, [39, 0]],
    [2, [8, choice.random.pick([0, 1, 2])]],
    [1, [7, 0]],
    [1, [3, 0]],
    [1, [4, choice.random.pick([0, 1, 2])]],
    [1, [1, choice.random.pick([0, 65])]],
    [1, [9999, 0]],
  ]);

const TABLE = Object.entries(CALLS).map(([name, [weight, draw]]): [number, { name: string; draw: Draw }] => [
  weight,
  { name, draw },
]);

const MAKES_TASK: ReadonlySet<string> = new Set(['fork', 'clone', 'clone3']);
const ENDS: ReadonlySet<string> = new Set(['exit', 'exit_group', 'kill', 'tkill', 'tgkill']);
const MOST_TASKS = 9;
/** Of the calls of a sequence. */
const MOST_FAILURES = 0.3;

const drawStep = (random: Random, run: Run, paths: string[], made: number): Step => {
  const living = [...run.tasks.keys()].filter((slot) => run.tasks[slot]?.alive === true);
  const slot = random.pick(living);
  const { name, draw } = random.weighted(TABLE);
  const step: Step = { by: slot, call: name, args: draw({ random, run, slot, paths }) };
  return MAKES_TASK.has(name) ? { ...step, child: made } : step;
};

const succeeded = ({ result }: Outcome): boolean => typeof result !== 'number' || result >= 0;

/** Whether a drawn step can be part of a sequence. */
const belongs = (step: Step, outcome: Outcome, failures: number, length: number): boolean => {
  if (outcome.result === 'waits' || outcome.result === ENOSYS) return false;
  return succeeded(outcome) || failures + 1 <= MOST_FAILURES * (length + 2) || ENDS.has(step.call);
};

/** Reads a directory from its start, since where it goes on after a change hangs on the file system. */
const readDirectory = (random: Random, run: Run, slot: number): readonly Step[] => {
  const at = fd({ random, run, slot, paths: [] });
  const size = random.weighted([
    [8, 8192],
    [1, 10],
  ]);
  return [
    { by: slot, call: 'lseek', args: [at, 0, 0] },
    { by: slot, call: 'getdents64', args: [at, { out: size }, size] },
  ];
};

/**
 * A sequence of 10 to 40 calls after the prologue. It is played in the simulation while it is drawn, so that there are files, descriptors and
 * processes for most calls; what Linux makes of it is not known yet.
 */
export const generateSequence = (random: Random, setUp: readonly Step[]): Step[] => {
  const run = startRun(setUp);
  for (const step of PROLOGUE) run.make(step);
  const steps: Step[] = [];
  const paths = [...PATHS];
  let [failures, made] = [0, ACTORS];
  const add = (step: Step): void => {
    const outcome = run.make(step);
    if (!belongs(step, outcome, failures, steps.length)) return;
    steps.push(step);
    if (!succeeded(outcome)) failures++;
    if (step.child !== undefined && typeof outcome.result === 'number' && outcome.result > 0) made++;
    for (const argument of step.args)
      if (typeof argument === 'string' && argument.startsWith('/') && argument.length < 40 && succeeded(outcome))
        paths.push(argument);
  };
  const length = random.between(10, 40);
  while (steps.length < length && run.tasks.some((task) => task?.alive === true)) {
    if (random.chance(0.04)) {
      const living = [...run.tasks.keys()].filter((slot) => run.tasks[slot]?.alive === true);
      for (const step of readDirectory(random, run, random.pick(living))) add(step);
      continue;
    }
    const step = drawStep(random, run, paths, made);
    if (step.child !== undefined && made >= MOST_TASKS) continue;
    add(step);
  }
  run.end();
  return steps;
};
