/** Upper to lower case for A to Z only: the C locale. */
export const lower = (text: string): string => text.replace(/[A-Z]+/g, (found) => found.toLowerCase());
export const upper = (text: string): string => text.replace(/[a-z]+/g, (found) => found.toUpperCase());

const CLASSES: Readonly<Record<string, RegExp>> = {
  alpha: /[A-Za-z]/,
  digit: /[0-9]/,
  alnum: /[A-Za-z0-9]/,
  upper: /[A-Z]/,
  lower: /[a-z]/,
  space: /[ \t\n\v\f\r]/,
  punct: /[!-/:-@[-`{-~]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** Where a bracket expression ends: at the first `]` that is not its first member and not a class's. */
const endOfBracket = (pattern: string): number => {
  let at = /^\[[!^]/.test(pattern) ? 2 : 1;
  if (pattern[at] === ']') at++;
  while (at < pattern.length && pattern[at] !== ']') {
    const close = pattern.startsWith('[:', at) ? pattern.indexOf(':]', at + 2) : -1;
    at = close > 0 ? close + 2 : at + 1;
  }
  return at < pattern.length ? at : -1;
};

const inBracket = (inside: string, one: string): boolean => {
  const negated = /^[!^]/.test(inside);
  const set = negated ? inside.slice(1) : inside;
  let found = false;
  for (let at = 0; at < set.length; ) {
    const name = /^\[:([a-z]+):\]/.exec(set.slice(at))?.[1];
    if (name !== undefined) {
      found ||= CLASSES[name]?.test(one) ?? false;
      at += name.length + 4;
    } else if (set[at + 1] === '-' && at + 2 < set.length) {
      found ||= one >= (set[at] ?? '') && one <= (set[at + 2] ?? '');
      at += 3;
    } else {
      found ||= set[at] === one;
      at++;
    }
  }
  return found !== negated;
};

/** fnmatch(3) with no flags, by recursion over pattern and text. */
export const fnmatch = (pattern: string, text: string): boolean => {
  const [head] = pattern;
  if (head === undefined) return text === '';
  if (head === '*') {
    if (pattern.length === 1) return true;
    for (let at = 0; at <= text.length; at++) if (fnmatch(pattern.slice(1), text.slice(at))) return true;
    return false;
  }
  if (text === '') return false;
  if (head === '[') {
    const end = endOfBracket(pattern);
    if (end > 0)
      return inBracket(pattern.slice(1, end), text[0] ?? '') && fnmatch(pattern.slice(end + 1), text.slice(1));
  }
  if (head === '\\' && pattern.length > 1) return pattern[1] === text[0] && fnmatch(pattern.slice(2), text.slice(1));
  return (head === '?' || head === text[0]) && fnmatch(pattern.slice(1), text.slice(1));
};

/** Whether a path is a folder or lies below it, by whole components. */
export const isUnder = (path: string, folder: string): boolean => {
  if (path.startsWith('/') !== folder.startsWith('/')) return false;
  const parts = path.split('/').filter(Boolean);
  return folder
    .split('/')
    .filter(Boolean)
    .every((part, index) => parts[index] === part);
};

/** Whether a regular expression of the part that RE2's POSIX syntax and JavaScript share matches the whole text. */
export const matchesWhole = (pattern: string, text: string): boolean => new RegExp(`^(?:${pattern})$`).test(text);

const bytesOf = (hex: string): string =>
  (hex.match(/../g) ?? []).map((two) => String.fromCharCode(Number.parseInt(two, 16))).join('');

/** A text's bytes as characters of one byte each. */
const asBytes = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));

export const containsBytes = (text: string, hex: string): boolean => asBytes(text).includes(bytesOf(hex));
export const startsWithBytes = (text: string, hex: string): boolean => asBytes(text).startsWith(bytesOf(hex));
