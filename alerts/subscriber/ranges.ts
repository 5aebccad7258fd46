/** Numbers after the first up to the second. */
export type Range = readonly [after: number, upTo: number];

/** How many are kept apart; beyond, the two lowest become one. */
const MOST = 512;

/** Ranges in ascending order with one more; those that touch are one. */
export const withRange = (ranges: readonly Range[], [after, upTo]: Range): readonly Range[] => {
  const last = ranges.at(-1);
  if (last !== undefined && after === last[1]) return [...ranges.slice(0, -1), [last[0], upTo]];
  const before = ranges.filter((range) => range[1] < after);
  const behind = ranges.filter((range) => range[0] > upTo);
  const touched = ranges.slice(before.length, ranges.length - behind.length);
  const all = [
    ...before,
    [Math.min(after, touched[0]?.[0] ?? after), Math.max(upTo, touched.at(-1)?.[1] ?? upTo)] as const,
    ...behind,
  ];
  const [lowest, next, ...rest] = all;
  return all.length > MOST && lowest && next ? [[lowest[0], next[1]], ...rest] : all;
};

/** Whether the ranges hold a number. */
export const holds = (ranges: readonly Range[], number: number): boolean => {
  for (let index = ranges.length - 1; index >= 0; index--) {
    const [after, upTo] = ranges[index]!;
    if (number > upTo) return false;
    if (number > after) return true;
  }
  return false;
};

/** Whether the ranges hold all of another. */
export const holdsAll = (ranges: readonly Range[], [after, upTo]: Range): boolean =>
  ranges.some((range) => range[0] <= after && upTo <= range[1]);

/** The highest number in the ranges; 0 where there is none. */
export const topOf = (ranges: readonly Range[]): number => ranges.at(-1)?.[1] ?? 0;
