import { describe, expect, it } from 'vitest';
import { type AgentOptions, type Reload, runAgent } from '../../agent/index.ts';
import { type Alert, type Attempt, attemptSchema, switchingSchema } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import {
  type ContainerSource,
  createSimHost,
  type SimHost,
  type SimTask,
  staticContainers,
} from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
const FDCWD = -100;
const CLONE_NEWPID = 0x2000_0000;
const SECOND = 1_000_000_000n;
const SERVICE = '/system.slice/web.service';
const OPENS = 'evt.type in (open, openat, openat2)';

const acting = (name: string, action: Rule['action'], condition: string): Rule =>
  ruleOf(name, condition, { action, mode: 'enforce', scope: { cgroup: '/system.slice' } });

const denySecret = acting('deny secret', 'deny', `${OPENS} and fd.name = /srv/secret`);
const killSecret = acting('kill secret', 'kill', `${OPENS} and fd.name = /srv/secret`);
const killTmp = acting('kill tmp', 'kill', 'evt.type in (execve, execveat) and proc.exepath startswith /tmp/');

interface Stage {
  readonly host: SimHost;
  /** A shell of a service in the rules' scope. */
  readonly service: SimTask;
  /** Hands over what programs have said so far. */
  readonly pump: () => void;
}

/** Runs an agent that enforces over what `act` does on a host; what is in the audit log has to fit its schema. */
const play = async (
  rules: readonly Rule[],
  act: (stage: Stage) => void,
  options: Partial<AgentOptions> = {},
  sensor: Partial<AgentOptions['sensor']> & { readonly hasTime?: boolean } = {},
) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.fs.write('/srv/secret', 'as it was', 0o666);
  host.fs.write('/tmp/x', '\x7fELF', 0o755);
  host.fs.write('/tmp/y', '\x7fELF', 0o755);
  const service = host.spawn({ exepath: '/usr/bin/bash', cgroup: SERVICE });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const { hasTime, ...more } = sensor;
  await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: true,
    log,
    onAlert: (alert) => alerts.push(alert),
    ...options,
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      ...(hasTime === true && { now: () => host.bootNs }),
      ...more,
      run: async (pump) => {
        act({ host, service, pump });
        return { calls: host.calls, problems: [] };
      },
    },
  });
  const bodies = entries.flatMap(({ kind, body }) => (kind === 'enforcement' ? [body] : []));
  const attempts = bodies.flatMap((body): Attempt[] =>
    switchingSchema.safeParse(body).success ? [] : [attemptSchema.parse(body)],
  );
  const switchings = bodies.filter((body) => switchingSchema.safeParse(body).success);
  return { alerts, attempts, outcomes: attempts.map(({ outcome }) => outcome), switchings, host, service };
};

const open = (host: SimHost, task: SimTask): number => host.call(task, 'openat', [FDCWD, '/srv/secret', 0, 0]).result;
const fork = (host: SimHost, task: SimTask): SimTask => {
  expect(host.call(task, 'fork', []).result).toBeGreaterThan(0);
  const child = host.tasks().findLast(({ parent }) => parent === task);
  if (child === undefined) throw new Error('fork made no process');
  return child;
};
/** Starts a program; whether it was killed at its exec. */
const start = (host: SimHost, parent: SimTask, path = '/tmp/x'): boolean => {
  const child = fork(host, parent);
  host.call(child, 'execve', [path, [path], []]);
  return !child.alive;
};

describe('an audit record', () => {
  it('says who, what, where, by which tier, and what became of it', async () => {
    const { attempts, service } = await play([denySecret], ({ host, service: task }) => {
      expect(open(host, task)).toBe(-EPERM);
    });
    const [attempt] = attempts;
    expect(attempts.length).toBe(1);
    expect(attempt).toMatchObject({
      rule: 'deny secret',
      policy: 'test',
      policyHash: '0'.repeat(64),
      mode: 'enforce',
      action: 'deny',
      hook: 'lsm/file_open',
      tier: 'lsm',
      event: 'openat',
      pid: service.pid,
      exe: '/usr/bin/bash',
      cgroup: SERVICE,
      arguments: { file: '/srv/secret' },
      outcome: 'denied',
      denied: true,
    });
    expect(attempt?.time).toMatch(/^2026-01-01T00:0\d:\d\d\.\d{9}Z$/);
  });

  it('of a kill at an exec has the arguments of the new program', async () => {
    const { attempts } = await play([killTmp], ({ host, service }) => {
      expect(start(host, service)).toBe(true);
    });
    expect(attempts[0]).toMatchObject({
      outcome: 'killed',
      tier: 'exec',
      arguments: { file: '/tmp/x', argv: ['/tmp/x'] },
    });
    expect(attempts[0]?.denied).toBeUndefined();
  });
});

