import type { FeatureLevel } from '../../../engine/object/index.ts';
import type { Kernel, ProcessFacts } from '../../kernel.ts';
import { openSimGate } from './gate.ts';
import { simHooksOf } from './hooks.ts';
import { decodeText } from './kernel-object.ts';
import { KERNEL_BTF } from './layout.ts';
import type { Machine } from './machine.ts';
import type { Task } from './tasks.ts';

const isIn = (task: Task, scope: string): boolean => scope === '/' || `${task.cgroup}/`.startsWith(`${scope}/`);

/** What is known of a program and its file; nothing of kernel threads, and of what recordings don't tell. */
const imageOf = ({ mm, group }: Task): Partial<ProcessFacts> => {
  if (mm === undefined || group.namespace.untold) return {};
  const { inode } = mm.exeFile;
  const { changed, modified } = inode.times;
  return {
    env: decodeText(mm.environment).split('\0').slice(0, -1),
    layer: inode.layer,
    exeIno: BigInt(inode.ino),
    exeCtime: changed,
    exeMtime: modified,
  };
};

const factsOf = (task: Task, parent: Task | undefined): ProcessFacts => ({
  pid: task.tgid,
  start: task.startNs,
  parentPid: parent?.tgid ?? 0,
  parentStart: parent?.startNs ?? 0n,
  name: task.comm,
  exepath: task.exepath,
  argv: task.argv,
  memfd: task.mm?.exeFile.path.dentry.name.startsWith('memfd:') ?? false,
  uid: task.uid,
  cgroup: task.cgroup,
  ...imageOf(task),
});

/** The simulated kernel as programs' loaders see it. */
export const createSimKernel = (
  machine: Machine,
  level: FeatureLevel,
  kill: NonNullable<Kernel['kill']> = () => 'refused',
): Kernel => {
  const { programs, cgroups } = machine;
  return {
    features: {
      name: `sim ${level}`,
      level,
      hooks: simHooksOf(level),
      enforcement: true,
    },
    btf: KERNEL_BTF,
    createMap: (spec) => programs.createMap(spec),
    loadProgram: (program, maps) => programs.load(program, maps),
    attach: (program, { cgroup } = {}) => programs.attach(program, cgroup),
    replace: (link, program) => programs.replace(link, program),
    detach: (link) => programs.detach(link),
    release: (unused) => programs.release(unused),
    openGate: async (gate) => openSimGate(machine, gate),
    settle: () => undefined,
    ringBuffer: (map) => programs.ringBuffer(map),
    stream: (maps, timeAt) => programs.stream(maps, timeAt),
    cgroupId: (path) => cgroups.byPath(path)?.id,
    cgroupPath: (id) => cgroups.byId(id)?.path,
    fileId: (path) => {
      const init = machine.tasks.get(1);
      if (!init) return undefined;
      machine.permissions.lifted = true;
      const found = machine.walk.find(init, machine.files.root, path, true);
      machine.permissions.lifted = false;
      if (typeof found === 'number') return undefined;
      const { inode } = found.dentry;
      return { dev: BigInt(inode.superBlock.dev), ino: BigInt(inode.ino) };
    },
    kill,
    wallTime: (bootNs) => machine.clock.wallTime(bootNs),
    processes: (scope) =>
      [...machine.tasks.values()]
        .filter((task) => task.leader === task && task.group.live > 0 && isIn(task, scope))
        .sort((one, other) => one.pid - other.pid)
        .map((task) => factsOf(task, task.parent && isIn(task.parent, scope) ? task.parent : undefined)),
    enableStatistics: () => programs.enableStatistics(),
    stats: () => programs.stats(),
    close: () => programs.detachAll(),
  };
};
