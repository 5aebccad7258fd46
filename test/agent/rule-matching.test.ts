import { describe, expect, it } from 'vitest';
import { type AgentOptions, runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { type Compiled, compile, type Rule, type RuleMatching } from '../../rules/index.ts';
import { createSimHost, type SimHost } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const HOUR = 3_600_000_000_000;

const open = (host: SimHost, path: string, cgroup = '/a'): number =>
  host.call(host.spawn({ exepath: '/usr/bin/cat', cgroup }), 'openat', [FDCWD, path, 0, 0]).result;

/** The rules that are raised, in order, by what `act` does. */
const raised = async (
  ruleMatching: RuleMatching | undefined,
  rules: readonly Rule[] | { readonly rules: readonly Rule[]; readonly compiled: Compiled },
  act: (host: SimHost, pump: () => void) => void | Promise<void>,
  more: Partial<AgentOptions> = {},
) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.spawn({ exepath: '/usr/bin/pause', cgroup: '/a' });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const given = 'compiled' in rules ? rules : { rules, compiled: compile(rules, { level: '6.12' }) };
  const summary = await runAgent({
    policies: [policyOf(given.rules)],
    compiled: given.compiled,
    host: 'sim',
    enforce: true,
    log,
    ...(ruleMatching !== undefined && { ruleMatching }),
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        await act(host, pump);
        return { calls: host.calls, problems: [] };
      },
    },
    ...more,
  });
  expect(summary.problems).toEqual([]);
  return { names: alerts.map(({ rule }) => rule), summary, kinds: entries.map(({ kind }) => kind) };
};

const OPENS = 'evt.type in (open, openat)';

describe('rule matching', () => {
  const rules = [
    ruleOf('of one file', `${OPENS} and fd.name = /etc/passwd and evt.num > 1000000`),
    ruleOf('of a folder', `${OPENS} and fd.name startswith /etc/`),
    ruleOf('of all files', OPENS),
    ruleOf('of one more', `${OPENS} and fd.name = /etc/hosts`),
  ];
  const compiled = compile(rules, { level: '6.12' });
  const act = (host: SimHost): void => {
    open(host, '/etc/passwd');
    open(host, '/etc/hosts');
    open(host, '/tmp/none');
  };

  it('all raises every rule that matches an event, also where nothing is said', async () => {
    const all = await raised('all', { rules, compiled }, act);
    expect(all.names.toSorted()).toEqual(
      [
        ...['of a folder', 'of all files'],
        ...['of a folder', 'of all files', 'of one more'],
        ...['of all files'],
      ].toSorted(),
    );
    expect(all.summary.hidden).toBe(0);
    expect((await raised(undefined, { rules, compiled }, act)).names).toEqual(all.names);
  });

  it('first raises the first in load order, of those that user space still takes for matches', async () => {
    const { names, summary } = await raised('first', { rules, compiled }, act);
    expect(names).toEqual(['of a folder', 'of a folder', 'of all files']);
    expect([summary.residualDropped, summary.hidden]).toEqual([1, 3]);
  });

  it('goes by the order of the rules, not by that of the event types they name', async () => {
    const turned = [
      ruleOf('both', 'evt.type in (openat, close)'),
      ruleOf('also both', 'evt.type in (open, openat, close)'),
    ];
    for (const order of [turned, turned.toReversed()]) {
      const { names } = await raised('first', order, (host) => void open(host, '/etc/passwd'));
      expect(names).toEqual([order[0]?.name]);
    }
  });
});

describe('rule matching first', () => {
  it('does nothing to rules that act: they do, are raised, and hide no other', async () => {
    const deny = { action: 'deny', mode: 'enforce', scope: { cgroup: '/a' } } as const;
    const names = ['/etc/passwd', '/etc/hosts'];
    const { names: found, kinds } = await raised(
      'first',
      [
        ruleOf('seen', OPENS),
        ...names.map((name) =>
          ruleOf(`denied ${name}`, `evt.type in (open, openat, openat2) and fd.name = ${name}`, deny),
        ),
        ruleOf('seen too', OPENS),
      ],
      (host) => {
        for (const name of names) expect(open(host, name)).toBe(-1);
        expect(open(host, '/tmp/none')).toBe(-2);
      },
    );
    expect(found.toSorted()).toEqual(['denied /etc/hosts', 'denied /etc/passwd', 'seen', 'seen', 'seen']);
    expect(kinds.filter((kind) => kind === 'enforcement')).toHaveLength(2);
  });

  it('leaves thresholds alone: their matches count, and hide no other', async () => {
    const seen = ruleOf('seen', OPENS);
    const correlation = {
      kind: 'threshold',
      moreThan: 2,
      within: 60_000_000_000n,
      by: [],
      position: seen.position,
    } as const;
    const { names, summary } = await raised(
      'first',
      [seen, ruleOf('often', OPENS, { correlation }), ruleOf('seen too', OPENS)],
      (host) => {
        for (let times = 0; times < 3; times++) open(host, '/etc/passwd');
      },
    );
    expect(names.toSorted()).toEqual(['often', 'seen', 'seen', 'seen']);
    expect(summary.hidden).toBe(3);
  });

  it('takes the next rule where the first one is held back by its limit, in the kernel or after it', async () => {
    const limit = { interval: HOUR, burst: 1 };
    for (const residual of ['', ' and evt.num < 1000000']) {
      const { names } = await raised(
        'first',
        [ruleOf('once', `${OPENS}${residual}`, { limit }), ruleOf('else', OPENS)],
        (host) => {
          for (let times = 0; times < 3; times++) open(host, '/etc/passwd');
        },
      );
      expect(names).toEqual(['once', 'else', 'else', 'Rule held back']);
    }
  });
});
