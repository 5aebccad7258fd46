import * as isa from '../../../../engine/isa/index.ts';
import { BPF_PSEUDO_FUNC, type Item, LDDW, type Register } from '../../../../engine/isa/index.ts';
import { ANY_NUMBER, type Known, newState, pointerTo, STACK_BYTES } from '../knowledge.ts';
import { MAPS } from '../profiles.ts';
import { hitsLocked, type Place, type Writer } from '../writer.ts';
import { initialise } from './control.ts';

const { R0, R1, R2, R3, R4, R10 } = isa;
const [FOR_EACH_MAP_ELEM, LOOP] = [164, 181];

/** dst = the function of this program at the label. */
const loadFunction = (dst: Register, label: string): Item => ({
  kind: 'instruction',
  slots: [
    { opcode: LDDW, dst: dst.register, src: BPF_PSEUDO_FUNC, offset: 0, imm: 0 },
    { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0 },
  ],
  target: { label, field: 'imm', name: 'loadFunction' },
});

/** A helper that calls a function of the program: for each round of a loop, or for each element of an array. */
export const callBack = (w: Writer, place: Place): boolean => {
  if (!w.callable(place) || place.calls >= 2 || place.loops >= 2) return false;
  const from = STACK_BYTES - w.random.pick([16, 32, 64]);
  const size = Math.min(16, STACK_BYTES - from);
  const usable = w.state.written.subarray(from, from + size).every((byte) => byte === 1);
  const shared = usable && !hitsLocked(place, from, from + size) && w.random.chance(0.8);
  w.features.add('callback');
  const name = w.label();
  const context: Known = shared ? pointerTo({ of: 'caller', size, id: w.nextId() }) : ANY_NUMBER;
  const isLoop = w.random.chance(0.7);
  if (isLoop) {
    const counts = w.numbers();
    const count = counts.length > 0 && w.random.chance(0.5) ? w.random.pick(counts) : undefined;
    if (count) {
      if (count !== R1) w.emit(isa.mov(R1, count));
      w.emit(isa.and(R1, 7), ...(w.random.chance(0.8) ? [isa.or(R1, 1)] : []));
    } else w.emit(isa.mov(R1, w.random.chance(0.05) ? 0 : w.random.between(1, 8)));
  } else w.emit(isa.loadMap(R1, 'list'));
  w.emit(loadFunction(R2, name));
  if (shared) {
    w.overwrite(from, from + size, false);
    w.emit(isa.mov(R3, R10), isa.add(R3, from - STACK_BYTES));
  } else w.emit(isa.mov(R3, 0));
  w.emit(isa.mov(R4, 0), isa.call(isLoop ? LOOP : FOR_EACH_MAP_ELEM));
  w.called(ANY_NUMBER);
  roundOf(w, place, name, isLoop, context);
  return true;
};

/** Writes the function that is called back; it returns 0 to go on, 1 to stop. */
function roundOf(w: Writer, place: Place, name: string, isLoop: boolean, context: Known): void {
  const [out, state, frameBytes] = [w.out, w.state, w.frameBytes];
  w.out = [isa.label(name)];
  w.state = newState();
  w.frameBytes = 64;
  if (isLoop) {
    w.set(R1, ANY_NUMBER);
    if (context.kind === 'pointer') w.set(R2, context);
  } else {
    w.set(R3, pointerTo({ of: 'value', size: MAPS.list.valueSize, id: 0, map: 'list' }));
    if (context.kind === 'pointer') w.set(R4, context);
  }
  if (w.random.chance(0.6)) initialise(w, w.random.between(1, 4));
  const inner = { locked: new Set<number>(), lockedSlots: new Set<number>(), held: true };
  w.block({ ...inner, depth: place.depth + 2, calls: place.calls + 1, loops: place.loops + 1 }, w.random.between(1, 4));
  const [left] = w.numbers();
  if (left && left !== R0 && w.random.chance(0.4)) {
    const stop = w.label();
    w.emit(isa.jgt(left, w.random.number32(), stop), isa.mov(R0, 0), isa.exit());
    w.emit(isa.label(stop), isa.mov(R0, w.random.chance(0.97) ? 1 : 2), isa.exit());
  } else w.emit(isa.mov(R0, 0), isa.exit());
  w.functions.push(w.out);
  [w.out, w.state, w.frameBytes] = [out, state, frameBytes];
}
