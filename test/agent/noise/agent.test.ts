import { describe, expect, it } from 'vitest';
import { type AgentOptions, runAgent } from '../../../agent/index.ts';
import type { Alert, AuditLog } from '../../../alerts/index.ts';
import { parseTemplate, type Rule } from '../../../rules/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { memoryLog } from '../../support/audit.ts';
import { policyOf, ruleOf } from '../../support/rules.ts';

const SECOND = 1_000_000_000n;
const output = parseTemplate('%proc.name opened %fd.name').template;

const opening = (more: Partial<Rule>): Rule => ruleOf('Opened', 'evt.type = openat', { output, ...more });

/** Runs an agent over what a task does. */
const run = async (
  rules: readonly Rule[],
  act: (open: (path: string) => void, host: SimHost, pump: () => void) => void,
  more: Partial<AgentOptions> = {},
) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const task: SimTask = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
    ...more,
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        pump();
        act((path) => host.call(task, 'openat', [-100, path, 0, 0]), host, pump);
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return { summary, entries, alerts, outputs: alerts.map(({ output: text }) => text) };
};

describe('an agent', () => {
  it('counts matches of the same output, records each second what no alert has told of, and tells the rest when it ends', async () => {
    const rule = opening({ aggregate: { within: 60n * SECOND } });
    const { summary, entries, outputs } = await run([rule], (open, host, pump) => {
      for (let second = 0; second < 3; second++) {
        for (const path of ['/etc/passwd', '/etc/hosts', '/etc/passwd']) open(path);
        host.advance(SECOND);
        pump();
      }
      host.advance(60n * SECOND);
      for (const path of ['/etc/passwd', '/etc/passwd']) open(path);
    });
    expect(outputs).toEqual([
      'cat opened /etc/passwd',
      'cat opened /etc/hosts',
      'cat opened /etc/passwd (×5 in 2 s)',
      'cat opened /etc/hosts (×2 in 1000 ms)',
      'cat opened /etc/passwd',
      'cat opened /etc/passwd (×1 in 0 ms; counting ended with the agent)',
    ]);
    expect(summary).toMatchObject({ alerts: 6, aggregated: 8, events: 11, problems: [] });
    const shed = entries.filter(({ kind }) => kind === 'shed').map(({ body }) => body);
    expect(shed.length).toBeGreaterThan(0);
    expect(shed[0]).toMatchObject({ policy: 'test', rule: 'Opened' });
    expect(entries.at(-1)?.kind).toBe('stop');
  });

  it('goes by the fields of a key, whatever else is in the output', async () => {
    const by = [{ name: 'proc.exepath', span: { start: 0, end: 0 } }];
    const { alerts } = await run([opening({ aggregate: { by, within: 60n * SECOND } })], (open) => {
      for (let number = 0; number < 10; number++) open(`/etc/${number}`);
    });
    expect(alerts.map(({ aggregated }) => [aggregated?.count ?? 1, aggregated?.key])).toEqual([
      [1, undefined],
      [9, { 'proc.exepath': '/usr/bin/cat' }],
    ]);
    expect(alerts[1]?.aggregated?.first).toBe(alerts[0]?.id);
  });

  it('raises every match where nothing is asked for, and where every match is', async () => {
    const rule = opening({ aggregate: { within: 60n * SECOND } });
    const ten = (open: (path: string) => void): void => {
      for (let number = 0; number < 10; number++) open('/etc/passwd');
    };
    const whole = await run([rule], ten, { everyMatch: true, stormLimit: 1 });
    expect(whole.outputs).toEqual(Array(10).fill('cat opened /etc/passwd'));
    const plain = await run([opening({})], ten);
    expect(plain.outputs).toEqual(whole.outputs);
  });

  it('counts no attempt to deny into a storm, nor what other rules match', async () => {
    const condition = 'evt.type in (open, openat, openat2) and fd.name = /etc/passwd';
    const deny = { output, action: 'deny', mode: 'enforce', scope: { cgroup: '/a' } } as const;
    const rules = [ruleOf('Denied', condition, deny), opening({}), ruleOf('Other', 'evt.type = getuid')];
    const { alerts } = await run(
      rules,
      (open) => {
        for (let number = 0; number < 20; number++) open('/etc/passwd');
      },
      { enforce: true, stormLimit: 2 },
    );
    expect(alerts.filter(({ rule }) => rule === 'Denied').length).toBe(20);
    expect(alerts.filter(({ rule }) => rule === 'Opened').map(({ aggregated }) => aggregated?.count ?? 1)).toEqual([
      1, 1, 1, 17,
    ]);
  });

  it('records a count for which the log has no room', async () => {
    const { log, entries } = memoryLog();
    let full = false;
    const tight = {
      ...log,
      append: (kind: Parameters<AuditLog['append']>[0], body: unknown) =>
        full && kind === 'alert' ? { seq: undefined } : log.append(kind, body),
    } as AuditLog;
    await run(
      [opening({ aggregate: { within: SECOND } })],
      (open, _, pump) => {
        for (let number = 0; number < 5; number++) open('/etc/passwd');
        pump();
        full = true;
      },
      { log: tight },
    );
    expect(entries.filter(({ kind }) => kind === 'shed').map(({ body }) => body)).toEqual([
      { policy: 'test', rule: 'Opened', aggregated: 4 },
    ]);
  });
});
