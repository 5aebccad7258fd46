import { inNetwork } from './addresses.ts';
import type { Fact, Facts, Scalar } from './fact.ts';
import { type Check, type FieldName, fieldText, isItems, type Modifier, type Operand, type Tree } from './syntax.ts';
import { containsBytes, fnmatch, isUnder, lower, matchesWhole, startsWithBytes } from './text-matching.ts';
import { transform } from './transformers.ts';

/** What a comparison comes to on an event. */
export type Truth = 'true' | 'false' | 'unknown' | 'absent';

const ADDRESSES = /^fd\.[csrl]?(?:ip|net)$/;
/** Both ends of a connection: `!=` is true only where both differ, every other operator where it is true of either. */
const BOTH_ENDS: ReadonlySet<string> = new Set(['fd.ip', 'fd.net', 'fd.port']);
/** Any of several values decides, whatever the operator. */
const ANCESTORS = /^proc\.a(?:name|exe|exepath|cmdline|pid)$/;

const number = (value: Scalar): bigint => BigInt(value);

/** Whether one value and one constant satisfy an operator. */
const holds = (field: string, operator: string, value: Scalar, constant: Scalar): boolean => {
  const [text, other] = [String(value), String(constant)];
  switch (operator) {
    case '=':
    case 'in':
    case 'intersects':
      if (ADDRESSES.test(field)) return inNetwork(text, other);
      return typeof value === 'bigint' ? value === number(constant) : text === other;
    case '!=':
      return !holds(field, '=', value, constant);
    case '<':
      return number(value) < number(constant);
    case '<=':
      return number(value) <= number(constant);
    case '>':
      return number(value) > number(constant);
    case '>=':
      return number(value) >= number(constant);
    case 'contains':
      return text.includes(other);
    case 'icontains':
      return lower(text).includes(lower(other));
    case 'bcontains':
      return containsBytes(text, other);
    case 'startswith':
      return text.startsWith(other);
    case 'bstartswith':
      return startsWithBytes(text, other);
    case 'endswith':
      return text.endsWith(other);
    case 'glob':
      return fnmatch(other, text);
    case 'iglob':
      return fnmatch(lower(other), lower(text));
    case 'regex':
      return matchesWhole(other, text);
    case 'pmatch':
      return isUnder(text, other);
    default:
      throw new Error(`the oracle knows no operator ${operator}`);
  }
};

const factOf = (operand: Operand, facts: Facts): Fact => {
  switch (operand.kind) {
    case 'field':
      return facts.get(fieldText(operand)) ?? 'absent';
    case 'text':
      return { is: operand.item.text };
    default:
      return transform(
        operand.name,
        operand.operands.map((each) => factOf(each, facts)),
      );
  }
};

/** Every process, and every system call, has these, whether they can be read or not. */
const ALWAYS: ReadonlySet<string> = new Set([
  'proc.name',
  'proc.exe',
  'proc.exepath',
  'proc.args',
  'proc.cmdline',
  'evt.rawres',
  'evt.res',
  'evt.failed',
]);

const NO_FIELD: FieldName = { kind: 'field', name: '' };

/** What a comparison with some constants comes to, any of them deciding. */
const truthWith = ({ left, operator }: Check, fact: Fact, constants: readonly Scalar[]): Truth => {
  const { name, argument } = left.kind === 'field' ? left : NO_FIELD;
  if (fact === 'unknown' || fact === 'untold') return constants.length === 0 ? 'false' : 'unknown';
  if (fact === 'absent') return 'absent';
  const isOpen = fact.open === true;
  const one = (value: Scalar): boolean => constants.some((constant) => holds(name, operator, value, constant));
  if (!Array.isArray(fact.is)) return one(fact.is as Scalar) ? 'true' : 'false';
  const values = fact.is as readonly Scalar[];
  if (values.length === 0 && !isOpen) return 'absent';
  const isAny = BOTH_ENDS.has(name) ? operator !== '!=' : ANCESTORS.test(name) && argument === undefined;
  const all = BOTH_ENDS.has(name) ? !isAny : !isAny && operator === 'in';
  const isHeld = all ? values.every(one) : values.some(one);
  return isOpen && isHeld === all ? 'unknown' : isHeld ? 'true' : 'false';
};

