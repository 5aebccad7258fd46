/** A line of a diff: kept, taken out or put in. */
type Edit = readonly [kind: ' ' | '-' | '+', line: string];

const CONTEXT = 3;

/** The shortest way from one list of lines to another (Myers, An O(ND) Difference Algorithm, 1986). */
const editsOf = (before: readonly string[], after: readonly string[]): readonly Edit[] => {
  const most = before.length + after.length;
  let reach = new Map<number, number>([[1, 0]]);
  const history: ReadonlyMap<number, number>[] = [];
  for (let distance = 0; distance <= most; distance++) {
    history.push(reach);
    const next = new Map(reach);
    for (let diagonal = -distance; diagonal <= distance; diagonal += 2) {
      const down =
        diagonal === -distance || (diagonal !== distance && far(reach, diagonal - 1) < far(reach, diagonal + 1));
      let x = down ? far(reach, diagonal + 1) : far(reach, diagonal - 1) + 1;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x++;
      next.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) return walkBack(before, after, history);
    }
    reach = next;
  }
  return [];
};

const far = (reach: ReadonlyMap<number, number>, diagonal: number): number => reach.get(diagonal) ?? -1;

const walkBack = (
  before: readonly string[],
  after: readonly string[],
  history: readonly ReadonlyMap<number, number>[],
): readonly Edit[] => {
  const edits: Edit[] = [];
  let [x, y] = [before.length, after.length];
  for (const [distance, reach] of [...history.entries()].reverse()) {
    const diagonal = x - y;
    const down =
      diagonal === -distance || (diagonal !== distance && far(reach, diagonal - 1) < far(reach, diagonal + 1));
    const fromDiagonal = down ? diagonal + 1 : diagonal - 1;
    const fromX = distance === 0 ? 0 : far(reach, fromDiagonal);
    const fromY = distance === 0 ? 0 : fromX - fromDiagonal;
    while (x > fromX && y > fromY && (x > fromX + (down ? 0 : 1) || y > fromY + (down ? 1 : 0) || distance === 0)) {
      edits.push([' ', before[--x] ?? '']);
      y--;
    }
    if (distance === 0) break;
    if (down) edits.push(['+', after[--y] ?? '']);
    else edits.push(['-', before[--x] ?? '']);
  }
  return edits.reverse();
};

/** What is different between two texts, in the unified format with three lines around; empty where nothing is. */
export const unifiedDiff = (name: string, before: string, after: string): readonly string[] => {
  if (before === after) return [];
  const edits = editsOf(before.replace(/\n$/, '').split('\n'), after.replace(/\n$/, '').split('\n'));
  const lines: string[] = [`--- ${name}`, `+++ ${name}`];
  let [old, fresh] = [1, 1];
  let index = 0;
  while (index < edits.length) {
    if (edits[index]?.[0] === ' ') {
      index++;
      old++;
      fresh++;
      continue;
    }
    const start = Math.max(0, index - CONTEXT);
    let end = index;
    for (let at = index; at < edits.length && at <= end + 2 * CONTEXT; at++) if (edits[at]?.[0] !== ' ') end = at;
    const hunk = edits.slice(start, Math.min(edits.length, end + CONTEXT + 1));
    const size = (kind: '-' | '+'): number => hunk.filter(([each]) => each === ' ' || each === kind).length;
    const lead = index - start;
    lines.push(
      `@@ -${old - lead},${size('-')} +${fresh - lead},${size('+')} @@`,
      ...hunk.map(([kind, line]) => `${kind}${line}`),
    );
    for (const [kind] of edits.slice(index, start + hunk.length)) {
      if (kind !== '+') old++;
      if (kind !== '-') fresh++;
    }
    index = start + hunk.length;
  }
  return lines;
};
