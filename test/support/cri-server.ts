import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type Encodable, encodeMessage, mapFields, readBytes } from './protobuf.ts';

export interface CriContainer {
  readonly sandbox: string;
  readonly name: string;
  readonly image: string;
  readonly imageRef: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly mounts?: readonly {
    readonly container: string;
    readonly host: string;
    readonly readonly?: boolean;
    readonly propagation?: number;
  }[];
  /** Nanoseconds since the Unix epoch; 0 before its start. */
  readonly startedAt: bigint;
  /** What the runtime adds as JSON. */
  readonly info?: object;
}

export interface CriSandbox {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ip?: string;
  readonly createdAt?: bigint;
}

export interface CriImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
}

/** What a server of the Container Runtime Interface knows; tests change it while it runs. */
export interface CriWorld {
  readonly runtimeName: string;
  readonly containers: Map<string, CriContainer>;
  readonly sandboxes: Map<string, CriSandbox>;
  /** By what they are asked for. */
  readonly images: Map<string, CriImage>;
}

export interface CriServer {
  /** The calls so far: `ListContainers <id>`. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

type Message = readonly (readonly [number, Encodable])[];

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

const containerStatus = (id: string, container: CriContainer): Message => [
  [1, id],
  [
    2,
    encodeMessage([
      [1, container.name],
      [2, 3n],
    ]),
  ],
  [3, 1n],
  [4, container.startedAt],
  ...(container.startedAt === 0n ? [] : [[5, container.startedAt] as const]),
  [8, encodeMessage([[1, container.image]])],
  [9, container.imageRef],
  ...mapFields(12, container.labels ?? {}),
  ...mapFields(13, { 'io.kubernetes.container.hash': '1' }),
  ...(container.mounts ?? []).map(
    (mount) =>
      [
        14,
        encodeMessage([
          [1, mount.container],
          [2, mount.host],
          ...(mount.readonly === true ? [[3, true] as const] : []),
          ...(mount.propagation === undefined ? [] : [[5, BigInt(mount.propagation)] as const]),
        ]),
      ] as const,
  ),
  [15, '/var/log/pods/0.log'],
];

const sandboxStatus = (id: string, sandbox: CriSandbox): Message => [
  [1, id],
  [
    2,
    encodeMessage([
      [1, sandbox.name],
      [2, sandbox.uid],
      [3, sandbox.namespace],
      [4, 1n],
    ]),
  ],
  [4, sandbox.createdAt ?? 1n],
  ...(sandbox.ip === undefined
    ? []
    : [
        [
          5,
          encodeMessage([
            [1, sandbox.ip],
            [2, encodeMessage([[1, 'fd00::9']])],
          ]),
        ] as const,
      ]),
  ...mapFields(7, sandbox.labels ?? {}),
];

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

/** Each call's answer (undefined: not found), and what it was asked about. Numbers are those of kubernetes/cri-api's api.proto. */
const CALLS: Readonly<
  Record<
    string,
    {
      readonly key: (request: Uint8Array) => string;
      readonly answer: (world: CriWorld, key: string) => Message | undefined;
    }
  >
> = {
  '/runtime.v1.RuntimeService/Version': {
    key: () => '',
    answer: (world) => [
      [1, '0.1.0'],
      [2, world.runtimeName],
      [3, '2.0.1'],
      [4, 'v1'],
    ],
  },
  '/runtime.v1.RuntimeService/ListContainers': {
    key: (request) => text(readBytes(readBytes(request, 1) ?? new Uint8Array(), 1)),
    answer: ({ containers }, id) => {
      const found = containers.get(id);
      return found === undefined
        ? []
        : [
            [
              1,
              encodeMessage([
                [1, id],
                [2, found.sandbox],
                [6, 1n],
              ]),
            ],
          ];
    },
  },
  '/runtime.v1.RuntimeService/ContainerStatus': {
    key: (request) => text(readBytes(request, 1)),
    answer: ({ containers }, id) => {
      const found = containers.get(id);
      if (found === undefined) return undefined;
      const info = found.info === undefined ? {} : { info: JSON.stringify(found.info) };
      return [[1, encodeMessage(containerStatus(id, found))], ...mapFields(2, info)];
    },
  },
  '/runtime.v1.RuntimeService/ListPodSandbox': {
    key: (request) => text(readBytes(readBytes(request, 1) ?? new Uint8Array(), 1)),
    answer: ({ sandboxes }, id) => (sandboxes.has(id) ? [[1, encodeMessage([[1, id]])]] : []),
  },
  '/runtime.v1.RuntimeService/PodSandboxStatus': {
    key: (request) => text(readBytes(request, 1)),
    answer: ({ sandboxes }, id) => {
      const found = sandboxes.get(id);
      return found && [[1, encodeMessage(sandboxStatus(id, found))]];
    },
  },
  '/runtime.v1.ImageService/ImageStatus': {
    key: (request) => text(readBytes(readBytes(request, 1) ?? new Uint8Array(), 1)),
    answer: ({ images }, asked) => {
      const found = images.get(asked);
      if (found === undefined) return [];
      const tags = found.tags.map((tag) => [2, tag] as const);
      const digests = found.digests.map((digest) => [3, digest] as const);
      return [[1, encodeMessage([[1, found.id], ...tags, ...digests, [4, 4096n]])]];
    },
  },
};

/** gRPC's frame: a byte for compression, the length in four, the message. */
const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

const answerTo = (stream: ServerHttp2Stream, status: number, message: Uint8Array | undefined): void => {
  if (stream.destroyed) return;
  const headers = { ':status': 200, 'content-type': 'application/grpc' };
  const trailers = { 'grpc-status': String(status), 'grpc-message': status === 0 ? '' : 'said the test' };
  if (message === undefined) {
    stream.respond({ ...headers, ...trailers }, { endStream: true });
    return;
  }
  stream.respond(headers, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(framed(message));
};

/** A server of CRI's public protocol on a Unix socket: HTTP/2 and protobuf written by hand, with no gRPC library. */
export const startCriServer = async (socket: string, world: CriWorld): Promise<CriServer> => {
  const calls: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      const path = headers[':path'] ?? '';
      const call = CALLS[path];
      const key = call?.key(Buffer.concat(parts).subarray(5)) ?? '';
      calls.push(`${path.slice(path.lastIndexOf('/') + 1)} ${key}`.trim());
      const answer = call?.answer(world, key);
      const status = call === undefined ? UNIMPLEMENTED : answer === undefined ? NOT_FOUND : 0;
      answerTo(stream, status, answer && encodeMessage(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    calls,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
