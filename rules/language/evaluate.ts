import { inNetwork, parseAddress } from './address.ts';
import type { Condition, Constant, Expression, Operator, Predicate } from './ast.ts';
import { fieldOf } from './fields.ts';
import { compileGlob, type GlobStep, matchGlob } from './glob.ts';
import { regexOf } from './regex.ts';
import { evaluateExpression } from './transformers.ts';
import { type Bound, Truth } from './truth.ts';
import type { FieldSource, FieldValue } from './value.ts';

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

/** The bytes that a row of hexadecimal digits writes. */
const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));

const onBytes = (holds: (value: Uint8Array, constant: Uint8Array) => boolean) =>
  onText((value, constant) => holds(utf8.encode(value), fromHex(constant)));

const indexOfBytes = (text: Uint8Array, part: Uint8Array): number => {
  for (let at = 0; at + part.length <= text.length; at++)
    if (part.every((byte, index) => text[at + index] === byte)) return at;
  return -1;
};

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
  bcontains: onBytes((value, constant) => indexOfBytes(value, constant) >= 0),
  startswith: onText((value, constant) => value.startsWith(constant)),
  bstartswith: onBytes((value, constant) => constant.every((byte, index) => value[index] === byte)),
  endswith: onText((value, constant) => value.endsWith(constant)),
  glob: matches((text) => text),
  iglob: matches(foldAscii),
  regex: onText((value, constant) => regexOf(constant)?.test(utf8.encode(value)) ?? false),
};

/** Fields with a value for each end of a connection: `!=` is true only where both differ. */
const TWO_ENDED: ReadonlySet<string> = new Set(['fd.ip', 'fd.net', 'fd.port']);

/** Whether a list's values all have to satisfy the operator, not only one of them. */
const asksAll = ({ operator, field, left }: Predicate): boolean =>
  left === undefined
    ? (operator === '!=' && TWO_ENDED.has(field.name)) || (operator === 'in' && fieldOf(field.name)?.type === 'list')
    : operator === 'in' && isList(left);

const isList = (expression: Expression): boolean =>
  expression.kind === 'call'
    ? expression.transformer === 'getopt'
      ? expression.argument === undefined
      : KEEPS_LIST.has(expression.transformer) && expression.operands.some(isList)
    : expression.kind === 'field' && fieldOf(expression.field.name)?.type === 'list';

/** Transformers that change each value of a list. */
const KEEPS_LIST: ReadonlySet<string> = new Set(['tolower', 'toupper', 'b64', 'basename', 'val']);

type Present = string | bigint | boolean | readonly string[];

/** Whether a value satisfies the predicate; a list's values are asked one by one, and Falco's quantifier joins the answers. */
const holds = (predicate: Predicate, value: Present, constants: readonly Constant[]): boolean => {
  const { operator } = predicate;
  if (operator === 'exists') return true;
  const one = (item: Scalar): boolean => constants.some((constant) => HOLDS[operator](item, constant));
  if (typeof value !== 'object') return one(value);
  return asksAll(predicate) ? value.every(one) : value.some(one);
};

/** The constants that the values of the right side stand for. */
const asConstants = (value: Present, { field }: Predicate): readonly Constant[] => {
  const items = typeof value === 'object' ? value : [value];
  return items.flatMap((item): readonly Constant[] => {
    if (typeof item === 'bigint') return [{ type: 'number', value: item }];
    if (typeof item === 'boolean') return [{ type: 'boolean', value: item }];
    const type = fieldOf(field.name)?.type;
    if (type === 'number' && /^-?\d+$/.test(item)) return [{ type: 'number', value: BigInt(item) }];
    const bytes = type === 'address' ? parseAddress(item) : undefined;
    return bytes === undefined
      ? [{ type: 'string', value: item }]
      : [{ type: 'network', value: item, bytes, prefix: bytes.length * 8 }];
  });
};

const isAbsent = (value: FieldValue): boolean =>
  value.state === 'absent' ||
  (value.state === 'present' && typeof value.value === 'object' && value.value.length === 0);

type Names = NonNullable<Extract<FieldValue, { state: 'present' }>['names']>;

/** Whether an address has one of the names, or for `!=` none of them, as Falco's libs compare domains. */
const truthOfNames = ({ operator, constants }: Predicate, { known, open }: Names): Truth | undefined => {
  if (operator !== '=' && operator !== '!=' && operator !== 'in') return undefined;
  const isOneOf = (names: readonly string[]): boolean =>
    constants.some((constant) => constant.type === 'string' && names.includes(constant.value));
  if (isOneOf(known)) return operator === '!=' ? Truth.FALSE : Truth.TRUE;
  if (isOneOf(open)) return Truth.UNKNOWN;
  return operator === '!=' ? Truth.TRUE : Truth.FALSE;
};

/** What a predicate comes to on an event: as `evaluatePredicate`, with transformers and the fields of the right side. */
export const truthOn = (predicate: Predicate, source: FieldSource): Truth => {
  const { left, right, field } = predicate;
  const value = left === undefined ? source(field) : evaluateExpression(left, source);
  const other = right === undefined ? undefined : evaluateExpression(right, source);
  if (isAbsent(value) || (other !== undefined && isAbsent(other)))
    return predicate.operator === 'exists' ? Truth.FALSE : Truth.ABSENT;
  if (value.state !== 'present' || (other !== undefined && other.state !== 'present')) return Truth.UNKNOWN;
  if (value.names !== undefined && left === undefined && right === undefined) {
    const truth = truthOfNames(predicate, value.names);
    if (truth !== undefined) return truth;
  }
  const constants = other?.state === 'present' ? asConstants(other.value, predicate) : predicate.constants;
  return holds(predicate, value.value, constants) ? Truth.TRUE : Truth.FALSE;
};

/**
 * What a predicate comes to on its field's value: the reference for every other evaluation. Absent fields (also empty lists) give
 * ABSENT, but `exists` is simply FALSE on them; unknown ones give UNKNOWN, and so do other fields that the predicate names.
 */
export const evaluatePredicate = (predicate: Predicate, value: FieldValue): Truth => {
  const { name, argument } = predicate.field;
  return truthOn(predicate, (field) =>
    field.name === name && field.argument === argument ? value : { state: 'unknown' },
  );
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
