import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { runAgent } from '../../agent/index.ts';
import { type Alert, openAuditLog } from '../../alerts/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { createReplaySensor } from '../../sensors/index.ts';
import { temporaryFolder } from '../support/folder.ts';

interface Expected {
  readonly line: number;
  readonly rule: string;
  readonly pid: number;
  readonly event: string;
  readonly field: string;
  readonly value: string | boolean;
}

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const replay = async (name: string) => {
  const { policies, diagnostics } = loadPolicies([at('policies/library')]);
  expect(diagnostics).toEqual([]);
  const log = await openAuditLog({ folder: join(temporaryFolder(), 'audit'), host: 'workstation' });
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies,
    sensor: createReplaySensor({ path: at(`test/recordings/${name}.strace`), onProblem: 'stop' }),
    host: 'workstation',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
  });
  await log.close();
  expect([...summary.lost.values()].filter((count) => count > 0)).toEqual([]);
  expect(summary.problems).toEqual([]);
  return { alerts, summary };
};

it('raises on the attack the alerts that were written down before the first replay, and no other', async () => {
  const expected = parse(readFileSync(at('test/recordings/attack.expected.yaml'), 'utf8')).alerts as Expected[];
  const { alerts, summary } = await replay('attack');
  expect(summary.calls).toBeGreaterThan(2_000);
  expect(alerts.map((alert) => [alert.rule, alert.process.pid, alert.event])).toEqual(
    expected.map(({ rule, pid, event }) => [rule, pid, event]),
  );
  const lines = readFileSync(at('test/recordings/attack.strace'), 'utf8').split('\n');
  for (const [index, { line, field, value }] of expected.entries()) {
    const alert = alerts[index];
    const happened = Number(/^\d+ +(\d+\.\d+) /.exec(lines[line - 1] ?? '')?.[1]);
    expect(Math.abs(Date.parse(alert?.time ?? '') / 1000 - happened), `time of line ${line}`).toBeLessThan(0.002);
    const shown = alert?.fields[field];
    if (shown !== undefined) expect(String(shown), `${field} of line ${line}`).toContain(String(value));
  }
});

it('raises nothing on its benign twin', async () => {
  const { alerts, summary } = await replay('benign');
  expect(summary.calls).toBeGreaterThan(2_000);
  expect(alerts.map((alert) => [alert.rule, alert.output])).toEqual([]);
});
