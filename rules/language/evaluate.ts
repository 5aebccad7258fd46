import { inNetwork, parseAddress } from './address.ts';
import type { Condition, Constant, Operator, Predicate } from './ast.ts';
import { fieldOf } from './fields.ts';
import { compileGlob, type GlobStep, matchGlob } from './glob.ts';
import { type Bound, Truth } from './truth.ts';
import type { FieldValue } from './value.ts';

type Scalar = string | bigint | boolean;

const utf8 = new TextEncoder();

/** Lower case for A to Z only, as strcasestr(3) in the C locale. */
const foldAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const asNumber = (value: Scalar): bigint | undefined => {
  if (typeof value === 'bigint') return value;
  return typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : undefined;
};

const isEqual = (value: Scalar, constant: Constant): boolean => {
  switch (constant.type) {
    case 'string':
      return String(value) === constant.value;
    case 'number':
      return asNumber(value) === constant.value;
    case 'boolean':
      return value === constant.value;
    case 'network': {
      const address = typeof value === 'string' ? parseAddress(value) : undefined;
      return address !== undefined && inNetwork(address, constant);
    }
  }
};

const compare = (holds: (value: bigint, constant: bigint) => boolean) => (value: Scalar, constant: Constant) => {
  const number = asNumber(value);
  return number !== undefined && constant.type === 'number' && holds(number, constant.value);
};

const onText = (holds: (value: string, constant: string) => boolean) => (value: Scalar, constant: Constant) =>
  constant.type === 'string' && holds(String(value), constant.value);

const componentsOf = (path: string): readonly string[] => path.split('/').filter((component) => component !== '');

/** Whether a path is the prefix or lies under it, component by component. */
const liesUnder = (path: string, prefix: string): boolean => {
  if (path.startsWith('/') !== prefix.startsWith('/')) return false;
  const components = componentsOf(path);
  return componentsOf(prefix).every((component, index) => components[index] === component);
};

const globs = new WeakMap<Constant, { readonly steps: readonly GlobStep[] | undefined }>();

const matches = (fold: (text: string) => string) => (value: Scalar, constant: Constant) => {
  if (constant.type !== 'string') return false;
  const known = globs.get(constant);
  const { steps } = known ?? { steps: compileGlob(utf8.encode(fold(constant.value))) };
  if (known === undefined) globs.set(constant, { steps });
  return steps !== undefined && matchGlob(steps, utf8.encode(fold(String(value))));
};

/** Whether one value and one constant satisfy an operator; for those with a list, whether this constant of it does. */
const HOLDS: Readonly<Record<Exclude<Operator, 'exists'>, (value: Scalar, constant: Constant) => boolean>> = {
  '=': isEqual,
  '!=': (value, constant) => !isEqual(value, constant),
  '<': compare((value, constant) => value < constant),
  '<=': compare((value, constant) => value <= constant),
  '>': compare((value, constant) => value > constant),
  '>=': compare((value, constant) => value >= constant),
  in: isEqual,
  intersects: isEqual,
  pmatch: onText(liesUnder),
  contains: onText((value, constant) => value.includes(constant)),
  icontains: onText((value, constant) => foldAscii(value).includes(foldAscii(constant))),
  startswith: onText((value, constant) => value.startsWith(constant)),
  endswith: onText((value, constant) => value.endsWith(constant)),
  glob: matches((text) => text),
  iglob: matches(foldAscii),
  regex: () => {
    throw new Error(
      'The operator regex has no evaluation yet; conditions that use it are refused when they are resolved.',
    );
  },
};

/** Fields with a value for each end of a connection: `!=` is true only where both differ. */
const TWO_ENDED: ReadonlySet<string> = new Set(['fd.ip', 'fd.net', 'fd.port']);

/** Whether a value satisfies the predicate; a list's values are asked one by one, and Falco's quantifier joins the answers. */
const holds = (predicate: Predicate, value: string | bigint | boolean | readonly string[]): boolean => {
  const { operator, constants, field } = predicate;
  if (operator === 'exists') return true;
  const one = (item: Scalar): boolean => constants.some((constant) => HOLDS[operator](item, constant));
  if (typeof value !== 'object') return one(value);
  const all =
    (operator === '!=' && TWO_ENDED.has(field.name)) || (operator === 'in' && fieldOf(field.name)?.type === 'list');
  return all ? value.every(one) : value.some(one);
};

/**
 * What a predicate comes to on a field's value: the reference for every other evaluation. Absent fields (also empty lists) give
 * ABSENT, but `exists` is simply FALSE on them; unknown ones give UNKNOWN.
 */
export const evaluatePredicate = (predicate: Predicate, value: FieldValue): Truth => {
  if (value.state === 'unknown') return Truth.UNKNOWN;
  const absent = value.state === 'absent' || (typeof value.value === 'object' && value.value.length === 0);
  if (absent) return predicate.operator === 'exists' ? Truth.FALSE : Truth.ABSENT;
  return holds(predicate, value.value) ? Truth.TRUE : Truth.FALSE;
};

/** Whether a literal over a predicate with this truth holds under a bound. */
export const literalHolds = (truth: Truth, negated: boolean, bound: Bound): boolean => {
  const wanted = negated ? Truth.FALSE : Truth.TRUE;
  return bound === 'possible' ? (truth & wanted) !== 0 : truth === wanted;
};

/**
 * Whether a condition holds under a bound. Negations reach down to the predicates: a literal is possible where its truth's bit is
 * set, and certain where nothing else can be.
 */
export const evaluate = (condition: Condition, truthOf: (predicate: Predicate) => Truth, bound: Bound): boolean => {
  const visit = (node: Condition, negated: boolean): boolean => {
    switch (node.kind) {
      case 'constant':
        return node.value !== negated;
      case 'not':
        return visit(node.operand, !negated);
      case 'predicate':
        return literalHolds(truthOf(node), negated, bound);
      default: {
        const every = (node.kind === 'and') !== negated;
        const holdsHere = (operand: Condition): boolean => visit(operand, negated);
        return every ? node.operands.every(holdsHere) : node.operands.some(holdsHere);
      }
    }
  };
  return visit(condition, false);
};
