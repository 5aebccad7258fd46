import { PRIORITIES, type Priority } from '../../rules/index.ts';
import { bodyTextOf, type LogLine } from './lines.ts';

/** A process as an alert names it. */
export interface ProcessGlance {
  readonly pid: number;
  /** Nanoseconds since boot. */
  readonly start: number;
  readonly exe: string | null;
  readonly cmdline: string | null;
  readonly uid: number;
}

/** An ancestor as an alert names it. */
export interface AncestorGlance {
  readonly pid: number;
  readonly exe: string | null;
  readonly cmdline: string | null;
}

/** Which rule of which policy raised an alert, and where. */
export interface RuleGlance {
  readonly host: string;
  readonly policy: string;
  readonly policyHash: string;
  readonly rule: string;
  readonly priority: Priority;
}

/** What a report counts of an alert, without taking all of it apart. */
export interface AlertGlance {
  readonly time: string;
  /** The same text stands for the same `by`. */
  readonly byText: string;
  readonly by: RuleGlance;
  readonly verdict: 'allow' | 'deny' | 'kill' | undefined;
  readonly enforced: boolean | undefined;
  /** Matches that it stands for. */
  readonly matches: number;
  readonly isCounting: boolean;
  readonly process: ProcessGlance;
  /** JSON of the ancestors, parent first; the same text stands for the same processes. */
  readonly ancestorsText: string;
}

const PLAIN = '[^"\\\\]*';
/** The members up to the output, in the order in which they are written. */
const HEAD = new RegExp(
  `\\{"v":1,(?:"id":"${PLAIN}","seq":\\d+,)?"time":"(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z)",` +
    `("host":"${PLAIN}","policy":"${PLAIN}","policyHash":"${PLAIN}","rule":"${PLAIN}","priority":"[a-z]+"),` +
    `"tags":\\[[^\\]]*\\],"hook":"${PLAIN}","event":"${PLAIN}"(?:,"verdict":"(allow|deny|kill)")?(?:,"enforced":(true|false))?,"output":"`,
  'y',
);
/*
 * Within a JSON string each quote has a backslash before it. So a quote behind a comma is one of the text's structure, and a member's name that is
 * found with the comma before it is a member, whatever the values hold.
 */
const PROCESS = ',"process":{';
const PROCESS_HEAD =
  /"pid":(\d+),"start":(\d+),"exe":("(?:[^"\\]|\\.)*"|null),"cmdline":("(?:[^"\\]|\\.)*"|null),"uid":(\d+),"ancestors":(?=\[)/y;
const ANCESTORS_END = /\]\},"[a-z]/g;
const AGGREGATED = ',"aggregated":{';
const COUNT = /"count":(\d+)/y;

const isPriority = (text: unknown): text is Priority => PRIORITIES.includes(text as Priority);

const textIn = (json: string): string | null => {
  if (json === 'null') return null;
  return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
};

/** Rules that alerts named, by `byText`; begun anew where a log has more than rules can be. */
const MOST_KNOWN = 10_000;
const known = new Map<string, RuleGlance>();

const ruleGlance = (body: Readonly<Record<string, unknown>>): RuleGlance | undefined => {
  const { rule, priority } = body;
  if (typeof rule !== 'string' || !isPriority(priority)) return undefined;
  return { host: textOf(body.host), policy: textOf(body.policy), policyHash: textOf(body.policyHash), rule, priority };
};

const knownRule = (byText: string): RuleGlance | undefined => {
  const before = known.get(byText);
  if (before !== undefined) return before;
  const by = ruleGlance(JSON.parse(`{${byText}}`) as Readonly<Record<string, unknown>>);
  if (by === undefined) return undefined;
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(byText, by);
  return by;
};

