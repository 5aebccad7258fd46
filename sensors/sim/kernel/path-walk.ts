import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from '../../../engine/maps/index.ts';
import { MAXSYMLINKS, NAME_MAX, PATH_MAX } from '../uapi.ts';
import type { Dentry } from './dentries.ts';
import type { FoundPaths } from './found-paths.ts';
import type { Path } from './mounts.ts';
import { MAY_EXEC, type Permissions } from './permissions.ts';
import type { Task } from './tasks.ts';

/** A directory, and a name in it that may or may not be there. */
export interface Entry {
  readonly parent: Path;
  /** `.`, `..` and, for the root itself, the empty name are left to the call. */
  readonly name: string;
  /** The name was followed by a slash: it must be a directory. */
  readonly trailingSlash: boolean;
  /** Symbolic links followed so far. */
  readonly links: number;
}

/** Length in bytes of UTF-8 above a limit; most names are far below it. */
const longerThan = (text: string, limit: number): boolean =>
  text.length > limit || (text.length * 3 > limit && new TextEncoder().encode(text).length > limit);

/** Longer than a name in a directory may be. */
export const isLongName = (name: string): boolean => longerThan(name, NAME_MAX);

/** Finds files by path as path_resolution(7) says. Results are negative errnos or what was found. */
export class PathWalk {
  readonly #permissions: Permissions;
  readonly #found: FoundPaths;
  /** The walk went through names that come and go by themselves (/proc). */
  #passing = false;

  constructor(permissions: Permissions, found: FoundPaths) {
    this.#permissions = permissions;
    this.#found = found;
  }

  /** The file that a path names. @param follow a symbolic link in the last place */
  find(task: Task, start: Path, text: string, follow: boolean, links = 0): Path | number {
    const keeps = this.#permissions.lifted && links === 0;
    const known = keeps ? this.#found.get(task.fs.root, start, text, follow) : undefined;
    if (known) return known;
    this.#passing = false;
    const found = this.#walk(task, start, text, follow, false, links);
    if (typeof found === 'number' || !('dentry' in found)) return typeof found === 'number' ? found : -ENOENT;
    if (keeps && !this.#passing) this.#found.set(task.fs.root, start, text, follow, found);
    return found;
  }

  /** The same where it was found before with all permissions lifted; undefined where it wasn't. */
  found(task: Task, start: Path, text: string, follow: boolean): Path | undefined {
    return this.#found.get(task.fs.root, start, text, follow);
  }

  /** What `found` gives is the same while this number is, and while what it gave keeps its name. */
  get foundAge(): number {
    return this.#found.age;
  }

  /** The directory that the last component of a path is in. */
  entry(task: Task, start: Path, text: string, links = 0): Entry | number {
    const found = this.#walk(task, start, text, false, true, links);
    if (typeof found === 'number' || 'parent' in found) return found;
    return { parent: found, name: '', trailingSlash: true, links };
  }

  /** The entry's file, with what is mounted on it; undefined where there is none. */
  child(parent: Path, name: string): Path | undefined {
    const { dentry } = parent;
    const { lookup } = dentry.inode;
    if (lookup) this.#passing = true;
    const child = lookup ? lookup(name) : dentry.children?.get(name);
    return child && over(parent, child);
  }

  #walk(
    task: Task,
    start: Path,
    text: string,
    follow: boolean,
    wantsEntry: boolean,
    linksBefore: number,
  ): Path | Entry | number {
    if (text === '') return -ENOENT;
    if (longerThan(text, PATH_MAX - 1)) return -ENAMETOOLONG;
    let path = text.startsWith('/') ? task.fs.root : start;
    let links = linksBefore;
    const rest: string[] = [];
    push(rest, text);
    let trailingSlash = text.endsWith('/');
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      const { inode } = path.dentry;
      if (!inode.isDirectory) return -ENOTDIR;
      if (!this.#permissions.may(task.subject, inode, MAY_EXEC)) return -EACCES;
      const last = rest.length === 0;
      if (last && wantsEntry) return { parent: path, name, trailingSlash, links };
      if (isLongName(name)) return -ENAMETOOLONG;
      if (name === '.') continue;
      if (name === '..') {
        path = above(task, path);
        continue;
      }
      const child = this.child(path, name);
      if (!child) return -ENOENT;
      const link = child.dentry.inode;
      if (link.isLink && (!last || follow || trailingSlash)) {
        if (++links > MAXSYMLINKS) return -ELOOP;
        link.followed = true;
        if (link.magic) {
          this.#passing = true;
          const target = link.magic.follow();
          if (!target) return -ENOENT;
          path = target;
          continue;
        }
        if (link.target.startsWith('/')) path = task.fs.root;
        if (last && link.target.endsWith('/')) trailingSlash = true;
        push(rest, link.target);
        continue;
      }
      path = child;
    }
    return trailingSlash && !path.dentry.inode.isDirectory ? -ENOTDIR : path;
  }
}

/** Components of paths, the last first: the same ones are looked for again and again. */
const componentsOf = new Map<string, readonly string[]>();
/** Paths whose components are remembered before all are forgotten. */
const MOST = 4096;

const components = (text: string): readonly string[] => {
  const known = componentsOf.get(text);
  if (known !== undefined) return known;
  const found = text
    .split('/')
    .filter((name) => name !== '')
    .reverse();
  if (componentsOf.size >= MOST) componentsOf.clear();
  componentsOf.set(text, found);
  return found;
};

/** Puts a path's components on the stack, the first on top. */
const push = (rest: string[], text: string): void => {
  const names = components(text);
  for (let index = 0; index < names.length; index++) rest.push(names[index] as string);
};

/** The top of what is mounted on a dentry. */
const over = (parent: Path, dentry: Dentry): Path => {
  let path: Path = { mount: parent.mount, dentry };
  while (path.dentry.mounts > 0) {
    const mount = path.mount.children.get(path.dentry);
    if (!mount) break;
    path = { mount, dentry: mount.root };
  }
  return path;
};

/** `..`, which stays at the task's root and leaves mounts through their mountpoint. */
const above = (task: Task, from: Path): Path => {
  const { root } = task.fs;
  let { mount, dentry } = from;
  while (dentry === mount.root && mount.parent !== mount && !(dentry === root.dentry && mount === root.mount)) {
    dentry = mount.mountpoint;
    mount = mount.parent;
  }
  if (dentry === root.dentry && mount === root.mount) return { mount, dentry };
  return over({ mount, dentry: dentry.parent }, dentry.parent);
};
