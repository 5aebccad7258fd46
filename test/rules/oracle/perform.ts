import type { ContainerFacts } from '../../../sensors/index.ts';
import type { Random } from '../../support/random.ts';
import { type Check, type Fact, is } from './language/index.ts';
import { allHold, constantsOf, fieldOf, type Literal, solveOne, solveText } from './wishes.ts';
import {
  BPF_COMMANDS,
  bind,
  bpf,
  CGROUPS,
  close,
  containerFields,
  domainOf,
  emitListen,
  exec,
  execFromMemory,
  exit,
  FAMILIES,
  fork,
  type Known,
  loadModule,
  moveToCgroup,
  type OnPath,
  type OnTwoPaths,
  onDescriptor,
  onPath,
  onTwoPaths,
  open,
  PTRACE_REQUESTS,
  ptrace,
  reach,
  setId,
  setns,
  socket,
  USERS,
  unshare,
  type World,
  wait,
} from './world/index.ts';

/** What a host has for the events of some rules. */
export interface Stage {
  readonly cgroups: readonly string[];
  readonly containers: readonly ContainerFacts[];
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /** A process of the host without a terminal, and one with. */
  roots: { readonly plain: Known; readonly terminal: Known } | undefined;
  readonly chains: Map<string, Known>;
}

const idOf = (index: number): string =>
  `${'f'.repeat(8)}${index.toString(16).padStart(4, '0')}${'0123456789abcdef'.repeat(4).slice(12)}`;

/** Containers with the images and namespaces that conditions name, and others beside them. */
export const createStage = (checks: readonly Check[]): Stage => {
  const images = constantsOf(checks, (field) => field === 'container.image.repository');
  const near = images.flatMap((image) => [image, `docker.io${image.startsWith('/') ? '' : '/'}${image}`, `${image}x`]);
  const spaces = constantsOf(checks, (field) => field === 'k8s.ns.name');
  const containers: ContainerFacts[] = [];
  const add = (repository: string, privileged: boolean, namespace?: string): void => {
    containers.push({
      id: idOf(containers.length),
      runtime: 'docker',
      name: `c${containers.length}`,
      image: { name: `${repository}:1`, repository, tag: '1' },
      labels: {},
      privileged,
      mounts: [],
      startNs: 1n,
      ...(namespace === undefined
        ? {}
        : { pod: { name: 'pod', namespace, uid: '12345678-1234-1234-1234-1234567890ab', labels: {} } }),
    });
  };
  for (const privileged of [true, false]) {
    for (const image of ['docker.io/library/alpine', ...near]) add(image, privileged);
    for (const space of [...spaces, 'default'])
      for (const image of ['docker.io/library/alpine', ...images.filter((one) => /csi|secrets|kube-proxy/.test(one))])
        add(image, privileged, space);
  }
  const cgroups = containers.map(({ id }) => `/system.slice/docker-${id}.scope`);
  const networks = constantsOf(checks, (field) => /^fd\.[csrl]?(ip|net)$/.test(field));
  const addresses = networks.flatMap((network) => {
    const base = network.split('/')[0] ?? '';
    const last = (by: number) =>
      base.replace(/\d+$/, (digit) => String(Math.min(255, Math.max(0, Number(digit) + by))));
    return [base, last(1), last(-1)];
  });
  const ports = constantsOf(checks, (field) => /^fd\.[csrl]?port$/.test(field)).map(Number);
  return {
    cgroups: [CGROUPS.host, CGROUPS.unknown, ...cgroups],
    containers,
    addresses: [...new Set(['203.0.113.5', '198.51.100.7', ...addresses])],
    ports: [...new Set([9999, ...ports.flatMap((port) => [port, port + 1, Math.max(1, port - 1)])])].filter(
      (port) => port > 0,
    ),
    roots: undefined,
    chains: new Map(),
  };
};

const TYPES = [
  'open',
  'openat',
  'openat2',
  'creat',
  'execve',
  'execveat',
  'connect',
  'sendto',
  'accept',
  'listen',
  'dup',
  'dup2',
  'dup3',
  'setns',
  'unshare',
  'ptrace',
  'bpf',
  'chmod',
  'fchmod',
  'fchmodat',
  'rename',
  'renameat',
  'renameat2',
  'unlink',
  'unlinkat',
  'rmdir',
  'symlink',
  'symlinkat',
  'link',
  'linkat',
  'setuid',
  'socket',
  'init_module',
  'finit_module',
  'mkdir',
] as const;

