import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Correlation } from '../../rules/index.ts';
import { createLinuxSensor } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { count } from '../support/counts.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const skip = liveUnavailable();
const position = { file: 'test.yaml', line: 1, column: 1 };
const UID = { name: 'user.uid', span: { start: 0, end: 0 } };
const correlation: Correlation = { kind: 'threshold', moreThan: 9, within: 3_600_000_000_000n, by: [UID], position };

/** Calls that no interpreter makes by itself. */
const CALLS = `
import os, sys
for _ in range(int(sys.argv[1])):
    os.getsid(0)
`;

describe.skipIf(skip)(
  `a threshold that programs of the running kernel count${skip ? ` (skipped: ${skip})` : ''}`,
  () => {
    it('takes each match once, however many processors are at the same key', async () => {
      const [processes, calls] = [4, count(20_000)];
      const cgroup = testCgroup();
      const alerts: Alert[] = [];
      try {
        const { log } = memoryLog();
        const summary = await runAgent({
          policies: [policyOf([ruleOf('counted', 'evt.type = getsid', { correlation })])],
          sensor: createLinuxSensor({
            scope: cgroup.path,
            source: async () => {
              const run = () => cgroup.run('python3', ['-c', CALLS, String(calls)]);
              await Promise.all(Array.from({ length: processes }, run));
              await delay(100);
            },
          }),
          host: 'h',
          enforce: false,
          rings: { critical: 4096, events: 64 * 1024 * 1024 },
          log,
          onAlert: (alert) => alerts.push(alert),
        });
        expect(summary.lost).toEqual(new Map());
        expect(summary.problems).toEqual([]);
      } finally {
        await cgroup.remove();
      }
      const counted = alerts.reduce((sum, alert) => sum + (alert.correlation?.count ?? 0), 0);
      const left = processes * calls - counted;
      expect(left).toBeGreaterThanOrEqual(0);
      expect(left).toBeLessThan(10);
      expect(new Set(alerts.map((alert) => alert.correlation?.key['user.uid']))).toEqual(new Set([0]));
      for (const { correlation: each } of alerts) expect(each!.from <= each!.to).toBe(true);
    }, 120_000);
  },
);
