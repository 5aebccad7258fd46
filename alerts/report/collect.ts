import { PRIORITIES, type Priority } from '../../rules/index.ts';
import { createGaps, type Gaps } from './gaps.ts';
import { type AlertGlance, bodyOf, glanceAt, numberOf, textOf } from './glance.ts';
import { type Bars, createTimeHistogram } from './histogram.ts';
import { type BadLine, type LogLine, readLines } from './lines.ts';
import { createProcessTree, type ProcessTree } from './process-tree.ts';
import { createRuns, type Runs } from './runs.ts';
import { createSample } from './sample.ts';

/** What a rule raised. */
export interface RuleTotal {
  readonly rule: string;
  readonly policy: string;
  readonly priority: Priority;
  readonly hashes: Set<string>;
  alerts: number;
  /** What the alerts stand for, each at least one match. */
  matches: number;
  denied: number;
  killed: number;
  first: string;
  last: string;
  /** What its alerts are counted as in the tree, and shown as. */
  readonly key: string;
}

/** Attempts to deny or kill that ended alike. */
export interface AttemptTotal {
  readonly rule: string;
  readonly policy: string;
  readonly action: string;
  readonly outcome: string;
  /** Whether the call failed or the process was killed. */
  readonly isDone: boolean;
  count: number;
  first: string;
  last: string;
  readonly firstSeq: number;
}