/** A path that can be made: absolute, without an end that names no file. */
const usable = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return `/${parts.map((part) => part.slice(0, 200)).join('/')}`;
};

const pathFields = (path: string): readonly (readonly [string, Fact])[] => [
  ['fd.name', is(path)],
  ['fd.directory', is(path.slice(0, Math.max(1, path.lastIndexOf('/'))))],
  ['fd.filename', is(path.slice(path.lastIndexOf('/') + 1))],
];

const isPathField = (field: string): boolean => ['fd.name', 'fd.directory', 'fd.filename'].includes(field);

const solvePath = (random: Random, literals: readonly Literal[]): string => {
  const mine = literals.filter((literal) => isPathField(fieldOf(literal)));
  let found = '/srv/data/file';
  for (let attempt = 0; attempt < 12; attempt++) {
    const directory = solveText(random, literals, 'fd.directory', '/srv/data') ?? '/srv';
    const filename = solveText(random, literals, 'fd.filename', 'file') ?? 'file';
    const name = solveText(random, literals, 'fd.name', `${directory}/${filename}`) ?? '/srv/x';
    const base = name.startsWith('/') || name === '' ? name : `/srv/${name}`;
    found = usable(random.pick([base, `${base}/${filename}`, `${base}1`, `${base}/authorized_keys`]));
    if (allHold(mine, pathFields(found))) return found;
  }
  return found;
};

const words = (text: string): readonly string[] => (text === '' ? [] : text.split(' '));

interface Person {
  readonly name: string;
  readonly exe: string;
  readonly args: string;
}

const solvePerson = (
  random: Random,
  literals: readonly Literal[],
  fields: readonly string[],
  exe: string,
  command: string,
  name: string,
): Person => {
  const own = fields.map((field) => solveText(random, literals, field, name) ?? name);
  const chosen = own.find((each) => each !== name) ?? name;
  const line = literals.some((literal) => fieldOf(literal) === command)
    ? (solveText(random, literals, command, `${chosen} -x`) ?? `${chosen} -x`)
    : `${chosen} -x`;
  const [first = '', ...rest] = line.split(' ');
  const isNamed = literals.some((literal) => fields.includes(fieldOf(literal)));
  const called = isNamed || first === '' ? chosen : first;
  return { name: called, exe: solveText(random, literals, exe, `/opt/${called}`) ?? called, args: rest.join(' ') };
};

/** Programs lie where their names are allowed in a path. */
const programOf = (world: World, name: string): string => {
  const path = `/opt/bin/${name.replaceAll('/', '_').slice(0, 60) || 'x'}`;
  if (!world.host.fs.exists(path)) world.host.fs.write(path, '\x7fELF', 0o755);
  return path;
};

/** A living process with these ancestors, the nearest first. */
const chainOf = (world: World, stage: Stage, root: Known, people: readonly Person[]): Known => {
  const key = JSON.stringify([root.pid, people]);
  const known = stage.chains.get(key);
  if (known !== undefined) return known;
  const [nearest, ...above] = people;
  if (nearest === undefined) return root;
  const made = fork(world, chainOf(world, stage, root, above), 'fork');
  exec(world, made, { path: programOf(world, nearest.name), argv: [nearest.exe, ...words(nearest.args)] });
  if (stage.chains.size > 200) stage.chains.clear();
  stage.chains.set(key, made);
  return made;
};

const ANCESTORS = 5;

const solveAncestors = (random: Random, literals: readonly Literal[]): readonly Person[] => {
  const any = literals.filter((literal) => fieldOf(literal) === 'proc.aname' && literal.wanted);
  const count = literals.some((literal) => /^proc\.a\w+\[[2-9]\]$/.test(fieldOf(literal)))
    ? ANCESTORS
    : random.between(1, 3);
  const at = random.below(count);
  return Array.from({ length: count }, (_, index) => {
    const level = index + 1;
    const person = solvePerson(
      random,
      literals,
      level === 1 ? ['proc.pname', 'proc.aname[1]'] : [`proc.aname[${level}]`],
      level === 1 ? 'proc.pexe' : `proc.aexe[${level}]`,
      level === 1 ? 'proc.pcmdline' : `proc.acmdline[${level}]`,
      'launcher',
    );
    if (index !== at || any.length === 0 || person.name !== 'launcher') return person;
    return { ...person, name: solveText(random, any, 'proc.aname', 'launcher') ?? 'launcher' };
  });
};

