import { BUCKET, type Compiled } from '../rules/index.ts';
import type { Kernel, KernelMap } from '../sensors/index.ts';
import type { FoundLoss } from './losses.ts';

/** Records of a rule in a cgroup that its limit held back. */
export interface HeldBack {
  readonly rule: string;
  /** Its path, or its id where there is none any more. */
  readonly cgroup: string;
  readonly records: number;
}

/** Finds what token buckets hold back. */
export interface HeldBackWatch {
  /** What was held back since the last check; where there are many buckets it looks less often, except for the final one. */
  check(final: boolean): readonly FoundLoss[];
  totals(): readonly HeldBack[];
}

export interface HeldBackOptions {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** The object's map `buckets`. */
  readonly buckets: KernelMap;
}

/** Looking through all buckets may take a hundredth of the time. */
const PAUSE = 100;

export const createHeldBack = ({ kernel, compiled, buckets }: HeldBackOptions): HeldBackWatch => {
  /** By rule and cgroup; a rule may have buckets at several hooks. */
  const totals = new Map<string, HeldBack>();
  const read = (): Map<string, HeldBack> => {
    const now = new Map<string, HeldBack>();
    for (const key of buckets.keys()) {
      const value = buckets.lookup(key);
      if (value === undefined) continue;
      const records = Number(viewOf(value).getBigUint64(BUCKET.value.held, true));
      if (records === 0) continue;
      const view = viewOf(key);
      const layout = compiled.layouts[view.getUint16(BUCKET.key.hook, true)];
      const index = layout?.rules[view.getUint16(BUCKET.key.bit, true)];
      const rule = index === undefined ? undefined : compiled.plan.rules[index];
      if (rule === undefined) continue;
      const id = view.getBigUint64(BUCKET.key.cgroup, true);
      const place = `${index} ${id}`;
      const before = now.get(place)?.records ?? 0;
      now.set(place, {
        rule: rule.name,
        cgroup: totals.get(place)?.cgroup ?? kernel.cgroupPath(id) ?? String(id),
        records: before + records,
      });
    }
    return now;
  };
  let due = 0;
  return {
    check: (final) => {
      const start = performance.now();
      if (!final && start < due) return [];
      const now = read();
      due = start + PAUSE * (performance.now() - start);
      const found: FoundLoss[] = [];
      for (const [place, { rule, cgroup, records: total }] of now) {
        const records = total - (totals.get(place)?.records ?? 0);
        if (records <= 0) continue;
        totals.set(place, { rule, cgroup, records: total });
        found.push({
          lifecycle: false,
          body: { rule, cgroup, records },
          alert: {
            rule: 'Rule held back',
            event: 'shed',
            priority: 'notice',
            hook: '',
            output: `${records.toLocaleString('en-US')} matches of "${rule}" in ${cgroup} were more than its limit and are not in the log one by one; raise --rate-limit to have them`,
            fields: { rule, cgroup, records },
          },
        });
      }
      return found;
    },
    totals: () => [...totals.values()],
  };
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
