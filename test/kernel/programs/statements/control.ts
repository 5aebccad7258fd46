import * as isa from '../../../../engine/isa/index.ts';
import {
  ANY_NUMBER,
  copyState,
  type Known,
  NOTHING,
  newState,
  number,
  pointerTo,
  STACK_BYTES,
  stepOf,
} from '../knowledge.ts';
import { hitsLocked, isFree, type Place, REGISTERS, type Writer } from '../writer.ts';

const { R0, R1, R2, R3, R6, R7, R8, R9, R10 } = isa;

export const loop = (w: Writer, place: Place): boolean => {
  const counter = w.random.pick([R6, R7, R8, R9].filter((r) => isFree(place, r)));
  if (!counter || place.loops >= 2) return false;
  w.features.add('loop');
  const times = w.random.between(2, place.loops === 0 ? 10 : 4);
  const [head, end] = [w.label(), w.label()];
  const locked = new Set([...place.locked, counter.register]);
  const limit = w.numbers().filter((r) => r !== counter && r.register >= 6);
  const byRegister = limit.length > 0 && w.random.chance(0.3) ? w.random.pick(limit) : undefined;
  if (byRegister) locked.add(byRegister.register);
  w.emit(isa.mov(counter, 0));
  for (const r of REGISTERS) {
    const what = w.known(r);
    if (r === counter || locked.has(r.register)) continue;
    if (r.register < 6) {
      if (what.kind === 'number' && w.random.chance(0.5)) w.set(r, ANY_NUMBER);
      else w.set(r, NOTHING);
    } else if (what.kind === 'number') {
      if (w.random.chance(0.5)) w.set(r, ANY_NUMBER);
      else locked.add(r.register);
    } else if (what.kind !== 'nothing') locked.add(r.register);
  }
  const lockedSlots = new Set(place.lockedSlots);
  for (const at of [...w.state.spills.keys()]) {
    if (lockedSlots.has(at)) continue;
    if (w.state.spills.get(at)!.kind !== 'number' || w.random.chance(0.5)) lockedSlots.add(at);
    else w.state.spills.delete(at);
  }
  w.set(counter, number(times - 1));
  const headState = copyState(w.state);
  w.emit(isa.label(head));
  if (byRegister) w.emit((w.random.chance(0.5) ? isa.jge : isa.jge32)(counter, byRegister, end));
  w.block({ ...place, locked, lockedSlots, depth: place.depth + 1, loops: place.loops + 1 }, w.random.between(1, 4));
  for (const r of REGISTERS) {
    if (locked.has(r.register)) continue;
    const wanted = headState.registers[r.register]!.kind;
    if (wanted === 'number' && w.known(r).kind !== 'number') w.emit(isa.mov(r, w.random.below(9)));
  }
  w.emit(isa.add(counter, 1));
  w.emit((w.random.chance(0.7) ? isa.jlt : isa.jslt)(counter, times, head), isa.label(end));
  w.state = headState;
  w.set(counter, number(times));
  return true;
};

/** A call of a function that is made for it. */
export const callFunction = (w: Writer, place: Place): boolean => {
  if (!w.callable(place) || place.calls >= 3) return false;
  w.features.add('call');
  const name = w.label();
  const inner = newState();
  const parameters: Known[] = [];
  for (const target of [R1, R2, R3]) {
    const list = w.random.chance(0.5) ? w.pointers() : w.numbers();
    const usable = list.filter((r) => r.register === 0 || r.register > target.register - 1);
    const src = usable.length > 0 ? w.random.pick(usable) : undefined;
    if (!src) {
      const what = w.random.number32();
      w.emit(isa.mov(target, what));
      w.set(target, ANY_NUMBER);
      parameters.push(ANY_NUMBER);
      continue;
    }
    const what = w.known(src);
    if (src !== target) w.emit(isa.mov(target, src));
    w.set(target, what);
    if (what.kind !== 'pointer' || what.region.of !== 'stack') {
      parameters.push(what);
      continue;
    }
    const from = Math.max(0, what.high - (what.high % 8));
    const whole = w.state.written.subarray(from, STACK_BYTES).indexOf(0);
    const size = Math.min(whole < 0 ? STACK_BYTES - from : whole, 32);
    const clash = size < 8 || what.low !== what.high || hitsLocked(place, from, from + size);
    if (clash) {
      w.emit(isa.mov(target, 5));
      w.set(target, ANY_NUMBER);
      parameters.push(ANY_NUMBER);
      continue;
    }
    w.overwrite(from, from + size, false);
    parameters.push({
      ...pointerTo({ of: 'caller', size, id: w.nextId() }, what.low - from),
      step: stepOf(what.low - from),
    });
  }
  for (const [index, what] of parameters.entries()) inner.registers[index + 1] = what;
  w.emit(isa.callLocal(name));
  w.called(ANY_NUMBER);
  const [savedOut, savedState, savedBytes] = [w.out, w.state, w.frameBytes];
  w.frameBytes = 64;
  w.out = [isa.label(name)];
  w.state = inner;
  if (w.random.chance(0.7)) initialise(w, w.random.between(1, 4));
  w.block(
    {
      locked: new Set(),
      lockedSlots: new Set(),
      depth: place.depth + 1,
      calls: place.calls + 1,
      loops: place.loops,
      held: false,
    },
    w.random.between(2, 5),
  );
  if (w.known(R0).kind !== 'number') {
    const list = w.numbers();
    w.emit(list.length > 0 ? isa.mov(R0, w.random.pick(list)) : isa.mov(R0, 3));
  }
  w.emit(isa.exit());
  w.functions.push(w.out);
  w.out = savedOut;
  w.state = savedState;
  w.frameBytes = savedBytes;
  return true;
};

/** Writes the topmost slots of the stack. */
export const initialise = (w: Writer, slots: number): void => {
  const list = w.numbers();
  for (let n = 1; n <= slots; n++) {
    if (list.length > 0 && w.random.chance(0.6)) w.emit(isa.stx('dw', R10, -8 * n, w.random.pick(list)));
    else w.emit(isa.st('dw', R10, -8 * n, w.random.number32()));
    w.overwrite(STACK_BYTES - 8 * n, STACK_BYTES - 8 * n + 8, true);
  }
};
