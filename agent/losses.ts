import type { HookName } from '../engine/object/index.ts';
import {
  busyAt,
  type Compiled,
  CRITICAL_PRIORITIES,
  type EventRecord,
  lostAt,
  RINGS,
  type Ring,
} from '../rules/index.ts';
import type { Kernel, KernelMap } from '../sensors/index.ts';
import type { BuiltIn } from './built-in.ts';
import { FIRST } from './load.ts';

/** What one hook put in one ring buffer, and what found no room there. */
export interface RingTotal {
  readonly hook: HookName;
  readonly ring: Ring;
  readonly received: number;
  readonly lost: number;
}

/** What a run has not seen, so far. */
export interface LossTotals {
  /** Hooks and rings that had records. */
  readonly rings: readonly RingTotal[];
  /** Runs of programs that the kernel left out because one was running on that CPU already, by hook. */
  readonly missed: ReadonlyMap<string, number>;
}

/** A loss that was found, as the audit log has it and as an alert. */
export interface FoundLoss {
  readonly body: Readonly<Record<string, string | number>>;
  readonly alert: BuiltIn;
  /** Records of exec, fork or exit may be among it: the process table is no longer right. */
  readonly lifecycle: boolean;
}

/** Finds what is lost between programs and user space, by counts that both keep. */
export interface Losses {
  /** A record has arrived. */
  received(record: EventRecord): void;
  /** What was lost since the last check. */
  check(): readonly FoundLoss[];
  totals(): LossTotals;
}

export interface LossesOptions {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** The object's map `lost`. */
  readonly lost: KernelMap;
  /** What was left out by hook, as far as it was found before; it is kept up. */
  readonly missed?: Map<string, number>;
}

/** A share in words: `0.3 % of 1,003`. */
const shareOf = (part: number, whole: number): string => {
  const percent = (100 * part) / whole;
  const text = percent >= 10 ? percent.toFixed(0) : percent >= 0.1 ? percent.toFixed(1) : 'less than 0.1';
  return `${text} % of ${whole.toLocaleString('en-US')}`;
};

const plural = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;

export const createLosses = ({ kernel, compiled, lost, missed = new Map() }: LossesOptions): Losses => {
  const { layouts, plan } = compiled;
  const slots = layouts.flatMap((layout) =>
    RINGS.map((ring) => ({ hook: layout.hook, ring, at: lostAt(layout.index, ring), received: 0, lost: 0, before: 0 })),
  );
  const slotOf = (hook: number, ring: Ring) => slots[RINGS.length * hook + RINGS.indexOf(ring)];
  /** Runs that found no scratch value, by hook. */
  const busy = new Map<string, number>();
  const critical = plan.rules.map(({ priority }) => CRITICAL_PRIORITIES.has(priority));

  const checkRings = (): FoundLoss[] => {
    const value = lost.lookup(FIRST);
    if (value === undefined) return [];
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return slots.flatMap((slot) => {
      const total = Number(view.getBigUint64(slot.at, true));
      const records = total - slot.lost;
      const received = slot.received - slot.before;
      slot.lost = total;
      slot.before = slot.received;
      if (records <= 0) return [];
      const { hook, ring } = slot;
      const what = `${plural(records, 'record')} of ${hook} found no room in the ring buffer "${ring}"`;
      return {
        lifecycle: hook.startsWith('tp_btf/sched_process_'),
        body: { hook, ring, records, received },
        alert: {
          rule: 'Events lost',
          event: 'loss',
          priority: ring === 'critical' ? 'critical' : 'warning',
          hook,
          output: `${what} (${shareOf(records, records + received)} since the last look); a larger --ring-size or a lower --rate-limit helps`,
          fields: { hook, ring, records, received },
        },
      };
    });
  };
  const checkBusy = (): FoundLoss[] => {
    const value = lost.lookup(FIRST);
    if (value === undefined) return [];
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return layouts.flatMap(({ hook, index }) => {
      const total = Number(view.getBigUint64(busyAt(index), true));
      const runs = total - (busy.get(hook) ?? 0);
      if (runs <= 0) return [];
      busy.set(hook, total);
      return {
        lifecycle: false,
        body: { hook, busy: runs },
        alert: {
          rule: 'Events lost',
          event: 'loss',
          priority: 'critical',
          hook,
          output: `${plural(runs, 'run')} of the program at ${hook} found others under way on the same CPU and did nothing: nothing was seen or denied there`,
          fields: { hook, busy: runs },
        },
      };
    });
  };
  const checkMissed = (): FoundLoss[] => {
    const now = new Map<string, number>();
    for (const program of kernel.stats()) now.set(program.hook, (now.get(program.hook) ?? 0) + program.missed);
    return [...now].flatMap(([hook, total]) => {
      const runs = total - (missed.get(hook) ?? 0);
      if (runs <= 0) return [];
      missed.set(hook, total);
      return {
        lifecycle: hook.startsWith('tp_btf/sched_process_'),
        body: { hook, missed: runs },
        alert: {
          rule: 'Events lost',
          event: 'loss',
          priority: 'warning',
          hook,
          output: `the kernel left out ${plural(runs, 'run')} of the program at ${hook}, since it was running on that CPU already`,
          fields: { hook, missed: runs },
        },
      };
    });
  };

  return {
    received: (record) => {
      const ring = record.matched.some((rule) => critical[rule]) ? 'critical' : 'events';
      const slot = slotOf(record.layout.index, ring);
      if (slot !== undefined) slot.received++;
    },
    check: () => [...checkRings(), ...checkBusy(), ...checkMissed()],
    totals: () => ({
      rings: slots.flatMap(({ hook, ring, received, lost: gone }) =>
        received + gone === 0 ? [] : { hook, ring, received, lost: gone },
      ),
      missed,
    }),
  };
};
