import { offeredHook } from '../engine/object/index.ts';
import { VerifierError } from '../engine/verifier/index.ts';
import type { Compiled, Rule } from '../rules/index.ts';
import {
  BpfError,
  explainHook,
  type KernelMap,
  type KernelReport,
  type Obstacle,
  openLinuxKernel,
} from '../sensors/index.ts';
import type { DoctorRule } from './doctor-records.ts';
import { messageOf } from './exit.ts';

/** Why the kernel refuses what policies compile to, by hook; empty where it takes all. */
export type TryLoading = (compiled: Compiled, report: KernelReport) => ReadonlyMap<string, Obstacle>;

const hooksHere = ({ hooks }: KernelReport): readonly string[] =>
  Object.keys(hooks).filter((hook) => hooks[hook] === undefined);

const whyNotLoaded = (error: unknown): Obstacle => ({
  why: `the kernel refuses the program: ${messageOf(error)}`,
  remedy:
    error instanceof BpfError || error instanceof VerifierError
      ? 'give the agent fewer rules, and report it with what "shrike check --json" says'
      : 'see what is missing above',
});

/** Creates an object's maps in the running kernel and loads its programs; attaches none, and closes all. */
export const tryLoading: TryLoading = (compiled, report) => {
  const hooks = hooksHere(report);
  const refused = new Map<string, Obstacle>();
  const { level = '6.1', release } = report;
  const kernel = openLinuxKernel({ features: { name: release, level, hooks, enforcement: true } });
  try {
    const maps = new Map<string, KernelMap>();
    for (const spec of compiled.object.maps) maps.set(spec.name, kernel.createMap(spec));
    for (const program of compiled.object.programs) {
      const hook = offeredHook(program.hook, hooks);
      if (hook === undefined) continue;
      try {
        kernel.loadProgram({ ...program, hook }, maps);
      } catch (error) {
        refused.set(program.hook, whyNotLoaded(error));
      }
    }
  } finally {
    kernel.close();
  }
  return refused;
};

/** The hooks that a rule is evaluated at. */
const hooksOf = ({ plan }: Compiled, index: number): readonly string[] =>
  plan.hooks
    .filter(({ events }) => events.some(({ rules }) => rules.some(({ rule }) => rule === index)))
    .map(({ hook }) => hook);

/** Those of the rules that don't run on this kernel, or not at all of their hooks, and why. */
export const rulesNotRunning = (
  rules: readonly Rule[],
  compiled: Compiled,
  report: KernelReport,
  load: TryLoading,
): readonly DoctorRule[] => {
  const refused = load(compiled, report);
  const here = hooksHere(report);
  const obstacleAt = (hook: string): Obstacle | undefined => {
    if (offeredHook(hook, here) !== undefined) return refused.get(hook);
    return explainHook(hook, report.hooks[hook] ?? { kind: 'absent' }, report);
  };
  return rules.flatMap((rule, index): DoctorRule[] => {
    const hooks = hooksOf(compiled, index);
    const missing = hooks.flatMap((hook) => {
      const obstacle = obstacleAt(hook);
      return obstacle === undefined ? [] : [{ hook, ...obstacle }];
    });
    if (missing.length === 0) return [];
    const { file, line } = rule.position;
    const runs = missing.length < hooks.length ? 'partly' : 'not';
    return [{ type: 'rule', file, line, policy: rule.policy, rule: rule.name, action: rule.action, runs, missing }];
  });
};
