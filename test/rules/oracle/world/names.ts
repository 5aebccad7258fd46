import type { SimArgument } from '../../../../sensors/index.ts';
import { type Fact, is } from '../language/index.ts';
import {
  type Abi,
  argument,
  type Context,
  call,
  emit,
  FAR,
  type Field,
  type From,
  fromCwd,
  intArgument,
  passed,
  raw,
  resultFields,
} from './context.ts';
import type { Known } from './known.ts';
import { resolvePath } from './paths.ts';

const MODE_NAMES: readonly (readonly [string, number])[] = [
  ['S_ISUID', 0o4000],
  ['S_ISGID', 0o2000],
  ['S_ISVTX', 0o1000],
  ['S_IRUSR', 0o400],
  ['S_IWUSR', 0o200],
  ['S_IXUSR', 0o100],
  ['S_IRGRP', 0o40],
  ['S_IWGRP', 0o20],
  ['S_IXGRP', 0o10],
  ['S_IROTH', 0o4],
  ['S_IWOTH', 0o2],
  ['S_IXOTH', 0o1],
];

/** Permission bits as a set of names; undefined where none is set. */
export const modeFact = (mode: number): Fact => {
  const names = MODE_NAMES.filter(([, bit]) => (mode & bit) !== 0).map(([name]) => name);
  return is(names.length === 0 ? '0' : names.join('|'));
};

export type OnPath =
  | 'unlink'
  | 'unlinkat'
  | 'mkdir'
  | 'mkdirat'
  | 'rmdir'
  | 'chmod'
  | 'fchmodat'
  | 'stat'
  | 'truncate'
  | 'chdir'
  | 'umount2';

export interface PathCall {
  readonly kind: OnPath;
  readonly path: string;
  readonly from?: From;
  readonly mode?: number;
  readonly abi?: Abi;
  readonly unreadable?: boolean;
}

const AT_CALLS: ReadonlySet<string> = new Set(['unlinkat', 'mkdirat', 'fchmodat']);
const NAME_OF: Partial<Record<OnPath, string>> = {
  chmod: 'filename',
  fchmodat: 'filename',
  truncate: 'name',
  unlinkat: 'name',
  umount2: 'name',
};
const WITH_MODE: ReadonlySet<string> = new Set(['mkdir', 'mkdirat', 'chmod', 'fchmodat']);

/** A call that names a path. */
export const onPath = (context: Context, process: Known, pathCall: PathCall): void => {
  const { kind, path, mode = 0o700, abi = 'x86-64', unreadable = false } = pathCall;
  const at = AT_CALLS.has(kind);
  const { dirfd, base } = at ? (pathCall.from ?? fromCwd(process)) : fromCwd(process);
  const text: SimArgument = unreadable ? FAR : path;
  const rest = WITH_MODE.has(kind)
    ? [mode]
    : kind === 'unlinkat' || kind === 'truncate' || kind === 'umount2'
      ? [0]
      : [];
  const result = call(context, process, kind, [...(at ? [dirfd] : []), text, ...rest], { abi });
  let name = passed(base, unreadable ? undefined : path);
  if (kind === 'chdir' && result === 0) {
    process.cwd = resolvePath(path.startsWith('/') ? path : `${base}/${path}`, context.links);
    name = is(process.cwd);
  }
  const fields: Field[] = [
    ...resultFields(result),
    ['fs.path.name', name],
    ['fs.path.nameraw', raw(path, unreadable || (kind === 'chdir' && result === 0))],
    argument(NAME_OF[kind] ?? 'path', name),
  ];
  if (WITH_MODE.has(kind)) fields.push(argument('mode', modeFact(mode)));
  if (kind === 'unlinkat' || kind === 'umount2') fields.push(intArgument('flags', 0));
  if (at) fields.push(intArgument('dirfd', dirfd));
  emit(context, kind, process, ...fields);
};

export type OnTwoPaths = 'rename' | 'renameat' | 'renameat2' | 'link' | 'linkat' | 'symlink' | 'symlinkat';

/** A call that names two paths; a symbolic link's target is a text. */
export const onTwoPaths = (
  context: Context,
  process: Known,
  kind: OnTwoPaths,
  source: string,
  target: string,
  options: { readonly from?: From; readonly to?: From; readonly abi?: Abi } = {},
): void => {
  const at = kind.includes('at');
  const from = at ? (options.from ?? fromCwd(process)) : fromCwd(process);
  const to = at ? (options.to ?? fromCwd(process)) : fromCwd(process);
  const args: Record<OnTwoPaths, readonly SimArgument[]> = {
    rename: [source, target],
    renameat: [from.dirfd, source, to.dirfd, target],
    renameat2: [from.dirfd, source, to.dirfd, target, 0],
    link: [source, target],
    linkat: [from.dirfd, source, to.dirfd, target, 0],
    symlink: [source, target],
    symlinkat: [source, to.dirfd, target],
  };
  const result = call(context, process, kind, args[kind], { abi: options.abi ?? 'x86-64' });
  const made = passed(to.base, target);
  if (kind.startsWith('symlink')) {
    emit(
      context,
      kind,
      process,
      ...resultFields(result),
      ['fs.path.name', made],
      ['fs.path.target', made],
      ['fs.path.source', 'untold'],
      ['fs.path.nameraw', 'untold'],
      argument('linkpath', made),
      argument('target', is(source)),
    );
    return;
  }
  const name = passed(from.base, source);
  emit(
    context,
    kind,
    process,
    ...resultFields(result),
    ['fs.path.source', name],
    ['fs.path.nameraw', 'untold'],
    ['fs.path.target', made],
    argument('oldpath', name),
    argument('newpath', made),
    ...(kind === 'renameat2' || kind === 'linkat' ? [intArgument('flags', 0)] : []),
    ...(at ? [intArgument('olddirfd', from.dirfd), intArgument('newdirfd', to.dirfd)] : []),
  );
};
