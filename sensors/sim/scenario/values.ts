import { ERESTARTSYS } from '../../../engine/maps/index.ts';
import { ERRNO_NAMES, parseAddress } from '../../../rules/index.ts';
import type { SimAddress } from '../sim-host.ts';
import type { Endpoint, Expectation } from './scenario.ts';

/** Modes as chmod takes them that were forgotten to be quoted: as decimal numbers they are modes nobody sets. */
const UNQUOTED = new Set([
  400, 440, 444, 550, 555, 600, 640, 644, 660, 664, 666, 700, 711, 750, 755, 770, 775, 777, 1777, 2755, 4755, 6755,
]);
const MAX_MODE = 0o7777;

/** Permission bits: a text of octal digits (`"0644"`), or the number itself (0o644, 420). */
export const parseMode = (value: unknown): number | undefined => {
  if (typeof value === 'string') return /^0?[0-7]{1,4}$/.test(value) ? Number.parseInt(value, 8) : undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || UNQUOTED.has(value)) return undefined;
  return value >= 0 && value <= MAX_MODE ? value : undefined;
};

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds of `1.5s`, `200ms`, `2m`. */
export const parseDuration = (value: unknown): number | undefined => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?(ns|us|ms|s|m|h)$/.exec(String(value)) ?? [];
  return amount === undefined || unit === undefined ? undefined : Math.round(Number(amount) * (UNITS[unit] ?? 1));
};

const MAX_PORT = 0xffff;

/** `203.0.113.5:4444` or `[2001:db8::1]:443`. */
export const parseEndpoint = (value: unknown): Endpoint | undefined => {
  if (typeof value !== 'string') return undefined;
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value) ?? [];
  const address = v6 ?? v4;
  const port = Number(digits);
  if (address === undefined || port > MAX_PORT || parseAddress(address) === undefined) return undefined;
  return (v6 === undefined) === address.includes(':') ? undefined : { address, port };
};

/** An endpoint, or a Unix socket's path (`/run/docker.sock`, `@abstract`). */
export const parseSocketAddress = (value: unknown): SimAddress | undefined =>
  typeof value === 'string' && /^[/@]./.test(value) ? { path: value } : parseEndpoint(value);

/** errno names, as steps may expect them; ERESTARTSYS is a call that would go on waiting. */
const ERRNOS: ReadonlyMap<string, number> = new Map([
  ...[...ERRNO_NAMES].map(([number, name]): [string, number] => [name, number]),
  ['ERESTARTSYS', ERESTARTSYS],
]);

export const ERRNO_CHOICES: readonly string[] = [...ERRNOS.keys()];

/** `EACCES`, `0`, `">= 0"`. */
export const parseExpectation = (value: unknown): Expectation | undefined => {
  if (typeof value === 'number' && Number.isInteger(value)) return { kind: 'result', operator: '=', value };
  if (typeof value !== 'string') return undefined;
  const errno = ERRNOS.get(value);
  if (errno !== undefined) return { kind: 'errno', errno };
  const [, operator, number] = /^\s*(=|!=|<=?|>=?)?\s*(-?\d+)\s*$/.exec(value) ?? [];
  if (number === undefined) return undefined;
  return { kind: 'result', operator: (operator ?? '=') as '=', value: Number(number) };
};

const COMPARE = {
  '=': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
} satisfies Record<string, (left: number, right: number) => boolean>;

export const meets = (expected: Expectation, result: number): boolean =>
  expected.kind === 'errno' ? result === -expected.errno : COMPARE[expected.operator](result, expected.value);

/** A result in words: `3`, `EACCES`. */
export const resultText = (result: number): string =>
  result >= 0 ? String(result) : ([...ERRNOS].find(([, errno]) => errno === -result)?.[0] ?? String(result));

/** An expectation in words: `EACCES`, `>= 0`. */
export const expectationText = (expected: Expectation): string => {
  if (expected.kind === 'errno') return resultText(-expected.errno);
  return expected.operator === '=' ? String(expected.value) : `${expected.operator} ${expected.value}`;
};
