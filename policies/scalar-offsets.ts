import type { Scalar } from 'yaml';

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\n' || char === '\t' || char === '\r';

/** Length in the source of the escape in a double-quoted scalar that starts with the backslash at `at` (YAML 1.2.2, section 5.7). */
const escapeLength = (source: string, at: number): number => {
  const kind = source[at + 1];
  if (kind === 'x') return 4;
  if (kind === 'u') return 6;
  if (kind === 'U') return 10;
  return 2;
};

/** Where the scalar's content starts: behind the quote, or behind a block scalar's header line. */
const contentStart = (source: string, start: number, type: Scalar.Type | undefined): number => {
  if (type === 'QUOTE_SINGLE' || type === 'QUOTE_DOUBLE') return start + 1;
  if (type !== 'BLOCK_LITERAL' && type !== 'BLOCK_FOLDED') return start;
  const end = source.indexOf('\n', start);
  return end < 0 ? source.length : end + 1;
};

/**
 * The offset in the YAML source of each UTF-16 unit of a scalar's value, and of its end. Exact for everything but blanks at a
 * line's edge, which folding and indentation don't keep. Undefined where the value isn't in the source as it stands.
 */
export const scalarOffsets = (source: string, scalar: Scalar<string>): Uint32Array | undefined => {
  const [start, end] = scalar.range ?? [0, 0];
  const { value, type } = scalar;
  const offsets = new Uint32Array(value.length + 1);
  let at = contentStart(source, start, type);
  let last = at;
  for (let index = 0; index < value.length; index++) {
    const char = value[index];
    const escaped = type === 'QUOTE_DOUBLE';
    if (isBlank(char) && (!escaped || source[at] !== '\\')) {
      offsets[index] = Math.min(at, end);
      if (source[at] === char) at++;
      last = at;
      continue;
    }
    while (isBlank(source[at]) || (escaped && source[at] === '\\' && /[\r\n]/.test(source[at + 1] ?? ''))) {
      at += source[at] === '\\' ? 2 : 1;
    }
    if (at >= end) return undefined;
    offsets[index] = at;
    if (escaped && source[at] === '\\') {
      const length = escapeLength(source, at);
      at += length;
      if (length === 10 && (value.codePointAt(index) ?? 0) > 0xffff) offsets[++index] = at - length;
    } else if (source[at] !== char) {
      return undefined;
    } else {
      at += type === 'QUOTE_SINGLE' && char === "'" ? 2 : 1;
    }
    last = at;
  }
  offsets[value.length] = last;
  return offsets;
};