const flagsOf = (random: Random, literals: readonly Literal[]): number => {
  const candidates = [0, 1, 2, 0o101, 0o1001, 0o1101, 0o1002, 0o102, 0o2001];
  return solveOne(
    random,
    literals,
    (field) => field.startsWith('evt.is_open') || field === 'evt.arg[flags]',
    candidates,
    (flags) => [
      ['evt.is_open_read', is((flags & 3) !== 1)],
      ['evt.is_open_write', is((flags & 3) !== 0)],
      ['evt.is_open_create', is((flags & 0o100) !== 0)],
      [
        'evt.arg[flags]',
        is([(flags & 0o100) !== 0 ? 'O_CREAT' : '', (flags & 0o1000) !== 0 ? 'O_TRUNC' : ''].join('|')),
      ],
    ],
  );
};

/** Puts a file there, unless it is to be missing. */
const plantFile = (world: World, path: string, type: string): void => {
  const { fs } = world.host;
  if (fs.exists(path) || path.startsWith('/proc/') || path.startsWith('/dev/')) return;
  try {
    if (type === 'd') fs.mkdir(path, 0o777);
    else fs.write(path, 'text', 0o666);
  } catch {
    // A file is where a folder would have to be: the call then fails, as it may.
  }
};

const openFile = (
  world: World,
  process: Known,
  kind: 'open' | 'openat' | 'openat2' | 'creat',
  random: Random,
  literals: readonly Literal[],
): number => {
  const path = solvePath(random, literals);
  const raw = solveText(random, literals, 'fd.nameraw', path);
  const failing = solveOne(
    random,
    literals,
    (field) => ['fd.num', 'evt.res', 'evt.rawres', 'evt.failed'].includes(field),
    [false, true],
    (fails) => [
      ['fd.num', is(fails ? -1 : 4)],
      ['evt.rawres', is(fails ? -13 : 4)],
      ['evt.res', is(fails ? 'EACCES' : 'SUCCESS')],
      ['evt.failed', is(fails)],
    ],
  );
  const types = ['f', 'd'];
  const type = solveOne(
    random,
    literals,
    (field) => field === 'fd.typechar' || field === 'fd.type',
    types,
    (one) => [
      ['fd.typechar', is(one)],
      ['fd.type', is(one === 'f' ? 'file' : 'directory')],
    ],
  );
  const flags = flagsOf(random, literals);
  if (!failing) plantFile(world, path, type);
  const dotted = raw !== undefined && raw !== path ? `/w/sub/../..${path}` : path;
  return open(world, process, {
    kind,
    path: dotted,
    flags: failing ? flags & ~0o100 : flags,
    ...(failing ? { result: -13 } : {}),
  });
};

/** A socket, bound so that both of its ends are known. */
const connected = (
  world: World,
  process: Known,
  stage: Stage,
  random: Random,
  literals: readonly Literal[],
  kind: 'connect' | 'sendto',
): number => {
  const ends = stage.addresses.flatMap((address) => stage.ports.map((port) => ({ address, port })));
  const own = random.between(20_000, 29_999);
  const remote = solveOne(
    random,
    literals,
    (field) => /^fd\.[csrl]?(ip|net|port)$|^fd\.sip\.name$/.test(field),
    ends,
    ({ address, port }) => {
      const local = address.startsWith('127.') ? '127.0.0.1' : '10.0.2.15';
      return [
        ...['s', 'r'].flatMap((letter): [string, Fact][] => [
          [`fd.${letter}ip`, is(address)],
          [`fd.${letter}net`, is(address)],
          [`fd.${letter}port`, is(port)],
        ]),
        ['fd.sip.name', domainOf(address)],
        ['fd.ip', is([local, address])],
        ['fd.net', is([local, address])],
        ['fd.port', is([BigInt(own), BigInt(port)])],
      ];
    },
  );
  const udp =
    kind === 'sendto' ||
    solveOne(
      random,
      literals,
      (field) => field === 'fd.l4proto',
      [false, true],
      (one) => [['fd.l4proto', is(one ? 'udp' : 'tcp')]],
    );
  const result = solveOne(
    random,
    literals,
    (field) => ['evt.rawres', 'evt.res', 'evt.failed'].includes(field),
    [0, 0, -115, -111],
    (one) => [
      ['evt.rawres', is(one)],
      ['evt.res', is(one === 0 ? 'SUCCESS' : one === -115 ? 'EINPROGRESS' : 'ECONNREFUSED')],
    ],
  );
  const fd = socket(world, process, FAMILIES.ipv4, udp ? 2 : 1);
  if (fd < 0) return fd;
  bind(world, process, fd, { address: remote.address.startsWith('127.') ? '127.0.0.1' : '10.0.2.15', port: own });
  if (result === 0) world.host.network.declareRemote(remote.address, remote.port);
  reach(world, process, kind, fd, remote, result === 0 ? {} : { recorded: { result } });
  return fd;
};

