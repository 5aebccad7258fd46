import type { Register } from '../../../../engine/isa/index.ts';
import * as isa from '../../../../engine/isa/index.ts';
import { ANY_NUMBER, copyState, mergeStates, number, stepOf } from '../knowledge.ts';
import type { Place, Writer } from '../writer.ts';

const { R0 } = isa;

const MASKS = [1, 3, 7, 15, 31, 63, 8, 24, 56, 0x38, 12, 0x3c, 0xff];
export const ARITHMETIC = [
  [isa.add, isa.add32],
  [isa.sub, isa.sub32],
  [isa.mul, isa.mul32],
  [isa.or, isa.or32],
  [isa.and, isa.and32],
  [isa.xor, isa.xor32],
] as const;
export const DIVISION = [
  [isa.div, isa.div32],
  [isa.mod, isa.mod32],
  [isa.sdiv, isa.sdiv32],
  [isa.smod, isa.smod32],
] as const;
const SHIFTS = [
  [isa.lsh, isa.lsh32],
  [isa.rsh, isa.rsh32],
  [isa.arsh, isa.arsh32],
] as const;
const JUMPS = [
  ['jeq', isa.jeq, isa.jeq32],
  ['jne', isa.jne, isa.jne32],
  ['jgt', isa.jgt, isa.jgt32],
  ['jge', isa.jge, isa.jge32],
  ['jlt', isa.jlt, isa.jlt32],
  ['jle', isa.jle, isa.jle32],
  ['jsgt', isa.jsgt, isa.jsgt32],
  ['jsge', isa.jsge, isa.jsge32],
  ['jslt', isa.jslt, isa.jslt32],
  ['jsle', isa.jsle, isa.jsle32],
  ['jset', isa.jset, isa.jset32],
] as const;

export const alu = (w: Writer, place: Place): boolean => {
  const dst = w.aNumber(place, true);
  if (!dst) return false;
  const what = w.known(dst);
  const max = what.kind === 'number' ? what.max : undefined;
  const wide = w.random.chance(0.6);
  const pickSource = (): Register | number => {
    const registers = w.numbers();
    return w.random.chance(0.5) && registers.length > 0 ? w.random.pick(registers) : w.random.number32();
  };
  const done = (most: number | undefined): true => {
    w.set(dst, number(wide ? most : most === undefined || most > 0xffff_ffff ? 0xffff_ffff : most));
    return true;
  };
  switch (
    w.random.weighted([
      [6, 'arithmetic'],
      [3, 'division'],
      [4, 'shift'],
      [2, 'unary'],
      [2, 'extend'],
      [2, 'mask'],
      [2, 'move'],
    ] as const)
  ) {
    case 'arithmetic': {
      const src = pickSource();
      w.emit(w.random.pick(ARITHMETIC)[wide ? 0 : 1](dst, src));
      return done(undefined);
    }
    case 'division': {
      let src = pickSource();
      if (src === 0 && !w.slips()) src = 3;
      w.emit(w.random.pick(DIVISION)[wide ? 0 : 1](dst, src));
      return done(undefined);
    }
    case 'shift': {
      const registers = w.numbers();
      const src =
        w.random.chance(0.4) && registers.length > 0
          ? w.random.pick(registers)
          : w.slips()
            ? w.random.between(-2, 70)
            : w.random.below(wide ? 64 : 32);
      w.emit(w.random.pick(SHIFTS)[wide ? 0 : 1](dst, src));
      return done(undefined);
    }
    case 'unary': {
      const bits = w.random.pick([16, 32, 64] as const);
      w.emit(w.random.pick([isa.neg(dst), isa.neg32(dst), isa.bswap(dst, bits), isa.be(dst, bits), isa.le(dst, bits)]));
      w.set(dst, ANY_NUMBER);
      return true;
    }
    case 'extend': {
      const src = w.random.pick(w.numbers());
      w.emit(
        w.random.chance(0.6)
          ? isa.movsx(w.random.pick(['b', 'h', 'w']), dst, src)
          : isa.movsx32(w.random.pick(['b', 'h']), dst, src),
      );
      w.set(dst, ANY_NUMBER);
      return true;
    }
    case 'mask': {
      const mask = w.random.pick(MASKS);
      w.emit(wide ? isa.and(dst, mask) : isa.and32(dst, mask));
      w.set(dst, number(max === undefined ? mask : Math.min(max, mask), stepOf(mask)));
      return true;
    }
    default: {
      const src = w.random.pick(w.numbers());
      const to = w.free(place);
      if (!to) return false;
      w.emit(wide ? isa.mov(to, src) : isa.mov32(to, src));
      const from = w.known(src);
      w.set(
        to,
        wide || (from.kind === 'number' && from.max !== undefined && from.max <= 0xffff_ffff)
          ? from
          : number(0xffff_ffff),
      );
      return true;
    }
  }
};

export const conditional = (w: Writer, place: Place): boolean => {
  const left = w.aNumber(place);
  if (!left) return false;
  const [name, jump64, jump32] = w.random.pick(JUMPS);
  const wide = w.random.chance(0.65);
  const others = w.numbers();
  const right = w.random.chance(0.35) ? w.random.pick(others) : w.random.number32();
  const [then, end] = [w.label(), w.label()];
  w.emit((wide ? jump64 : jump32)(left, right, then));
  const before = copyState(w.state);
  refine(w, left, name, right, wide, false);
  w.block(place, w.random.between(0, 3));
  const otherwise = w.state;
  w.state = before;
  refine(w, left, name, right, wide, true);
  if (w.random.chance(0.12) && !place.held) {
    w.emit(
      isa.ja(end),
      isa.label(then),
      isa.mov(R0, w.profile.returns === 'any' ? w.random.number32() : 0),
      isa.exit(),
    );
    w.emit(isa.label(end));
    w.state = otherwise;
  } else if (w.random.chance(0.5)) {
    w.emit(isa.ja(end), isa.label(then));
    w.block(place, w.random.between(1, 3));
    w.emit(isa.label(end));
    w.state = mergeStates(otherwise, w.state);
  } else {
    w.emit(isa.label(then));
    w.state = mergeStates(otherwise, w.state);
  }
  w.features.add('branch');
  return true;
};

/** What a comparison says about an upper bound. */
export const refine = (
  w: Writer,
  r: Register,
  jump: string,
  right: Register | number,
  wide: boolean,
  taken: boolean,
): void => {
  const what = w.known(r);
  if (what.kind !== 'number' || typeof right !== 'number' || right < 1) return;
  if (!wide && (what.max === undefined || what.max > 0xffff_ffff)) return;
  const most =
    (jump === 'jgt' && !taken) || (jump === 'jle' && taken)
      ? right
      : (jump === 'jge' && !taken) || (jump === 'jlt' && taken)
        ? right - 1
        : (jump === 'jeq' && taken) || (jump === 'jne' && !taken)
          ? right
          : undefined;
  if (most === undefined) return;
  w.set(r, number(what.max === undefined ? most : Math.min(most, what.max), what.step));
};
