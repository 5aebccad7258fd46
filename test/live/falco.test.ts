import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FeatureLevel } from '../../engine/object/index.ts';
import { compile } from '../../rules/index.ts';
import { createSimHost, openLinuxKernel } from '../../sensors/index.ts';
import { casesFolder } from '../support/cases.ts';
import { clangSkip } from '../support/clang.ts';
import { suiteSize } from '../support/counts.ts';
import { kernelSkip } from '../support/kernel.ts';
import { liveUnavailable } from '../support/live.ts';
import { type Behaviour, loadBehaviours } from './behaviours/behaviour.ts';
import { comparable } from './behaviours/comparable.ts';
import { falcoPolicies, loadOnly } from './behaviours/falco.ts';
import { type Live, runLive } from './behaviours/live.ts';
import { createSandbox, type Sandbox } from './behaviours/sandbox.ts';
import { simulate } from './behaviours/simulate.ts';
import { worldSkip } from './behaviours/world.ts';

/** Bytes that the 56 rules' programs and maps need. */
const MEMORY = 32 * 1024 * 1024;

/** Longest that loading at a level may take, on a busy machine too. */
const LIMIT_MS = 120_000;

const folder = casesFolder('falco');
const policies = folder === undefined ? [] : falcoPolicies(folder);
const rules = policies.flatMap((policy) => policy.rules);
const compiledFor = new Map<FeatureLevel, ReturnType<typeof compile>>();
const compiled = (level: FeatureLevel): ReturnType<typeof compile> => {
  const result = compiledFor.get(level) ?? compile(rules, { level });
  compiledFor.set(level, result);
  return result;
};
const all = loadBehaviours();
const attacks = all.filter(({ falco }) => falco.length > 0);
/** npm test runs each sixteenth of those that raise anything, at one level. */
const behaviours = suiteSize === 'quick' ? attacks.filter((_, index) => index % 16 === 4) : all;
const levels: readonly FeatureLevel[] = suiteSize === 'quick' ? ['6.12'] : ['6.12', '6.9', '6.1'];
const each = behaviours.map((behaviour) => [behaviour.name, behaviour] as const);

const played = new Map<string, ReturnType<typeof simulate>>();
/** What a behaviour comes to in the simulation; it is played once. */
const simulated = (behaviour: Behaviour): ReturnType<typeof simulate> => {
  const result = played.get(behaviour.name) ?? simulate(behaviour, policies, compiled('6.12'));
  played.set(behaviour.name, result);
  return result;
};

it('the behaviours ask for many of the public rules', () => {
  expect(new Set(all.flatMap(({ falco }) => falco)).size).toBeGreaterThanOrEqual(20);
  expect(all.length - attacks.length).toBeGreaterThan(20);
});

const reason = liveUnavailable() ?? clangSkip() ?? worldSkip();

describe.skipIf(folder === undefined)("Falco's public rules", () => {
  it('are asked for by their names', () => {
    const known = new Set(rules.map(({ name }) => name));
    expect(known.size).toBe(56);
    expect(all.flatMap(({ falco }) => falco).filter((name) => !known.has(name))).toStrictEqual([]);
  });

  describe('are programs that are taken', () => {
    it.each(levels)(
      'by the simulated kernel, at level %s',
      (level) => {
        const { kernel } = createSimHost({ level, memory: MEMORY });
        const { object } = compiled(level);
        expect(loadOnly(kernel, compiled(level))).toStrictEqual(object.programs.map(({ hook }) => hook));
      },
      LIMIT_MS,
    );

    const none = kernelSkip();
    it.skipIf(none).each(levels)(
      `by the running kernel, at level %s${none ? ` (skipped: ${none})` : ''}`,
      (level) => {
        const kernel = openLinuxKernel();
        const { object } = compiled(level);
        expect(loadOnly(kernel, compiled(level))).toStrictEqual(object.programs.map(({ hook }) => hook));
      },
      LIMIT_MS,
    );
  });

  describe('in the simulation', () => {
    it.each(each)(
      '%s raises what its meaning asks for',
      async (_, behaviour) => {
        const { alerts, problems } = await simulated(behaviour);
        expect(problems).toStrictEqual([]);
        expect(alerts.map(({ rule }) => rule)).toStrictEqual(behaviour.falco);
      },
      LIMIT_MS,
    );
  });

  describe.skipIf(reason)(`on the running kernel${reason ? ` (skipped: ${reason})` : ''}`, () => {
    const here = each.filter(([, behaviour]) => behaviour.guest === undefined);
    let sandbox: Sandbox;
    let live: Live;

    beforeAll(async () => {
      sandbox = createSandbox();
      live = await runLive(
        here.map(([, behaviour]) => behaviour),
        [],
        policies,
        sandbox,
        compiled(openLinuxKernel().features.level),
      );
    }, LIMIT_MS);
    afterAll(() => sandbox?.remove());

    it.each(here)('%s raises what the simulation does', async (name, behaviour) => {
      const ended = live.ended.get(name);
      expect(ended, ended?.output).toMatchObject({ code: behaviour.exit });
      const alerts = live.alerts.get(name) ?? [];
      expect(alerts.map(({ rule }) => rule)).toStrictEqual(behaviour.falco);
      expect(alerts.map(comparable)).toStrictEqual((await simulated(behaviour)).alerts.map(comparable));
    });

    it('nothing is lost on the way', () => {
      const { problems, lost, elsewhere } = live;
      expect({ problems, lost: [...lost], elsewhere: elsewhere.map(comparable) }).toStrictEqual({
        problems: [],
        lost: [],
        elsewhere: [],
      });
    });
  });
});
