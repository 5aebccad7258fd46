import { describe, expect, it } from 'vitest';
import { CompileError, type Reload, type ReloadOutcome } from '../../agent/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { compile, parseTemplate, type Rule } from '../../rules/index.ts';
import { createSimHost, type Kernel, type SimHost, type SimTask } from '../../sensors/index.ts';
import { suiteSize } from '../support/counts.ts';
import { runReloading, stormy } from '../support/reloading.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const EPERM = 1;
/** Calls of the kernel of which one is refused. */
const STRIDE = suiteSize === 'quick' ? 9 : 1;
const output = parseTemplate('%fd.name').template;
const opens = (name: string, path: string, more: Partial<Rule> = {}): Rule =>
  ruleOf(name, `evt.type = openat and fd.name = ${path}`, { output, ...more });

const denies = (path: string, scope: Rule['scope']): Rule =>
  ruleOf('denies', `evt.type in (open, openat, openat2) and fd.name = ${path}`, {
    action: 'deny',
    mode: 'enforce',
    scope,
  });

const hostOf = (): SimHost => createSimHost({ memory: 32 * 1024 * 1024 });
const open = (host: SimHost, path: string, task: SimTask = host.root): number =>
  host.call(task, 'openat', [FDCWD, path, 0, 0]).result;

const failure = (outcome: ReloadOutcome): Error => {
  if (outcome.done) throw new Error('it was reloaded');
  return outcome.error;
};

const withoutTime = (outcome: ReloadOutcome) => ({ ...outcome, ms: 0 });

