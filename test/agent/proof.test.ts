import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { createSimHost, type Kernel, type SentinelFinding, type SimHost } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { runReloading } from '../support/reloading.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
const SCOPE = '/system.slice/app';
const enforcing = { action: 'deny', mode: 'enforce', scope: { cgroup: SCOPE } } as const;
const RULES = [
  ruleOf('opened', 'evt.type in (open, openat, openat2) and fd.name = /etc/passwd', enforcing),
  ruleOf('removed', 'evt.type in (unlink, unlinkat) and fs.path.name = /tmp/kept', enforcing),
];

/** What a sentinel does: it makes a call for each hook, and says what came of it. */
type Provoke = (host: SimHost, hooks: readonly string[], cgroup: string) => readonly SentinelFinding[];

const run = async (provoke: Provoke | Error) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.fs.write('/tmp/kept', 'kept');
  const task = host.spawn({ exepath: '/usr/bin/cat', uid: 0, cgroup: SCOPE });
  const { log, entries } = memoryLog();
  const [alerts, warnings, closed]: [Alert[], string[], string[]] = [[], [], []];
  const kernel: Kernel = {
    ...host.kernel,
    openSentinel: async (scope, hooks) => {
      if (provoke instanceof Error) throw provoke;
      const cgroup = `${scope === '/' ? '' : scope}/sentinel`;
      const sentinel = host.spawn({ exepath: '/tmp/sentinel', cgroup });
      return {
        cgroup: host.kernel.cgroupId(cgroup) ?? 0n,
        provoke: async () => provoke(host, hooks, cgroup),
        close: async () => {
          closed.push(cgroup);
          host.call(sentinel, 'exit_group', [0]);
        },
      };
    },
  };
  const results: number[] = [];
  const summary = await runAgent({
    policies: [policyOf(RULES)],
    host: 'sim',
    enforce: true,
    log,
    warn: (sentence) => warnings.push(sentence),
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel,
      run: async (pump) => {
        results.push(host.call(task, 'openat', [-100, '/etc/passwd', 0, 0]).result);
        results.push(host.call(task, 'unlink', ['/tmp/kept']).result);
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
  });
  const start = entries.find(({ kind }) => kind === 'start')?.body as { readonly tiers?: unknown };
  return { results, alerts, warnings, summary, tiers: start.tiers, closed };
};

/** The real thing, simulated: each call is made in the sentinel's cgroup, where programs act whatever rules say. */
const makeCalls: Provoke = (host, hooks, cgroup) =>
  hooks.map((hook) => {
    const task = host.spawn({ exepath: '/tmp/sentinel', cgroup });
    const { result } =
      hook === 'lsm/file_open'
        ? host.call(task, 'openat', [-100, '/etc/hostname', 0, 0])
        : host.call(task, 'unlink', ['/tmp/none-of-the-rules']);
    return result === -EPERM ? { hook, proven: true } : { hook, proven: false, why: `the call gave ${result}` };
  });

