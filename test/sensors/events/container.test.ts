import { describe, expect, it } from 'vitest';
import {
  type ContainerAnswer,
  type ContainerFacts,
  createProcessTable,
  fieldsOf,
  staticContainers,
} from '../../../sensors/index.ts';
import { record } from './record.ts';

const ID = 'ab'.repeat(32);
const DIGEST = `sha256:${'d'.repeat(64)}`;
const WALL_TIME = 1_767_225_600_000_000_000n;
const UID = '0b2c1d3e-aaaa-bbbb-cccc-0123456789ab';
const CGROUP = `/kubepods/pod${UID}/cri-containerd-${ID}`;

const FACTS: ContainerFacts = {
  id: ID,
  runtime: 'containerd',
  name: 'web',
  image: { name: 'docker.io/library/nginx:1.25', repository: 'docker.io/library/nginx', tag: '1.25', digest: DIGEST },
  labels: { tier: 'front', 'example.com/a': '1' },
  privileged: true,
  mounts: [
    { source: '/srv/a', destination: '/a', mode: 'ro', writable: false, propagation: 'rprivate' },
    { source: '/srv/b', destination: '/b', mode: '', writable: true, propagation: 'rslave' },
  ],
  startNs: WALL_TIME - 1500n,
  ip: '10.1.2.3',
  pod: {
    name: 'web-0',
    namespace: 'shop',
    uid: UID,
    sandbox: 'cd'.repeat(32),
    labels: { app: 'web', 'app.kubernetes.io/part-of': 'shop' },
    ip: '10.1.2.3',
  },
};

/** Nothing of it is known beyond what makes it a container. */
const BARE: ContainerFacts = {
  id: ID,
  runtime: 'docker',
  name: 'web',
  image: null,
  labels: {},
  privileged: null,
  mounts: null,
  startNs: null,
  ip: null,
};

