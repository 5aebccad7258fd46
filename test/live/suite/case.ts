import type { Host, Need } from './host.ts';

/** A test of a kernel: the same on the simulated one and on Linux. */
export interface Case {
  /** `group: what is so`; the group is the hook or feature that the table at the end counts by. */
  readonly name: string;
  /** What a host must have; a host without it skips the case and says why. */
  readonly needs: readonly Need[];
  run(host: Host): Promise<void>;
}

/** The cases of one hook or feature. */
export const group = (
  name: string,
  needs: readonly Need[],
  cases: Readonly<Record<string, ((host: Host) => Promise<void>) | [readonly Need[], (host: Host) => Promise<void>]>>,
): readonly Case[] =>
  Object.entries(cases).map(([what, one]) => {
    const [more, run] = Array.isArray(one) ? one : [[], one];
    return { name: `${name}: ${what}`, needs: [...needs, ...more], run };
  });
