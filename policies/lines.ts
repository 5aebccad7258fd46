import type { Position } from '../rules/index.ts';

/** The place in a file of an offset into its text. Lines end with \n; columns count UTF-16 units. */
export type PlaceOf = (offset: number) => Position;

/** Finds places in one file's text. */
export const placesIn = (file: string, text: string): PlaceOf => {
  const starts = [0];
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return (offset) => {
    const target = Math.min(Math.max(offset, 0), text.length);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= target) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: target - (starts[low] ?? 0) + 1 };
  };
};
