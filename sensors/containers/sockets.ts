import { stat } from 'node:fs/promises';
import type { CgroupContainer, ContainerRuntime } from './cgroup.ts';

/** A server's Unix socket and what it speaks. */
export interface RuntimeSocket {
  readonly path: string;
  readonly protocol: 'cri' | 'docker' | 'podman';
  /** The one runtime whose containers it knows; left out where that isn't sure. */
  readonly runtime?: ContainerRuntime;
}

/** Where runtimes listen by default; K3s, RKE2, MicroK8s and k0s bring a containerd of their own. */
const DEFAULTS: readonly RuntimeSocket[] = [
  { path: '/run/containerd/containerd.sock', protocol: 'cri', runtime: 'containerd' },
  { path: '/run/k3s/containerd/containerd.sock', protocol: 'cri', runtime: 'containerd' },
  { path: '/run/k0s/containerd.sock', protocol: 'cri', runtime: 'containerd' },
  { path: '/var/snap/microk8s/common/run/containerd.sock', protocol: 'cri', runtime: 'containerd' },
  { path: '/run/crio/crio.sock', protocol: 'cri', runtime: 'cri-o' },
  { path: '/var/run/docker.sock', protocol: 'docker', runtime: 'docker' },
  { path: '/run/podman/podman.sock', protocol: 'podman', runtime: 'podman' },
];

const pathOf = (endpoint: string | undefined): string | undefined => {
  const path = endpoint?.replace(/^unix:(?:\/\/)?/, '');
  return path?.startsWith('/') ? path : undefined;
};

/** The sockets to look at: those that the environment names (CONTAINER_RUNTIME_ENDPOINT, DOCKER_HOST), then the usual ones. */
export const usualSockets = (environment: NodeJS.ProcessEnv = process.env): readonly RuntimeSocket[] => {
  const cri = pathOf(environment.CONTAINER_RUNTIME_ENDPOINT);
  const docker = pathOf(environment.DOCKER_HOST);
  const named: RuntimeSocket[] = [];
  if (cri !== undefined) named.push({ path: cri, protocol: 'cri' });
  if (docker !== undefined) named.push({ path: docker, protocol: 'docker', runtime: 'docker' });
  const paths = new Set(named.map(({ path }) => path));
  return [...named, ...DEFAULTS.filter(({ path }) => !paths.has(path))];
};

/** Sockets that may know a container; one of an unknown runtime may be any's. */
export const socketsFor = (sockets: readonly RuntimeSocket[], container: CgroupContainer): readonly RuntimeSocket[] =>
  sockets.filter(
    ({ runtime }) => container.runtime === undefined || runtime === undefined || runtime === container.runtime,
  );

const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

/** Whether something is there to connect to; what can't be looked at may be. */
export const isSocketThere = async (path: string): Promise<boolean> => {
  try {
    await stat(path);
    return true;
  } catch (error) {
    return !GONE.has((error as NodeJS.ErrnoException).code ?? '');
  }
};
