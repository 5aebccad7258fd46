import type { Client, ServiceError, status as Status } from '@grpc/grpc-js';
import { z } from 'zod';
import type { ContainerRuntime } from './cgroup.ts';
import { CRI_DESCRIPTORS, CRI_REPLIES, type CriMethod, type CriReply } from './cri-protocol.ts';
import { type ContainerFacts, type ImageFacts, imageOf, type PodFacts } from './facts.ts';
import { connectionError, type Inspected, type Runtime, RuntimeError, type RuntimeLimits } from './runtime.ts';

type Ask = <Method extends CriMethod>(method: Method, request: object) => Promise<CriReply<Method> | undefined>;

const PROPAGATIONS = ['rprivate', 'rslave', 'rshared'] as const;

/** An image that is named by its id alone. */
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/** What runtimes add as JSON under the key `info` where a status is asked for verbosely: containerd's, then CRI-O's. */
const infoSchema = z.object({
  pid: z.int().optional(),
  privileged: z.boolean().optional(),
  config: z
    .object({
      linux: z.object({ security_context: z.object({ privileged: z.boolean().optional() }).optional() }).optional(),
    })
    .optional(),
});

const readInfo = (info: Readonly<Record<string, string>>): z.output<typeof infoSchema> => {
  try {
    return infoSchema.parse(JSON.parse(info.info ?? '{}'));
  } catch {
    return {};
  }
};

/** containerd leaves out what is false. */
const privilegedOf = ({ privileged, config }: z.output<typeof infoSchema>): boolean | null =>
  privileged ?? (config === undefined ? null : (config.linux?.security_context?.privileged ?? false));

/** The digest of the repository that the image was pulled from, else of any. */
const digestFrom = (digests: readonly string[], repository: string): string | undefined => {
  const found = digests.find((digest) => digest.startsWith(`${repository}@`)) ?? digests[0];
  return found?.slice(found.indexOf('@') + 1);
};

const readImage = async (ask: Ask, status: CriReply<'ContainerStatus'>['status']): Promise<ImageFacts | null> => {
  const names = [status.image?.image, status.image?.userSpecifiedImage].filter((name) => name !== undefined);
  const name = names.find((candidate) => candidate !== '' && !IMAGE_ID.test(candidate));
  const at = status.imageRef.indexOf('@');
  if (name !== undefined && at >= 0) return imageOf(name, status.imageRef.slice(at + 1));
  const asked = status.imageRef || names[0];
  const known = asked ? (await ask('ImageStatus', { image: { image: asked } }))?.image : undefined;
  const best = name ?? known?.repoTags[0] ?? names.find((candidate) => candidate !== '');
  if (best === undefined) return null;
  return imageOf(best, digestFrom(known?.repoDigests ?? [], imageOf(best).repository) ?? null);
};

const podOf = ({ id, metadata, labels, network }: CriReply<'PodSandboxStatus'>['status']): PodFacts => ({
  ...metadata,
  sandbox: id,
  labels,
  ...(network !== null && network.ip !== '' && { ip: network.ip }),
});

const readContainer = async (
  ask: Ask,
  runtime: ContainerFacts['runtime'],
  container: CriReply<'ListContainers'>['containers'][number],
): Promise<Inspected | undefined> => {
  const [reply, sandbox] = await Promise.all([
    ask('ContainerStatus', { containerId: container.id, verbose: true }),
    ask('PodSandboxStatus', { podSandboxId: container.podSandboxId }),
  ]);
  if (reply === undefined) return undefined;
  const { status } = reply;
  const info = readInfo(reply.info);
  const pod = sandbox === undefined ? null : podOf(sandbox.status);
  const ip = pod === null ? null : pod.ip;
  const facts: ContainerFacts = {
    id: status.id,
    runtime,
    name: status.metadata.name,
    image: await readImage(ask, status),
    labels: status.labels,
    privileged: privilegedOf(info),
    mounts: status.mounts.map(({ hostPath, containerPath, readonly, propagation }) => ({
      source: hostPath,
      destination: containerPath,
      mode: '',
      writable: !readonly,
      propagation: PROPAGATIONS[propagation] ?? '',
    })),
    startNs: status.startedAt > 0n ? status.startedAt : null,
    ...(ip !== undefined && { ip }),
    pod,
  };
  return { facts, pid: info.pid };
};

