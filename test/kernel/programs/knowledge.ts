/** Bytes of a function's stack; offsets in it count from its lowest byte, so that r10 is at the end. */
export const STACK_BYTES = 512;

/** Maps that generated programs use, by the names of `maps.ts`. */
export type MapName = 'cell' | 'list' | 'table' | 'ring';

/** Memory that a pointer goes to: `size` bytes from its start may be accessed. */
export interface Region {
  readonly of: 'stack' | 'value' | 'record' | 'packet' | 'caller';
  readonly size: number;
  /** Which of several: a packet's variable offset, a record. */
  readonly id: number;
  readonly map?: MapName;
}

/** What the generator knows of a register. */
export type Known =
  | { readonly kind: 'nothing' }
  /** `max` is unsigned and inclusive, undefined where there is no bound worth knowing; `step` is a power of two that divides it. */
  | { readonly kind: 'number'; readonly max: number | undefined; readonly step: number }
  /** Somewhere from `low` to `high` bytes behind the region's start, `low` plus a multiple of `step`. */
  | {
      readonly kind: 'pointer';
      readonly region: Region;
      readonly low: number;
      readonly high: number;
      readonly step: number;
    }
  | { readonly kind: 'maybe'; readonly region: Region; readonly id: number }
  | { readonly kind: 'context' }
  | { readonly kind: 'packet end' };

export const NOTHING: Known = { kind: 'nothing' };
export const ANY_NUMBER: Known = { kind: 'number', max: undefined, step: 1 };
export const number = (max: number | undefined, step = 1): Known => ({ kind: 'number', max, step });

/** The largest power of two that divides n, at most 8; 8 for 0. */
export const stepOf = (n: number): number => (n % 8 === 0 ? 8 : n % 4 === 0 ? 4 : n % 2 === 0 ? 2 : 1);

export const pointerTo = (region: Region, at = 0): Known & { kind: 'pointer' } => ({
  kind: 'pointer',
  region,
  low: at,
  high: at,
  step: 8,
});

/** What the generator knows at a place of the program. */
export interface State {
  /** r0 to r9. */
  readonly registers: Known[];
  /** 1 for each byte of the own stack that was written. */
  readonly written: Uint8Array;
  /** Slots of 8 bytes that hold a register, by offset. */
  readonly spills: Map<number, Known>;
}

export const newState = (): State => ({
  registers: Array.from({ length: 10 }, () => NOTHING),
  written: new Uint8Array(STACK_BYTES),
  spills: new Map(),
});

export const copyState = (state: State): State => ({
  registers: [...state.registers],
  written: state.written.slice(),
  spills: new Map(state.spills),
});

const sameRegion = (a: Region, b: Region): boolean =>
  a.of === b.of && (a.size === b.size || a.of === 'packet') && a.id === b.id && a.map === b.map;

/** What holds of both. */
function join(a: Known, b: Known): Known {
  if (a.kind === 'number' && b.kind === 'number')
    return number(
      a.max === undefined || b.max === undefined ? undefined : Math.max(a.max, b.max),
      Math.min(a.step, b.step),
    );
  if (a.kind === 'pointer' && b.kind === 'pointer' && sameRegion(a.region, b.region)) {
    return {
      kind: 'pointer',
      region: a.region.size < b.region.size ? a.region : b.region,
      low: Math.min(a.low, b.low),
      high: Math.max(a.high, b.high),
      step: Math.min(a.step, b.step, stepOf(a.low - b.low)),
    };
  }
  if (a.kind === 'maybe' && b.kind === 'maybe') return a.id === b.id ? a : NOTHING;
  return a.kind === b.kind && a.kind !== 'pointer' ? a : NOTHING;
}

/** What holds where two ways meet. */
export function mergeStates(a: State, b: State): State {
  const merged = copyState(a);
  for (let r = 0; r < 10; r++) merged.registers[r] = join(a.registers[r]!, b.registers[r]!);
  for (let i = 0; i < STACK_BYTES; i++) merged.written[i] = a.written[i]! & b.written[i]!;
  for (const [at, known] of a.spills) {
    const other = b.spills.get(at);
    const both = other ? join(known, other) : NOTHING;
    if (both.kind === 'nothing') merged.spills.delete(at);
    else merged.spills.set(at, both);
  }
  return merged;
}
