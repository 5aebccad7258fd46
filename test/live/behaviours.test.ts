import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPolicies } from '../../policies/index.ts';
import { compile } from '../../rules/index.ts';
import { clangSkip } from '../support/clang.ts';
import { count, suiteSize } from '../support/counts.ts';
import { liveUnavailable } from '../support/live.ts';
import { type Behaviour, loadBehaviours } from './behaviours/behaviour.ts';
import { comparable } from './behaviours/comparable.ts';
import { type Live, runLive } from './behaviours/live.ts';
import { createSandbox, type Sandbox } from './behaviours/sandbox.ts';
import { simulate } from './behaviours/simulate.ts';
import { worldSkip } from './behaviours/world.ts';

const { policies } = loadPolicies([fileURLToPath(new URL('../../policies/library', import.meta.url))]);
const rules = policies.flatMap((policy) => policy.rules);
const compiled = compile(rules, { level: '6.12' });
const behaviours = loadBehaviours();
/** npm test has time for every other one. */
const each = behaviours
  .filter((_, index) => suiteSize !== 'quick' || index % 2 === 0)
  .map((behaviour) => [behaviour.name, behaviour] as const);

const played = new Map<string, ReturnType<typeof simulate>>();
/** What a behaviour comes to in the simulation; it is played once. */
const simulated = (behaviour: Behaviour): ReturnType<typeof simulate> => {
  const result = played.get(behaviour.name) ?? simulate(behaviour, policies, compiled);
  played.set(behaviour.name, result);
  return result;
};

it('there is a behaviour for every rule that ships', () => {
  const raised = new Set(behaviours.flatMap((behaviour) => behaviour.expect));
  expect(rules.map(({ name }) => name).filter((name) => !raised.has(name))).toStrictEqual([]);
  expect(behaviours.filter((behaviour) => behaviour.expect.length === 0).length).toBeGreaterThan(10);
});

describe('in the simulation', () => {
  it.each(each)('%s raises what its meaning asks for', async (_, behaviour) => {
    const { alerts, problems } = await simulated(behaviour);
    expect(problems).toStrictEqual([]);
    expect(alerts.map(({ rule }) => rule)).toStrictEqual(behaviour.expect);
  });
});

const reason = liveUnavailable() ?? clangSkip() ?? worldSkip();

describe.skipIf(reason)(`on the running kernel${reason ? ` (skipped: ${reason})` : ''}`, () => {
  const here = each.filter(([, behaviour]) => behaviour.guest === undefined);
  /** Those that are also run where nobody observes: the ones that raise most. */
  const outside = here
    .map(([, behaviour]) => behaviour)
    .sort((one, other) => other.expect.length - one.expect.length)
    .slice(0, count(1_000));
  let sandbox: Sandbox;
  let live: Live;

  beforeAll(async () => {
    sandbox = createSandbox();
    live = await runLive(
      here.map(([, behaviour]) => behaviour),
      outside,
      policies,
      sandbox,
    );
  }, 120_000);
  afterAll(() => sandbox?.remove());

  for (const { name, guest } of behaviours)
    if (guest !== undefined) it(`${name} raises what the simulation does`, (context) => context.skip(guest));

  it.each(here)('%s raises what the simulation does', async (name, behaviour) => {
    const ended = live.ended.get(name);
    expect(ended, ended?.output).toMatchObject({ code: behaviour.exit });
    const alerts = live.alerts.get(name) ?? [];
    expect(alerts.map(({ rule }) => rule)).toStrictEqual(behaviour.expect);
    expect(alerts.map(comparable)).toStrictEqual((await simulated(behaviour)).alerts.map(comparable));
  });

  it('nothing is lost on the way, and nothing is raised of what happens in another cgroup', () => {
    const { problems, lost, elsewhere } = live;
    expect({ problems, lost: [...lost], elsewhere: elsewhere.map(comparable) }).toStrictEqual({
      problems: [],
      lost: [],
      elsewhere: [],
    });
    expect(outside.map(({ name, exit }) => [name, live.ended.get(`${name} outside`)?.code === exit])).toStrictEqual(
      outside.map(({ name }) => [name, true]),
    );
    expect(outside.length).toBeGreaterThan(5);
  });
});
