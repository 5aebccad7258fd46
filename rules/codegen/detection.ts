import { comment, ja, jeq, label, ldx, R7, R9 } from '../../engine/isa/index.ts';
import { type EventType, Truth } from '../language/index.ts';
import { assume, type EventPlan, literalsOf, type PlannedRule } from '../plan/index.ts';
import { type ArgumentSource, emitCallObjects } from './call-objects.ts';
import { EXTRA, type HookContext } from './context.ts';
import { emitOwnTable } from './descriptors.ts';
import { emitVerdicts } from './enforce.ts';
import { emitFacts } from './facts.ts';
import { emitFormula } from './formulas.ts';
import { emitLatePredicates } from './late.ts';
import { emitOutput } from './output.ts';
import { emitOwnProcess, emitPredicate, isLate } from './predicates.ts';

/** Rules that several event types share. */
export interface RuleClass {
  readonly rules: readonly PlannedRule[];
}

/** Event types with the rules that look at them: those with the same rules are of one class. */
export interface Classes {
  readonly classes: readonly RuleClass[];
  readonly events: readonly { readonly event: EventType; readonly ruleClass: number }[];
}

/** Puts the events of a hook into classes by their rules. */
export const classesOf = (plans: readonly EventPlan[]): Classes => {
  const classes: RuleClass[] = [];
  const classNumbers = new Map<string, number>();
  const numbers = new Map<PlannedRule, number>();
  const numberOf = (rule: PlannedRule): number => {
    if (!numbers.has(rule)) numbers.set(rule, numbers.size);
    return numbers.get(rule) ?? 0;
  };
  const events = plans.map(({ event, rules }) => {
    const key = rules.map(numberOf).join();
    let ruleClass = classNumbers.get(key);
    if (ruleClass === undefined) {
      ruleClass = classes.push({ rules }) - 1;
      classNumbers.set(key, ruleClass);
    }
    return { event, ruleClass };
  });
  return { classes, events };
};

/** Index of the first argument of one of some kinds, -1 where the event has none. */
export const argumentOf = (event: EventType, ...kinds: readonly string[]): number =>
  event.arguments.findIndex((argument) => kinds.includes(argument.kind));

/**
 * What follows once an event's arguments are where the common code looks for them: at `class.N` the rules of class N are decided, and the
 * record is handed over. Events end at `exit`, which the caller has.
 */
export const emitClasses = (
  context: HookContext,
  classes: readonly RuleClass[],
  needs: number,
  source: ArgumentSource,
): void => {
  const { out, extra } = context;
  for (const [number, ruleClass] of classes.entries()) emitCandidates(context, number, ruleClass);
  out.emit(label('late'));
  emitCallObjects(context, needs, source);
  emitLatePredicates(context);
  out.emit(ldx('w', R9, R7, extra + EXTRA.recipe));
  for (const [number] of classes.entries()) out.emit(jeq(R9, number, `final.${number}`));
  out.emit(ja('exit'));
  for (const [number, ruleClass] of classes.entries()) {
    out.emit(label(`final.${number}`));
    emitVerdicts(context, ruleClass.rules, 'exit');
    out.emit(ja('output'));
  }
  out.emit(label('output'));
  if (source === 'call') emitOwnTable(context);
  emitOutput(context, 'event');
  out.emit(ja('exit'));
};

/** Evaluates what is cheap, and goes on only where some rule may still match. */
const emitCandidates = (context: HookContext, number: number, { rules }: RuleClass): void => {
  const { out, hook } = context;
  out.emit(label(`class.${number}`));
  const used = new Set<number>();
  for (const rule of rules) {
    literalsOf(rule.possible, used);
    if (rule.certain !== undefined) literalsOf(rule.certain, used);
  }
  const early = [...used].filter((index) => !isLate(hook.predicates[index]!.kernel));
  emitOwnProcess(context, early);
  emitFacts(context, early);
  for (const index of early) emitPredicate(context, index);
  out.emit(comment('can any rule still match?'));
  for (const rule of rules) {
    const formula = assume(rule.possible, 'possible', (index) =>
      isLate(hook.predicates[index]!.kernel) ? Truth.UNKNOWN : undefined,
    );
    if (formula.kind === 'constant' && formula.value) {
      out.emit(ja('late'));
      return;
    }
    emitFormula(context, formula, 'possible', 'late');
  }
  out.emit(ja('exit'));
};
