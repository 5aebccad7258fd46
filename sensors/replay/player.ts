import { EVENT_TYPES } from '../../rules/index.ts';
import { errnoOf, signalOf } from '../constants.ts';
import type { SimHost, SimTask } from '../sim/index.ts';
import { argumentsOf, recordedOf } from './arguments.ts';
import { directoriesOf, prepareFiles } from './files.ts';
import type { RecordedCall, RecordedEvent, Recording, RecordingProblem } from './recording.ts';
import { textOf } from './value.ts';

/** Plays a recording's events on a simulated host. */
export interface Player {
  /** Calls played so far. */
  readonly calls: number;
  /** Plays one event, given in the recording's order; what could not be played as recorded comes back as problems. */
  play(event: RecordedEvent): readonly RecordingProblem[];
}

const FORKS = new Set(['fork', 'vfork', 'clone', 'clone3']);
/** Events after a connect in which its own end may show. */
const LOOK_AHEAD = 1_000;
/** Calls that end their caller, so that no result is ever seen. */
const ENDS = new Set(['exit', 'exit_group']);

/** The first result of a call by a process, before anything may have changed it. */
const firstResult = (recording: Recording, pid: number, names: readonly string[]): number | undefined => {
  for (const event of recording.events) {
    if (event.pid !== pid || event.kind !== 'call' || event.result.value === undefined) continue;
    if (event.name.startsWith('set')) return undefined;
    if (names.includes(event.name)) return Number(event.result.value);
  }
  return undefined;
};

/** The working directory in which a process starts: from -y's decoration of AT_FDCWD, or from getcwd. */
const workingDirectory = (recording: Recording, pid: number): string => {
  for (const event of recording.events) {
    if (event.pid !== pid || event.kind !== 'call') continue;
    if (event.name === 'chdir' || event.name === 'fchdir') return '/';
    if (event.name === 'getcwd' && event.result.errno === undefined) return textOf(event.arguments[0]?.value) ?? '/';
    for (const { value } of event.arguments) {
      if (value.kind === 'constant' && value.name === 'AT_FDCWD' && value.decoration?.startsWith('/')) {
        return value.decoration;
      }
    }
  }
  return '/';
};

/** The terminal that a process has as its standard descriptors, `pts/0`, where -y shows one. */
const terminalOf = (recording: Recording, pid: number): string | undefined => {
  for (const event of recording.events) {
    if (event.kind !== 'call' || event.pid !== pid) continue;
    for (const { value } of event.arguments) {
      const terminal =
        value.kind === 'number' && value.value <= 2n ? /^\/dev\/(pts\/\d+)/.exec(value.decoration ?? '') : null;
      if (terminal !== null) return terminal[1];
    }
    if (event.name.startsWith('dup') || event.name === 'close') return undefined;
  }
  return undefined;
};

