import { isIP } from 'node:net';
import { basename, dirname } from 'node:path/posix';
import { PRIORITIES } from '../../rules/index.ts';
import type { Alert, FieldJson } from '../alert.ts';
import { ecsCategoryOf } from './ecs-category.ts';

/** The version of the Elastic Common Schema that the members are named after. */
const ECS_VERSION = '8.11.0';

/** MITRE ATT&CK's numbers of techniques: `T1059`, `T1059.004`. */
const TECHNIQUE = /^T\d{4}(?:\.\d{3})?$/;

type Members = Record<string, unknown>;

/** A member that is there only where its value is known. */
const known = <T>(name: string, value: T | null | undefined): Members =>
  value === null || value === undefined ? {} : { [name]: value };

const textOf = (value: FieldJson | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const portOf = (value: FieldJson | undefined): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= 0xffff ? value : undefined;

type Program = { readonly pid: number; readonly exe: string | null; readonly cmdline: string | null };

const programOf = ({ pid, exe, cmdline }: Program): Members => ({
  pid,
  ...known('executable', exe),
  ...known('name', exe === null || exe === '' ? undefined : basename(exe)),
  ...known('command_line', cmdline),
});

/** Alerts of the agent's own are about no process. */
const processOf = ({ host, process, fields }: Alert): Members => {
  if (process.pid === 0) return {};
  const [parent] = process.ancestors;
  const uid = String(process.uid);
  return {
    process: {
      ...programOf(process),
      ...known('name', textOf(fields['proc.name']) ?? (process.exe === null ? undefined : basename(process.exe))),
      entity_id: `${host}-${process.pid}-${process.start}`,
      user: { id: uid },
      ...(parent && { parent: programOf(parent) }),
    },
    user: { id: uid, ...known('name', textOf(fields['user.name'])) },
  };
};

const containerOf = ({ container }: Alert): Members => {
  if (container === undefined) return {};
  const { id, name, image, pod, namespace } = container;
  return {
    container: { id, ...known('name', name), ...(image !== undefined && { image: { name: image } }) },
    ...(pod !== undefined && {
      orchestrator: { type: 'kubernetes', resource: { type: 'pod', name: pod }, ...known('namespace', namespace) },
    }),
  };
};

const fileOf = ({ fields }: Alert): Members => {
  const path = [fields['fd.name'], fields['fs.path.name'], fields['fs.path.target']]
    .map(textOf)
    .find((value) => value?.startsWith('/'));
  return path === undefined ? {} : { file: { path, name: basename(path), directory: dirname(path) } };
};

const endOf = (address: FieldJson | undefined, port: FieldJson | undefined): Members => {
  const ip = textOf(address);
  return { ...known('ip', ip !== undefined && isIP(ip) !== 0 ? ip : undefined), ...known('port', portOf(port)) };
};

/** The client is the source, the server the destination; where only that is known, this host's end and the other's. */
const endsOf = ({ fields }: Alert): Members => {
  const source = endOf(fields['fd.cip'] ?? fields['fd.lip'], fields['fd.cport'] ?? fields['fd.lport']);
  const destination = endOf(fields['fd.sip'] ?? fields['fd.rip'], fields['fd.sport'] ?? fields['fd.rport']);
  return {
    ...(Object.keys(source).length > 0 && { source }),
    ...(Object.keys(destination).length > 0 && { destination }),
  };
};

const threatOf = ({ tags }: Alert): Members => {
  const techniques = tags.filter((tag) => TECHNIQUE.test(tag));
  if (techniques.length === 0) return {};
  const whole = [...new Set(techniques.map((id) => id.slice(0, 5)))];
  const parts = techniques.filter((id) => id.includes('.'));
  return {
    threat: {
      framework: 'MITRE ATT&CK',
      technique: { id: whole, ...(parts.length > 0 && { subtechnique: { id: parts } }) },
    },
  };
};

const eventOf = ({ id, seq, event, priority, verdict, enforced, correlation, policy, hook }: Alert): Members => {
  const { category, type } = ecsCategoryOf(event);
  const isStopped = enforced === true && verdict !== 'allow';
  return {
    kind: 'alert',
    id,
    sequence: seq,
    module: 'shrike',
    dataset: 'shrike.alerts',
    provider: hook,
    category: policy === 'shrike' ? ['host'] : ['intrusion_detection', category],
    type: policy === 'shrike' ? ['info'] : [...new Set([...type, isStopped ? 'denied' : 'info'])],
    action: event,
    severity: PRIORITIES.indexOf(priority),
    ...(isStopped && verdict === 'deny' && { outcome: 'failure' }),
    ...(correlation && { start: correlation.from, end: correlation.to }),
  };
};

/** What ECS has no member for; a flattened object in Elasticsearch, since a field's type may differ between rules. */
const ownOf = ({
  policy,
  policyHash,
  hook,
  kernel,
  verdict,
  enforced,
  fields,
  trust,
  pending,
  correlation,
}: Alert) => ({
  policy,
  policy_hash: policyHash,
  hook,
  kernel,
  ...known('verdict', verdict),
  ...known('enforced', enforced),
  fields,
  trust,
  ...known('pending', pending),
  ...known('correlation', correlation),
});

/**
 * An alert by the Elastic Common Schema (https://www.elastic.co/guide/en/ecs/8.11). `event.severity` is syslog's number, 0 for emergency to 7 for
 * debug, as ECS suggests for sources that have no other; all that is Shrike's own is in `shrike`.
 */
export const ecsRecord = (alert: Alert): Members => ({
  '@timestamp': alert.time,
  ecs: { version: ECS_VERSION },
  message: alert.output,
  tags: alert.tags,
  event: eventOf(alert),
  log: {
    level: alert.priority,
    syslog: { severity: { code: PRIORITIES.indexOf(alert.priority), name: alert.priority } },
  },
  rule: { name: alert.rule, ruleset: alert.policy },
  observer: { vendor: 'Shrike', product: 'Shrike', type: 'sensor' },
  host: { name: alert.host, hostname: alert.host },
  ...processOf(alert),
  ...containerOf(alert),
  ...fileOf(alert),
  ...endsOf(alert),
  ...threatOf(alert),
  shrike: ownOf(alert),
});
