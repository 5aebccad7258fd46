import type { Priority } from '../rules/index.ts';

type Enforced = 'alert' | 'deny' | 'kill' | undefined;

/** What a run has come to so far, at one moment. */
export interface TallySummary {
  /** Records that programs put in a ring buffer. */
  readonly events: number;
  /** Processes that were seen to begin, by fork or exec of one that wasn't known. */
  readonly processes: number;
  /** Rule matches that user space took back after the kernel part. */
  readonly residualDropped: number;
  /** Matches that raised no alert since an earlier rule matched the event, where only the first raises one. */
  readonly hidden: number;
  /** Matches that raised no alert of their own, and that another counts. */
  readonly aggregated: number;
  readonly alerts: number;
  readonly byPriority: Readonly<Partial<Record<Priority, number>>>;
  readonly byRule: ReadonlyMap<string, number>;
  readonly denied: number;
  readonly killed: number;
}

/** Counts what a run comes to. */
export interface Tally {
  events: number;
  processes: number;
  residualDropped: number;
  hidden: number;
  aggregated: number;
  readonly alerts: number;
  count(rule: { readonly name: string; readonly priority: Priority }, enforced?: Enforced): void;
  summary(): TallySummary;
}

export const createTally = (): Tally => {
  const byPriority: Partial<Record<Priority, number>> = {};
  const byRule = new Map<string, number>();
  let alerts = 0;
  let denied = 0;
  let killed = 0;
  const tally: Tally = {
    events: 0,
    processes: 0,
    residualDropped: 0,
    hidden: 0,
    aggregated: 0,
    get alerts() {
      return alerts;
    },
    count: (rule, enforced) => {
      alerts++;
      byPriority[rule.priority] = (byPriority[rule.priority] ?? 0) + 1;
      byRule.set(rule.name, (byRule.get(rule.name) ?? 0) + 1);
      if (enforced === 'deny') denied++;
      if (enforced === 'kill') killed++;
    },
    summary: () => ({
      events: tally.events,
      processes: tally.processes,
      residualDropped: tally.residualDropped,
      hidden: tally.hidden,
      aggregated: tally.aggregated,
      alerts,
      byPriority,
      byRule,
      denied,
      killed,
    }),
  };
  return tally;
};
