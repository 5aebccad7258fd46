import { describe, expect, it } from 'vitest';
import { type AgentOptions, runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import { createSimHost, type Kernel, type ProcessTable, type SimHost } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const SECOND = 1_000_000_000;

interface Options extends Partial<AgentOptions> {
  /** What the agent gets in the place of the host's kernel. */
  readonly kernel?: (kernel: Kernel) => Kernel;
}

/** Runs an agent over what `act` does, which takes out of the ring buffers when it likes. */
const run = async (
  rules: readonly Rule[],
  act: (host: SimHost, pump: () => void) => void,
  { kernel = (same) => same, ...more }: Options = {},
) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const warnings: string[] = [];
  const summary = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
    warn: (sentence) => warnings.push(sentence),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: kernel(host.kernel),
      run: async (pump) => {
        act(host, pump);
        return { calls: host.calls, problems: [] };
      },
    },
    ...more,
  });
  return { summary, alerts, entries, warnings, host };
};

const open = (host: SimHost, times: number): void => {
  const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
  for (let index = 0; index < times; index++) host.call(task, 'openat', [FDCWD, '/etc/passwd', 0, 0]);
};

/** Record, header and all, of these rules is between 1,000 and 2,000 bytes: a page has room for two or three. */
const SMALL = { events: 4096, critical: 4096 };
const OPENED = ruleOf('opened', 'evt.type = openat', { priority: 'notice' });
const bodiesOf = (entries: readonly { readonly kind: string; readonly body: unknown }[], wanted: string) =>
  entries.filter(({ kind }) => kind === wanted).map(({ body }) => body);

describe('records that find no room', () => {
  it('are counted, logged, raised and part of the summary, so that received and lost are all there were', async () => {
    const { summary, alerts, entries } = await run([OPENED], (host) => open(host, 20), { rings: SMALL });
    const own = alerts.filter(({ rule }) => rule === 'opened').length;
    const lost = summary.lost.get('tp_btf/sys_exit') ?? 0;
    expect(own).toBeGreaterThan(0);
    expect(lost).toBe(20 - own);
    expect(summary.rings).toEqual([{ hook: 'tp_btf/sys_exit', ring: 'events', received: own, lost }]);
    expect(bodiesOf(entries, 'loss')).toEqual([
      { hook: 'tp_btf/sys_exit', ring: 'events', records: lost, received: own },
    ]);
    const share = Math.round((100 * lost) / 20);
    expect(alerts.at(-1)).toMatchObject({
      rule: 'Events lost',
      policy: 'shrike',
      priority: 'warning',
      event: 'loss',
      hook: 'tp_btf/sys_exit',
      output: `${lost} records of tp_btf/sys_exit found no room in the ring buffer "events" (${share} % of 20 since the last look); a larger --ring-size or a lower --rate-limit helps`,
      fields: { hook: 'tp_btf/sys_exit', ring: 'events', records: lost, received: own },
      process: { pid: 0, exe: null },
    });
    expect(summary.byRule).toEqual(
      new Map([
        ['opened', own],
        ['Events lost', 1],
      ]),
    );
  });

  it('are critical where they were of a critical rule, which others can not take the room of', async () => {
    const critical = ruleOf('critical', 'evt.type = mkdir', { priority: 'critical' });
    const { alerts, summary } = await run(
      [OPENED, critical],
      (host) => {
        open(host, 20);
        const task = host.spawn({ exepath: '/usr/bin/mkdir' });
        host.call(task, 'mkdir', ['/srv/one', 0o755]);
        for (let index = 0; index < 9; index++) host.call(task, 'mkdir', [`/srv/more-${index}`, 0o755]);
      },
      { rings: SMALL },
    );
    const raised = alerts.filter(({ rule }) => rule === 'critical').length;
    expect(raised).toBeGreaterThan(0);
    expect(summary.rings.find(({ ring }) => ring === 'critical')).toMatchObject({
      received: raised,
      lost: 10 - raised,
    });
    expect(
      alerts.filter(({ rule }) => rule === 'Events lost').map(({ priority, fields }) => [priority, fields.ring]),
    ).toEqual(
      [
        ['critical', 'critical'],
        ['warning', 'events'],
      ].sort(),
    );
  });

  it('are told while the agent runs, each loss once', async () => {
    const { entries } = await run(
      [OPENED],
      (host, pump) => {
        for (let round = 0; round < 3; round++) {
          open(host, 20);
          host.advance(2 * SECOND);
          pump();
          open(host, 1);
          pump();
        }
      },
      { rings: SMALL },
    );
    const told = bodiesOf(entries, 'loss') as { records: number; received: number }[];
    expect(told.length).toBeGreaterThan(1);
    expect(told.reduce((sum, { records, received }) => sum + records + received, 0)).toBe(3 * 21);
  });

  it('of exec, fork and exit let the process table be read anew', async () => {
    let table: ProcessTable | undefined;
    const { summary, host } = await run(
      [OPENED],
      (sim, pump) => {
        const parent = sim.spawn({ exepath: '/usr/bin/bash' });
        for (let index = 0; index < 30; index++) {
          const child = sim.task(sim.call(parent, 'fork', []).result)!;
          sim.call(child, 'execve', ['/usr/bin/id', ['id', String(index)], []]);
          if (index % 2 === 0) sim.call(child, 'exit_group', [0]);
        }
        sim.advance(2 * SECOND);
        pump();
        open(sim, 1);
        pump();
      },
      { rings: SMALL, onRecord: (_, known) => (table = known) },
    );
    expect([...summary.lost.keys()].some((hook) => hook.startsWith('tp_btf/sched_process_'))).toBe(true);
    const there = host.kernel.processes('/');
    expect(table?.size).toBe(there.length);
    for (const { pid, start, argv } of there) expect(table?.get(pid, start)).toMatchObject({ argv, alive: true });
  });
});

