import { type CgroupContainer, containersInCgroup } from './cgroup.ts';
import type { ContainerFacts } from './facts.ts';

/** What is known of the container that a cgroup belongs to. */
export type ContainerAnswer =
  | { readonly state: 'host' }
  /** `partial`: the container is young, and members that are null may come yet. */
  | { readonly state: 'known'; readonly facts: ContainerFacts; readonly partial: boolean }
  /** The runtimes are being asked. */
  | { readonly state: 'asked'; readonly container: CgroupContainer }
  /** No runtime knows it, or none can be asked. */
  | { readonly state: 'unknown'; readonly container: CgroupContainer };

/** Where facts of containers come from. */
export interface ContainerSource {
  /** At once, from memory; asks in the background where it has to. `cgroup` is a cgroup v2 path. */
  facts(cgroup: string): ContainerAnswer;
  /** Calls back whenever an answer changed; returns how to stop that. */
  onChange(changed: () => void): () => void;
  close(): void;
}

const HOST: ContainerAnswer = { state: 'host' };

/** The answer for cgroups that belong to no container; else what `ofContainers` (outermost first, at least one) says. */
export const answerFor = (
  cgroup: string,
  ofContainers: (containers: readonly [CgroupContainer, ...CgroupContainer[]]) => ContainerAnswer,
): ContainerAnswer => {
  const [first, ...more] = containersInCgroup(cgroup);
  return first === undefined ? HOST : ofContainers([first, ...more]);
};

/** Facts that are given beforehand, by container id (all digits): for tests and scenarios. */
export const staticContainers = (containers: ReadonlyMap<string, ContainerFacts>): ContainerSource => ({
  facts: (cgroup) =>
    answerFor(cgroup, (found) => {
      for (const { id } of found) {
        const facts = containers.get(id);
        if (facts !== undefined) return { state: 'known', facts, partial: false };
      }
      return { state: 'unknown', container: found.at(-1) ?? found[0] };
    }),
  onChange: () => () => undefined,
  close: () => undefined,
});

/** No runtime is asked: what is in a container is told by cgroups alone. */
export const NO_CONTAINERS: ContainerSource = staticContainers(new Map());
