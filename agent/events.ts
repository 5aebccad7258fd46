import { type Alert, type Attempt, type AuditLog, raiseAlert, type Unnumbered } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import {
  type Compiled,
  type Correlated,
  type Correlator,
  decodeRecord,
  decodeWindow,
  type EventRecord,
  isWindow,
  RecordError,
  type Rule,
  type RuleMatching,
  residualOf,
} from '../rules/index.ts';
import {
  containersInCgroup,
  type DomainNames,
  fieldsOf,
  NO_CONTAINERS,
  type Processes,
  type ProcessTable,
  type Sensor,
  snapshotOf,
} from '../sensors/index.ts';
import { appendAlert } from './append-alert.ts';
import { attemptOf } from './attempt.ts';
import { type BuiltIn, builtInAlert } from './built-in.ts';
import { budgetSpent, type KillBudget } from './kill-budget.ts';
import type { TreeKiller } from './kill-tree.ts';
import { keyOf, type Noise } from './noise/index.ts';
import type { OwnLimits } from './own-limits.ts';
import type { Tally } from './tally.ts';
import type { Waiting } from './waiting.ts';

export interface EventsOptions {
  readonly sensor: Sensor;
  readonly host: string;
  readonly policies: readonly Policy[];
  readonly compiled: Compiled;
  readonly log: AuditLog;
  readonly table: ProcessTable;
  readonly tally: Tally;
  /** Domain names of addresses; left out where none is looked up. */
  readonly domains?: DomainNames | undefined;
  /** Looks at matches of several events together. */
  readonly correlator: Correlator;
  /** Rules' own limits where no program keeps them. */
  readonly limits: OwnLimits;
  /** What matches are counted instead of raised; left out: none are. */
  readonly noise?: Noise | undefined;
  /** Default all. */
  readonly ruleMatching?: RuleMatching | undefined;
  /** Events that wait for facts of their containers. */
  readonly waiting: Waiting;
  /** Every record, once the table has taken it. */
  readonly onRecord: (record: EventRecord) => void;
  /** Records that are passed over; asked for every one. */
  readonly ignore?: (record: EventRecord) => boolean;
  readonly onAlert?: (alert: Alert) => void;
  /** Kills descendants; left out where nobody can. */
  readonly tree?: TreeKiller | undefined;
  /** How often one executable may be killed. */
  readonly budget?: KillBudget | undefined;
  readonly progress: Progress;
}

/** How far records have come, of all generations of rules together. */
export interface Progress {
  /** Time of the last record, in nanoseconds since boot; 0 before the first. */
  lastTime: bigint;
  /** Records that no program wrote. */
  readonly unreadable: Failures;
  /** Records that could not be worked on, or whose alerts could not be logged. */
  readonly failed: Failures;
}

export const createProgress = (): Progress => ({
  lastTime: 0n,
  unreadable: { records: 0, reason: '' },
  failed: { records: 0, reason: '' },
});

/** Records that came to nothing. */
export interface Failures {
  records: number;
  /** Why the last did. */
  reason: string;
}

/** Turns records into alerts in the audit log. */
export interface Events {
  /** Takes a record; never throws: what goes wrong with it is counted. */
  handle(bytes: Uint8Array): void;
  /** Takes what no program but fanotify saw; never throws, as `handle`. */
  take(record: EventRecord): void;
  /** Raises an alert of the agent's own. */
  raise(alert: BuiltIn): void;
  /** Counts what goes wrong in `act` as a failed record. */
  guarded(act: () => void): void;
}

/** What became of a rule that may match an event: `held back` by its own limit, or its facts are still to come. */
type Decision = 'raised' | 'dropped' | 'held back' | 'pending';

/** Whether of rules like this only the first that matches an event raises an alert, where so is asked for. */
export const isExclusive = ({ action, correlation }: Rule): boolean => action === 'alert' && correlation === undefined;

