import type { Register, Size } from '../../../../engine/isa/index.ts';
import * as isa from '../../../../engine/isa/index.ts';
import { ANY_NUMBER, number, pointerTo, STACK_BYTES, stepOf } from '../knowledge.ts';
import { CELL_BYTES } from '../profiles.ts';
import { hitsLocked, isFree, ofStack, type Place, type Writer } from '../writer.ts';

const { R0, R10 } = isa;

export const BYTES: Readonly<Record<Size, number>> = { b: 1, h: 2, w: 4, dw: 8 };
export const SIZES: readonly Size[] = ['b', 'h', 'w', 'dw'];
/** How many of the following don't fetch. */
const FETCHING = 4;
export const ATOMICS = [
  isa.atomicAdd,
  isa.atomicOr,
  isa.atomicAnd,
  isa.atomicXor,
  isa.atomicFetchAdd,
  isa.atomicFetchOr,
  isa.atomicFetchAnd,
  isa.atomicFetchXor,
  isa.atomicXchg,
] as const;

/** A load, store or atomic operation through a pointer. */
export const access = (w: Writer, place: Place, base: Register): boolean => {
  const what = w.known(base);
  if (what.kind !== 'pointer') return false;
  const { region, low, high } = what;
  const sizes = SIZES.filter((size) => high - low + BYTES[size] <= region.size);
  if (sizes.length === 0) return false;
  const onStack = ofStack(region);
  const use = w.random.weighted([
    [6, 'load'],
    [2, 'signed'],
    [5, 'store'],
    [2, 'constant'],
    [region.of === 'packet' || (onStack && low !== high && !w.slips()) ? 0 : 3, 'atomic'],
  ] as const);
  const size = use === 'atomic' ? w.random.pick(['w', 'dw'] as const) : w.random.pick(sizes);
  const bytes = BYTES[size];
  if (high - low + bytes > region.size) return false;
  const align = onStack || use === 'atomic' ? bytes : 1;
  if (what.step < align && low !== high) return false;
  /** Where the lowest of the accesses goes, from the region's start. */
  const least = 0;
  const most = region.size - (high - low) - bytes;
  let at = w.random.between(least, most);
  if (region.of === 'stack' && at < STACK_BYTES - w.frameBytes && !w.slips())
    at = Math.min(most, STACK_BYTES - w.random.between(8, w.frameBytes));
  at -= ((at % align) + align) % align;
  if (region.of === 'stack' && w.random.chance(0.6))
    at = Math.max(least, Math.min(most, STACK_BYTES - 64 + w.random.below(64)));
  if (onStack || use === 'atomic') at -= at % align;
  if (at < least) return false;
  if (w.slips()) at += w.random.pick([-1, 1, bytes, -8, 8, 512]);
  const offset = at - low;
  const end = at + (high - low) + bytes;
  const exact = low === high;
  const mine = region.of === 'stack';
  if (mine && use !== 'load' && use !== 'signed' && hitsLocked(place, at, end)) return false;
  const initialised = !mine || w.state.written.subarray(Math.max(0, at), end).every((byte) => byte === 1);
  if (!exact) w.features.add('variable offset');
  if (use === 'load' || use === 'signed') {
    if (!initialised && !(w.slips() && w.slips())) return false;
    const dst = w.free(place, base === R10 ? [] : [base]) ?? w.free(place);
    if (!dst) return false;
    const spilled = mine && exact && size === 'dw' && use === 'load' ? w.state.spills.get(at) : undefined;
    const overlaps =
      mine && !spilled && [...w.state.spills].some(([slot, k]) => slot < end && slot + 8 > at && k.kind !== 'number');
    if (overlaps && !w.slips()) return false;
    if (use === 'signed' && size !== 'dw') w.emit(isa.ldxsx(size, dst, base, offset));
    else w.emit(isa.ldx(size, dst, base, offset));
    w.set(dst, spilled ?? (use === 'load' && size !== 'dw' ? number(2 ** (8 * bytes) - 1) : ANY_NUMBER));
    return true;
  }
  if (use === 'atomic') {
    if (!initialised && !(w.slips() && w.slips())) return false;
    const src = w.aNumber(place, true);
    if (!src || src === base) return false;
    w.features.add('atomic');
    /** On the stack seldom: Linux 6.18 loses track of what is fetched there (docs/verifier-differences.md). */
    const fetches = !onStack || w.random.chance(0.05);
    const overlaps =
      mine && [...w.state.spills].some(([slot, k]) => slot < end && slot + 8 > at && k.kind !== 'number');
    if (overlaps) return false;
    if (mine) w.overwrite(at, end, exact);
    if (w.known(R0).kind === 'number' && base !== R0 && fetches && isFree(place, R0) && w.random.chance(0.25)) {
      w.emit(isa.atomicCmpxchg(size === 'w' ? 'w' : 'dw', base, offset, src));
      w.set(R0, ANY_NUMBER);
      return true;
    }
    const index = w.random.below(fetches ? ATOMICS.length : FETCHING);
    w.emit(ATOMICS[index]!(size === 'w' ? 'w' : 'dw', base, offset, src));
    if (index >= FETCHING) w.set(src, ANY_NUMBER);
    return true;
  }
  if (use === 'constant') {
    w.emit(isa.st(size, base, offset, w.random.number32() >> (size === 'b' ? 24 : size === 'h' ? 16 : 0)));
    if (mine) w.overwrite(at, end, exact);
    return true;
  }
  const spillable = w.where(({ kind }) => kind === 'pointer' || kind === 'maybe' || kind === 'context');
  if (mine && exact && size === 'dw' && at % 8 === 0 && spillable.length > 0 && w.random.chance(0.4)) {
    const src = w.random.pick(spillable);
    w.emit(isa.stx('dw', base, offset, src));
    w.overwrite(at, end, true);
    w.state.spills.set(at, w.known(src));
    w.features.add('spill');
    return true;
  }
  const src = w.aNumber(place);
  if (!src) return false;
  w.emit(isa.stx(size, base, offset, src));
  if (mine) {
    w.overwrite(at, end, exact);
    if (exact && size === 'dw' && at % 8 === 0) {
      w.state.spills.set(at, w.known(src));
      w.features.add('spill');
    }
  }
  return true;
};

