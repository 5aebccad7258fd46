import { exit, label, mov, R1, R6, R9 } from '../../engine/isa/index.ts';
import { emitEarlyCells, emitLateCells } from './cells.ts';
import type { HookContext } from './context.ts';
import { emitDecisions } from './decide.ts';
import { emitAct, emitAllow, emitGuards } from './enforce.ts';
import { emitClass } from './filter.ts';
import { currentTask, emitClear, emitHead } from './gather.ts';
import { emitGatherBeforeEffect } from './gather-before-effect.ts';
import { emitOutput } from './output.ts';
import { emitScope } from './scope.ts';
import { emitSentinel } from './sentinel.ts';
import { emitRelease, emitTake } from './slot.ts';
import { emitWorkingFolder } from './working-folder.ts';

/** A program at a hook before the call takes effect: decides its rules, records what they say, and denies or kills behind the guards. */
export const emitBeforeEffect = (context: HookContext): void => {
  const { out } = context;
  const [ruleClass] = context.matching.classes;
  out.emit(mov(R6, R1));
  emitScope(out, 'outside');
  emitSentinel(context);
  emitTake(context, 'outside');
  out.emit(...currentTask);
  emitClear(context);
  emitHead(context, 'event');
  emitGatherBeforeEffect(context);
  if (ruleClass !== undefined) {
    out.emit(mov(R9, ruleClass.at));
    emitClass(context, 'exit');
    emitEarlyCells(context, 'exit');
    out.emit(...currentTask);
    emitLateCells(context, 'exit');
    emitDecisions(context, 'exit');
    emitWorkingFolder(context);
  }
  emitGuards(context);
  emitOutput(context, 'event');
  emitAct(context);
  emitRelease(context);
  out.emit(exit(), label('exit'));
  emitRelease(context);
  out.emit(label('outside'));
  emitAllow(context);
};