describe('a reload', () => {
  it('says which rules are other ones, and logs the policies', async () => {
    const host = hostOf();
    const before = [opens('stays', '/etc/hosts'), opens('goes', '/etc/group'), opens('turns', '/etc/fstab')];
    const after = [opens('turns', '/etc/passwd'), opens('comes', '/etc/shadow'), opens('stays', '/etc/hosts')];
    const outcomes: ReloadOutcome[] = [];
    const all = ['/etc/hosts', '/etc/group', '/etc/fstab', '/etc/passwd', '/etc/shadow'];
    const { alerts, entries } = await runReloading(host, host.kernel, before, async (reload) => {
      for (const path of all) open(host, path);
      outcomes.push(await reload([{ ...policyOf(after), name: 'other', hash: '1'.repeat(64) }]));
      for (const path of all) open(host, path);
    });
    expect(outcomes.map(withoutTime)).toEqual([
      { done: true, ms: 0, added: ['test: comes'], removed: ['test: goes'], changed: ['test: turns'] },
    ]);
    expect(alerts.map(({ rule, output: text }) => `${rule} ${text}`)).toEqual([
      'stays /etc/hosts',
      'goes /etc/group',
      'turns /etc/fstab',
      'stays /etc/hosts',
      'turns /etc/passwd',
      'comes /etc/shadow',
    ]);
    const reload = { added: 1, removed: 1, changed: 1 };
    expect(entries.filter(({ kind }) => kind === 'policy').map(({ body }) => body)).toEqual([
      { name: 'test', hash: '0'.repeat(64), mode: 'monitor', rules: 3 },
      { name: 'other', hash: '1'.repeat(64), mode: 'monitor', rules: 3, reload },
      { name: 'test', hash: '0'.repeat(64), ended: true, reload },
    ]);
  });

  it('changes nothing where rules do not compile', async () => {
    const host = hostOf();
    const outcomes: ReloadOutcome[] = [];
    const bad = denies('/etc/hosts', {});
    const { alerts } = await runReloading(host, host.kernel, [opens('hosts', '/etc/hosts')], async (reload) => {
      const loaded = host.kernel.stats().length;
      outcomes.push(await reload([policyOf([bad])]));
      expect(host.kernel.stats().length).toBe(loaded);
      open(host, '/etc/hosts');
    });
    const error = failure(outcomes[0]!);
    expect(error).toBeInstanceOf(CompileError);
    expect(error.message).toBe("1 rule can't be compiled");
    expect(alerts.map(({ rule }) => rule)).toEqual(['hosts']);
  });

  it('changes nothing wherever the kernel refuses a part of the new object', async () => {
    const refusable = ['createMap', 'loadProgram', 'attach', 'processes'] as const;
    for (const name of refusable) {
      const host = hostOf();
      let left = Number.POSITIVE_INFINITY;
      const call = (...args: never[]): unknown => {
        if (left-- <= 0) throw new Error(`${name} was refused`);
        return (host.kernel[name] as (...given: never[]) => unknown)(...args);
      };
      const kernel = { ...host.kernel, [name]: call } as Kernel;
      let refused = 0;
      const { alerts } = await runReloading(host, kernel, [opens('hosts', '/etc/hosts')], async (reload) => {
        const loaded = host.kernel.stats().length;
        for (let calls = 0; ; calls += STRIDE) {
          left = calls;
          const outcome = await reload([policyOf([opens('hosts', '/etc/hosts'), opens('new', '/etc/group')])]);
          left = Number.POSITIVE_INFINITY;
          open(host, '/etc/hosts');
          if (outcome.done) break;
          expect(outcome.error.message).toBe(`${name} was refused`);
          expect(host.kernel.stats().length).toBe(loaded);
          refused++;
        }
        open(host, '/etc/group');
      });
      expect(refused).toBeGreaterThan(0);
      expect(alerts.map(({ rule }) => rule)).toEqual([...Array.from({ length: refused + 1 }, () => 'hosts'), 'new']);
    }
  });

  it('that is asked for during another waits, and only the last of these is made', async () => {
    const host = hostOf();
    const outcomes: ReloadOutcome[] = [];
    const version = (name: string) => [policyOf([opens(name, '/etc/hosts')])];
    const { alerts, entries } = await runReloading(host, host.kernel, [opens('0', '/etc/hosts')], async (reload) => {
      outcomes.push(...(await Promise.all(['1', '2', '3', '4'].map((name) => reload(version(name))))));
      open(host, '/etc/hosts');
    });
    expect(outcomes.map(withoutTime)).toEqual([
      { done: true, ms: 0, added: ['test: 1'], removed: ['test: 0'], changed: [] },
      ...Array.from({ length: 3 }, () => ({
        done: true,
        ms: 0,
        added: ['test: 4'],
        removed: ['test: 1'],
        changed: [],
      })),
    ]);
    expect(alerts.map(({ rule }) => rule)).toEqual(['4']);
    expect(entries.filter(({ kind }) => kind === 'policy')).toHaveLength(3);
  });

  it('leaves no moment without enforcement', async () => {
    const host = hostOf();
    host.fs.write('/srv/secret', 'as it was', 0o666);
    const service = host.spawn({ exepath: '/usr/bin/bash', cgroup: '/system.slice/web.service' });
    const deny = denies('/srv/secret', { cgroup: '/system.slice' });
    const results: number[] = [];
    let on = false;
    const kernel = stormy(host.kernel, () => {
      if (on) results.push(open(host, '/srv/secret', service));
    });
    const during = async (reload: Reload): Promise<void> => {
      on = true;
      for (const more of [[opens('more', '/etc/hosts')], [], [opens('other', '/etc/group')]])
        expect((await reload([policyOf([deny, ...more])])).done).toBe(true);
      on = false;
    };
    const { summary } = await runReloading(host, kernel, [deny], during, { enforce: true });
    expect(new Set(results)).toEqual(new Set([-EPERM]));
    expect(summary.denied).toBe(results.length);
    expect(results.length).toBeGreaterThan(100);
  });

  it('lets thresholds and sequences go on, in programs and in user space, and limits last', async () => {
    const host = hostOf();
    const { policies, diagnostics } = loadPolicyText(
      'counted.yaml',
      `apiVersion: shrike/v1
kind: Policy
metadata: {name: counted}
spec:
  rules:
    - rule: many
      condition: evt.type = openat and fd.name = /etc/hosts
      threshold: {more_than: 4, within: 60s, by: [proc.pid]}
      priority: notice
      output: "%proc.name"
    - rule: after the first
      sequence:
        steps:
          - {condition: evt.type = openat and fd.name = /etc/passwd}
          - {condition: evt.type = openat and fd.name = /etc/hostname}
        within: 60s
      priority: notice
      output: "%proc.name"
    - rule: limited
      condition: evt.type = openat and fd.name = /etc/group
      priority: notice
      output: "%proc.name"
`,
    );
    expect(diagnostics).toEqual([]);
    const [policy] = policies;
    const during = async (reload: Reload): Promise<void> => {
      for (let version = 0; version < 3; version++) {
        open(host, version === 0 ? '/etc/passwd' : '/etc/hostname');
        for (let index = 0; index < 2; index++) {
          open(host, '/etc/hosts');
          open(host, '/etc/group');
          host.advance(1_000_000n);
        }
        await reload([{ ...policy!, rules: [opens(`new ${version}`, '/etc/fstab'), ...policy!.rules] }]);
      }
    };
    const more = { policies: [policy!], limit: { perSecond: 0.001, burst: 3 } };
    const { alerts, summary } = await runReloading(host, host.kernel, [], during, more);
    expect(alerts.map(({ rule }) => rule).filter((rule) => rule !== 'Rule held back')).toEqual([
      'limited',
      'limited',
      'after the first',
      'limited',
      'many',
    ]);
    expect(summary.heldBack.map(({ rule, records }) => [rule, records])).toEqual([['limited', 3]]);
  });

  it('gives back what the one before had', async () => {
    const host = hostOf();
    const rules = [opens('hosts', '/etc/hosts')];
    const compiled = compile(rules, { level: '6.12' });
    await runReloading(host, host.kernel, rules, async (reload) => {
      const loaded: number[] = [];
      for (let index = 0; index < 6; index++) {
        await reload([policyOf(rules)], compiled);
        loaded.push(host.kernel.stats().length);
        const map = host.kernel.createMap({ name: 'x', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 });
        loaded.push(map.handle);
        host.kernel.release({ maps: [map], programs: [] });
      }
      expect(new Set(loaded.slice(4)).size).toBeLessThanOrEqual(4);
    });
  });
});
