import { is } from '../language/index.ts';
import { argument, type Context, call, emit, type Field, type From, fileFields, passed, raw } from './context.ts';
import type { Known } from './known.ts';
import { resolvePath } from './paths.ts';
import { inetUntold } from './sockets.ts';

const RESULT = ['evt.rawres', 'evt.res', 'evt.failed'] as const;
const untold = (names: readonly string[]): readonly Field[] => names.map((name) => [name, 'untold']);
const FILE = ['fd.num', 'fd.name', 'fd.directory', 'fd.filename', 'fd.typechar', 'fd.type'] as const;
const ARGUMENTS = ['flags', 'mode', 'fd'].map((name) => `evt.arg[${name}]`);

export interface Request {
  readonly kind: 'openat' | 'unlinkat' | 'mkdirat';
  readonly path: string;
  readonly flags: number;
  readonly from: From;
}

/** Makes a request of io_uring, which is seen when it is submitted: nothing has come of it then. */
export const request = (context: Context, process: Known, { kind, path, flags, from }: Request): void => {
  const { dirfd, base } = from;
  const rest = kind === 'openat' ? [flags, 0o644] : kind === 'mkdirat' ? [0o755] : [0];
  const isNew = !process.hasRing;
  const result = call(context, process, kind, [dirfd, path, ...rest], { via: 'io_uring' });
  process.hasRing = true;
  if (isNew) emit(context, 'io_uring_setup', process, ...untold([...RESULT, ...FILE, ...ARGUMENTS]), ...inetUntold);
  emit(context, 'io_uring_enter', process, ...untold([...RESULT, ...FILE, ...ARGUMENTS]), ...inetUntold);
  const name = passed(base, path);
  const fields: Field[] = [
    ['evt.failed', 'unknown'],
    ...untold(['evt.rawres', 'evt.res']),
    ['evt.io_uring', is(true)],
    ['fs.path.name', name],
    ['fs.path.nameraw', raw(path, false)],
    argument(kind === 'mkdirat' ? 'path' : 'name', name),
    argument('dirfd', is(String(dirfd))),
    ...untold(ARGUMENTS),
  ];
  if (kind === 'openat') {
    const known = typeof name === 'string' ? undefined : String(name.is);
    fields.push(
      ...(known === undefined ? FILE.map((field): Field => [field, 'unknown']) : fileFields(known, 'f')),
      ['fd.num', 'unknown'],
      ['fd.typechar', 'unknown'],
      ['fd.type', 'unknown'],
      ['fd.nameraw', raw(path, false)],
      ['evt.is_open_read', is((flags & 3) !== 1)],
      ['evt.is_open_write', is((flags & 3) !== 0)],
      ['evt.is_open_create', is((flags & 0o100) !== 0)],
      ...inetUntold.filter(([field]) => field !== 'fd.name'),
    );
    if (result >= 0) {
      const real = resolvePath(path.startsWith('/') ? path : `${base}/${path}`, context.links);
      const isFolder = ((context.host.fs.stat(real)?.mode ?? 0) & 0o170000) === 0o040000;
      process.fds.set(result, { path: real, type: isFolder ? 'd' : 'f' });
    }
  }
  emit(context, kind, process, ...fields);
};
