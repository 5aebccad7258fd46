import fc from 'fast-check';
import { PATHS } from './history.ts';
import type { Tree } from './oracle.ts';

const paths: readonly string[] = [
  ...PATHS.filter((path) => path.startsWith('/') && path.length < 100),
  '/w/n/one',
  '/w/n/two',
  '/w/n/three',
  '/w/sub',
  '/w/sub/c.txt',
];
const pathPieces = ['/w', '/w/', '/w/sub', 'sub', '.txt', 'txt', '/', 'c', 'missing', '.log', 'n/', '/tmp/', 'deep/d'];
const pathGlobs = ['/w/*', '*.txt', '/w/?.txt', '/w/[ab].*', '*sub*c*', '/*/sub/deep/[!x].conf', '*', '/w/n/t*'];
const folders = ['/w', '/w/sub', '/tmp', '/', '/w/n', '/w/sub/'];
const names = ['cat', 'bash', 'daemon-with-a-l', 'nginx', 'python', 'su', 'systemd', 'tool', 'sh'];
const words = [
  'cat /etc/shadow',
  'bash',
  '/etc/shadow',
  '-c id; echo evil',
  'x ',
  '',
  '-g daemon off',
  'y',
  'evil',
  '--login',
];

const one = (list: readonly string[]) => fc.constantFrom(...list).map((value) => [value]);
const some = (list: readonly string[]) => fc.uniqueArray(fc.constantFrom(...list), { minLength: 1, maxLength: 4 });

type Atom = Tree & { readonly kind: 'atom' };
const atoms = (
  fields: readonly string[],
  operators: readonly string[],
  values: fc.Arbitrary<readonly string[]>,
): fc.Arbitrary<Atom> =>
  fc
    .tuple(fc.constantFrom(...fields), fc.constantFrom(...operators), values)
    .map(([field, operator, constants]) => ({ kind: 'atom', field, operator, values: constants }));

const TEXT = ['=', '!='] as const;
const PART = ['startswith', 'endswith', 'contains', 'icontains'] as const;
const PATH_FIELDS = ['fd.name', 'fs.path.name', 'fs.path.source', 'fs.path.target', 'proc.exepath'] as const;
const NUMBER = ['=', '!=', '<', '<=', '>', '>='] as const;

const upper = (list: readonly string[]) => list.map((text, index) => (index % 2 === 0 ? text.toUpperCase() : text));

