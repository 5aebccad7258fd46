/** A glob pattern, compiled: one step for each byte that it takes, or a star. */
export type GlobStep = 'star' | 'any' | ReadonlySet<number>;

const BACKSLASH = 0x5c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const DASH = 0x2d;

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);

const DIGITS = range(0x30, 0x39);
const UPPER = range(0x41, 0x5a);
const LOWER = range(0x61, 0x7a);
const PUNCTUATION = [...range(0x21, 0x2f), ...range(0x3a, 0x40), ...range(0x5b, 0x60), ...range(0x7b, 0x7e)];

/** The character classes of the C locale (POSIX.1-2017, 7.3.1). */
const CLASSES: ReadonlyMap<string, readonly number[]> = new Map([
  ['alpha', [...UPPER, ...LOWER]],
  ['digit', DIGITS],
  ['alnum', [...DIGITS, ...UPPER, ...LOWER]],
  ['upper', UPPER],
  ['lower', LOWER],
  ['space', [0x20, ...range(0x09, 0x0d)]],
  ['blank', [0x20, 0x09]],
  ['punct', PUNCTUATION],
  ['print', range(0x20, 0x7e)],
  ['graph', range(0x21, 0x7e)],
  ['cntrl', [...range(0, 0x1f), 0x7f]],
  ['xdigit', [...DIGITS, ...range(0x41, 0x46), ...range(0x61, 0x66)]],
]);

const CLASS = /^\[:([a-z]+):\]/;

/** The bytes of a bracket expression whose "[" stands at `start`; undefined where it is never closed and is a plain "[". */
const readBracket = (
  pattern: Uint8Array,
  start: number,
): { readonly bytes: ReadonlySet<number>; readonly end: number } | undefined => {
  let at = start + 1;
  const negated = pattern[at] === 0x21 || pattern[at] === 0x5e;
  if (negated) at++;
  const bytes = new Set<number>();
  const first = at;
  for (;;) {
    let from = pattern[at];
    if (from === undefined) return undefined;
    if (from === CLOSE && at > first) break;
    const named = from === OPEN ? CLASS.exec(String.fromCharCode(...pattern.subarray(at, at + 12))) : null;
    const members = named === null ? undefined : CLASSES.get(named[1] ?? '');
    if (named !== null && members !== undefined) {
      for (const byte of members) bytes.add(byte);
      at += named[0].length;
      continue;
    }
    if (from === BACKSLASH) {
      from = pattern[++at];
      if (from === undefined) return undefined;
    }
    at++;
    let to = from;
    if (pattern[at] === DASH && pattern[at + 1] !== undefined && pattern[at + 1] !== CLOSE) {
      at++;
      if (pattern[at] === BACKSLASH) at++;
      const last = pattern[at];
      if (last === undefined) return undefined;
      to = last;
      at++;
    }
    for (const byte of range(from, to)) bytes.add(byte);
  }
  return { bytes: negated ? new Set(range(0, 255).filter((byte) => !bytes.has(byte))) : bytes, end: at + 1 };
};

/** Compiles a pattern of fnmatch(3) with flags 0; undefined where it can match nothing, as it ends in a lone backslash. */
export const compileGlob = (pattern: Uint8Array): readonly GlobStep[] | undefined => {
  const steps: GlobStep[] = [];
  let at = 0;
  while (at < pattern.length) {
    const byte = pattern[at]!;
    const bracket = byte === OPEN ? readBracket(pattern, at) : undefined;
    if (bracket !== undefined) {
      steps.push(bracket.bytes);
      at = bracket.end;
      continue;
    }
    if (byte === 0x2a) {
      if (steps.at(-1) !== 'star') steps.push('star');
    } else if (byte === 0x3f) steps.push('any');
    else if (byte === BACKSLASH) {
      const escaped = pattern[++at];
      if (escaped === undefined) return undefined;
      steps.push(new Set([escaped]));
    } else steps.push(new Set([byte]));
    at++;
  }
  return steps;
};

const takes = (step: GlobStep, byte: number): boolean => step === 'any' || (step !== 'star' && step.has(byte));

/** Whether the whole of `text` matches, in time proportional to text times pattern at most: only the last star is gone back to. */
export const matchGlob = (steps: readonly GlobStep[], text: Uint8Array): boolean => {
  let step = 0;
  let at = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const current = steps[step];
    if (current === 'star') {
      star = step++;
      resume = at;
    } else if (current !== undefined && takes(current, text[at]!)) {
      step++;
      at++;
    } else if (star >= 0) {
      step = star + 1;
      at = ++resume;
    } else return false;
  }
  while (steps[step] === 'star') step++;
  return step === steps.length;
};
