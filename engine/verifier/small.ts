import type { Range } from './range.ts';
import { type Tnum, tnum } from './tnum.ts';

/** The greatest number of 31 bits: up to here every reading of a number is the same, and JavaScript's integers do. */
export const S31_MAX = 0x7fff_ffff;

/**
 * What is known of a number from 0 to S31_MAX, as integers: known bits that are 1, unknown bits, and bounds. Most numbers of a program
 * are such, and integers are many times faster than 64-bit numbers.
 */
export interface Small {
  readonly value: number;
  readonly mask: number;
  readonly min: number;
  readonly max: number;
}

/** Joins what bits and bounds say of each other; undefined where no number fits both. */
export function deduceSmall(value: number, mask: number, min: number, max: number): Small | undefined {
  let [v, m] = [value, mask];
  let least = min > v ? min : v;
  let most = max < (v | m) ? max : v | m;
  for (let round = 0; round < 2; round++) {
    if (least > most) return undefined;
    const common = least === most ? 0 : -1 >>> Math.clz32(least ^ most);
    const prefix = least & ~common;
    const unknown = m & common;
    if (((prefix ^ v) & ~m & ~common) !== 0) return undefined;
    v = (v | prefix) & ~unknown;
    if (unknown === m) break;
    m = unknown;
    if (v > least) least = v;
    if ((v | m) < most) most = v | m;
  }
  if (least > most) return undefined;
  if (m === 0 && (v < least || v > most)) return undefined;
  return { value: v, mask: m, min: m === 0 ? v : least, max: m === 0 ? v : most };
}

export const smallBits = ({ value, mask }: Small): Tnum => tnum(BigInt(value), BigInt(mask));

export function smallRange({ min, max }: Small): Range {
  const umin = BigInt(min);
  const umax = BigInt(max);
  return { umin, umax, smin: umin, smax: umax };
}

/** Whether each number that `b` allows is allowed by `a`. */
export const smallContains = (a: Small, b: Small): boolean =>
  a.min <= b.min && a.max >= b.max && (b.mask & ~a.mask) === 0 && (b.value & ~a.mask) === a.value;

const most = ({ value, mask }: Small): number => value | mask;

/** `a operation b` of 32 or 64 bits; undefined where the result may be no such number, or the operation is for larger ones. */
export function calculateSmall(operation: string, width: 32 | 64, a: Small, b: Small): Small | undefined {
  switch (operation) {
    case 'add': {
      if (most(a) + most(b) > S31_MAX) return undefined;
      const values = a.value + b.value;
      const unknown = ((values + a.mask + b.mask) ^ values) | a.mask | b.mask;
      return deduceSmall(values & ~unknown, unknown, a.min + b.min, a.max + b.max);
    }
    case 'sub': {
      if (a.min < b.max) return undefined;
      const values = (a.value - b.value) | 0;
      const unknown = (((values + a.mask) ^ (values - b.mask)) | a.mask | b.mask) & S31_MAX;
      return deduceSmall(values & ~unknown & S31_MAX, unknown, a.min - b.max, a.max - b.min);
    }
    case 'mul':
      return most(a) * most(b) > S31_MAX ? undefined : multiply(a, b);
    case 'and': {
      const value = a.value & b.value;
      return deduceSmall(value, most(a) & most(b) & ~value, 0, Math.min(a.max, b.max));
    }
    case 'or': {
      const value = a.value | b.value;
      return deduceSmall(value, (a.mask | b.mask) & ~value, Math.max(a.min, b.min), S31_MAX);
    }
    case 'xor': {
      const unknown = a.mask | b.mask;
      return deduceSmall((a.value ^ b.value) & ~unknown, unknown, 0, S31_MAX);
    }
    case 'lsh': {
      const by = b.value & (width - 1);
      if (b.mask !== 0 || by > 30 || most(a) * 2 ** by > S31_MAX) return undefined;
      return deduceSmall(a.value << by, a.mask << by, a.min << by, a.max << by);
    }
    case 'rsh':
    case 'arsh': {
      const by = b.value & (width - 1);
      if (b.mask !== 0 || by > 30) return undefined;
      return deduceSmall(a.value >> by, a.mask >> by, a.min >> by, a.max >> by);
    }
    case 'div':
      if (b.mask !== 0 || b.value === 0) return undefined;
      return deduceSmall(0, S31_MAX, Math.floor(a.min / b.value), Math.floor(a.max / b.value));
    case 'mod': {
      if (b.mask !== 0 || b.value === 0) return undefined;
      if (a.max < b.value) return a;
      const power = (b.value & (b.value - 1)) === 0;
      if (power) return deduceSmall(a.value & (b.value - 1), a.mask & (b.value - 1), 0, b.value - 1);
      return deduceSmall(0, S31_MAX, 0, b.value - 1);
    }
    default:
      return undefined;
  }
}

