import { type Line, stepsOf } from './pairs.ts';
import type { Argument, Step } from './step.ts';

const at = -100;
const out = (bytes: number): Argument => ({ out: bytes });
const TOO_LONG = `${'/'.repeat(4095)}tmp`;
const [CREATE, EXCHANGE, EMPTY_PATH, BENEATH, PATH_AND_NOFOLLOW] = [0o100, 2, 0x1000, 8, 0o10400000];

/** What chance found to differ once, from the fewest calls that showed it. The first descriptor is 3, the first new pid 5. */
const SEQUENCES: Readonly<Record<string, readonly Line[]>> = {
  'a directory that changes places with a file is written to': [
    [1, 'mknod', ['/tmp/g/sub', 0o666, 0]],
    [1, 'mkdir', ['/open/n3', 0o500]],
    [1, 'renameat2', [at, '/tmp/g/sub', at, '/open/n3', EXCHANGE]],
  ],
  'setgid without group execution goes with a write by somebody of another group': [
    [0, 'fchmod', [2, 0o2745]],
    [1, 'write', [2, 'hello', 5]],
    [2, 'fstat', [1, out(144)]],
  ],
  'group 1 to wait for is not every child': [
    [0, 'clone', [17], 3],
    [0, 'waitid', [2, { pid: 1 }, out(128), 5, null]],
  ],
  'a path that is too long comes before flags and descriptors': [
    [2, 'execveat', [at, TOO_LONG, ['x'], [], 1]],
    [1, 'openat2', [99, TOO_LONG, { how: { flags: 0, resolve: 16 } }, 24]],
  ],
  'a descriptor of a link is no program': [
    [2, 'openat', [at, '/loop', PATH_AND_NOFOLLOW, 0]],
    [2, 'execveat', [3, '', ['x'], [], EMPTY_PATH]],
  ],
  'a program that changes the id for files is not to be looked at': [
    [0, 'setfsuid', [1001]],
    [0, 'execve', ['/bin/locked', ['x'], []]],
    [0, 'prctl', [3]],
  ],
  'access mode 3 does not write': [
    [1, 'execve', ['/bin/unreadable', ['x'], []]],
    [0, 'open', ['/bin/unreadable', 3, 0]],
  ],
  "somebody else's link in a directory for all is not to be created": [
    [2, 'symlink', ['/open/n2', '/tmp/n2']],
    [0, 'open', ['/tmp/n2', 0o400000 | CREATE, 0o600]],
  ],
  'a file without a name is not made through a link that is not followed': [
    [2, 'open', ['/tmp/new-by-link', 0o20600002, 0o600]],
    [2, 'open', ['/dlink', 0o20600002, 0o600]],
  ],
  'half a header is no program': [
    [0, 'truncate', ['/bin/sgid', 20]],
    [2, 'execve', ['/bin/sgid', ['x'], []]],
  ],
  'a descriptor is linked by its opener only': [
    [2, 'open', ['/tmp/f', 2, 0]],
    [2, 'setfsgid', [1001]],
    [2, 'setresgid', [-1, 1001, 1001]],
    [2, 'linkat', [3, '', at, '/tmp/g/n1', EMPTY_PATH]],
    [2, 'fork', [], 3],
    [3, 'linkat', [3, '', at, '/tmp/g/n2', EMPTY_PATH]],
    [2, 'prctl', [8, 0]],
    [2, 'linkat', [3, '', at, '/tmp/g/n3', EMPTY_PATH]],
  ],
  'a directory outside the root': [
    [0, 'chroot', ['/c']],
    [0, 'getcwd', [out(100), 100]],
  ],
  'what may not be above is not created either': [
    [1, 'openat2', [at, '..', { how: { flags: CREATE, mode: 0o600, resolve: BENEATH } }, 24]],
  ],
  'capabilities that there are none of': [
    [0, 'prctl', [23, -1]],
    [0, 'prctl', [23, 41]],
  ],
};

export const FOUND: readonly (readonly Step[])[] = Object.values(SEQUENCES).map(stepsOf);
