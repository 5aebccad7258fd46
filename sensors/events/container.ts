import { compileGlob, type FieldName, type FieldValue, matchGlob } from '../../rules/index.ts';
import {
  type CgroupContainer,
  type ContainerAnswer,
  type ContainerFacts,
  type MountFacts,
  shortId,
} from '../containers/index.ts';

/** Names of the fields about containers and pods. */
export type ContainerField = Extract<FieldName, `container.${string}` | `k8s.${string}`>;

type Labels = Readonly<Record<string, string>>;
/** Undefined: the container has no such thing; null: it isn't known. */
type Fact = string | bigint | boolean | null | undefined;

const labelsText = (labels: Labels | null | undefined): Fact => {
  if (labels === null || labels === undefined) return labels;
  const pairs = Object.keys(labels)
    .sort()
    .map((key) => `${key}:${labels[key]}`);
  return pairs.length === 0 ? undefined : pairs.join(',');
};

const labelOf = (labels: Labels | null | undefined, key: string): Fact =>
  labels === null ? null : labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;

/** A part of what may be missing or unknown as a whole. */
const part = <Whole>(whole: Whole | null | undefined, read: (whole: Whole) => Fact): Fact =>
  whole === null ? null : whole === undefined ? undefined : read(whole);

const mountText = ({ source, destination, mode, writable, propagation }: MountFacts): string =>
  [source, destination, mode, writable, propagation].join(':');

/** A mount by its number, or the first whose source or destination fits a glob. */
const mountBy =
  (by: 'source' | 'destination', text: (mount: MountFacts) => string) =>
  ({ mounts }: ContainerFacts, argument: string): Fact => {
    if (mounts === null) return null;
    const encoder = new TextEncoder();
    const steps = compileGlob(encoder.encode(argument));
    const found = /^\d+$/.test(argument)
      ? mounts[Number(argument)]
      : mounts.find((mount) => steps !== undefined && matchGlob(steps, encoder.encode(mount[by])));
    return found && text(found);
  };

/** What is read from a runtime's facts. */
const FACTS: Readonly<Record<ContainerField, (facts: ContainerFacts, argument: string, wallTime: bigint) => Fact>> = {
  'container.id': ({ id }) => shortId(id),
  'container.full_id': ({ id }) => id,
  'container.name': ({ name }) => name,
  'container.type': ({ runtime }) => runtime,
  'container.image': ({ image }) => part(image, (image) => image.name),
  'container.image.repository': ({ image }) => part(image, (image) => image.repository),
  'container.image.tag': ({ image }) => part(image, (image) => image.tag),
  'container.image.digest': ({ image }) => part(image, (image) => image.digest),
  'container.privileged': ({ privileged }) => privileged,
  'container.mounts': ({ mounts }) => part(mounts, (mounts) => mounts.map(mountText).join(',')),
  'container.mount': mountBy('source', mountText),
  'container.mount.source': mountBy('destination', ({ source }) => source),
  'container.mount.dest': mountBy('source', ({ destination }) => destination),
  'container.mount.mode': mountBy('source', ({ mode }) => mode),
  'container.mount.rdwr': mountBy('source', ({ writable }) => String(writable)),
  'container.mount.propagation': mountBy('source', ({ propagation }) => propagation),
  'container.labels': ({ labels }) => labelsText(labels),
  'container.label': ({ labels }, key) => labelOf(labels, key),
  'container.start_ts': ({ startNs }) => startNs,
  'container.duration': ({ startNs }, _argument, wallTime) => part(startNs, (start) => wallTime - start),
  'container.ip': ({ ip }) => ip,
  'k8s.ns.name': ({ pod }) => part(pod, (pod) => pod.namespace),
  'k8s.pod.name': ({ pod }) => part(pod, (pod) => pod.name),
  'k8s.pod.uid': ({ pod }) => part(pod, (pod) => pod.uid),
  'k8s.pod.id': ({ pod }) => part(pod, (pod) => pod.uid),
  'k8s.pod.sandbox_id': ({ pod }) => part(pod, (pod) => (pod.sandbox === undefined ? undefined : shortId(pod.sandbox))),
  'k8s.pod.full_sandbox_id': ({ pod }) => part(pod, (pod) => pod.sandbox),
  'k8s.pod.ip': ({ pod }) => part(pod, (pod) => pod.ip),
  'k8s.pod.labels': ({ pod }) => part(pod, (pod) => labelsText(pod.labels)),
  'k8s.pod.label': ({ pod }, key) => part(pod, (pod) => labelOf(pod.labels, key)),
};

/** What the cgroup's path alone says; undefined where only a runtime can tell. */
const FROM_PATH: Partial<Record<ContainerField, (container: CgroupContainer) => string | undefined>> = {
  'container.id': ({ id }) => shortId(id),
  'container.full_id': ({ id }) => id,
  'container.type': ({ runtime }) => runtime,
  'k8s.pod.uid': ({ podUid }) => podUid,
  'k8s.pod.id': ({ podUid }) => podUid,
};

/** Fields that say `host` there; all others are absent. */
const HOST: ReadonlySet<ContainerField> = new Set([
  'container.id',
  'container.full_id',
  'container.name',
  'container.type',
]);

/** Whether a field is about the event's container or pod. */
export const isContainerField = (name: string): name is ContainerField => Object.hasOwn(FACTS, name);

const UNKNOWN: FieldValue = { state: 'unknown' };
const ABSENT: FieldValue = { state: 'absent' };
const present = (value: string | bigint | boolean): FieldValue => ({ state: 'present', value, trust: 'resolved' });

/** A field about a container, and whether its value may still come. */
export const containerValue = (
  field: { readonly name: ContainerField; readonly argument?: string },
  answer: ContainerAnswer,
  wallTime: bigint,
): { readonly value: FieldValue; readonly pending: boolean } => {
  const { name, argument = '' } = field;
  if (answer.state === 'host') return { value: HOST.has(name) ? present('host') : ABSENT, pending: false };
  if (answer.state !== 'known') {
    const text = FROM_PATH[name]?.(answer.container);
    return text === undefined
      ? { value: UNKNOWN, pending: answer.state === 'asked' }
      : { value: present(text), pending: false };
  }
  const fact = FACTS[name](answer.facts, argument, wallTime);
  if (fact === null) return { value: UNKNOWN, pending: answer.partial };
  return { value: fact === undefined ? ABSENT : present(fact), pending: false };
};
