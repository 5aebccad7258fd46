import type { HookName } from '../engine/object/index.ts';
import { type Compiled, type Decision, type DecisionStep, FIRST_NODE, NO, YES } from '../rules/index.ts';
import { count, cut, type Paint } from './paint.ts';

/** Columns of a step's predicate; longer ones are cut. */
const TEXT_COLUMNS = 56;
const SHOWN_EVENTS = 6;

const eventsText = (events: readonly string[]): string => {
  const more = events.length - SHOWN_EVENTS;
  return `${events.slice(0, SHOWN_EVENTS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

const ends = (bound: Decision['bound']): Readonly<Record<number, string>> =>
  bound === 'possible' ? { [YES]: 'match', [NO]: 'no match' } : { [YES]: 'act', [NO]: "don't act" };

/** The truths that lead on, in words. */
const acceptsText = (accepts: number, bound: Decision['bound']): string => {
  const isTrue = ((accepts >> 2) & 1) === 1;
  if (bound === 'certain') return isTrue ? 'true' : 'false';
  return isTrue ? 'true or unknown' : 'false, absent or unknown';
};

const stepLine = (
  { predicate, accepts, hit, miss }: DecisionStep,
  index: number,
  { bound, textOf }: { readonly bound: Decision['bound']; readonly textOf: (predicate: number) => string },
): string => {
  const to = (node: number): string => ends(bound)[node] ?? `step ${node - FIRST_NODE + 1}`;
  const text = cut(textOf(predicate), TEXT_COLUMNS).padEnd(TEXT_COLUMNS);
  return `    ${String(index + 1).padStart(3)}  ${text}  ${acceptsText(accepts, bound)}: ${to(hit)}; else ${to(miss)}`;
};

/** How the program at a hook decides the rules that its rows of bits leave, step by step. */
export const decisionLines = (compiled: Compiled, hook: HookName, paint: Paint): readonly string[] => {
  const decisions = compiled.decisions.get(hook) ?? [];
  const predicates = compiled.plan.hooks.find((each) => each.hook === hook)?.predicates ?? [];
  const textOf = (predicate: number): string => predicates[predicate]?.text ?? '';
  return decisions.flatMap(({ rule, events, bound, steps }) => {
    const name = compiled.plan.rules[rule]?.name ?? '';
    const what = bound === 'certain' ? ', the verdict' : '';
    const how = steps.length === 0 ? ': always' : `: ${count(steps.length, 'step')}`;
    return [
      `  ${paint.bold(`decision of ${name}`)}${what} on ${eventsText(events)}${how}`,
      ...steps.map((step, index) => stepLine(step, index, { bound, textOf })),
    ];
  });
};
