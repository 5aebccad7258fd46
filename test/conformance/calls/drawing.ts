import type { Random } from '../../support/random.ts';
import type { Run } from './simulation.ts';
import type { Argument } from './step.ts';
import { PATHS, PROGRAM_PATHS } from './tree.ts';

/** What arguments are chosen with: who makes the call, and what is there for it. */
export interface Choice {
  readonly random: Random;
  readonly run: Run;
  readonly slot: number;
  /** Paths that may be there: those of the tree and those that calls have used. */
  readonly paths: readonly string[];
}

export const AT_FDCWD = -100;
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

export const path = (choice: Choice): Argument => {
  const { random, paths } = choice;
  const drawn = random.below(100);
  if (drawn < 60) return random.pick(paths);
  if (drawn < 72) return newPath(choice);
  if (drawn < 80) return random.pick(paths).replace(/^\/(tmp\/|home\/u\/|)/, '') || '.';
  if (drawn < 83) return `${random.pick(paths)}/`;
  return random.weighted(EDGES);
};

/** A name in a directory that somebody may write to, which may be there already. */
export const newPath = (choice: Choice): string => {
  const { random } = choice;
  if (random.chance(0.15)) return random.pick(NEW);
  const parent = random.chance(0.8) ? random.pick(WRITABLE) : (ofKind(choice, DIRECTORY) ?? '/tmp');
  return `${parent === '/' ? '' : parent}/${random.pick(NEW)}`;
};

export const target = (choice: Choice): Argument => (choice.random.chance(0.7) ? newPath(choice) : path(choice));

/** Types of files as a mode's first octal digits tell them. */
export const DIRECTORY = 'mode 4';
export const REGULAR = 'mode 10';

const isOfKind = (data: string | undefined, kind: string): boolean =>
  data !== undefined && / (mode \d+)\d{4} /.exec(data)?.[1] === kind;

/** A path that leads somebody to a file of a type; undefined where a few draws give none. */
const ofKind = ({ random, run, slot, paths }: Choice, kind: string): string | undefined => {
  for (let tries = 0; tries < 6; tries++) {
    const drawn = random.pick(paths);
    if (isOfKind(run.look(slot, 'lstat', [drawn, { out: 144 }]), kind)) return drawn;
  }
  return undefined;
};

/** A path of which most lead to a file of a type. */
export const pathTo =
  (kind: string) =>
  (choice: Choice): Argument =>
    (choice.random.chance(0.7) ? ofKind(choice, kind) : undefined) ?? path(choice);

export const fd = ({ random, run, slot }: Choice): number => {
  const open = run.tasks[slot]?.fds ?? [];
  return open.length > 0 && random.chance(0.88) ? random.pick(open) : random.pick([9, 99, -1, 1023, 1024, AT_FDCWD]);
};

/** Whether somebody's descriptor stands for a file of a type. */
export const isOpenAs = (kind: string, { run, slot }: Choice, fd: number): boolean =>
  isOfKind(run.look(slot, 'fstat', [fd, { out: 144 }]), kind);

/** An open file of a type, if there is one. */
export const fdOf =
  (kind: string) =>
  (choice: Choice): number => {
    const { random, run, slot } = choice;
    const those = (run.tasks[slot]?.fds ?? []).filter((one) => isOpenAs(kind, choice, one));
    return those.length > 0 && random.chance(0.85) ? random.pick(those) : fd(choice);
  };

/** An open file that is no program: those are executed, and a few bytes change what becomes of them. */
export const toWrite = (choice: Choice): number => {
  const at = fd(choice);
  const size = / size (\d+)$/.exec(choice.run.look(choice.slot, 'fstat', [at, { out: 144 }]) ?? '')?.[1] ?? '';
  return Number(size) > SMALLER_THAN_PROGRAMS ? 1 : at;
};

const SMALLER_THAN_PROGRAMS = 1000;

/** Where a relative path starts. */
export const directory = (choice: Choice): number =>
  choice.random.chance(0.6) ? AT_FDCWD : choice.random.chance(0.6) ? fdOf(DIRECTORY)(choice) : fd(choice);

/** A process: one of the sequence's, the first, none. */
export const pid = ({ random, run }: Choice): { readonly pid: number } => {
  const drawn = random.below(10);
  if (drawn === 0) return random.pick([{ pid: 1 }, { pid: 30_000 }, { pid: 0 }]);
  const made = run.tasks.filter((task) => task !== undefined);
  return { pid: random.pick(made).pid - run.pidOffset };
};

