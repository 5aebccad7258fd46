import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadPolicies } from '../../policies/index.ts';
import { compile } from '../../rules/index.ts';
import { loadBehaviours } from './behaviours/behaviour.ts';
import { simulate } from './behaviours/simulate.ts';

const { policies } = loadPolicies([fileURLToPath(new URL('../../policies/library', import.meta.url))]);
const compiled = compile(
  policies.flatMap(({ rules }) => rules),
  { level: '6.12' },
);
const behaviours = loadBehaviours();

describe('in the simulation', () => {
  it.each(behaviours.map((behaviour) => [behaviour.name, behaviour] as const))('%s', async (_, behaviour) => {
    const { alerts, problems } = await simulate(behaviour, policies, compiled);
    expect(problems).toStrictEqual([]);
    expect(alerts.map(({ rule }) => rule)).toStrictEqual(behaviour.expect);
  });
});
