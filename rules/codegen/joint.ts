import { accepts, holds, type LeafFormula, leavesOf } from './chain.ts';
import type { Dimension } from './dimensions.ts';

/** Two dimensions of one text, some rule asking about either: neither of them rules it out alone, but their rows together do. */
export interface Joint {
  readonly first: number;
  readonly second: number;
}

/** Rows of two dimensions together at most. */
const MOST_ROWS = 1024;

/** For each row of the first dimension and each of the second whether a formula can still hold, whatever other dimensions say. */
export const possibleTogether = (
  formula: LeafFormula,
  { first, second }: Joint,
  dimensions: readonly Dimension[],
): Uint8Array => {
  const pair = [first, second].map((number) => {
    const columns = new Set<number>();
    for (const leaf of leavesOf(formula))
      if (leaf.kind === 'cell' && leaf.dimension === number) columns.add(leaf.column);
    const { count, width, bytes } = (dimensions[number] as Dimension).rows;
    const rows = Array.from({ length: count }, (_, row) => {
      const truths = new Map([...columns].map((column) => [column, bytes[row * width + column] ?? 0]));
      return { truths, key: [...truths.values()].join() };
    });
    return { number, rows };
  });
  const [one, other] = pair as [(typeof pair)[number], (typeof pair)[number]];
  const known = new Map<string, boolean>();
  return Uint8Array.from(
    one.rows.flatMap((ofFirst) =>
      other.rows.map((ofSecond) => {
        const key = `${ofFirst.key} ${ofSecond.key}`;
        let can = known.get(key);
        if (can === undefined) {
          can = holds(formula, (leaf, own) => {
            if (leaf.kind !== 'cell' || (leaf.dimension !== first && leaf.dimension !== second)) return true;
            const { truths } = leaf.dimension === first ? ofFirst : ofSecond;
            return accepts(own, truths.get(leaf.column) ?? 0);
          });
          known.set(key, can);
        }
        return can ? 1 : 0;
      }),
    ),
  );
};

/** Whether two dimensions together rule out more than each alone: in some rows that each alone leave a formula possible. */
const helps = (formula: LeafFormula, joint: Joint, dimensions: readonly Dimension[]): boolean => {
  const together = possibleTogether(formula, joint, dimensions);
  const columns = dimensions[joint.second]?.rows.count ?? 0;
  const rows = together.length / columns;
  const [byFirst, bySecond] = [new Uint8Array(rows), new Uint8Array(columns)];
  for (const [at, can] of together.entries()) {
    byFirst[Math.floor(at / columns)]! |= can;
    bySecond[at % columns]! |= can;
  }
  return together.some(
    (can, at) => can === 0 && byFirst[Math.floor(at / columns)] === 1 && bySecond[at % columns] === 1,
  );
};

/** The pairs of dimensions of one text that rule out more of some formulas together than alone. */
export const jointsOf = (formulas: Iterable<LeafFormula>, dimensions: readonly Dimension[]): readonly Joint[] => {
  const joints = new Map<string, Joint>();
  for (const formula of formulas) {
    const texts = new Map<number, string>();
    for (const leaf of leavesOf(formula)) {
      const source = leaf.kind === 'cell' ? dimensions[leaf.dimension]?.source : undefined;
      if (leaf.kind === 'cell' && source?.kind === 'string') texts.set(leaf.dimension, source.group.of);
    }
    const asked = [...texts].sort(([one], [other]) => one - other);
    for (const [index, [first, of]] of asked.entries())
      for (const [second, other] of asked.slice(index + 1)) {
        const joint = { first, second };
        const key = `${first} ${second}`;
        const rows = [first, second].reduce((product, each) => product * (dimensions[each]?.rows.count ?? 0), 1);
        if (of === other && !joints.has(key) && rows <= MOST_ROWS && helps(formula, joint, dimensions))
          joints.set(key, joint);
      }
  }
  return [...joints.values()];
};
