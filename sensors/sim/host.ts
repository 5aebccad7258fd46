import { CAPABILITIES } from '../../rules/index.ts';
import { plantDefaultTree, plantProcFiles } from './default-tree.ts';
import { createHostFiles, type HostFiles } from './host-files.ts';
import { AddressSpace } from './kernel/address-spaces.ts';
import {
  ALL_CAPABILITIES,
  Cred,
  capabilitySet,
  idsOf,
  NO_CAPABILITIES,
  UNTOLD_KEPT,
  untoldCapabilities,
} from './kernel/credentials.ts';
import type { Dentry } from './kernel/dentries.ts';
import { FilesStruct, OpenFile } from './kernel/files.ts';
import { FsStruct } from './kernel/fs-struct.ts';
import { createMachine, type Machine } from './kernel/machine.ts';
import type { Mount, Path } from './kernel/mounts.ts';
import type { NamespaceSet } from './kernel/namespaces.ts';
import { Processes } from './kernel/processes.ts';
import { createSimKernel } from './kernel/sim-kernel.ts';
import { PF_KTHREAD, Task, UNSET_LOGINUID } from './kernel/tasks.ts';
import { ThreadGroup } from './kernel/thread-group.ts';
import { layOutStrings } from './kernel/user-memory.ts';
import type { SimHost, SimHostOptions, SimTask, SpawnOptions } from './sim-host.ts';
import { SystemCalls } from './syscalls/system-calls.ts';
import { O_RDWR, SIGKILL } from './uapi.ts';

/** Enough for the machine, its files and a few programs. */
const DEFAULT_MEMORY = 16 * 1024 * 1024;
/** Bytes of a host that any number of policies is loaded into. Costs more to make: many such memories keep the garbage collector busy. */
export const POLICY_MEMORY = 256 * 1024 * 1024;
const DEFAULT_BOOT = new Date('2026-01-01T00:00:00Z');
/** How long apart the processes start that are there before anything happens. */
const SPAWN_NS = 1_000_000;
const ENVIRONMENT = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'];

/** Devices every host has: path, mode, major, minor (Documentation/admin-guide/devices.txt). */
const DEVICES: readonly (readonly [path: string, mode: number, major: number, minor: number])[] = [
  ['/dev/null', 0o666, 1, 3],
  ['/dev/zero', 0o666, 1, 5],
  ['/dev/full', 0o666, 1, 7],
  ['/dev/random', 0o666, 1, 8],
  ['/dev/urandom', 0o666, 1, 9],
  ['/dev/tty', 0o666, 5, 0],
  ['/dev/console', 0o600, 5, 1],
  ['/dev/ptmx', 0o666, 5, 2],
  ['/dev/mem', 0o640, 1, 1],
];

const capabilityNumber = (name: string): number => {
  const number = CAPABILITIES.indexOf(name);
  if (number < 0) throw new Error(`there is no capability ${name}; they have names such as CAP_SYS_ADMIN`);
  return number;
};

/** Major number of pseudo terminals. */
const PTS_MAJOR = 136;

const mountTree = (machine: Machine, files: HostFiles): void => {
  const mountAt = (path: string, root: Dentry): Mount => {
    files.mkdir(path);
    return machine.files.mount(root, files.find(path));
  };
  const mounted = (path: string, type: 'devtmpfs' | 'tmpfs' | 'sysfs', mode: number): void => {
    mountAt(path, machine.files.newSuperBlock(type, undefined, mode).root);
  };
  const proc = machine.proc.of(machine.namespaces.pids);
  proc.mount = mountAt('/proc', proc.superBlock.root);
  mounted('/sys', 'sysfs', 0o555);
  mounted('/dev', 'devtmpfs', 0o755);
  mounted('/dev/shm', 'tmpfs', 0o1777);
  mounted('/run', 'tmpfs', 0o755);
  mounted('/tmp', 'tmpfs', 0o1777);
  plantProcFiles(files);
  files.symlink('self/mounts', '/proc/mounts');
  files.generated('/proc/modules', () => [...machine.modules].map((name) => `${name} 16384 0 - Live 0x0\n`).join(''));
  for (const [path, mode, major, minor] of DEVICES) files.device(path, mode, major, minor);
  files.symlink('/proc/self/fd', '/dev/fd');
  files.symlink('/proc/self/fd/0', '/dev/stdin');
  files.symlink('/proc/self/fd/1', '/dev/stdout');
  files.symlink('/proc/self/fd/2', '/dev/stderr');
};

