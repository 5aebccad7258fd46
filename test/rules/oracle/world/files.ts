import type { SimArgument } from '../../../../sensors/index.ts';
import { is } from '../language/index.ts';
import {
  type Abi,
  argument,
  type Context,
  call,
  emit,
  FAR,
  type Field,
  type From,
  fileFields,
  fromCwd,
  intArgument,
  passed,
  raw,
  resultFields,
  typeFields,
  unknownFile,
} from './context.ts';
import type { Known } from './known.ts';
import { modeFact } from './names.ts';
import { resolvePath } from './paths.ts';
import { inetUntold } from './sockets.ts';

const S_IFMT = 0o170000;
const TYPE_OF_MODE: ReadonlyMap<number, string> = new Map([
  [0o040000, 'd'],
  [0o020000, 'c'],
  [0o060000, 'b'],
]);
const FLAG_NAMES: readonly (readonly [string, number])[] = [
  ['O_CREAT', 0o100],
  ['O_EXCL', 0o200],
  ['O_NOCTTY', 0o400],
  ['O_TRUNC', 0o1000],
  ['O_APPEND', 0o2000],
  ['O_NONBLOCK', 0o4000],
  ['O_DIRECTORY', 0o200000],
  ['O_NOFOLLOW', 0o400000],
  ['O_NOATIME', 0o1000000],
  ['O_CLOEXEC', 0o2000000],
];

/** Open flags by name. */
export const flagsText = (flags: number): string =>
  [
    ['O_RDONLY', 'O_WRONLY', 'O_RDWR'][flags & 3],
    ...FLAG_NAMES.filter(([, bit]) => (flags & bit) === bit).map(([name]) => name),
  ].join('|');

export interface Opening {
  readonly kind: 'open' | 'openat' | 'openat2' | 'creat';
  readonly path: string;
  readonly flags: number;
  readonly from?: From;
  readonly abi?: Abi;
  /** The path lies where nothing can be read. */
  readonly unreadable?: boolean;
  readonly thread?: boolean;
  /** What it comes to, whatever the file is: a negative errno. */
  readonly result?: number;
}

const typeOf = ({ host }: Context, path: string): string =>
  TYPE_OF_MODE.get((host.fs.stat(path)?.mode ?? 0) & S_IFMT) ?? 'f';

/** Opens a file, or tries to. Returns the descriptor. */
export const open = (context: Context, process: Known, opening: Opening): number => {
  const { kind, path, flags, abi = 'x86-64', unreadable = false, thread = false } = opening;
  const { dirfd, base } =
    kind === 'openat' || kind === 'openat2' ? (opening.from ?? fromCwd(process)) : fromCwd(process);
  const text: SimArgument = unreadable ? FAR : path;
  const args: Record<Opening['kind'], readonly SimArgument[]> = {
    open: [text, flags, 0o644],
    openat: [dirfd, text, flags, 0o644],
    openat2: [dirfd, text, { flags, mode: (flags & 0o100) === 0 ? 0 : 0o644 }],
    creat: [text, 0o644],
  };
  const result = call(context, process, kind, args[kind], {
    abi: kind === 'openat2' ? 'x86-64' : abi,
    thread,
    ...(opening.result === undefined ? {} : { recorded: { result: opening.result } }),
  });
  const name = passed(base, unreadable ? undefined : path);
  const access = kind === 'creat' ? 1 : flags & 3;
  const fields: Field[] = [
    ...resultFields(result),
    ['fs.path.name', name],
    argument('name', name),
    ['evt.is_open_read', is(access !== 1)],
    ['evt.is_open_write', is(access !== 0)],
    ['evt.is_open_create', is(kind === 'creat' || (flags & 0o100) !== 0)],
    ['fd.num', is(Math.max(result, -1))],
  ];
  if (kind === 'open' || kind === 'openat') fields.push(argument('flags', is(flagsText(flags))));
  if (kind !== 'openat2') fields.push(argument('mode', modeFact(0o644)));
  if (kind === 'openat' || kind === 'openat2') fields.push(intArgument('dirfd', dirfd));
  fields.push(['fd.nameraw', raw(path, unreadable)], ['fs.path.nameraw', raw(path, unreadable)]);
  if (result >= 0) {
    const real = resolvePath(path.startsWith('/') ? path : `${base}/${path}`, context.links);
    const type = typeOf(context, real);
    process.fds.set(result, { path: real, type });
    fields.push(...fileFields(real, type));
  } else if (typeof name === 'string') fields.push(...unknownFile, ...typeFields('f'));
  else fields.push(...fileFields(String(name.is), 'f'));
  emit(context, kind, process, ...fields);
  return result;
};

export type OnDescriptor = 'read' | 'write' | 'fchmod' | 'close' | 'dup' | 'fstat' | 'dup2' | 'dup3';

/** A call on a descriptor, which may be none; `to`: where a dup goes, or fchmod's mode. */
export const onDescriptor = (context: Context, process: Known, kind: OnDescriptor, fd: number, to = 60): void => {
  const file = process.fds.get(fd);
  const args: Record<OnDescriptor, readonly SimArgument[]> = {
    read: [fd, null, 0],
    write: [fd, 'x', 0],
    fchmod: [fd, to],
    close: [fd],
    dup: [fd],
    dup2: [fd, to],
    dup3: [fd, to, 0],
    fstat: [fd, null],
  };
  const result = call(context, process, kind, args[kind]);
  const makes = kind.startsWith('dup');
  const at = makes ? Math.max(result, -1) : fd;
  if (makes && result >= 0 && file !== undefined) process.fds.set(result, file);
  if (kind === 'close') process.fds.delete(fd);
  const isKnown = kind !== 'close' && file !== undefined && file.socket === undefined;
  const fields: Field[] = [...resultFields(result), ['fd.num', is(at)]];
  if (at >= 0 && file?.socket === undefined) fields.push(...(isKnown ? fileFields(file.path, file.type) : unknownFile));
  if (at >= 0 && file?.socket !== undefined && kind !== 'close') fields.push(...typeFields(file.type), ...inetUntold);
  if (at >= 0 && file?.socket !== undefined && kind === 'close') fields.push(...unknownFile, ...inetUntold);
  if (kind === 'dup2' || kind === 'dup3') fields.push(intArgument('oldfd', fd), intArgument('newfd', to));
  else fields.push(intArgument('fd', fd));
  if (kind === 'dup3') fields.push(intArgument('flags', 0));
  if (kind === 'fchmod') fields.push(argument('mode', modeFact(to)));
  if (kind === 'read' || kind === 'write') fields.push(intArgument(kind === 'read' ? 'count' : 'count', 0));
  emit(context, kind, process, ...fields);
};
