import { createHash } from 'node:crypto';
import type { Priority } from '../../rules/index.ts';
import type { Alert } from '../alert.ts';
import { nanosecondsOf } from '../time.ts';

/** Falco's names of priorities (userspace/engine/falco_common.cpp). */
const PRIORITY_NAMES: Readonly<Record<Priority, string>> = {
  emergency: 'Emergency',
  alert: 'Alert',
  critical: 'Critical',
  error: 'Error',
  warning: 'Warning',
  notice: 'Notice',
  informational: 'Informational',
  debug: 'Debug',
};

/** A rule's name in falcosidekick's subjects (outputs/nats.go): lower case, runs of other characters one `_`, none at its ends. */
export const falcoToken = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '') || '_';

/** A UUID (RFC 9562, version 8) that is the same whenever the same alert is published. */
const uuidOf = ({ id, time, policyHash }: Alert): string => {
  const hash = createHash('sha256').update(`${id}\n${time}\n${policyHash}`).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
};

const sorted = (members: readonly (readonly [name: string, json: string])[]): string => {
  const lines = [...members].sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${lines.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
};

/**
 * An alert as Falco prints it with `json_output` (userspace/engine/formats.cpp), and `uuid` as falcosidekick adds it. Members are in Falco's order;
 * `evt.time` is nanoseconds since 1970, which numbers of JavaScript can't hold: hence text.
 */
export const falcoJson = (alert: Alert): string => {
  const { time, host, rule, tags, output } = alert;
  const priority = PRIORITY_NAMES[alert.priority];
  const fields = Object.entries(alert.fields)
    .filter(([name]) => name !== 'evt.time')
    .map(([name, value]) => [name, JSON.stringify(value)] as const);
  return sorted([
    ['hostname', JSON.stringify(host)],
    ['output', JSON.stringify(`${time.slice(11, 29)}: ${priority} ${output}`)],
    ['output_fields', sorted([...fields, ['evt.time', String(nanosecondsOf(time))]])],
    ['priority', JSON.stringify(priority)],
    ['rule', JSON.stringify(rule)],
    ['source', '"syscall"'],
    ['tags', JSON.stringify([...new Set(tags)].sort())],
    ['time', JSON.stringify(time)],
    ['uuid', JSON.stringify(uuidOf(alert))],
  ]);
};
