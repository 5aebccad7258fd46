import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { policyShares } from '../../agent/standing.ts';
import { CliError } from '../../cli/exit.ts';
import { type Check, metricsAddressOf, serveMetrics } from '../../cli/metrics-server.ts';
import { runSession, type SessionOptions } from '../../cli/session.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { createSimSensor, loadScenario, type Sensor } from '../../sensors/index.ts';
import { at } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { until } from '../support/until.ts';

const POLICIES = `apiVersion: shrike/v1
kind: Policy
metadata: {name: secrets}
spec:
  rules:
    - {rule: "Secret \\"read\\"", condition: evt.type = openat and fd.name = /srv/secret, priority: error, output: "%fd.name"}
---
apiVersion: shrike/v1
kind: Policy
metadata: {name: others}
spec:
  rules:
    - {rule: Any read, condition: evt.type = openat and fd.name startswith /srv/, priority: notice, output: "%fd.name"}
    - {rule: Removed, condition: evt.type = unlink and fd.name startswith /srv/, priority: notice, output: "%fd.name"}
`;

const SCENARIO = `name: reads
description: some files are read
host:
  processes: [{name: app, path: /bin/app}]
  files: {/srv/secret: "x", /srv/other: "y"}
steps:
  - {openat: /srv/secret, by: app}
  - {openat: /srv/other, by: app}
  - {openat: /srv/other, by: app}
`;

type Sample = readonly [name: string, labels: Readonly<Record<string, string>>, value: number];

/** Reads the text format as its specification has it: one sample a line, label values with escapes; what is no sample must be a comment. */
const parse = (text: string): readonly Sample[] =>
  text.split('\n').flatMap((line): Sample[] => {
    if (line === '' || /^# (HELP|TYPE) [a-z_:]+ .+$/.test(line)) return [];
    const [, name = '', list = '', value = ''] =
      /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|\+Inf|NaN)$/.exec(line) ?? [];
    expect([line, name]).not.toEqual([line, '']);
    const labels: Record<string, string> = {};
    for (const [, label = '', own = ''] of list.matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g))
      labels[label] = own.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
    return [[name, labels, Number(value)]];
  });

