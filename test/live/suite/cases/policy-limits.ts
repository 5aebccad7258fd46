import { deepStrictEqual, strictEqual } from 'node:assert';
import { make, open } from '../calls.ts';
import { group } from '../case.ts';
import { OPEN, OPEN_RULE, watch } from '../policies.ts';

const HOOK = 'tp_btf/sys_exit';

export const limitCases = group('limits and losses', [`hook:${HOOK}`], {
  'a token bucket lets a burst through and counts the rest': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(
      host,
      [OPEN_RULE],
      async () => {
        for (let i = 0; i < 20; i++) await open(host.task, path);
      },
      { limit: { perSecond: 0.001, burst: 3 } },
    );
    strictEqual(alerts.length, 3);
    deepStrictEqual(
      summary.heldBack.map(({ rule, cgroup, records }) => [rule, cgroup, records]),
      [['seen', host.scope, 17]],
    );
  },
  'each rule has a bucket of its own': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [
        { ...OPEN_RULE, name: 'one' },
        { ...OPEN_RULE, name: 'other', condition: `${OPEN} and fd.filename = watched.txt` },
      ],
      async () => {
        for (let i = 0; i < 5; i++) await open(host.task, path);
      },
      { limit: { perSecond: 0.001, burst: 2 } },
    );
    deepStrictEqual(alerts.map(({ rule }) => rule).sort(), ['one', 'one', 'other', 'other']);
  },
  'what finds no room is counted exactly': async (host) => {
    const path = await make(host, 'watched.txt');
    const opens = 100;
    const { alerts, summary } = await watch(
      host,
      [OPEN_RULE],
      async () => {
        for (let i = 0; i < opens; i++) await host.task.call('close', [await open(host.task, path)]);
      },
      { rings: { critical: 4096, events: 4096 } },
    );
    const ring = summary.rings.find(({ hook, ring: name }) => hook === HOOK && name === 'events');
    strictEqual((ring?.received ?? 0) + (ring?.lost ?? 0), opens);
    strictEqual(alerts.length, ring?.received);
    // On Linux a thread of its own may have drained in time.
    if (host.kind === 'sim') strictEqual((summary.lost.get(HOOK) ?? 0) > 0, true);
  },
  'critical records have a ring buffer of their own': async (host) => {
    const [low, high] = [await make(host, 'watched.txt'), await make(host, 'critical.txt')];
    const { alerts } = await watch(
      host,
      [
        OPEN_RULE,
        { name: 'high', condition: `${OPEN} and fd.filename = critical.txt`, output: 'high', priority: 'critical' },
      ],
      async () => {
        for (let i = 0; i < 60; i++) await host.task.call('close', [await open(host.task, low)]);
        await open(host.task, high);
      },
      { rings: { critical: 4096, events: 4096 } },
    );
    strictEqual(alerts.filter(({ rule }) => rule === 'high').length, 1);
  },
});