export const createPlayer = (host: SimHost, recording: Recording): Player => {
  /** When the recording begins, nanoseconds since boot. */
  const origin = recording.start === undefined ? host.bootNs : recording.start - host.wallTime(0n);
  const directories = directoriesOf(recording.events);
  const first = recording.events[0];
  const pids = new Set(recording.events.map((event) => event.pid));
  const forks = new Map<number, RecordedCall[]>();
  /** Where in the recording connects are. */
  const connects = new Map<RecordedCall, number>();
  for (const [index, event] of recording.events.entries()) {
    if (event.kind === 'call' && event.name === 'connect') connects.set(event, index);
    if (event.kind !== 'call' || !FORKS.has(event.name) || event.result.value === undefined) continue;
    const child = Number(event.result.value);
    if (child > 0) forks.set(child, [...(forks.get(child) ?? []), event]);
  }
  const played = new Set<RecordedCall>();
  /** Processes and threads that there have been. */
  const seen = new Set<number>();
  let calls = 0;

  /** A process id near another that neither the recording nor the host uses. */
  const freePid = (near: number): number => {
    let pid = Math.max(near - 1, 3);
    while (pids.has(pid) || forks.has(pid) || host.task(pid) !== undefined) pid += 1;
    return pid;
  };

  /** The process that strace started, as it is before its first execve: strace's own child. It is there before anything is played. */
  const spawnFirst = (pid: number): void => {
    const uid = firstResult(recording, pid, ['geteuid', 'getuid']) ?? 0;
    const gid = firstResult(recording, pid, ['getegid', 'getgid']) ?? uid;
    const tty = terminalOf(recording, pid);
    const strace = {
      exepath: '/usr/bin/strace',
      argv: ['strace'],
      uid,
      gid,
      cwd: workingDirectory(recording, pid),
      ...(tty === undefined ? {} : { tty }),
    };
    host.spawn({ ...strace, pid, parent: host.spawn({ ...strace, pid: freePid(pid) }) });
  };

  const playCall = (task: SimTask, call: RecordedCall, problems: RecordingProblem[]): void => {
    played.add(call);
    seen.add(call.pid);
    const { errno } = call.result;
    if (errno !== undefined && errnoOf(errno) === undefined) {
      problems.push({ line: call.line, message: `expected the name of an errno, ENOENT; found ${errno}` });
      return;
    }
    const next = (connects.get(call) ?? recording.events.length) + 1;
    const following = recording.events.slice(next, next + LOOK_AHEAD);
    const recorded = ENDS.has(call.name) ? undefined : recordedOf(call, following);
    try {
      prepareFiles(host, task, call, directories);
      host.call(task, call.name, argumentsOf(call), {
        abi: call.abi,
        ...(recorded === undefined ? {} : { recorded }),
      });
      calls += 1;
      const made = recorded?.result ?? -1;
      if (made >= 0 && EVENT_TYPES.get(call.name)?.fd === 'result' && !task.fds.includes(made)) {
        const what = `the simulated host has no descriptor ${made} after ${call.name} of process ${call.pid}`;
        problems.push({ line: call.line, message: `${what}: what it refers to is unknown` });
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      problems.push({ line: call.line, message: `${call.name} of process ${call.pid} was not played: ${reason}` });
    }
  };

  /** The task of an event. A child whose lines come before its parent's clone returned makes that clone come first. */
  const taskOf = (event: RecordedEvent, problems: RecordingProblem[]): SimTask => {
    const present = host.task(event.pid);
    if (present !== undefined) return present;
    const fork = forks.get(event.pid)?.find((call) => !played.has(call) && call.begin < event.line);
    if (fork !== undefined) {
      playCall(taskOf(fork, problems), fork, problems);
      const child = host.task(event.pid);
      if (child !== undefined) return child;
    }
    problems.push({
      line: event.line,
      message: `process ${event.pid} appears without the clone that made it: its program and its parent are unknown until it calls execve`,
    });
    return host.spawn({ exepath: '/unknown', name: 'unknown', pid: event.pid });
  };

  if (first !== undefined && host.task(first.pid) === undefined) spawnFirst(first.pid);

  return {
    get calls() {
      return calls;
    },
    play: (event) => {
      const problems: RecordingProblem[] = [];
      if (event === first && !(event.kind === 'call' && event.name.startsWith('execve'))) {
        const message = `process ${event.pid} ran before the recording began: its program is unknown until it calls execve`;
        problems.push({ line: event.line, message });
      }
      const ahead = event.time === undefined ? 0n : origin + event.time - host.bootNs;
      if (ahead > 0n) host.advance(ahead);
      switch (event.kind) {
        case 'call':
          if (played.has(event)) break;
          // the process ended in the middle of the call, or did so before another of its threads
          if (event.result.value === undefined && event.result.errno === undefined) {
            if (!ENDS.has(event.name) || (seen.has(event.pid) && host.task(event.pid) === undefined)) break;
          }
          playCall(taskOf(event, problems), event, problems);
          break;
        case 'exited':
        case 'killed': {
          const task = host.task(event.pid);
          if (task === undefined) break;
          const number = event.kind === 'killed' ? signalOf(event.signal) : undefined;
          if (event.kind === 'exited') host.end(task, { status: event.status });
          else if (number !== undefined) host.end(task, { signal: number });
          else
            problems.push({
              line: event.line,
              message: `expected the name of a signal, SIGKILL; found ${event.signal}`,
            });
          break;
        }
        case 'signal':
        case 'superseded':
          break;
      }
      return problems;
    },
  };
};
