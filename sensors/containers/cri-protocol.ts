import type { fromJSON } from '@grpc/proto-loader';
import { z } from 'zod';

/** A field of a message as protobufjs describes it. */
interface FieldDescriptor {
  type: string;
  id: number;
  rule?: 'repeated';
  keyType?: 'string';
}
interface CallDescriptor {
  comment: string;
  requestType: string;
  responseType: string;
}

const one = (type: string, id: number): FieldDescriptor => ({ type, id });
const list = (type: string, id: number): FieldDescriptor => ({ type, id, rule: 'repeated' });
/** A map from texts to texts. */
const texts = (id: number): FieldDescriptor => ({ type: 'string', id, keyType: 'string' });
const message = (fields: Record<string, FieldDescriptor>) => ({ fields });
const service = (...names: readonly string[]): { methods: Record<string, CallDescriptor> } => ({
  methods: Object.fromEntries(
    names.map((name) => [name, { comment: '', requestType: `${name}Request`, responseType: `${name}Response` }]),
  ),
});

/**
 * The part of the Container Runtime Interface, version 1, that is read (kubernetes/cri-api, pkg/apis/runtime/v1/api.proto), as
 * protobufjs takes descriptors. Enumerations are numbers.
 */
export const CRI_DESCRIPTORS: Parameters<typeof fromJSON>[0] = {
  nested: {
    runtime: {
      nested: {
        v1: {
          nested: {
            RuntimeService: service(
              'Version',
              'ListContainers',
              'ContainerStatus',
              'ListPodSandbox',
              'PodSandboxStatus',
            ),
            ImageService: service('ImageStatus'),
            VersionRequest: message({ version: one('string', 1) }),
            VersionResponse: message({ version: one('string', 1), runtimeName: one('string', 2) }),
            ListContainersRequest: message({ filter: one('ContainerFilter', 1) }),
            ContainerFilter: message({ id: one('string', 1) }),
            ListContainersResponse: message({ containers: list('Container', 1) }),
            Container: message({ id: one('string', 1), podSandboxId: one('string', 2) }),
            ContainerStatusRequest: message({ containerId: one('string', 1), verbose: one('bool', 2) }),
            ContainerStatusResponse: message({ status: one('ContainerStatus', 1), info: texts(2) }),
            ContainerStatus: message({
              id: one('string', 1),
              metadata: one('ContainerMetadata', 2),
              startedAt: one('int64', 5),
              image: one('ImageSpec', 8),
              imageRef: one('string', 9),
              labels: texts(12),
              mounts: list('Mount', 14),
            }),
            ContainerMetadata: message({ name: one('string', 1) }),
            ImageSpec: message({ image: one('string', 1), userSpecifiedImage: one('string', 18) }),
            Mount: message({
              containerPath: one('string', 1),
              hostPath: one('string', 2),
              readonly: one('bool', 3),
              propagation: one('int32', 5),
            }),
            ListPodSandboxRequest: message({ filter: one('PodSandboxFilter', 1) }),
            PodSandboxFilter: message({ id: one('string', 1) }),
            ListPodSandboxResponse: message({ items: list('PodSandbox', 1) }),
            PodSandbox: message({ id: one('string', 1) }),
            PodSandboxStatusRequest: message({ podSandboxId: one('string', 1), verbose: one('bool', 2) }),
            PodSandboxStatusResponse: message({ status: one('PodSandboxStatus', 1), info: texts(2) }),
            PodSandboxStatus: message({
              id: one('string', 1),
              metadata: one('PodSandboxMetadata', 2),
              createdAt: one('int64', 4),
              network: one('PodSandboxNetworkStatus', 5),
              labels: texts(7),
            }),
            PodSandboxMetadata: message({ name: one('string', 1), uid: one('string', 2), namespace: one('string', 3) }),
            PodSandboxNetworkStatus: message({ ip: one('string', 1) }),
            ImageStatusRequest: message({ image: one('ImageSpec', 1) }),
            ImageStatusResponse: message({ image: one('Image', 1) }),
            Image: message({ id: one('string', 1), repoTags: list('string', 2), repoDigests: list('string', 3) }),
          },
        },
      },
    },
  },
};

const labels = z.record(z.string(), z.string());
/** 64-bit numbers come as decimal texts. */
const int64 = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);

/** What replies are once they are decoded: messages that were left out are null, other fields have their zero values. */
export const CRI_REPLIES = {
  Version: z.object({ runtimeName: z.string() }),
  ListContainers: z.object({ containers: z.array(z.object({ id: z.string(), podSandboxId: z.string() })) }),
  ContainerStatus: z.object({
    status: z.object({
      id: z.string(),
      metadata: z.object({ name: z.string() }),
      startedAt: int64,
      image: z.object({ image: z.string(), userSpecifiedImage: z.string() }).nullable(),
      imageRef: z.string(),
      labels,
      mounts: z.array(
        z.object({ containerPath: z.string(), hostPath: z.string(), readonly: z.boolean(), propagation: z.int() }),
      ),
    }),
    info: labels,
  }),
  ListPodSandbox: z.object({ items: z.array(z.object({ id: z.string() })) }),
  PodSandboxStatus: z.object({
    status: z.object({
      id: z.string(),
      metadata: z.object({ name: z.string(), uid: z.string(), namespace: z.string() }),
      createdAt: int64,
      network: z.object({ ip: z.string() }).nullable(),
      labels,
    }),
    info: labels,
  }),
  ImageStatus: z.object({
    image: z.object({ repoTags: z.array(z.string()), repoDigests: z.array(z.string()) }).nullable(),
  }),
} as const;

export type CriMethod = keyof typeof CRI_REPLIES;
export type CriReply<Method extends CriMethod> = z.output<(typeof CRI_REPLIES)[Method]>;
