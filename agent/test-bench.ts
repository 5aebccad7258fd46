import type { Alert } from '../alerts/index.ts';
import type { FeatureLevel } from '../engine/object/index.ts';
import type { Policy, PolicyTest } from '../policies/index.ts';
import { type Compiled, compile, type Diagnostic, type RuleMatching } from '../rules/index.ts';
import { createReplaySensor, createSimSensor, loadTestScenario, type Scenario, type Sensor } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { openDomains } from './domains.ts';
import { compareEnforced, type EnforcementBody } from './expected-enforcement.ts';
import { BUDGET_SPENT } from './kill-budget.ts';
import { createMemoryLog } from './memory-log.ts';
import { compileObserver, type ObservedEvent, observed, watchAll } from './observer.ts';

/** The kernel that policies' tests run in. */
const LEVEL: FeatureLevel = '6.12';
const HOST = 'test';
/** Bytes of a test's host: enough for a policy's maps and a few dozen processes. */
const MEMORY = 32 * 1024 * 1024;

/** A test of a policy: one that it carries, or a scenario that says which rules it raises. */
export interface BenchTest extends Omit<PolicyTest, 'scenario'> {
  readonly scenario: PolicyTest['scenario'] | { readonly played: Scenario };
  /** Only of these rules it is asked whether they are raised, however often; undefined: all alerts are compared, in their order. */
  readonly among?: ReadonlySet<string>;
}

/** Scenarios and their variants as tests of a policy: those whose files name a rule of it. */
export const scenarioTests = (policy: Policy, scenarios: readonly Scenario[]): readonly BenchTest[] => {
  const rules = new Set(policy.rules.map(({ name }) => name));
  return scenarios
    .flatMap((scenario) => [scenario, ...scenario.variants])
    .flatMap((scenario): readonly BenchTest[] => {
      const { name, expected, position } = scenario;
      const among = new Set(expected?.named.filter((rule) => rules.has(rule)));
      if (expected === undefined || among.size === 0) return [];
      const expect = expected.raised.filter((rule) => rules.has(rule));
      const { name: of, scope } = policy;
      return [{ name, policy: of, scope, scenario: { played: scenario }, among, expect, enforce: false, position }];
    });
};