const quickGlance = ({ text, bodyAt }: LogLine): AlertGlance | undefined => {
  HEAD.lastIndex = bodyAt;
  const head = HEAD.exec(text);
  if (head === null) return undefined;
  const [, time = '', byText = ''] = head;
  const by = knownRule(byText);
  if (by === undefined) return undefined;
  const missing = head[3] === undefined ? 'verdict":' : head[4] === undefined ? 'enforced":' : undefined;
  if (missing !== undefined && text.includes(missing, HEAD.lastIndex)) return undefined;
  const processAt = text.indexOf(PROCESS, HEAD.lastIndex);
  if (processAt < 0) return undefined;
  PROCESS_HEAD.lastIndex = processAt + PROCESS.length;
  const process = PROCESS_HEAD.exec(text);
  if (process === null) return undefined;
  const ancestorsAt = PROCESS_HEAD.lastIndex;
  ANCESTORS_END.lastIndex = ancestorsAt;
  const end = ANCESTORS_END.exec(text);
  if (end === null) return undefined;
  const aggregatedAt = text.indexOf(AGGREGATED, HEAD.lastIndex);
  let matches = 1;
  if (aggregatedAt >= 0) {
    COUNT.lastIndex = aggregatedAt + AGGREGATED.length;
    const counted = COUNT.exec(text);
    if (counted === null) return undefined;
    matches = Number(counted[1]);
  }
  return {
    time,
    byText,
    by,
    verdict: head[3] as AlertGlance['verdict'],
    enforced: head[4] === undefined ? undefined : head[4] === 'true',
    matches,
    isCounting: aggregatedAt >= 0,
    process: {
      pid: Number(process[1]),
      start: Number(process[2]),
      exe: textIn(process[3]!),
      cmdline: textIn(process[4]!),
      uid: Number(process[5]),
    },
    ancestorsText: text.slice(ancestorsAt, end.index + 1),
  };
};

/** A JSON object, or one without members. */
export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
export const numberOf = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The body of a line; undefined where it is no JSON object. */
export const bodyOf = (line: LogLine): Readonly<Record<string, unknown>> | undefined => {
  try {
    const body: unknown = JSON.parse(bodyTextOf(line));
    return typeof body === 'object' && body !== null ? objectOf(body) : undefined;
  } catch {
    return undefined;
  }
};

const wholeGlance = (line: LogLine): AlertGlance | undefined => {
  const body = bodyOf(line);
  if (body === undefined) return undefined;
  const { time, verdict, enforced, aggregated } = body;
  const by = ruleGlance(body);
  const isTime = typeof time === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(time);
  if (!isTime || by === undefined) return undefined;
  const process = objectOf(body.process);
  return {
    time,
    byText: JSON.stringify(by),
    by,
    verdict: verdict === 'allow' || verdict === 'deny' || verdict === 'kill' ? verdict : undefined,
    enforced: typeof enforced === 'boolean' ? enforced : undefined,
    matches: aggregated === undefined ? 1 : numberOf(objectOf(aggregated).count),
    isCounting: aggregated !== undefined,
    process: {
      pid: numberOf(process.pid),
      start: numberOf(process.start),
      exe: textOrNull(process.exe),
      cmdline: textOrNull(process.cmdline),
      uid: numberOf(process.uid),
    },
    ancestorsText: JSON.stringify(Array.isArray(process.ancestors) ? process.ancestors : []),
  };
};

/** Looks at the line of an alert; undefined where its body is none. */
export const glanceAt = (line: LogLine): AlertGlance | undefined => quickGlance(line) ?? wholeGlance(line);

/** The ancestors of `ancestorsText`, parent first. */
export const ancestorsIn = (text: string): readonly AncestorGlance[] => {
  try {
    const parsed: unknown = JSON.parse(text);
    if (!Array.isArray(parsed)) return [];
    return parsed.map(objectOf).map(({ pid, exe, cmdline }) => ({
      pid: numberOf(pid),
      exe: textOrNull(exe),
      cmdline: textOrNull(cmdline),
    }));
  } catch {
    return [];
  }
};
