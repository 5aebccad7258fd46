import { request } from 'node:http';
import { z } from 'zod';
import { type ContainerFacts, type ImageFacts, imageOf, type PodFacts } from './facts.ts';
import { connectionError, type Inspected, type Runtime, RuntimeError, type RuntimeLimits } from './runtime.ts';

/** GET /containers/<id>/json of the Docker Engine API, as far as it is read; Podman answers in the same form. */
const containerSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Image: z.string().optional(),
  State: z.object({ StartedAt: z.string().optional(), Pid: z.int().optional() }).optional(),
  Config: z.object({ Image: z.string().optional(), Labels: z.record(z.string(), z.string()).nullish() }).optional(),
  HostConfig: z.object({ Privileged: z.boolean().optional(), NetworkMode: z.string().optional() }).optional(),
  Mounts: z
    .array(
      z.object({
        Source: z.string().default(''),
        Destination: z.string(),
        Mode: z.string().default(''),
        RW: z.boolean(),
        Propagation: z.string().default(''),
      }),
    )
    .nullish(),
  NetworkSettings: z
    .object({
      IPAddress: z.string().optional(),
      Networks: z.record(z.string(), z.object({ IPAddress: z.string().optional() })).nullish(),
    })
    .optional(),
});
type Container = z.output<typeof containerSchema>;

/** GET /images/<id>/json. */
const imageSchema = z.object({
  RepoTags: z.array(z.string()).nullish(),
  RepoDigests: z.array(z.string()).nullish(),
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request with an end of its own: no answer, a slow one and a long one are errors. */
const get = (socket: string, path: string, { timeout, bytes }: RuntimeLimits): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const fail = (error: RuntimeError): void => {
      clearTimeout(timer);
      reject(error);
      sent.destroy();
    };
    const sent = request({ socketPath: socket, path, headers: { host: 'localhost' }, agent: false }, (response) => {
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > bytes) fail(new RuntimeError('large', `more than ${bytes} bytes`));
        else parts.push(part);
      });
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() });
      });
      response.on('error', (error) => fail(connectionError(error)));
    });
    const timer = setTimeout(() => fail(new RuntimeError('silent', `no answer within ${timeout} ms`)), timeout);
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const garbled = error.code?.startsWith('HPE_') ?? false;
      fail(garbled ? new RuntimeError('garbled', 'it does not speak HTTP') : connectionError(error));
    });
    sent.end();
  });

/** A server that serves only paths with a version says so; this one is the oldest that all of today's serve. */
const VERSIONS = ['', '/v1.44'];
const NO_SUCH_PATH = /page not found/i;

const getJson = async <Schema extends z.ZodType>(
  schema: Schema,
  socket: string,
  path: string,
  limits: RuntimeLimits,
): Promise<z.output<Schema> | undefined> => {
  for (const version of VERSIONS) {
    const { status, body } = await get(socket, version + path, limits);
    if (status === 404) {
      if (NO_SUCH_PATH.test(body)) continue;
      return undefined;
    }
    if (status !== 200) throw new RuntimeError('failed', `status ${status} for ${path}`);
    try {
      return schema.parse(JSON.parse(body));
    } catch {
      throw new RuntimeError('garbled', `its answer for ${path} is not what the API says`);
    }
  }
  throw new RuntimeError('garbled', `it has no path ${path}`);
};

const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{12,64}$/;

const readImage = (name: string | undefined, known: z.output<typeof imageSchema> | undefined): ImageFacts | null => {
  const isNamed = name !== undefined && name !== '' && !IMAGE_ID.test(name);
  const best = isNamed ? name : (known?.RepoTags?.[0] ?? name);
  if (best === undefined || best === '') return null;
  const { repository } = imageOf(best);
  const digests = known?.RepoDigests ?? [];
  const digest = digests.find((candidate) => candidate.startsWith(`${repository}@`)) ?? digests[0];
  return imageOf(best, digest?.slice(digest.indexOf('@') + 1) ?? (known === undefined ? null : undefined));
};

/** `2026-01-02T03:04:05.678900000Z` to nanoseconds since the Unix epoch; null for a container that has not started (year 1). */
const startOf = (text: string | undefined): bigint | null => {
  const [, seconds, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?/.exec(text ?? '') ?? [];
  if (seconds === undefined) return null;
  const zone = /(?:Z|[+-]\d\d:\d\d)$/.exec(text ?? '')?.[0] ?? 'Z';
  const time = Date.parse(seconds + zone);
  return time > 0 ? BigInt(time) * 1_000_000n + BigInt(fraction.padEnd(9, '0')) : null;
};

/** Left out on the host's network; null where the network is another container's. */
const addressOf = ({ HostConfig, NetworkSettings }: Container): string | null | undefined => {
  if (HostConfig?.NetworkMode?.startsWith('container:')) return null;
  const networks = Object.values(NetworkSettings?.Networks ?? {});
  const addresses = [NetworkSettings?.IPAddress, ...networks.map(({ IPAddress }) => IPAddress)];
  return addresses.find((address) => address !== undefined && address !== '');
};

/** What Kubernetes puts into the labels where it drives Docker. */
const podOf = (labels: Readonly<Record<string, string>>): PodFacts | undefined => {
  const name = labels['io.kubernetes.pod.name'];
  const namespace = labels['io.kubernetes.pod.namespace'];
  const uid = labels['io.kubernetes.pod.uid'];
  const sandbox = labels['io.kubernetes.sandbox.id'];
  if (name === undefined || namespace === undefined || uid === undefined) return undefined;
  return { name, namespace, uid, labels: null, ...(sandbox !== undefined && { sandbox }) };
};

const factsOf = (
  container: Container,
  runtime: 'docker' | 'podman',
  image: z.output<typeof imageSchema> | undefined,
): ContainerFacts => {
  const labels = container.Config?.Labels ?? {};
  const ip = addressOf(container);
  const pod = podOf(labels);
  return {
    id: container.Id,
    runtime,
    name: container.Name.replace(/^\//, ''),
    image: readImage(container.Config?.Image, image),
    labels,
    privileged: container.HostConfig?.Privileged ?? null,
    mounts: (container.Mounts ?? []).map(({ Source, Destination, Mode, RW, Propagation }) => ({
      source: Source,
      destination: Destination,
      mode: Mode,
      writable: RW,
      propagation: Propagation,
    })),
    startNs: startOf(container.State?.StartedAt),
    ...(ip !== undefined && { ip }),
    ...(pod !== undefined && { pod }),
  };
};

/** A server of the Docker Engine API on a Unix socket: Docker's, or Podman's. */
export const createDocker = (socket: string, runtime: 'docker' | 'podman', limits: RuntimeLimits): Runtime => ({
  inspect: async (id): Promise<Inspected | undefined> => {
    const container = await getJson(containerSchema, socket, `/containers/${id}/json`, limits);
    if (container === undefined || container.Id !== id) return undefined;
    const wanted = container.Image ?? '';
    const image = IMAGE_ID.test(wanted)
      ? await getJson(imageSchema, socket, `/images/${encodeURIComponent(wanted)}/json`, limits)
      : undefined;
    return { facts: factsOf(container, runtime, image), pid: container.State?.Pid };
  },
  close: () => undefined,
});