describe('a budget of kills', () => {
  const budget = { kills: 3, periodMs: 60_000 };

  it('ends with one alert, and goes by executable and cgroup', async () => {
    const { outcomes, alerts } = await play(
      [killTmp],
      ({ host, service }) => {
        expect([0, 1, 2, 3, 4, 5].map(() => start(host, service))).toEqual([true, true, true, false, false, false]);
        expect(start(host, service, '/tmp/y')).toBe(true);
        const other = host.spawn({ exepath: '/usr/bin/bash', cgroup: '/system.slice/db.service' });
        expect(start(host, other)).toBe(true);
      },
      { budget },
    );
    expect(outcomes).toEqual([...Array(3).fill('killed'), ...Array(3).fill('budget spent'), 'killed', 'killed']);
    const spent = alerts.filter(({ rule }) => rule === 'Kill budget spent');
    expect(spent.map(({ output }) => output)).toEqual([
      '/tmp/x was killed 3 times in /system.slice/web.service within 60 s and is started again and again: it is not killed until the period ends, and the next is twice as long. Find out who starts it, or deny its exec: denials have no budget',
    ]);
  });

  it('backs off from a program that is started again and again: each period is twice as long', async () => {
    /** Kills in each minute, of a program that is started every five seconds. */
    const kills: number[] = [];
    const { alerts } = await play(
      [killTmp],
      ({ host, service, pump }) => {
        host.advance(100n * SECOND);
        for (let minute = 0; minute < 16; minute++) {
          let killed = 0;
          for (let time = 0; time < 12; time++) {
            if (start(host, service)) killed++;
            host.advance(5n * SECOND);
          }
          kills.push(killed);
          pump();
        }
      },
      { budget },
    );
    expect(kills).toEqual([3, 3, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3]);
    expect(alerts.filter(({ rule }) => rule === 'Kill budget spent').length).toBe(5);
  });

  it('begins with the first length again once the program was quiet for as long', async () => {
    await play(
      [killTmp],
      ({ host, service }) => {
        const burst = (): number => [0, 1, 2, 3, 4].filter(() => start(host, service)).length;
        host.advance(100n * SECOND);
        expect(burst()).toBe(3);
        host.advance(61n * SECOND);
        expect(burst()).toBe(3);
        host.advance(61n * SECOND);
        expect(burst()).toBe(0);
        host.advance(300n * SECOND);
        expect(burst()).toBe(3);
        host.advance(61n * SECOND);
        expect(burst()).toBe(3);
      },
      { budget },
    );
  });

  it('is not given anew where other policies take over', async () => {
    const host = createSimHost({ memory: 64 * 1024 * 1024 });
    host.fs.write('/tmp/x', '\x7fELF', 0o755);
    const service = host.spawn({ exepath: '/usr/bin/bash', cgroup: SERVICE });
    const { log, entries } = memoryLog();
    const kills: boolean[] = [];
    let reload: Reload | undefined;
    await runAgent({
      policies: [policyOf([killTmp])],
      host: 'sim',
      enforce: true,
      budget,
      log,
      onReloadable: (its) => {
        reload = its;
      },
      sensor: {
        kind: 'sim',
        scope: '/',
        kernel: host.kernel,
        run: async () => {
          kills.push(start(host, service), start(host, service));
          expect(await reload?.([policyOf([killTmp, denySecret])])).toMatchObject({ done: true });
          kills.push(start(host, service), start(host, service));
          return { calls: host.calls, problems: [] };
        },
      },
    });
    expect(kills).toEqual([true, true, true, false]);
    expect(entries.filter(({ kind }) => kind === 'enforcement').length).toBe(4);
  });

  it('leaves the call denied where the kill is kept back, and denials without a limit', async () => {
    const { attempts } = await play(
      [killSecret],
      ({ host, service }) => {
        for (let time = 0; time < 5; time++) expect(open(host, fork(host, service))).toBe(-EPERM);
      },
      { budget },
    );
    expect(attempts.map(({ outcome, denied }) => [outcome, denied])).toEqual([
      ...Array(3).fill(['killed', true]),
      ...Array(2).fill(['budget spent', true]),
    ]);
    const denials = await play(
      [denySecret],
      ({ host, service }) => {
        for (let time = 0; time < 50; time++) expect(open(host, service)).toBe(-EPERM);
      },
      { budget },
    );
    expect(denials.outcomes).toEqual(Array(50).fill('denied'));
  });
});

