/** A stream of random choices, the same for the same seed. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** One of the entries, each as often as its weight says. */
  weighted<T>(list: readonly (readonly [weight: number, entry: T])[]): T;
  /** 64 bits of which borders, small numbers and patterns are more frequent than others. */
  number64(): bigint;
  /** The same of 32 bits, signed. */
  number32(): number;
}

const BORDERS32 = [
  0,
  1,
  -1,
  2,
  7,
  8,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  0x7fff,
  0xffff,
  0x10000,
  0x7fffffff,
  -(2 ** 31),
];

export function createRandom(seed: number): Random {
  let state = seed | 0;
  /** mulberry32. */
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  const random: Random = {
    below: (below) => next() % below,
    between: (least, most) => least + (next() % (most - least + 1)),
    chance: (probability) => next() < probability * 2 ** 32,
    pick: (list) => list[next() % list.length]!,
    weighted(list) {
      let left = next() % list.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, entry] of list) {
        if (left < weight) return entry;
        left -= weight;
      }
      throw new Error('no weight');
    },
    number32: () =>
      random.chance(0.6) ? random.pick(BORDERS32) : random.chance(0.5) ? random.between(-70, 70) : next() | 0,
    number64() {
      const low = BigInt(random.number32());
      switch (next() % 5) {
        case 0:
          return BigInt.asUintN(64, low);
        case 1:
          return BigInt.asUintN(64, 1n << BigInt(random.below(64)));
        case 2:
          return BigInt.asUintN(64, (1n << BigInt(random.below(64))) - 1n);
        case 3:
          return (BigInt(next()) << 32n) | BigInt(next());
        default:
          return BigInt.asUintN(64, (low << 32n) | BigInt(next()));
      }
    },
  };
  return random;
}