/** The container that holds a pod's namespaces, which is no container of CRI's. */
const readSandbox = async (
  ask: Ask,
  runtime: ContainerFacts['runtime'],
  id: string,
): Promise<Inspected | undefined> => {
  const reply = await ask('PodSandboxStatus', { podSandboxId: id, verbose: true });
  if (reply === undefined) return undefined;
  const pod = podOf(reply.status);
  const info = readInfo(reply.info);
  return {
    facts: {
      id,
      runtime,
      name: pod.name,
      image: null,
      labels: reply.status.labels,
      privileged: privilegedOf(info),
      mounts: [],
      startNs: reply.status.createdAt > 0n ? reply.status.createdAt : null,
      ...(pod.ip !== undefined && { ip: pod.ip }),
      pod,
    },
    pid: info.pid,
  };
};

const RUNTIMES: Readonly<Record<string, ContainerRuntime>> = { containerd: 'containerd', 'cri-o': 'cri-o' };

/** grpc-js tells what a connection failed of in the middle of a sentence: `... Last error: connect EACCES (<time>). ...` */
const LAST_ERROR = /Last error: (.*?)(?: \(\d{4}-[^)]*\))?\. Resolution note/;

const unavailable = (details: string): RuntimeError => {
  const last = LAST_ERROR.exec(details)?.[1] ?? details;
  if (/protocol error/i.test(last)) return new RuntimeError('garbled', 'it does not speak HTTP/2');
  return /^Failed to connect$/.test(last)
    ? new RuntimeError('failed', 'it hangs up')
    : connectionError(new Error(last));
};

const problemOf = ({ code, details }: Partial<ServiceError>, timeout: number, status: typeof Status): RuntimeError => {
  const words = details || `gRPC status ${code ?? 'missing'}`;
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return new RuntimeError('silent', `no answer within ${timeout} ms`);
    case status.RESOURCE_EXHAUSTED:
      return new RuntimeError('large', words);
    case undefined:
    case status.INTERNAL:
    case status.UNIMPLEMENTED:
      return new RuntimeError('garbled', words);
    case status.UNAVAILABLE:
      return unavailable(words);
    default:
      return new RuntimeError('failed', words);
  }
};

/** Loads gRPC, which nobody needs who has no CRI socket, and makes calls of it. */
const connect = async (socket: string, { timeout, bytes }: RuntimeLimits): Promise<{ client: Client; ask: Ask }> => {
  const [grpc, loader] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]);
  const definition = loader.fromJSON(CRI_DESCRIPTORS, { longs: String, enums: Number, defaults: true });
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': bytes,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
  const ask: Ask = (method, request) =>
    new Promise((resolve, reject) => {
      const service = method === 'ImageStatus' ? 'runtime.v1.ImageService' : 'runtime.v1.RuntimeService';
      const calls = definition[service] as Readonly<Record<string, MethodDefinition>>;
      const call = calls[method];
      if (call === undefined) throw new Error(`there is no call ${method}`);
      const deadline = Date.now() + timeout;
      client.makeUnaryRequest(
        call.path,
        call.requestSerialize,
        call.responseDeserialize,
        request,
        new grpc.Metadata(),
        { deadline },
        (error, reply) => {
          if (error?.code === grpc.status.NOT_FOUND) resolve(undefined);
          else if (error !== null) reject(problemOf(error, timeout, grpc.status));
          else {
            const parsed = CRI_REPLIES[method].safeParse(reply);
            if (parsed.success) resolve(parsed.data as CriReply<typeof method>);
            else reject(new RuntimeError('garbled', `its answer to ${method} lacks what the protocol requires`));
          }
        },
      );
    });
  return { client, ask };
};

interface MethodDefinition {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

/** A server of the Container Runtime Interface (runtime.v1) on a Unix socket: containerd, CRI-O. Connects when it is asked first. */
export const createCri = (socket: string, limits: RuntimeLimits): Runtime => {
  let connection: ReturnType<typeof connect> | undefined;
  let runtime: ContainerFacts['runtime'] | undefined;
  return {
    inspect: async (id) => {
      connection ??= connect(socket, limits);
      const { ask } = await connection;
      if (runtime === undefined) runtime = RUNTIMES[(await ask('Version', {}))?.runtimeName ?? ''] ?? 'cri';
      const listed = await ask('ListContainers', { filter: { id } });
      const container = listed?.containers.find((candidate) => candidate.id === id);
      if (container !== undefined) return readContainer(ask, runtime, container);
      const sandboxes = await ask('ListPodSandbox', { filter: { id } });
      return sandboxes?.items.some((sandbox) => sandbox.id === id) ? readSandbox(ask, runtime, id) : undefined;
    },
    prepare: () => {
      connection ??= connect(socket, limits);
      connection.catch(() => undefined);
    },
    close: () => {
      void connection?.then(({ client }) => client.close()).catch(() => undefined);
      connection = undefined;
      runtime = undefined;
    },
  };
};
