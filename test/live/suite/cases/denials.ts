import { strictEqual } from 'node:assert';
import { AF_INET, AT_FDCWD, connect, loopback, make, open, SOCK_STREAM } from '../calls.ts';
import type { Host, Need, Task } from '../host.ts';
import type { CaseRule } from '../policies.ts';

/** A call that a rule denies: what it does where it is let through, and what must be as it was where it is not. */
export interface Denial {
  /** The hook that LSM programs are asked at. */
  readonly hook: string;
  readonly needs?: readonly Need[];
  readonly rule: (host: Host) => Pick<CaseRule, 'condition' | 'output'>;
  /** What has to be there; gives what the others need of it. */
  readonly prepare: (host: Host) => Promise<Prepared>;
  readonly call: (host: Host, prepared: Prepared) => Promise<number>;
  /** Undoes what an allowed call did, where nothing else does. */
  readonly undo?: (host: Host) => Promise<unknown>;
  /** What the call comes to where nothing denies it. */
  readonly allowed: (result: number) => boolean;
  /** Fails where the denied call had an effect. */
  readonly intact: (host: Host, prepared: Prepared) => Promise<void>;
  /** What an alert says, of the rule's output. */
  readonly output: (host: Host, prepared: Prepared) => string;
}

interface Prepared {
  readonly path: string;
  readonly other: string;
  /** A descriptor, or -1. */
  readonly fd: number;
  readonly victim: Task | undefined;
}

const [ENOENT, ENOTCONN, ENOEXEC, EINVAL] = [2, 107, 8, 22];
const [O_RDWR, O_WRONLY_TRUNC, SEEK_END, SIGKILL, SOCK_DGRAM, PTRACE_ATTACH] = [2, 0o1001, 2, 9, 2, 16];
const [MODE, SET_UID] = [0o644, 0o4755];
/** Nobody listens there. */
const PORT = 45_077;
const NOBODY = 65_534;

const zero = (result: number): boolean => result === 0;
const nothing = async (): Promise<Prepared> => ({ path: '', other: '', fd: -1, victim: undefined });

/** A file that says `kept`. */
const keptFile = async (host: Host): Promise<Prepared> => {
  const path = await make(host, 'watched.txt');
  const fd = await open(host.task, path, O_RDWR);
  strictEqual(await host.task.call('pwrite64', [fd, new TextEncoder().encode('kept'), 4, 0]), 4);
  strictEqual(await host.task.call('close', [fd]), 0);
  return { path, other: `${host.folder}/other.txt`, fd: -1, victim: undefined };
};
const socketOf =
  (type: number) =>
  async (host: Host): Promise<Prepared> => {
    const fd = await host.task.call('socket', [AF_INET, type, 0]);
    strictEqual(fd >= 0, true);
    return { path: '', other: '', fd, victim: undefined };
  };
const child = async (host: Host): Promise<Prepared> => ({ ...(await nothing()), victim: await host.task.fork() });

const isThere = async ({ task }: Host, path: string, wanted: boolean): Promise<void> =>
  strictEqual(await task.call('access', [path, 0]), wanted ? 0 : -ENOENT, path);
const onlyThere = async (host: Host, { path, other }: Prepared): Promise<void> => {
  await isThere(host, path, true);
  await isThere(host, other, false);
};
const lives = async (_host: Host, { victim }: Prepared): Promise<void> => {
  strictEqual(victim?.alive(), true);
  strictEqual(await victim?.call('getpid'), victim?.tgid);
};
const notConnected = async ({ task }: Host, { fd }: Prepared): Promise<void> =>
  strictEqual(await task.call('getpeername', [fd, new Uint8Array(16), new Uint8Array([16, 0, 0, 0])]), -ENOTCONN);

