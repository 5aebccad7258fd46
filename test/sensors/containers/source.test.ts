import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { socketsFor } from '../../../sensors/containers/sockets.ts';
import {
  type ContainerSource,
  type ContainerSourceOptions,
  createContainerSource,
  NO_CONTAINERS,
  type RuntimeSocket,
  staticContainers,
  usualSockets,
} from '../../../sensors/index.ts';
import { type CriWorld, startCriServer } from '../../support/cri-server.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => index.toString(16).padStart(64, '0'));
const POD = '/kubepods/pod0b2c1d3e-aaaa-bbbb-cccc-0123456789ab';

/** A world with these containers, all in one pod. */
const worldOf = (known: readonly string[], pid?: number): CriWorld => ({
  runtimeName: 'containerd',
  containers: new Map(
    known.map((id) => [
      id,
      {
        sandbox: 'sandbox',
        name: `name-${id.slice(-4)}`,
        image: 'nginx:1',
        imageRef: 'nginx@sha256:ab',
        startedAt: 1n,
        info: { pid },
      },
    ]),
  ),
  sandboxes: new Map([['sandbox', { name: 'pod', uid: 'uid', namespace: 'ns' }]]),
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
    youngFor: 0,
    ...more,
  });
  onTestFinished(async () => {
    source.close();
    await server.close();
  });
  return { source, server, warnings };
};

const answered = async (source: ContainerSource, cgroup: string) => {
  await until(() => source.facts(cgroup).state !== 'asked');
  return source.facts(cgroup);
};

const CRI_SOCKET: RuntimeSocket = { path: '/run/containerd/containerd.sock', protocol: 'cri', runtime: 'containerd' };

describe('where runtimes listen', () => {
  it('is where they usually do, and what the environment says comes first', () => {
    expect(usualSockets({})).toEqual([
      CRI_SOCKET,
      { path: '/run/k3s/containerd/containerd.sock', protocol: 'cri', runtime: 'containerd' },
      { path: '/run/k0s/containerd.sock', protocol: 'cri', runtime: 'containerd' },
      { path: '/var/snap/microk8s/common/run/containerd.sock', protocol: 'cri', runtime: 'containerd' },
      { path: '/run/crio/crio.sock', protocol: 'cri', runtime: 'cri-o' },
      { path: '/var/run/docker.sock', protocol: 'docker', runtime: 'docker' },
      { path: '/run/podman/podman.sock', protocol: 'podman', runtime: 'podman' },
    ]);
    const named = usualSockets({
      CONTAINER_RUNTIME_ENDPOINT: 'unix:///run/containerd/containerd.sock',
      DOCKER_HOST: 'unix:///home/me/docker.sock',
    });
    expect(named.slice(0, 3).map(({ path, runtime }) => [path, runtime])).toEqual([
      ['/run/containerd/containerd.sock', undefined],
      ['/home/me/docker.sock', 'docker'],
      ['/run/k3s/containerd/containerd.sock', 'containerd'],
    ]);
    expect(named).toHaveLength(8);
    expect(usualSockets({ CONTAINER_RUNTIME_ENDPOINT: '/x.sock' })[0]).toEqual({ path: '/x.sock', protocol: 'cri' });
    expect(usualSockets({ DOCKER_HOST: 'tcp://10.0.0.1:2375', CONTAINER_RUNTIME_ENDPOINT: '' })).toHaveLength(7);
  });

  it("is asked of a container only where its cgroup's name allows it", () => {
    const sockets: readonly RuntimeSocket[] = [
      CRI_SOCKET,
      { path: '/d', protocol: 'docker', runtime: 'docker' },
      { path: '/any', protocol: 'cri' },
    ];
    const pathsFor = (runtime?: 'docker' | 'containerd' | 'cri-o') =>
      socketsFor(sockets, { id: '', path: '', ...(runtime && { runtime }) }).map(({ path }) => path);
    expect(pathsFor('docker')).toEqual(['/d', '/any']);
    expect(pathsFor('cri-o')).toEqual(['/any']);
    expect(pathsFor()).toEqual([CRI_SOCKET.path, '/d', '/any']);
  });
});

