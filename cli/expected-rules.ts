import { escapeControl } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import type { Scenario } from '../sensors/index.ts';
import { count } from './paint.ts';

/** How what was raised differs from what a scenario says; of rules that are not loaded nothing is known. A scenario that names none raises none. */
export interface Unexpected {
  /** How many loaded rules the scenario says something of. */
  readonly judged: number;
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
}

/** @returns undefined where the scenario says nothing of any loaded rule */
export const compareRaised = (
  { expected }: Scenario,
  policies: readonly Policy[],
  raised: ReadonlySet<string>,
): Unexpected | undefined => {
  if (expected === undefined) return undefined;
  const loaded = new Set(policies.flatMap(({ rules }) => rules.map(({ name }) => name)));
  const judged = expected.named.length === 0 ? [...loaded] : expected.named.filter((rule) => loaded.has(rule));
  if (judged.length === 0) return undefined;
  return {
    judged: judged.length,
    missing: judged.filter((rule) => expected.raised.includes(rule) && !raised.has(rule)),
    surplus: judged.filter((rule) => !expected.raised.includes(rule) && raised.has(rule)),
  };
};

/** The difference in sentences; none where all is as expected. */
export const unexpectedLines = ({ missing, surplus }: Unexpected): readonly string[] => [
  ...missing.map((rule) => `not raised, though expected: ${escapeControl(rule)}`),
  ...surplus.map((rule) => `raised, though not expected: ${escapeControl(rule)}`),
];

export const expectedText = ({ judged }: Unexpected): string =>
  `${count(judged, 'rule')} raised or not as the scenario says`;
