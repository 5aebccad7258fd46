/** What is wrong with a log, in a sentence that names entries and places. */
export interface AuditFinding {
  readonly code: 'checkpoint' | 'tile' | 'shrunk' | 'forked' | 'changed' | 'missing' | 'moved' | 'extra';
  /** The first entry that it is about, and the last; left out where it is about the log as a whole. */
  readonly first?: number;
  readonly last?: number;
  readonly message: string;
}

/** Findings beyond these are not listed. */
export const MOST_FINDINGS = 20;

/** `entry 7 is`, `entries 7 to 9 are`. */
export const entriesAre = (first: number, last: number): string =>
  first === last ? `entry ${first} is` : `entries ${first} to ${last} are`;
