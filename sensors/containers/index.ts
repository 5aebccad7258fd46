export { type CgroupContainer, type ContainerRuntime, containersInCgroup, shortId } from './cgroup.ts';
export { type ContainerFacts, type ImageFacts, imageOf, type MountFacts, type PodFacts } from './facts.ts';
export { type ContainerAnswer, type ContainerSource, NO_CONTAINERS, staticContainers } from './source.ts';
