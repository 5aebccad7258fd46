import type { Generation } from './generation.ts';
import type { HeldBack } from './held-back.ts';
import type { RingTotal } from './losses.ts';

/** What generations of policies came to, added up. */
export interface Totals {
  readonly rings: readonly RingTotal[];
  readonly heldBack: readonly HeldBack[];
}

type Counted = Pick<Generation, 'losses' | 'heldBack'>;

/** What generations came to that have ended. */
export interface Past extends Totals {
  add(generation: Counted): void;
  /** With those that have not ended yet, as they stand. */
  with(generations: Iterable<Counted>): Totals;
}

const totalsOf = ({ losses, heldBack }: Counted): Totals => ({
  rings: losses.totals().rings,
  heldBack: heldBack.totals(),
});

const sum = (all: readonly Totals[]): Totals => {
  const rings = new Map<string, RingTotal>();
  const heldBack = new Map<string, HeldBack>();
  for (const total of all.flatMap((totals) => totals.rings)) {
    const { hook, ring, received, lost } = total;
    const before = rings.get(`${hook} ${ring}`) ?? { received: 0, lost: 0 };
    rings.set(`${hook} ${ring}`, { ...total, received: before.received + received, lost: before.lost + lost });
  }
  for (const total of all.flatMap((totals) => totals.heldBack)) {
    const { rule, cgroup, limit, records } = total;
    const place = `${limit} ${cgroup} ${rule}`;
    const before = heldBack.get(place)?.records ?? 0;
    heldBack.set(place, { ...total, records: before + records });
  }
  return { rings: [...rings.values()], heldBack: [...heldBack.values()] };
};

export const createPast = (): Past => {
  let ended: Totals = { rings: [], heldBack: [] };
  return {
    add: (generation) => {
      ended = sum([ended, totalsOf(generation)]);
    },
    with: (generations) => sum([ended, ...[...generations].map(totalsOf)]),
    get rings() {
      return ended.rings;
    },
    get heldBack() {
      return ended.heldBack;
    },
  };
};
