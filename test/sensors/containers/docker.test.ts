import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ContainerAnswer, createContainerSource, type RuntimeSocket } from '../../../sensors/index.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const IMAGE = `sha256:${'e'.repeat(64)}`;
const DIGEST = `sha256:${'d'.repeat(64)}`;

/** What GET /containers/<id>/json answers, as far as it matters here, and members that are not read. */
const containerJson = (more: object = {}) => ({
  Id: ID,
  Created: '2026-01-01T00:00:00Z',
  Path: 'nginx',
  Args: ['-g', 'daemon off;'],
  State: { Status: 'running', Running: true, Pid: 0, StartedAt: '2026-01-01T00:00:00.123456789Z' },
  Image: IMAGE,
  Name: '/web',
  RestartCount: 0,
  HostConfig: { Privileged: false, NetworkMode: 'bridge', CgroupParent: '' },
  Mounts: [
    { Type: 'bind', Source: '/srv', Destination: '/data', Mode: 'ro', RW: false, Propagation: 'rprivate' },
    { Type: 'tmpfs', Destination: '/tmp', Mode: '', RW: true, Propagation: '' },
  ],
  Config: { Image: 'registry:5000/shop/web:1.2', Labels: { team: 'shop' } },
  NetworkSettings: { IPAddress: '', Networks: { shop: { IPAddress: '172.18.0.2' } } },
  ...more,
});
const IMAGE_JSON = {
  Id: IMAGE,
  RepoTags: ['registry:5000/shop/web:1.2'],
  RepoDigests: [`registry:5000/shop/web@${DIGEST}`],
};

type Answer = { readonly status: number; readonly body: string | object };

/** A server of the Docker Engine API whose answers depend on the path alone. */
const start = async (answers: Readonly<Record<string, Answer>>, protocol: RuntimeSocket['protocol'] = 'docker') => {
  const path = join(temporaryFolder(), 'docker.sock');
  const asked: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, body } = answers[request.url ?? ''] ?? { status: 404, body: { message: 'page not found' } };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const warnings: string[] = [];
  const source = createContainerSource({
    sockets: [{ path, protocol, runtime: protocol === 'podman' ? 'podman' : 'docker' }],
    warn: (sentence) => warnings.push(sentence.replace(path, 'SOCKET')),
    youngFor: 1000,
    cgroupOf: async () => undefined,
  });
  onTestFinished(async () => {
    source.close();
    await new Promise((resolve) => server.close(resolve));
  });
  const answer = async (cgroup: string): Promise<ContainerAnswer> => {
    await until(() => source.facts(cgroup).state !== 'asked');
    return source.facts(cgroup);
  };
  return { asked, warnings, answer };
};

const ok = (body: object): Answer => ({ status: 200, body });
const image = { [`/images/${encodeURIComponent(IMAGE)}/json`]: ok(IMAGE_JSON) };
const CGROUP = `/system.slice/docker-${ID}.scope`;

const FACTS = {
  id: ID,
  runtime: 'docker',
  name: 'web',
  image: { name: 'registry:5000/shop/web:1.2', repository: 'registry:5000/shop/web', tag: '1.2', digest: DIGEST },
  labels: { team: 'shop' },
  privileged: false,
  mounts: [
    { source: '/srv', destination: '/data', mode: 'ro', writable: false, propagation: 'rprivate' },
    { source: '', destination: '/tmp', mode: '', writable: true, propagation: '' },
  ],
  startNs: 1_767_225_600_123_456_789n,
  ip: '172.18.0.2',
};

