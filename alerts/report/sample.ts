/** Chooses what is shown in full: of each group as many as there is room for, the first ones, and its last. */
export interface Sample<T> {
  offer(group: string, item: T): void;
  /** What was chosen, and how many of each group there were; where there are more groups than room, those of the lowest rank come first. */
  take(rank: (group: string) => number): readonly Chosen<T>[];
}

export interface Chosen<T> {
  readonly group: string;
  readonly items: readonly T[];
  readonly of: number;
}

interface Group<T> {
  first: T[];
  last: T | undefined;
  of: number;
}

/** @param limit how many are chosen at most, in all */
export const createSample = <T>(limit: number): Sample<T> => {
  const groups = new Map<string, Group<T>>();
  let quota = limit;
  let held = 0;

  const shrink = (): void => {
    while (held > 2 * limit && quota > 1) {
      quota = Math.floor(quota / 2);
      held = 0;
      for (const group of groups.values()) {
        if (group.first.length > quota) group.first = group.first.slice(0, quota);
        held += group.first.length;
      }
    }
  };
  /** How many are chosen where each group may have so many and its last. */
  const needed = (each: number): number => {
    let sum = 0;
    for (const { first, of } of groups.values()) sum += Math.min(first.length, each) + (of > each ? 1 : 0);
    return sum;
  };

  return {
    offer(name, item) {
      let group = groups.get(name);
      if (group === undefined) {
        group = { first: [], last: undefined, of: 0 };
        groups.set(name, group);
      }
      group.of++;
      group.last = item;
      if (group.first.length >= quota) return;
      group.first.push(item);
      if (++held > 2 * limit) shrink();
    },
    take(rank) {
      let each = quota;
      while (each > 0 && needed(each) > limit) each--;
      let room = limit;
      const ranked = [...groups].sort(([one], [other]) => rank(one) - rank(other));
      return ranked.map(([group, { first, last, of }]) => {
        const chosen = first.slice(0, each);
        const final = of > chosen.length ? last : undefined;
        const items = (final === undefined ? chosen : [...chosen, final]).slice(0, room);
        room -= items.length;
        return { group, items, of };
      });
    },
  };
};
