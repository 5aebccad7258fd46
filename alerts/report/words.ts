/** `1,234`. */
export const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });

/** `1 alert`, `1,234 alerts`. */
export const plural = (value: number, noun: string, many = `${noun}s`): string =>
  `${number(value)} ${value === 1 ? noun : many}`;

/** `12.5 %`. */
export const share = (part: number, whole: number): string => {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  return `${percent >= 10 || Number.isInteger(percent) ? percent.toFixed(0) : percent.toFixed(1)} %`;
};

/** `2026-01-02 03:04:05` of an entry's time; with milliseconds where wanted. */
export const shortTime = (iso: string, digits = 0): string =>
  iso.slice(0, digits === 0 ? 19 : 20 + digits).replace('T', ' ');

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** `2 hours`, `1.5 seconds`, `40 ms`. */
export const duration = (milliseconds: number): string => {
  for (const [unit, size] of UNITS)
    if (milliseconds >= size) {
      const value = milliseconds / size;
      return plural(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10, unit);
    }
  return `${Math.round(milliseconds)} ms`;
};

/** `a, b and c`. */
export const list = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** A text of at most so many characters, and how many it has in all where some are left out. */
export const clipped = (text: string, most: number): string => {
  if (text.length <= most) return text;
  const end = text.charCodeAt(most - 1);
  const cut = end >= 0xd800 && end < 0xdc00 ? most - 1 : most;
  return `${text.slice(0, cut)}… (${number(text.length)} characters in all)`;
};

/** A command's argument as a shell takes it. */
export const shellWord = (text: string): string =>
  /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