/** What a test of a policy came to. */
export interface TestOutcome {
  readonly test: BenchTest;
  readonly policy: Policy;
  readonly passed: boolean;
  /** The rules that were raised, in order. */
  readonly raised: readonly string[];
  readonly alerts: readonly Alert[];
  /** Why it failed, beside other alerts than expected: the scenario did not go as it says. */
  readonly problems: readonly string[];
  /** What is wrong with the test's scenario, or with the policy's rules. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A policy, compiled once for its tests. */
export interface TestBench {
  readonly compiled: Compiled;
  /** Why the policy can't be tested. */
  readonly errors: readonly Diagnostic[];
  /** Runs a test in a simulated host of its own; `onEvent` gets every event of it. @throws VerifierError where a kernel would refuse the programs */
  run(test: BenchTest, onEvent?: (event: ObservedEvent) => void): Promise<TestOutcome>;
  /** Lets what a test is about happen without the policy; `onEvent` gets every event of it. Returns what did not go as the scenario says. */
  watch(test: BenchTest, onEvent: (event: ObservedEvent) => void): Promise<readonly string[]>;
}

/** Whether the rules that were raised are those that a test expects. */
const isAsExpected = ({ expect, among }: Pick<BenchTest, 'expect' | 'among'>, raised: readonly string[]): boolean => {
  if (among === undefined)
    return expect.length === raised.length && expect.every((rule, index) => rule === raised[index]);
  return [...among].every((rule) => raised.includes(rule) === expect.includes(rule));
};

/** A recording names no cgroups: all that happened in it counts as within a policy's. */
export const anyCgroup = (policy: Policy): Policy => {
  if (policy.scope.cgroup === undefined) return policy;
  const rules = policy.rules.map((rule) => ({ ...rule, scope: { ...rule.scope, cgroup: '/' } }));
  return { ...policy, rules };
};

/** A policy's programs, and those that observe its tests, each compiled when they are first asked for. */
const createPrograms = (policy: Policy, first?: Compiled) => {
  let compiled = first;
  let observer: Compiled | undefined;
  return {
    get own(): Compiled {
      compiled ??= compile(policy.rules, { level: LEVEL });
      return compiled;
    },
    get observer(): Compiled {
      observer ??= compileObserver(policy, LEVEL);
      return observer;
    },
  };
};

/** Where a test's events come from; undefined where its scenario is wrong. */
const sensorOf = (
  test: BenchTest,
): {
  readonly sensor: Sensor | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly problem?: string;
  readonly enforcement?: Scenario['enforcement'];
} => {
  const { scenario } = test;
  if ('recording' in scenario) {
    try {
      const sensor = createReplaySensor({ path: scenario.recording, onProblem: 'stop' });
      return { sensor, diagnostics: [] };
    } catch (error) {
      return { sensor: undefined, diagnostics: [], problem: error instanceof Error ? error.message : String(error) };
    }
  }
  const loaded =
    'played' in scenario ? { scenario: scenario.played, diagnostics: [] } : loadTestScenario({ ...test, scenario });
  const sensor = loaded.scenario && createSimSensor({ scenario: loaded.scenario, memory: MEMORY });
  return { sensor, diagnostics: loaded.diagnostics, enforcement: loaded.scenario?.enforcement };
};

/** Compiles a policy for its tests, in which rules are raised as `ruleMatching` says. */
export const createTestBench = (policy: Policy, ruleMatching: RuleMatching = 'all'): TestBench => {
  const compiled = compile(policy.rules, { level: LEVEL });
  const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
  const inScope = createPrograms(policy, compiled);
  const anywhere = policy.scope.cgroup === undefined ? inScope : createPrograms(anyCgroup(policy));
  return {
    compiled,
    errors,
    run: async (test, onEvent) => {
      const failed = { test, policy, passed: false, raised: [], alerts: [], problems: [], diagnostics: errors };
      if (errors.length > 0) return failed;
      const { sensor, diagnostics, problem, enforcement } = sensorOf(test);
      if (sensor === undefined) return { ...failed, diagnostics, problems: problem === undefined ? [] : [problem] };
      const programs = 'recording' in test.scenario ? anywhere : inScope;
      const alerts: Alert[] = [];
      const records: EnforcementBody[] = [];
      const { problems: found } = await runAgent({
        policies: [policy],
        compiled: programs.own,
        sensor:
          onEvent === undefined
            ? sensor
            : observed(sensor, programs.observer, onEvent, openDomains(policy.rules, sensor)),
        host: HOST,
        enforce: test.enforce,
        ruleMatching,
        everyMatch: true,
        log: createMemoryLog(HOST),
        onAlert: (alert) => alerts.push(alert),
        onEnforcement: (body) => records.push(body),
        ...(enforcement?.budget && { budget: enforcement.budget }),
        protect: enforcement?.protect ?? [],
      });
      const problems = [...found, ...(test.enforced ? compareEnforced(test.enforced, records) : [])];
      // no rule of a policy's has this name: `enforced` says of it
      const raised = alerts.map((alert) => alert.rule).filter((rule) => rule !== BUDGET_SPENT);
      const passed = problems.length === 0 && isAsExpected(test, raised);
      return { test, policy, passed, raised, alerts, problems, diagnostics };
    },
    watch: async (test, onEvent) => {
      const { sensor, diagnostics, problem } = sensorOf(test);
      if (sensor === undefined) return [...diagnostics.map(({ message }) => message), ...(problem ? [problem] : [])];
      const programs = 'recording' in test.scenario ? anywhere : inScope;
      return watchAll(sensor, programs.observer, onEvent, openDomains(policy.rules, sensor));
    },
  };
};
