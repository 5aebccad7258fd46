/** Code points from the first to the last, both included. */
export type Range = readonly [first: number, last: number];

export const LAST_POINT = 0x10ffff;

/** Ranges sorted and joined. */
export const normal = (ranges: readonly Range[]): readonly Range[] => {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
};

/** All code points outside of the ranges. */
export const negate = (ranges: readonly Range[]): readonly Range[] => {
  const outside: Range[] = [];
  let from = 0;
  for (const [first, last] of normal(ranges)) {
    if (first > from) outside.push([from, first - 1]);
    from = last + 1;
  }
  if (from <= LAST_POINT) outside.push([from, LAST_POINT]);
  return outside;
};

const points = (text: string): Range[] =>
  [...text].map((character) => [character.charCodeAt(0), character.charCodeAt(0)]);
const DIGIT: readonly Range[] = [[0x30, 0x39]];
const UPPER: readonly Range[] = [[0x41, 0x5a]];
const LOWER: readonly Range[] = [[0x61, 0x7a]];
const WORD: readonly Range[] = [...DIGIT, ...UPPER, ...LOWER, ...points('_')];

/** The classes behind a backslash (RE2's syntax, "Perl character classes"): ASCII alone. */
export const ESCAPED_CLASSES: ReadonlyMap<string, readonly Range[]> = new Map([
  ['d', DIGIT],
  ['s', points('\t\n\f\r ')],
  ['w', WORD],
]);

/** The classes of brackets, `[:alpha:]` (RE2's syntax, "ASCII character classes"). */
export const NAMED_CLASSES: ReadonlyMap<string, readonly Range[]> = new Map<string, readonly Range[]>([
  ['alnum', [...DIGIT, ...UPPER, ...LOWER]],
  ['alpha', [...UPPER, ...LOWER]],
  ['ascii', [[0, 0x7f]]],
  ['blank', points('\t ')],
  [
    'cntrl',
    [
      [0, 0x1f],
      [0x7f, 0x7f],
    ],
  ],
  ['digit', DIGIT],
  ['graph', [[0x21, 0x7e]]],
  ['lower', LOWER],
  ['print', [[0x20, 0x7e]]],
  [
    'punct',
    [
      [0x21, 0x2f],
      [0x3a, 0x40],
      [0x5b, 0x60],
      [0x7b, 0x7e],
    ],
  ],
  ['space', points('\t\n\v\f\r ')],
  ['upper', UPPER],
  ['word', WORD],
  ['xdigit', [...DIGIT, [0x41, 0x46], [0x61, 0x66]]],
]);

/** Behind the last code point that has an upper or lower case. */
const CASES_END = 0x1e944;

let orbits: ReadonlyMap<number, readonly number[]> | undefined;

/** The code points that are the same but for their case, for those that have such (Unicode's simple case folding). */
const caseOrbits = (): ReadonlyMap<number, readonly number[]> => {
  if (orbits !== undefined) return orbits;
  const found = new Map<number, Set<number>>();
  const link = (point: number, other: string): void => {
    const [character = ''] = other;
    const target = character.codePointAt(0) ?? point;
    if (target === point || character !== other) return;
    const source = String.fromCodePoint(point);
    if (!new RegExp(`^\\u{${target.toString(16)}}$`, 'iu').test(source)) return;
    const joined = new Set([...(found.get(point) ?? [point]), ...(found.get(target) ?? [target])]);
    for (const member of joined) found.set(member, joined);
  };
  for (let point = 0; point < CASES_END; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const character = String.fromCodePoint(point);
    const lower = character.toLowerCase();
    const upper = character.toUpperCase();
    if (lower !== character) link(point, lower);
    if (upper !== character) link(point, upper);
  }
  orbits = new Map([...found].map(([point, members]) => [point, [...members]]));
  return orbits;
};

/** The ranges with all that differs from them by case alone. */
export const foldCase = (ranges: readonly Range[]): readonly Range[] => {
  const more: Range[] = [];
  for (const [point, members] of caseOrbits())
    if (ranges.some(([first, last]) => point >= first && point <= last))
      for (const member of members) more.push([member, member]);
  return normal([...ranges, ...more]);
};
