export { type CgroupContainer, containersInCgroup, shortId } from './cgroup.ts';
export { type ContainerFacts, type ImageFacts, imageOf, type MountFacts } from './facts.ts';
export { type ContainerSourceOptions, createContainerSource } from './runtime-source.ts';
export { type RuntimeSocket, usualSockets } from './sockets.ts';
export { type ContainerAnswer, type ContainerSource, NO_CONTAINERS, staticContainers } from './source.ts';
