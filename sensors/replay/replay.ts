import { closeSync, openSync, readSync } from 'node:fs';
import { ONLY_ROOT } from '../accounts.ts';
import type { Sensor, SensorReport } from '../kernel.ts';
import { createSimHost, type SimHost } from '../sim/index.ts';
import { parseStrace } from './parse.ts';
import { createPlayer } from './player.ts';
import type { OnProblem } from './recording.ts';

interface ReplayOptions {
  /** An strace log: what `strace -f -o FILE` writes, best with -ttt and -yy. */
  readonly path: string;
  /** `stop`: end at the first line that can't be read or played; `skip`: leave it out and go on. */
  readonly onProblem: OnProblem;
}

/** Events played between two looks at the ring buffers. */
const EVENTS_PER_PUMP = 64;
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

/**
 * A recording, played through the simulated kernel's hooks: every call in the order of completion, with the result it had, at the
 * time it had. @throws Error where the file can't be read
 */
export const createReplaySensor = (options: ReplayOptions): Sensor & { readonly host: SimHost } => {
  const recording = parseStrace(piecesOf(options.path), options.onProblem);
  const { start } = recording;
  const bootTime = start === undefined ? undefined : new Date(Number(start / 1_000_000n) - UPTIME_MS);
  const host = createSimHost(bootTime === undefined ? {} : { bootTime });
  const player = createPlayer(host, recording);

  const run = async (pump: () => void, signal: AbortSignal): Promise<SensorReport> => {
    const problems = [...recording.problems];
    let played = 0;
    for (const event of recording.events) {
      if (signal.aborted) break;
      const found = player.play(event);
      problems.push(...found);
      if (found.length > 0 && options.onProblem === 'stop') break;
      played += 1;
      if (played % EVENTS_PER_PUMP === 0) {
        pump();
        await new Promise(setImmediate);
      }
    }
    pump();
    problems.sort((a, b) => a.line - b.line);
    return {
      calls: player.calls,
      problems: problems.map(({ line, message }) =>
        line === 0 ? `${options.path}: ${message}` : `${options.path}:${line}: ${message}`,
      ),
    };
  };
  return { kind: 'replay', kernel: host.kernel, scope: '/', host, accounts: ONLY_ROOT, run };
};
