/** Select graphic rendition codes (ECMA-48, 8.3.117). */
const CODES = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
  /** Denied and killed: seen at once. */
  alarm: '1;97;41',
} as const;

/** Colours a text, or leaves it as it is. */
export type Paint = Readonly<Record<keyof typeof CODES, (text: string) => string>> & { readonly colour: boolean };

export const createPaint = (colour: boolean): Paint => {
  const painter =
    (code: string) =>
    (text: string): string =>
      colour && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    colour,
    bold: painter(CODES.bold),
    dim: painter(CODES.dim),
    red: painter(CODES.red),
    green: painter(CODES.green),
    yellow: painter(CODES.yellow),
    cyan: painter(CODES.cyan),
    alarm: painter(CODES.alarm),
  };
};

/** Cuts a text without colours to a width, with an ellipsis where something is missing. */
export const cut = (text: string, width: number): string => {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(1, width) - 1).join('')}…`;
};

/** `1 rule`, `2 rules`; the plural with s unless given. */
export const count = (number: number, noun: string, plural = `${noun}s`): string =>
  `${number.toLocaleString('en-US')} ${number === 1 ? noun : plural}`;

/** A text in lines of at most `width` characters, broken at blanks; a longer word has a line of its own. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
};
