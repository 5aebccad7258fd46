import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const INSIDE = '/app.slice/job';

/** Runs an agent that observes the cgroup /app.slice/job, over what `act` does with a process in it and one outside. */
const observe = async (
  rules: readonly Rule[],
  act: (host: SimHost, inside: SimTask, outside: SimTask) => void,
): Promise<{ readonly alerts: readonly Alert[]; readonly events: number }> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const outside = host.spawn({ exepath: '/usr/bin/bash', cgroup: '/app.slice' });
  const inside = host.spawn({ exepath: '/usr/bin/dash', cgroup: INSIDE, parent: outside });
  const alerts: Alert[] = [];
  const { events } = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: INSIDE,
      kernel: host.kernel,
      run: async () => {
        act(host, inside, outside);
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return { alerts, events };
};

const open = (host: SimHost, task: SimTask): void => {
  host.call(task, 'openat', [FDCWD, '/etc/passwd', 0, 0]);
};
const fork = (host: SimHost, task: SimTask): SimTask => {
  const child = host.task(host.call(task, 'fork', []).result);
  if (child === undefined) throw new Error('fork made no process');
  return child;
};

const OPENED = ruleOf('opened', 'evt.type = openat');

describe("a scope that isn't the whole host", () => {
  it('takes in its cgroup and those below, and nothing else', async () => {
    const { alerts, events } = await observe([OPENED], (host, inside, outside) => {
      open(host, outside);
      host.call(fork(host, outside), 'execve', ['/usr/bin/id', ['id'], []]);
      open(host, host.spawn({ exepath: '/usr/bin/cat', cgroup: '/app.slice/other' }));
      open(host, host.spawn({ exepath: '/usr/bin/cat', cgroup: '/app.slice/jobs' }));
      open(host, host.spawn({ exepath: '/usr/bin/cat', cgroup: '/' }));
      open(host, inside);
      open(host, host.spawn({ exepath: '/usr/bin/cat', cgroup: `${INSIDE}/step`, parent: inside }));
    });
    expect(alerts.map(({ process }) => process.exe)).toEqual(['/usr/bin/dash', null]);
    expect(events).toBe(2);
  });

  it('sees forks, execs and exits in it', async () => {
    const { events } = await observe([OPENED], (host, inside) => {
      const child = fork(host, inside);
      host.call(child, 'execve', ['/usr/bin/id', ['id'], []]);
      host.end(child, { status: 0 });
    });
    expect(events).toBe(3);
  });

  it('ends every walk over parents', async () => {
    const { alerts } = await observe(
      [
        OPENED,
        ruleOf('by bash', 'evt.type = openat and proc.pname = bash'),
        ruleOf('below bash', 'evt.type = openat and proc.aname = bash'),
        ruleOf('not below bash', 'evt.type = openat and not proc.aname = bash'),
        ruleOf('below dash', 'evt.type = openat and proc.aname = dash'),
      ],
      (host, inside) => {
        open(host, inside);
        open(host, fork(host, inside));
      },
    );
    expect(alerts.map(({ rule }) => rule)).toEqual([
      'opened',
      'not below bash',
      'opened',
      'not below bash',
      'below dash',
    ]);
    expect(alerts[0]?.process.ancestors).toEqual([]);
    expect(alerts[2]?.process.ancestors.map(({ exe }) => exe)).toEqual(['/usr/bin/dash']);
  });

  it('has to be a cgroup that exists', async () => {
    const host = createSimHost({ memory: 32 * 1024 * 1024 });
    const failed = await runAgent({
      policies: [policyOf([OPENED])],
      host: 'sim',
      enforce: false,
      log: memoryLog().log,
      sensor: { kind: 'sim', scope: '/nowhere', kernel: host.kernel, run: async () => ({ calls: 0, problems: [] }) },
    }).catch((error: unknown) => error);
    expect((failed as Error).message).toBe('there is no cgroup /nowhere to observe; cgroup v2 paths begin with "/"');
  });
});
