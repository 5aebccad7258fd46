import type { EventRecord, FieldRef, FieldValue, Trust } from '../../rules/index.ts';
import type { Accounts } from '../accounts.ts';
import type { ContainerSource } from '../containers/index.ts';
import type { DomainNames } from '../domain-names.ts';
import type { KnownProcess } from './process.ts';
import type { Processes } from './processes.ts';

/** What fields are read from beside the record. */
export interface EventContext {
  readonly processes: Processes;
  /** The event's number since the agent started. */
  readonly number: number;
  /** Nanoseconds since the Unix epoch. */
  readonly wallTime: bigint;
  /** The host's name, left out where it isn't known. */
  readonly hostname?: string;
  cgroupPath(id: bigint): string | undefined;
  /** Left out where no runtime can be asked: what isn't in the cgroup's path is unknown. */
  readonly containers?: ContainerSource;
  /** Told of each field that is unknown only because a runtime has not answered yet. */
  onPending?(field: string): void;
  /** Left out where nobody can tell names of users and groups. */
  readonly accounts?: Accounts | undefined;
  /** Left out where no domain name can be looked up. */
  readonly domains?: DomainNames | undefined;
}

/** Reads a field of an event. */
export type Reader = (record: EventRecord, context: EventContext, field: FieldRef) => FieldValue;

export type Present = string | bigint | boolean | readonly string[];

export const ABSENT: FieldValue = { state: 'absent' };
export const UNKNOWN: FieldValue = { state: 'unknown' };
export const present = (value: Present, trust: Trust = 'resolved'): FieldValue => ({ state: 'present', value, trust });
export const presentOr = (value: Present | undefined, trust: Trust = 'resolved'): FieldValue =>
  value === undefined ? UNKNOWN : present(value, trust);

/** A fact of the event's own process. */
export const ofProcess =
  (read: (process: KnownProcess, context: EventContext) => FieldValue): Reader =>
  (record, context) => {
    const process = context.processes.get(record.pid, record.start);
    return process === undefined ? UNKNOWN : read(process, context);
  };
