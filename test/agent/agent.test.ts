import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CompileError, runAgent } from '../../agent/index.ts';
import { type Alert, openAuditLog, readAuditLog } from '../../alerts/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { createSimSensor, loadScenario } from '../../sensors/index.ts';
import { temporaryFolder } from '../support/folder.ts';

const policyText = (mode: 'monitor' | 'enforce', action: 'deny' | 'alert' = 'deny'): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: secrets}
spec:
  mode: ${mode}
  scope: {cgroup: /system.slice}
  rules:
    - rule: Secret read
      condition: evt.type in (open, openat, openat2) and fd.name = /srv/secret
      priority: error
      output: "%proc.name %fd.name"
      action: ${action}
`;

/** A service's process reads the file, and one outside of the scope does. */
const SCENARIO = `name: secrets
host:
  files: {/srv/secret: "s3cret\\n"}
  processes:
    - {name: app, path: /usr/bin/python3, cgroup: /system.slice/app.service}
    - {name: user, path: /usr/bin/bash, cgroup: /user.slice}
steps:
  - {openat: /srv/secret, by: app}
  - {openat: /srv/secret, by: user}
`;

interface Options {
  readonly mode?: 'monitor' | 'enforce';
  readonly enforce?: boolean;
  readonly protect?: readonly string[];
}

const run = async ({ mode = 'enforce', enforce = true, protect = [] }: Options = {}) => {
  const folder = temporaryFolder();
  const file = join(folder, 'secrets.yaml');
  writeFileSync(file, SCENARIO);
  const { scenario, diagnostics } = loadScenario(file);
  expect(diagnostics).toEqual([]);
  if (scenario === undefined) throw new Error('the scenario can not be loaded');
  const { policies, diagnostics: mistakes } = loadPolicyText('secrets.yaml', policyText(mode));
  expect(mistakes).toEqual([]);
  const sensor = createSimSensor({ scenario });
  const log = await openAuditLog({ folder: join(folder, 'audit'), host: 'h' });
  const alerts: Alert[] = [];
  const warnings: string[] = [];
  const summary = await runAgent({
    policies,
    sensor,
    host: 'h',
    enforce,
    protect,
    log,
    onAlert: (alert) => alerts.push(alert),
    warn: (sentence) => warnings.push(sentence),
  });
  await log.close();
  const entries: { kind: string; body: unknown }[] = [];
  for await (const { entry } of readAuditLog(join(folder, 'audit'), { strict: true })) entries.push(entry);
  const results = sensor.outcomes.map(({ by, result = 0 }) => [by, result < 0 ? result : 'opened']);
  return { summary, alerts, entries, results, warnings };
};

const outcomes = (entries: readonly { kind: string; body: unknown }[]) =>
  entries.filter(({ kind }) => kind === 'enforcement').map(({ body }) => (body as { outcome: string }).outcome);

describe('a rule that denies', () => {
  it('denies within its scope, and is not about what lies outside', async () => {
    const { results, alerts, summary, entries } = await run();
    expect(results).toEqual([
      ['app', -1],
      ['user', 'opened'],
    ]);
    expect(alerts.map(({ rule, verdict, enforced, process }) => [rule, verdict, enforced, process.exe])).toEqual([
      ['Secret read', 'deny', true, '/usr/bin/python3'],
    ]);
    expect(summary).toMatchObject({ alerts: 1, denied: 1, killed: 0, byPriority: { error: 1 } });
    expect(outcomes(entries)).toEqual(['denied']);
  });

  it.each<[string, Options, string]>([
    ['with enforcement off', { enforce: false }, 'would have'],
    ["where the policy's mode is monitor", { mode: 'monitor' }, 'would have'],
    ['where the executable is protected', { protect: ['/usr/bin/python3'] }, 'suppressed: protected executable'],
  ])('only says what it would do %s', async (_, options, outcome) => {
    const { results, alerts, summary, entries } = await run(options);
    expect(results).toEqual([
      ['app', 'opened'],
      ['user', 'opened'],
    ]);
    expect(alerts.map(({ rule, verdict, enforced }) => [rule, verdict, enforced])).toEqual([
      ['Secret read', 'deny', false],
    ]);
    expect(summary).toMatchObject({ alerts: 1, denied: 0 });
    expect(outcomes(entries)).toEqual([outcome]);
  });
});

it('the audit log begins with the start and the policies, and ends with the stop', async () => {
  const { entries, summary } = await run();
  expect(entries.map(({ kind }) => kind)).toEqual(['start', 'policy', 'alert', 'enforcement', 'stop']);
  expect(entries[0]?.body).toEqual({ host: 'h', kernel: 'sim 6.12', enforce: true });
  expect(entries[1]?.body).toMatchObject({ name: 'secrets', mode: 'enforce', rules: 1 });
  expect(entries[4]?.body).toEqual({ events: summary.events, alerts: 1 });
});

it('says that a protected path is not there', async () => {
  const { warnings, alerts } = await run({ protect: ['/usr/bin/none'] });
  expect(warnings).toEqual(['there is no file /usr/bin/none to protect']);
  expect(alerts.map(({ enforced }) => enforced)).toEqual([true]);
});

it('refuses policies that can not be enforced as they are written', async () => {
  const text = policyText('enforce').replace('fd.name = /srv/secret', 'container.start_ts > 1');
  const { policies } = loadPolicyText('secrets.yaml', text);
  const { scenario } = loadScenario('quiet-day');
  if (scenario === undefined) throw new Error('the scenario can not be loaded');
  const log = await openAuditLog({ folder: join(temporaryFolder(), 'audit'), host: 'h' });
  const running = runAgent({ policies, sensor: createSimSensor({ scenario }), host: 'h', enforce: true, log });
  const error = await running.catch((thrown: unknown) => thrown);
  await log.close();
  expect(error).toBeInstanceOf(CompileError);
  expect((error as CompileError).message).toBe("1 rule can't be compiled");
  expect((error as CompileError).diagnostics.map(({ line, column, code }) => [line, column, code])).toEqual([
    [9, 58, 'not-in-kernel'],
  ]);
});