const atom: fc.Arbitrary<Atom> = fc
  .oneof(
    atoms(PATH_FIELDS, TEXT, one(paths)),
    atoms(PATH_FIELDS, ['in'], some(paths)),
    atoms(PATH_FIELDS, PART, one(pathPieces)),
    atoms(PATH_FIELDS, ['icontains', 'iglob'], one(upper(pathGlobs))),
    atoms(PATH_FIELDS, ['glob'], one(pathGlobs)),
    atoms(PATH_FIELDS, ['pmatch'], some(folders)),
    atoms(['fd.directory'], [...TEXT, ...PART], one(['/w', '/w/sub', '/', '/tmp', '/usr/bin'])),
    atoms(['fd.filename'], [...TEXT, ...PART], one(['a.txt', 'c.txt', 'b.log', 'shadow', '.txt', 'sub', ''])),
    atoms(['fd.filename'], ['glob'], one(['?.txt', '*.log', '[a-c]*'])),
    atoms(['fd.name', 'fd.filename', 'fs.path.name', 'fd.num', 'fd.sip', 'proc.aname[2]'], ['exists'], fc.constant([])),
    atoms(['proc.name', 'proc.pname', 'proc.aname', 'proc.aname[2]'], TEXT, one(names)),
    atoms(['proc.name', 'proc.pname', 'proc.aname', 'proc.aname[2]'], ['in'], some(names)),
    atoms(['proc.name', 'proc.pname', 'proc.aname', 'proc.aname[2]'], PART, one(['a', 'sh', 'daemon', 'ng', 'TOOL'])),
    atoms(['proc.cmdline', 'proc.args', 'proc.exe'], [...TEXT, ...PART], one(words)),
    atoms(['proc.cmdline', 'proc.args', 'proc.exe'], ['glob'], one(['*shadow', 'bash', '-*', '? *', '*evil*'])),
    atoms(['user.uid'], NUMBER, one(['0', '33', '1000', '-1', '4294967295'])),
    atoms(['fd.num'], NUMBER, one(['-1', '3', '4', '97'])),
    atoms(
      ['evt.rawres'],
      NUMBER,
      one([
        '0',
        '-2',
        '-13',
        '3',
        '-9223372036854775808',
        '9223372036854775807',
        '18446744073709551614',
        '-99999999999999999999',
      ]),
    ),
    atoms(['evt.res'], TEXT, one(['SUCCESS', 'ENOENT', 'EACCES', 'EFAULT', 'EPERM', 'EBADF', 'E41'])),
    atoms(['evt.res'], ['startswith', 'contains'], one(['E', 'SUCC', 'ENO'])),
    atoms(['evt.failed', 'evt.is_open_read', 'evt.is_open_write', 'evt.is_open_create'], TEXT, one(['true', 'false'])),
    atoms(['fd.typechar'], [...TEXT, 'in'], one(['f', 'd', '4', '6', 'u', 'p', 'm', 'o'])),
    atoms(['evt.arg[flags]'], [...TEXT, 'contains'], one(['O_RDONLY', 'O_RDWR', 'O_CREAT', 'O_WRONLY|O_CREAT'])),
    atoms(
      ['evt.arg[fd]', 'evt.arg[domain]', 'evt.arg[uid]'],
      [...TEXT, 'in'],
      one(['3', '-1', '97', '2', '10', '1000', '03']),
    ),
    atoms(['evt.arg[sig]'], [...TEXT, 'in', 'startswith'], one(['SIGKILL', 'SIGTERM', '0', '34', 'SIG'])),
    atoms(['evt.arg[name]', 'evt.arg[path]', 'evt.arg[oldpath]', 'evt.arg[filename]'], [...TEXT, ...PART], one(paths)),
    atoms(
      ['fd.sip', 'fd.rip', 'fd.ip'],
      [...TEXT, 'in'],
      one(['203.0.113.5', '198.51.100.7', '2001:db8:1::5', '::ffff:203.0.113.5']),
    ),
    atoms(
      ['fd.net', 'fd.snet'],
      [...TEXT, 'in'],
      some(['203.0.113.0/24', '198.51.100.7/31', '2001:db8:1::/48', '198.51.100.6']),
    ),
    atoms(['fd.sport', 'fd.rport'], NUMBER, one(['443', '4444', '1024', '81'])),
    atoms(['fd.port'], TEXT, one(['443', '4444', '81', '9'])),
    atoms(
      ['evt.type'],
      [...TEXT, 'in'],
      some(['open', 'openat', 'openat2', 'creat', 'execve', 'connect', 'rename', 'unlink']),
    ),
  )
  .map((made) =>
    ['in', 'pmatch', 'intersects'].includes(made.operator) ? made : { ...made, values: made.values.slice(0, 1) },
  );

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    atom.map((of): Tree => ({ kind: 'not', of })),
    tie('tree').map((of): Tree => ({ kind: 'not', of })),
    fc
      .tuple(fc.constantFrom<'and' | 'or'>('and', 'or'), fc.array(tie('tree'), { minLength: 2, maxLength: 3 }))
      .map(([kind, of]): Tree => ({ kind, of })),
  ),
}));

/** Conditions about all events, and about some types of them, as rules usually are. */
export const condition: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 1, arbitrary: tree },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        some([
          'open',
          'openat',
          'openat2',
          'creat',
          'execve',
          'connect',
          'rename',
          'renameat',
          'unlink',
          'read',
          'procexit',
        ]),
        tree,
      )
      .map(
        ([types, rest]): Tree => ({
          kind: 'and',
          of: [{ kind: 'atom', field: 'evt.type', operator: 'in', values: types }, rest],
        }),
      ),
  },
);
