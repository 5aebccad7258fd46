import { closeSync, openSync, readSync } from 'node:fs';
import { ONLY_ROOT } from '../accounts.ts';
import type { Sensor, SensorReport } from '../kernel.ts';
import { createSimHost, POLICY_MEMORY, type PreparedCall, type SimHost } from '../sim/index.ts';
import { type DecodedRecording, decodeRecording, type PreparedCalls } from './decode.ts';
import { parseStrace } from './parse.ts';
import { createPlayer } from './player.ts';
import type { OnProblem, RecordingProblem } from './recording.ts';

interface ReplayOptions {
  /** An strace log: what `strace -f -o FILE` writes, best with -ttt and -yy. */
  readonly path: string;
  /** `stop`: end at the first line that can't be read or played; `skip`: leave it out and go on. */
  readonly onProblem: OnProblem;
}

/** Events played between two looks at the ring buffers. */
const EVENTS_PER_PUMP = 64;
/** Events played before others get their turn. */
const EVENTS_PER_YIELD = 1024;
/** Process ids between one playing of a recording and the next, for those that it doesn't name. */
const SPARE_PIDS = 64;
const PIECE_BYTES = 64 * 1024;
/** How long before the recording the simulated machine was started. */
const UPTIME_MS = 60_000;

/** A file's text, piece by piece. @throws Error where it can't be read */
const piecesOf = function* (path: string): Generator<string> {
  try {
    const fd = openSync(path, 'r');
    try {
      const decoder = new TextDecoder();
      const piece = new Uint8Array(PIECE_BYTES);
      for (let size = readSync(fd, piece); size > 0; size = readSync(fd, piece)) {
        yield decoder.decode(piece.subarray(0, size), { stream: true });
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Error(
      `cannot read the recording ${path} (${reason}): give the path of a log that strace -f -o FILE wrote`,
      { cause: error },
    );
  }
};

/** A recording that was read and made ready. */
interface Read {
  readonly path: string;
  readonly decoded: DecodedRecording;
  readonly problems: readonly RecordingProblem[];
}

const read = (path: string, onProblem: OnProblem, known?: PreparedCalls): Read => {
  const recording = parseStrace(piecesOf(path), onProblem);
  return { path, decoded: decodeRecording(recording, known), problems: recording.problems };
};

const hostFor = (start: bigint | undefined): SimHost =>
  createSimHost({
    untold: true,
    memory: POLICY_MEMORY,
    ...(start !== undefined && { bootTime: new Date(Number(start / 1_000_000n) - UPTIME_MS) }),
  });

/** Plays the events from an index up to another; returns where it goes on. */
type PlayEvents = (from: number, to: number) => number;

/**
 * Plays events, looks at the ring buffers every so many and gives way to what waits every so many more; each time it goes on where the last
 * one ended.
 */
const createPace = (pump: () => void) => {
  let played = 0;
  return async (count: number, play: PlayEvents): Promise<void> => {
    for (let at = 0; at < count; ) {
      const next = play(at, Math.min(count, at + EVENTS_PER_PUMP - (played % EVENTS_PER_PUMP)));
      played += next - at;
      at = next;
      if (played % EVENTS_PER_PUMP !== 0) continue;
      pump();
      if (played % EVENTS_PER_YIELD === 0) await new Promise(setImmediate);
    }
  };
};

const sentence = (path: string, { line, message }: RecordingProblem): string =>
  line === 0 ? `${path}: ${message}` : `${path}:${line}: ${message}`;

/**
 * A recording, played through the simulated kernel's hooks: every call in the order of completion, with the result it had, at the
 * time it had. @throws Error where the file can't be read
 */
export const createReplaySensor = ({ path, onProblem }: ReplayOptions): Sensor & { readonly host: SimHost } => {
  const { decoded, problems: unreadable } = read(path, onProblem);
  const { start } = decoded;
  const host = hostFor(start);
  const begins = Number(start === undefined ? host.bootNs : start - host.wallTime(0n));
  const player = createPlayer(host, decoded, { begins });

  const run = async (pump: () => void, signal: AbortSignal): Promise<SensorReport> => {
    const problems = [...unreadable];
    const pace = createPace(pump);
    const count = decoded.events.length;
    await pace(count, (from, to) => {
      if (signal.aborted) return count;
      const before = problems.length;
      const next = player.play(from, to, problems, onProblem === 'stop');
      return problems.length > before && onProblem === 'stop' ? count : next;
    });
    pump();
    problems.sort((a, b) => a.line - b.line);
    return { calls: player.calls, problems: problems.map((problem) => sentence(path, problem)) };
  };
  return { kind: 'replay', kernel: host.kernel, scope: '/', host, accounts: ONLY_ROOT, run };
};

export interface RepeatedReplayOptions {
  /** Logs of strace, as createReplaySensor takes them. */
  readonly paths: readonly string[];
  /** How often each is played, one after the other on the same host. */
  readonly rounds: number;
}

/** A sensor that plays recordings again and again. */
export interface RepeatedReplay extends Sensor {
  readonly host: SimHost;
  /** Lines of one round that say something. */
  readonly events: number;
  /** Different system calls among them. */
  readonly names: number;
  /** Events that are played between two looks at the ring buffers. */
  readonly eventsPerPump: number;
}

/** The calls of a recording that a simulated host can make, in the order in which they ended. @throws Error where the file can't be read */
export const readCalls = (path: string): readonly PreparedCall[] =>
  read(path, 'skip').decoded.events.flatMap((event) =>
    event.kind === 'call' && event.prepared !== undefined ? event.prepared : [],
  );

/** Process ids wrap at kernel.pid_max's default. */
const PID_MAX = 4_194_304;

/**
 * Recordings, played one after the other and again and again on one host: each time by other processes, which are gone at its end, and
 * later. What can't be played is left out, and told once. @throws Error where a file can't be read
 */
export const createRepeatedReplay = ({ paths, rounds }: RepeatedReplayOptions): RepeatedReplay => {
  const known: PreparedCalls = new Map();
  const recordings = paths.map((path) => read(path, 'skip', known));
  const host = hostFor(recordings[0]?.decoded.start);
  const pids = recordings.flatMap(({ decoded }) => [...decoded.pids]);
  const highest = pids.reduce((most, pid) => Math.max(most, pid), 0);
  const step = highest - pids.reduce((least, pid) => Math.min(least, pid), highest) + SPARE_PIDS;
  const shifts = Math.max(1, Math.floor((PID_MAX - highest) / step));

  const run = async (pump: () => void, signal: AbortSignal): Promise<SensorReport> => {
    const told = new Set(recordings.flatMap(({ path, problems }) => problems.map((each) => sentence(path, each))));
    const pace = createPace(pump);
    let calls = 0;
    for (let play = 0; play < rounds * recordings.length && !signal.aborted; play++) {
      const { path, decoded } = recordings[play % recordings.length] as Read;
      const player = createPlayer(host, decoded, { begins: Number(host.bootNs), pidShift: (play % shifts) * step });
      const problems: RecordingProblem[] = [];
      await pace(decoded.events.length, (from, to) => player.play(from, to, problems, false));
      player.end();
      calls += player.calls;
      for (const problem of problems) told.add(sentence(path, problem));
    }
    pump();
    return { calls, problems: [...told] };
  };
  const events = recordings.flatMap(({ decoded }) => decoded.events);
  return {
    kind: 'replay',
    kernel: host.kernel,
    scope: '/',
    host,
    accounts: ONLY_ROOT,
    events: events.length,
    names: new Set(events.flatMap((event) => (event.kind === 'call' ? event.name : []))).size,
    eventsPerPump: EVENTS_PER_PUMP,
    run,
  };
};