const nameOf = (random: Random, literals: readonly Literal[], field: string, fallback: string): string =>
  usable(solveText(random, literals, field, fallback) ?? fallback);

/** Makes one event of a type, as far as can be with the values that the literals want. */
const act = (
  world: World,
  process: Known,
  stage: Stage,
  random: Random,
  literals: readonly Literal[],
  type: string,
): void => {
  switch (type) {
    case 'open':
    case 'openat':
    case 'openat2':
    case 'creat':
      openFile(world, process, type, random, literals);
      return;
    case 'connect':
    case 'sendto':
      connected(world, process, stage, random, literals, type);
      return;
    case 'dup':
    case 'dup2':
    case 'dup3': {
      const fd = random.chance(0.8)
        ? connected(world, process, stage, random, literals, 'connect')
        : open(world, process, { kind: 'open', path: '/w/a.txt', flags: 0 });
      const to = solveOne(
        random,
        literals,
        (field) => field === 'evt.rawres',
        [0, 1, 2, 3, 60],
        (one) => [['evt.rawres', is(one)]],
      );
      onDescriptor(world, process, type, fd, to);
      return;
    }
    case 'accept':
    case 'listen':
      emitListen(world, process, random.pick(stage.ports));
      return;
    case 'setns':
      setns(
        world,
        process,
        open(world, process, { kind: 'open', path: random.pick(['/proc/self/ns/mnt', '/w/a.txt']), flags: 0 }),
      );
      return;
    case 'unshare':
      unshare(world, process);
      return;
    case 'ptrace': {
      const requests = Object.keys(PTRACE_REQUESTS) as (keyof typeof PTRACE_REQUESTS)[];
      const request = solveOne(
        random,
        literals,
        (field) => field === 'evt.arg[request]',
        requests,
        (one) => [['evt.arg[request]', is(one)]],
      );
      ptrace(world, process, request, world.init);
      return;
    }
    case 'bpf': {
      const commands = Object.entries(BPF_COMMANDS);
      const [name, number] = solveOne(
        random,
        literals,
        (field) => field === 'evt.arg[cmd]',
        commands,
        ([one]) => [['evt.arg[cmd]', is(one)]],
      );
      bpf(world, process, number, is(name));
      return;
    }
    case 'init_module':
      loadModule(world, process, undefined);
      return;
    case 'finit_module':
      loadModule(world, process, open(world, process, { kind: 'open', path: '/w/a.txt', flags: 0 }));
      return;
    case 'setuid':
      setId(world, process, 'setuid', random.pick(Object.keys(USERS).map(Number)));
      return;
    case 'socket': {
      const family = solveOne(
        random,
        literals,
        (field) => field === 'evt.arg[domain]',
        [17, 2, 10, 1, 16, 3] as const,
        (one) => [['evt.arg[domain]', is(one === 17 ? 'AF_PACKET' : 'AF_INET')]],
      );
      socket(world, process, family, 3);
      return;
    }
    case 'fchmod':
    case 'chmod':
    case 'fchmodat': {
      const mode = solveOne(
        random,
        literals,
        (field) => field === 'evt.arg[mode]',
        [0o755, 0o4755, 0o2711, 0o6711, 0o1777, 0],
        (one) => [
          [
            'evt.arg[mode]',
            is([(one & 0o4000) !== 0 ? 'S_ISUID' : '', (one & 0o2000) !== 0 ? 'S_ISGID' : ''].join('|')),
          ],
        ],
      );
      if (type === 'fchmod')
        onDescriptor(world, process, type, open(world, process, { kind: 'open', path: '/w/a.txt', flags: 0 }), mode);
      else onPath(world, process, { kind: type, path: '/w/a.txt', mode });
      return;
    }
    case 'rename':
    case 'renameat':
    case 'renameat2':
    case 'link':
    case 'linkat':
    case 'symlink':
    case 'symlinkat': {
      const field = type.startsWith('sym') ? 'evt.arg[target]' : 'evt.arg[oldpath]';
      const source = nameOf(random, literals, field, '/w/n/source');
      const text = type.startsWith('sym') ? (solveText(random, literals, field, source) ?? source) : source;
      const isPlanted = type.startsWith('rename') || random.chance(0.5);
      if (isPlanted && !type.startsWith('sym') && !source.startsWith('/etc')) plantFile(world, source, 'f');
      onTwoPaths(world, process, type as OnTwoPaths, text, `/w/n/${random.below(100_000)}`);
      return;
    }
    case 'unlink':
    case 'unlinkat':
    case 'rmdir':
    case 'mkdir': {
      const field = type === 'unlinkat' ? 'evt.arg[name]' : 'evt.arg[path]';
      onPath(world, process, { kind: type as OnPath, path: nameOf(random, literals, field, '/w/n/gone') });
      return;
    }
    default:
      throw new Error(`nothing is known of how to make ${type} happen`);
  }
};

