import { writeFileSync } from 'node:fs';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectionError } from '../../../sensors/containers/runtime.ts';
import { createContainerSource, type RuntimeSocket } from '../../../sensors/index.ts';
import { count, seed } from '../../support/counts.ts';
import { startCriServer } from '../../support/cri-server.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom } from '../../support/random.ts';
import { until } from '../../support/until.ts';

const ID = 'c'.repeat(64);
const CGROUP = `/kubepods/pod0b2c1d3e-aaaa-bbbb-cccc-0123456789ab/${ID}`;

/** A listener that treats every connection as `serve` does. */
const listen = async (serve: (socket: Socket) => void): Promise<string> => {
  const path = join(temporaryFolder(), 'runtime.sock');
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return path;
};

/** What becomes of a container of a server at `path`, and what was said. */
const ask = async (path: string, protocol: RuntimeSocket['protocol'], timeout = 300) => {
  const warnings: string[] = [];
  const source = createContainerSource({
    sockets: [{ path, protocol }],
    warn: (sentence) => warnings.push(sentence.replace(path, 'SOCKET')),
    timeout,
    bytes: 65_536,
    rest: 60_000,
    cgroupOf: async () => undefined,
  });
  onTestFinished(() => source.close());
  expect(source.facts(CGROUP).state).toBe('asked');
  await until(() => source.facts(CGROUP).state !== 'asked');
  const { state } = source.facts(CGROUP);
  source.facts(CGROUP.replace(ID, 'd'.repeat(64)));
  await until(() => source.facts(CGROUP.replace(ID, 'd'.repeat(64))).state !== 'asked');
  return { state, warnings };
};

const said = (reason: string): string =>
  `the container runtime at SOCKET can't be asked: ${reason}. Facts of its containers are unknown`;

const CRI = 'it does not speak CRI (runtime.v1 over gRPC): ';
const DOCKER = 'it does not speak the Docker Engine API: ';
const SILENT = 'no answer within 300 ms';