describe('a source of facts', () => {
  it('asks nobody about the host', async () => {
    const { source, server } = await start(worldOf([]));
    expect(source.facts('/system.slice/ssh.service')).toEqual({ state: 'host' });
    expect(source.facts('/')).toEqual({ state: 'host' });
    expect(server.calls).toEqual([]);
  });

  it('tells who listens of each answer, until it is told not to', async () => {
    const [id = '', other = ''] = ids(2);
    const { source } = await start(worldOf([id]));
    let changes = 0;
    const stop = source.onChange(() => changes++);
    source.facts(`${POD}/${id}`);
    await until(() => changes === 1);
    expect(source.facts(`${POD}/${id}`).state).toBe('known');
    source.facts(`${POD}/${other}`);
    await until(() => changes === 2);
    expect(source.facts(`${POD}/${other}`).state).toBe('unknown');
    stop();
    source.facts(`${POD}/${'f'.repeat(64)}`);
    await answered(source, `${POD}/${'f'.repeat(64)}`);
    expect(changes).toBe(2);
  });

  it('asks about many containers, 16 at once', async () => {
    const all = ids(200);
    const { source, server } = await start(worldOf(all));
    for (const id of all) expect(source.facts(`${POD}/${id}`).state).toBe('asked');
    for (const id of all)
      expect(await answered(source, `${POD}/${id}`)).toMatchObject({ facts: { name: `name-${id.slice(-4)}` } });
    expect(server.calls.filter((call) => call.startsWith('ContainerStatus'))).toHaveLength(200);
  });

  it('forgets the container that was looked at longest ago where there are too many', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    const { source, server } = await start(worldOf([a, b, c]), { capacity: 2 });
    await answered(source, `${POD}/${a}`);
    await answered(source, `${POD}/${b}`);
    source.facts(`${POD}/${a}`);
    await answered(source, `${POD}/${c}`);
    const before = server.calls.length;
    expect(source.facts(`${POD}/${a}`).state).toBe('known');
    expect(server.calls.length).toBe(before);
    expect(source.facts(`${POD}/${b}`).state).toBe('asked');
  });

  it('goes on with a server that comes back', async () => {
    const [id = ''] = ids(1);
    const folder = temporaryFolder();
    const path = join(folder, 'cri.sock');
    const source = createContainerSource({
      sockets: [{ path, protocol: 'cri' }],
      rest: 50,
      cgroupOf: async () => undefined,
    });
    onTestFinished(() => source.close());
    expect((await answered(source, `${POD}/${id}`)).state).toBe('unknown');
    const server = await startCriServer(path, worldOf([id]));
    onTestFinished(() => server.close());
    await until(() => source.facts(`${POD}/${id}`).state === 'known');
  });

  it('asks again after a while about a container that it knows, and keeps what it has meanwhile', async () => {
    const [id = ''] = ids(1);
    const world = worldOf([id]);
    const { source } = await start(world, { knownFor: 50 });
    expect(await answered(source, `${POD}/${id}`)).toMatchObject({ facts: { startNs: 1n } });
    const before = world.containers.get(id);
    if (before !== undefined) world.containers.set(id, { ...before, startedAt: 2n });
    await until(() => {
      const answer = source.facts(`${POD}/${id}`);
      expect(answer.state).toBe('known');
      return answer.state === 'known' && answer.facts.startNs === 2n;
    });
    world.containers.clear();
    const later = performance.now() + 150;
    await until(() => {
      expect(source.facts(`${POD}/${id}`).state).toBe('known');
      return performance.now() > later;
    });
  });

  it('can be closed while it asks, and asked again', async () => {
    const [id = ''] = ids(1);
    const { source } = await start(worldOf([id]));
    expect(source.facts(`${POD}/${id}`).state).toBe('asked');
    source.close();
    expect(source.facts(`${POD}/${id}`).state).toBe('asked');
    expect((await answered(source, `${POD}/${id}`)).state).toBe('known');
  });
});

