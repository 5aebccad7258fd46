import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
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
const HEAD_BYTES = 4096;
/** How long before the recording the simulated machine was started. */
const UPTIME_MS = 60_000;

/** When the simulated machine was started: before the first time of -ttt in the recording's head. @throws Error where the file can't be read */
const bootTimeOf = (path: string): Date | undefined => {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      const text = head.toString('latin1', 0, readSync(fd, head, 0, HEAD_BYTES, 0));
      const seconds = /^(?:\[pid +\d+\] |\d+ +)?(\d{9,11}\.\d{3,9}) /m.exec(text)?.[1];
      return seconds === undefined ? undefined : new Date(Math.floor(Number(seconds)) * 1000 - UPTIME_MS);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Error(
      `cannot read the recording ${path} (${reason}): give the path of a log that strace -f -o FILE wrote`,
      {
        cause: error,
      },
    );
  }
};

/**
 * A recording, played through the simulated kernel's hooks: every call in the order of completion, with the result it had, at the
 * time it had. @throws Error where the file can't be read
 */
export const createReplaySensor = (options: ReplayOptions): Sensor & { readonly host: SimHost } => {
  const bootTime = bootTimeOf(options.path);
  const host = createSimHost(bootTime === undefined ? {} : { bootTime });

  const run = async (pump: () => void, signal: AbortSignal): Promise<SensorReport> => {
    const recording = await parseStrace(createReadStream(options.path, 'utf8'), options.onProblem);
    const player = createPlayer(host, recording);
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
  // a recording names no users; 0 is root everywhere
  const userName = (uid: number): string | undefined => (uid === 0 ? 'root' : undefined);
  return { kind: 'replay', kernel: host.kernel, host, userName, run };
};
