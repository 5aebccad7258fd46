/** Edits (insert, delete, replace, swap neighbours) from one name to the other, `limit + 1` where there are more than `limit`. */
export const editDistance = (from: string, to: string, limit: number): number => {
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    let best = row;
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current.push(cost);
      best = Math.min(best, cost);
    }
    if (best > limit) return limit + 1;
    beforeLast = last;
    last = current;
  }
  return Math.min(last[to.length]!, limit + 1);
};

/**
 * The candidate that was most likely meant, by Damerau-Levenshtein distance without regard to case; the first of several as near.
 * Without `maxDistance` a third of the name's length, rounded up, is allowed, at most 4.
 */
export const nearest = (
  name: string,
  candidates: Iterable<string>,
  maxDistance: number = Math.min(4, Math.ceil(name.length / 3)),
): string | undefined => {
  const wanted = name.toLowerCase();
  let found: string | undefined;
  let limit = maxDistance;
  for (const candidate of candidates) {
    if (candidate === name) continue;
    const distance = editDistance(wanted, candidate.toLowerCase(), limit);
    if (distance > limit) continue;
    found = candidate;
    if (distance === 0) return found;
    limit = distance - 1;
  }
  return found;
};
