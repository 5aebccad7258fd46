import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { type Alert, createPublisher, openAuditLog, readAuditLog, subscribeAlerts } from '../../alerts/index.ts';
import { parseTemplate } from '../../rules/index.ts';
import { createSimHost, type Sensor } from '../../sensors/index.ts';
import { count, suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const FDCWD = -100;
const SECOND = 1_000_000_000n;
const CRITICAL = 100;
/** Calls between two looks at the ring buffer, and at everything else that waits. */
const AT_ONCE = 50;
const STORM_LIMIT = 100;

const output = parseTemplate('%proc.name opened %fd.name').template;
const OPENED = 'evt.type = openat and fd.name startswith';
const POLICY = policyOf([
  ruleOf('Storm', `${OPENED} /tmp/`, { output }),
  ruleOf('Secret opened', `${OPENED} /secret/`, { output, priority: 'critical' }),
]);

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;

/** What a subscriber gets while one rule matches so often, and another a hundred times in between; latencies in milliseconds. */
const storm = async (context: TestContext, matches: number) => {
  const server = await natsServer(context);
  const host = createSimHost({ memory: 64 * 1024 * 1024 });
  const task = host.spawn({ exepath: '/usr/bin/cat' });
  const folder = temporaryFolder();
  const log = await openAuditLog({ folder, host: 'web-1' });
  onTestFinished(() => log.close());
  const publisher = createPublisher({ servers: server.url, host: 'web-1', log });
  onTestFinished(() => publisher.close());
  await until(() => publisher.state.stream);

  const made = new Map<string, number>();
  const received: Alert[] = [];
  const latencies: number[] = [];
  const subscription = await subscribeAlerts({ servers: server.url, from: 'all' }, (alert) => {
    const at = made.get(alert.output);
    if (at !== undefined) latencies.push(performance.now() - at);
    received.push(alert);
  });
  onTestFinished(() => subscription.close());

  const open = (path: string): void => {
    host.call(task, 'openat', [FDCWD, path, 0, 0]);
  };
  let took = 0;
  const sensor: Sensor = {
    kind: 'sim',
    scope: '/',
    kernel: host.kernel,
    run: async (pump) => {
      pump();
      const every = Math.floor(matches / CRITICAL);
      const begun = performance.now();
      for (let number = 0; number < matches; number++) {
        open('/tmp/storm');
        if (number % every === 0 && made.size < CRITICAL) {
          const path = `/secret/${made.size}`;
          made.set(`cat opened ${path}`, performance.now());
          open(path);
        }
        if (number % AT_ONCE !== 0) continue;
        pump();
        await turn();
      }
      pump();
      took = performance.now() - begun;
      host.advance(11n * SECOND);
      open('/secret/afterwards');
      pump();
      return { calls: host.calls, problems: [] };
    },
  };
  const summary = await runAgent({
    policies: [POLICY],
    sensor,
    host: 'web-1',
    enforce: false,
    log,
    stormLimit: STORM_LIMIT,
  });
  await publisher.flush(60_000);
  await until(() => received.length >= summary.alerts, 60_000);
  return { summary, received, latencies, took, folder };
};

it('a storm is a handful of alerts that count every match, and critical alerts come through it', async (context) => {
  const matches = count(1_000_000);
  const { summary, received, latencies, took, folder } = await storm(context, matches);
  const of = (rule: string): readonly Alert[] => received.filter((alert) => alert.rule === rule);
  const counts = of('Storm').map(({ aggregated }) => aggregated?.count ?? 1);
  const told = of('Storm').flatMap(({ aggregated }) => aggregated?.storm ?? []);

  expect(summary.lost).toEqual(new Map());
  expect(counts.reduce((sum, each) => sum + each, 0)).toBe(matches);
  expect(told[0]).toEqual({ phase: 'begins', total: 1, limit: STORM_LIMIT });
  expect(told.at(-1)?.phase).toBe('over');
  expect(told.slice(1, -1).every(({ phase }) => phase === 'goes on')).toBe(true);
  expect(told.length).toBeLessThanOrEqual(12);
  expect(told.at(-1)?.total).toBe(matches - (of('Storm').length - told.length));
  expect(summary).toMatchObject({ alerts: received.length, problems: [] });

  expect(of('Secret opened').map(({ output: text }) => text)).toEqual([
    ...Array.from({ length: CRITICAL }, (_, index) => `cat opened /secret/${index}`),
    'cat opened /secret/afterwards',
  ]);
  expect(latencies.length).toBe(CRITICAL);
  expect(median(latencies)).toBeLessThan(suiteSize === 'full' ? 1000 : 30_000);

  const logged: number[] = [];
  for await (const { entry } of readAuditLog(folder)) if (entry.kind === 'alert') logged.push(entry.seq);
  expect(received.map(({ seq }) => seq)).toEqual(logged);
  if (suiteSize !== 'quick')
    console.log(
      `${matches} matches in ${(took / 1000).toFixed(1)} s: ${of('Storm').length} alerts, ${told.length} of them of the storm; critical alerts at the subscriber after ${median(latencies).toFixed(1)} ms (median), ${Math.max(...latencies).toFixed(1)} ms at most`,
    );
}, 600_000);
