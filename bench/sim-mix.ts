import {
  type PreparedCall,
  prepareCall,
  readCalls,
  type SimArgument,
  type SimHost,
  type SimTask,
} from '../sensors/index.ts';

/** Calls that a process makes between its exec and its exit: with fork, exec, exit and wait up to 38, of which 2 are fork or exec. */
const BODY_CALLS = 34;
/** CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, as the C library forks. */
const FORK = 0x120_0011;
/** include/uapi/asm-generic/fcntl.h */
const O_DIRECTORY = 0o200000;
const ELF = '\x7fELF';

/** Calls that the sessions make by themselves, end or hold up who makes them, or change what all processes share. */
const LEFT_OUT: ReadonlySet<string> = new Set(
  `fork vfork clone clone3 execve execveat exit exit_group wait4 waitid kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pause
  rt_sigsuspend chroot pivot_root mount umount2 unshare setns ptrace reboot`.split(/\s+/),
);
const PATHS: ReadonlySet<string> = new Set(['path', 'source', 'target']);
const FORKS_AND_EXECS: ReadonlySet<string> = new Set(['fork', 'vfork', 'clone', 'clone3', 'execve', 'execveat']);

/** What a child does after it was forked, up to its exit. */
interface Session {
  readonly exec: PreparedCall;
  readonly body: readonly PreparedCall[];
}

/** Processes that a shell starts one after the other, with the calls of recordings. */
export interface Mix {
  readonly sessions: number;
  /** Calls of a session, fork, exec, exit and wait included: the mean. */
  readonly callsPerSession: number;
  /** Shares of all calls, 0 to 1: with a path; fork or exec; that succeed. */
  readonly paths: number;
  readonly forksAndExecs: number;
  readonly succeed: number;
  /** Different calls. */
  readonly names: number;
  play(session: number): void;
}

const isPathCall = ({ event, arguments: args }: PreparedCall): boolean =>
  args.some((argument, index) => typeof argument === 'string' && PATHS.has(event.arguments[index]?.kind ?? ''));

const foldersAbove = (path: string): readonly string[] => {
  const names = path.split('/').slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
};

/** Puts files where successful calls of the recordings found some. */
const plantFiles = (host: SimHost, calls: readonly PreparedCall[]): void => {
  const found = calls.flatMap(({ event, arguments: args, recorded }) => {
    if (recorded === undefined || recorded.result < 0) return [];
    const index = event.arguments.findIndex(({ kind }) => kind === 'path');
    const path = args[index];
    if (typeof path !== 'string' || !/^\/(?!proc\/|dev\/|sys\/)[^/]/.test(path) || path.includes('/..')) return [];
    const opened = event.arguments.findIndex(({ kind }) => kind === 'openflags');
    const flags = args[opened];
    const directory = event.type === 'chdir' || (typeof flags === 'number' && (flags & O_DIRECTORY) !== 0);
    return { path: path.replace(/\/+$/, ''), directory };
  });
  const folders = new Set(
    found.flatMap(({ path, directory }) => [...foldersAbove(path), ...(directory ? [path] : [])]),
  );
  for (const path of [...folders].sort()) if (!host.fs.exists(path)) host.fs.mkdir(path);
  for (const { path } of found) if (!host.fs.exists(path)) host.fs.write(path, ELF, 0o755);
};

/** A call with the descriptors that the simulation gave in the place of those of the recording; others are standard output. */
const withDescriptors = (call: PreparedCall, fds: ReadonlyMap<number, number>): readonly SimArgument[] =>
  call.arguments.map((argument, index) => {
    const kind = call.event.arguments[index]?.kind;
    if (typeof argument !== 'number' || argument < 3 || (kind !== 'fd' && kind !== 'dirfd')) return argument;
    return fds.get(argument) ?? 1;
  });

/**
 * Makes the calls of a session once, to learn which descriptors they get, and gives them ready to be made again. Of a call that ends the
 * child it gives the index.
 */
const learnBody = (host: SimHost, child: SimTask, calls: readonly PreparedCall[]): readonly PreparedCall[] | number => {
  const fds = new Map<number, number>();
  const body: PreparedCall[] = [];
  for (const [index, call] of calls.entries()) {
    const { event, abi, recorded } = call;
    const args = withDescriptors(call, fds);
    const { result } = host.call(child, event.type, args, { abi });
    if (!child.alive) return index;
    if (event.fd === 'result' && recorded !== undefined && recorded.result >= 0 && result >= 0)
      fds.set(recorded.result, result);
    body.push(prepareCall(event.type, args, { abi }));
  }
  return body;
};

/** Makes recordings into processes of a simulated host that live as long as some 38 calls take, the recordings' calls in their order. */
export const createMix = (host: SimHost, paths: readonly string[]): Mix => {
  const recorded = paths.flatMap(readCalls);
  plantFiles(host, recorded);
  const shell = host.spawn({ exepath: '/usr/bin/bash', cwd: '/' });
  const execs = recorded.filter(({ event, recorded: it }) => event.type === 'execve' && it?.result === 0);
  const others = recorded.filter(({ event }) => !LEFT_OUT.has(event.type));
  const exit = prepareCall('exit_group', [0], {});

  const fork = (): SimTask => {
    const child = host.task(host.call(shell, 'clone', [FORK, 0, 0, 0, 0]).result);
    if (child === undefined) throw new Error('the shell of the mix could not fork');
    return child;
  };
  const wait = (child: SimTask): void => {
    host.call(shell, 'wait4', [child.pid, null, 0, null]);
  };

  /** Without the calls that end their caller, as writing to a pipe does that nobody reads. */
  const learn = (exec: PreparedCall, calls: readonly PreparedCall[]): Session => {
    const child = fork();
    host.play(child, exec);
    const body = learnBody(host, child, calls);
    if (child.alive) host.play(child, exit);
    wait(child);
    return typeof body === 'number' ? learn(exec, calls.toSpliced(body, 1)) : { exec, body };
  };

  const sessions = Array.from({ length: Math.floor(others.length / BODY_CALLS) }, (_, index): Session => {
    const program = execs[index % execs.length];
    if (program === undefined) throw new Error('the recordings have no execve that succeeded');
    return learn(
      prepareCall('execve', program.arguments, {}),
      others.slice(index * BODY_CALLS, (index + 1) * BODY_CALLS),
    );
  });

  let succeeded = 0;
  for (const { exec, body } of sessions) {
    const child = fork();
    const results = [exec, ...body].map(({ event, abi, arguments: args }) =>
      host.call(child, event.type, args, { abi }),
    );
    succeeded += 3 + results.filter(({ result }) => result >= 0).length;
    host.play(child, exit);
    wait(child);
  }

  const made = sessions.flatMap(({ exec, body }) => [exec, ...body]);
  const all = made.length + 3 * sessions.length;
  return {
    sessions: sessions.length,
    callsPerSession: all / sessions.length,
    paths: made.filter(isPathCall).length / all,
    forksAndExecs: (sessions.length + made.filter(({ event }) => FORKS_AND_EXECS.has(event.type)).length) / all,
    succeed: succeeded / all,
    names: new Set(made.map(({ event }) => event.type)).size + 3,
    play: (index) => {
      const { exec, body } = sessions[index % sessions.length] as Session;
      const child = fork();
      host.play(child, exec);
      for (let at = 0; at < body.length; at++) host.play(child, body[at] as PreparedCall);
      host.play(child, exit);
      wait(child);
    },
  };
};