describe('runs that the kernel left out', () => {
  it('are logged and raised', async () => {
    let missed = 0;
    const { alerts, entries, summary } = await run(
      [OPENED],
      (host) => {
        open(host, 1);
        missed = 3;
      },
      {
        kernel: (kernel) => ({
          ...kernel,
          stats: () => kernel.stats().map((each) => (each.hook === 'tp_btf/sys_exit' ? { ...each, missed } : each)),
        }),
      },
    );
    expect(bodiesOf(entries, 'loss')).toEqual([{ hook: 'tp_btf/sys_exit', missed: 3 }]);
    expect(alerts.at(-1)).toMatchObject({
      rule: 'Events lost',
      priority: 'warning',
      output: 'the kernel left out 3 runs of the program at tp_btf/sys_exit, since it was running on that CPU already',
    });
    expect(summary.missed).toEqual(new Map([['tp_btf/sys_exit', 3]]));
  });
});

describe("what a rule's limit holds back", () => {
  it('is counted by rule and cgroup, logged as shed and raised', async () => {
    const { summary, alerts, entries } = await run([OPENED], (host) => open(host, 30), {
      limit: { perSecond: 10, burst: 4 },
    });
    const own = alerts.filter(({ rule }) => rule === 'opened').length;
    const held = { rule: 'opened', cgroup: '/a', records: 30 - own, limit: 'agent' };
    expect(own).toBeGreaterThanOrEqual(4);
    expect(own).toBeLessThan(30);
    expect(summary.heldBack).toEqual([held]);
    expect(bodiesOf(entries, 'shed')).toEqual([held]);
    expect(alerts.at(-1)).toMatchObject({
      rule: 'Rule held back',
      policy: 'shrike',
      priority: 'notice',
      event: 'shed',
      output: `${30 - own} matches of "opened" in /a were more than its limit and are not in the log one by one; raise --rate-limit to have them`,
    });
    expect(summary.lost).toEqual(new Map());
  });

  it("is told by whose limit it was where both hold: the rule's own behind what user space decides", async () => {
    const both = ruleOf('limited', 'evt.type = openat and evt.num < 1000000', {
      limit: { interval: 3600 * SECOND, burst: 2 },
    });
    const { summary, alerts, entries } = await run([both], (host) => open(host, 30), {
      limit: { perSecond: 0.001, burst: 10 },
    });
    const own = { rule: 'limited', cgroup: '/a', records: 8, limit: 'rule' };
    const agents = { ...own, records: 20, limit: 'agent' };
    expect(summary.byRule.get('limited')).toBe(2);
    expect(summary.heldBack).toEqual([agents, own]);
    expect(bodiesOf(entries, 'shed')).toEqual([agents, own]);
    expect(alerts.at(-1)?.output).toBe(
      '8 matches of "limited" in /a were more than its limit and are not in the log one by one; raise it in its policy to have them',
    );
  });

  it('is exact for each cgroup where user space keeps the limit, and tokens come back with time', async () => {
    const rules = [
      ruleOf('even', 'evt.type = openat and evt.num < 1000000', { limit: { interval: 10 * SECOND, burst: 3 } }),
      ruleOf('free', 'evt.type = openat and evt.num < 1000000'),
    ];
    const { summary, alerts, entries } = await run(rules, (host, pump) => {
      const [one, other] = ['/a', '/b'].map((cgroup) => host.spawn({ exepath: '/usr/bin/cat', cgroup }));
      const opens = (task: typeof one, times: number): void => {
        for (let index = 0; index < times; index++) host.call(task!, 'openat', [FDCWD, '/etc/passwd', 0, 0]);
      };
      opens(one, 5);
      opens(other, 4);
      host.advance(BigInt(10 * SECOND));
      opens(one, 2);
      host.advance(BigInt(60 * SECOND));
      pump();
      opens(one, 4);
    });
    expect(summary.byRule.get('free')).toBe(15);
    expect(alerts.filter(({ rule }) => rule === 'even')).toHaveLength(3 + 3 + 1 + 3);
    const [a, b] = [2 + 1 + 1, 1].map((records, at) => ({
      rule: 'even',
      cgroup: ['/a', '/b'][at],
      records,
      limit: 'rule',
    }));
    expect(summary.heldBack).toEqual([a, b]);
    const shed = bodiesOf(entries, 'shed') as readonly (typeof a)[];
    const sum = (cgroup: string): number =>
      shed.reduce((total, each) => total + (each?.cgroup === cgroup ? each.records : 0), 0);
    expect([sum('/a'), sum('/b')]).toEqual([4, 1]);
  });

  it('is alerts of a threshold, not its matches', async () => {
    const { position } = OPENED;
    const often = ruleOf('often', 'evt.type = openat', {
      correlation: { kind: 'threshold', moreThan: 2, within: BigInt(60 * SECOND), by: [], position },
      limit: { interval: 3600 * SECOND, burst: 4 },
    });
    const { summary } = await run([often], (host) => open(host, 30), { limit: { perSecond: 0.001, burst: 1 } });
    expect(summary.byRule.get('often')).toBe(4);
    expect(summary.heldBack).toEqual([{ rule: 'often', cgroup: '/a', records: 30 / 3 - 4, limit: 'rule' }]);
  });

  it('is nothing without a limit', async () => {
    const { summary, entries } = await run([OPENED], (host) => open(host, 30));
    expect(summary.heldBack).toEqual([]);
    expect(bodiesOf(entries, 'shed')).toEqual([]);
    expect(summary.byRule.get('opened')).toBe(30);
  });
});

