import { comment, R7, st } from '../../engine/isa/index.ts';
import { Truth } from '../language/index.ts';
import { type HookContext, predicateByte, type StringGroup } from './context.ts';
import { emitUnmap } from './gather.ts';
import { emitAncestors, emitPredicate, isLate } from './predicates.ts';
import { emitStringTests } from './strings.ts';

/** Evaluates everything that needs what was gathered for candidates: ancestors first, then files and sockets, then strings. r8 is the task. */
export const emitLatePredicates = (context: HookContext): void => {
  const { out, hook, layout, groups } = context;
  emitAncestors(context);
  emitUnmap(out);
  for (const [index, predicate] of hook.predicates.entries())
    if (isLate(predicate.kernel)) emitPredicate(context, index);
  for (const [index, { of, part, predicates }] of groups.entries()) {
    const before = groups[index - 1];
    const slot = layout.strings[of];
    const known = predicates.findIndex((each) => each !== undefined);
    const first = predicates[known];
    if (slot === undefined || first === undefined || (before?.of === of && before.part === part)) continue;
    const same = groups.filter((group) => group.of === of && group.part === part);
    for (const group of same) out.emit(comment(describeGroup(context, group)));
    const reading = { automata: same.map(({ placed }) => placed), states: context.states };
    emitStringTests(out, reading, slot, part, predicateByte(context, first) - known);
  }
  for (const index of context.refused) out.emit(st('b', R7, predicateByte(context, index), Truth.UNKNOWN));
};

/** What an automaton decides, in the conditions' words. */
const describeGroup = (context: HookContext, group: StringGroup): string =>
  group.predicates
    .flatMap((index) => (index === undefined ? [] : [context.hook.predicates[index]?.text ?? '']))
    .join('; ');