describe('a server that misbehaves leaves facts unknown, is warned of once, and is left alone', () => {
  it.each<[string, RuntimeSocket['protocol'], (socket: Socket) => void, string]>([
    ['accepts and never answers', 'cri', () => undefined, SILENT],
    ['accepts and never answers', 'docker', () => undefined, SILENT],
    ['hangs up', 'cri', (socket) => socket.destroy(), 'it hangs up'],
    ['hangs up', 'docker', (socket) => socket.destroy(), 'it hangs up'],
    [
      'speaks HTTP/1',
      'cri',
      (socket) => socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
      `${CRI}it does not speak HTTP/2`,
    ],
    [
      'speaks gibberish',
      'cri',
      (socket) => socket.write(new Uint8Array(4096).fill(0xa5)),
      `${CRI}it does not speak HTTP/2`,
    ],
    [
      'speaks gibberish',
      'docker',
      (socket) => socket.write(new Uint8Array(4096).fill(0xa5)),
      `${DOCKER}it does not speak HTTP`,
    ],
    [
      'never stops',
      'docker',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\n\r\n${' '.repeat(100_000)}`),
      'its answer is too long: more than 65536 bytes',
    ],
    [
      'sends a byte at a time',
      'docker',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const timer = setInterval(() => socket.write(' '), 20);
        socket.on('close', () => clearInterval(timer));
      },
      SILENT,
    ],
  ])('%s (%s)', async (_, protocol, serve, reason) => {
    const { state, warnings } = await ask(await listen(serve), protocol);
    expect(state).toBe('unknown');
    expect(warnings).toEqual([said(reason)]);
  });

  it.each(['cri', 'docker'] as const)('is a plain file (%s)', async (protocol) => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, '');
    const { state, warnings } = await ask(path, protocol);
    expect(state).toBe('unknown');
    expect(warnings).toEqual([said('nobody listens there; start the runtime, or remove the socket')]);
  });

  it.each(['cri', 'docker'] as const)('is not there at all: nothing is said (%s)', async (protocol) => {
    expect(await ask(join(temporaryFolder(), 'none'), protocol)).toEqual({ state: 'unknown', warnings: [] });
  });

  it.each(['EACCES', 'EPERM'])('may not be opened (%s)', (errno) => {
    const { problem } = connectionError(new Error(`connect ${errno} /run/containerd/containerd.sock`));
    expect(problem).toBe('denied');
  });

  it.each([
    ['is asked 16 times at once, then left alone while it rests', 60_000],
    ['is asked again after that, and warned of no more', 0],
  ])('never answers and %s', async (_, rest) => {
    let connections = 0;
    const path = await listen(() => connections++);
    const warnings: string[] = [];
    const source = createContainerSource({
      sockets: [{ path, protocol: 'docker' }],
      warn: (sentence) => warnings.push(sentence.replace(path, 'SOCKET')),
      timeout: 200,
      rest,
    });
    onTestFinished(() => source.close());
    const cgroups = Array.from({ length: 40 }, (_, index) => `/docker/${index.toString(16).padStart(64, '0')}`);
    for (const cgroup of cgroups) expect(source.facts(cgroup).state).toBe('asked');
    const left = new Set(cgroups);
    source.onChange(() => {
      for (const cgroup of left) if (source.facts(cgroup).state !== 'asked') left.delete(cgroup);
    });
    await until(() => left.size === 0);
    if (rest > 0) expect(connections).toBe(16);
    else expect(connections).toBeGreaterThanOrEqual(40);
    expect(warnings).toEqual([said('no answer within 200 ms')]);
  });

  it('answers CRI at great length', async () => {
    const path = join(temporaryFolder(), 'cri.sock');
    const server = await startCriServer(path, {
      runtimeName: 'x'.repeat(200_000),
      containers: new Map(),
      sandboxes: new Map(),
      images: new Map(),
    });
    onTestFinished(() => server.close());
    const { state, warnings } = await ask(path, 'cri');
    expect(state).toBe('unknown');
    expect(warnings).toEqual([said('its answer is too long: Received message larger than max (200022 vs 65536)')]);
  });

  it.each<[string, string, Uint8Array, string]>([
    ['has no such service', '12', new Uint8Array(), `${CRI}unknown service`],
    [
      'sends messages that are none',
      '0',
      new Uint8Array([0, 0, 0, 0, 3, 0x0a, 0xff, 0xff]),
      `${CRI}Response message parsing error: index out of range: 3 + 1 > 3`,
    ],
    ['sends frames that are none', '0', new Uint8Array([0, 0, 0, 0, 200, 1]), `${CRI}No message received`],
    ['sends compressed frames', '0', new Uint8Array([1, 0, 0, 0, 1, 0]), `${CRI}gRPC status missing`],
    ['refuses', '7', new Uint8Array(), 'unknown service'],
  ])('speaks gRPC and %s', async (_, status, body, reason) => {
    const path = join(temporaryFolder(), 'grpc.sock');
    const sessions = new Set<ServerHttp2Session>();
    const server = createHttp2Server().on('session', (session) => sessions.add(session));
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      const trailers = { 'grpc-status': status, 'grpc-message': 'unknown service' };
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      stream.end(body);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const { state, warnings } = await ask(path, 'cri');
    expect(state).toBe('unknown');
    expect(warnings).toEqual([said(reason)]);
  });

  it('says anything at all, behind the beginning of a right answer or not', async () => {
    const random = createRandom(seed('bad container servers'));
    const beginnings = [
      '',
      'HTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n',
      // An empty SETTINGS frame, the same and its acknowledgement, a HEADERS frame's head (RFC 9113, section 4.1).
      '\0\0\0\x04\0\0\0\0\0',
      '\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0',
      '\0\0\0\x04\0\0\0\0\0\0\0\x20\x01\x04\0\0\0\x01',
    ];
    for (let round = 0; round < count(500); round++) {
      const path = await listen((socket) => {
        const junk = Uint8Array.from({ length: random.below(300) }, () => random.below(256));
        socket.write(random.pick(beginnings), 'latin1');
        if (random.chance(0.75)) socket.write(junk);
        if (random.chance(0.5)) socket.end();
      });
      const { state } = await ask(path, random.pick(['cri', 'docker'] as const), 100);
      expect(state).toBe('unknown');
    }
  }, 300_000);
});
