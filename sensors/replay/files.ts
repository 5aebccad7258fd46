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

/** The path that a call is about, and where it starts: an absolute directory, or the working directory. */
interface Place {
  readonly base: string | 'cwd';
  readonly passed: string;
}

/** Undefined where a call has no path, or one that is relative to a descriptor without a name. */
const placeOf = (call: RecordedCall): Place | undefined => {
  const kinds = EVENT_TYPES.get(call.name === 'statx' ? 'newfstatat' : call.name)?.arguments ?? [];
  const index = kinds.findIndex((argument) => argument.kind === 'path');
  const passed = textOf(call.arguments[index]?.value);
  if (passed === undefined || passed === '') return undefined;
  if (passed.startsWith('/')) return { base: '/', passed };
  const directory = kinds[index - 1]?.kind === 'dirfd' ? call.arguments[index - 1]?.value : undefined;
  const isDescriptor = directory?.kind === 'number' && directory.value >= 0n;
  const base = decorationOf(directory) ?? (isDescriptor ? undefined : 'cwd');
  return base === undefined ? undefined : { base, passed };
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

/** What the file system gets before a call that succeeded, beside what any such call found. */
interface Files {
  readonly path: string;
  /** The path is a directory. */
  readonly directory: boolean;
  /** The path leads to a file of another name. */
  readonly link: { readonly target: string; readonly isDirectory: boolean } | undefined;
}

/** Gives the file system what a call needs. */
export type PrepareFiles = (host: SimHost, task: SimTask) => void;

const filesAt = (path: string, call: RecordedCall, directories: ReadonlySet<string>): Files | undefined => {
  if (path === '/' || /^\/(?:proc|dev)\//.test(path)) return undefined;
  const shown = showsDirectory(call) || directories.has(path);
  const only = shown ? { path, directory: true, link: undefined } : undefined;
  const target = call.result.decoration;
  const at = FLAGS[call.name];
  if (at === undefined || target === undefined || !/^\/(?!proc\/|memfd:|anon_hugepage)/.test(target)) return only;
  if (target.endsWith(' (deleted)') || target.includes('<') || target.includes('\\')) return only;
  const flags = numberOf(call.arguments[at]?.value) ?? 0n;
  const isDirectory = (flags & O_DIRECTORY) !== 0n || directories.has(target);
  if (path === target) return isDirectory ? { path, directory: true, link: undefined } : only;
  return (flags & O_NOFOLLOW) !== 0n ? only : { path, directory: shown, link: { target, isDirectory } };
};

const give = (host: SimHost, { path, directory, link }: Files): void => {
  if (directory) make(host, path, true);
  if (link === undefined || host.fs.exists(path)) return;
  make(host, link.target, link.isDirectory);
  // where the directories themselves are linked (/lib to /usr/lib), it is there now
  if (!host.fs.exists(path)) host.fs.symlink(link.target, path);
};

/**
 * What the recording shows beside the result of a successful call, for the simulated file system: that a path is a directory, and
 * where it led to a file of another name (-y: `open("/lib/libc.so.6") = 3</usr/lib/libc.so.6>`) that file and a symbolic link to
 * it, so that the open resolves as it did. Undefined where it shows nothing.
 */
export const filesOf = (call: RecordedCall, directories: ReadonlySet<string>): PrepareFiles | undefined => {
  const place = call.result.errno === undefined ? placeOf(call) : undefined;
  if (place === undefined) return undefined;
  const { base, passed } = place;
  if (base === 'cwd')
    return (host, task) => {
      const files = filesAt(absolute(task.cwd, passed), call, directories);
      if (files !== undefined) give(host, files);
    };
  const files = filesAt(absolute(base, passed), call, directories);
  return files && ((host) => give(host, files));
};
