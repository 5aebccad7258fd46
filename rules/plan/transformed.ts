import { type FieldRef, fieldsOf, type Predicate } from '../language/index.ts';
import { stringTest } from './tests.ts';

/** The fields that a predicate names beside its own: operands of transformers, and those on the right side. */
export const otherFields = ({ field, left, right }: Predicate): readonly FieldRef[] => {
  if (left === undefined && right === undefined) return [];
  const named = [...(left === undefined ? [] : fieldsOf(left)), ...(right === undefined ? [] : fieldsOf(right))];
  return named.filter(({ name, argument }) => name !== field.name || argument !== field.argument);
};

/** Why a transformer's value is left to user space. */
export const transformerReason = ({ left }: Predicate): string =>
  `the transformer ${left?.kind === 'call' ? left.transformer : ''} is evaluated after the kernel`;

/** Why only user space evaluates a predicate: it compares two fields, or what no string test says. */
export const afterTransformers = (predicate: Predicate): string | undefined => {
  if (predicate.right !== undefined) return 'two fields are compared after the kernel';
  return predicate.left === undefined || stringTest(predicate) !== undefined ? undefined : transformerReason(predicate);
};
