/** A piece of an instruction's text; `column` counts from 1. */
export type Token = { readonly column: number; readonly text: string } & (
  | { readonly kind: 'register'; readonly wide: boolean; readonly number: number }
  | { readonly kind: 'number'; readonly value: bigint; readonly signed: boolean }
  | { readonly kind: 'word' | 'mark' | 'end' | 'unknown' }
);

const TOKEN =
  /(?<mark>s?>>=|<<=|s?[<>]=|s[<>]|s[/%]=|[-+*/|&^%]=|[=!]=)|(?<number>[+-]?(?:0x[0-9a-f]+|\d+)(?![\w.]))|(?<word>[\w.$?@]+)|(?<single>[-+=<>&()[\]*:,#])|(?<unknown>\S)/giy;

/** Splits an instruction's text; `column` is where it begins in its line. The last token is the end. */
export function tokenize(text: string, column = 1): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) break;
    tokens.push(token(match[0], match.groups ?? {}, column + at));
    at += match[0].length;
  }
  const end = column + text.trimEnd().length;
  return [...tokens, { kind: 'end', text: 'the end of the line', column: end }];
}

function token(text: string, groups: Readonly<Record<string, string | undefined>>, column: number): Token {
  if (groups.number !== undefined) {
    const digits = text.replace(/^[+-]/, '');
    const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
    return { kind: 'number', text, column, value, signed: digits !== text };
  }
  if (groups.word !== undefined) {
    const [, letter, number] = /^([rw])(\d+)$/.exec(text) ?? [];
    if (letter === undefined) return { kind: 'word', text, column };
    return { kind: 'register', text, column, wide: letter === 'r', number: Number(number) };
  }
  return { kind: groups.unknown === undefined ? 'mark' : 'unknown', text, column };
}
