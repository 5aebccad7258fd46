import type { PreparedCall, SimHost, SimTask } from '../sim/index.ts';
import type { DecodedCall, DecodedEvent, DecodedRecording } from './decode.ts';
import type { FirstProcess } from './first-process.ts';
import type { RecordingProblem } from './recording.ts';

/** Plays a recording's events on a simulated host. */
export interface Player {
  /** Calls played so far. */
  readonly calls: number;
  /**
   * Plays events from one index up to another, in the recording's order; what could not be played as recorded is put to `problems`.
   * Returns the index after the last one played. @param stops at the first problem
   */
  play(from: number, to: number, problems: RecordingProblem[], stops: boolean): number;
  /** Ends the processes that the recording left running. */
  end(): void;
}

export interface PlayerOptions {
  /** When the recording begins, nanoseconds since boot. */
  readonly begins: number;
  /** What is added to its process ids; default 0. */
  readonly pidShift?: number;
}

/** One list for all, as what is laid out for a list of arguments is kept for the next time. */
const STRACE: readonly string[] = ['strace'];

/** Plays a recording once. The process that it begins with is there before anything is played. */
export const createPlayer = (
  host: SimHost,
  { events, plain, first, pids, forks }: DecodedRecording,
  { begins, pidShift = 0 }: PlayerOptions,
): Player => {
  /** Forks that came before their place, because their child did. */
  const ahead = new Set<DecodedCall>();
  const playedForks = new Set<DecodedCall>();
  /** Processes and threads that made a call. */
  const seen = new Set<number>();
  const spawned: SimTask[] = [];
  const shift = { pids: pidShift };
  let lastSeen = -1;
  let lastPlayed: SimTask | undefined;
  let unbegun = first;
  let calls = 0;

  const spawn: SimHost['spawn'] = (options) => {
    const task = host.spawn(options);
    spawned.push(task);
    return task;
  };

  /** A process id near another that neither the recording nor the host uses. */
  const freePid = (near: number): number => {
    let pid = Math.max(near - 1, 3);
    while (pids.has(pid) || forks.has(pid) || host.task(pid + pidShift) !== undefined) pid += 1;
    return pid + pidShift;
  };

  /** The process that strace started, as it is before its first execve: strace's own child. */
  const spawnFirst = ({ pid, uid, gid, cwd, tty }: FirstProcess): void => {
    const terminal = tty === undefined ? {} : { tty };
    const strace = { exepath: '/usr/bin/strace', argv: STRACE, uid, gid, cwd, ...terminal };
    const parent = spawn({ ...strace, pid: freePid(pid) });
    spawn({ ...strace, pid: pid + pidShift, parent });
  };

  const noteSeen = (pid: number): void => {
    if (pid === lastSeen) return;
    lastSeen = pid;
    seen.add(pid);
  };

  const notPlayed = ({ line, name, pid }: DecodedCall, error: unknown, problems: RecordingProblem[]): void => {
    const reason = error instanceof Error ? error.message : String(error);
    problems.push({ line, message: `${name} of process ${pid} was not played: ${reason}` });
  };

  const make = (task: SimTask, prepared: PreparedCall, call: DecodedCall, problems: RecordingProblem[]): boolean => {
    try {
      host.play(task, prepared);
    } catch (error) {
      notPlayed(call, error, problems);
      return false;
    }
    calls += 1;
    return true;
  };

  const checkMade = (task: SimTask, made: number, call: DecodedCall, problems: RecordingProblem[]): void => {
    if (made < 0 || task.holds(made)) return;
    const what = `the simulated host has no descriptor ${made} after ${call.name} of process ${call.pid}`;
    problems.push({ line: call.line, message: `${what}: what it refers to is unknown` });
  };

  const playCall = (task: SimTask, call: DecodedCall, problems: RecordingProblem[]): void => {
    if (call.child > 0) playedForks.add(call);
    noteSeen(call.pid);
    const { prepared } = call;
    try {
      if (call.files !== undefined && (prepared === undefined || !host.leads(task, prepared))) call.files(host, task);
    } catch (error) {
      notPlayed(call, error, problems);
      return;
    }
    if (prepared === undefined) {
      problems.push({ line: call.line, message: call.problem ?? '' });
      return;
    }
    const played = pidShift === 0 || call.shifted === undefined ? prepared : call.shifted(shift);
    if (make(task, played, call, problems)) checkMade(task, call.made, call, problems);
  };

  /** Whether a process or thread lives; it is `lastPlayed` then. */
  const isThere = (pid: number): boolean => {
    if (lastPlayed?.alive === true && lastPlayed.pid === pid) return true;
    lastPlayed = host.task(pid);
    return lastPlayed !== undefined;
  };

  /** The task of an event. A child whose lines come before its parent's clone returned makes that clone come first. */
  const taskOf = (event: DecodedEvent, problems: RecordingProblem[]): SimTask => {
    const pid = event.pid + pidShift;
    if (isThere(pid)) return lastPlayed as SimTask;
    const fork = forks.get(event.pid)?.find((call) => !playedForks.has(call) && call.begin < event.line);
    if (fork !== undefined) {
      ahead.add(fork);
      playCall(taskOf(fork, problems), fork, problems);
      const child = host.task(pid);
      if (child !== undefined) return child;
    }
    problems.push({
      line: event.line,
      message: `process ${event.pid} appears without the clone that made it: its program and its parent are unknown until it calls execve`,
    });
    return spawn({ exepath: '/unknown', name: 'unknown', pid });
  };

  if (first !== undefined && host.task(first.pid + pidShift) === undefined) spawnFirst(first);

  /**
   * Plays a call, or calls of one task that change nothing and that nobody looks at, by what the arrays have of them. Returns the index after
   * them; the same where that is not enough.
   */
  const playPlain = (at: number, to: number, problems: RecordingProblem[]): number => {
    const call = plain.calls[at];
    if (call === undefined || unbegun !== undefined) return at;
    const pid = plain.pids[at] as number;
    if (!isThere(pid + pidShift)) return at;
    const task = lastPlayed as SimTask;
    const end = plain.ends[at] as number;
    const next = end === 0 ? at : host.pass(plain, begins, at, Math.min(end, to));
    if (next > at) {
      noteSeen(pid);
      calls += next - at;
      return next;
    }
    host.advanceTo(begins + (plain.times[at] as number));
    if (plain.needFiles[at] === 1 && !host.leads(task, call)) return at;
    noteSeen(pid);
    const made = plain.made[at] as number;
    const event = events[at] as DecodedCall;
    if (make(task, call, event, problems)) checkMade(task, made, event, problems);
    return at + 1;
  };

  const playEvent = (event: DecodedEvent, problems: RecordingProblem[]): void => {
    if (unbegun !== undefined) {
      if (!unbegun.executes) {
        const message = `process ${unbegun.pid} ran before the recording began: its program is unknown until it calls execve`;
        problems.push({ line: unbegun.line, message });
      }
      unbegun = undefined;
    }
    if (event.time !== undefined) host.advanceTo(begins + event.time);
    if (event.kind === 'passed') return;
    if (event.kind === 'end') {
      const task = host.task(event.pid + pidShift);
      if (task === undefined) return;
      if (event.how !== undefined) host.end(task, event.how);
      else problems.push({ line: event.line, message: event.problem ?? '' });
      return;
    }
    if (event.child > 0 && ahead.has(event)) return;
    // the process ended in the middle of the call, or did so before another of its threads
    if (event.returns === 'no') return;
    if (event.returns === 'ends' && seen.has(event.pid) && host.task(event.pid + pidShift) === undefined) return;
    playCall(taskOf(event, problems), event, problems);
  };

  return {
    get calls() {
      return calls;
    },
    play: (from, to, problems, stops) => {
      for (let at = from; at < to; ) {
        const before = problems.length;
        const next = playPlain(at, to, problems);
        if (next === at) playEvent(events[at] as DecodedEvent, problems);
        at = Math.max(next, at + 1);
        if (stops && problems.length > before) return at;
      }
      return to;
    },
    end: () => {
      for (const pid of pids) {
        const task = host.task(pid + pidShift);
        if (task !== undefined) host.end(task, { status: 0 });
      }
      for (const task of spawned.toReversed()) if (task.alive) host.end(task, { status: 0 });
    },
  };
};
