import { ja, jeq, jset, label, ldx, R1, R7 } from '../../engine/isa/index.ts';
import { type Bound, Truth } from '../language/index.ts';
import type { Formula } from '../plan/index.ts';
import { type HookContext, predicateByte } from './context.ts';

/** Jumps to `hit` where the formula holds over the record's truth bytes, and falls through where not. r1 is used. */
export const emitFormula = (context: HookContext, formula: Formula, bound: Bound, hit: string): void => {
  const { out } = context;
  switch (formula.kind) {
    case 'constant':
      if (formula.value) out.emit(ja(hit));
      return;
    case 'literal': {
      out.emit(ldx('b', R1, R7, predicateByte(context, formula.predicate)));
      const wanted = formula.negated ? Truth.FALSE : Truth.TRUE;
      out.emit(bound === 'possible' ? jset(R1, wanted, hit) : jeq(R1, wanted, hit));
      return;
    }
    case 'or':
      for (const operand of formula.operands) emitFormula(context, operand, bound, hit);
      return;
    default: {
      const miss = out.fresh('and.miss');
      for (const operand of formula.operands.slice(0, -1)) {
        const next = out.fresh('and');
        emitFormula(context, operand, bound, next);
        out.emit(ja(miss), label(next));
      }
      const last = formula.operands.at(-1);
      if (last !== undefined) emitFormula(context, last, bound, hit);
      out.emit(label(miss));
    }
  }
};
