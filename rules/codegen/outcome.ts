import { GUARDS, type Guard } from './layout.ts';

/** Guards whose name is the whole outcome. */
const OUTCOME_OF = {
  monitor: 'would have',
  'switched off': 'switched off',
  expired: 'expired',
  'budget spent': 'budget spent',
  'not sent': 'not sent',
} as const satisfies Partial<Record<Guard, string>>;

type Suppressing = Exclude<Guard, 'done' | keyof typeof OUTCOME_OF>;

/**
 * What became of an attempt. `would have`: the policy or the agent only watches; `not certain`: the condition may be true and is not known to be;
 * `not sent`: the kernel took no signal; `suppressed: ` and a guard.
 */
export type Outcome =
  | 'denied'
  | 'killed'
  | 'not certain'
  | (typeof OUTCOME_OF)[keyof typeof OUTCOME_OF]
  | `suppressed: ${Suppressing}`;

const isWhole = (guard: Guard): guard is keyof typeof OUTCOME_OF => Object.hasOwn(OUTCOME_OF, guard);

const suppressing = (Object.keys(GUARDS) as Guard[]).filter(
  (guard): guard is Suppressing => guard !== 'done' && !isWhole(guard),
);

/** All outcomes there are. */
export const OUTCOMES: readonly Outcome[] = [
  'denied',
  'killed',
  'not certain',
  ...Object.values(OUTCOME_OF),
  ...suppressing.map((guard): Outcome => `suppressed: ${guard}`),
];

/** What a guard that stood before an action makes of the attempt. */
export const guardedOutcome = (guard: Exclude<Guard, 'done'>): Outcome =>
  isWhole(guard) ? OUTCOME_OF[guard] : `suppressed: ${guard}`;
