import { Cred, idsOf, NO_CAPABILITIES } from './kernel/credentials.ts';
import { decodeText, encodeText } from './kernel/kernel-object.ts';
import type { Machine } from './kernel/machine.ts';
import type { Path } from './kernel/mounts.ts';
import type { Entry } from './kernel/path-walk.ts';
import type { Task } from './kernel/tasks.ts';
import type { SimFileSystem, SimStat } from './sim-host.ts';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from './uapi.ts';

/** Files from outside: everything is allowed, and no hook runs. */
export interface HostFiles extends SimFileSystem {
  /** The file at a path. */
  find(path: string): Path | undefined;
  /** A character device. */
  device(path: string, mode: number, major: number, minor: number): void;
  /** A file that everybody may read and whose content is made when somebody does. */
  generated(path: string, content: () => string): void;
}

/** @param walker gives the root that paths start at, once there is one */
export const createHostFiles = (machine: Machine, walker: () => Pick<Task, 'subject' | 'fs'>): HostFiles => {
  const { files, walk, permissions, memory } = machine;

  const outside = <Result>(action: (task: Task) => Result): Result => {
    const before = permissions.lifted;
    permissions.lifted = true;
    try {
      return action(walker() as Task);
    } finally {
      permissions.lifted = before;
    }
  };

  const find = (path: string, follow = true): Path | undefined =>
    outside((task) => {
      const found = walk.find(task, files.root, path, follow);
      return typeof found === 'number' ? undefined : found;
    });

  const entryOf = (path: string): Entry => {
    if (!path.startsWith('/')) throw new Error(`"${path}" is not an absolute path; write "/${path}"`);
    const found = outside((task) => walk.entry(task, files.root, path));
    if (typeof found === 'number') {
      const above = path.replace(/\/+$/, '').replace(/\/[^/]*$/, '');
      if (above === '' || find(above)) throw new Error(`"${path}" can't be in the simulated file system`);
      makeDirectory(above, 0o755, 0, 0);
      return entryOf(path);
    }
    return found;
  };

  const create = (entry: Entry, mode: number, uid: number, gid: number): Path => {
    const cred = new Cred(memory, idsOf(uid, gid), [], NO_CAPABILITIES, NO_CAPABILITIES);
    const path = files.create(cred, entry.parent, entry.name, mode);
    cred.release();
    return path;
  };

  const makeDirectory = (path: string, mode: number, uid: number, gid: number): void => {
    const there = find(path);
    if (there) {
      const { inode } = there.dentry;
      if (!inode.isDirectory) throw new Error(`"${path}" is a file; a directory can't be made there`);
      inode.mode = S_IFDIR | mode;
      inode.uid = uid;
      inode.gid = gid;
      return;
    }
    create(entryOf(path), S_IFDIR | mode, uid, gid);
  };

  const regular = (path: string): Path => {
    const found = find(path);
    if (!found?.dentry.inode.isRegular)
      throw new Error(`there is no regular file "${path}" in the simulated file system`);
    return found;
  };

  const content = (path: string): Uint8Array => {
    const { inode } = regular(path).dentry;
    return inode.generate ? encodeText(inode.generate()) : inode.data.slice();
  };

  return {
    find,
    exists: (path) => find(path, false) !== undefined,
    read: (path) => decodeText(content(path)),
    readBytes: content,
    write: (path, text, mode = 0o644, uid = 0, gid = 0) => {
      const there = find(path);
      if (there && !there.dentry.inode.isRegular)
        throw new Error(`"${path}" is no regular file; nothing can be written to it`);
      const { inode } = (there ?? create(entryOf(path), S_IFREG | mode, uid, gid)).dentry;
      inode.mode = S_IFREG | mode;
      inode.uid = uid;
      inode.gid = gid;
      inode.share(typeof text === 'string' ? encodeText(text) : text);
      inode.upper = false;
    },
    overlay: (path) => {
      if (!find(path)) makeDirectory(path, 0o755, 0, 0);
      files.mount(files.newSuperBlock('overlay').root, find(path));
    },
    copyUp: (path) => {
      regular(path).dentry.inode.upper = true;
    },
    mkdir: (path, mode = 0o755, uid = 0, gid = 0) => makeDirectory(path, mode, uid, gid),
    symlink: (target, path) => {
      if (find(path, false)) throw new Error(`"${path}" is there already; a symbolic link can't take its place`);
      const { inode } = create(entryOf(path), S_IFLNK | 0o777, 0, 0).dentry;
      inode.target = target;
      inode.write(0, encodeText(target));
    },
    device: (path, mode, major, minor) => {
      create(entryOf(path), S_IFCHR | mode, 0, 0).dentry.inode.rdev = (major << 20) | minor;
    },
    generated: (path, make) => {
      create(entryOf(path), S_IFREG | 0o444, 0, 0).dentry.inode.generate = make;
    },
    stat: (path): SimStat | undefined => {
      const found = find(path);
      if (!found) return undefined;
      const { inode } = found.dentry;
      const { ino, mode, uid, gid, nlink, size } = inode;
      return { dev: inode.superBlock.dev, ino, mode, uid, gid, nlink, size };
    },
    list: (path) => {
      const found = find(path);
      if (!found?.dentry.children) throw new Error(`there is no directory "${path}" in the simulated file system`);
      found.dentry.inode.populate?.();
      return [...found.dentry.children.keys()].sort();
    },
  };
};
