import type { DuckDBValue } from '@duckdb/node-api';
import { isoTime } from '../time.ts';

/** A value of a query's answer. */
export type Cell = string | number | boolean | null | readonly Cell[] | { readonly [name: string]: Cell };

const THOUSAND = 1_000n;
const MILLION = 1_000_000n;
const BILLION = 1_000_000_000n;

const wholeOf = (value: bigint): number | string =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);

/** Whether a nanosecond count is of the years that ISO 8601 writes with four digits. */
const hasIsoTime = (nanoseconds: bigint): boolean =>
  nanoseconds > -62_135_596_800n * BILLION && nanoseconds < 253_402_300_800n * BILLION;

/** Nanoseconds since 1970 of a timestamp of any precision. */
const nanosecondsIn = (value: object): bigint | undefined => {
  const { nanos, micros, millis, seconds } = value as Partial<
    Record<'nanos' | 'micros' | 'millis' | 'seconds', unknown>
  >;
  if (!value.constructor.name.includes('Timestamp')) return undefined;
  if (typeof nanos === 'bigint') return nanos;
  if (typeof micros === 'bigint') return micros * THOUSAND;
  if (typeof millis === 'bigint') return millis * MILLION;
  return typeof seconds === 'bigint' ? seconds * BILLION : undefined;
};

/** A value of DuckDB's as JSON: times as ISO 8601 with nanoseconds, whole numbers beyond 2^53 as text. */
export const cellOf = (value: DuckDBValue): Cell => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return wholeOf(value);
  if (typeof value !== 'object' || value === undefined) return null;
  if ('items' in value && Array.isArray(value.items)) return value.items.map(cellOf);
  if ('entries' in value) {
    const { entries } = value;
    if (Array.isArray(entries))
      return Object.fromEntries(entries.map(({ key, value: each }) => [String(cellOf(key)), cellOf(each)]));
    return Object.fromEntries(Object.entries(entries).map(([name, each]) => [name, cellOf(each)]));
  }
  const nanoseconds = nanosecondsIn(value);
  return nanoseconds !== undefined && hasIsoTime(nanoseconds) ? isoTime(nanoseconds) : String(value);
};

/** JSON text as what it says; other text as it is. */
export const parsedCell = (cell: Cell): Cell => {
  if (typeof cell !== 'string') return cell;
  try {
    return JSON.parse(cell) as Cell;
  } catch {
    return cell;
  }
};
