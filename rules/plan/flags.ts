import { CAPABILITIES, MODE_BITS, OPEN_FLAGS, type Predicate, parseCapabilities } from '../language/index.ts';
import { type NumberSlot, type Placed, user } from './placed.ts';
import { complement, HIGHEST, LOWEST, type NumberTest, oneOf } from './tests.ts';

/** A test of some bits of a number: the others don't count. */
export interface FlagTest {
  readonly mask: readonly number[];
  readonly test: NumberTest;
}

const ALWAYS: NumberTest = { ranges: [[LOWEST, HIGHEST]] };
const NEVER: NumberTest = { ranges: [] };

const bitsOf = (value: number): readonly number[] =>
  Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((value >>> bit) & 1) === 1);

/** Whether any of some bits is set. */
const anyOf = (mask: readonly number[]): FlagTest => ({ mask, test: complement(oneOf([0n])) });

const foldAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/**
 * What `contains` and `icontains` mean on names of bits that a separator joins: a text without the separator is in one of the names. Undefined
 * where the text can reach over two names.
 */
const named = (
  names: readonly (readonly [name: string, bit: number])[],
  separator: string,
  { operator, constants }: Predicate,
): readonly number[] | 'always' | undefined => {
  const [constant, more] = constants;
  if (constant?.type !== 'string' || more !== undefined) return undefined;
  const fold = operator === 'icontains' ? foldAscii : (text: string): string => text;
  if (operator !== 'contains' && operator !== 'icontains') return undefined;
  const text = fold(constant.value);
  if (text === '') return 'always';
  if (text.includes(separator)) return undefined;
  return names.filter(([name]) => fold(name).includes(text)).map(([, bit]) => bit);
};

const CAPABILITY_BITS = CAPABILITIES.map((name, bit) => [name, bit] as const);
const KNOWN_CAPABILITIES = CAPABILITIES.map((_, bit) => bit);

/** A comparison of a set of capabilities as a test of its bits; undefined where it is of the text itself. */
export const capabilityTest = (predicate: Predicate): FlagTest | undefined => {
  const { operator, constants } = predicate;
  if (operator === 'exists') return { mask: KNOWN_CAPABILITIES, test: ALWAYS };
  if (['=', '!=', 'in', 'intersects'].includes(operator)) {
    const sets = constants.flatMap((each) => (each.type === 'string' ? (parseCapabilities(each.value) ?? []) : []));
    const test = oneOf(sets);
    return { mask: KNOWN_CAPABILITIES, test: operator === '!=' ? complement(test) : test };
  }
  const bits = named(CAPABILITY_BITS, ' ', predicate);
  if (bits === 'always') return { mask: KNOWN_CAPABILITIES, test: ALWAYS };
  return bits === undefined ? undefined : bits.length === 0 ? { mask: [0], test: NEVER } : anyOf(bits);
};

const OPEN_BITS = Object.entries(OPEN_FLAGS)
  .filter(([, value]) => value > 3)
  .map(([name, value]) => [name, bitsOf(value)[0] ?? 0] as const);
/** The access modes, by the number in the two lowest bits; 3 is none that has a name in open(2). */
const ACCESS_MODES = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'] as const;

/** A comparison of open's flags as a test of their bits; undefined where it is of the text itself. */
export const openFlagsTest = (predicate: Predicate): FlagTest | undefined => {
  if (predicate.operator === 'exists') return { mask: [0], test: ALWAYS };
  const bits = named(OPEN_BITS, '|', predicate);
  const modes = named(
    ACCESS_MODES.map((name, mode) => [name, mode] as const),
    '|',
    predicate,
  );
  if (bits === undefined || modes === undefined) return undefined;
  if (bits === 'always' || modes === 'always') return { mask: [0], test: ALWAYS };
  if (modes.length === 0) return bits.length === 0 ? { mask: [0], test: NEVER } : anyOf(bits);
  return bits.length === 0 ? { mask: [0, 1], test: oneOf(modes.map(BigInt)) } : undefined;
};

const PERMISSION_BITS = Object.entries(MODE_BITS).map(([name, value]) => [name, bitsOf(value)[0] ?? 0] as const);

/** A comparison of permission bits as a test of them; undefined where it is of the text itself, which is 0 where no bit is set. */
export const modeTest = (predicate: Predicate): FlagTest | undefined => {
  if (predicate.operator === 'exists') return { mask: [0], test: ALWAYS };
  const bits = named(PERMISSION_BITS, '|', predicate);
  const [constant] = predicate.constants;
  if (bits === undefined || constant?.type !== 'string' || constant.value === '0') return undefined;
  if (bits === 'always') return { mask: [0], test: ALWAYS };
  return bits.length === 0 ? { mask: [0], test: NEVER } : anyOf(bits);
};

/** A test of some bits of a slot as a predicate of the kernel; `otherwise` says why there is none. */
export const flagged = (
  of: NumberSlot,
  found: FlagTest | undefined,
  number: (of: NumberSlot, test: NumberTest) => Placed,
  otherwise: string,
): Placed => (found === undefined ? user(otherwise) : number({ ...of, mask: found.mask }, found.test));