describe('the switch', () => {
  it('ends enforcement at once and begins it again, and both are in the audit log', async () => {
    const state = { isOff: false };
    const listeners = new Set<(by: string) => void>();
    const turn = (isOff: boolean): void => {
      state.isOff = isOff;
      for (const listener of listeners) listener('the test');
    };
    const { outcomes, switchings, alerts } = await play(
      [denySecret],
      ({ host, service }) => {
        expect(open(host, service)).toBe(-EPERM);
        turn(true);
        expect(open(host, service)).toBeGreaterThanOrEqual(0);
        turn(false);
        expect(open(host, service)).toBe(-EPERM);
      },
      {
        enforcement: {
          get isOff() {
            return state.isOff;
          },
          onChange: (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
          },
        },
      },
    );
    expect(outcomes).toEqual(['denied', 'switched off', 'denied']);
    expect(alerts.map(({ verdict, enforced }) => [verdict, enforced])).toEqual([
      ['deny', true],
      ['deny', false],
      ['deny', true],
    ]);
    expect(switchings).toEqual([
      { switched: 'off', by: 'the test' },
      { switched: 'on', by: 'the test' },
    ]);
    expect(listeners.size).toBe(0);
  });

  it('that is off before the agent starts is off', async () => {
    const { outcomes, switchings } = await play(
      [denySecret],
      ({ host, service }) => {
        expect(open(host, service)).toBeGreaterThanOrEqual(0);
      },
      { enforcement: { isOff: true, onChange: () => () => undefined } },
    );
    expect(outcomes).toEqual(['switched off']);
    expect(switchings).toEqual([{ switched: 'off', by: 'before the agent started' }]);
  });
});

describe('the time to live', () => {
  it('ends enforcement where the agent hangs for ten seconds', async () => {
    const { outcomes } = await play(
      [denySecret],
      ({ host, service }) => {
        expect(open(host, service)).toBe(-EPERM);
        host.advance(9n * SECOND);
        expect(open(host, service)).toBe(-EPERM);
        host.advance(2n * SECOND);
        expect(open(host, service)).toBeGreaterThanOrEqual(0);
      },
      {},
      { hasTime: true },
    );
    expect(outcomes).toEqual(['denied', 'denied', 'expired']);
  });
});

describe("a container's first process", () => {
  const id = 'c0ffee'.repeat(11).slice(0, 64);
  const cgroup = `/system.slice/docker-${id}.scope`;
  const factsOf = (init: number): ContainerSource =>
    staticContainers(
      new Map([
        [
          id,
          { id, runtime: 'docker', name: 'web', labels: {}, privileged: false, mounts: [], startNs: 0n, init } as const,
        ],
      ]),
    );

  it('is spared kills, not denials; who only looks like one is not', async () => {
    const host = createSimHost({ memory: 32 * 1024 * 1024, cgroups: [cgroup] });
    host.fs.write('/srv/secret', 'as it was', 0o666);
    const init = host.spawn({ exepath: '/usr/bin/bash', cgroup, vpid: 1 });
    const shell = host.spawn({ exepath: '/usr/bin/bash', cgroup });
    expect(host.call(shell, 'unshare', [CLONE_NEWPID]).result).toBe(0);
    const { outcomes, attempts } = await play(
      [killSecret],
      () => {
        expect(open(host, init)).toBe(-EPERM);
        expect(init.alive).toBe(true);
        for (const task of [fork(host, shell), fork(host, init)]) {
          expect(open(host, task)).toBe(-EPERM);
          expect(task.alive).toBe(false);
        }
      },
      {},
      { kernel: host.kernel, containers: factsOf(init.pid) },
    );
    expect(outcomes).toEqual(['suppressed: container init', 'killed', 'killed']);
    expect(attempts.map(({ denied }) => denied)).toEqual([true, true, true]);
  });
});
