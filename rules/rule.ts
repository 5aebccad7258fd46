import type { Correlation } from './correlate/index.ts';
import type { Condition, FieldRef, OutputTemplate, Span } from './language/index.ts';

/** Falco's priorities in lower case, most urgent first. */
export const PRIORITIES = [
  'emergency',
  'alert',
  'critical',
  'error',
  'warning',
  'notice',
  'informational',
  'debug',
] as const;
export type Priority = (typeof PRIORITIES)[number];

export type Action = 'alert' | 'deny' | 'kill';

/** A place in a policy file; line and column start at 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Which tasks a policy is about; each member that is there narrows it, none means all. */
export interface Scope {
  /** A cgroup v2 path, `/system.slice`; its subtree belongs to it. */
  readonly cgroup?: string;
  /** Tasks in containers of which one of the globs fits the name, and one the image or its repository; a side without globs fits all. */
  readonly container?: { readonly name: readonly string[]; readonly image: readonly string[] };
  /** Effective user ids as closed ranges, and names of users. */
  readonly uid?: {
    readonly ranges: readonly (readonly [low: number, high: number])[];
    readonly names: readonly string[];
  };
  /** Absolute paths of executables. */
  readonly executable?: readonly string[];
  /** Where the policy says it, for diagnostics. */
  readonly position?: Position;
}

/** How often a rule may raise alerts in one cgroup: one each `interval` nanoseconds on average, `burst` (at least 1) at once. */
export interface Limit {
  readonly interval: number;
  readonly burst: number;
}

/** Matches of a rule that are told of together: the first of a key at once, those that follow it within a time as one count. */
export interface Aggregate {
  /** Left out: the same output. */
  readonly by?: readonly FieldRef[];
  /** Nanoseconds. */
  readonly within: bigint;
}

/** A rule ready to compile. */
export interface Rule {
  readonly name: string;
  readonly policy: string;
  readonly description: string;
  readonly condition: Condition;
  /** The condition as written, which spans of the tree point into where they come from it (not from a macro). */
  readonly conditionText: string;
  /** Event types the rule is confined to; empty: from the condition's evt.type. */
  readonly on: readonly string[];
  readonly priority: Priority;
  readonly output: OutputTemplate;
  readonly tags: readonly string[];
  readonly action: Action;
  /** A kill takes the process's descendants too, those in the rule's scope. */
  readonly tree?: true;
  /** From the rule's policy: a rule enforces only if this says so and the agent runs with enforcement on. */
  readonly mode: 'monitor' | 'enforce';
  readonly scope: Scope;
  /** Left out: the agent's. */
  readonly limit?: Limit;
  /** Its matches raise no alerts one by one: they are counted, or are a step of a sequence. */
  readonly correlation?: Correlation;
  /** Only of rules that alert; left out: each match has an alert of its own. */
  readonly aggregate?: Aggregate;
  /** May go without evt.type: it is meant to be asked at every call. */
  readonly anyEvent?: boolean;
  readonly position: Position;
  /** Where the condition's text starts in the file, for diagnostics; undefined where the text isn't contiguous (folded YAML). */
  readonly conditionAt: (span: Span) => Position;
}
