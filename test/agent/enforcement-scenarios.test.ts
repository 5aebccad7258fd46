import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  compareEnforced,
  type EnforcementBody,
  type Played,
  playScenarios,
  runPolicyTests,
} from '../../agent/index.ts';
import { attemptSchema, switchingSchema } from '../../alerts/index.ts';
import { formatDiagnostic, loadPolicyText } from '../../policies/index.ts';
import { listScenarios, loadScenario, type Scenario } from '../../sensors/index.ts';
import { temporaryFolder } from '../support/folder.ts';

const load = (name: string): Scenario => {
  const { scenario, diagnostics } = loadScenario(name);
  if (scenario === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return scenario;
};

const play = async (scenarios: readonly Scenario[]): Promise<readonly Played[]> => {
  const all: Played[] = [];
  for await (const played of playScenarios([], scenarios, { own: true })) all.push(played);
  return all;
};

describe('the scenarios about enforcement', () => {
  it.each(listScenarios('enforcement').map(({ name }) => name))('%s and its variants go as they say', async (name) => {
    const scenario = load(name);
    expect(scenario.variants.length).toBeGreaterThan(0);
    const [whole, ...variants] = await play([scenario, ...scenario.variants]);
    for (const played of [whole, ...variants]) {
      if (played?.enforced === undefined) throw new Error('nothing was enforced');
      const { scenario: its, enforced, raised, problems } = played;
      expect(problems).toEqual([]);
      expect([...raised.keys()].toSorted()).toEqual(its.expected?.raised.toSorted());
      expect(its.enforced?.length).toBeGreaterThan(0);
      expect(compareEnforced(its.enforced ?? [], enforced)).toEqual([]);
      for (const body of enforced) ('outcome' in body ? attemptSchema : switchingSchema).parse(body);
    }
    for (const { enforced, scenario: variant } of variants) {
      expect(compareEnforced(scenario.enforced ?? [], enforced ?? [])).not.toEqual([]);
      expect(compareEnforced(variant.enforced ?? [], whole?.enforced ?? [])).not.toEqual([]);
    }
  });

  it('have records that say which program of whom, by which tier, and how long nothing was enforced', async () => {
    const [budget, ttl] = await play([load('kill-budget'), load('time-to-live')]);
    expect(budget?.enforced?.[3]).toMatchObject({
      rule: 'Program in tmp killed',
      policy: 'respawned-miner',
      mode: 'enforce',
      tier: 'exec',
      exe: '/tmp/.x/miner',
      cgroup: '/system.slice/cron.service',
      arguments: { file: '/tmp/.x/miner', argv: ['miner', '-o', 'pool.example'] },
      outcome: 'budget spent',
    });
    const lapse = ttl?.enforced?.find((body) => 'lapsed' in body);
    expect(lapse).toMatchObject({ renewed: true });
    expect(lapse && 'lapsed' in lapse ? lapse.lapsed : 0).toBeGreaterThan(1e9);
    expect(lapse && 'lapsed' in lapse ? lapse.lapsed : 0).toBeLessThan(6e9);
  });

  it('enforce nothing under other policies', async () => {
    for await (const { enforced } of playScenarios([], [load('kill-budget')])) expect(enforced).toBeUndefined();
  });
});

describe('records that are other than expected', () => {
  const [killed, other] = ['killed', 'budget spent'].map(
    (outcome) => ({ outcome, rule: 'R', exe: '/x' }) as EnforcementBody,
  );
  const attempt = (outcome: 'killed' | 'denied', times = 1, exe?: string) =>
    ({ kind: 'attempt', outcome, times, rule: undefined, exe }) as const;
  const bodies = [killed, other] as readonly EnforcementBody[];

  it.each([
    [[attempt('killed', 2)], 'enforcement record 2 is budget spent (R, /x); expected killed'],
    [[attempt('killed')], 'enforcement record 2 is budget spent (R, /x); expected no more than 1'],
    [[attempt('killed', 1, '/y')], 'enforcement record 1 is killed (R, /x); expected killed (/y)'],
    [[{ kind: 'switched', switched: 'off' } as const], 'enforcement record 1 is killed (R, /x); expected switched off'],
    [[{ kind: 'lapsed' } as const], 'enforcement record 1 is killed (R, /x); expected lapsed'],
  ])('%j', (expected, sentence) => {
    expect(compareEnforced(expected, bodies)).toEqual([sentence]);
  });

  it('or missing', () => {
    expect(compareEnforced([attempt('denied')], [])).toEqual(['enforcement record 1 is missing; expected denied']);
    expect(compareEnforced([], [{ switched: 'on', by: 'x' }])).toEqual([
      'enforcement record 1 is switched on; expected no more than 0',
    ]);
  });
});

const messages = (text: string): readonly string[] => {
  const path = join(temporaryFolder(), 's.yaml');
  writeFileSync(path, text);
  return loadScenario(path).diagnostics.map((found) =>
    formatDiagnostic({ ...found, file: 's.yaml' }, { colour: false }),
  );
};

describe('mistakes', () => {
  it('in steps that change nothing, or can not happen, are told', () => {
    expect(
      messages(`name: s
enforcement: {policies: [p.yaml], budget: 0/min}
steps:
  - {enforcement: on}
  - {enforcement: off}
  - {enforcement: off}
  - {enforcement: of}
  - {agent: resume}
  - {agent: hang}
  - {agent: hang}
  - {enforcement: on}
  - {exec: {argv: [ls], times: 3}}
  - {exec: {argv: [ls], every: 3s}}
  - {exec: {argv: [ls], times: 1, every: 3s}}
enforced: [killd, {outcome: killed, times: 0}]
`),
    ).toEqual([
      's.yaml:2:43: error[wrong-value]: enforcement.budget is "0/min"; expected kills in a time such as 3/30s or 10/min.',
      's.yaml:4:19: error[nothing-changes]: steps[0] changes nothing: enforcement is on; expected "enforcement: off" before it.\n  in steps[0].enforcement',
      's.yaml:6:19: error[nothing-changes]: steps[2] changes nothing: enforcement is off since line 5; expected "enforcement: on" before it.\n  in steps[2].enforcement',
      's.yaml:7:19: error[wrong-value]: steps[3].enforcement is "of"; expected one of on, off; did you mean "on"?',
      's.yaml:8:13: error[nothing-changes]: steps[4] changes nothing: the agent does not hang; expected "agent: hang" before it.\n  in steps[4].agent',
      's.yaml:10:13: error[nothing-changes]: steps[6] changes nothing: the agent hangs since line 9; expected "agent: resume" before it.\n  in steps[6].agent',
      's.yaml:11:19: error[agent-hangs]: steps[7] can\'t happen while the agent hangs, since line 10; expected "agent: resume" before it.\n  in steps[7].enforcement',
      's.yaml:12:25: error[missing-key]: steps[8].exec lacks "every"; expected a time such as 1.5s or 200ms.',
      's.yaml:13:25: error[missing-key]: steps[9].exec lacks "times"; expected how often, a number from 2 to 1000.',
      's.yaml:14:32: error[wrong-value]: steps[10].exec.times is the number 1; expected how often, a number from 2 to 1000.',
      's.yaml:15:12: error[wrong-type]: enforced[0] is "killd"; expected lapsed, {switched: on}, {switched: off}, or an outcome (denied, killed, not certain, would have, switched off, expired, budget spent, not sent, suppressed: init, suppressed: kernel thread, suppressed: agent, suppressed: protected executable, suppressed: container init, suppressed: executable unknown), also as {outcome, times, rule, exe}.',
      's.yaml:15:44: error[wrong-value]: enforced[1].times is the number 0; expected a whole number from 1.',
    ]);
  });

  it('are records without policies', () => {
    expect(messages('name: s\nsteps: [exit]\nenforced: [killed]\n')).toEqual([
      's.yaml:3:1: error[missing-key]: The document lacks "enforcement"; expected the policies under which "enforced" is so.',
    ]);
  });
});

describe("a policy's test", () => {
  const policy = (enforced: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  mode: enforce
  scope: {cgroup: /system.slice}
  rules:
    - {rule: R, condition: "evt.type in (execve, execveat) and proc.exepath startswith /tmp/", priority: notice, output: x, action: kill}
  tests:
    - name: t
      enforce: true
      scenario:
        inline:
          enforcement: {budget: 2/min}
          steps:
            - {exec: {path: /tmp/x, argv: [x], times: 3, every: 1s}}
            - {enforcement: off}
            - {exec: {path: /tmp/x, argv: [x]}}
      expect: [R, R, R, R]
      enforced: ${enforced}
`;
  const run = async (enforced: string): Promise<readonly string[]> => {
    const { policies, diagnostics } = loadPolicyText('p.yaml', policy(enforced));
    const [found] = policies;
    if (found === undefined) return diagnostics.map((each) => formatDiagnostic(each, { colour: false }));
    const problems: string[] = [];
    for await (const outcome of runPolicyTests(found))
      problems.push(`${outcome.passed} ${outcome.raised.join()}`, ...outcome.problems);
    return problems;
  };

  it('compares audit records', async () => {
    expect(await run('[{outcome: killed, times: 2}, budget spent, switched: off, switched off]')).toEqual([
      'true R,R,R,R',
    ]);
    expect(await run('[{outcome: killed, times: 3}]')).toEqual([
      'false R,R,R,R',
      'enforcement record 3 is budget spent (R, /tmp/x); expected killed',
    ]);
    const [mistake] = await run('[kiled]');
    expect(mistake).toMatch(
      /^p\.yaml:20:18: error\[wrong-type\]: spec\.tests\[0\]\.enforced\[0\] is "kiled"; expected lapsed, /,
    );
  });
});
