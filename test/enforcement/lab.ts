import { type LoadOptions, loadObject, mapOf } from '../../agent/load.ts';
import type { Memory } from '../../engine/vm/index.ts';
import {
  CONFIG,
  type Compiled,
  decodeRecord,
  type EventRecord,
  HEAD,
  processKey,
  RINGS,
  SPARED,
  SWITCH,
} from '../../rules/index.ts';
import {
  type CallResult,
  createProcessTable,
  createSimHost,
  type SimArgument,
  type SimHost,
  type SimTask,
} from '../../sensors/index.ts';
import { writePointer } from '../../sensors/sim/kernel/kernel-object.ts';
import { MM } from '../../sensors/sim/kernel/structs.ts';
import type { Task } from '../../sensors/sim/kernel/tasks.ts';
import type { Random } from '../support/random.ts';
import { KILLS, PERIOD_MS, type Setting, type Standing } from './model.ts';
import {
  ADDRESSES,
  CGROUPS,
  COPY,
  type Deed,
  type Doer,
  MOUNT_POINTS,
  OPENED,
  PORTS,
  PROGRAMS,
  PROTECTED,
} from './policies.ts';

const FIRST = new Uint8Array(4);
const FDCWD = -100;
const O_WRONLY = 1;
const O_TRUNC = 0o1000;
const ELF = '\x7fELF';
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const PTRACE_ATTACH = 16;
const CLONE_NEWPID = 0x2000_0000;
const CLONE_NEWUSER = 0x1000_0000;
/** CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND and CLONE_THREAD. */
const CLONE_AS_THREAD = 0x1_0f00;
const CONTAINER = `/s/a/docker-${'c0ffee'.repeat(11).slice(0, 64)}.scope`;

/** Who a task is, beside a plain process in the scope of some rules. */
export const ROLES = [
  'plain',
  'init',
  'kernel thread',
  'agent',
  'agent child',
  'other start',
  'protected',
  'copy',
  'claimant',
  'container init',
  'namespace init',
  'container child',
  'thread',
  'user namespace',
  'pid namespace',
  'moved',
  'unknown program',
] as const;
export type Role = (typeof ROLES)[number];

/** A task with what the test knows of it. */
export interface Actor {
  readonly role: Role;
  readonly task: SimTask;
  readonly standing: Standing;
  doer: Doer;
  /** The path of the program that it really runs. */
  program: string;
  /** The path of the one that it says it runs, which only budgets go by. */
  claims: string;
}

const PLAIN: Standing = {
  isInit: false,
  isKernelThread: false,
  isAgent: false,
  isContainerInit: false,
  isUnknown: false,
};

/** Takes most files away, so that all that are left can be looked at before and after every deed. */
const thin = (host: SimHost): void => {
  const remove = (folder: string): void => {
    for (const name of host.fs.list(folder)) {
      const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
      if (['/proc', '/sys', '/dev', '/run', '/tmp', '/srv'].includes(path)) continue;
      if (host.call(host.root, 'unlink', [path]).result === 0) continue;
      remove(path);
      host.call(host.root, 'rmdir', [path]);
    }
  };
  remove('/');
};