describe('before an agent enforces', () => {
  it('programs act on its sentinel, whose calls no rule is about and nobody hears of', async () => {
    const { results, alerts, warnings, tiers, closed } = await run((host, hooks, cgroup) => {
      host.fs.write('/tmp/none-of-the-rules', '');
      return makeCalls(host, hooks, cgroup);
    });
    expect(tiers).toEqual([
      { tier: 'lsm', hook: 'lsm/file_open', proven: true },
      { tier: 'lsm', hook: 'lsm/path_unlink', proven: true },
    ]);
    expect(warnings).toEqual([]);
    expect(results).toEqual([-EPERM, -EPERM]);
    expect(alerts.map(({ rule, enforced }) => [rule, enforced])).toEqual([
      ['opened', true],
      ['removed', true],
    ]);
    expect(closed.length).toBeGreaterThan(0);
  });

  it('a hook that did not act is only watched, and that is said', async () => {
    const { results, alerts, warnings, summary, tiers } = await run((host, hooks, cgroup) => {
      host.fs.write('/tmp/none-of-the-rules', '');
      return makeCalls(host, hooks, cgroup).map((found) =>
        found.hook === 'lsm/path_unlink' ? { hook: found.hook, proven: false, why: 'the call was made' } : found,
      );
    });
    expect(tiers).toEqual([
      { tier: 'lsm', hook: 'lsm/file_open', proven: true },
      { tier: 'lsm', hook: 'lsm/path_unlink', proven: false, why: 'the call was made' },
    ]);
    expect(warnings).toEqual([
      'lsm/path_unlink is not enforced (the call was made): removed says what would have been done there',
    ]);
    expect(results).toEqual([-EPERM, 0]);
    expect(alerts.map(({ rule, enforced }) => [rule, enforced])).toEqual([
      ['opened', true],
      ['removed', false],
    ]);
    expect(summary.denied).toBe(1);
  });

  it('without a sentinel nothing is enforced', async () => {
    const { results, warnings, tiers } = await run(new Error("a cgroup can't be made below / (EACCES)"));
    const why = "it can't be tried: a cgroup can't be made below / (EACCES)";
    expect(tiers).toEqual([
      { tier: 'lsm', hook: 'lsm/file_open', proven: false, why },
      { tier: 'lsm', hook: 'lsm/path_unlink', proven: false, why },
    ]);
    expect(warnings).toEqual([
      `lsm/file_open is not enforced (${why}): opened says what would have been done there`,
      `lsm/path_unlink is not enforced (${why}): removed says what would have been done there`,
    ]);
    expect(results).toEqual([expect.any(Number), 0]);
    expect(results[0]).toBeGreaterThanOrEqual(0);
  });
});

describe('hooks that come with other policies', () => {
  /** Runs with a rule on opens, then with one on unlinks too; what the two calls came to after that. */
  const reloaded = async (provoke: Provoke) => {
    const host = createSimHost({ memory: 32 * 1024 * 1024 });
    host.fs.write('/tmp/kept', 'kept');
    host.fs.write('/tmp/none-of-the-rules', '');
    const task = host.spawn({ exepath: '/usr/bin/cat', uid: 0, cgroup: SCOPE });
    const tried: (readonly string[])[] = [];
    const kernel: Kernel = {
      ...host.kernel,
      openSentinel: async (scope, hooks) => {
        tried.push(hooks);
        const cgroup = `${scope === '/' ? '' : scope}/sentinel`;
        host.spawn({ exepath: '/tmp/sentinel', cgroup });
        return {
          cgroup: host.kernel.cgroupId(cgroup) ?? 0n,
          provoke: async () => provoke(host, hooks, cgroup),
          close: async () => undefined,
        };
      },
    };
    const warnings: string[] = [];
    const results: number[] = [];
    const [opened] = RULES;
    const { entries } = await runReloading(
      host,
      kernel,
      opened === undefined ? [] : [opened],
      async (reload, pump) => {
        expect(await reload([policyOf(RULES)])).toMatchObject({ done: true });
        results.push(host.call(task, 'openat', [-100, '/etc/passwd', 0, 0]).result);
        results.push(host.call(task, 'unlink', ['/tmp/kept']).result);
        pump();
      },
      { enforce: true, warn: (sentence) => warnings.push(sentence) },
    );
    const tiers = entries.flatMap(({ kind, body }) => {
      const { reload } = body as { readonly reload?: { readonly tiers?: unknown } };
      return kind === 'policy' && reload !== undefined ? [reload.tiers] : [];
    });
    return { tried, results, warnings, tiers };
  };

  it('are tried before they act, and no others', async () => {
    expect(await reloaded(makeCalls)).toEqual({
      tried: [['lsm/file_open'], ['lsm/path_unlink']],
      results: [-EPERM, -EPERM],
      warnings: [],
      tiers: [[{ tier: 'lsm', hook: 'lsm/path_unlink', proven: true }]],
    });
  });

  it('are only watched where they did not act', async () => {
    const why = 'the call was made';
    const half: Provoke = (host, hooks, cgroup) =>
      makeCalls(host, hooks, cgroup).map((found) =>
        found.hook === 'lsm/path_unlink' ? { hook: found.hook, proven: false, why } : found,
      );
    expect(await reloaded(half)).toEqual({
      tried: [['lsm/file_open'], ['lsm/path_unlink']],
      results: [-EPERM, 0],
      warnings: [`lsm/path_unlink is not enforced (${why}): removed says what would have been done there`],
      tiers: [[{ tier: 'lsm', hook: 'lsm/path_unlink', proven: false, why }]],
    });
  });
});