describe('containers whose cgroups are gone', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are forgotten, the others are not', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const [a = '', b = ''] = ids(2);
    const there = new Set([`${POD}/${a}`, `${POD}/${b}`]);
    const { source, server } = await start(worldOf([a, b]), { isThere: (cgroup) => there.has(cgroup) });
    await answered(source, `${POD}/${a}`);
    await answered(source, `${POD}/${b}`);
    there.delete(`${POD}/${a}`);
    vi.advanceTimersByTime(5000);
    expect(source.facts(`${POD}/${a}`).state).toBe('known');
    vi.advanceTimersByTime(5000);
    const before = server.calls.length;
    expect(source.facts(`${POD}/${b}`).state).toBe('known');
    expect(server.calls.length).toBe(before);
    expect(source.facts(`${POD}/${a}`).state).toBe('asked');
  });
});

describe("a cgroup named like another's container", () => {
  const [real = '', other = ''] = ids(2);
  const HOME = `${POD}/${real}`;

  it('below a container that the runtime knows is that container', async () => {
    const { source } = await start(worldOf([real, other]));
    expect(await answered(source, `${HOME}/docker-${other}.scope`)).toMatchObject({ facts: { id: real } });
  });

  it('below a container that the runtime does not know is what it says', async () => {
    const { source } = await start(worldOf([other]));
    expect(await answered(source, `/docker/${real}${POD}/${other}`)).toMatchObject({ facts: { id: other } });
    expect(await answered(source, `/docker/${real}`)).toMatchObject({ state: 'unknown', container: { id: real } });
  });

  it("in a user's part of the tree has no facts, and nobody is asked", async () => {
    const { source, server } = await start(worldOf([real]));
    const cgroup = `/user.slice/user-1000.slice/user@1000.service/app.slice/cri-containerd-${real}.scope`;
    expect(source.facts(cgroup)).toMatchObject({ state: 'unknown', container: { id: real, user: 1000 } });
    expect(server.calls).toEqual([]);
  });

  it('elsewhere than the runtime has it has no facts', async () => {
    const asked: number[] = [];
    const { source, warnings } = await start(worldOf([real], 4711), {
      cgroupOf: async (pid) => {
        asked.push(pid);
        return `${HOME}/init.scope`;
      },
    });
    const claim = `/system.slice/runner.service/cri-containerd-${real}.scope`;
    expect(await answered(source, claim)).toMatchObject({ state: 'unknown', container: { path: claim } });
    expect(await answered(source, HOME)).toMatchObject({ state: 'known', facts: { id: real } });
    expect(source.facts(`${HOME}/below`)).toMatchObject({ state: 'known', facts: { id: real } });
    source.facts(claim);
    expect(asked).toEqual([4711]);
    expect(warnings).toEqual([`the cgroup ${claim} is named like a container that is at ${HOME}; it is not that one`]);
  });

  it.each([undefined, '/../..', '/system.slice'])('can not be told where the process is at %s', async (where) => {
    const { source } = await start(worldOf([real], 4711), { cgroupOf: async () => where });
    expect((await answered(source, HOME)).state).toBe('known');
  });
});

it('facts can be given beforehand', () => {
  const [id = '', other = ''] = ids(2);
  const facts = {
    id,
    runtime: 'docker',
    name: 'web',
    labels: {},
    privileged: false,
    mounts: [],
    startNs: 1n,
  } as const;
  const source = staticContainers(new Map([[id, facts]]));
  expect(source.facts(`/docker/${id}`)).toEqual({ state: 'known', facts, partial: false });
  expect(source.facts(`/docker/${other}`)).toMatchObject({ state: 'unknown', container: { id: other } });
  expect(source.facts('/')).toEqual({ state: 'host' });
  expect(NO_CONTAINERS.facts(`/docker/${id}`).state).toBe('unknown');
  source.onChange(() => undefined)();
  source.close();
});
