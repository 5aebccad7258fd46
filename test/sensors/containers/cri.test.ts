import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ContainerAnswer, type ContainerSourceOptions, createContainerSource } from '../../../sensors/index.ts';
import { type CriWorld, startCriServer } from '../../support/cri-server.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const SANDBOX = 'b'.repeat(64);
const UID = '0b2c1d3e-aaaa-bbbb-cccc-0123456789ab';
const DIGEST = `sha256:${'d'.repeat(64)}`;
const cgroup = (id: string, prefix = 'cri-containerd'): string =>
  `/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/${prefix}-${id}.scope`;

/** A pod with one container as containerd has it; `more` is about the container. */
const worldOf = (more: object = {}, runtimeName = 'containerd'): CriWorld => ({
  runtimeName,
  containers: new Map([
    [
      ID,
      {
        sandbox: SANDBOX,
        name: 'web',
        image: 'docker.io/library/nginx:1.25',
        imageRef: `docker.io/library/nginx@${DIGEST}`,
        labels: { 'io.kubernetes.container.name': 'web' },
        mounts: [
          { container: '/etc/nginx', host: '/srv/nginx', readonly: true },
          { container: '/data', host: '/srv/data', propagation: 2 },
        ],
        startedAt: 1_767_225_600_123_456_789n,
        info: { pid: 0, config: { linux: { security_context: { privileged: true } } } },
        ...more,
      },
    ],
  ]),
  sandboxes: new Map([
    [
      SANDBOX,
      {
        name: 'web-0',
        uid: UID,
        namespace: 'shop',
        labels: { app: 'web', 'app.kubernetes.io/part-of': 'shop' },
        ip: '10.1.2.3',
      },
    ],
  ]),
  images: new Map(),
});

const start = async (world: CriWorld, more: Partial<ContainerSourceOptions> = {}) => {
  const path = join(temporaryFolder(), 'cri.sock');
  const server = await startCriServer(path, world);
  const warnings: string[] = [];
  const source = createContainerSource({
    sockets: [{ path, protocol: 'cri' }],
    warn: (sentence) => warnings.push(sentence),
    cgroupOf: async () => undefined,
    ...more,
  });
  onTestFinished(async () => {
    source.close();
    await server.close();
  });
  return { source, server, warnings };
};

/** The answer once no runtime is being asked any longer. */
const settled = async (facts: () => ContainerAnswer): Promise<ContainerAnswer> => {
  await until(() => facts().state !== 'asked');
  return facts();
};

const FACTS = {
  id: ID,
  runtime: 'containerd',
  name: 'web',
  image: {
    name: 'docker.io/library/nginx:1.25',
    repository: 'docker.io/library/nginx',
    tag: '1.25',
    digest: DIGEST,
  },
  labels: { 'io.kubernetes.container.name': 'web' },
  privileged: true,
  mounts: [
    { source: '/srv/nginx', destination: '/etc/nginx', mode: '', writable: false, propagation: 'rprivate' },
    { source: '/srv/data', destination: '/data', mode: '', writable: true, propagation: 'rshared' },
  ],
  startNs: 1_767_225_600_123_456_789n,
  ip: '10.1.2.3',
  pod: {
    name: 'web-0',
    namespace: 'shop',
    uid: UID,
    sandbox: SANDBOX,
    labels: { app: 'web', 'app.kubernetes.io/part-of': 'shop' },
    ip: '10.1.2.3',
  },
};

