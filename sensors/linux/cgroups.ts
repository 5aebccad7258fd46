import { openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { closeFd, openByHandle } from './libc.ts';
import { parseMounts } from './mounts.ts';

/** The cgroups of the unified hierarchy, as this process sees them. Paths begin at its root: `/`, `/system.slice`. */
export interface Cgroups {
  /** Where cgroup v2 is mounted. */
  readonly mount: string;
  /** The folder of a path. */
  folder(path: string): string;
  /** A cgroup's id: its folder's inode number (kernfs); undefined where there is none. */
  id(path: string): bigint | undefined;
  /** The path of an id that was asked for before, or is that of `scope` or lies below; undefined where there is none now. */
  path(id: bigint): string | undefined;
  close(): void;
}

/** Paths that are kept: ids are never used again, so that those of cgroups that are gone answer for late events. */
const MOST_PATHS = 10_000;
/** How often all cgroups below the scope are gone through, at most, where ids can't be opened. */
const SEARCH_MS = 100;
/** FILEID_KERNFS of include/linux/exportfs.h: the handle is the id. */
const FILEID_KERNFS = 0xfe;
const ID_BYTES = 8;
const [EPERM, EOPNOTSUPP] = [1, 95];

/** Where a cgroup v2 hierarchy is mounted, by what /proc/self/mountinfo says (proc_pid_mountinfo(5)); undefined where none is. */
export const cgroupMount = (mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string | undefined =>
  parseMounts(mountinfo).find(({ type }) => type === 'cgroup2')?.place;

/** How deep a path lies: 0 for the root, as bpf_get_current_ancestor_cgroup_id counts. */
export const cgroupLevel = (path: string): number => path.split('/').filter((part) => part !== '').length;

/** The root's id; what is mounted in a cgroup namespace begins at another, whose level nobody tells. */
const ROOT = 1n;

/**
 * @param scope below which ids nobody asked for yet are looked for. @param mount where cgroup v2 is mounted. @throws Error where it is mounted nowhere,
 * or not from its root on
 */
export function openCgroups(scope = '/', mount = cgroupMount()): Cgroups {
  if (mount === undefined)
    throw new Error(
      'no cgroup v2 hierarchy is mounted; boot with systemd.unified_cgroup_hierarchy=1, or `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`',
    );
  const paths = new Map<bigint, string>();
  const keep = (one: bigint, path: string): void => {
    if (paths.size >= MOST_PATHS) paths.clear();
    paths.set(one, path);
  };
  const folder = (path: string): string => (path === '/' ? mount : `${mount}${path}`);
  const id = (path: string): bigint | undefined => {
    const found = statSync(folder(path), { bigint: true, throwIfNoEntry: false });
    if (!found?.isDirectory()) return undefined;
    keep(found.ino, path);
    return found.ino;
  };
  if (id('/') !== ROOT)
    throw new Error(
      `the cgroups in ${mount} begin below the host's, as in a cgroup namespace, so that programs would not find the scope; start Shrike in the host's cgroup namespace (docker run --cgroupns=host) with the host's /sys/fs/cgroup`,
    );
  const isInScope = (path: string): boolean => scope === '/' || `${path}/`.startsWith(`${scope}/`);
  const root = openSync(mount, 'r');
  let canOpen = true;
  let searched = Number.NEGATIVE_INFINITY;

  /** By its id alone, as name_to_handle_at(2) gives it; nothing else is looked at. */
  const byHandle = (wanted: bigint): string | undefined => {
    const fd = openByHandle(root, handleOf(wanted));
    if (fd === -EPERM || fd === -EOPNOTSUPP) canOpen = false;
    if (fd < 0) return undefined;
    try {
      const place = readlinkSync(`/proc/self/fd/${fd}`);
      if (place === mount) return '/';
      return place.startsWith(`${mount}/`) ? place.slice(mount.length) : undefined;
    } finally {
      closeFd(fd);
    }
  };
  const lookBelow = (path: string): void => {
    if (id(path) === undefined) return;
    for (const name of childrenOf(folder(path))) lookBelow(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  const search = (wanted: bigint): string | undefined => {
    if (performance.now() - searched >= SEARCH_MS) {
      lookBelow(scope);
      searched = performance.now();
    }
    return paths.get(wanted);
  };
  return {
    mount,
    folder,
    id,
    path(wanted) {
      const known = paths.get(wanted);
      if (known !== undefined) return known;
      const found = canOpen ? byHandle(wanted) : undefined;
      if (canOpen && (found === undefined || !isInScope(found))) return undefined;
      if (found === undefined) return search(wanted);
      keep(wanted, found);
      return found;
    },
    close: () => closeFd(root),
  };
}

/** struct file_handle of a cgroup's folder. */
function handleOf(id: bigint): Uint8Array {
  const handle = new DataView(new ArrayBuffer(8 + ID_BYTES));
  handle.setUint32(0, ID_BYTES, true);
  handle.setInt32(4, FILEID_KERNFS, true);
  handle.setBigUint64(8, id, true);
  return new Uint8Array(handle.buffer);
}

/** Names of the cgroups in a cgroup's folder; none where it is gone. */
export function childrenOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
