import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from '../../../engine/maps/index.ts';
import { MAXSYMLINKS, NAME_MAX, PATH_MAX } from '../uapi.ts';
import type { Dentry } from './dentries.ts';
import type { FoundPath, FoundPaths } from './found-paths.ts';
import type { Path } from './mounts.ts';
import { MAY_EXEC, type Permissions } from './permissions.ts';
import type { Task } from './tasks.ts';

/** openat2's ways to confine a path (include/uapi/linux/openat2.h). RESOLVE_CACHED has no effect: all is cached. */
const RESOLVE_NO_XDEV = 1;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_NO_SYMLINKS = 4;
export const RESOLVE_BENEATH = 8;
export const RESOLVE_IN_ROOT = 16;
export const VALID_RESOLVE = 0x3f;

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

/** Longer than a path may be that is passed to a call. */
export const isLongPath = (text: string): boolean => longerThan(text, PATH_MAX - 1);

/** Finds files by path as path_resolution(7) says. Results are negative errnos or what was found. */
export class PathWalk {
  readonly #permissions: Permissions;
  readonly #found: FoundPaths;
  /** The walk went through names that come and go by themselves (/proc). */
  #passing = false;
  /** The symbolic links that the walk followed. */
  #links: readonly Dentry[] = NONE;
  /** RESOLVE_* of the walk under way. */
  #resolve = 0;
  /** Where a walk began that is confined, and whether it knows its root yet. */
  #base: Path | undefined;
  #rooted = false;

  constructor(permissions: Permissions, found: FoundPaths) {
    this.#permissions = permissions;
    this.#found = found;
  }

  /** Whether no symbolic link may be followed (RESOLVE_NO_SYMLINKS). */
  get refusesLinks(): boolean {
    return (this.#resolve & RESOLVE_NO_SYMLINKS) !== 0;
  }

  /** Whether the directory that a path starts at is its root, too (RESOLVE_IN_ROOT). */
  get startsAtRoot(): boolean {
    return (this.#resolve & RESOLVE_IN_ROOT) !== 0;
  }

  /** Does something during which paths are found as openat2's `resolve` says. */
  resolving<T>(resolve: number, act: () => T): T {
    this.#resolve = resolve;
    this.#base = undefined;
    this.#rooted = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0;
    try {
      return act();
    } finally {
      this.#resolve = 0;
    }
  }

  /** The file that a path names. @param follow a symbolic link in the last place */
  find(task: Task, start: Path, text: string, follow: boolean, links = 0): Path | number {
    const keeps = this.#permissions.lifted && links === 0;
    const known = keeps ? this.#found.get(task.fs.root, start, text, follow) : undefined;
    if (known) return known;
    this.#passing = false;
    this.#links = NONE;
    const found = this.#walk(task, start, text, follow, false, links);
    if (typeof found === 'number' || !('dentry' in found)) return typeof found === 'number' ? found : -ENOENT;
    if (keeps && !this.#passing) this.#found.set(task.fs.root, start, text, follow, found, this.#links);
    return found;
  }

  /** The same where it was found before with all permissions lifted; undefined where it wasn't. */
  found(task: Task, start: Path, text: string, follow: boolean): FoundPath | undefined {
    return this.#found.get(task.fs.root, start, text, follow);
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
    const child = lookup ? lookup(name) : dentry.children?.get(name);
    if (lookup && child?.isFleeting !== false) this.#passing = true;
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
    if (isLongPath(text)) return -ENAMETOOLONG;
    const resolve = this.#resolve;
    if (resolve !== 0) this.#base ??= start;
    const base = this.#base ?? start;
    const { root } = (resolve & RESOLVE_IN_ROOT) !== 0 ? { root: base } : task.fs;
    if (resolve !== 0 && text.startsWith('/')) {
      if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
      if ((resolve & RESOLVE_NO_XDEV) !== 0 && linksBefore > 0 && !this.#rooted) return -EXDEV;
      this.#rooted = true;
    }
    let path = text.startsWith('/') ? root : start;
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
        if (resolve !== 0) {
          this.#rooted = true;
          const isStart = path.dentry === base.dentry && path.mount === base.mount;
          if ((resolve & RESOLVE_BENEATH) !== 0 && isStart) return -EXDEV;
        }
        const before = path.mount;
        path = above(root, path);
        if ((resolve & RESOLVE_NO_XDEV) !== 0 && path.mount !== before) return -EXDEV;
        continue;
      }
      const child = this.child(path, name);
      if (!child) return -ENOENT;
      const link = child.dentry.inode;
      if (link.isLink && (!last || follow || trailingSlash)) {
        if ((resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
        if (++links > MAXSYMLINKS) return -ELOOP;
        link.followed = true;
        this.#links = [...this.#links, child.dentry];
        if (link.magic) {
          if ((resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
          if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
          this.#passing = true;
          const target = link.magic.follow();
          if (!target) return -ENOENT;
          path = target;
          continue;
        }
        if (link.target.startsWith('/')) {
          if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
          if ((resolve & RESOLVE_NO_XDEV) !== 0 && (!this.#rooted || path.mount !== root.mount)) return -EXDEV;
          path = root;
        }
        if (last && link.target.endsWith('/')) trailingSlash = true;
        push(rest, link.target);
        continue;
      }
      if ((resolve & RESOLVE_NO_XDEV) !== 0 && child.mount !== path.mount) return -EXDEV;
      path = child;
    }
    return trailingSlash && !path.dentry.inode.isDirectory ? -ENOTDIR : path;
  }
}

const NONE: readonly Dentry[] = [];

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
const above = (root: Path, from: Path): Path => {
  let { mount, dentry } = from;
  while (dentry === mount.root && mount.parent !== mount && !(dentry === root.dentry && mount === root.mount)) {
    dentry = mount.mountpoint;
    mount = mount.parent;
  }
  if (dentry === root.dentry && mount === root.mount) return { mount, dentry };
  return over({ mount, dentry: dentry.parent }, dentry.parent);
};
