import { constantOf } from '../constants.ts';
import type { StraceValue } from './value.ts';

const OPERATIONS: Readonly<Record<string, (left: bigint, right: bigint) => bigint>> = {
  or: (left) => left,
  '|': (left, right) => left | right,
  '<<': (left, right) => left << right,
  '*': (left, right) => left * right,
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
};

/** The number that a value stands for; undefined for what is none and for names that are not in the table. */
export const numberOf = (value: StraceValue | undefined): bigint | undefined => {
  switch (value?.kind) {
    case 'number':
      return value.value;
    case 'constant': {
      const known = constantOf(value.name);
      return known === undefined ? undefined : BigInt(known);
    }
    case 'operation': {
      const left = numberOf(value.left) ?? (value.operator === 'or' ? numberOf(value.right) : undefined);
      const right = value.operator === 'or' ? left : numberOf(value.right);
      if (left === undefined || right === undefined) return undefined;
      return OPERATIONS[value.operator]?.(left, right);
    }
    case 'complement': {
      const of = numberOf(value.of);
      return of === undefined ? undefined : ~of;
    }
    case 'change':
      return numberOf(value.before);
    case 'macro':
      if (value.name === 'makedev') {
        const major = numberOf(value.arguments[0]?.value);
        const minor = numberOf(value.arguments[1]?.value);
        return major === undefined || minor === undefined ? undefined : (major << 8n) | minor;
      }
      return /^(?:hton|ntoh)[sl]$/.test(value.name) ? numberOf(value.arguments[0]?.value) : undefined;
    default:
      return undefined;
  }
};
