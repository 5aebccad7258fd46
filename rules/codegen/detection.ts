import { comment, ja, label, ldx, lsh, R7, R9, rsh } from '../../engine/isa/index.ts';
import type { EventType } from '../language/index.ts';
import { type ArgumentSource, emitCallObjects } from './call-objects.ts';
import { emitEarlyCells, emitLateCells } from './cells.ts';
import { EXTRA, type HookContext } from './context.ts';
import { emitDecisions } from './decide.ts';
import { emitOwnTable } from './descriptors.ts';
import { emitGuards } from './enforce.ts';
import { emitClass } from './filter.ts';
import { emitOutput } from './output.ts';
import { acts } from './sentinel.ts';
import { emitWorkingFolder } from './working-folder.ts';

/** Index of the first argument of one of some kinds, -1 where the event has none. */
export const argumentOf = (event: EventType, ...kinds: readonly string[]): number =>
  event.arguments.findIndex((argument) => kinds.includes(argument.kind));

/** How a number tells both how an event's arguments are laid out and which rules look at it. */
const RECIPE_BITS = 8;
/** The largest number of a recipe; the one behind it is left for others to use. */
export const MAX_RECIPE = 2 ** RECIPE_BITS - 2;

/** A recipe with the head of the class of rules, which lies at a multiple of 8 behind 0. */
export const recipeOf = (recipe: number, ruleClass: number): number => (ruleClass / 8) * 2 ** RECIPE_BITS + recipe;

/** r9 = the recipe of what `recipeOf` made. */
export const RECIPE_MASK = 2 ** RECIPE_BITS - 1;

/**
 * What follows once an event's arguments are where the common code looks for them, at `rules`: the rules of the event's class are decided, and
 * the record is handed over. Events end at `exit`, which the caller has.
 */
export const emitRules = (context: HookContext, needs: number, source: ArgumentSource): void => {
  const { out, extra } = context;
  out.emit(label('rules'), ldx('w', R9, R7, extra + EXTRA.recipe), rsh(R9, RECIPE_BITS), lsh(R9, 3));
  emitClass(context, 'exit');
  emitEarlyCells(context, 'exit');
  out.emit(comment('what the rules that are left need'));
  emitCallObjects(context, needs, source);
  emitLateCells(context, 'exit');
  emitDecisions(context, 'exit');
  emitWorkingFolder(context);
  if (source === 'call') emitOwnTable(context);
  if (acts(context)) emitGuards(context);
  emitOutput(context, 'event');
  out.emit(ja('exit'));
};
