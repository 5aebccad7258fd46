import type { ContainerFacts } from '../../../../sensors/index.ts';
import type { Check } from '../language/index.ts';
import { CGROUPS, type Known } from '../world/index.ts';
import { constantsOf } from './wishes.ts';

/** What a host has for the events of some rules. */
export interface Stage {
  readonly cgroups: readonly string[];
  readonly containers: readonly ContainerFacts[];
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /** A process of the host without a terminal, and one with. */
  roots: { readonly plain: Known; readonly terminal: Known } | undefined;
  /** The first processes of pid namespaces. */
  firsts: readonly Known[];
  readonly chains: Map<string, Known>;
}

const idOf = (index: number): string =>
  `${'f'.repeat(8)}${index.toString(16).padStart(4, '0')}${'0123456789abcdef'.repeat(4).slice(12)}`;

/** Containers with the images and namespaces that conditions name, and others beside them. */
export const createStage = (checks: readonly Check[]): Stage => {
  const images = constantsOf(checks, (field) => field === 'container.image.repository');
  const near = images.flatMap((image) => [image, `docker.io${image.startsWith('/') ? '' : '/'}${image}`, `${image}x`]);
  const spaces = constantsOf(checks, (field) => field === 'k8s.ns.name');
  const containers: ContainerFacts[] = [];
  const add = (repository: string, privileged: boolean, namespace?: string): void => {
    containers.push({
      id: idOf(containers.length),
      runtime: 'docker',
      name: `c${containers.length}`,
      image: { name: `${repository}:1`, repository, tag: '1' },
      labels: {},
      privileged,
      mounts: [],
      startNs: 1n,
      ...(namespace === undefined
        ? {}
        : { pod: { name: 'pod', namespace, uid: '12345678-1234-1234-1234-1234567890ab', labels: {} } }),
    });
  };
  for (const privileged of [true, false]) {
    for (const image of ['docker.io/library/alpine', ...near]) add(image, privileged);
    for (const space of [...spaces, 'default'])
      for (const image of ['docker.io/library/alpine', ...images.filter((one) => /csi|secrets|kube-proxy/.test(one))])
        add(image, privileged, space);
  }
  const cgroups = containers.map(({ id }) => `/system.slice/docker-${id}.scope`);
  const networks = constantsOf(checks, (field) => /^fd\.[csrl]?(ip|net)$/.test(field));
  const addresses = networks.flatMap((network) => {
    const base = network.split('/')[0] ?? '';
    const last = (by: number) =>
      base.replace(/\d+$/, (digit) => String(Math.min(255, Math.max(0, Number(digit) + by))));
    return [base, last(1), last(-1)];
  });
  const ports = constantsOf(checks, (field) => /^fd\.[csrl]?port$/.test(field)).map(Number);
  return {
    cgroups: [CGROUPS.host, CGROUPS.unknown, ...cgroups],
    containers,
    addresses: [...new Set(['203.0.113.5', '198.51.100.7', ...addresses])],
    ports: [...new Set([9999, ...ports.flatMap((port) => [port, port + 1, Math.max(1, port - 1)])])].filter(
      (port) => port > 0,
    ),
    roots: undefined,
    firsts: [],
    chains: new Map(),
  };
};
