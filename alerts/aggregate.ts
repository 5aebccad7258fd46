import type { Alert } from './alert.ts';
import type { Unnumbered } from './raise.ts';
import { isoTime } from './time.ts';

type Aggregated = NonNullable<Alert['aggregated']>;

/** What an alert says of the matches that it counts. */
export interface Counted extends Pick<Aggregated, 'count' | 'key' | 'first' | 'storm' | 'early'> {
  /** Times of the first and the last of them, nanoseconds since the Unix epoch. */
  readonly since: bigint;
  readonly until: bigint;
}

const UNITS = [
  ['h', 3_600_000_000_000n],
  ['min', 60_000_000_000n],
  ['s', 1_000_000_000n],
  ['ms', 1_000_000n],
] as const;

/** A time in the largest unit that it is at least two of, rounded down. */
const spanText = (nanoseconds: bigint): string => {
  const [name, size] = UNITS.find(([, each]) => nanoseconds >= 2n * each) ?? ['ms', 1_000_000n];
  return `${nanoseconds / size} ${name}`;
};

const EARLY: Readonly<Record<NonNullable<Aggregated['early']>, string>> = {
  room: 'counting ended early for want of room',
  reload: 'counting ended with a change of policies',
  stop: 'counting ended with the agent',
};

const stormText = ({ phase, total, limit }: NonNullable<Aggregated['storm']>, counted: string): string => {
  if (phase === 'begins')
    return `storm: more than ${limit.toLocaleString('en-US')} alerts a second; from here on matches are counted`;
  const all = `${total.toLocaleString('en-US')} in all`;
  return phase === 'goes on' ? `storm goes on: ${counted}, ${all}` : `storm over: ${counted}, ${all}`;
};

const countedText = ({ count, since, until, storm, early }: Counted): string => {
  const counted = `×${count.toLocaleString('en-US')} in ${spanText(until - since)}`;
  const text = storm === undefined ? counted : stormText(storm, counted);
  return early === undefined ? text : `${text}; ${EARLY[early]}`;
};

/** An alert like another that counts matches which have none of their own; its output says so behind the other's, and its time is the last match's. */
export const countingAlert = (like: Unnumbered, counted: Counted): Unnumbered => {
  const { count, since, until, key, first, storm, early } = counted;
  return {
    ...like,
    time: isoTime(until),
    output: `${like.output} (${countedText(counted)})`,
    aggregated: {
      count,
      since: isoTime(since),
      until: isoTime(until),
      key,
      ...(first !== undefined && first !== '' && { first }),
      ...(storm !== undefined && { storm }),
      ...(early !== undefined && { early }),
    },
    id: '',
    seq: 0,
  };
};
