import {
  and,
  comment,
  ja,
  jeq,
  jne,
  jsle,
  label,
  lddw,
  ldx,
  loadMapValue,
  mov,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R9,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { type FollowedStep, followedSteps, type Plan } from '../plan/index.ts';
import type { HookContext } from './context.ts';
import { HEAD } from './layout.ts';
import { SLACK } from './threshold.ts';

/** Holds for each step of a sequence but the last when a program last matched it, in nanoseconds since boot (8 bytes); 0: never. */
export const STEPS_MAP = 'steps';

const CELL = 8;
const WORD_BITS = 64;

/** That map, where there are sequences. */
export const sequenceMaps = (plan: Plan): readonly MapSpec[] => {
  const cells = followedSteps(plan).filter(({ cell }) => cell !== undefined).length;
  return cells === 0 ? [] : [{ name: STEPS_MAP, type: 'array', keySize: 4, maxEntries: 1, valueSize: CELL * cells }];
};

/**
 * Clears the bit of a step that nothing came before: no program has matched the step in front of it, whatever the key, in the time that
 * the sequence may take. What else a sequence asks for is looked at in user space. Where no bit is left it jumps to `nothing`, if that is
 * given. r7 stays.
 */
export const emitSequences = (context: HookContext, nothing: string | undefined): void => {
  const { out, layout, plan } = context;
  const here = followedSteps(plan)
    .map((followed) => ({ followed, bit: layout.rules.indexOf(followed.rule) }))
    .filter(({ bit }) => bit >= 0)
    .sort((one, other) => other.followed.step - one.followed.step);
  if (here.length === 0) return;
  out.emit(comment('steps of sequences'), loadMapValue(R6, STEPS_MAP, 0), ldx('dw', R9, R7, HEAD.time));
  for (const { followed, bit } of here) emitStep(context, followed, bit);
  if (nothing === undefined) return;
  const some = out.fresh('sequence.some');
  for (let at = layout.matched; at < layout.acted; at += 8) out.emit(ldx('dw', R1, R7, at), jne(R1, 0, some));
  out.emit(ja(nothing), label(some));
};

/** Looks at one step, if its bit is set: r6 is the map's value, r9 the record's time. */
const emitStep = ({ out, layout }: HookContext, { step, within, cell, before }: FollowedStep, bit: number): void => {
  const word = layout.matched + 8 * Math.floor(bit / WORD_BITS);
  const mask = 1n << BigInt(bit % WORD_BITS);
  const [clear, follows, next] = [out.fresh('step.clear'), out.fresh('step.follows'), out.fresh('step.next')];
  out.emit(
    comment(`step ${step}`),
    ldx('dw', R1, R7, word),
    lddw(R2, mask),
    mov(R3, R1),
    and(R3, R2),
    jeq(R3, 0, next),
  );
  if (before !== undefined)
    out.emit(
      ldx('dw', R3, R6, CELL * before),
      jeq(R3, 0, clear),
      mov(R4, R9),
      sub(R4, R3),
      lddw(R5, within + SLACK),
      jsle(R4, R5, follows),
      label(clear),
      lddw(R2, ~mask & 0xffff_ffff_ffff_ffffn),
      and(R1, R2),
      stx('dw', R7, word, R1),
      ja(next),
      label(follows),
    );
  if (cell !== undefined) out.emit(stx('dw', R6, CELL * cell, R9));
  out.emit(label(next));
};