/** A host with a few files, and one without programs where `compiled` is left out. */
export const createLab = (seed: number, compiled?: Compiled) => {
  const host = createSimHost({ seed, memory: 24 * 1024 * 1024, cgroups: [...CGROUPS, '/s', CONTAINER] });
  thin(host);
  for (const path of OPENED) host.fs.write(path, `content of ${path}`, 0o666);
  for (const path of MOUNT_POINTS) host.fs.mkdir(path);
  for (const path of PROGRAMS) host.fs.write(path, ELF, 0o755);
  for (const address of ADDRESSES) for (const port of PORTS) host.network.declareRemote(address, port);
  const shells = new Map(
    [...CGROUPS, CONTAINER].map((cgroup) => [cgroup, host.spawn({ exepath: '/usr/bin/bash', cgroup })] as const),
  );
  const guardian = host.spawn({ exepath: PROTECTED, cgroup: '/t' });
  const loaded = compiled && load(host, compiled);
  const temporary: SimTask[] = [];

  const run = (task: SimTask, path: string, evil = false): CallResult =>
    host.call(task, 'execve', [path, [path, ...(evil ? ['evil'] : [])], []]);
  /** A process as fork makes it. */
  const fork = (parent: SimTask): SimTask => {
    const made = host.call(parent, 'fork', []).result;
    const child = host.tasks().findLast((task) => task.parent === parent);
    if (made <= 0 || child === undefined) throw new Error('fork made no process');
    temporary.push(child);
    return child;
  };
  const spawn: SimHost['spawn'] = (options) => {
    const task = host.spawn(options);
    temporary.push(task);
    return task;
  };
  const spare = (pid: number, start: bigint, bit: number): void => {
    loaded?.spared.update(processKey(pid, start), new Uint8Array([bit, 0, 0, 0]));
  };
  const actor = (role: Role, random: Random): Actor => {
    const cgroup = random.pick(CGROUPS);
    const shell = shells.get(cgroup)!;
    const plain = (task: SimTask, name: string | undefined, program: string, standing: Partial<Standing> = {}) => ({
      role,
      task,
      standing: { ...PLAIN, ...standing },
      doer: { name, cgroup: task.cgroup },
      program,
      claims: program,
    });
    const started = (path: string): SimTask => {
      const task = fork(shell);
      run(task, path);
      return task;
    };
    switch (role) {
      case 'plain':
        return plain(started('/usr/bin/tool'), 'tool', '/usr/bin/tool');
      case 'init':
        return plain(host.root, 'systemd', '/usr/lib/systemd/systemd', { isInit: true });
      case 'kernel thread':
        return plain(spawn({ name: 'kworker/0:1', exepath: 'none', kernelThread: true, cgroup }), undefined, '', {
          isKernelThread: true,
        });
      case 'agent':
      case 'agent child': {
        const agent = started('/usr/bin/other');
        spare(agent.pid, agent.startNs, SPARED.agent);
        if (role === 'agent') return plain(agent, 'other', '/usr/bin/other', { isAgent: true });
        return plain(fork(agent), 'other', '/usr/bin/other');
      }
      case 'other start': {
        const task = started('/usr/bin/tool');
        spare(task.pid, task.startNs - 1n, SPARED.agent | SPARED.containerInit);
        return plain(task, 'tool', '/usr/bin/tool');
      }
      case 'protected':
        return plain(started(PROTECTED), 'guarded', PROTECTED);
      case 'copy':
        return plain(started(COPY), 'guarded', COPY);
      case 'claimant': {
        const task = started('/usr/bin/tool') as Task;
        const claimed = (guardian as Task).mm;
        if (task.mm === undefined || claimed === undefined) throw new Error('a process without memory');
        writePointer(Reflect.get(task.mm, 'memory') as Memory, task.mm.at + MM.exeFile, claimed.exeFile.at);
        return { ...plain(task, 'tool', '/usr/bin/tool'), claims: PROTECTED };
      }
      case 'unknown program': {
        const task = started('/usr/bin/tool') as Task;
        if (task.mm === undefined) throw new Error('a process without memory');
        writePointer(Reflect.get(task.mm, 'memory') as Memory, task.mm.at + MM.exeFile, 0);
        return plain(task, 'tool', '/usr/bin/tool', { isUnknown: true });
      }
      case 'container init':
      case 'namespace init': {
        const task = spawn({ exepath: '/usr/bin/bash', cgroup: CONTAINER, vpid: 1, parent: shells.get(CONTAINER)! });
        if (role === 'container init') spare(task.pid, task.startNs, SPARED.containerInit);
        run(task, '/usr/bin/tool');
        return plain(task, 'tool', '/usr/bin/tool', { isContainerInit: role === 'container init' });
      }
      case 'thread': {
        const first = started('/usr/bin/tool');
        const made = host.task(host.call(first, 'clone', [CLONE_AS_THREAD]).result);
        if (made === undefined || made.tgid !== first.pid) throw new Error('clone made no thread');
        return plain(made, 'tool', '/usr/bin/tool');
      }
      case 'user namespace': {
        const task = started('/usr/bin/tool');
        if (host.call(task, 'unshare', [CLONE_NEWUSER]).result !== 0) throw new Error('no user namespace was made');
        return plain(task, 'tool', '/usr/bin/tool');
      }
      case 'pid namespace': {
        const maker = fork(shell);
        if (host.call(maker, 'unshare', [CLONE_NEWPID]).result !== 0) throw new Error('no pid namespace was made');
        const first = fork(maker);
        if (host.pidFor(first, first) !== 1) throw new Error('the first process of a pid namespace is not 1 there');
        run(first, '/usr/bin/tool');
        return plain(first, 'tool', '/usr/bin/tool');
      }
      case 'moved': {
        const task = started('/usr/bin/tool');
        host.moveToCgroup(task, random.pick(CGROUPS));
        return plain(task, 'tool', '/usr/bin/tool');
      }
      case 'container child': {
        const init = spawn({ exepath: '/usr/bin/bash', cgroup: CONTAINER, vpid: 1, parent: shells.get(CONTAINER)! });
        spare(init.pid, init.startNs, SPARED.containerInit);
        const child = fork(init);
        run(child, '/usr/bin/tool');
        return plain(child, 'tool', '/usr/bin/tool');
      }
    }
  };
  /** Files that a deed before has taken away or emptied are as they were. */
  const refill = (): void => {
    for (const path of OPENED) {
      const stat = host.fs.stat(path);
      if (stat === undefined || stat.size === 0) host.fs.write(path, `content of ${path}`, 0o666);
      else if ((stat.mode & 0o7777) !== 0o666) host.call(host.root, 'chmod', [path, 0o666]);
    }
  };
  /** Makes a call; a socket or a ring that it needs is made before, and `ready` called when only the call itself is left. */
  const act = (task: SimTask, deed: Deed, random: Random, ready: () => void): CallResult => {
    refill();
    const socketOf = (type: number): number => host.call(task, 'socket', [2, type, 0]).result;
    /** Somebody whom nothing is to happen to but what the task does. */
    const bystander = (): number => spawn({ exepath: '/usr/bin/other', cgroup: '/t' }).pid;
    const when = (name: string, args: readonly SimArgument[]): CallResult => {
      ready();
      return host.call(task, name, args);
    };
    switch (deed.kind) {
      case 'connect':
        return when('connect', [socketOf(SOCK_STREAM), { address: deed.address, port: deed.port }]);
      case 'send': {
        const to = { address: deed.address, port: deed.port };
        return when('sendto', [socketOf(SOCK_DGRAM), 'hello', 5, 0, to]);
      }
      case 'bind':
        return when('bind', [socketOf(SOCK_STREAM), { address: '127.0.0.1', port: deed.port }]);
      case 'unlink':
        return random.chance(0.5) ? when('unlink', [deed.path]) : when('unlinkat', [FDCWD, deed.path, 0]);
      case 'rename':
        return random.chance(0.5)
          ? when('rename', [deed.path, deed.to])
          : when('renameat2', [FDCWD, deed.path, FDCWD, deed.to, 0]);
      case 'link':
        return random.chance(0.5)
          ? when('link', [deed.path, deed.to])
          : when('linkat', [FDCWD, deed.path, FDCWD, deed.to, 0]);
      case 'chmod':
        return random.chance(0.5)
          ? when('chmod', [deed.path, deed.mode])
          : when('fchmodat', [FDCWD, deed.path, deed.mode]);
      case 'mount':
        return when('mount', ['none', deed.path, 'tmpfs', 0, null]);
      case 'signal': {
        const other = bystander();
        return random.chance(0.5) ? when('kill', [other, deed.signal]) : when('tgkill', [other, other, deed.signal]);
      }
      case 'ptrace':
        return when('ptrace', [PTRACE_ATTACH, bystander(), 0, 0]);
      case 'setuid':
        return random.chance(0.5) ? when('setuid', [deed.uid]) : when('setresuid', [deed.uid, deed.uid, deed.uid]);
      default:
    }
    const via =
      deed.kind === 'open' && task !== host.root
        ? random.weighted([
            [8, undefined],
            [1, 'io_uring' as const],
            [1, 'io_uring_sqpoll' as const],
          ])
        : undefined;
    if (via !== undefined) host.call(task, 'openat', [FDCWD, '/srv', 0, 0], { via });
    ready();
    if (deed.kind === 'exec') return run(task, deed.path, deed.evil);
    const flags = deed.write ? O_WRONLY | O_TRUNC : 0;
    if (via === undefined && random.chance(0.1)) return host.call(task, 'open', [deed.path, flags, 0], { abi: 'ia32' });
    return host.call(task, 'openat', [FDCWD, deed.path, flags, 0], via && { via });
  };
  /** What was done in a run is put away: its processes end, and its files are as they were. */
  const tidy = (): void => {
    for (const task of temporary.splice(0)) if (task.alive) host.end(task, { status: 0 });
    for (const fd of host.root.fds.slice(3)) host.call(host.root, 'close', [fd]);
    for (const path of MOUNT_POINTS) while (host.call(host.root, 'umount2', [path, 0]).result === 0);
    for (const name of host.fs.list('/srv'))
      if (!OPENED.includes(`/srv/${name}`)) host.call(host.root, 'unlink', [`/srv/${name}`]);
    refill();
  };
  return { host, actor, act, fork, tidy, configure: loaded?.configure, records: loaded?.records };
};

export type Lab = ReturnType<typeof createLab>;

const load = (host: SimHost, compiled: Compiled) => {
  const options: LoadOptions = {
    kernel: host.kernel,
    scope: '/',
    compiled,
    enforce: true,
    agentPid: 0,
    protect: [PROTECTED],
    budget: { kills: KILLS, periodMs: PERIOD_MS },
    processes: createProcessTable(),
  };
  const { maps } = loadObject(options);
  const config = mapOf(maps, 'config');
  const stream = host.kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  return {
    spared: mapOf(maps, 'spared'),
    configure: ({ state, expires }: Setting): void => {
      const value = config.lookup(FIRST);
      if (value === undefined) throw new Error('no configuration');
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      view.setUint32(CONFIG.enforce, SWITCH[state], true);
      view.setBigUint64(CONFIG.expires, expires, true);
      config.update(FIRST, value);
    },
    /** What programs said since it was asked last, as far as rules matched. */
    records: (): readonly EventRecord[] => {
      const found: EventRecord[] = [];
      stream.consume((bytes) => {
        const record = decodeRecord(bytes.slice(), compiled.layouts);
        if (record.matched.length > 0) found.push(record);
      });
      return found;
    },
  };
};