/** Enforcement was switched, or lapsed. */
export interface SwitchEntry {
  readonly seq: number;
  readonly time: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Entries that the log should have and has not: `from` to `to` are missing before `at`. */
export interface Hole {
  readonly from: number;
  readonly to: number;
}

export interface Collected {
  /** Entries read, by kind; those outside of the times asked for included. */
  readonly entries: number;
  readonly firstSeq: number | undefined;
  readonly lastSeq: number | undefined;
  readonly firstTime: string | undefined;
  readonly lastTime: string | undefined;
  /** Entries in the times asked for, by kind. */
  readonly kinds: ReadonlyMap<string, number>;
  readonly hosts: ReadonlySet<string>;
  readonly alerts: number;
  readonly matches: number;
  readonly byPriority: ReadonlyMap<Priority, number>;
  /** Times of the first and last alert or attempt. */
  readonly happenedFirst: string | undefined;
  readonly happenedLast: string | undefined;
  /** Whether events happened at another time than they were recorded: a simulation, or a recording. */
  readonly isReplayed: boolean;
  readonly rules: readonly RuleTotal[];
  readonly attempts: readonly AttemptTotal[];
  readonly switches: readonly SwitchEntry[];
  readonly omittedSwitches: number;
  /** Counts by the series {@link SERIES}. */
  readonly timeline: Bars;
  readonly tree: ProcessTree;
  readonly gaps: Gaps;
  readonly runs: Runs;
  /** Lines that are shown in full. */
  readonly shown: readonly LogLine[];
  /** How many of each kind and rule are shown of how many. */
  readonly shares: readonly { readonly group: string; readonly shown: number; readonly of: number }[];
  /** The first of the lines that are none of a log's, and how many there are. */
  readonly bad: readonly BadLine[];
  readonly badCount: number;
  readonly holes: readonly Hole[];
  readonly holeCount: number;
}

/** What the timeline tells apart. */
export const SERIES = ['critical and above', 'error', 'warning', 'below warning', 'denied or killed'] as const;
const DONE_SERIES = SERIES.length - 1;
const SERIES_OF: Readonly<Record<Priority, number>> = {
  emergency: 0,
  alert: 0,
  critical: 0,
  error: 1,
  warning: 2,
  notice: 3,
  informational: 3,
  debug: 3,
};
const MOST_BARS = 120;
const MOST_LISTED = 20;
const MOST_SWITCHES = 200;
const MOST_GROUPS = 2_000;
/** Milliseconds between an event and its entry beyond which it is a replay. */
const REPLAYED_MS = 24 * 3_600_000;

export interface CollectOptions {
  readonly folder: string;
  readonly since?: Date;
  readonly until?: Date;
  /** Entries that are shown in full at most. */
  readonly limit: number;
  /** Checksums of lines from this one on are checked; those before are checked otherwise. */
  readonly checkFrom?: number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** Milliseconds since 1970 of ISO 8601 times in UTC; times that follow one another are mostly of the same second. */
const createClock = (): ((time: string) => number) => {
  let second = '';
  let base = 0;
  return (time) => {
    if (!time.startsWith(second) || second === '') {
      second = time.slice(0, 19);
      base = Date.parse(`${second}Z`);
    }
    return base + Number(time.slice(20, 23));
  };
};

/** A time as entries have it. */
const isoOf = (time: Date): string => time.toISOString().replace(/Z$/, '000000Z');

const doneBy = ({ denied, outcome }: Readonly<Record<string, unknown>>): boolean =>
  denied === true || outcome === 'denied' || outcome === 'killed';

/** How urgent a group of entries is, for what is shown in full: 0 first. */
const rankOf = (group: string): number => {
  const [kind = '', priority = ''] = group.split(' ');
  if (kind === 'start' || kind === 'stop' || kind === 'loss') return 0;
  if (kind === 'enforcement') return 1;
  if (kind === 'alert') return 2 + PRIORITIES.indexOf(priority as Priority);
  return 20;
};

const newTotal = (rule: string, policy: string, priority: Priority, time: string): RuleTotal => ({
  rule,
  policy,
  priority,
  hashes: new Set(),
  alerts: 0,
  matches: 0,
  denied: 0,
  killed: 0,
  first: time,
  last: time,
  key: `alert ${priority} ${rule}`,
});

/** Reads an audit log once and adds up what a report says; what it keeps does not grow with the log. Changes nothing. */
export const collect = async (options: CollectOptions): Promise<Collected> => {
  const since = options.since === undefined ? '' : isoOf(options.since);
  const until = options.until === undefined ? '~' : isoOf(options.until);
  const milliseconds = createClock();
  const recorded = createClock();
  const kinds = new Map<string, number>();
  const hosts = new Set<string>();
  const rules = new Map<string, RuleTotal>();
  const byRuleText = new Map<string, RuleTotal>();
  const attempts = new Map<string, AttemptTotal>();
  const switches: SwitchEntry[] = [];
  const timeline = createTimeHistogram(SERIES.length);
  const tree = createProcessTree();
  const gaps = createGaps();
  const runs = createRuns();
  const sample = createSample<LogLine>(options.limit);
  const groups = new Set<string>();
  const bad: BadLine[] = [];
  const holes: Hole[] = [];
  let [entries, badCount, holeCount, omittedSwitches] = [0, 0, 0, 0];
  let firstSeq: number | undefined;
  let lastSeq: number | undefined;
  let firstTime: string | undefined;
  let lastTime: string | undefined;
  let happenedFirst: string | undefined;
  let happenedLast: string | undefined;
  let isReplayed = false;

  const isWanted = (time: string): boolean => time >= since && time < until;
  const groupOf = (group: string): string => {
    const name = groups.has(group) || groups.size < MOST_GROUPS ? group : 'others';
    groups.add(name);
    return name;
  };
  const show = (group: string, line: LogLine): void => sample.offer(groupOf(group), line);
  const happens = (time: string): void => {
    if (happenedFirst === undefined || time < happenedFirst) happenedFirst = time;
    if (happenedLast === undefined || time > happenedLast) happenedLast = time;
  };
  const unreadable = (line: LogLine, problem: string): void => {
    badCount++;
    if (bad.length < MOST_LISTED) bad.push({ path: `entry ${line.seq}`, number: 0, problem });
  };

  /** More rules than policies have: of a log that somebody made up. */
  const otherRules = ({ by: { priority }, time }: AlertGlance): RuleTotal => {
    const name = `${priority} others`;
    const known = rules.get(name);
    if (known !== undefined) return known;
    const total = newTotal('other rules', '', priority, time);
    rules.set(name, total);
    return total;
  };

  /** The total of an alert's rule. */
  const ruleOf = (glance: AlertGlance): RuleTotal => {
    const { byText, by, time } = glance;
    const known = byRuleText.get(byText);
    if (known !== undefined) return known;
    const { rule, policy, policyHash, priority, host } = by;
    hosts.add(host);
    const name = `${priority} ${rule} ${policy}`;
    if (rules.size >= MOST_GROUPS && !rules.has(name)) return otherRules(glance);
    let total = rules.get(name);
    if (total === undefined) {
      total = newTotal(rule, policy, priority, time);
      rules.set(name, total);
    }
    if (total.hashes.size < MOST_LISTED) total.hashes.add(policyHash);
    if (byRuleText.size >= MOST_GROUPS) byRuleText.clear();
    byRuleText.set(byText, total);
    return total;
  };

  const takeAlert = (line: LogLine): boolean => {
    const glance = glanceAt(line);
    if (glance === undefined) {
      unreadable(line, 'its body is no alert');
      return false;
    }
    const { time, verdict, enforced } = glance;
    const { priority, rule } = glance.by;
    if (glance.isCounting) gaps.told(rule);
    if (!isWanted(time)) return false;
    const total = ruleOf(glance);
    total.alerts++;
    total.matches += glance.matches;
    if (enforced === true && verdict === 'deny') total.denied++;
    if (enforced === true && verdict === 'kill') total.killed++;
    if (time < total.first) total.first = time;
    if (time > total.last) total.last = time;
    const at = milliseconds(time);
    if (!isReplayed && Math.abs(recorded(line.time) - at) > REPLAYED_MS) isReplayed = true;
    timeline.add(at, SERIES_OF[priority], 1);
    happens(time);
    tree.add(glance, { key: total.key, time, seq: line.seq });
    sample.offer(total.key, line);
    return true;
  };

  const takeAttempt = (line: LogLine, body: Readonly<Record<string, unknown>>): boolean => {
    const { seq } = line;
    if (body.switched !== undefined || body.lapsed !== undefined) {
      if (!isWanted(line.time)) return false;
      if (switches.length < MOST_SWITCHES) switches.push({ seq, time: line.time, body });
      else omittedSwitches++;
      show('enforcement switch', line);
      return true;
    }
    const [time, rule, outcome] = [textOf(body.time) || line.time, textOf(body.rule), textOf(body.outcome)];
    if (!isWanted(time)) return false;
    const isDone = doneBy(body);
    const action = textOf(body.action);
    const key = `${outcome} ${isDone} ${action} ${rule}`;
    const known = attempts.get(key);
    if (known === undefined) {
      const policy = textOf(body.policy);
      attempts.set(key, { rule, policy, action, outcome, isDone, count: 1, first: time, last: time, firstSeq: seq });
    } else {
      known.count++;
      if (time < known.first) known.first = time;
      if (time > known.last) known.last = time;
    }
    if (isDone) timeline.add(milliseconds(time), DONE_SERIES, 1);
    happens(time);
    const exe = typeof body.exe === 'string' ? body.exe : null;
    const process = { pid: numberOf(body.pid), start: numberOf(body.start), exe };
    const happening = { key: `attempt ${isDone ? 'done' : 'not'} ${outcome}\t${rule}`, time, seq };
    tree.addAlone(process, happening);
    show(`enforcement ${outcome} ${rule}`, line);
    return true;
  };

  /** Takes an entry that is no alert; says whether it is in the times asked for. */
  const takeOther = (line: LogLine): boolean => {
    const { kind, seq, time } = line;
    const body = bodyOf(line);
    if (body === undefined) {
      unreadable(line, 'its body is no JSON object');
      return false;
    }
    if (kind === 'enforcement') return takeAttempt(line, body);
    if (kind === 'start') {
      runs.start(seq, time, body);
      hosts.add(textOf(body.host));
    }
    if (kind === 'stop') runs.stop(seq, time, body);
    const isRotation = body.rotated !== undefined;
    if (kind === 'policy' && !isRotation) runs.policy(seq, time, body);
    if (!isWanted(time)) return false;
    if (kind === 'loss' || kind === 'shed') gaps.add(kind, seq, time, body);
    if (kind !== 'policy' || isRotation) show(`${kind} ${textOf(body.rule)}`, line);
    return true;
  };

  await readLines(
    options.folder,
    {
      line(line) {
        const { seq, time, kind } = line;
        entries++;
        firstSeq ??= seq;
        firstTime ??= time;
        if (lastSeq !== undefined && seq !== lastSeq + 1) {
          holeCount++;
          if (holes.length < MOST_LISTED) holes.push({ from: lastSeq + 1, to: seq - 1 });
        }
        lastSeq = seq;
        lastTime = time;
        const isTaken = kind === 'alert' ? takeAlert(line) : takeOther(line);
        if (isTaken) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        runs.entry(seq, time);
      },
      bad(line) {
        badCount++;
        if (bad.length < MOST_LISTED) bad.push(line);
        lastSeq = lastSeq === undefined ? undefined : lastSeq + 1;
      },
    },
    {
      ...(options.checkFrom !== undefined && { checkFrom: options.checkFrom }),
      ...(options.onProgress && { onProgress: options.onProgress }),
    },
  );
  tree.end();
  const totals = [...rules.values()].sort((one, other) => other.alerts - one.alerts);
  const byPriority = new Map<Priority, number>();
  for (const { priority, alerts } of totals) byPriority.set(priority, (byPriority.get(priority) ?? 0) + alerts);
  const taken = sample.take(rankOf);
  return {
    entries,
    firstSeq,
    lastSeq,
    firstTime,
    lastTime,
    kinds,
    hosts,
    alerts: totals.reduce((sum, each) => sum + each.alerts, 0),
    matches: totals.reduce((sum, each) => sum + each.matches, 0),
    byPriority,
    happenedFirst,
    happenedLast,
    isReplayed,
    rules: totals,
    attempts: [...attempts.values()].sort(
      (one, other) => Number(other.isDone) - Number(one.isDone) || other.count - one.count,
    ),
    switches,
    omittedSwitches,
    timeline: timeline.bars(MOST_BARS),
    tree,
    gaps,
    runs,
    shown: taken.flatMap(({ items }) => items).sort((one, other) => one.seq - other.seq),
    shares: taken.map(({ group, items, of }) => ({ group, shown: items.length, of })),
    bad,
    badCount,
    holes,
    holeCount,
  };
};