/** As `tnumMul`, with the factor that is known better as the one whose bits are looked at. */
function multiply(a: Small, b: Small): Small | undefined {
  const [factor, other] = b.mask === 0 ? [b, a] : [a, b];
  let unknownValue = 0;
  let unknownMask = 0;
  for (let bit = 0; factor.value >> bit !== 0 || factor.mask >> bit !== 0; bit++) {
    const added = (factor.value >> bit) & 1 ? other.mask << bit : (factor.mask >> bit) & 1 ? most(other) << bit : 0;
    if (added === 0) continue;
    const sum = unknownValue;
    const unknown = (((sum + unknownMask + added) ^ sum) | unknownMask | added) & S31_MAX;
    unknownValue = sum & ~unknown;
    unknownMask = unknown;
  }
  const product = a.value * b.value;
  const values = (product + unknownValue) & S31_MAX;
  const unknown = (((values + unknownMask) ^ values) | unknownMask) & S31_MAX;
  return deduceSmall(values & ~unknown, unknown, a.min * b.min, a.max * b.max);
}

/** What both are where the condition holds, or undefined where it can't. */
export function refineSmall(condition: string, a: Small, b: Small): readonly [Small, Small] | undefined {
  switch (condition) {
    case 'jeq': {
      if (((a.value ^ b.value) & ~a.mask & ~b.mask) !== 0) return undefined;
      const mask = a.mask & b.mask;
      const both = deduceSmall((a.value | b.value) & ~mask, mask, Math.max(a.min, b.min), Math.min(a.max, b.max));
      return both && [smallContains(both, a) ? a : both, smallContains(both, b) ? b : both];
    }
    case 'jne':
      return pair(without(a, b), without(b, a));
    case 'jgt':
    case 'jsgt':
      return pair(between(a, b.min + 1, S31_MAX), between(b, 0, a.max - 1));
    case 'jge':
    case 'jsge':
      return pair(between(a, b.min, S31_MAX), between(b, 0, a.max));
    case 'jlt':
    case 'jslt':
      return pair(between(a, 0, b.max - 1), between(b, a.min + 1, S31_MAX));
    case 'jle':
    case 'jsle':
      return pair(between(a, 0, b.max), between(b, a.min, S31_MAX));
    case 'jset': {
      const possible = most(a) & most(b);
      if (possible === 0) return undefined;
      if ((possible & (possible - 1)) !== 0) return [a, b];
      return pair(withBits(a, possible), withBits(b, possible));
    }
    case 'jclear':
      if ((a.value & b.value) !== 0) return undefined;
      return pair(withoutBits(a, b.value), withoutBits(b, a.value));
    default:
      return undefined;
  }
}

const pair = (a: Small | undefined, b: Small | undefined): readonly [Small, Small] | undefined =>
  a && b ? [a, b] : undefined;

function between(s: Small, min: number, max: number): Small | undefined {
  if (s.min >= min && s.max <= max) return s;
  return deduceSmall(s.value, s.mask, Math.max(s.min, min), Math.min(s.max, max));
}

/** Takes a number off the ends of the bounds, where `other` is that one number. */
function without(s: Small, other: Small): Small | undefined {
  if (other.mask !== 0) return s;
  if (s.min !== other.value && s.max !== other.value) return s;
  return between(s, s.min === other.value ? s.min + 1 : s.min, s.max === other.value ? s.max - 1 : s.max);
}

const withBits = (s: Small, bits: number): Small | undefined =>
  (s.mask & bits) === 0 ? s : deduceSmall(s.value | bits, s.mask & ~bits, s.min, s.max);

const withoutBits = (s: Small, bits: number): Small | undefined =>
  (s.mask & bits) === 0 ? s : deduceSmall(s.value, s.mask & ~bits, s.min, s.max);
