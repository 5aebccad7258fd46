import type { Priority, Trust } from '../rules/index.ts';

/** The alert record; JSON, one object a line. A member that doesn't apply is left out, one that isn't known is null. */
export interface Alert {
  readonly v: 1;
  /** `<host>-<seq>`. */
  readonly id: string;
  readonly seq: number;
  /** ISO 8601 with nanoseconds, UTC. */
  readonly time: string;
  readonly host: string;
  readonly policy: string;
  readonly policyHash: string;
  readonly rule: string;
  readonly priority: Priority;
  readonly tags: readonly string[];
  readonly hook: string;
  /** The event's type: `openat`. */
  readonly event: string;
  readonly verdict?: 'allow' | 'deny' | 'kill';
  /** Whether the verdict took effect; left out for rules that only alert. */
  readonly enforced?: boolean;
  readonly output: string;
  readonly fields: Readonly<Record<string, FieldJson>>;
  readonly trust: Readonly<Record<string, Trust>>;
  readonly process: {
    readonly pid: number;
    /** Nanoseconds since boot. */
    readonly start: number;
    readonly exe: string | null;
    readonly cmdline: string | null;
    readonly uid: number;
    /** Parent first. */
    readonly ancestors: readonly {
      readonly pid: number;
      readonly exe: string | null;
      readonly cmdline: string | null;
    }[];
  };
  /** Left out on the host; beside the id what its runtime had said when the alert was raised. */
  readonly container?: {
    readonly id: string;
    readonly name?: string;
    readonly image?: string;
    readonly pod?: string;
    readonly namespace?: string;
  };
  /** Fields about the container that were still being asked for when the alert was raised; left out where there are none. */
  readonly pending?: readonly string[];
  /** What several events came to; the record's other members are about the last of them. Left out for alerts of one event. */
  readonly correlation?: {
    readonly kind: 'threshold' | 'sequence';
    /** Matches in the window, or steps. */
    readonly count: number;
    /** Nanoseconds that the rule allows between the first and the last. */
    readonly within: number;
    /** What the events have in common, by field. */
    readonly key: Readonly<Record<string, FieldJson>>;
    /** Times of the first and the last event, as `time`. */
    readonly from: string;
    readonly to: string;
    /** The last matches of a threshold, or all steps; `number` is evt.num. */
    readonly events: readonly {
      readonly number: number;
      readonly time: string;
      readonly event: string;
      readonly pid: number;
    }[];
  };
  /** What this alert counts; left out for one that stands for a single match. The sum over a rule's alerts is the number of its matches. */
  readonly aggregated?: {
    /** Matches that this alert stands for, and no other does. */
    readonly count: number;
    /** Times of the first and the last of them, as `time`; where the count is 0 both are the last match's before. */
    readonly since: string;
    readonly until: string;
    /** What they have in common, by field; nothing in a storm. */
    readonly key: Readonly<Record<string, FieldJson>>;
    /** Id of the alert that they follow, whose members these are; left out in a storm's first. */
    readonly first?: string;
    /** The rule raises more alerts than a rate: its matches are counted instead. */
    readonly storm?: {
      readonly phase: 'begins' | 'goes on' | 'over';
      /** Matches of the storm so far, this alert's included. */
      readonly total: number;
      /** Alerts a second beyond which it is one. */
      readonly limit: number;
    };
    /** Why it is told before its time. */
    readonly early?: 'room' | 'reload' | 'stop';
  };
  /** The kernel's name, `sim 6.12`. */
  readonly kernel: string;
}

export type FieldJson = string | number | boolean | null | readonly string[];
