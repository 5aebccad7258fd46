import type { SimHost, SimTask } from '../sim/index.ts';
import { numberOf } from './constants.ts';
import type { RecordedCall } from './recording.ts';
import { textOf } from './value.ts';

const OPENS: Readonly<Record<string, number>> = { open: 0, creat: 0, openat: 1, openat2: 1 };

const O_DIRECTORY = 0x10000n;
const O_NOFOLLOW = 0x20000n;

const absolute = (directory: string, path: string): string => {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${directory}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
};

/**
 * Where the recording shows that a path led to a file of another name (-y: `open("/lib/libc.so.6") = 3</usr/lib/libc.so.6>`), the
 * simulated file system gets that file and a symbolic link to it, so that the open resolves as it did.
 */
export const prepareFiles = (host: SimHost, task: SimTask, call: RecordedCall): void => {
  const at = OPENS[call.name];
  const target = call.result.decoration;
  if (at === undefined || target === undefined || !/^\/(?!proc\/|memfd:|anon_hugepage)/.test(target)) return;
  if (target.endsWith(' (deleted)') || target.includes('<') || target.includes('\\')) return;
  const flags = numberOf(call.arguments[at + 1]?.value) ?? 0n;
  if ((flags & O_NOFOLLOW) !== 0n) return;
  const passed = textOf(call.arguments[at]?.value);
  if (passed === undefined) return;
  const directory = at === 1 ? call.arguments[0]?.value : undefined;
  const base = directory !== undefined && 'decoration' in directory ? (directory.decoration ?? task.cwd) : task.cwd;
  const path = absolute(base, passed);
  if (path === target || path === '/' || /^\/(?:proc|dev)\//.test(path) || host.fs.exists(path)) return;
  if (!host.fs.exists(target)) {
    if ((flags & O_DIRECTORY) !== 0n) host.fs.mkdir(target);
    else host.fs.write(target, '');
  }
  // where the directories themselves are linked (/lib to /usr/lib), it is there now
  if (!host.fs.exists(path)) host.fs.symlink(target, path);
};
