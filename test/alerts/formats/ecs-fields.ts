import { isIP } from 'node:net';

/** Types of Elasticsearch by field, from ECS's published list (elastic/ecs, generated/elasticsearch/composable), as far as alerts use it. */
const TYPES: Readonly<Record<string, 'date' | 'keyword' | 'long' | 'ip' | 'text' | 'wildcard'>> = {
  '@timestamp': 'date',
  message: 'text',
  tags: 'keyword',
  'ecs.version': 'keyword',
  'event.kind': 'keyword',
  'event.id': 'keyword',
  'event.sequence': 'long',
  'event.module': 'keyword',
  'event.dataset': 'keyword',
  'event.provider': 'keyword',
  'event.category': 'keyword',
  'event.type': 'keyword',
  'event.action': 'keyword',
  'event.severity': 'long',
  'event.outcome': 'keyword',
  'event.start': 'date',
  'event.end': 'date',
  'log.level': 'keyword',
  'log.syslog.severity.code': 'long',
  'log.syslog.severity.name': 'keyword',
  'rule.name': 'keyword',
  'rule.ruleset': 'keyword',
  'observer.vendor': 'keyword',
  'observer.product': 'keyword',
  'observer.type': 'keyword',
  'host.name': 'keyword',
  'host.hostname': 'keyword',
  'process.pid': 'long',
  'process.entity_id': 'keyword',
  'process.name': 'keyword',
  'process.executable': 'keyword',
  'process.command_line': 'wildcard',
  'process.user.id': 'keyword',
  'process.parent.pid': 'long',
  'process.parent.name': 'keyword',
  'process.parent.executable': 'keyword',
  'process.parent.command_line': 'wildcard',
  'user.id': 'keyword',
  'user.name': 'keyword',
  'container.id': 'keyword',
  'container.name': 'keyword',
  'container.image.name': 'keyword',
  'orchestrator.type': 'keyword',
  'orchestrator.namespace': 'keyword',
  'orchestrator.resource.type': 'keyword',
  'orchestrator.resource.name': 'keyword',
  'file.path': 'keyword',
  'file.name': 'keyword',
  'file.directory': 'keyword',
  'source.ip': 'ip',
  'source.port': 'long',
  'destination.ip': 'ip',
  'destination.port': 'long',
  'threat.framework': 'keyword',
  'threat.technique.id': 'keyword',
  'threat.technique.subtechnique.id': 'keyword',
};

/** Values of event.type that ECS expects with each event.category. */
const EXPECTED: Readonly<Record<string, string>> = {
  intrusion_detection: 'allowed denied info',
  file: 'access change creation deletion info',
  network: 'access allowed connection denied end info protocol start',
  process: 'access change end info start',
  driver: 'change end info start',
  host: 'access change end info start',
};

const fits = (type: string, value: unknown): boolean => {
  if (type === 'long') return Number.isSafeInteger(value);
  if (typeof value !== 'string') return false;
  if (type === 'date')
    return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(value) && !Number.isNaN(Date.parse(value));
  return type === 'ip' ? isIP(value) !== 0 : true;
};

const leaves = (value: object, path: string): [path: string, value: unknown][] =>
  Object.entries(value).flatMap(([name, member]) => {
    const at = path === '' ? name : `${path}.${name}`;
    return typeof member === 'object' && member !== null && !Array.isArray(member)
      ? leaves(member, at)
      : [[at, member]];
  });

/** What in a record is not ECS's: fields it does not have, values of other types, types of events that don't go with their category. */
export const ecsProblems = ({ shrike: _own, ...record }: Readonly<Record<string, unknown>>): readonly string[] => {
  const found = leaves(record, '');
  const values = Object.fromEntries(found);
  const categories = values['event.category'] as string[];
  const types = values['event.type'] as string[];
  const expected = categories.flatMap((category) => EXPECTED[category]?.split(' ') ?? []);
  return [
    ...found.filter(([path]) => TYPES[path] === undefined).map(([path]) => `ECS has no ${path} that is known here`),
    ...found
      .filter(([path, value]) => ![value].flat().every((each) => fits(TYPES[path] ?? '', each)))
      .map(([path, value]) => `${path} is ${JSON.stringify(value)}, which is no ${TYPES[path]}`),
    ...categories.filter((category) => EXPECTED[category] === undefined).map((category) => `category ${category}`),
    ...types.filter((type) => !expected.includes(type)).map((type) => `type ${type} of ${categories.join(', ')}`),
    ...(values['event.kind'] === 'alert' ? [] : ['event.kind']),
  ];
};
