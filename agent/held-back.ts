import { BUCKET, type Compiled, rulesLimitedInKernel } from '../rules/index.ts';
import type { Kernel, KernelMap } from '../sensors/index.ts';
import type { FoundLoss } from './losses.ts';
import type { OwnLimits } from './own-limits.ts';

/** Records of a rule in a cgroup that its limit held back. */
export interface HeldBack {
  readonly rule: string;
  /** Its path, or its id where there is none any more. */
  readonly cgroup: string;
  readonly records: number;
  /** Whose limit: the rule's own, or the agent's. */
  readonly limit: 'rule' | 'agent';
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
  /** The buckets that user space keeps. */
  readonly own: OwnLimits;
}

/** Looking through all buckets may take a hundredth of the time. */
const PAUSE = 100;

/** How to have all matches. */
const REMEDY = { rule: 'raise it in its policy', agent: 'raise --rate-limit' } as const;

export const createHeldBack = ({ kernel, compiled, buckets, own }: HeldBackOptions): HeldBackWatch => {
  /** By rule, cgroup and limit; a rule may have buckets at several hooks. */
  const totals = new Map<string, HeldBack>();
  const ownAt = compiled.layouts.map((layout) => rulesLimitedInKernel(compiled.plan, layout));
  const read = (): Map<string, HeldBack> => {
    const now = new Map<string, HeldBack>();
    const add = (index: number, id: bigint, records: number, limit: HeldBack['limit']): void => {
      const rule = compiled.plan.rules[index];
      if (rule === undefined || records === 0) return;
      const place = `${index} ${id} ${limit}`;
      now.set(place, {
        rule: rule.name,
        cgroup: totals.get(place)?.cgroup ?? kernel.cgroupPath(id) ?? String(id),
        records: (now.get(place)?.records ?? 0) + records,
        limit,
      });
    };
    for (const key of buckets.keys()) {
      const value = buckets.lookup(key);
      if (value === undefined) continue;
      const view = viewOf(key);
      const hook = view.getUint16(BUCKET.key.hook, true);
      const index = compiled.layouts[hook]?.rules[view.getUint16(BUCKET.key.bit, true)];
      if (index === undefined) continue;
      const records = Number(viewOf(value).getBigUint64(BUCKET.value.held, true));
      const limit = ownAt[hook]?.has(index) === true ? 'rule' : 'agent';
      add(index, view.getBigUint64(BUCKET.key.cgroup, true), records, limit);
    }
    for (const { rule, cgroup, records } of own.held()) add(rule, cgroup, records, 'rule');
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
      for (const [place, { rule, cgroup, limit, records: total }] of now) {
        const records = total - (totals.get(place)?.records ?? 0);
        if (records <= 0) continue;
        totals.set(place, { rule, cgroup, records: total, limit });
        found.push({
          lifecycle: false,
          body: { rule, cgroup, records, limit },
          alert: {
            rule: 'Rule held back',
            event: 'shed',
            priority: 'notice',
            hook: '',
            output: `${records.toLocaleString('en-US')} matches of "${rule}" in ${cgroup} were more than its limit and are not in the log one by one; ${REMEDY[limit]} to have them`,
            fields: { rule, cgroup, records, limit },
          },
        });
      }
      return found;
    },
    totals: () => [...totals.values()],
  };
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
