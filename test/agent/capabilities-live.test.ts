import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { createLinuxSensor } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const skip = liveUnavailable();

describe.skipIf(skip)(`capabilities in the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('are not known any more of whoever has made a user namespace', async () => {
    const cgroup = testCgroup();
    const alerts: Alert[] = [];
    const { log } = memoryLog();
    const holds = 'thread.cap_permitted contains CAP_SYS_ADMIN';
    try {
      const summary = await runAgent({
        policies: [
          policyOf([
            ruleOf('without', `evt.type = unshare and not ${holds}`),
            ruleOf('with', `evt.type = unshare and ${holds}`),
          ]),
        ],
        sensor: createLinuxSensor({
          scope: cgroup.path,
          source: async () => {
            await cgroup.run('unshare', ['--mount', 'true']);
            await cgroup.run('unshare', ['--user', 'true']);
            await delay(100);
          },
        }),
        host: 'h',
        enforce: false,
        log,
        onAlert: (alert) => alerts.push(alert),
      });
      expect(summary.problems).toEqual([]);
    } finally {
      await cgroup.remove();
    }
    expect(alerts.map(({ rule }) => rule)).toEqual(['with', 'without', 'with']);
  }, 60_000);
});
