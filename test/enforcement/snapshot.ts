import type { SimHost, SimTask } from '../../sensors/index.ts';
import type { Task } from '../../sensors/sim/kernel/tasks.ts';

/** File systems whose files say what processes do, or lie in no directory that a deed is about. */
const LEFT_OUT = new Set(['/proc', '/sys', '/dev']);

const filesOf = ({ fs }: SimHost): readonly string[] => {
  const lines: string[] = [];
  const walk = (folder: string): void => {
    for (const name of fs.list(folder)) {
      const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
      if (LEFT_OUT.has(path)) continue;
      const stat = fs.stat(path);
      if (stat === undefined) {
        lines.push(path);
        continue;
      }
      const { dev, ino, mode, uid, gid, nlink, size } = stat;
      const isFile = (mode & 0o170000) === 0o100000;
      lines.push(`${path} ${dev} ${ino} ${mode} ${uid} ${gid} ${nlink} ${size} ${isFile ? fs.read(path) : ''}`);
      if ((mode & 0o170000) === 0o040000) walk(path);
    }
  };
  walk('/');
  return lines;
};

/** An open file of a task, a socket with its two ends and what it holds. */
const fileOf = (task: SimTask, fd: number): string => {
  const file = (task as Task).files.get(fd);
  if (file === undefined) return `${fd} none`;
  const { socket } = file;
  const ends =
    socket === undefined
      ? ''
      : [
          JSON.stringify(socket.local),
          JSON.stringify(socket.peer),
          socket.queue?.length,
          socket.pending,
          socket.error,
        ].join();
  return `${fd} ${file.inode.ino} ${file.flags} ${file.position} ${ends}`;
};

const rightsOf = ({ suid, sgid, fsuid, fsgid, groups, permitted, effective, kept, isConfined }: Task['cred']) => [
  ...[suid, sgid, fsuid, fsgid, groups.join(), isConfined],
  JSON.stringify([permitted, effective, kept]),
];

const taskOf = (task: SimTask): string => {
  const { pid, tgid, name, exepath, argv, cgroup, uid, euid, gid, egid, startNs, cwd, fds } = task;
  const { tracer, tracees, noNewPrivileges, cred, namespaces } = task as Task;
  return [
    ...['task', tgid, pid, name, exepath, argv.join(' '), cgroup, uid, euid, gid, egid, startNs, cwd],
    ...[
      tracer?.pid,
      tracees.size,
      noNewPrivileges,
      ...rightsOf(cred),
      ...Object.values(namespaces.of).map(({ path }) => path.dentry.inode?.ino),
    ],
    ...fds.map((fd) => fileOf(task, fd)),
  ].join(' ');
};

/** All of a host's files, processes and sockets, a line each. */
export const snapshotOf = (host: SimHost): readonly string[] => [
  ...filesOf(host),
  ...host.tasks().map(taskOf),
  ...host.tasks().map(({ pid, parent }) => `parent ${pid} ${parent?.pid}`),
];

/** What is left of a snapshot without a process, whose children have another parent then. */
export const withoutProcess = (snapshot: readonly string[], { tgid }: SimTask): readonly string[] =>
  snapshot.filter((line) => !line.startsWith(`task ${tgid} `) && !line.startsWith('parent '));