/** A denial for each hook; the path in the output is the whole one. */
export const DENIALS: Readonly<Record<string, Denial>> = {
  open: {
    hook: 'lsm/file_open',
    rule: () => ({
      condition: 'evt.type in (open, openat, openat2) and fd.name endswith /watched.txt and evt.is_open_write = true',
      output: '%fd.name',
    }),
    prepare: keptFile,
    call: ({ task }, { path }) => open(task, path, O_WRONLY_TRUNC),
    allowed: (result) => result >= 0,
    intact: async ({ task }, { path }) => {
      const fd = await open(task, path);
      strictEqual(await task.call('lseek', [fd, 0, SEEK_END]), 4);
    },
    output: (_, { path }) => path,
  },
  exec: {
    hook: 'lsm/bprm_check_security',
    rule: () => ({
      condition: 'evt.type in (execve, execveat) and proc.exepath endswith /suite-driver',
      output: '%evt.type',
    }),
    prepare: nothing,
    call: ({ task, program }) => task.call('execve', [program, ['suite'], []]),
    allowed: zero,
    intact: async ({ task }) => strictEqual(await task.call('getpid'), task.tgid),
    output: () => 'execve',
  },
  connect: {
    hook: 'lsm/socket_connect',
    rule: ({ ports }) => ({
      condition: `evt.type = connect and fd.sport = ${ports.open} and fd.snet = 127.0.0.0/8`,
      output: '%fd.sip %fd.sport',
    }),
    prepare: socketOf(SOCK_STREAM),
    call: ({ task, ports }, { fd }) => task.call('connect', [fd, loopback(ports.open), 16]),
    allowed: zero,
    intact: async (host, prepared) => {
      await notConnected(host, prepared);
      strictEqual(await connect(host, host.ports.closed), -111);
    },
    output: ({ ports }) => `127.0.0.1 ${ports.open}`,
  },
  bind: {
    hook: 'lsm/socket_bind',
    rule: () => ({ condition: `evt.type = bind and fd.sport = ${PORT}`, output: '%fd.sip %fd.sport' }),
    prepare: socketOf(SOCK_STREAM),
    call: ({ task }, { fd }) => task.call('bind', [fd, loopback(PORT), 16]),
    allowed: zero,
    intact: async (host) => {
      const { fd } = await socketOf(SOCK_STREAM)(host);
      strictEqual(await host.task.call('bind', [fd, loopback(PORT), 16]), 0);
      strictEqual(await host.task.call('close', [fd]), 0);
    },
    output: () => `127.0.0.1 ${PORT}`,
  },
  sendto: {
    hook: 'lsm/socket_sendmsg',
    rule: () => ({
      condition: `evt.type in (sendto, sendmsg) and fd.sport = ${PORT} and fd.l4proto = udp`,
      output: '%fd.sip %fd.sport',
    }),
    prepare: socketOf(SOCK_DGRAM),
    call: ({ task }, { fd }) => task.call('sendto', [fd, 'hello', 5, 0, loopback(PORT), 16]),
    allowed: (result) => result === 5,
    intact: async ({ task }, { fd }) => {
      strictEqual(await task.call('sendto', [fd, 'hello', 5, 0, loopback(PORT + 1), 16]), 5);
    },
    output: () => `127.0.0.1 ${PORT}`,
  },
  unlink: {
    hook: 'lsm/path_unlink',
    rule: () => ({
      condition: 'evt.type in (unlink, unlinkat) and fs.path.name endswith /watched.txt',
      output: '%fs.path.name',
    }),
    prepare: keptFile,
    call: ({ task }, { path }) => task.call('unlink', [path]),
    allowed: zero,
    intact: onlyThere,
    output: (_, { path }) => path,
  },
  unlinkat: {
    hook: 'lsm/path_unlink',
    rule: () => ({
      condition: 'evt.type in (unlink, unlinkat) and fs.path.name glob /tmp/shrike-suite*/watched.*',
      output: '%fs.path.name',
    }),
    prepare: async (host) => ({ ...(await keptFile(host)), fd: await open(host.task, host.folder, 0o200000) }),
    call: ({ task }, { fd }) => task.call('unlinkat', [fd, './watched.txt', 0]),
    allowed: zero,
    intact: onlyThere,
    output: (_, { path }) => path,
  },
  rename: {
    hook: 'lsm/path_rename',
    rule: () => ({
      condition:
        'evt.type in (rename, renameat, renameat2) and fs.path.source endswith /watched.txt and fs.path.target endswith /other.txt',
      output: '%fs.path.source %fs.path.target',
    }),
    prepare: keptFile,
    call: ({ task }, { path, other }) => task.call('rename', [path, other]),
    allowed: zero,
    intact: onlyThere,
    output: (_, { path, other }) => `${path} ${other}`,
  },
  link: {
    hook: 'lsm/path_link',
    rule: () => ({
      condition:
        'evt.type in (link, linkat) and fs.path.source endswith /watched.txt and fs.path.target endswith /other.txt',
      output: '%fs.path.source %fs.path.target',
    }),
    prepare: keptFile,
    call: ({ task }, { path, other }) => task.call('linkat', [AT_FDCWD, path, AT_FDCWD, other, 0]),
    allowed: zero,
    intact: onlyThere,
    output: (_, { path, other }) => `${path} ${other}`,
  },
  symlink: {
    hook: 'lsm/path_symlink',
    rule: () => ({
      condition:
        'evt.type in (symlink, symlinkat) and evt.arg.target endswith /watched.txt and fs.path.target endswith /other.txt',
      output: '%evt.arg.target %fs.path.target',
    }),
    prepare: keptFile,
    call: ({ task }, { path, other }) => task.call('symlinkat', [path, AT_FDCWD, other]),
    allowed: zero,
    intact: onlyThere,
    output: (_, { path, other }) => `${path} ${other}`,
  },
  chmod: {
    hook: 'lsm/path_chmod',
    rule: () => ({
      condition:
        'evt.type in (chmod, fchmod, fchmodat) and fs.path.name endswith /watched.txt and evt.arg.mode contains S_ISUID',
      output: '%fs.path.name',
    }),
    prepare: keptFile,
    call: ({ task }, { path }) => task.call('fchmodat', [AT_FDCWD, path, SET_UID]),
    allowed: zero,
    intact: async ({ task }, { path }) => strictEqual(await task.call('fchmodat', [AT_FDCWD, path, MODE]), 0),
    output: (_, { path }) => path,
  },
  kill: {
    hook: 'lsm/task_kill',
    rule: () => ({ condition: 'evt.type in (kill, tkill, tgkill) and evt.arg.sig = SIGKILL', output: '%evt.arg.sig' }),
    prepare: child,
    call: ({ task }, { victim }) => task.call('kill', [victim?.pid ?? 0, SIGKILL]),
    allowed: zero,
    intact: lives,
    output: () => 'SIGKILL',
  },
  setuid: {
    hook: 'lsm/task_fix_setuid',
    rule: () => ({
      condition: `evt.type in (setuid, setreuid, setresuid) and evt.arg.uid = ${NOBODY}`,
      output: '%evt.arg.uid',
    }),
    prepare: child,
    call: async (_, { victim }) => (await victim?.call('setresuid', [NOBODY, NOBODY, NOBODY])) ?? 0,
    allowed: zero,
    intact: async (_, { victim }) => strictEqual(await victim?.call('geteuid'), 0),
    output: () => String(NOBODY),
  },
  ptrace: {
    hook: 'lsm/ptrace_access_check',
    rule: ({ task }) => ({
      condition: `evt.type = ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE) and proc.pid = ${task.tgid}`,
      output: '%evt.type',
    }),
    prepare: child,
    call: ({ task }, { victim }) => task.call('ptrace', [PTRACE_ATTACH, victim?.pid ?? 0, 0, 0]),
    allowed: zero,
    intact: lives,
    output: () => 'ptrace',
  },
  mount: {
    hook: 'lsm/sb_mount',
    needs: ['enforcement'],
    rule: () => ({
      condition: 'evt.type = mount and fs.path.target startswith /tmp/shrike-suite and evt.arg.fstype = tmpfs',
      output: '%fs.path.target %evt.arg.fstype',
    }),
    prepare: keptFile,
    call: ({ task, folder }) => task.call('mount', ['none', folder, 'tmpfs', 0, null]),
    undo: ({ task, folder }) => task.call('umount2', [folder, 0]),
    allowed: zero,
    intact: onlyThere,
    output: ({ folder }) => `${folder} tmpfs`,
  },
  finit_module: {
    hook: 'lsm/kernel_read_file',
    rule: () => ({ condition: 'evt.type = finit_module and fd.name endswith /watched.txt', output: '%fd.name' }),
    prepare: async (host) => {
      const kept = await keptFile(host);
      return { ...kept, fd: await open(host.task, kept.path) };
    },
    call: ({ task }, { fd }) => task.call('finit_module', [fd, '', 0]),
    allowed: (result) => result === -ENOEXEC || result === 0,
    intact: onlyThere,
    output: (_, { path }) => path,
  },
  init_module: {
    hook: 'lsm/kernel_load_data',
    rule: ({ task }) => ({ condition: `evt.type = init_module and proc.pid = ${task.tgid}`, output: '%evt.type' }),
    prepare: nothing,
    call: ({ task }) => task.call('init_module', [new Uint8Array(64).fill(7), 64, '']),
    allowed: (result) => result === -ENOEXEC,
    intact: async () => undefined,
    output: () => 'init_module',
  },
  bpf: {
    hook: 'lsm/bpf',
    rule: ({ task }) => ({
      condition: `evt.type = bpf and evt.arg.cmd = BPF_MAP_CREATE and proc.pid = ${task.tgid}`,
      output: '%evt.arg.cmd',
    }),
    prepare: nothing,
    call: ({ task }) => task.call('bpf', [0, new Uint8Array(72), 72]),
    allowed: (result) => result === -EINVAL,
    intact: async () => undefined,
    output: () => 'BPF_MAP_CREATE',
  },
};

/** What alerts say of denials: where, and whether it was carried out. */
export const said = (
  alerts: readonly {
    readonly output: string;
    readonly verdict?: string;
    readonly enforced?: boolean;
    readonly hook: string;
  }[],
) => alerts.map(({ output, verdict, enforced, hook }) => [hook, output, verdict, enforced]);
