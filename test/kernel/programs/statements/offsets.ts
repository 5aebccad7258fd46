import type { Register } from '../../../../engine/isa/index.ts';
import * as isa from '../../../../engine/isa/index.ts';
import {
  ANY_NUMBER,
  copyState,
  type Known,
  mergeStates,
  NOTHING,
  number,
  pointerTo,
  STACK_BYTES,
  stepOf,
} from '../knowledge.ts';
import { isFree, ofStack, type Place, REGISTERS, type Writer } from '../writer.ts';
import { access } from './accesses.ts';

const { R0, R10 } = isa;

/** Emits what makes a number at most `limit` (a multiple of `step`), with a jump to `outside` where that is a comparison. */
export const bound = (w: Writer, r: Register, limit: number, step: number, outside: string): boolean => {
  const what = w.known(r);
  if (what.kind === 'number' && what.max !== undefined && what.max <= limit && what.step >= step) return false;
  const bits = Math.floor(Math.log2(limit + 1));
  let jumps = false;
  let max = limit;
  switch (w.random.chance(0.02) ? 3 : w.random.pick([0, 1, 2, 4, 5, 6])) {
    case 0:
    case 1:
      w.emit(isa.and(r, (2 ** bits - 1) & -step));
      w.set(r, number((2 ** bits - 1) & -step, step));
      return false;
    case 2:
      if (bits === 0) return bound(w, r, limit, step, outside);
      w.emit(isa.rsh(r, 64 - bits));
      max = 2 ** bits - 1;
      break;
    case 3:
      w.emit(w.random.chance(0.5) ? isa.mod(r, limit + 1) : isa.mod32(r, limit + 1));
      break;
    case 4:
      w.emit(isa.jgt(r, limit, outside));
      jumps = true;
      break;
    case 5:
      w.emit(isa.jsgt(r, limit, outside), isa.jslt(r, 0, outside));
      jumps = true;
      break;
    default:
      w.emit(isa.mov32(r, r), isa.jge32(r, limit + 1, outside));
      jumps = true;
      break;
  }
  if (step > 1) w.emit(isa.and(r, -step));
  w.set(r, number(max, step));
  return jumps;
};

/** Accesses with an offset that is known only within bounds. */
export const variable = (w: Writer, place: Place): boolean => {
  const list = w.pointers();
  const base = list.length > 0 && w.random.chance(0.7) ? w.random.pick(list) : R10;
  const what = w.known(base);
  const index = w.aNumber(place, true);
  if (!index || index === base || what.kind !== 'pointer') return false;
  const to = w.free(place, [index, base]);
  if (!to || (place.held && what.region.of === 'packet')) return false;
  const { region } = what;
  const onStack = ofStack(region);
  const step = onStack ? w.random.pick([1, 4, 8]) : w.random.pick([1, 1, 8]);
  const isPacket = region.of === 'packet';
  const room = isPacket ? 64 : region.size - (what.high - what.low);
  if (room < 8) return false;
  const limit = w.slips() ? room + 8 : Math.min(room - 8, w.random.pick([3, 7, 15, 31, 63, 40]));
  const before = copyState(w.state);
  const outside = w.label();
  const jumps = bound(w, index, Math.max(limit, 1), step, outside);
  const bounded = w.known(index);
  if (bounded.kind !== 'number' || bounded.max === undefined) return false;
  const afterJump = copyState(before);
  afterJump.registers[index.register] = ANY_NUMBER;
  w.emit(isa.mov(to, base));
  w.features.add('variable offset');
  const max = bounded.max - (bounded.max % bounded.step);
  const lowest = region.of === 'stack' ? STACK_BYTES - w.frameBytes : 0;
  const start = w.random.between(lowest, Math.max(lowest, region.size - max - (what.high - what.low) - 8)) & -8;
  const moved = start - what.low;
  if (!isPacket && w.random.chance(w.slip)) {
    if (moved + max !== 0) w.emit(isa.add(to, moved + max));
    w.emit(isa.sub(to, index));
  } else {
    if (moved !== 0 && !isPacket) w.emit(isa.add(to, moved));
    w.emit(isa.add(to, index));
  }
  if (isPacket) {
    w.set(to, pointerTo({ ...region, id: w.nextId(), size: 0 }, what.low));
    checkPacket(w, place, to);
  } else {
    const high = start + max + (what.high - what.low);
    w.set(to, { kind: 'pointer', region, low: start, high, step: Math.min(bounded.step, what.step, stepOf(moved)) });
  }
  for (let n = w.random.between(1, 3); n > 0; n--) access(w, place, to);
  if (w.random.chance(0.3)) w.block(place, w.random.between(1, 3));
  if (jumps) {
    for (const r of REGISTERS) if (place.locked.has(r.register)) afterJump.registers[r.register] = w.known(r);
    w.emit(isa.label(outside));
    w.state = mergeStates(w.state, afterJump);
  }
  return true;
};

/** Compares a pointer into a packet with its end; where there is too little the program ends. */
export const checkPacket = (w: Writer, place: Place, r: Register): boolean => {
  const what = w.known(r);
  const ends = w.where(({ kind }) => kind === 'packet end');
  if (what.kind !== 'pointer' || what.region.of !== 'packet' || ends.length === 0) return false;
  const end = w.random.pick(ends);
  const probe = w.free(place, [r, end]);
  if (!probe) return false;
  const wanted = w.random.pick([1, 4, 8, 14, 20, 34, 54]) + what.high;
  w.emit(isa.mov(probe, r), isa.add(probe, wanted - what.high));
  w.set(probe, NOTHING);
  const inside = w.label();
  w.emit(w.random.pick([isa.jle(probe, end, inside), isa.jge(end, probe, inside)]));
  w.emit(isa.mov(R0, w.random.below(3)), isa.exit(), isa.label(inside));
  const region = { ...what.region, size: Math.max(wanted, what.region.size) };
  const widen = (k: Known): Known =>
    k.kind === 'pointer' && k.region.of === 'packet' && k.region.id === region.id ? { ...k, region } : k;
  for (const each of REGISTERS) w.set(each, widen(w.known(each)));
  for (const [at, k] of w.state.spills) w.state.spills.set(at, widen(k));
  w.features.add('packet');
  return true;
};

export const packet = (w: Writer, place: Place): boolean => {
  const list = w.where((k) => k.kind === 'pointer' && k.region.of === 'packet');
  if (list.length === 0) return false;
  const r = w.random.pick(list);
  if (w.random.chance(0.5) && isFree(place, r)) {
    const by = w.random.pick([1, 2, 4, 6, 14]);
    const what = w.known(r);
    w.emit(isa.add(r, by));
    if (what.kind === 'pointer') w.set(r, { ...what, low: what.low + by, high: what.high + by, step: 1 });
  }
  return place.calls === 0 && !place.held ? checkPacket(w, place, r) : access(w, place, r);
};
