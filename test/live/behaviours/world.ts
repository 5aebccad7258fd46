import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createSimHost, type SimHost } from '../../../sensors/index.ts';

/** The programs of a behaviour's world, by path, and what they are copies of on this machine. */
export const WORLD_PROGRAMS: ReadonlyMap<string, string> = new Map(
  [
    ...['bash', 'busybox', 'cat', 'chmod', 'cp', 'env', 'head', 'id', 'ln', 'mkdir', 'mount', 'mv', 'perl', 'python3'],
    ...['rm', 'sed', 'setpriv', 'sh', 'sleep', 'tee', 'touch', 'true', 'truncate', 'umount'],
  ].map((name) => [`/usr/bin/${name}`, `/usr/bin/${name}`]),
);

/** unshare's options for the namespaces that each program gets. */
export const NAMESPACES = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
/** What makes a behaviour's namespaces and root. */
const TOOLS = ['/usr/bin/unshare', '/usr/sbin/pivot_root', '/usr/sbin/ip'];

/** Folders of the simulated host that a world has, with what is in them; /usr/bin and the like hold real programs instead. */
const FOLDERS = ['/boot', '/etc', '/home', '/mnt', '/opt', '/root', '/srv', '/var'];
/** What real programs would read and can't: the loader's cache of libraries. */
const LEFT_OUT = new Set(['/etc/ld.so.cache']);
/** The simulated files that are on mounts of their own there, and in the world's one file system. */
const EMPTY_FOLDERS = [
  '/dev/shm',
  '/proc',
  '/run',
  '/sys',
  '/tmp',
  '/usr/lib',
  '/usr/local/bin',
  '/usr/sbin',
  '/var/tmp',
];
const LINKS: readonly (readonly [path: string, target: string])[] = [
  ['bin', 'usr/bin'],
  ['sbin', 'usr/sbin'],
  ['lib', 'usr/lib'],
  ['lib64', 'usr/lib/x86_64-linux-gnu'],
];
const PERMISSIONS = 0o7777;

/** Why a world can't be made here; undefined where it can. */
export const worldSkip = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'the programs get namespaces and files of their own, which takes root';
  const loader = '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2';
  if (!existsSync(loader)) return `there is no ${loader}; the world is laid out as Debian's`;
  const missing = [...WORLD_PROGRAMS.values(), ...TOOLS].find((path) => !existsSync(path));
  if (missing !== undefined) return `there is no ${missing}`;
  const { status, stderr } = spawnSync('unshare', [...NAMESPACES, '/usr/bin/true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `namespaces can't be made here: ${stderr.trim()}`;
};

const copyTree = ({ fs }: SimHost, path: string, folder: string): void => {
  const stat = fs.stat(path);
  if (stat === undefined || LEFT_OUT.has(path)) return;
  const to = join(folder, path);
  const isDirectory = (stat.mode & 0o170000) === 0o040000;
  if (isDirectory) {
    mkdirSync(to, { recursive: true });
    for (const name of fs.list(path)) copyTree({ fs } as SimHost, `${path}/${name}`, folder);
  } else {
    writeFileSync(to, fs.readBytes(path));
  }
  chownSync(to, stat.uid, stat.gid);
  chmodSync(to, stat.mode & PERMISSIONS);
};

/** Puts a real program somewhere below a folder. */
export const putProgram = (from: string, folder: string, path: string): void => {
  const to = join(folder, path);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(from), to);
  chmodSync(to, 0o755);
};

/** Writes what a simulated host has, but for its programs, into a folder. */
export const putHostFiles = (folder: string): void => {
  const host = createSimHost();
  for (const path of FOLDERS) copyTree(host, path, folder);
};

/** Fills an empty folder with what a simulated host has, and with real programs: what each behaviour's root starts as. */
export const makeWorld = (folder: string): void => {
  putHostFiles(folder);
  for (const path of EMPTY_FOLDERS) mkdirSync(join(folder, path), { recursive: true });
  for (const path of ['/tmp', '/var/tmp', '/dev/shm']) chmodSync(join(folder, path), 0o1777);
  for (const [path, target] of LINKS) symlinkSync(target, join(folder, path));
  for (const [path, from] of WORLD_PROGRAMS) putProgram(from, folder, path);
};