/** A field's value, or its state where it has none, and the fields that may still come. */
const read = (field: string, answer: ContainerAnswer | undefined) => {
  const pending: string[] = [];
  const source = fieldsOf(record({ cgroup: 9n }), {
    processes: createProcessTable(),
    number: 1,
    wallTime: WALL_TIME,
    cgroupPath: () => (answer === undefined ? undefined : CGROUP),
    ...(answer && {
      containers: { facts: () => answer, onChange: () => () => undefined, close: () => undefined },
    }),
    onPending: (name) => pending.push(name),
  });
  const [, name = '', argument] = /^([^[]+)(?:\[(.*)\])?$/.exec(field) ?? [];
  const value = source({ name, ...(argument !== undefined && { argument }), span: { start: 0, end: 0 } });
  return { value: value.state === 'present' ? value.value : value.state, pending };
};

const known = (facts: ContainerFacts, partial = false): ContainerAnswer => ({ state: 'known', facts, partial });

/** On the host; with all facts; with none; while the runtime is asked; with no more than the id from a runtime. */
const ROWS: readonly (readonly [field: string, host: unknown, all: unknown, asked: unknown, bare: unknown])[] = [
  ['container.id', 'host', 'abababababab', 'abababababab', 'abababababab'],
  ['container.full_id', 'host', ID, ID, ID],
  ['container.name', 'host', 'web', 'unknown', 'web'],
  ['container.type', 'host', 'containerd', 'containerd', 'docker'],
  ['container.image', 'absent', 'docker.io/library/nginx:1.25', 'unknown', 'unknown'],
  ['container.image.repository', 'absent', 'docker.io/library/nginx', 'unknown', 'unknown'],
  ['container.image.tag', 'absent', '1.25', 'unknown', 'unknown'],
  ['container.image.digest', 'absent', DIGEST, 'unknown', 'unknown'],
  ['container.privileged', 'absent', true, 'unknown', 'unknown'],
  ['container.mounts', 'absent', '/srv/a:/a:ro:false:rprivate,/srv/b:/b::true:rslave', 'unknown', 'unknown'],
  ['container.mount[1]', 'absent', '/srv/b:/b::true:rslave', 'unknown', 'unknown'],
  ['container.mount[2]', 'absent', 'absent', 'unknown', 'unknown'],
  ['container.mount[/srv/*]', 'absent', '/srv/a:/a:ro:false:rprivate', 'unknown', 'unknown'],
  ['container.mount.source[/b]', 'absent', '/srv/b', 'unknown', 'unknown'],
  ['container.mount.dest[/srv/b]', 'absent', '/b', 'unknown', 'unknown'],
  ['container.mount.dest[/b]', 'absent', 'absent', 'unknown', 'unknown'],
  ['container.mount.mode[/srv/a]', 'absent', 'ro', 'unknown', 'unknown'],
  ['container.mount.rdwr[/srv/a]', 'absent', 'false', 'unknown', 'unknown'],
  ['container.mount.propagation[0]', 'absent', 'rprivate', 'unknown', 'unknown'],
  ['container.labels', 'absent', 'example.com/a:1,tier:front', 'unknown', 'absent'],
  ['container.label[example.com/a]', 'absent', '1', 'unknown', 'absent'],
  ['container.label[toString]', 'absent', 'absent', 'unknown', 'absent'],
  ['container.start_ts', 'absent', WALL_TIME - 1500n, 'unknown', 'unknown'],
  ['container.duration', 'absent', 1500n, 'unknown', 'unknown'],
  ['container.ip', 'absent', '10.1.2.3', 'unknown', 'unknown'],
  ['k8s.ns.name', 'absent', 'shop', 'unknown', 'absent'],
  ['k8s.pod.name', 'absent', 'web-0', 'unknown', 'absent'],
  ['k8s.pod.uid', 'absent', UID, UID, 'absent'],
  ['k8s.pod.id', 'absent', UID, UID, 'absent'],
  ['k8s.pod.sandbox_id', 'absent', 'cdcdcdcdcdcd', 'unknown', 'absent'],
  ['k8s.pod.full_sandbox_id', 'absent', 'cd'.repeat(32), 'unknown', 'absent'],
  ['k8s.pod.ip', 'absent', '10.1.2.3', 'unknown', 'absent'],
  ['k8s.pod.labels', 'absent', 'app:web,app.kubernetes.io/part-of:shop', 'unknown', 'absent'],
  ['k8s.pod.label[app]', 'absent', 'web', 'unknown', 'absent'],
  ['k8s.pod.label[none]', 'absent', 'absent', 'unknown', 'absent'],
];
const CONTAINER = { id: ID, path: CGROUP, runtime: 'containerd', podUid: UID } as const;

describe('a field about a container', () => {
  it.each(ROWS)('%s', (field, host, all, asked, bare) => {
    expect(read(field, { state: 'host' })).toEqual({ value: host, pending: [] });
    expect(read(field, known(FACTS))).toEqual({ value: all, pending: [] });
    const pending = asked === 'unknown' ? [field] : [];
    expect(read(field, { state: 'asked', container: CONTAINER })).toEqual({ value: asked, pending });
    expect(read(field, { state: 'unknown', container: CONTAINER })).toEqual({ value: asked, pending: [] });
    expect(read(field, known(BARE))).toEqual({ value: bare, pending: [] });
    const mayCome = bare === 'unknown' ? [field] : [];
    expect(read(field, known(BARE, true))).toEqual({ value: bare, pending: mayCome });
    expect(read(field, undefined)).toEqual({ value: 'unknown', pending: [] });
  });

  it('is absent of an image without it', () => {
    const image = { name: 'nginx', repository: 'nginx' };
    expect(read('container.image.tag', known({ ...FACTS, image })).value).toBe('absent');
    expect(read('container.image.digest', known({ ...FACTS, image })).value).toBe('absent');
    expect(read('container.image.digest', known({ ...FACTS, image: { ...image, digest: null } })).value).toBe(
      'unknown',
    );
  });

  it('is unknown where only part of a pod is', () => {
    expect(read('k8s.pod.name', known({ ...FACTS, pod: null })).value).toBe('unknown');
    const pod = { name: 'web-0', namespace: 'shop', uid: UID, labels: null };
    expect(read('k8s.pod.label[app]', known({ ...FACTS, pod })).value).toBe('unknown');
    expect(read('k8s.pod.labels', known({ ...FACTS, pod })).value).toBe('unknown');
    expect(read('k8s.pod.sandbox_id', known({ ...FACTS, pod })).value).toBe('absent');
    expect(read('k8s.pod.ip', known({ ...FACTS, pod })).value).toBe('absent');
  });

  it('is resolved: the runtime says it', () => {
    const source = fieldsOf(record({ cgroup: 9n }), {
      processes: createProcessTable(),
      number: 1,
      wallTime: WALL_TIME,
      cgroupPath: () => CGROUP,
      containers: staticContainers(new Map([[ID, FACTS]])),
    });
    expect(source({ name: 'container.name', span: { start: 0, end: 0 } })).toEqual({
      state: 'present',
      value: 'web',
      trust: 'resolved',
    });
  });
});
