const CONTAINER_ID = /(?:^|[-/])([0-9a-f]{64})(?:\.scope)?$/;

/** Characters of a container's id that fields print. */
const SHORT_ID = 12;

/**
 * The container that a cgroup path belongs to, by the 64 hexadecimal digits that Docker, containerd, CRI-O and Podman put at its
 * end (`docker-<id>.scope`, `cri-containerd-<id>.scope`, `/docker/<id>`); `host` outside of containers.
 */
export const containerOf = (cgroup: string): string => {
  for (let path = cgroup; path.length > 1; path = path.slice(0, path.lastIndexOf('/'))) {
    const id = CONTAINER_ID.exec(path)?.[1];
    if (id !== undefined) return id.slice(0, SHORT_ID);
  }
  return 'host';
};
