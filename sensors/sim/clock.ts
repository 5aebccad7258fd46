/** The virtual clock: nothing but calls and `advance` moves it. */
export class Clock {
  readonly #bootWall: bigint;
  /** Nanoseconds since boot. A number holds them exactly for 104 days. */
  ns = 1_000_000_000;

  readonly #bootSeconds: number;
  readonly #bootNanoseconds: number;

  constructor(bootTime: Date) {
    this.#bootWall = BigInt(bootTime.getTime()) * 1_000_000n;
    this.#bootSeconds = Math.floor(bootTime.getTime() / 1000);
    this.#bootNanoseconds = (bootTime.getTime() - this.#bootSeconds * 1000) * 1_000_000;
  }

  /** Since 1970. */
  get now(): { readonly seconds: number; readonly nanoseconds: number } {
    const total = this.#bootNanoseconds + this.ns;
    const seconds = Math.floor(total / 1_000_000_000);
    return { seconds: this.#bootSeconds + seconds, nanoseconds: total - seconds * 1_000_000_000 };
  }

  get bootNs(): bigint {
    return BigInt(this.ns);
  }

  wallTime(bootNs: bigint): bigint {
    return this.#bootWall + bootNs;
  }
}

/** Returns 32 random bits a call (mulberry32, Tommy Ettinger's generator); the same seed gives the same sequence. */
export const createRandom = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
};
