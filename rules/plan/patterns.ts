import type { Expression, Operator } from '../language/index.ts';

/** A string pattern. `fold` ignores the case of ASCII letters; it is false for `regex`, which says so itself. */
export interface Pattern {
  readonly match: 'equals' | 'prefix' | 'suffix' | 'contains' | 'glob' | 'regex';
  readonly text: string;
  readonly fold: boolean;
}

/** What of transformers a string pattern can take over. */
interface Change {
  /** The case that all letters have after them. */
  readonly letters: 'lower' | 'upper' | undefined;
  readonly basename: boolean;
}

/** The changes of a chain of `tolower`, `toupper` and `basename`; undefined for other transformers. */
const changeOf = (left: Expression | undefined): Change | undefined => {
  if (left === undefined || left.kind === 'field') return { letters: undefined, basename: false };
  if (left.kind === 'text' || left.operands.length !== 1) return undefined;
  const inner = changeOf(left.operands[0]);
  if (inner === undefined) return undefined;
  if (left.transformer === 'tolower') return { ...inner, letters: 'lower' };
  if (left.transformer === 'toupper') return { ...inner, letters: 'upper' };
  return left.transformer === 'basename' ? { ...inner, basename: true } : undefined;
};

const MATCHES: Partial<Record<Operator, Pattern['match']>> = {
  '=': 'equals',
  '!=': 'equals',
  in: 'equals',
  intersects: 'equals',
  contains: 'contains',
  icontains: 'contains',
  bcontains: 'contains',
  startswith: 'prefix',
  bstartswith: 'prefix',
  endswith: 'suffix',
  glob: 'glob',
  iglob: 'glob',
  regex: 'regex',
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text whose bytes these hexadecimal digits write; undefined where they are no text. */
const textOfHex = (digits: string): string | undefined => {
  try {
    return utf8.decode(Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
  } catch {
    return undefined;
  }
};

/** Paths that are one or lie under it, by their components; an empty one has every path under it that begins as it does. */
const pathPatterns = (text: string, fold: boolean): readonly Pattern[] => {
  const root = text.startsWith('/') ? '/' : '';
  const path = `${root}${text.split('/').filter(Boolean).join('/')}`;
  if (path === '/') return [{ match: 'prefix', text: '/', fold }];
  if (path === '')
    return [
      { match: 'equals', text: '', fold },
      { match: 'glob', text: '[!/]*', fold },
    ];
  return [
    { match: 'equals', text: path, fold },
    { match: 'prefix', text: `${path}/`, fold },
  ];
};

const plainPatterns = (operator: Operator, text: string): readonly Pattern[] | undefined => {
  const match = MATCHES[operator];
  const fold = operator === 'icontains' || operator === 'iglob';
  if (operator === 'pmatch') return pathPatterns(text, fold);
  if (match === undefined) return undefined;
  const bytes = operator === 'bcontains' || operator === 'bstartswith';
  const written = bytes ? textOfHex(text) : text;
  return written === undefined ? undefined : [{ match, text: written, fold }];
};

/** The pattern of a value whose letters all have one case; none where the pattern asks for a letter of the other one. */
const changedCase = (pattern: Pattern, letters: 'lower' | 'upper'): readonly Pattern[] | undefined => {
  if (pattern.match === 'regex') return undefined;
  if (pattern.fold) return [pattern];
  const others = letters === 'lower' ? /[A-Z]/ : /[a-z]/;
  if (pattern.match !== 'glob') return others.test(pattern.text) ? [] : [{ ...pattern, fold: true }];
  const sets = letters === 'upper' && pattern.text.includes('[');
  return others.test(pattern.text) || sets ? undefined : [{ ...pattern, fold: true }];
};

/** The patterns of a whole path whose last component fits a pattern; undefined where no pattern says that. */
const ofBasename = (pattern: Pattern): readonly Pattern[] | undefined => {
  const { match, text } = pattern;
  if (match !== 'equals' && match !== 'suffix') return undefined;
  if (text.includes('/')) return [];
  return match === 'suffix' ? [pattern] : [pattern, { ...pattern, match: 'suffix', text: `/${text}` }];
};

/** The patterns of which a value has to fit one; undefined where patterns can't say what a comparison does. */
export const patternsOf = (
  operator: Operator,
  texts: readonly string[],
  left: Expression | undefined,
): readonly Pattern[] | undefined => {
  const change = changeOf(left);
  if (change === undefined) return undefined;
  const patterns: Pattern[] = [];
  for (const text of texts) {
    let found = plainPatterns(operator, text);
    if (change.letters !== undefined) {
      const { letters } = change;
      const changed = found?.map((pattern) => changedCase(pattern, letters));
      found = changed?.every((each) => each !== undefined) ? changed.flat() : undefined;
    }
    if (change.basename) {
      const changed = found?.map(ofBasename);
      found = changed?.every((each) => each !== undefined) ? changed.flat() : undefined;
    }
    if (found === undefined) return undefined;
    patterns.push(...found);
  }
  return patterns;
};