const sampleOf = (samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number => {
  const found = samples.filter(
    ([own, its]) => own === name && Object.entries(labels).every(([label, value]) => its[label] === value),
  );
  expect(found.map(() => [name, labels])).not.toEqual([]);
  return found.reduce((sum, [, , value]) => sum + value, 0);
};

/** Runs a session over the scenario which, when all has happened, waits until `look` is done with its endpoint. */
const session = async (look: (url: string) => Promise<void>, more: Partial<SessionOptions> = {}): Promise<void> => {
  const { policies, diagnostics } = loadPolicyText('p.yaml', POLICIES);
  expect(diagnostics).toEqual([]);
  const folder = temporaryFolder();
  const file = join(folder, 'reads.yaml');
  writeFileSync(file, SCENARIO);
  const { scenario, diagnostics: wrong } = loadScenario(file);
  expect(wrong).toEqual([]);
  const sensor = createSimSensor({ scenario: scenario! });
  let url = '';
  const run: Sensor['run'] = async (pump, signal) => {
    const report = await sensor.run(pump, signal);
    await look(url);
    return report;
  };
  await runSession(
    {
      policies,
      sensor: { ...sensor, run },
      host: 'web-1',
      enforce: false,
      auditFolder: join(folder, 'audit'),
      metrics: { host: '127.0.0.1', port: 0 },
      onServing: (its) => {
        url = its;
      },
      warn: () => undefined,
      ...more,
    },
    new AbortController().signal,
  );
  await expect(fetch(url)).rejects.toThrow();
};

const get = async (url: string): Promise<readonly Sample[]> => {
  const response = await fetch(`${url}/metrics`);
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  return parse(await response.text());
};

describe('the metrics of a run', () => {
  it('count what happened', () =>
    session(async (url) => {
      const samples = await get(url);
      const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8')) as { version: string };
      expect(sampleOf(samples, 'shrike_info', { version, host: 'web-1', sensor: 'sim' })).toBe(1);
      expect(sampleOf(samples, 'shrike_alerts_total')).toBe(4);
      expect(sampleOf(samples, 'shrike_alerts_total', { priority: 'error' })).toBe(1);
      expect(sampleOf(samples, 'shrike_alerts_total', { priority: 'emergency' })).toBe(0);
      expect(sampleOf(samples, 'shrike_rule_alerts_total', { rule: 'Secret "read"' })).toBe(1);
      expect(sampleOf(samples, 'shrike_rule_alerts_total', { rule: 'Any read' })).toBe(3);
      expect(sampleOf(samples, 'shrike_events_total', { hook: 'tp_btf/sys_exit' })).toBe(3);
      expect(sampleOf(samples, 'shrike_events_lost_total')).toBe(0);
      expect(sampleOf(samples, 'shrike_policy_info')).toBe(2);
      expect(sampleOf(samples, 'shrike_audit_room', { room: 'enough' })).toBe(1);
      expect(sampleOf(samples, 'shrike_audit_entries_total')).toBeGreaterThanOrEqual(4 + 3);
      expect(samples.some(([name]) => name.startsWith('shrike_nats'))).toBe(false);
      const page = readFileSync(at('docs/metrics.md'), 'utf8');
      const names = new Set(samples.map(([name]) => name.replace(/_(bucket|sum|count)$/, '')));
      expect([...names].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
      await until(async () => {
        const later = await get(url);
        return sampleOf(later, 'shrike_audit_commit_seconds_count') === sampleOf(later, 'shrike_audit_entries_total');
      });
      const buckets = (await get(url)).filter(([name]) => name === 'shrike_audit_commit_seconds_bucket');
      expect(buckets.at(-1)?.[1]).toEqual({ le: '+Inf' });
      const counts = buckets.map(([, , value]) => value);
      expect(counts).toEqual([...counts].sort((one, other) => one - other));
    }));

  it('tell how publishing stands', async (context) => {
    const server = await natsServer(context);
    await session(
      async (url) => {
        await until(async () => sampleOf(await get(url), 'shrike_nats_published_total') === 4);
        const samples = await get(url);
        expect(sampleOf(samples, 'shrike_nats_connected', { to: 'stream' })).toBe(1);
        expect(sampleOf(samples, 'shrike_nats_in_flight')).toBe(0);
        expect(sampleOf(samples, 'shrike_nats_publish_seconds_count')).toBe(4);
        expect((await fetch(`${url}/readyz`)).status).toBe(200);
      },
      { nats: { url: server.url } },
    );
  });
});

describe('health and readiness', () => {
  const checksAt = async (url: string): Promise<readonly [number, boolean, readonly Check[]]> => {
    const response = await fetch(url);
    const { ok, checks } = (await response.json()) as { ok: boolean; checks: Check[] };
    return [response.status, ok, checks];
  };

  it('are fine where all is', () =>
    session(async (url) => {
      expect(await checksAt(`${url}/healthz`)).toEqual([
        200,
        true,
        [
          { name: 'events', ok: true },
          { name: 'audit log', ok: true },
        ],
      ]);
      const [status, ok, checks] = await checksAt(`${url}/readyz`);
      expect([status, ok, checks.map(({ name }) => name)]).toEqual([
        200,
        true,
        ['events', 'audit log', 'attached', 'disk', 'seal'],
      ]);
    }));

  it('differ where a server can’t be reached: alerts wait, nothing is to be started again', () =>
    session(
      async (url) => {
        expect((await fetch(`${url}/healthz`)).status).toBe(200);
        const [status, ok, checks] = await checksAt(`${url}/readyz`);
        expect([status, ok]).toEqual([503, false]);
        expect(checks.at(-1)).toMatchObject({ name: 'nats', ok: false });
        expect(checks.at(-1)?.reason).toMatch(/; alerts wait in the audit log$/);
      },
      { nats: { url: 'nats://127.0.0.1:1' } },
    ));

  it('answer nothing but reads, and know their paths', () =>
    session(async (url) => {
      expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
      expect((await fetch(`${url}/else`)).status).toBe(404);
      expect(await (await fetch(url)).text()).toBe('Shrike serves /metrics (Prometheus), /healthz and /readyz\n');
      const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
    }));
});

describe('the address', () => {
  it.each([
    ['9273', '127.0.0.1', 9273],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:9273', '::1', 9273],
  ])('%s is taken', (text, host, port) => {
    expect(metricsAddressOf(text)).toEqual({ host, port });
  });

  it.each(['', 'x', '70000', 'localhost:9273', '::1:9273', '1.2.3:80', '9273:'])('%j is not', (text) => {
    expect(() => metricsAddressOf(text)).toThrow(InvalidArgumentError);
  });

  it('that another process has is named, with what to do', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const nothing = { metrics: async () => '', health: () => [], readiness: () => [] };
    const problem = await serveMetrics({ host: '127.0.0.1', port }, nothing).catch((error: unknown) => error);
    taken.close();
    expect(problem).toBeInstanceOf(CliError);
    expect((problem as CliError).message).toBe(
      `metrics can't be served at 127.0.0.1:${port}: another process listens there; give another address with --metrics`,
    );
  });
});

describe('the time of programs', () => {
  it('is split among policies by the rules that a hook’s program looks for', () => {
    const hooks = [
      { hook: 'a', rules: [0, 1, 2, 2] },
      { hook: 'b', rules: [1] },
    ];
    expect(policyShares(hooks, (rule) => (rule === 0 ? 'one' : 'two'))).toEqual([
      { policy: 'one', hook: 'a', share: 0.25 },
      { policy: 'two', hook: 'a', share: 0.75 },
      { policy: 'two', hook: 'b', share: 1 },
    ]);
  });
});
