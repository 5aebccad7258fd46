import { type Check, fieldText, type Item, isItems, LIST_OPERATORS, type Operand, type Tree } from './syntax.ts';

const itemText = ({ text, quoted }: Item): string =>
  !quoted && /^[^()"'\s=,]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;

const operandText = (operand: Operand): string => {
  switch (operand.kind) {
    case 'field':
      return fieldText(operand);
    case 'text':
      return itemText(operand.item);
    default:
      return `${operand.name}(${operand.operands.map(operandText).join(', ')})`;
  }
};

const checkText = ({ left, operator, modifier, right }: Check): string => {
  const field = operandText(left);
  if (operator === 'exists') return `${field} exists`;
  if (!isItems(right)) return `${field} ${operator} ${operandText(right)}`;
  const items = right.map(itemText);
  if (modifier !== undefined) return `${field} ${operator} ${modifier} (${items.join(', ')})`;
  return `${field} ${operator} ${LIST_OPERATORS.has(operator) ? `(${items.join(', ')})` : items.join()}`;
};

/** A condition as text. */
export const print = (tree: Tree): string => {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return `(${tree.of.map(print).join(` ${tree.kind} `)})`;
    case 'not':
      return `not ${print(tree.of)}`;
    case 'macro':
      return tree.name;
    default:
      return checkText(tree);
  }
};