describe('a CRI server', () => {
  it('is asked once for a container, in the background', async () => {
    const { source, server, warnings } = await start(worldOf());
    expect(source.facts(cgroup(ID))).toMatchObject({ state: 'asked', container: { id: ID, podUid: UID } });
    expect(await settled(() => source.facts(cgroup(ID)))).toEqual({ state: 'known', facts: FACTS, partial: false });
    for (let i = 0; i < 100; i++) source.facts(`${cgroup(ID)}/below`);
    expect(server.calls).toEqual([
      'Version',
      `ListContainers ${ID}`,
      `ContainerStatus ${ID}`,
      `PodSandboxStatus ${SANDBOX}`,
    ]);
    expect(warnings).toEqual([]);
  });

  it('may be CRI-O, which says it otherwise whether a container is privileged', async () => {
    const { source } = await start(worldOf({ info: { pid: 0, privileged: false } }, 'cri-o'));
    const path = cgroup(ID, 'crio');
    expect(await settled(() => source.facts(path))).toEqual({
      state: 'known',
      facts: { ...FACTS, runtime: 'cri-o', privileged: false },
      partial: false,
    });
  });

  it.each<[string, object | undefined, boolean | null]>([
    ['leaves out what is false', { config: { linux: { security_context: {} } } }, false],
    ['has no security context', { config: {} }, false],
    ['says nothing', undefined, null],
    ['says something else', { config: 'privileged' }, null],
  ])('that %s: privileged is %j', async (_, info, privileged) => {
    const { source } = await start(worldOf({ info }));
    const answer = await settled(() => source.facts(cgroup(ID)));
    expect(answer).toMatchObject({ state: 'known', facts: { privileged } });
  });

  it('is asked for the image where the container names it by its id', async () => {
    const world = worldOf({ image: `sha256:${'e'.repeat(64)}`, imageRef: `sha256:${'e'.repeat(64)}` });
    world.images.set(`sha256:${'e'.repeat(64)}`, {
      id: `sha256:${'e'.repeat(64)}`,
      tags: ['registry:5000/group/app:2'],
      digests: [`other/app@sha256:${'1'.repeat(64)}`, `registry:5000/group/app@${DIGEST}`],
    });
    const { source } = await start(world);
    expect(await settled(() => source.facts(cgroup(ID)))).toMatchObject({
      facts: {
        image: { name: 'registry:5000/group/app:2', repository: 'registry:5000/group/app', tag: '2', digest: DIGEST },
      },
    });
  });

  it("knows a pod's own container", async () => {
    const { source } = await start(worldOf());
    expect(await settled(() => source.facts(cgroup(SANDBOX)))).toEqual({
      state: 'known',
      facts: {
        id: SANDBOX,
        runtime: 'containerd',
        name: 'web-0',
        image: null,
        labels: FACTS.pod.labels,
        privileged: null,
        mounts: [],
        startNs: 1n,
        ip: '10.1.2.3',
        pod: FACTS.pod,
      },
      partial: false,
    });
  });

  it("leaves out the address on the host's network", async () => {
    const world = worldOf();
    world.sandboxes.set(SANDBOX, { name: 'web-0', uid: UID, namespace: 'shop' });
    const { source } = await start(world);
    const answer = await settled(() => source.facts(cgroup(ID)));
    expect(answer.state === 'known' && answer.facts).not.toHaveProperty('ip');
    expect(answer.state === 'known' && answer.facts.pod).toEqual({
      name: 'web-0',
      namespace: 'shop',
      uid: UID,
      sandbox: SANDBOX,
      labels: {},
    });
  });

  it('is asked again for a container that is too young to be known', async () => {
    const world = worldOf({ startedAt: 0n });
    const container = world.containers.get(ID);
    world.containers.clear();
    const { source, server } = await start(world);
    expect(source.facts(cgroup(ID)).state).toBe('asked');
    await until(() => server.calls.filter((call) => call === `ListPodSandbox ${ID}`).length >= 2);
    expect(source.facts(cgroup(ID)).state).toBe('asked');
    if (container !== undefined) world.containers.set(ID, container);
    const young = await settled(() => source.facts(cgroup(ID)));
    expect(young).toMatchObject({ state: 'known', partial: true, facts: { name: 'web', startNs: null } });
    if (container !== undefined) world.containers.set(ID, { ...container, startedAt: 7n });
    await until(() => {
      const answer = source.facts(cgroup(ID));
      return answer.state === 'known' && !answer.partial;
    });
    expect(source.facts(cgroup(ID))).toMatchObject({ facts: { startNs: 7n } });
  });

  it('is left alone for a while about a container that it does not know', async () => {
    const world = worldOf();
    world.containers.clear();
    const { source, server } = await start(world, { youngFor: 100, unknownFor: 300 });
    const unknown = await settled(() => source.facts(cgroup(ID)));
    expect(unknown).toMatchObject({ state: 'unknown', container: { id: ID } });
    const asked = server.calls.length;
    for (let i = 0; i < 100; i++) expect(source.facts(cgroup(ID)).state).toBe('unknown');
    expect(server.calls.length).toBe(asked);
    await until(() => {
      expect(source.facts(cgroup(ID)).state).toBe('unknown');
      return server.calls.length > asked;
    });
  });
});