/** What comparisons with one constant each come to together: all, any or exactly one of them. */
const join = (modifier: Modifier, truths: readonly Truth[]): Truth => {
  if (truths.includes('absent')) return 'absent';
  const count = (wanted: Truth): number => truths.filter((truth) => truth === wanted).length;
  const [held, open] = [count('true'), count('unknown')];
  const wrong = modifier === 'allof' ? count('false') > 0 : modifier === 'oneof' ? held > 1 : false;
  if (wrong) return 'false';
  if (modifier === 'anyof' && held > 0) return 'true';
  if (open > 0) return 'unknown';
  return modifier === 'allof' || held === 1 ? 'true' : 'false';
};

/** What a comparison comes to. @throws Error where the test doesn't know what it depends on */
export const truthOf = (check: Check, facts: Facts): Truth => {
  const { left, operator, modifier, right } = check;
  const fact = factOf(left, facts);
  const constants: Fact = isItems(right) ? { is: right.map(({ text }) => text) } : factOf(right, facts);
  if (fact === 'untold' || constants === 'untold') throw new Error('an untold field was asked for');
  if (operator === 'exists') {
    if (fact === 'unknown') return left.kind === 'field' && ALWAYS.has(left.name) ? 'true' : 'unknown';
    const isEmpty = fact === 'absent' || (Array.isArray(fact.is) && fact.is.length === 0 && fact.open !== true);
    return isEmpty ? 'false' : 'true';
  }
  if (constants === 'unknown') return 'unknown';
  if (constants === 'absent') return fact === 'unknown' ? 'unknown' : 'absent';
  const list = [constants.is].flat() as readonly Scalar[];
  if (modifier === undefined) return truthWith(check, fact, list);
  return join(
    modifier,
    list.map((constant) => truthWith(check, fact, [constant])),
  );
};

/** Whether a condition may be true and whether it may be false, unknown being both; what is absent is false. */
export const outcomes = (tree: Tree, facts: Facts): { readonly yes: boolean; readonly no: boolean } => {
  switch (tree.kind) {
    case 'and': {
      let [yes, no] = [true, false];
      for (const part of tree.of) {
        const one = outcomes(part, facts);
        yes &&= one.yes;
        no ||= one.no;
        if (!yes) return { yes, no };
      }
      return { yes, no };
    }
    case 'or': {
      let [yes, no] = [false, true];
      for (const part of tree.of) {
        const one = outcomes(part, facts);
        yes ||= one.yes;
        no &&= one.no;
        if (!no) return { yes, no };
      }
      return { yes, no };
    }
    case 'not': {
      const { yes, no } = outcomes(tree.of, facts);
      return { yes: no, no: yes };
    }
    case 'check': {
      const truth = truthOf(tree, facts);
      return { yes: truth === 'true' || truth === 'unknown', no: truth !== 'true' };
    }
    default:
      throw new Error(`the macro ${tree.name} is not in place`);
  }
};

/** Whether a condition is true whatever the unknown may be, absent being no ground for a negation. */
export const isCertain = (tree: Tree, facts: Facts, negated = false): boolean => {
  switch (tree.kind) {
    case 'not':
      return isCertain(tree.of, facts, !negated);
    case 'check':
      return truthOf(tree, facts) === (negated ? 'false' : 'true');
    case 'macro':
      throw new Error(`the macro ${tree.name} is not in place`);
    default: {
      const part = (each: Tree): boolean => isCertain(each, facts, negated);
      return (tree.kind === 'and') !== negated ? tree.of.every(part) : tree.of.some(part);
    }
  }
};
