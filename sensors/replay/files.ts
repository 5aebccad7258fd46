import { EVENT_TYPES } from '../../rules/index.ts';
import type { SimHost, SimTask } from '../sim/index.ts';
import { numberOf } from './numbers.ts';
import type { RecordedCall, RecordedEvent } from './recording.ts';
import { memberOf, type StraceValue, textOf } from './value.ts';

const O_DIRECTORY = 0x10000n;
const O_NOFOLLOW = 0x20000n;
const S_IFMT = 0o170000n;
const S_IFDIR = 0o040000n;

/** Where the flags of the calls are that open a path. */
const FLAGS: Readonly<Record<string, number>> = { open: 1, openat: 2 };

const absolute = (directory: string, path: string): string => {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${directory}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
};

const decorationOf = (value: StraceValue | undefined): string | undefined =>
  value !== undefined && 'decoration' in value ? value.decoration : undefined;

/** The absolute path that a call is about; undefined where it has none, or where it is relative to a descriptor without a name. */
const pathOf = (task: SimTask, call: RecordedCall): string | undefined => {
  const kinds = EVENT_TYPES.get(call.name === 'statx' ? 'newfstatat' : call.name)?.arguments ?? [];
  const index = kinds.findIndex((argument) => argument.kind === 'path');
  const passed = textOf(call.arguments[index]?.value);
  if (passed === undefined || passed === '') return undefined;
  if (passed.startsWith('/')) return absolute('/', passed);
  const directory = kinds[index - 1]?.kind === 'dirfd' ? call.arguments[index - 1]?.value : undefined;
  const isDescriptor = directory?.kind === 'number' && directory.value >= 0n;
  const base = decorationOf(directory) ?? (isDescriptor ? undefined : task.cwd);
  return base === undefined ? undefined : absolute(base, passed);
};

/** Whether a call's result shows that its path is a directory: stat and its like print the mode. */
const showsDirectory = (call: RecordedCall): boolean =>
  call.arguments.some(({ value }) => {
    const mode = numberOf(memberOf(value, 'st_mode') ?? memberOf(value, 'stx_mode'));
    return mode !== undefined && (mode & S_IFMT) === S_IFDIR;
  });

/** Makes a file or directory, with all above it, where nothing is; what can't be made is left to the call. */
const make = (host: SimHost, path: string, directory: boolean): void => {
  if (host.fs.exists(path)) return;
  if (directory) host.fs.mkdir(path);
  else host.fs.write(path, '');
};

/** Arguments that name a file; other strings, what was read or written among them, say nothing about the file system. */
const PATHS: ReadonlySet<string> = new Set(['path', 'source', 'target']);

const foldersAbove = function* (path: string): Iterable<string> {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) yield path.slice(0, end);
};

/**
 * The paths that must be directories because successful calls reach something below them: a program may open a directory like a
 * file long before that shows.
 */
export const directoriesOf = (events: readonly RecordedEvent[]): ReadonlySet<string> => {
  const found = new Set<string>();
  for (const event of events) {
    if (event.kind !== 'call' || event.result.errno !== undefined) continue;
    const kinds = EVENT_TYPES.get(event.name)?.arguments ?? [];
    const passed = event.arguments.map(
      ({ value }, index) => decorationOf(value) ?? (PATHS.has(kinds[index]?.kind ?? '') ? textOf(value) : undefined),
    );
    const shown = event.arguments.some(({ value }) => decorationOf(value) !== undefined) && showsDirectory(event);
    for (const path of [event.result.decoration, ...passed]) {
      if (path === undefined || !path.startsWith('/')) continue;
      if (shown && path === passed[0]) found.add(absolute('/', path));
      for (const folder of foldersAbove(absolute('/', path))) found.add(folder);
    }
  }
  return found;
};

/**
 * Gives the simulated file system what the recording shows beside the result of a successful call: that a path is a directory, and
 * where it led to a file of another name (-y: `open("/lib/libc.so.6") = 3</usr/lib/libc.so.6>`) that file and a symbolic link to
 * it, so that the open resolves as it did.
 */
export const prepareFiles = (
  host: SimHost,
  task: SimTask,
  call: RecordedCall,
  directories: ReadonlySet<string>,
): void => {
  if (call.result.errno !== undefined) return;
  const path = pathOf(task, call);
  if (path === undefined || path === '/' || /^\/(?:proc|dev)\//.test(path)) return;
  if (showsDirectory(call) || directories.has(path)) make(host, path, true);
  const target = call.result.decoration;
  const at = FLAGS[call.name];
  if (at === undefined || target === undefined || !/^\/(?!proc\/|memfd:|anon_hugepage)/.test(target)) return;
  if (target.endsWith(' (deleted)') || target.includes('<') || target.includes('\\')) return;
  const flags = numberOf(call.arguments[at]?.value) ?? 0n;
  const isDirectory = (flags & O_DIRECTORY) !== 0n || directories.has(target);
  if (path === target) {
    if (isDirectory) make(host, path, true);
    return;
  }
  if (host.fs.exists(path) || (flags & O_NOFOLLOW) !== 0n) return;
  make(host, target, isDirectory);
  // where the directories themselves are linked (/lib to /usr/lib), it is there now
  if (!host.fs.exists(path)) host.fs.symlink(target, path);
};