/**
 * A simulated Linux machine with a kernel that compiled programs run in, a small server's files, and systemd as pid 1 in
 * /init.scope. Nothing happens in it but what is called.
 */
export const createSimHost = (options: SimHostOptions = {}): SimHost => {
  const hostname = options.hostname ?? 'sim';
  const machine = createMachine(
    options.seed ?? 1,
    options.bootTime ?? DEFAULT_BOOT,
    options.memory ?? DEFAULT_MEMORY,
    options.engine ?? 'tiered',
    options.untold,
    options.level,
  );
  for (const path of options.cgroups ?? []) machine.cgroups.at(path);
  const processes = new Processes(machine);
  const calls = new SystemCalls(machine, processes);
  const { clock, memory } = machine;

  const rootPath = machine.files.root;
  const bootCred = new Cred(memory, idsOf(0, 0), [], ALL_CAPABILITIES, ALL_CAPABILITIES);
  const bootFs = new FsStruct(memory, rootPath, rootPath);
  const files = createHostFiles(machine, () => machine.tasks.get(1) ?? { subject: bootCred, fs: bootFs });

  const programAt = (path: string): Path => {
    if (!files.find(path)) files.write(path, '\x7fELF', 0o755);
    const found = files.find(path);
    if (!found) throw new Error(`there can be no program at "${path}"`);
    return found;
  };

  const terminal = (tty: string | undefined): string => {
    if (tty === undefined) return '/dev/null';
    const path = `/dev/${tty}`;
    if (!files.exists(path)) files.device(path, 0o620, PTS_MAJOR, Number(/\d+$/.exec(tty)?.[0] ?? 0));
    return path;
  };

  const openStandardFiles = (table: FilesStruct, tty: string | undefined): void => {
    const path = files.find(terminal(tty));
    if (!path) return;
    const file = new OpenFile(memory, path, O_RDWR);
    table.install(0, file, false);
    table.install(1, file.share(), false);
    table.install(2, file.share(), false);
  };

  const own = (task: SimTask): Task => {
    const found = machine.tasks.get(task.pid);
    if (found === task) return found;
    if (!task.alive) throw new Error(`${task.name} (pid ${task.pid}) is dead; it can make no call`);
    throw new Error(`${task.name} (pid ${task.pid}) is no task of this host`);
  };

  /** The namespaces that a new process is in: its parent's, with a new one for pids where it gets a number of its own in none. */
  const namespacesOf = (parent: Task | undefined, pid: number, vpid: number | undefined): NamespaceSet => {
    const { namespaces } = machine;
    const set = parent?.namespaces ?? namespaces.initial;
    const { pids } = set.of.pid;
    const above = parent?.group.namespace ?? namespaces.pids;
    if (vpid === undefined && above.level === 0) return set.share();
    if (above.level > 0 && pids === above) {
      above.add(pid, vpid);
      return set.share();
    }
    const made = namespaces.newPids(above, set.of.user);
    made.pids?.add(pid, vpid);
    return set.with({ pid: made });
  };

  const spawn = (spec: SpawnOptions): Task => {
    const parent = spec.parent ? own(spec.parent) : machine.tasks.get(1);
    if (spec.pid !== undefined && machine.tasks.has(spec.pid))
      throw new Error(
        `pid ${spec.pid} is taken by ${machine.tasks.get(spec.pid)?.comm}; leave it out or choose another`,
      );
    const pid = spec.pid ?? processes.nextPid();
    const uid = spec.uid ?? 0;
    const gid = spec.gid ?? uid;
    const given = spec.capabilities === undefined ? undefined : capabilitySet(spec.capabilities.map(capabilityNumber));
    const usual = uid === 0 ? ALL_CAPABILITIES : NO_CAPABILITIES;
    const capabilities = given ?? (options.untold === true ? untoldCapabilities(usual) : usual);
    const kept =
      options.untold === true
        ? UNTOLD_KEPT
        : given && {
            bounding: uid === 0 ? given : ALL_CAPABILITIES,
            ambient: uid === 0 ? NO_CAPABILITIES : given,
          };
    const cwdPath = spec.cwd ?? '/';
    if (!files.find(cwdPath)) files.mkdir(cwdPath, 0o755, uid, gid);
    const argv = spec.argv ?? [spec.exepath];
    const kernelThread = spec.kernelThread ?? false;
    let mm: AddressSpace | undefined;
    if (!kernelThread) {
      mm = new AddressSpace(memory, new OpenFile(memory, programAt(spec.exepath), 0));
      mm.strings = layOutStrings(argv, spec.env ?? ENVIRONMENT, spec.exepath);
      if (options.untold === true) mm.hideEnvironment();
    }
    const table = new FilesStruct(memory);
    if (!kernelThread) openStandardFiles(table, spec.tty);
    const session = spec.tty === undefined && parent ? parent.group : undefined;
    const namespaces = namespacesOf(parent, pid, spec.vpid);
    const pids = namespaces.of.pid.pids ?? machine.namespaces.pids;
    const group = new ThreadGroup(memory, pid, session?.sid ?? pid, pids);
    group.tty = spec.tty;
    const task = new Task(memory, {
      pid,
      leader: undefined,
      realParent: parent,
      comm: spec.name ?? spec.exepath.slice(spec.exepath.lastIndexOf('/') + 1),
      exepath: kernelThread ? '' : spec.exepath,
      argv: kernelThread ? [] : argv,
      mm,
      cred: new Cred(memory, idsOf(uid, gid), spec.groups ?? [], capabilities, capabilities, kept),
      fs: new FsStruct(memory, rootPath, files.find(cwdPath) ?? rootPath),
      files: table,
      group,
      namespaces,
      cgroup: spec.cgroup === undefined ? (parent?.cgroupOf ?? machine.cgroups.root) : machine.cgroups.at(spec.cgroup),
      loginuid: spec.loginuid ?? UNSET_LOGINUID,
      flags: kernelThread ? PF_KTHREAD : 0,
      startNs: clock.bootNs,
    });
    processes.add(task);
    clock.ns += SPAWN_NS;
    return task;
  };

  const living = (task: SimTask): Task => {
    if (task instanceof Task && task.alive && task.isIn(memory)) return task;
    if (own(task).alive) return own(task);
    throw new Error(`${task.name} (pid ${task.pid}) is dead; it can make no call`);
  };

  plantDefaultTree(files);
  mountTree(machine, files);
  files.write('/etc/hostname', `${hostname}\n`);
  const root = spawn({
    pid: 1,
    name: 'systemd',
    exepath: '/usr/lib/systemd/systemd',
    argv: ['/sbin/init'],
    cgroup: '/init.scope',
  });

  return {
    hostname,
    kernel: createSimKernel(machine, options.level ?? '6.12', (pid, start) => {
      const task = processes.living(pid);
      if (task === undefined || task.leader.startNs !== start) return 'gone';
      if (task.isKernelThread || pid === 1) return 'refused';
      processes.exitGroup(task, { signal: SIGKILL });
      return 'killed';
    }),
    root,
    fs: files,
    network: {
      declareRemote: (address, port, { reply = '' } = {}) => machine.network.declareRemote(address, port, reply),
      declareName: (name, address) => machine.network.declareName(name, address),
      reachable: (address, port) => machine.network.reachable(address, port),
      incoming: (from, port, data = '') => machine.network.incoming(from, port, data),
    },
    get bootNs() {
      return clock.bootNs;
    },
    advance: (ns) => {
      clock.ns += Number(ns);
    },
    advanceTo: (bootNs) => {
      if (bootNs > clock.ns) clock.ns = bootNs;
    },
    wallTime: (bootNs) => clock.wallTime(bootNs),
    get calls() {
      return calls.count;
    },
    spawn,
    pidFor: (viewer, task) => own(viewer).group.namespace.numberOf(task.pid) ?? 0,
    task: (pid) => processes.living(pid),
    tasks: () => [...machine.tasks.values()].filter((task) => task.alive).sort((one, other) => one.pid - other.pid),
    call: (task, name, args, callOptions = {}) => {
      return calls.make(living(task), name, args, callOptions);
    },
    moveToCgroup: (task, path) => {
      const cgroup = machine.cgroups.at(path);
      for (const thread of own(task).group.threads) thread.cgroupOf = cgroup;
    },
    play: (task, call) => calls.play(living(task), call),
    leads: (task, call) => calls.leads(living(task), call),
    pass: (passed, begins, from, to) => calls.pass(passed, begins, from, to),
    end: (task, how) => {
      if (!task.alive) return;
      processes.exitGroup(own(task), how);
    },
  };
};