/** A child of the caller's, if there is one. */
export const child = (choice: Choice): { readonly pid: number } => {
  const { random, run, slot } = choice;
  const own = run.tasks.filter((task) => task?.parent !== undefined && task.parent.tgid === run.tasks[slot]?.tgid);
  const one = own.length > 0 && random.chance(0.7) ? random.pick(own) : undefined;
  return one ? { pid: one.pid - run.pidOffset } : pid(choice);
};

/** A process, or a group of them, which is a negative number. */
export const group = (choice: Choice): Argument => {
  const one = pid(choice);
  return choice.random.chance(0.2) ? { pid: -one.pid } : one;
};

export const ownPid = ({ run, slot }: Choice): { readonly pid: number } => ({
  pid: (run.tasks[slot]?.pid ?? run.pidOffset + 2) - run.pidOffset,
});

export const mode = ({ random }: Choice): number =>
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

/** Of open. */
export const flags = ({ random }: Choice): number => {
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

export const openHow = (choice: Choice): Argument => {
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

/** Of a user or a group. */
export const id = ({ random }: Choice): number => random.pick([0, 1000, 1000, 1001, 1001, 5, -1]);
/** One that the caller has now, as a user's and a group's. */
export const ownId = (choice: Choice): number => {
  const { random, run, slot } = choice;
  const known = ['getresuid', 'getresgid'].map((call) => run.look(slot, call, [{ out: 4 }, { out: 4 }, { out: 4 }]));
  const own = known.join(' ').split(' ').map(Number);
  return random.chance(0.6) ? random.pick(own) : id(choice);
};

export const signal = ({ random }: Choice): number =>
  random.pick([0, 0, 0, 0, 15, 9, 1, 10, 17, 17, 18, 18, 23, 28, 28, 64, 65, -1, 6]);

export const words = (list: readonly number[]): Uint8Array => new Uint8Array(new Uint32Array(list).buffer);

const CAPABILITY_VERSION_3 = 0x20080522;
export const capabilityHeader =
  (whose: (choice: Choice) => { readonly pid: number }) =>
  (choice: Choice): Argument => {
    const { random } = choice;
    const version = random.chance(0.9) ? CAPABILITY_VERSION_3 : random.pick([0x12345678, 0x19980330, 0x20071026]);
    return { capabilitiesOf: { version, ...(random.chance(0.6) ? { pid: 0 } : whose(choice)) } };
  };

/** Effective, permitted and inheritable, 32 bits each, and the same for the capabilities from 32 on: most of what the caller has. */
export const capabilitySets = (choice: Choice): Argument => {
  const { random, run, slot } = choice;
  const header = { capabilitiesOf: { version: CAPABILITY_VERSION_3, pid: 0 } };
  const now = run
    .look(slot, 'capget', [header, { out: 24 }])
    ?.split(' ')
    .map(Number) ?? [0, 0, 0, 0, 0, 0];
  const masks = [0xffff_ffff, 0xffff_ffff, 0xff, 0x21, 0x0020_01c3, 0];
  if (random.chance(0.25)) return words(now.map(() => random.pick([0, 0, 0xffff_ffff, 0xff, 0x1, 0x20])));
  const [effective = 0, permitted = 0, inheritable = 0, highEffective = 0, highPermitted = 0, highInheritable = 0] =
    now;
  const mask = random.pick(masks);
  const part = random.pick(masks);
  const inherited = random.pick([inheritable & mask, permitted & mask, inheritable | (permitted & part)]);
  const low = [random.pick([effective, permitted]) & mask & part, permitted & mask, inherited];
  return words([...low, highEffective & highPermitted, highPermitted, highInheritable]);
};

export const clone3 = ({ random }: Choice): Argument =>
  random.weighted<Argument>([
    [12, { clone: { flags: random.pick([0, 0x400, 0x200, 0x10f00, 0x10f00, 0x10000, 0x800, 0x1_0000_0000]) } }],
    [1, { bad: true }],
  ]);

/** Room for what a call writes. */
export const buffer = (size: number, { random }: Choice): Argument =>
  random.chance(0.04) ? { bad: true } : { out: size };

export const sigaction = ({ random }: Choice): Argument => {
  const bytes = new Uint8Array(32);
  bytes[0] = random.below(2);
  return bytes;
};

export const argv = ({ random }: Choice): Argument =>
  random.weighted<Argument>([
    [10, ['x', '-y']],
    [1, null],
    [1, []],
    [1, { bad: true }],
  ]);

export const executable = (choice: Choice): Argument =>
  choice.random.chance(0.5)
    ? choice.random.pick([...PROGRAM_PATHS, '/bin/script'])
    : choice.random.chance(0.5)
      ? choice.random.pick(PATHS.filter((one) => one.startsWith('/bin')))
      : path(choice);
