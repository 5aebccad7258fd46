import { type FieldRef, fieldsOf, type Predicate } from '../language/index.ts';

/** The fields that a predicate names beside its own: operands of transformers, and those on the right side. */
export const otherFields = ({ field, left, right }: Predicate): readonly FieldRef[] => {
  if (left === undefined && right === undefined) return [];
  const named = [...(left === undefined ? [] : fieldsOf(left)), ...(right === undefined ? [] : fieldsOf(right))];
  return named.filter(({ name, argument }) => name !== field.name || argument !== field.argument);
};

/** Why only user space evaluates a predicate: it compares two fields, or a transformer's value. */
export const afterTransformers = (predicate: Predicate): string | undefined => {
  const { left, right } = predicate;
  if (right !== undefined) return 'two fields are compared after the kernel';
  return left?.kind === 'call' ? `the transformer ${left.transformer} is evaluated after the kernel` : undefined;
};
