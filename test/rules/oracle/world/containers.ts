import type { ContainerFacts } from '../../../../sensors/index.ts';
import { type Fact, is } from '../language/index.ts';

const id = (digit: string): string => digit.repeat(12) + '0123456789abcdef'.repeat(4).slice(12);

const POD_UID = '12345678-1234-1234-1234-1234567890ab';

/** Where containers' processes are. */
export const CGROUPS = {
  host: '/system.slice/a.service',
  other: '/user.slice/user-1000.slice',
  docker: `/system.slice/docker-${id('a')}.scope`,
  privileged: `/system.slice/docker-${id('b')}.scope`,
  pod: `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_UID.replaceAll('-', '_')}.slice/cri-containerd-${id('c')}.scope`,
  unknown: `/system.slice/docker-${id('d')}.scope`,
  partly: `/system.slice/docker-${id('e')}.scope`,
} as const;

const none = { labels: {}, mounts: [], startNs: 1_767_225_600_000_000_000n } as const;

/** What the runtime says of the containers that it knows. */
export const containerFacts = (images: Readonly<Record<string, string>> = {}): readonly ContainerFacts[] => {
  const image = (cgroup: string, usual: string) => ({
    name: `${images[cgroup] ?? usual}:1.2`,
    repository: images[cgroup] ?? usual,
    tag: '1.2',
  });
  return [
    {
      ...none,
      id: id('a'),
      runtime: 'docker',
      name: 'web',
      image: image('docker', 'docker.io/library/nginx'),
      privileged: false,
    },
    {
      ...none,
      id: id('b'),
      runtime: 'docker',
      name: 'agent',
      image: image('privileged', 'quay.io/sysdig/agent'),
      privileged: true,
    },
    {
      ...none,
      id: id('c'),
      runtime: 'containerd',
      name: 'sidecar',
      image: image('pod', 'registry.k8s.io/kube-proxy'),
      privileged: false,
      pod: { name: 'kube-proxy-x', namespace: 'kube-system', uid: POD_UID, labels: { app: 'proxy' } },
    },
    { ...none, id: id('e'), runtime: 'docker', name: 'young', image: null, privileged: null },
  ];
};

const HOST: Readonly<Record<string, Fact>> = {
  'container.id': is('host'),
  'container.full_id': is('host'),
  'container.name': is('host'),
  'container.type': is('host'),
};

const OTHERS = [
  'container.name',
  'container.image.repository',
  'container.image.tag',
  'container.image',
  'container.privileged',
  'k8s.ns.name',
  'k8s.pod.name',
];

/** The container fields of a process in a cgroup, as the runtime answers. */
export const containerFields = (
  cgroup: string,
  known: readonly ContainerFacts[],
): readonly (readonly [string, Fact])[] => {
  const found = /docker-([0-9a-f]{64})|cri-containerd-([0-9a-f]{64})/.exec(cgroup);
  const full = found?.[1] ?? found?.[2];
  if (full === undefined) return Object.entries(HOST);
  const fields: [string, Fact][] = [
    ['container.id', is(full.slice(0, 12))],
    ['container.full_id', is(full)],
    ['container.type', is(found?.[1] === undefined ? 'containerd' : 'docker')],
  ];
  const facts = known.find((each) => each.id === full);
  if (facts === undefined) return [...fields, ...OTHERS.map((name): [string, Fact] => [name, 'unknown'])];
  const { image, privileged, pod } = facts;
  fields.push(
    ['container.name', is(facts.name)],
    ['container.privileged', privileged === null ? 'unknown' : is(privileged)],
  );
  if (image === null)
    fields.push(
      ['container.image.repository', 'unknown'],
      ['container.image.tag', 'unknown'],
      ['container.image', 'unknown'],
    );
  else if (image !== undefined)
    fields.push(
      ['container.image', is(image.name)],
      ['container.image.repository', is(image.repository)],
      ['container.image.tag', image.tag === undefined ? 'absent' : is(image.tag)],
    );
  if (pod) fields.push(['k8s.ns.name', is(pod.namespace)], ['k8s.pod.name', is(pod.name)]);
  return fields;
};
