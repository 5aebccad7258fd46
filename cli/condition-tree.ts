import type { Condition, Predicate } from '../rules/index.ts';

/** A line of a condition drawn as a tree; `predicate` where it is a leaf. */
export interface TreeLine {
  readonly text: string;
  readonly predicate: Predicate | undefined;
}

/** Operands with those of nodes of the same kind among them in their place. */
const flatten = (kind: 'and' | 'or', operands: readonly Condition[]): readonly Condition[] =>
  operands.flatMap((operand) => (operand.kind === kind ? flatten(kind, operand.operands) : [operand]));

/** Draws a condition as a tree, one node a line; `textOf` words a predicate. */
export const conditionTree = (condition: Condition, textOf: (predicate: Predicate) => string): readonly TreeLine[] => {
  const lines: TreeLine[] = [];
  const draw = (node: Condition, first: string, rest: string): void => {
    switch (node.kind) {
      case 'predicate':
        lines.push({ text: `${first}${textOf(node)}`, predicate: node });
        return;
      case 'constant':
        lines.push({ text: `${first}${node.value ? 'always' : 'never'}`, predicate: undefined });
        return;
      case 'not':
        if (node.operand.kind === 'predicate') {
          lines.push({ text: `${first}not ${textOf(node.operand)}`, predicate: node.operand });
          return;
        }
        lines.push({ text: `${first}not`, predicate: undefined });
        draw(node.operand, `${rest}└─ `, `${rest}   `);
        return;
      default: {
        lines.push({ text: `${first}${node.kind}`, predicate: undefined });
        const operands = flatten(node.kind, node.operands);
        for (const [index, operand] of operands.entries()) {
          const isLast = index === operands.length - 1;
          draw(operand, `${rest}${isLast ? '└─ ' : '├─ '}`, `${rest}${isLast ? '   ' : '│  '}`);
        }
      }
    }
  };
  draw(condition, '', '');
  return lines;
};