export const someAccess = (w: Writer, place: Place): boolean => {
  const list = w.pointers();
  return access(w, place, list.length > 0 && w.random.chance(0.6) ? w.random.pick(list) : R10);
};

export const context = (w: Writer, place: Place): boolean => {
  const bases = w.where(({ kind }) => kind === 'context');
  if (bases.length === 0) return false;
  const base = w.random.pick(bases);
  const field = w.random.pick(w.profile.context);
  const dst = w.free(place, [base]);
  if (!dst) return false;
  if (field.writable && w.random.chance(0.4)) {
    const src = w.aNumber(place);
    if (!src) return false;
    w.emit(isa.stx(field.size, base, field.offset, src));
    return true;
  }
  w.emit(isa.ldx(field.size, dst, base, field.offset + (w.slips() ? w.random.pick([-1, 1, 4, 64]) : 0)));
  w.set(dst, field.size === 'dw' ? ANY_NUMBER : number(2 ** (8 * BYTES[field.size]) - 1));
  return true;
};

export const value = (w: Writer, place: Place): boolean => {
  const dst = w.free(place);
  if (!dst) return false;
  const at = w.random.pick([0, 8, 16, w.random.below(CELL_BYTES)]);
  w.emit(isa.loadMapValue(dst, 'cell', at));
  w.set(dst, { ...pointerTo({ of: 'value', size: CELL_BYTES, id: 0, map: 'cell' }, at), step: stepOf(at) });
  return true;
};

export const movePointer = (w: Writer, place: Place): boolean => {
  const list = w.pointers();
  const src = list.length > 0 && w.random.chance(0.7) ? w.random.pick(list) : R10;
  const what = w.known(src);
  const dst = src !== R10 && isFree(place, src) && w.random.chance(0.3) ? src : w.free(place, [src]);
  if (!dst || what.kind !== 'pointer') return false;
  if (dst !== src) w.emit(isa.mov(dst, src));
  const least = what.region.of === 'stack' ? STACK_BYTES - w.frameBytes : 0;
  const distance = w.slips() ? w.random.between(-600, 600) : w.random.between(least, what.region.size) - what.low;
  const by = w.random.chance(0.7) ? distance & ~7 : distance;
  if (by !== 0)
    w.emit(
      by < 0 && (!ofStack(what.region) || w.slips()) && w.random.chance(0.5) ? isa.sub(dst, -by) : isa.add(dst, by),
    );
  w.set(dst, { ...what, low: what.low + by, high: what.high + by, step: Math.min(what.step, 8) });
  return true;
};
