import type { Fact, Scalar } from './fact.ts';
import { lower, upper } from './text-matching.ts';

/** Base64 with or without padding as text; undefined where it is none. */
const fromBase64 = (text: string): string | undefined =>
  /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.replace(/=+$/, '').length % 4 !== 1
    ? Buffer.from(text, 'base64').toString('utf8')
    : undefined;

const ON_TEXT: Readonly<Record<string, (text: string) => Scalar | undefined>> = {
  tolower: lower,
  toupper: upper,
  b64: fromBase64,
  basename: (text) => text.slice(text.lastIndexOf('/') + 1),
  val: (text) => text,
};

/** What a transformer makes of its operands; of nothing it makes nothing, of what isn't known it isn't known what. */
export const transform = (name: string, operands: readonly Fact[]): Fact => {
  if (operands.includes('untold')) return 'untold';
  if (operands.includes('unknown')) return 'unknown';
  const values = operands.map((each) => (typeof each === 'string' ? undefined : each.is));
  const [first] = values;
  if (first === undefined || values.includes(undefined)) return 'absent';
  if (name === 'val') return { is: first };
  if (name === 'concat') return { is: values.flat().join('') };
  if (name === 'join') return { is: [first].flat().join(String(values[1] ?? '')) };
  if (name === 'len')
    return { is: BigInt(Array.isArray(first) ? first.length : new TextEncoder().encode(String(first)).length) };
  const one = ON_TEXT[name];
  if (one === undefined) throw new Error(`the oracle knows no transformer ${name}`);
  if (Array.isArray(first)) return { is: first.flatMap((each: Scalar) => one(String(each)) ?? []) };
  const result = one(String(first));
  return result === undefined ? 'absent' : { is: result };
};
