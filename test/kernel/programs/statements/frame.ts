import * as isa from '../../../../engine/isa/index.ts';
import { ANY_NUMBER, number, pointerTo } from '../knowledge.ts';
import { DUMP_AT } from '../profiles.ts';
import { REGISTERS, type Writer } from '../writer.ts';
import { ATOMICS, BYTES, SIZES } from './accesses.ts';
import { ARITHMETIC, DIVISION } from './arithmetic.ts';
import { initialise } from './control.ts';

const { R0, R1, R2, R3, R4, R6, R7, R8, R9, R10 } = isa;

/** Any instruction with any registers. */
export const wild = (w: Writer): boolean => {
  const [a, b] = [w.random.pick([...REGISTERS, R10]), w.random.pick([...REGISTERS, R10])];
  const size = w.random.pick(SIZES);
  w.emit(
    w.random.pick([
      () => w.random.pick(ARITHMETIC)[w.random.below(2)]!(a, b),
      () => w.random.pick(DIVISION)[w.random.below(2)]!(a, b),
      () => isa.mov(a, b),
      () => isa.ldx(size, a, b, w.random.between(-72, 72)),
      () => isa.stx(size, a, w.random.between(-72, 72), b),
      () => w.random.pick(ATOMICS)('dw', a, w.random.between(-9, 3) * 8, b),
    ])(),
  );
  return true;
};

export const prologue = (w: Writer): void => {
  w.set(R1, { kind: 'context' });
  w.emit(isa.mov(R6, R1));
  w.set(R6, { kind: 'context' });
  if (w.profile.packet) {
    w.emit(isa.ldx('w', R7, R1, w.profile.packet.data), isa.ldx('w', R8, R1, w.profile.packet.end));
    w.set(R7, pointerTo({ of: 'packet', size: 0, id: w.nextId() }));
    w.set(R8, { kind: 'packet end' });
  }
  if (w.profile.packet) w.emit(isa.loadMapValue(R4, 'cell', 0));
  for (const [index, r] of [R0, R2, R3, R9].entries()) {
    if (w.profile.packet && w.random.chance(0.8)) {
      const size = w.random.pick(SIZES);
      w.emit(isa.ldx(size, r, R4, 8 * index));
      w.set(r, size === 'dw' ? ANY_NUMBER : number(2 ** (8 * BYTES[size]) - 1));
      continue;
    }
    const field = w.random.pick(w.profile.context);
    w.emit(isa.ldx(field.size, r, R6, field.offset));
    w.set(r, field.size === 'dw' ? ANY_NUMBER : number(2 ** (8 * BYTES[field.size]) - 1));
  }
  if (w.random.chance(0.9)) initialise(w, w.random.chance(0.8) ? 8 : w.random.between(1, 8));
};

/** Leaves every number in the cell and one of them in r0. */
export const epilogue = (w: Writer): void => {
  const held = w.numbers();
  let to = REGISTERS.find((r) => r !== R0 && w.known(r).kind !== 'number');
  if (!to) to = R9;
  const result = held.filter((r) => r !== to);
  w.emit(isa.loadMapValue(to, 'cell', 0));
  for (const r of result) w.emit(isa.stx('dw', to, DUMP_AT + 8 * r.register, r));
  if (w.profile.returns === 'any' && result.length > 0) {
    const r = w.random.pick(result);
    if (r !== R0) w.emit(isa.mov(R0, r));
  } else w.emit(isa.mov(R0, w.random.below(2)));
  w.emit(isa.exit());
};