describe('what goes wrong with one record', () => {
  it('is said at the end, and the others are not lost', async () => {
    let calls = 0;
    const seen: Alert[] = [];
    const { summary, entries } = await run([OPENED], (host) => open(host, 5), {
      onAlert: (alert) => {
        if (calls++ === 2) throw new Error('the display is broken');
        seen.push(alert);
      },
    });
    expect(seen).toHaveLength(4);
    expect(bodiesOf(entries, 'alert')).toHaveLength(5);
    expect(bodiesOf(entries, 'loss')).toEqual([{ failed: 1, reason: 'the display is broken' }]);
    expect(summary.problems).toEqual(['1 records came to nothing; the last: the display is broken']);
  });
});

describe('a kernel without one of the hooks', () => {
  it('runs what it has and names the rules that suffer', async () => {
    const exec = ruleOf('started', 'evt.type = execve and proc.name = id');
    const { warnings, alerts } = await run(
      [OPENED, exec],
      (host) => {
        open(host, 1);
        host.call(host.spawn({ exepath: '/usr/bin/bash' }), 'execve', ['/usr/bin/id', ['id'], []]);
      },
      {
        kernel: (kernel) => ({
          ...kernel,
          features: { ...kernel.features, hooks: kernel.features.hooks.filter((hook) => hook !== 'tp_btf/sys_exit') },
        }),
      },
    );
    expect(warnings.filter((sentence) => sentence.includes('tp_btf/sys_exit'))).toEqual([
      'sim 6.12 takes no programs at tp_btf/sys_exit: opened, started see nothing there (see "shrike doctor")',
    ]);
    expect(alerts.map(({ rule }) => rule)).toEqual(['started']);
  });

  it('does not start without those that every rule needs', async () => {
    const failed = run([OPENED], () => undefined, {
      kernel: (kernel) => ({ ...kernel, features: { ...kernel.features, hooks: [] } }),
    });
    await expect(failed).rejects.toThrow(
      'sim 6.12 takes no programs at tp_btf/sched_process_exec, which every rule needs; see "shrike doctor"',
    );
  });
});
