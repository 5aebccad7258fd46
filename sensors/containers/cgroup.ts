/** What drives a container, by the names that Falco's container.type has. */
export type ContainerRuntime = 'docker' | 'podman' | 'containerd' | 'cri-o';

/** What a cgroup's path says of the container that it belongs to. */
export interface CgroupContainer {
  /** All 64 hexadecimal digits. */
  readonly id: string;
  /** Left out where the path has the bare id only, as with the cgroupfs driver of Kubernetes. */
  readonly runtime?: ContainerRuntime;
  /** Left out outside of Kubernetes' pods. */
  readonly podUid?: string;
  /** The path down to the container itself; what it has below is its own. */
  readonly path: string;
  /** The user in whose part of the tree it is, and who could have given it any name; left out elsewhere. */
  readonly user?: number;
}

const PREFIXES: Readonly<Record<string, ContainerRuntime>> = {
  'docker-': 'docker',
  'libpod-': 'podman',
  'libpod-payload-': 'podman',
  'crio-': 'cri-o',
  'cri-containerd-': 'containerd',
  'nerdctl-': 'containerd',
};

/** Monitors of containers, which run on the host. */
const MONITOR = /-conmon-$/;

/** Folders that hold a runtime's containers where the cgroupfs driver names them by their bare ids. */
const FOLDERS: Readonly<Record<string, ContainerRuntime>> = {
  docker: 'docker',
  libpod_parent: 'podman',
};

/** `docker-<id>.scope`, `libpod-<id>`, `<id>`; containerd's `<slice>:cri-containerd:<id>` where the driver doesn't fit the path. */
const CONTAINER = /^(?:([a-z][a-z-]*-)|.*:cri-(containerd):)?([0-9a-f]{64})(?:\.scope)?$/;
/** `pod<uid>`, `kubepods-burstable-pod<uid>.slice`; systemd's slices have `_` for the uid's `-`. A static pod's uid has none. */
const POD = /^(?:.*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$/;

/** What systemd leaves to a user: `user@1000.service`. */
const USER = /^user@(\d+)\.service$/;

/**
 * The containers that a cgroup v2 path goes through, outermost first: Docker's, Podman's, containerd's and CRI-O's, with the systemd
 * or the cgroupfs driver. Empty on the host. A container that may write cgroups can name its own like another's, so an inner one is a claim.
 */
export const containersInCgroup = (path: string): readonly CgroupContainer[] => {
  let found = seen.get(path);
  if (found === undefined) {
    found = containersOn(path);
    if (seen.size >= SEEN) seen.clear();
    seen.set(path, found);
  }
  return found;
};

/** Paths that were taken apart; events of one cgroup follow one another. */
const seen = new Map<string, readonly CgroupContainer[]>();
const SEEN = 1024;

const containersOn = (path: string): readonly CgroupContainer[] => {
  const found: CgroupContainer[] = [];
  let folder = '';
  let podUid: string | undefined;
  let user: number | undefined;
  let end = -1;
  for (const part of path.split('/')) {
    end += part.length + 1;
    const owner = USER.exec(part)?.[1];
    if (owner !== undefined) user = Number(owner);
    podUid = POD.exec(part)?.[1]?.replaceAll('_', '-') ?? podUid;
    const [, prefix, cri, id] = CONTAINER.exec(part) ?? [];
    if (id !== undefined && !MONITOR.test(prefix ?? '')) {
      const runtime = cri !== undefined ? 'containerd' : prefix === undefined ? FOLDERS[folder] : PREFIXES[prefix];
      found.push({
        id,
        path: path.slice(0, end),
        ...(runtime !== undefined && { runtime }),
        ...(podUid !== undefined && { podUid }),
        ...(user !== undefined && { user }),
      });
    }
    folder = part;
  }
  return found;
};

/** Characters of a container's id that fields print. */
const SHORT_ID = 12;

/** The first characters of a container's id, as container.id has them. */
export const shortId = (id: string): string => id.slice(0, SHORT_ID);
