import { type Compiled, type EventRecord, MAX_BUCKETS, rulesLimitedInKernel } from '../rules/index.ts';
import { type TokenBucket, takeToken } from './token.ts';

/** Alerts of a rule in a cgroup that its own limit held back. */
interface Held {
  /** Index into the plan's rules. */
  readonly rule: number;
  /** The cgroup's id. */
  readonly cgroup: bigint;
  readonly records: number;
}

/** Token buckets of rules' own limits where no program keeps them: where user space decides the rule, or looks at several events. */
export interface OwnLimits {
  /** Takes a token for an alert about a record; false where there is none: then it is counted as held back. */
  take(rule: number, record: Pick<EventRecord, 'layout' | 'cgroup' | 'time'>): boolean;
  held(): readonly Held[];
}

interface Bucket extends TokenBucket {
  readonly rule: number;
  readonly cgroup: bigint;
  held: number;
}

/** Buckets are full at first; as in the kernel, pairs of a rule and a cgroup beyond `most` have no limit. */
export const createOwnLimits = ({ plan, layouts }: Compiled, most: number = MAX_BUCKETS): OwnLimits => {
  const inKernel = new Map(layouts.map((layout) => [layout, rulesLimitedInKernel(plan, layout)]));
  const buckets = new Map<string, Bucket>();
  /** Drops what is as if it had never been there. */
  const sweep = (time: bigint): void => {
    for (const [key, { full, held }] of buckets) if (full <= time && held === 0) buckets.delete(key);
  };
  return {
    take: (index, { layout, cgroup, time }) => {
      const rule = plan.rules[index];
      if (rule?.limit === undefined || rule.action !== 'alert' || inKernel.get(layout)?.has(index) === true)
        return true;
      const key = `${index} ${cgroup}`;
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        if (buckets.size >= most) sweep(time);
        if (buckets.size >= most) return true;
        bucket = { rule: index, cgroup, full: 0n, held: 0 };
        buckets.set(key, bucket);
      }
      const { interval, burst } = rule.limit;
      if (takeToken(bucket, { interval: BigInt(interval), burst: BigInt(burst) }, time)) return true;
      bucket.held++;
      return false;
    },
    held: () =>
      [...buckets.values()].flatMap(({ rule, cgroup, held: records }) =>
        records === 0 ? [] : { rule, cgroup, records },
      ),
  };
};
