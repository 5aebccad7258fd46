import { EVENT_TYPES } from '../../../rules/index.ts';
import type { SimHost } from '../sim-host.ts';
import { O_CREAT } from '../uapi.ts';
import { addProgram } from './programs.ts';
import type { Action, Step, StepArgument } from './scenario.ts';

/** Calls whose first path is a directory. */
const OF_DIRECTORIES: ReadonlySet<string> = new Set(['chdir', 'chroot', 'rmdir', 'umount2', 'getdents64']);
const MOUNTS: ReadonlySet<string> = new Set(['mount', 'pivot_root']);
/** Calls after which there is something at their last path. */
const MAKERS: ReadonlySet<string> = new Set([
  'creat',
  'mkdir',
  'mkdirat',
  'mknod',
  'mknodat',
  'symlink',
  'symlinkat',
  'link',
  'linkat',
  'rename',
  'renameat',
  'renameat2',
]);

const textOf = (argument: StepArgument | undefined): string | undefined =>
  argument?.kind === 'literal' && typeof argument.value === 'string' ? argument.value : undefined;

const numberOf = (argument: StepArgument | undefined): number =>
  argument?.kind === 'literal' && typeof argument.value === 'number' ? argument.value : 0;

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

/** What a host has to have for a step's call to find what it names. */
interface Needs {
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /** What is there once the step is done. */
  readonly made: readonly string[];
}

const creates = (call: string, arguments_: readonly StepArgument[]): boolean => {
  const flagsAt = EVENT_TYPES.get(call)?.arguments.findIndex(({ kind }) => kind === 'openflags') ?? -1;
  const how = arguments_[2];
  const flags =
    call === 'openat2' &&
    how?.kind === 'literal' &&
    typeof how.value === 'object' &&
    how.value !== null &&
    'flags' in how.value
      ? how.value.flags
      : numberOf(arguments_[flagsAt]);
  return (flags & O_CREAT) !== 0;
};

const needsOf = ({ call, arguments: arguments_ }: Extract<Action, { kind: 'call' }>): Needs => {
  const kinds = EVENT_TYPES.get(call)?.arguments ?? [];
  const paths = kinds.flatMap(({ kind }, index) => {
    const path = kind === 'path' || kind === 'source' || kind === 'target' ? textOf(arguments_[index]) : undefined;
    return path?.startsWith('/') === true ? [path] : [];
  });
  const [first] = paths;
  const last = paths.at(-1);
  if (first === undefined || last === undefined) return { files: [], folders: [], made: [] };
  if (MOUNTS.has(call)) return { files: [], folders: [last], made: [] };
  if (OF_DIRECTORIES.has(call)) return { files: [], folders: [first], made: [] };
  if (MAKERS.has(call) || creates(call, arguments_)) {
    return { files: paths.slice(0, -1), folders: [folderOf(last)], made: [last] };
  }
  return { files: paths, folders: [], made: [] };
};

/** Steps take for granted what they name: it is put there unless it is, or an earlier step makes it, or the step is to fail. */
export const provide = (host: SimHost, steps: readonly Step[]): void => {
  const made = new Set<string>();
  const executed = new Set(
    steps.flatMap(({ action }) =>
      action.kind === 'exec' && action.program.kind === 'path' ? [action.program.path] : [],
    ),
  );
  /** What can't be there, a file below a file, isn't; the step that names it tells. */
  const add = (path: string, put: () => void): void => {
    if (made.has(path) || host.fs.exists(path)) return;
    try {
      put();
    } catch {
      made.add(path);
    }
  };
  const addFile = (path: string): void =>
    add(path, () => (executed.has(path) ? addProgram(host, path) : host.fs.write(path, '')));
  const addFolder = (path: string): void => add(path, () => host.fs.mkdir(path));
  for (const { action, expect, as } of steps) {
    if (expect?.kind === 'errno' && as === undefined) continue;
    if (action.kind === 'exec') {
      const { program } = action;
      if (program.kind === 'name') addProgram(host, program.name);
      if (program.kind === 'path' && program.path.startsWith('/')) addFile(program.path);
    }
    if (action.kind !== 'call') continue;
    const { files, folders, made: after } = needsOf(action);
    for (const path of folders) addFolder(path);
    for (const path of files) addFile(path);
    for (const path of after) made.add(path);
    if (action.call !== 'connect') continue;
    for (const argument of action.arguments) {
      const value = argument.kind === 'literal' ? argument.value : null;
      if (typeof value !== 'object' || value === null || !('port' in value)) continue;
      if (!host.network.reachable(value.address, value.port)) host.network.declareRemote(value.address, value.port);
    }
  }
};
