import type { Generation } from './generation.ts';
import type { HeldBack } from './held-back.ts';
import type { RingTotal } from './losses.ts';

/** What generations of policies came to that have ended, added up. */
export interface Past {
  add(generation: Pick<Generation, 'losses' | 'heldBack'>): void;
  readonly rings: readonly RingTotal[];
  readonly heldBack: readonly HeldBack[];
}

export const createPast = (): Past => {
  const rings = new Map<string, RingTotal>();
  const heldBack = new Map<string, HeldBack>();
  return {
    add: (generation) => {
      for (const total of generation.losses.totals().rings) {
        const { hook, ring, received, lost } = total;
        const before = rings.get(`${hook} ${ring}`) ?? { received: 0, lost: 0 };
        rings.set(`${hook} ${ring}`, { ...total, received: before.received + received, lost: before.lost + lost });
      }
      for (const total of generation.heldBack.totals()) {
        const { rule, cgroup, limit, records } = total;
        const place = `${limit} ${cgroup} ${rule}`;
        const before = heldBack.get(place)?.records ?? 0;
        heldBack.set(place, { ...total, records: before + records });
      }
    },
    get rings() {
      return [...rings.values()];
    },
    get heldBack() {
      return [...heldBack.values()];
    },
  };
};
