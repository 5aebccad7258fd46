import { type Asked, answerTo } from '../../../rules/index.ts';
import type { Gate, GateOptions } from '../../kernel.ts';
import type { OpenFile } from './files.ts';
import type { Machine } from './machine.ts';
import { type Mount, pathText } from './mounts.ts';
import type { Task } from './tasks.ts';

const EPERM = 1;

/** What asks before a file is opened or executed: 0, or a negative errno. */
export type AskGate = (task: Task, file: OpenFile, on: Asked['on']) => number;

const isIn = (task: Task, scope: string): boolean => scope === '/' || `${task.cgroup}/`.startsWith(`${scope}/`);

const typecharOf = (file: OpenFile): string => {
  if (file.path.dentry.name.startsWith('memfd:')) return 'm';
  return file.inode.isRegular ? 'f' : 'o';
};

const askedOf = (machine: Machine, task: Task, file: OpenFile, on: Asked['on']): Asked => {
  const { parent, mm } = task;
  const exe = mm?.exeFile.inode;
  return {
    on,
    path: pathText(file.path),
    ino: BigInt(file.inode.ino),
    dev: BigInt(file.inode.superBlock.dev),
    typechar: typecharOf(file),
    pid: task.tgid,
    tid: task.pid,
    start: task.startNs,
    comm: task.comm,
    parentPid: parent?.tgid ?? 0,
    parentStart: parent?.startNs ?? 0n,
    uid: task.euid,
    gid: task.egid,
    loginuid: task.loginuid,
    cgroup: machine.cgroups.byPath(task.cgroup)?.id ?? 0n,
    cgroupPath: task.cgroup,
    isKernelThread: task.isKernelThread,
    exe: exe && { ino: BigInt(exe.ino), dev: BigInt(exe.superBlock.dev) },
    time: BigInt(machine.clock.bootNs),
  };
};

/** The mount that a path lies on. @throws Error where there is none */
const mountOf = (machine: Machine, path: string): Mount => {
  const init = machine.tasks.get(1);
  const found = init && machine.walk.find(init, machine.files.root, path, true);
  if (found === undefined || typeof found === 'number')
    throw new Error(`${path} can't be watched by fanotify (ENOENT)`);
  return found.mount;
};

/** Has a gate asked before files of its mounts are opened or executed, at once and by the decision that Linux's is answered with. */
export const openSimGate = (machine: Machine, options: GateOptions): Gate => {
  const { scope, task: rules, maps, onAnswered } = options;
  const mounts = new Set(options.mounts.map((path) => mountOf(machine, path)));
  const ask: AskGate = (task, file, on) => {
    if (!mounts.has(file.path.mount) || file.inode.isDirectory || !isIn(task, scope)) return 0;
    const asked = askedOf(machine, task, file, on);
    const said = answerTo(rules, asked, (name, key) => maps.get(name)?.lookup(key));
    if (said === 'sentinel') return -EPERM;
    if (said === undefined) return 0;
    onAnswered({ asked, answer: said, late: false });
    return said.denied ? -EPERM : 0;
  };
  machine.gates.add(ask);
  return {
    close: async () => {
      machine.gates.delete(ask);
    },
  };
};

/** Asks all gates, until one denies (fsnotify_open_perm of include/linux/fsnotify.h). */
export const askGates = (machine: Machine, task: Task, file: OpenFile, on: Asked['on']): number => {
  for (const ask of machine.gates) {
    const verdict = ask(task, file, on);
    if (verdict < 0) return verdict;
  }
  return 0;
};
