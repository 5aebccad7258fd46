import type { Random } from '../../support/random.ts';
import {
  type Check,
  type Fact,
  type Facts,
  fieldsOfCheck,
  fieldText,
  is,
  isItems,
  type Tree,
  truthOf,
} from './language/index.ts';

/** A comparison, and whether it is to hold. */
export interface Literal {
  readonly check: Check;
  readonly wanted: boolean;
}

/** The one field of a comparison. */
export const fieldOf = ({ check }: Literal): string => fieldsOfCheck(check).map(fieldText)[0] ?? '';

const texts = ({ right }: Check): readonly string[] => (isItems(right) ? right.map(({ text }) => text) : []);

/** Whether a part can be made so at all: no list is empty, and no event has the number 0. */
const isPossible = (tree: Tree, wanted: boolean): boolean => {
  switch (tree.kind) {
    case 'not':
      return isPossible(tree.of, !wanted);
    case 'check': {
      if (!wanted || tree.operator === 'exists') return true;
      return texts(tree).length > 0 && !(fieldOf({ check: tree, wanted }) === 'evt.num' && texts(tree)[0] === '0');
    }
    case 'macro':
      return false;
    default: {
      const all = (tree.kind === 'and') === wanted;
      const part = (each: Tree): boolean => isPossible(each, wanted);
      return all ? tree.of.every(part) : tree.of.some(part);
    }
  }
};

/** Comparisons that together make a condition true (or false), one way of many. */
export const choose = (random: Random, tree: Tree, wanted = true): readonly Literal[] => {
  switch (tree.kind) {
    case 'not':
      return choose(random, tree.of, !wanted);
    case 'check':
      return [{ check: tree, wanted }];
    case 'macro':
      throw new Error(`the macro ${tree.name} is not in place`);
    default: {
      if ((tree.kind === 'and') === wanted) return tree.of.flatMap((part) => choose(random, part, wanted));
      const possible = tree.of.filter((part) => isPossible(part, wanted));
      return choose(random, random.pick(possible.length > 0 ? possible : tree.of), wanted);
    }
  }
};

/** Whether a rule can match at all. */
export const canMatch = (tree: Tree): boolean => isPossible(tree, true);

const holdsOn = (facts: Facts, { check, wanted }: Literal): boolean => (truthOf(check, facts) === 'true') === wanted;

/** Whether literals hold where their fields have these values. */
export const allHold = (literals: readonly Literal[], values: Iterable<readonly [string, Fact]>): boolean => {
  const facts = new Map(values);
  return literals.every((literal) => holdsOn(facts, literal));
};

const POSITIVE_EQUALITY: ReadonlySet<string> = new Set(['=', 'in', 'intersects']);

const flipCase = (text: string): string =>
  text.replace(/[A-Za-z]/, (one) => (one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase()));

/** A text beside another one: what a comparison must not take for it. */
const beside = (random: Random, text: string): string =>
  random.pick([`${text}x`, text.slice(0, -1), flipCase(text), `x${text}`, text.slice(1), text]);

/** A text of which all these comparisons come to what is wanted; undefined where none was found. */
export const solveText = (
  random: Random,
  literals: readonly Literal[],
  field: string,
  fallback: string,
): string | undefined => {
  const mine = literals.filter((literal) => fieldOf(literal) === field);
  const constants = (operators: (operator: string) => boolean, wanted: boolean): readonly string[] =>
    mine
      .filter(({ check, wanted: is }) => is === wanted && operators(check.operator))
      .flatMap(({ check }) => (texts(check).length === 0 ? [] : [random.pick(texts(check))]));
  for (let attempt = 0; attempt < 12; attempt++) {
    const equal = [
      ...constants((operator) => POSITIVE_EQUALITY.has(operator), true),
      ...constants((operator) => operator === '!=', false),
    ];
    const start = constants((operator) => operator === 'startswith', true);
    const end = constants((operator) => operator === 'endswith', true);
    const middle = constants((operator) => operator === 'contains' || operator === 'icontains', true);
    const globs = constants((operator) => operator === 'glob', true).map((glob) =>
      glob.replaceAll('*', '1').replaceAll('?', '1'),
    );
    const unwanted = constants((operator) => operator !== '!=', false);
    let value: string;
    if (equal.length > 0) value = random.pick(equal);
    else if (start.length + end.length + middle.length + globs.length > 0) {
      const fill = random.pick(['', '', '/', 'x', ' ']);
      const longest = [...start].sort((a, b) => b.length - a.length)[0] ?? '';
      const inside = [...globs, ...middle.map((one) => (random.chance(0.3) ? flipCase(one) : one))].filter(
        (one) => !longest.includes(one),
      );
      value = [longest, ...inside, ...end].filter(Boolean).join(fill);
      if (value.startsWith('1') || fill !== '') value = `${value}`;
    } else if (unwanted.length > 0 && random.chance(0.5)) value = beside(random, random.pick(unwanted));
    else value = fallback;
    if (allHold(mine, [[field, is(value)]])) return value;
  }
  return allHold(mine, [[field, is(fallback)]]) ? fallback : undefined;
};

/** One of some candidates of which the comparisons of their fields come to what is wanted; else any. */
export const solveOne = <Candidate>(
  random: Random,
  literals: readonly Literal[],
  isMine: (field: string) => boolean,
  candidates: readonly Candidate[],
  fieldsOf: (candidate: Candidate) => Iterable<readonly [string, Fact]>,
): Candidate => {
  const mine = literals.filter((literal) => isMine(fieldOf(literal)));
  const fitting = mine.length === 0 ? candidates : candidates.filter((each) => allHold(mine, fieldsOf(each)));
  return random.pick(fitting.length > 0 ? fitting : candidates);
};

/** All constants that a condition compares some fields with. */
export const constantsOf = (literals: readonly Check[], isMine: (field: string) => boolean): readonly string[] => [
  ...new Set(literals.filter((check) => isMine(fieldOf({ check, wanted: true }))).flatMap(texts)),
];