export const createEvents = (options: EventsOptions): Events => {
  const { sensor, host, policies, compiled, log, table, tally, correlator, limits, noise, waiting, progress } = options;
  const isFirstOnly = options.ruleMatching === 'first';
  const { kernel, containers = NO_CONTAINERS } = sensor;
  const { rules } = compiled.plan;
  const hashes = new Map(policies.map((policy) => [policy.name, policy.hash]));
  const residual = residualOf(compiled.plan);
  const { unreadable, failed } = progress;

  const noises = rules.map((rule) => noise?.of(rule));
  const attempted = (rule: Rule, record: EventRecord, attempt: Attempt): void => {
    log.append('enforcement', attempt);
    if (rule.tree && attempt.outcome === 'killed')
      options.tree?.condemn(attempt, record, rule.scope.cgroup ?? sensor.scope);
  };
  const raise = (rule: Rule, index: number, record: EventRecord, alert: Unnumbered): void => {
    const isLogged = appendAlert(log, host, alert);
    if (rule.action !== 'alert')
      attempted(
        rule,
        record,
        attemptOf(rule, index, record, {
          policyHash: alert.policyHash,
          wallTime: kernel.wallTime(record.time),
          processes: table,
          cgroup: kernel.cgroupPath(record.cgroup),
          fields: alert.fields,
        }),
      );
    if (isLogged || rule.action !== 'alert') tally.count(rule, alert.enforced === true ? rule.action : undefined);
    if (isLogged) options.onAlert?.(alert);
  };
  /** What rules are checked on: an event with the processes as they were then, and its container as it is known by now. */
  const occurrenceOf = (record: EventRecord, processes: Processes) => {
    const number = tally.events;
    const wallTime = kernel.wallTime(record.time);
    const cgroup = kernel.cgroupPath(record.cgroup);
    let pending: Set<string> | undefined;
    const fields = fieldsOf(record, {
      processes,
      number,
      wallTime,
      cgroupPath: () => cgroup,
      containers,
      onPending: (field) => {
        pending ??= new Set();
        pending.add(field);
      },
      accounts: sensor.accounts,
      domains: options.domains,
    });
    const event = record.event?.type ?? '';
    const kin = correlator.kinOf(record);
    const isPending = (): boolean => pending !== undefined && pending.size > 0;
    /** Raises or drops, if not a fact may still come that it depends on. */
    const decide = (rule: Rule, index: number, final: boolean): Decision => {
      pending?.clear();
      if (!residual.matches(index, record, fields)) {
        tally.residualDropped++;
        return 'dropped';
      }
      let correlated: Correlated | undefined;
      if (rule.correlation !== undefined) {
        for (const field of [...correlator.reads(index), ...(rule.aggregate?.by ?? [])]) fields(field);
        if (isPending() && !final) return 'pending';
        const occurrence = { time: record.time, number, event, pid: record.pid };
        correlated = correlator.correlate(index, occurrence, fields, kin);
        if (correlated === undefined) return 'dropped';
      }
      const its = noises[index];
      const key = its && keyOf(rule, fields, correlated?.step);
      if (its !== undefined && isPending() && !final && correlated === undefined) return 'pending';
      if (its !== undefined && key !== undefined && its.counts(key)) {
        if (!limits.take(index, record)) return 'held back';
        its.count(key, record.time, noise?.now ?? record.time);
        tally.aggregated++;
        return 'raised';
      }
      const alert = raiseAlert(rule, index, record, fields, {
        host,
        kernel: kernel.features.name,
        policyHash: hashes.get(rule.policy) ?? '',
        wallTime,
        processes,
        container: cgroup === undefined ? undefined : containers.facts(cgroup),
        pending: () => pending,
        correlated,
      });
      if (isPending() && !final && correlated === undefined) return 'pending';
      if (!limits.take(index, record)) return 'held back';
      if (its !== undefined && key !== undefined) its.raise(alert, key, record.time, noise?.now ?? record.time);
      else raise(rule, index, record, alert);
      return 'raised';
    };
    return { decide, container: cgroup === undefined ? '' : (containersInCgroup(cgroup)[0]?.id ?? '') };
  };
  const decide = (record: EventRecord): void => {
    const { decide: decideNow, container } = occurrenceOf(record, table);
    let isTaken = false;
    /** Whether the rule is done with the event; one that fails is. */
    const settle = (index: number, final: boolean, by: typeof decideNow): boolean => {
      const rule = rules[index];
      if (rule === undefined) return true;
      const excludes = isFirstOnly && isExclusive(rule);
      if (excludes && isTaken) {
        tally.hidden++;
        return true;
      }
      let decision: Decision = 'dropped';
      try {
        decision = by(rule, index, final || rule.action !== 'alert');
      } catch (error) {
        failedWith(error);
      }
      if (excludes && decision === 'raised') isTaken = true;
      return decision !== 'pending';
    };
    let left: number[] | undefined;
    const matched = isFirstOnly ? record.matched.toSorted((one, other) => one - other) : record.matched;
    for (const index of correlator.order(matched)) {
      const acts = rules[index]?.action !== 'alert';
      const waits = left !== undefined || waiting.holds(container);
      if ((acts || !waits) && settle(index, acts, decideNow)) continue;
      left ??= [];
      left.push(index);
    }
    if (left === undefined) return;
    const rest = left;
    const kept = record.keep();
    const { decide: decideLater } = occurrenceOf(kept, snapshotOf(table, kept));
    waiting.add(container, (final) => {
      while (rest[0] !== undefined && settle(rest[0], final, decideLater)) rest.shift();
      return rest.length === 0;
    });
  };
  const failedWith = (error: unknown): void => {
    const failures = error instanceof RecordError ? unreadable : failed;
    failures.records++;
    failures.reason = error instanceof Error ? error.message : String(error);
  };
  const guarded = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      failedWith(error);
    }
  };
  const raiseBuiltIn = (builtIn: BuiltIn): void => {
    const wallTime = kernel.wallTime(sensor.now?.() ?? progress.lastTime);
    const alert = builtInAlert(builtIn, { host, kernel: kernel.features.name, wallTime });
    if (!appendAlert(log, host, alert)) return;
    tally.count({ name: builtIn.rule, priority: builtIn.priority });
    options.onAlert?.(alert);
  };
  return {
    guarded,
    handle: (bytes) =>
      guarded(() => {
        if (isWindow(bytes)) {
          correlator.counted(decodeWindow(bytes));
          return;
        }
        const record = decodeRecord(bytes, compiled.layouts);
        tally.events++;
        progress.lastTime = record.time;
        noise?.advance(record.time);
        if (record.kind === 'fork' || (record.kind === 'exec' && table.get(record.pid, record.start) === undefined))
          tally.processes++;
        table.apply(record);
        correlator.began(record);
        options.onRecord(record);
        if (options.ignore?.(record) !== true && record.matched.length > 0) decide(record);
        if (record.usedUp) raiseBuiltIn(budgetSpent(record, options.budget, table, kernel.cgroupPath(record.cgroup)));
        correlator.ended(record);
      }),
    take: (record) =>
      guarded(() => {
        tally.events++;
        decide(record);
      }),
    raise: raiseBuiltIn,
  };
};
