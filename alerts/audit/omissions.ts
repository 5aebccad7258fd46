import type { Priority } from '../../rules/index.ts';
import type { AuditKind } from './line.ts';

/** What an entry is about, as far as it decides whether there is room for it. */
export interface About {
  readonly rule: string;
  readonly priority: Priority;
}

/** Why there was no room: the disk was full, or it refused or was slow for so long that no more could wait in memory. */
export type OmissionReason = 'disk full' | 'memory full';

/** Entries that were not made, as a `shed` or `loss` entry says it. */
export interface OmissionRecord {
  readonly reason: OmissionReason;
  readonly records: number;
  /** ISO 8601: when the first and the last of them came. */
  readonly first: string;
  readonly last: string;
  readonly of: readonly ({ readonly kind: AuditKind; readonly records: number } & Partial<About>)[];
}

/** Counts entries that find no room, until that can be recorded. */
export interface Omissions {
  readonly records: number;
  /** `shed`: it was left out for what is more important; `loss`: there was no way to keep it. */
  count(as: 'shed' | 'loss', reason: OmissionReason, time: string, kind: AuditKind, about: About | undefined): void;
  /** What was counted since the last time, and the kind of entry that says so; counts from 0 again. */
  take(): readonly { readonly as: 'shed' | 'loss'; readonly record: OmissionRecord }[];
}

interface Tally {
  readonly as: 'shed' | 'loss';
  readonly reason: OmissionReason;
  first: string;
  last: string;
  readonly of: Map<string, { readonly kind: AuditKind; readonly about: About | undefined; records: number }>;
}

export const createOmissions = (): Omissions => {
  const tallies = new Map<string, Tally>();
  let records = 0;
  return {
    get records() {
      return records;
    },
    count(as, reason, time, kind, about) {
      records++;
      let tally = tallies.get(`${as} ${reason}`);
      if (tally === undefined) {
        tally = { as, reason, first: time, last: time, of: new Map() };
        tallies.set(`${as} ${reason}`, tally);
      }
      tally.last = time;
      const key = about === undefined ? kind : `${kind} ${about.priority} ${about.rule}`;
      const counted = tally.of.get(key);
      if (counted === undefined) tally.of.set(key, { kind, about, records: 1 });
      else counted.records++;
    },
    take() {
      const taken = [...tallies.values()].map(({ as, reason, first, last, of }) => {
        const counted = [...of.values()];
        const record = {
          reason,
          records: counted.reduce((sum, each) => sum + each.records, 0),
          first,
          last,
          of: counted.map(({ kind, about, records: count }) => ({
            kind,
            ...(about && { rule: about.rule, priority: about.priority }),
            records: count,
          })),
        };
        return { as, record };
      });
      tallies.clear();
      records = 0;
      return taken;
    },
  };
};
