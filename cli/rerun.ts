import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import type { Output } from './output.ts';

/** How long after a change it is looked again: editors write in several steps. */
const SETTLE_MS = 100;
/** How often it is looked where the system can't tell of changes. */
const POLL_MS = 1_000;

const isYaml = (name: string): boolean => /\.ya?ml$/.test(name);

interface Watched {
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
}

/** The files that paths stand for now, and the folders in which they or others may appear. */
const lookAt = (paths: readonly string[]): Watched => {
  const files = new Set<string>();
  const folders = new Set<string>();
  const walk = (folder: string): void => {
    folders.add(folder);
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (isYaml(entry.name)) files.add(path);
    }
  };
  for (const path of paths) {
    const full = resolve(path);
    const stats = statSync(full, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) {
      try {
        walk(full);
      } catch {
        folders.add(full);
      }
    } else {
      files.add(full);
      folders.add(dirname(full));
    }
  }
  return { files, folders };
};

/** A text that differs where one of the files does: other bytes, another file under the name, one more or one less. */
const stateOf = ({ files }: Watched): string =>
  [...files]
    .sort()
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats === undefined ? `${file} -` : `${file} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    })
    .join('\n');

/** Calls `onChange` some time after any of the files changed; a file that is replaced, and one that is new in a folder, is a change. */
export const onChangeOf = (paths: readonly string[], onChange: () => void): { close(): void } => {
  const watchers = new Map<string, FSWatcher>();
  let state = stateOf(lookAt(paths));
  let timer: NodeJS.Timeout | undefined;
  let poll: NodeJS.Timeout | undefined;
  const look = (): void => {
    const now = lookAt(paths);
    follow(now);
    const found = stateOf(now);
    if (found === state) return;
    state = found;
    onChange();
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, SETTLE_MS);
  };
  const follow = ({ folders }: Watched): void => {
    for (const [folder, watcher] of watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      watchers.delete(folder);
    }
    for (const folder of folders) {
      if (watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, later);
        watcher.on('error', () => {
          watcher.close();
          watchers.delete(folder);
          poll ??= setInterval(look, POLL_MS);
        });
        watchers.set(folder, watcher);
      } catch {
        poll ??= setInterval(look, POLL_MS);
      }
    }
  };
  follow(lookAt(paths));
  return {
    close: () => {
      clearTimeout(timer);
      clearInterval(poll);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
};

const RESULTS: Readonly<Record<ExitCode, string>> = {
  [EXIT.fine]: 'fine',
  [EXIT.findings]: 'findings',
  [EXIT.usage]: 'not usable',
  [EXIT.environment]: 'failed',
};

const clock = (): string => new Date().toTimeString().slice(0, 8);

const shown = (paths: readonly string[]): string =>
  paths.length === 1 ? basename(paths[0] ?? '') : `${paths.length} paths`;

/**
 * Does something at once and again whenever one of the files, or a file in one of the folders, has changed, until Ctrl-C. After each time a line
 * says when it was and what it came to; with --json it goes to stderr.
 */
export const rerunOnChange = async (
  paths: readonly string[],
  act: () => ExitCode | Promise<ExitCode>,
  output: Output,
  json: boolean,
): Promise<ExitCode> => {
  for (const path of paths)
    if (statSync(dirname(resolve(path)), { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new CliError(`there is no folder ${dirname(path)} to watch`, EXIT.usage);
  const { paint, columns } = output;
  const once = async (): Promise<void> => {
    let result: ExitCode;
    try {
      result = await act();
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      process.stderr.write(`shrike: ${messageOf(error)}\n`);
      result = EXIT.usage;
    }
    const head = `── ${clock()} ${RESULTS[result]}, watching ${shown(paths)} (Ctrl-C ends) `;
    const line = head.padEnd(Math.min(columns, 100), '─');
    if (json) process.stderr.write(`${line}\n`);
    else output.line(result === EXIT.fine ? paint.green(line) : paint.red(line));
  };
  const interrupt = onInterrupt();
  await new Promise<void>((done, fail) => {
    let running = false;
    let again = false;
    const go = (): void => {
      if (running) {
        again = true;
        return;
      }
      running = true;
      once().then(() => {
        running = false;
        if (!again) return;
        again = false;
        go();
      }, fail);
    };
    const changes = onChangeOf(paths, go);
    interrupt.signal.addEventListener('abort', () => {
      changes.close();
      done();
    });
    go();
  });
  interrupt.release();
  return EXIT.fine;
};