describe('a server of the Docker Engine API', () => {
  it('is asked for a container and its image', async () => {
    const { asked, answer, warnings } = await start({ [`/containers/${ID}/json`]: ok(containerJson()), ...image });
    expect(await answer(CGROUP)).toEqual({ state: 'known', facts: FACTS, partial: false });
    expect(asked).toEqual([`GET /containers/${ID}/json`, `GET /images/${encodeURIComponent(IMAGE)}/json`]);
    expect(warnings).toEqual([]);
  });

  it("may be Podman's, which wants a version in the path", async () => {
    const { answer } = await start(
      {
        [`/containers/${ID}/json`]: { status: 404, body: '404 page not found\n' },
        [`/v1.44/containers/${ID}/json`]: ok(containerJson({ Name: 'web' })),
        [`/images/${encodeURIComponent(IMAGE)}/json`]: { status: 404, body: '404 page not found\n' },
        [`/v1.44/images/${encodeURIComponent(IMAGE)}/json`]: ok(IMAGE_JSON),
      },
      'podman',
    );
    expect(await answer(`/machine.slice/libpod-${ID}.scope/container`)).toEqual({
      state: 'known',
      facts: { ...FACTS, runtime: 'podman' },
      partial: false,
    });
  });

  it('names a container by its image id, and the image has a name', async () => {
    const { answer } = await start({
      [`/containers/${ID}/json`]: ok(containerJson({ Config: { Image: IMAGE, Labels: null } })),
      ...image,
    });
    expect(await answer(CGROUP)).toMatchObject({ facts: { image: FACTS.image, labels: {} } });
  });

  it('has lost the image meanwhile: its digest is unknown', async () => {
    const { answer } = await start({
      [`/containers/${ID}/json`]: ok(containerJson()),
      [`/images/${encodeURIComponent(IMAGE)}/json`]: { status: 404, body: { message: 'No such image' } },
    });
    expect(await answer(CGROUP)).toMatchObject({ facts: { image: { tag: '1.2', digest: null } } });
  });

  it('built the image itself: it has no digest', async () => {
    const { answer } = await start({
      [`/containers/${ID}/json`]: ok(containerJson()),
      [`/images/${encodeURIComponent(IMAGE)}/json`]: ok({ RepoTags: ['web:dev'], RepoDigests: [] }),
    });
    const found = await answer(CGROUP);
    expect(found.state === 'known' && found.facts.image).not.toHaveProperty('digest');
  });

  it("tells the host's network from another container's", async () => {
    const networks = { NetworkSettings: { IPAddress: '', Networks: { host: { IPAddress: '' } } } };
    const host = await start({
      [`/containers/${ID}/json`]: ok(containerJson({ ...networks, HostConfig: { NetworkMode: 'host' } })),
      ...image,
    });
    const onHost = await host.answer(CGROUP);
    expect(onHost.state === 'known' && onHost.facts).not.toHaveProperty('ip');
    expect(onHost).toMatchObject({ facts: { privileged: null } });
    const shared = await start({
      [`/containers/${ID}/json`]: ok(containerJson({ HostConfig: { NetworkMode: 'container:abc' } })),
      ...image,
    });
    expect(await shared.answer(CGROUP)).toMatchObject({ facts: { ip: null } });
  });

  it("knows the pod by Kubernetes' labels", async () => {
    const Labels = {
      'io.kubernetes.pod.name': 'web-0',
      'io.kubernetes.pod.namespace': 'shop',
      'io.kubernetes.pod.uid': 'u-1',
      'io.kubernetes.sandbox.id': 'b'.repeat(64),
    };
    const { answer } = await start({
      [`/containers/${ID}/json`]: ok(containerJson({ Config: { Image: 'web', Labels } })),
      ...image,
    });
    const pod = { name: 'web-0', namespace: 'shop', uid: 'u-1', labels: null, sandbox: 'b'.repeat(64) };
    expect(await answer(CGROUP)).toMatchObject({ facts: { pod } });
  });

  it('does not know the container', async () => {
    const missing = { status: 404, body: { message: `No such container: ${ID}` } };
    const { answer, asked, warnings } = await start({ [`/containers/${ID}/json`]: missing });
    expect(await answer(CGROUP)).toMatchObject({ state: 'unknown', container: { id: ID } });
    expect(new Set(asked)).toEqual(new Set([`GET /containers/${ID}/json`]));
    expect(warnings).toEqual([]);
  });

  it('has a container that has not started: the start is unknown until it is too old for that', async () => {
    const { answer } = await start({
      [`/containers/${ID}/json`]: ok(containerJson({ State: { StartedAt: '0001-01-01T00:00:00Z', Pid: 0 } })),
      ...image,
    });
    expect(await answer(CGROUP)).toMatchObject({ state: 'known', facts: { startNs: null }, partial: true });
    await until(async () => {
      const found = await answer(CGROUP);
      return found.state === 'known' && !found.partial;
    });
  });

  it.each<[string, Answer, string]>([
    ['fails', { status: 500, body: { message: 'on fire' } }, `status 500 for /containers/${ID}/json`],
    [
      'answers no JSON',
      { status: 200, body: '<html>' },
      `it does not speak the Docker Engine API: its answer for /containers/${ID}/json is not what the API says`,
    ],
    [
      'answers other JSON',
      { status: 200, body: [] },
      `it does not speak the Docker Engine API: its answer for /containers/${ID}/json is not what the API says`,
    ],
  ])('%s', async (_, wrong, reason) => {
    const { answer, warnings } = await start({ [`/containers/${ID}/json`]: wrong });
    expect(await answer(CGROUP)).toMatchObject({ state: 'unknown' });
    expect(warnings).toEqual([
      `the container runtime at SOCKET can't be asked: ${reason}. Facts of its containers are unknown`,
    ]);
  });
});
