import type { Histogram } from '../latency.ts';

/** How publishing stands. */
export interface PublisherState {
  readonly connected: boolean;
  /** Whether a JetStream stream takes the alerts; false while not connected. */
  readonly stream: boolean;
  /** Alerts that the server has acknowledged since the start; those that it had lost and got again count again. */
  readonly published: number;
  /** Alerts larger than the server takes; they are in the audit log only. */
  readonly refused: number;
  /** Alerts sent and not acknowledged yet. */
  readonly inFlight: number;
  /** Entries of the log, alerts and others, behind the last acknowledged alert. */
  readonly behind: number;
  /** How often the server had gone back, or was another, and got what it lacked again. */
  readonly rewinds: number;
  /** How often what was under way was sent again, by reason. */
  readonly resent: Readonly<Record<'overtaken' | 'doubtful' | 'failed', number>>;
  /** From an alert's commit to its acknowledgement; alerts that had to be read from disk again are not counted. */
  readonly latency: Histogram;
  /** The last thing that went wrong, in a sentence. */
  readonly lastError: string | undefined;
}

/** Publishes the alerts of an audit log to NATS, in order, each until the server acknowledges it. */
export interface Publisher {
  readonly state: PublisherState;
  /** How many committed alerts are not acknowledged yet. */
  pending(): Promise<number>;
  /** Waits until every alert appended so far is acknowledged; false when that takes longer than `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Stops at once; alerts not acknowledged stay in the log for the next start. */
  close(): Promise<void>;
}
