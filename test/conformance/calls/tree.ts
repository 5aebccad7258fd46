import type { Argument, Step } from './step.ts';

const O_RDWR = 2;
const O_CREAT = 0o100;
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;

/** Symbolic links that lead to one another: one more than a path may go through. */
export const CHAIN = 41;

const DIRECTORIES: readonly (readonly [path: string, mode: number, uid: number, gid: number])[] = [
  ['/tmp', 0o1777, 0, 0],
  ['/etc', 0o755, 0, 0],
  ['/home', 0o755, 0, 0],
  ['/home/u', 0o755, 1000, 1000],
  ['/home/v', 0o770, 1001, 1000],
  ['/priv', 0o700, 0, 0],
  ['/bin', 0o755, 0, 0],
  ['/c', 0o755, 0, 0],
  ['/open', 0o777, 0, 0],
  ['/open/blind', 0o311, 1000, 1000],
  ['/open/shut', 0o666, 1000, 1000],
  ['/tmp/d', 0o755, 1000, 1000],
  ['/tmp/g', 0o2777, 0, 1000],
  ['/tmp/full', 0o777, 1000, 1000],
];

const FILES: readonly (readonly [path: string, mode: number, uid: number, gid: number, text: string])[] = [
  ['/tty', 0o666, 0, 0, ''],
  ['/etc/passwd', 0o644, 0, 0, 'root:x:0:0\nuser:x:1000:1000\n'],
  ['/etc/shadow', 0o640, 0, 1000, 'secret'],
  ['/home/u/a', 0o600, 1000, 1000, 'aaa'],
  ['/home/v/b', 0o660, 1001, 1000, 'bbbb'],
  ['/priv/x', 0o644, 0, 0, 'x'],
  ['/tmp/f', 0o666, 0, 0, 'ffff'],
  ['/tmp/r', 0o644, 0, 0, 'r'],
  ['/tmp/full/x', 0o644, 1000, 1000, 'x'],
  ['/tmp/d/s', 0o4755, 1000, 1000, 'set-user-ID'],
  ['/open/g', 0o2755, 1001, 1001, 'set-group-ID'],
  ['/open/w', 0o6777, 1000, 1001, 'both'],
  ['/bin/noexec', 0o644, 0, 0, '#!/bin/actor\n'],
  ['/bin/text', 0o755, 0, 0, 'neither a script nor a program'],
  ['/bin/empty', 0o755, 0, 0, ''],
  ['/bin/script', 0o755, 0, 0, '#! /bin/actor -x y\n'],
  ['/bin/script2', 0o755, 0, 0, '#!/bin/script\n'],
  ['/bin/itself', 0o755, 0, 0, '#!/bin/itself\n'],
  ['/bin/astray', 0o755, 0, 0, '#!/nothing\n'],
  ['/bin/denied', 0o755, 0, 0, '#!/bin/noexec\n'],
  ['/bin/bare', 0o755, 0, 0, '#!\n'],
];

/** Copies of the program that goes on making calls. */
const PROGRAMS: readonly (readonly [path: string, mode: number, uid: number, gid: number])[] = [
  ['/bin/actor', 0o755, 0, 0],
  ['/bin/suid-root', 0o4755, 0, 0],
  ['/bin/suid', 0o4755, 1001, 1001],
  ['/bin/sgid', 0o2755, 0, 1001],
  ['/bin/locked', 0o2745, 0, 1001],
  ['/bin/unreadable', 0o711, 0, 0],
  ['/home/u/mine', 0o700, 1000, 1000],
];

const LINKS: readonly (readonly [path: string, target: string])[] = [
  ['/link', '/tmp/f'],
  ['/dlink', 'tmp/d'],
  ['/dslash', '/tmp/d/'],
  ['/gone', '/nothing'],
  ['/tmp/up', '../etc/passwd'],
  ['/tmp/new-by-link', '/home/u/made'],
  ['/loop', '/loop2'],
  ['/loop2', '/loop'],
  ['/c/0', '/tmp/f'],
  ...Array.from({ length: CHAIN - 1 }, (_, index): [string, string] => [`/c/${index + 1}`, `${index}`]),
];

/** Every path there is before the calls of a sequence. */
export const PATHS: readonly string[] = [
  '/',
  '/fifo',
  '/sock',
  ...DIRECTORIES.map(([path]) => path),
  ...FILES.map(([path]) => path),
  ...PROGRAMS.map(([path]) => path),
  ...LINKS.map(([path]) => path),
];
export const PROGRAM_PATHS: readonly string[] = PROGRAMS.map(([path]) => path);

/** The calls that make the tree, by root with a umask of 0. @param actor the content of its programs */
export const setUp = (actor: Uint8Array): readonly Step[] => {
  const call = (name: string, ...args: Argument[]): Step => ({ by: 0, call: name, args });
  const attributes = (path: string, mode: number, uid: number, gid: number): Step[] => [
    ...(uid === 0 && gid === 0 ? [] : [call('chown', path, uid, gid)]),
    ...((mode & 0o7000) === 0 ? [] : [call('chmod', path, mode)]),
  ];
  const file = (path: string, mode: number, uid: number, gid: number, content: string | Uint8Array): Step[] => [
    call('open', path, O_RDWR | O_CREAT, mode),
    ...(content.length === 0 ? [] : [call('write', FILE_SET_UP, content, content.length)]),
    call('close', FILE_SET_UP),
    ...attributes(path, mode, uid, gid),
  ];
  return [
    ...DIRECTORIES.flatMap(([path, mode, uid, gid]) => [
      call('mkdir', path, mode & 0o777),
      ...attributes(path, mode, uid, gid),
    ]),
    ...FILES.flatMap(([path, mode, uid, gid, text]) => file(path, mode, uid, gid, text)),
    ...PROGRAMS.flatMap(([path, mode, uid, gid]) => file(path, mode, uid, gid, actor)),
    ...LINKS.map(([path, target]) => call('symlink', target, path)),
    call('mknod', '/fifo', S_IFIFO | 0o666, 0),
    call('mknod', '/sock', S_IFSOCK | 0o666, 0),
  ];
};

/** The descriptor that set-up calls get: 0 to 2 are open. */
const FILE_SET_UP = 3;

/**
 * In a user namespace of its own root has no CAP_FSETID that counts when it writes to files with set-id bits (fs/attr.c,
 * setattr_should_drop_suidgid); nobody has it in the sequences.
 */
const [PR_CAPBSET_DROP, CAP_FSETID] = [24, 4];

/** How each of the first tasks comes to be what it is: open files 0 to 2, a session, ids, and a program of its own. */
export const PROLOGUE: readonly Step[] = [
  [0, 0, []],
  [1, 1000, []],
  [2, 1001, [1000]],
].flatMap(([by, id, groups]): Step[] => {
  const call = (name: string, ...args: Argument[]): Step => ({ by: by as number, call: name, args });
  const list = new Uint8Array(new Uint32Array(groups as number[]).buffer);
  return [
    call('open', '/tty', O_RDWR, 0),
    call('dup', 0),
    call('dup', 0),
    call('setsid'),
    call('prctl', PR_CAPBSET_DROP, CAP_FSETID),
    call('setgroups', list.length / 4, list.length === 0 ? null : list),
    call('setresgid', id as number, id as number, id as number),
    call('setresuid', id as number, id as number, id as number),
    call('execve', '/bin/actor', ['actor'], []),
  ];
});
