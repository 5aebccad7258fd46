/** The greatest or the least value that a measurement is meant to have. */
export type Target = ({ readonly most: number } | { readonly least: number }) & { readonly of: 'median' | 'ratio' };

/** One thing to measure. */
export interface Case {
  readonly name: string;
  readonly unit:
    | 'ns/run'
    | 'ns/call'
    | 'ms'
    | 'calls/s'
    | 'events/s'
    | 'alerts/s'
    | 'matches/s'
    | 'records/s'
    | 's'
    | 'MB';
  /** The case of the same suite that this one is compared with. */
  readonly baseline?: string;
  readonly target?: Target;
  /** Takes one sample, in the case's unit. */
  sample(): number | Promise<number>;
}

/** What a case came to: one line of the bench's output. A case without a baseline has no ratio. */
export interface Measurement {
  readonly suite: string;
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  /** Median of the case it is compared with, sampled in the same run. */
  readonly baseline?: number;
  readonly ratio?: number;
  readonly samples: number;
  readonly target?: Target;
  readonly met?: boolean;
}

/** The middle of the values; the mean of the two in the middle where their number is even. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
};

/** Nanoseconds that `work` takes. */
export const nanoseconds = (work: () => void): number => {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
};

/**
 * Nanoseconds that `work` takes of a processor, on a machine that does other things too: the time that went by, or what all threads
 * of this process used together where that is less.
 */
export const busyNanoseconds = (work: () => void): number => {
  const before = process.cpuUsage();
  const elapsed = nanoseconds(work);
  const { user, system } = process.cpuUsage(before);
  return Math.min(elapsed, (user + system) * 1000);
};

/** Seconds that `work` takes of a processor, as {@link busyNanoseconds}. */
export const busySeconds = async (work: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage();
  const from = performance.now();
  await work();
  const elapsed = (performance.now() - from) / 1e3;
  const { user, system } = process.cpuUsage(before);
  return Math.min(elapsed, (user + system) / 1e6);
};

const isMet = (target: Target, value: number): boolean =>
  'most' in target ? value <= target.most : value >= target.least;

/** Numbers for people and files: four significant digits. */
const rounded = (value: number): number => Number(value.toPrecision(4));

/**
 * Samples all cases of a suite in turn, one sample each a round, so that what slows the machine down for a while slows all of them;
 * a first round warms up and is not counted.
 */
export const measure = async (
  suite: string,
  cases: readonly Case[],
  samples: number,
): Promise<readonly Measurement[]> => {
  const values = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round <= samples; round++) {
    for (const each of cases) {
      const value = await each.sample();
      if (round > 0) values.get(each.name)?.push(value);
    }
  }
  const medianOf = (name: string): number => median(values.get(name) ?? []);
  return cases.map(({ name, unit, baseline, target }) => {
    const found = medianOf(name);
    const ratio = baseline === undefined ? undefined : found / medianOf(baseline);
    const compared = target?.of === 'ratio' ? ratio : found;
    return {
      suite,
      name,
      unit,
      median: rounded(found),
      ...(baseline === undefined || ratio === undefined
        ? {}
        : { baseline: rounded(medianOf(baseline)), ratio: rounded(ratio) }),
      samples,
      ...(target === undefined ? {} : { target, met: compared !== undefined && isMet(target, compared) }),
    };
  });
};
