import type { FieldRef } from '../language/index.ts';
import type { Position } from '../rule.ts';

/** A key of sequences: all steps in one tree of processes. */
export const TREE_KEY = 'proc.tree';

interface Common {
  /** Nanoseconds from the first event to the last, both included: 1 ms to 24 h. */
  readonly within: bigint;
  /** Events with the same values are looked at together; none: all of the host. */
  readonly by: readonly FieldRef[];
  /** Where the rule says it, for diagnostics. */
  readonly position: Position;
}

/** A rule raises an alert where more than so many of its matches fall into a window; after it, the count starts anew. */
export interface Threshold extends Common {
  readonly kind: 'threshold';
  /** From 1 to 1,000,000. */
  readonly moreThan: number;
}

/** A rule that is one step of a sequence: the steps are rules of the same name, and the last raises the alert. */
export interface SequenceStep extends Common {
  readonly kind: 'sequence';
  /** From 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Each step's process is the first step's, or a descendant of it. */
  readonly tree: boolean;
}

/** What a rule's matches come to when they are looked at together. */
export type Correlation = Threshold | SequenceStep;

/** A match, as far as alerts name it later. */
export interface Occurrence {
  /** Nanoseconds since boot. */
  readonly time: bigint;
  /** evt.num. */
  readonly number: number;
  /** The event's type. */
  readonly event: string;
  readonly pid: number;
}

/** What correlation lets go of, for want of room. */
export interface Dropped {
  /** Keys, or partial sequences. */
  keys: number;
  /** Matches that were counted under them. */
  matches: number;
}
