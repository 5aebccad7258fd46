import * as isa from '../../../../engine/isa/index.ts';
import {
  ANY_NUMBER,
  copyState,
  type Known,
  type MapName,
  mergeStates,
  NOTHING,
  number,
  pointerTo,
  type Region,
  STACK_BYTES,
} from '../knowledge.ts';
import { MAPS } from '../profiles.ts';
import { hitsLocked, isFree, type Place, REGISTERS, type Writer } from '../writer.ts';

const { R0, R1, R2, R3, R4, R6, R7, R8, R9, R10 } = isa;

const [LOOKUP, UPDATE, DELETE, OUTPUT, RESERVE, SUBMIT, DISCARD] = [1, 2, 3, 130, 131, 132, 133];

/** A key of 4 bytes on the stack; where it lies, as a distance from r10. */
export const key = (w: Writer, place: Place, map: MapName): number | undefined => {
  const at = STACK_BYTES - w.random.pick([4, 8, 12, 16, 36, 40]);
  if (hitsLocked(place, at, at + 4)) return undefined;
  const list = w.numbers().filter((r) => isFree(place, r));
  if (list.length > 0 && w.random.chance(0.6)) {
    const r = w.random.pick(list);
    w.emit(isa.and(r, map === 'table' ? 7 : 3), isa.stx('w', R10, at - STACK_BYTES, r));
    w.set(r, number(map === 'table' ? 7 : 3));
  } else w.emit(isa.st('w', R10, at - STACK_BYTES, map === 'table' || w.random.chance(0.1) ? w.random.below(8) : 4));
  w.overwrite(at, at + 4, true);
  return at - STACK_BYTES;
};

export const lookup = (w: Writer, place: Place): boolean => {
  if (!w.callable(place)) return false;
  const map = w.random.pick(['list', 'table'] as const);
  const at = key(w, place, map);
  if (at === undefined) return false;
  w.emit(isa.loadMap(R1, map));
  w.pointerArgument(R2, at);
  w.emit(isa.call(LOOKUP));
  const id = w.nextId();
  w.called({ kind: 'maybe', region: { of: 'value', size: MAPS[map].valueSize, id, map }, id });
  w.features.add('map');
  if (w.slips()) return true;
  return w.random.chance(0.85) ? nullCheck(w, place) : true;
};

/** Replaces what may be null by what it is, in one of two branches. */
export const nullCheck = (w: Writer, place: Place): boolean => {
  const list = w.where(({ kind }) => kind === 'maybe');
  if (list.length === 0) return false;
  const r = w.random.pick(list);
  const what = w.known(r);
  if (what.kind !== 'maybe' || !isFree(place, r)) return false;
  const otherwise = w.label();
  const resolve = (to: Known): void => {
    for (const each of REGISTERS) if (isSame(w.known(each))) w.set(each, to);
    for (const [at, k] of [...w.state.spills]) if (isSame(k)) w.state.spills.set(at, to);
  };
  const isSame = (k: Known): boolean => k.kind === 'maybe' && k.id === what.id;
  const before = copyState(w.state);
  if (place.held || w.random.chance(0.7)) {
    w.emit(isa.jeq(r, 0, otherwise));
    resolve(pointerTo({ ...what.region, id: 0 }));
    w.block(place, w.random.between(1, 4));
    const after = w.state;
    w.state = before;
    resolve(number(0, 8));
    const end = w.label();
    const hasElse = w.random.chance(0.4);
    if (hasElse) {
      w.emit(isa.ja(end));
      w.emit(isa.label(otherwise));
      w.block(place, w.random.between(1, 2));
      w.emit(isa.label(end));
    } else w.emit(isa.label(otherwise));
    w.state = mergeStates(after, w.state);
    return true;
  }
  const inside = w.label();
  w.emit(isa.jne(r, 0, inside));
  if (place.calls === 0 && w.profile.returns === 'any') w.emit(isa.mov(R0, w.random.number32()));
  else w.emit(isa.mov(R0, 0));
  w.emit(isa.exit(), isa.label(inside));
  resolve(pointerTo({ ...what.region, id: 0 }));
  return true;
};

