import { readdirSync, readFileSync, statSync } from 'node:fs';
import { parseMounts } from './mounts.ts';

/** The cgroups of the unified hierarchy, as this process sees them. Paths begin at its root: `/`, `/system.slice`. */
export interface Cgroups {
  /** Where cgroup v2 is mounted. */
  readonly mount: string;
  /** The folder of a path. */
  folder(path: string): string;
  /** A cgroup's id: its folder's inode number (kernfs); undefined where there is none. */
  id(path: string): bigint | undefined;
  /** The path of an id that was asked for before, or lies below `scope`; undefined where there is none. */
  path(id: bigint): string | undefined;
}

/** Where a cgroup v2 hierarchy is mounted, by what /proc/self/mountinfo says (proc_pid_mountinfo(5)); undefined where none is. */
export const cgroupMount = (mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string | undefined =>
  parseMounts(mountinfo).find(({ type }) => type === 'cgroup2')?.place;

/** How deep a path lies: 0 for the root, as bpf_get_current_ancestor_cgroup_id counts. */
export const cgroupLevel = (path: string): number => path.split('/').filter((part) => part !== '').length;

/** @param scope below which ids nobody asked for yet are looked for. @throws Error where no cgroup v2 is mounted */
export function openCgroups(scope = '/'): Cgroups {
  const mount = cgroupMount();
  if (mount === undefined)
    throw new Error(
      'no cgroup v2 hierarchy is mounted; boot with systemd.unified_cgroup_hierarchy=1, or `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`',
    );
  const paths = new Map<bigint, string>();
  const folder = (path: string): string => (path === '/' ? mount : `${mount}${path}`);
  const id = (path: string): bigint | undefined => {
    const found = statSync(folder(path), { bigint: true, throwIfNoEntry: false });
    if (!found?.isDirectory()) return undefined;
    paths.set(found.ino, path);
    return found.ino;
  };
  const lookBelow = (path: string): void => {
    if (id(path) === undefined) return;
    for (const name of childrenOf(folder(path))) lookBelow(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  return {
    mount,
    folder,
    id,
    path(wanted) {
      const known = paths.get(wanted);
      if (known !== undefined) return known;
      lookBelow(scope);
      return paths.get(wanted);
    },
  };
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
