import { describe, expect, it } from 'vitest';
import { CompileError, runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import { createSimHost, type SimHost } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

/** Runs an agent over what `act` does; `garbage` comes out of the ring buffer before anything else. */
const run = async (rules: readonly Rule[], act: (host: SimHost) => void, garbage: readonly Uint8Array[] = []) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  let left = [...garbage];
  const summary = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: {
        ...host.kernel,
        stream: (maps, timeAt) => {
          const stream = host.kernel.stream(maps, timeAt);
          return {
            ...stream,
            consume: (handler) => {
              const before = left;
              left = [];
              for (const bytes of before) handler(bytes);
              return before.length + stream.consume(handler);
            },
          };
        },
      },
      run: async (pump) => {
        pump();
        act(host);
        return { calls: host.calls, problems: ['one of the sensor'] };
      },
    },
  });
  return { summary, alerts, entries };
};

const opens = (host: SimHost): void => {
  const task = host.spawn({ exepath: '/usr/bin/cat' });
  host.call(task, 'openat', [-100, '/etc/passwd', 0, 0]);
  host.call(task, 'execve', ['/usr/bin/id', ['id'], []]);
};

describe('an agent', () => {
  it('without rules raises nothing', async () => {
    const { summary, alerts, entries } = await run([], opens);
    expect(alerts).toEqual([]);
    expect(summary).toMatchObject({ events: 1, alerts: 0, residualDropped: 0, problems: ['one of the sensor'] });
    expect(entries.map(({ kind }) => kind)).toEqual(['start', 'policy', 'stop']);
  });

  it('goes on after records that no program wrote, and says how many there were', async () => {
    const garbage = [new Uint8Array(8), new Uint8Array(300).fill(255)];
    const rule = ruleOf('opened', 'evt.type = openat and fd.name = /etc/passwd');
    const { summary, alerts, entries } = await run([rule], opens, garbage);
    expect(alerts.map((alert) => alert.rule)).toEqual(['opened']);
    const reason = 'a record of an unknown kind or hook';
    expect(summary.problems).toEqual(['one of the sensor', `2 records could not be read; the last: ${reason}`]);
    expect(entries.filter(({ kind }) => kind === 'loss')).toEqual([{ kind: 'loss', body: { unreadable: 2, reason } }]);
  });

  it('does not start with rules that can not be compiled', async () => {
    const rule = ruleOf('act', 'evt.type = mkdir', { action: 'deny', mode: 'enforce', scope: { cgroup: '/a' } });
    const failed = await run([rule], opens).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(CompileError);
    expect((failed as CompileError).message).toBe("1 rule can't be compiled");
    expect((failed as CompileError).diagnostics.map(({ code }) => code)).toEqual(['no-hook-before-effect']);
  });
});