export const change = (w: Writer, place: Place): boolean => {
  if (!w.callable(place)) return false;
  const map = w.random.pick(['list', 'table'] as const);
  const at = key(w, place, map);
  if (at === undefined) return false;
  w.features.add('map');
  if (w.random.chance(0.4)) {
    w.emit(isa.loadMap(R1, map));
    w.pointerArgument(R2, at);
    w.emit(isa.call(DELETE));
  } else {
    const from = STACK_BYTES - 64;
    const size = MAPS[map].valueSize;
    if (!w.state.written.subarray(from, from + size).every((byte) => byte === 1)) return false;
    if ([...w.state.spills].some(([slot, k]) => slot < from + size && slot + 8 > from && k.kind !== 'number'))
      return false;
    w.emit(isa.loadMap(R1, map));
    w.pointerArgument(R2, at);
    w.emit(
      isa.mov(R3, R10),
      isa.add(R3, -64),
      isa.mov(R4, w.random.pick([0, 0, 1, 2, w.slips() ? 9 : 0])),
      isa.call(UPDATE),
    );
  }
  if (map === 'table') w.forgetValues(map);
  w.called(ANY_NUMBER);
  return true;
};

export const record = (w: Writer, place: Place): boolean => {
  if (!w.callable(place)) return false;
  w.features.add('record');
  if (w.random.chance(0.3)) {
    const from = STACK_BYTES - 64;
    const size = w.random.pick([8, 16, 24]);
    if (!w.state.written.subarray(from, from + size).every((byte) => byte === 1)) return false;
    if ([...w.state.spills].some(([slot, k]) => slot < from + size && slot + 8 > from && k.kind !== 'number'))
      return false;
    w.emit(isa.loadMap(R1, 'ring'));
    w.pointerArgument(R2, -64);
    w.emit(isa.mov(R3, size), isa.mov(R4, 1), isa.call(OUTPUT));
    w.called(ANY_NUMBER);
    return true;
  }
  const keep = w.random.pick([R6, R7, R8, R9]);
  if (!isFree(place, keep)) return false;
  const size = w.random.pick([8, 16, 24, 32]);
  const otherwise = w.label();
  w.emit(isa.loadMap(R1, 'ring'), isa.mov(R2, size), isa.mov(R3, 0), isa.call(RESERVE));
  w.called(NOTHING);
  w.set(keep, NOTHING);
  const before = copyState(w.state);
  before.registers[0] = number(0, 8);
  w.emit(isa.jeq(R0, 0, otherwise), isa.mov(keep, R0));
  const region: Region = { of: 'record', size, id: w.nextId() };
  w.set(R0, pointerTo(region));
  w.set(keep, pointerTo(region));
  for (let at = 0; at < size; at += 8) w.emit(isa.st('dw', keep, at, w.random.number32()));
  const inner: Place = {
    ...place,
    depth: place.depth + 1,
    held: true,
    locked: new Set([...place.locked, keep.register]),
  };
  w.block(inner, w.random.between(1, 4));
  const mine = (k: Known): boolean => k.kind === 'pointer' && k.region.of === 'record' && k.region.id === region.id;
  if (!w.slips()) {
    w.emit(isa.mov(R1, keep), isa.mov(R2, w.random.pick([0, 1])), isa.call(w.random.chance(0.8) ? SUBMIT : DISCARD));
  }
  w.called(NOTHING);
  for (const r of REGISTERS) if (mine(w.known(r))) w.set(r, NOTHING);
  for (const [at, k] of [...w.state.spills]) if (mine(k)) w.state.spills.delete(at);
  w.emit(isa.label(otherwise));
  w.state = mergeStates(w.state, before);
  w.set(R0, NOTHING);
  return true;
};
