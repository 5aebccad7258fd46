import type { Alert } from './alert.ts';

/** Members of an alert of a single match that names no container and was not acted on, in their order: most are like that. */
const MEMBERS = [
  ...['v', 'time', 'host', 'policy', 'policyHash', 'rule', 'priority', 'tags', 'hook', 'event'],
  ...['output', 'fields', 'trust', 'process', 'kernel', 'id', 'seq'],
];

const isUsual = (body: unknown): body is Alert => {
  if (typeof body !== 'object') return false;
  let count = 0;
  for (const name in body) if (name !== MEMBERS[count++]) return false;
  return count === MEMBERS.length;
};

/** Texts whose JSON is themselves between quotes. */
const PLAIN = /^[ !#-[\]-~]*$/;

const textJson = (text: string | null): string =>
  text === null ? 'null' : PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);

/** What the alerts of a rule say alike. */
type Head = Pick<Alert, 'host' | 'policy' | 'policyHash' | 'rule' | 'priority' | 'tags' | 'hook' | 'event'>;

/** By rule what its last alert began with, and the JSON of it without braces. */
const heads = new Map<string, { readonly of: Head; readonly json: string }>();
/** Rules that are remembered at once. */
const MOST_HEADS = 1024;

const isSame = (one: Head, other: Head): boolean =>
  one.event === other.event &&
  one.hook === other.hook &&
  one.tags === other.tags &&
  one.priority === other.priority &&
  one.policy === other.policy &&
  one.policyHash === other.policyHash &&
  one.host === other.host;

const headJson = (alert: Alert): string => {
  const known = heads.get(alert.rule);
  if (known !== undefined && isSame(known.of, alert)) return known.json;
  const { host, policy, policyHash, rule, priority, tags, hook, event } = alert;
  const of = { host, policy, policyHash, rule, priority, tags, hook, event };
  const json = JSON.stringify(of).slice(1, -1);
  if (heads.size >= MOST_HEADS) heads.clear();
  heads.set(rule, { of, json });
  return json;
};

/** JSON of what alerts of an output share. */
const trusts = new WeakMap<Alert['trust'], string>();

const trustJson = (trust: Alert['trust']): string => {
  let json = trusts.get(trust);
  if (json === undefined) {
    json = JSON.stringify(trust);
    trusts.set(trust, json);
  }
  return json;
};

const processJson = ({ pid, start, exe, cmdline, uid, ancestors }: Alert['process']): string => {
  let list = '';
  for (const each of ancestors)
    list += `${list === '' ? '' : ','}{"pid":${each.pid},"exe":${textJson(each.exe)},"cmdline":${textJson(each.cmdline)}}`;
  return `{"pid":${pid},"start":${start},"exe":${textJson(exe)},"cmdline":${textJson(cmdline)},"uid":${uid},"ancestors":[${list}]}`;
};

/**
 * The JSON of an alert as JSON.stringify has it; what it shares with others of its rule is not made again. Undefined for one with other members than most,
 * and for what is none.
 */
export const alertJson = (body: unknown): string | undefined => {
  if (!isUsual(body)) return undefined;
  const { time, output, fields, trust, process, kernel, id, seq } = body;
  return `{"v":1,"time":${textJson(time)},${headJson(body)},"output":${textJson(output)},"fields":${JSON.stringify(fields)},"trust":${trustJson(trust)},"process":${processJson(process)},"kernel":${textJson(kernel)},"id":${textJson(id)},"seq":${seq}}`;
};
