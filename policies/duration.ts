const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, min: 60e9, h: 3600e9 };

/** Nanoseconds of `1.5s`, `200ms`, `2min`; undefined for other texts. */
export const durationOf = (text: string): number | undefined => {
  const [, amount, unit] = /^(\d{1,15}(?:\.\d{1,9})?) ?(ns|us|ms|s|m|min|h)$/.exec(text) ?? [];
  return amount === undefined || unit === undefined ? undefined : Math.round(Number(amount) * (UNITS[unit] ?? 1));
};
