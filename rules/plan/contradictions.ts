import { type Constant, evaluatePredicate, fieldOf, type Operator, type Predicate, Truth } from '../language/index.ts';
import { type Literal, predicateKey } from './literals.ts';

/** Closed ranges of whole numbers; the numbers of fields lie well within ±2^70. */
type Ranges = readonly (readonly [low: bigint, high: bigint])[];

const LIMIT = 2n ** 70n;

/** What is in both; each sorted, none of its ranges touching another. */
const meet = (one: Ranges, other: Ranges): Ranges => {
  const found: (readonly [bigint, bigint])[] = [];
  let [left, right] = [0, 0];
  while (left < one.length && right < other.length) {
    const [low, high] = one[left] as Ranges[number];
    const [from, to] = other[right] as Ranges[number];
    const [start, end] = [low > from ? low : from, high < to ? high : to];
    if (start <= end) found.push([start, end]);
    if (high < to) left++;
    else right++;
  }
  return found;
};

const sorted = (ranges: Ranges): Ranges => {
  const joined: [bigint, bigint][] = [];
  for (const [low, high] of [...ranges].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))) {
    const last = joined.at(-1);
    if (last === undefined || low > last[1] + 1n) joined.push([low, high]);
    else if (high > last[1]) last[1] = high;
  }
  return joined;
};

/** All other numbers. */
const outside = (ranges: Ranges): Ranges => {
  const rest: (readonly [bigint, bigint])[] = [];
  let from = -LIMIT;
  for (const [low, high] of ranges) {
    if (low > from) rest.push([from, low - 1n]);
    from = high + 1n;
  }
  if (from <= LIMIT) rest.push([from, LIMIT]);
  return rest;
};

const numberOf = (constant: Constant): bigint =>
  constant.type === 'number' ? constant.value : constant.type === 'boolean' ? BigInt(constant.value) : 0n;

const RANGES: Partial<Record<Operator, (value: bigint) => Ranges>> = {
  '=': (value) => [[value, value]],
  in: (value) => [[value, value]],
  intersects: (value) => [[value, value]],
  '<': (value) => [[-LIMIT, value - 1n]],
  '<=': (value) => [[-LIMIT, value]],
  '>': (value) => [[value + 1n, LIMIT]],
  '>=': (value) => [[value, LIMIT]],
};

const rangesOf = ({ predicate: { operator, constants }, negated }: Literal): Ranges => {
  const found = sorted(constants.flatMap((constant) => RANGES[operator]?.(numberOf(constant)) ?? []));
  return negated ? outside(found) : found;
};

/** No number satisfies all. */
const numbersContradict = (literals: readonly Literal[], domain: Ranges): boolean =>
  literals.reduce<Ranges>((left, literal) => meet(left, rangesOf(literal)), domain).length === 0;

type Network = Extract<Constant, { type: 'network' }>;

const networksOf = ({ constants }: Predicate): readonly Network[] =>
  constants.filter((constant) => constant.type === 'network');

