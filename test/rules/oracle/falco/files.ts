import type { Random } from '../../../support/random.ts';
import { type Fact, is } from '../language/index.ts';
import { type Known, open, type World } from '../world/index.ts';
import { allHold, fieldOf, type Literal, solveOne, solveText } from './wishes.ts';

/** A path that can be made: absolute, without an end that names no file. */
export const usable = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return `/${parts.map((part) => part.slice(0, 200)).join('/')}`;
};

const pathFields = (path: string): readonly (readonly [string, Fact])[] => [
  ['fd.name', is(path)],
  ['fd.directory', is(path.slice(0, Math.max(1, path.lastIndexOf('/'))))],
  ['fd.filename', is(path.slice(path.lastIndexOf('/') + 1))],
];

const isPathField = (field: string): boolean => ['fd.name', 'fd.directory', 'fd.filename'].includes(field);

const solvePath = (random: Random, literals: readonly Literal[]): string => {
  const mine = literals.filter((literal) => isPathField(fieldOf(literal)));
  let found = '/srv/data/file';
  for (let attempt = 0; attempt < 12; attempt++) {
    const directory = solveText(random, literals, 'fd.directory', '/srv/data') ?? '/srv';
    const filename = solveText(random, literals, 'fd.filename', 'file') ?? 'file';
    const name = solveText(random, literals, 'fd.name', `${directory}/${filename}`) ?? '/srv/x';
    // One folder of many: where a file was made below a name, that name is a folder and can't be opened for writing any more.
    const base = name.startsWith('/') || name === '' ? name : `/srv/${random.below(100)}/${name}`;
    found = usable(random.pick([base, `${base}/${filename}`, `${base}1`, `${base}/authorized_keys`]));
    if (allHold(mine, pathFields(found))) return found;
  }
  return found;
};

const flagsOf = (random: Random, literals: readonly Literal[]): number => {
  const candidates = [0, 1, 2, 0o101, 0o1001, 0o1101, 0o1002, 0o102, 0o2001];
  return solveOne(
    random,
    literals,
    (field) => field.startsWith('evt.is_open') || field === 'evt.arg[flags]',
    candidates,
    (flags) => [
      ['evt.is_open_read', is((flags & 3) !== 1)],
      ['evt.is_open_write', is((flags & 3) !== 0)],
      ['evt.is_open_create', is((flags & 0o100) !== 0)],
      [
        'evt.arg[flags]',
        is([(flags & 0o100) !== 0 ? 'O_CREAT' : '', (flags & 0o1000) !== 0 ? 'O_TRUNC' : ''].join('|')),
      ],
    ],
  );
};

/** Puts a file there, unless it is to be missing. */
export const plantFile = (world: World, path: string, type: string): void => {
  const { fs } = world.host;
  if (fs.exists(path) || path.startsWith('/proc/') || path.startsWith('/dev/')) return;
  try {
    if (type === 'd') fs.mkdir(path, 0o777);
    else fs.write(path, 'text', 0o666);
  } catch {
    // A file is where a folder would have to be: the call then fails, as it may.
  }
};

/** Opens a file of which its fields come to what is wanted, or fails to. */
export const openFile = (
  world: World,
  process: Known,
  kind: 'open' | 'openat' | 'openat2' | 'creat',
  random: Random,
  literals: readonly Literal[],
): number => {
  const path = solvePath(random, literals);
  const raw = solveText(random, literals, 'fd.nameraw', path);
  const failing = solveOne(
    random,
    literals,
    (field) => ['fd.num', 'evt.res', 'evt.rawres', 'evt.failed'].includes(field),
    [false, true],
    (fails) => [
      ['fd.num', is(fails ? -1 : 4)],
      ['evt.rawres', is(fails ? -13 : 4)],
      ['evt.res', is(fails ? 'EACCES' : 'SUCCESS')],
      ['evt.failed', is(fails)],
    ],
  );
  const types = ['f', 'd'];
  const type = solveOne(
    random,
    literals,
    (field) => field === 'fd.typechar' || field === 'fd.type',
    types,
    (one) => [
      ['fd.typechar', is(one)],
      ['fd.type', is(one === 'f' ? 'file' : 'directory')],
    ],
  );
  const flags = flagsOf(random, literals);
  if (!failing) plantFile(world, path, type);
  const dotted = raw !== undefined && raw !== path ? `/w/sub/../..${path}` : path;
  return open(world, process, {
    kind,
    path: dotted,
    flags: failing ? flags & ~0o100 : flags,
    ...(failing ? { result: -13 } : {}),
  });
};

/** A path argument of which its field comes to what is wanted. */
export const nameOf = (random: Random, literals: readonly Literal[], field: string, fallback: string): string =>
  usable(solveText(random, literals, field, fallback) ?? fallback);
