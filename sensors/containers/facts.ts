import type { ContainerRuntime } from './cgroup.ts';

/** A container's image. */
export interface ImageFacts {
  /** As the container was made from it: `docker.io/library/nginx:1.25`. */
  readonly name: string;
  /** The name without tag and digest. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:...` of the image's manifest; null where the runtime did not say. */
  readonly digest?: string | null;
}

export interface MountFacts {
  readonly source: string;
  readonly destination: string;
  /** Options as the runtime words them; often empty. */
  readonly mode: string;
  readonly writable: boolean;
  /** `rprivate`, `rslave`, `rshared`. */
  readonly propagation: string;
}

/** A Kubernetes pod. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Id of the pod's sandbox, all digits; left out where a runtime without CRI doesn't say. */
  readonly sandbox?: string;
  /** Null where they aren't known. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** Left out on the host's network. */
  readonly ip?: string;
}

/** What a runtime says of one of its containers. A member that the container doesn't have is left out, one that isn't known is null. */
export interface ContainerFacts {
  /** All digits. */
  readonly id: string;
  readonly runtime: ContainerRuntime | 'cri';
  readonly name: string;
  /** Left out for a pod's sandbox without one. */
  readonly image?: ImageFacts | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly privileged: boolean | null;
  readonly mounts: readonly MountFacts[] | null;
  /** Nanoseconds since the Unix epoch; null while it has not started. */
  readonly startNs: bigint | null;
  /** Its first process's id in the first pid namespace; left out where it isn't known, or has not started. */
  readonly init?: number;
  /** Left out on the host's network. */
  readonly ip?: string | null;
  /** Left out outside of pods; null where only part of it could be had. */
  readonly pod?: PodFacts | null;
}

const DIGEST = /^sha(?:256|512):[0-9a-f]+$/;

/** Takes an image's name apart: `host:5000/group/name:tag@sha256:...`; a digest known from elsewhere comes second. */
export const imageOf = (name: string, digest?: string | null): ImageFacts => {
  const at = name.indexOf('@');
  const ownDigest = at < 0 ? undefined : name.slice(at + 1);
  const rest = at < 0 ? name : name.slice(0, at);
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  const tag = colon < 0 ? '' : rest.slice(colon + 1);
  const known = ownDigest !== undefined && DIGEST.test(ownDigest) ? ownDigest : digest;
  return {
    name,
    repository: colon < 0 ? rest : rest.slice(0, colon),
    ...(tag !== '' && { tag }),
    ...(known !== undefined && { digest: known }),
  };
};
