import type { Random } from '../../../support/random.ts';
import { is } from '../language/index.ts';
import {
  BPF_COMMANDS,
  bpf,
  emitListen,
  type Known,
  loadModule,
  type OnDescriptor,
  type OnPath,
  type OnTwoPaths,
  type Opening,
  onDescriptor,
  onPath,
  onTwoPaths,
  open,
  PTRACE_REQUESTS,
  ptrace,
  setId,
  setns,
  socket,
  USERS,
  unshare,
  type World,
} from '../world/index.ts';
import { nameOf, openFile, plantFile } from './files.ts';
import { connected } from './sockets.ts';
import type { Stage } from './stage.ts';
import { type Literal, solveField, solveText } from './wishes.ts';

/** What is to happen, and whom it happens to. */
export interface Doing {
  readonly world: World;
  readonly process: Known;
  readonly stage: Stage;
  readonly random: Random;
  readonly literals: readonly Literal[];
  readonly type: string;
}

type Act = (doing: Doing) => void;

const openPlain = ({ world, process }: Doing, path = '/w/a.txt'): number =>
  open(world, process, { kind: 'open', path, flags: 0 });

const opens: Act = ({ world, process, random, literals, type }) => {
  openFile(world, process, type as Opening['kind'], random, literals);
};

const connects: Act = ({ world, process, stage, random, literals, type }) => {
  connected(world, process, stage, random, literals, type as 'connect' | 'sendto');
};

const listens: Act = ({ world, process, stage, random }) => emitListen(world, process, random.pick(stage.ports));

const dups: Act = (doing) => {
  const { world, process, stage, random, literals, type } = doing;
  const fd = random.chance(0.8) ? connected(world, process, stage, random, literals, 'connect') : openPlain(doing);
  const to = solveField(random, literals, 'evt.rawres', [0, 1, 2, 3, 60], (one) => one);
  onDescriptor(world, process, type as OnDescriptor, fd, to);
};

const MODES = [0o755, 0o4755, 0o2711, 0o6711, 0o1777, 0];

const changesMode: Act = (doing) => {
  const { world, process, random, literals, type } = doing;
  const bits = (one: number) =>
    [(one & 0o4000) !== 0 ? 'S_ISUID' : '', (one & 0o2000) !== 0 ? 'S_ISGID' : ''].join('|');
  const mode = solveField(random, literals, 'evt.arg[mode]', MODES, bits);
  if (type === 'fchmod') onDescriptor(world, process, type, openPlain(doing), mode);
  else onPath(world, process, { kind: type as OnPath, path: '/w/a.txt', mode });
};

const namesTwo: Act = ({ world, process, random, literals, type }) => {
  const isSymbolic = type.startsWith('sym');
  const field = isSymbolic ? 'evt.arg[target]' : 'evt.arg[oldpath]';
  const source = nameOf(random, literals, field, '/w/n/source');
  const text = isSymbolic ? (solveText(random, literals, field, source) ?? source) : source;
  const isPlanted = !isSymbolic && !source.startsWith('/etc') && (type.startsWith('rename') || random.chance(0.5));
  if (isPlanted) plantFile(world, source, 'f');
  onTwoPaths(world, process, type as OnTwoPaths, text, `/w/n/${random.below(100_000)}`);
};

const namesOne: Act = ({ world, process, random, literals, type }) => {
  const field = type === 'unlinkat' ? 'evt.arg[name]' : 'evt.arg[path]';
  onPath(world, process, { kind: type as OnPath, path: nameOf(random, literals, field, '/w/n/gone') });
};

const DOMAIN_NUMBERS = [17, 2, 10, 1, 16, 3];
const REQUESTS = Object.keys(PTRACE_REQUESTS) as (keyof typeof PTRACE_REQUESTS)[];

/** How each type of event is made to happen. */
const ACTS: Readonly<Record<string, Act>> = {
  open: opens,
  openat: opens,
  openat2: opens,
  creat: opens,
  connect: connects,
  sendto: connects,
  accept: listens,
  listen: listens,
  dup: dups,
  dup2: dups,
  dup3: dups,
  chmod: changesMode,
  fchmod: changesMode,
  fchmodat: changesMode,
  rename: namesTwo,
  renameat: namesTwo,
  renameat2: namesTwo,
  link: namesTwo,
  linkat: namesTwo,
  symlink: namesTwo,
  symlinkat: namesTwo,
  unlink: namesOne,
  unlinkat: namesOne,
  rmdir: namesOne,
  mkdir: namesOne,
  setns: (doing) => {
    const { world, process, random } = doing;
    setns(world, process, openPlain(doing, random.pick(['/proc/self/ns/mnt', '/w/a.txt'])));
  },
  unshare: ({ world, process }) => unshare(world, process),
  ptrace: ({ world, process, random, literals }) => {
    const request = solveField(random, literals, 'evt.arg[request]', REQUESTS, (one) => one);
    ptrace(world, process, request, world.init);
  },
  bpf: ({ world, process, random, literals }) => {
    const commands = Object.entries(BPF_COMMANDS);
    const [name, number] = solveField(random, literals, 'evt.arg[cmd]', commands, ([one]) => one);
    bpf(world, process, number, is(name));
  },
  init_module: ({ world, process }) => loadModule(world, process, undefined),
  finit_module: (doing) => loadModule(doing.world, doing.process, openPlain(doing)),
  setuid: ({ world, process, random }) => setId(world, process, 'setuid', random.pick(Object.keys(USERS).map(Number))),
  socket: ({ world, process, random, literals }) => {
    const textOf = (one: number) => (one === 17 ? 'AF_PACKET' : 'AF_INET');
    socket(world, process, solveField(random, literals, 'evt.arg[domain]', DOMAIN_NUMBERS, textOf), 3);
  },
};

/** Types whose events are the execution of a program. */
export const EXECUTES: ReadonlySet<string> = new Set(['execve', 'execveat']);

/** Types of events that can be made to happen. */
export const TYPES: readonly string[] = [...Object.keys(ACTS), ...EXECUTES];

/** Makes one event of a type, as far as can be with the values that the literals want. */
export const act = (doing: Doing): void => {
  const made = ACTS[doing.type];
  if (made === undefined) throw new Error(`nothing is known of how to make ${doing.type} happen`);
  made(doing);
};