const holdsAll = (outer: Network, inner: Network): boolean => {
  if (outer.bytes.length !== inner.bytes.length || outer.prefix > inner.prefix) return false;
  for (let bit = 0; bit < outer.prefix; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((outer.bytes[bit >> 3] ?? 0) & mask) !== ((inner.bytes[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
};

/** No address is in all of the first and in none of the others. */
const addressesContradict = (literals: readonly Literal[]): boolean => {
  const inside = literals.filter(({ negated }) => !negated).map(({ predicate }) => networksOf(predicate));
  const out = literals.filter(({ negated }) => negated).flatMap(({ predicate }) => networksOf(predicate));
  const [first, ...more] = inside;
  if (first === undefined) return false;
  let left = first.filter((network) => !out.some((each) => holdsAll(each, network)));
  for (const networks of more)
    left = left.flatMap((network) => [
      ...(networks.some((each) => holdsAll(each, network)) ? [network] : []),
      ...networks.filter((each) => each.prefix > network.prefix && holdsAll(network, each)),
    ]);
  return left.every((network) => out.some((each) => holdsAll(each, network)));
};

const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const componentsOf = (path: string): readonly string[] => path.split('/').filter((component) => component !== '');

const liesUnder = (path: string, prefix: string): boolean => {
  if (path.startsWith('/') !== prefix.startsWith('/')) return false;
  const components = componentsOf(path);
  return componentsOf(prefix).every((component, index) => components[index] === component);
};

/** Whether every text of which the first is true has the second, by operator: of whole texts see `holdsOf`. */
const IMPLIES: Partial<Record<Operator, Partial<Record<Operator, (have: string, want: string) => boolean>>>> = {
  startswith: {
    startswith: (have, want) => have.startsWith(want),
    contains: (have, want) => have.includes(want),
    icontains: (have, want) => lower(have).includes(lower(want)),
  },
  endswith: {
    endswith: (have, want) => have.endsWith(want),
    contains: (have, want) => have.includes(want),
    icontains: (have, want) => lower(have).includes(lower(want)),
  },
  contains: {
    contains: (have, want) => have.includes(want),
    icontains: (have, want) => lower(have).includes(lower(want)),
  },
  icontains: { icontains: (have, want) => lower(have).includes(lower(want)) },
  pmatch: { pmatch: liesUnder },
};

/** Whether no text satisfies both, by operator. */
const EXCLUDES: Partial<Record<Operator, (one: string, other: string) => boolean>> = {
  startswith: (one, other) => !one.startsWith(other) && !other.startsWith(one),
  endswith: (one, other) => !one.endsWith(other) && !other.endsWith(one),
  pmatch: (one, other) => !liesUnder(one, other) && !liesUnder(other, one),
};

const textsOf = ({ constants }: Predicate): readonly string[] =>
  constants.flatMap((constant) => (constant.type === 'string' ? [constant.value] : []));

const implies = (one: Predicate, other: Predicate): boolean => {
  if (predicateKey(one) === predicateKey(other)) return true;
  const rule = IMPLIES[one.operator]?.[other.operator];
  if (rule === undefined) return false;
  const wanted = textsOf(other);
  return textsOf(one).every((have) => wanted.some((want) => rule(have, want)));
};

const excludes = (one: Predicate, other: Predicate): boolean => {
  const rule = one.operator === other.operator ? EXCLUDES[one.operator] : undefined;
  return rule !== undefined && textsOf(one).every((text) => textsOf(other).every((each) => rule(text, each)));
};

const isEquality = ({ operator }: Predicate): boolean => ['=', 'in', 'intersects'].includes(operator);

const holdsOf = (value: string, { predicate, negated }: Literal): boolean =>
  (evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }) === Truth.TRUE) !== negated;

/** No text satisfies all, as far as that shows at two of them or at the texts that one allows. */
const textsContradict = (literals: readonly Literal[]): boolean => {
  const finite = literals.find(({ predicate, negated }) => !negated && isEquality(predicate));
  if (finite !== undefined) {
    const candidates = textsOf(finite.predicate);
    return !candidates.some((value) => literals.every((literal) => holdsOf(value, literal)));
  }
  const positive = literals.filter(({ negated }) => !negated);
  const negative = literals.filter(({ negated }) => negated);
  return positive.some(
    (one, index) =>
      negative.some((other) => implies(one.predicate, other.predicate)) ||
      positive.slice(index + 1).some((other) => excludes(one.predicate, other.predicate)),
  );
};

/** Fields that have several values at once, or one for each end of a connection. */
const TWO_ENDED: ReadonlySet<string> = new Set(['fd.ip', 'fd.net', 'fd.port']);

const PLAIN: ReadonlySet<string> = new Set(['kind', 'field', 'operator', 'constants', 'span']);

/** Whether a predicate compares the one value of a field, as it is, with constants of which one has to fit. */
const isPlain = (predicate: Predicate): boolean => {
  const { field, operator, constants } = predicate;
  const entry = fieldOf(field.name);
  if (entry === undefined || entry.type === 'list' || TWO_ENDED.has(field.name)) return false;
  if (entry.argument === 'optional-index' && field.argument === undefined) return false;
  if (operator === 'exists') return true;
  if (operator === '!=' && constants.length > 1) return false;
  if (entry.type !== 'string' && operator !== '!=' && RANGES[operator] === undefined) return false;
  const more = Object.entries(predicate).some(([name, part]) => !PLAIN.has(name) && part !== undefined);
  return !more && constants.length > 0;
};

/** `x != a` of a value that is there is the opposite of `x = a`. */
const asEquality = ({ predicate, negated }: Literal): Literal =>
  predicate.operator === '!='
    ? { predicate: { ...predicate, operator: '=' }, negated: !negated }
    : { predicate, negated };

/** Comparisons of one field in one combination that are looked through at most. */
const MAX_LITERALS = 200;

/** Whether no value of one field satisfies all literals about it, absence included. */
const fieldContradicts = (literals: readonly Literal[]): boolean => {
  const [first] = literals;
  const present = literals.some(({ negated }) => !negated);
  if (first === undefined || !present || literals.length > MAX_LITERALS) return false;
  if (literals.some(({ predicate, negated }) => negated && predicate.operator === 'exists')) return true;
  const compared = literals.filter(({ predicate }) => predicate.operator !== 'exists').map(asEquality);
  switch (fieldOf(first.predicate.field.name)?.type) {
    case 'number':
      return numbersContradict(compared, [[-LIMIT, LIMIT]]);
    case 'boolean':
      return numbersContradict(compared, [[0n, 1n]]);
    case 'address':
      return addressesContradict(compared);
    case 'string':
      return textsContradict(compared);
    default:
      return false;
  }
};

/** As few of the literals as still contradict each other. */
const fewestOf = (literals: readonly Literal[]): readonly Literal[] => {
  for (const [index, one] of literals.entries())
    for (const other of literals.slice(index)) {
      const pair = one === other ? [one] : [one, other];
      if (fieldContradicts(pair)) return pair;
    }
  let kept = literals;
  for (const literal of literals) {
    const without = kept.filter((each) => each !== literal);
    if (fieldContradicts(without)) kept = without;
  }
  return kept;
};

/**
 * Literals among these that can't hold together on an event whose fields are known, as few as possible; undefined where none are
 * found, which proves nothing. Fields of several values, transformers, patterns and regular expressions are only compared as a whole.
 */
export const contradictionOf = (literals: readonly Literal[]): readonly Literal[] | undefined => {
  const byKey = new Map<string, Literal>();
  const byField = new Map<string, Literal[]>();
  for (const literal of literals) {
    const key = predicateKey(literal.predicate);
    const same = byKey.get(key);
    if (same !== undefined && same.negated !== literal.negated) return [same, literal];
    if (same !== undefined) continue;
    byKey.set(key, literal);
    if (!isPlain(literal.predicate)) continue;
    const { name, argument } = literal.predicate.field;
    const field = argument === undefined ? name : `${name}[${argument}]`;
    const known = byField.get(field);
    if (known === undefined) byField.set(field, [literal]);
    else known.push(literal);
  }
  for (const about of byField.values()) if (fieldContradicts(about)) return fewestOf(about);
  return undefined;
};