const EXECUTES: ReadonlySet<string> = new Set(['execve', 'execveat']);

/** Lets a new process do what these comparisons ask for, as far as it can be. */
export const perform = (world: World, stage: Stage, random: Random, literals: readonly Literal[]): void => {
  const roots = stage.roots;
  if (roots === undefined) throw new Error('the stage has no processes yet');
  const type = solveOne(
    random,
    literals,
    (field) => field === 'evt.type',
    TYPES,
    (one) => [['evt.type', is(one)]],
  );
  const cgroup = solveOne(
    random,
    literals,
    (field) => /^(container|k8s)\./.test(field),
    stage.cgroups,
    (one) => containerFields(one, stage.containers).filter(([, fact]) => fact !== 'unknown'),
  );
  const root = solveOne(
    random,
    literals,
    (field) => field === 'proc.tty',
    [roots.plain, roots.terminal],
    (one) => [['proc.tty', is(one.tty === undefined ? 0 : 34_819)]],
  );
  const uid = solveOne(
    random,
    literals,
    (field) => field === 'user.uid' || field === 'user.name' || field.startsWith('thread.cap'),
    Object.keys(USERS).map(Number),
    (one) => [
      ['user.uid', is(one)],
      ['user.name', is(USERS[one] ?? '')],
      ['thread.cap_effective', is(one === 0 ? 'CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_SYS_MODULE' : '')],
      ['thread.cap_permitted', is(one === 0 ? 'CAP_SYS_ADMIN CAP_SYS_MODULE' : '')],
    ],
  );
  const above = chainOf(world, stage, root, solveAncestors(random, literals));
  const person = solvePerson(random, literals, ['proc.name'], 'proc.exe', 'proc.cmdline', 'worker');
  const args = literals.some((literal) => fieldOf(literal) === 'proc.args')
    ? (solveText(random, literals, 'proc.args', person.args) ?? person.args)
    : person.args;
  const cwd = usable(solveText(random, literals, 'proc.cwd', '/w/') ?? '/w');
  const env = words(solveText(random, literals, 'proc.env', 'LANG=C PATH=/bin') ?? 'LANG=C');
  const memory = solveOne(
    random,
    literals,
    (field) => field === 'proc.is_exe_from_memfd',
    [false, false, true],
    (one) => [['proc.is_exe_from_memfd', is(one)]],
  );
  const failing = EXECUTES.has(type) && random.chance(0.05);

  const process = fork(world, above, 'fork');
  moveToCgroup(world, process, cgroup);
  plantFile(world, cwd, 'd');
  onPath(world, process, { kind: 'chdir', path: cwd });
  if (process.uid !== uid) setId(world, process, 'setuid', uid);
  const argv = [person.exe, ...words(args)];
  if (memory) execFromMemory(world, process, person.name, argv, env);
  else if (failing) exec(world, process, { path: '/opt/none', argv, env });
  else
    exec(world, process, {
      path: programOf(world, person.name),
      argv,
      env,
      ...(type === 'execveat' ? { from: { dirfd: -100, base: process.cwd } } : {}),
    });
  if (!EXECUTES.has(type)) act(world, process, stage, random, literals, type);
  for (const fd of [...process.fds.keys()]) if (fd > 2 && random.chance(0.1)) close(world, process, fd);
  exit(world, process);
  wait(world, above, process);
};
