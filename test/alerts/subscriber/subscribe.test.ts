import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, headers } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import {
  type Alert,
  type AlertSubscription,
  alertSubject,
  createPublisher,
  openAuditLog,
  type Position,
  type SubscribeOptions,
  startNatsServer,
  subscribeAlerts,
} from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

/** A subscription that ends with the test, and what it brought. */
const subscribe = async (servers: string, more: Partial<SubscribeOptions> = {}) => {
  const ids: string[] = [];
  const said: string[] = [];
  const report = (sentence: string) => said.push(sentence);
  const subscription = await subscribeAlerts({ servers, report, patience: 200, ...more }, (alert) =>
    ids.push(alert.id),
  );
  onTestFinished(() => subscription.close());
  return { ids, said, close: subscription.close, subscription };
};

const headersOf = (more: Readonly<Record<string, string>>) => {
  const found = headers();
  for (const [name, value] of Object.entries(more)) found.set(name, value);
  return found;
};

const subjectOf = ({ host, priority, rule }: Alert): string => alertSubject(host, priority, rule);

/** A plain client that publishes what it is told to. */
const sender = async (servers: string) => {
  const connection = await connect({ servers });
  onTestFinished(() => connection.close());
  const send = (alert: Alert, more: Readonly<Record<string, string>> = {}) =>
    connection.publish(subjectOf(alert), JSON.stringify(alert), { headers: headersOf(more) });
  return { connection, send };
};

/** An agent's end of a stream: alerts with the headers that a publisher gives them. */
const agent = async (servers: string, stream = true) => {
  const connection = await connect({ servers });
  onTestFinished(() => connection.close());
  const manager = await connection.jetstreamManager();
  if (stream) await manager.streams.add({ name: 'SHRIKE_ALERTS', subjects: ['shrike.alerts.>'] });
  /** Alerts of a host by their numbers, each behind the one before; without `chain` as the pairs of number and number before say. */
  const send = async (host: string, seqs: readonly (number | readonly [number, number])[], log = 'aaaaaaaa') => {
    for (const [index, each] of seqs.entries()) {
      const before = seqs[index - 1];
      const [seq, previous] = typeof each === 'number' ? [each, typeof before === 'number' ? before : each - 1] : each;
      const alert = anAlert(seq, { host });
      const more = { 'Nats-Msg-Id': `${alert.id}-${log}`, 'Shrike-Previous': String(previous) };
      await connection.jetstream().publish(subjectOf(alert), JSON.stringify(alert), { headers: headersOf(more) });
    }
  };
  return { send, connection };
};

const idsOf = (host: string, seqs: readonly number[]): readonly string[] => seqs.map((seq) => `${host}-${seq}`);

it('passes on what its filters name', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const all = await subscribe(url);
  const filters: readonly [SubscribeOptions['filters'], readonly string[]][] = [
    [{ host: 'db-1' }, ['db-1-2', 'db-1-4']],
    [{ priority: 'error' }, ['db-1-2', 'db-1-4']],
    [{ rule: 'Log cleared' }, ['web-1-3', 'db-1-4']],
    [{ host: 'web-1', rule: 'Log cleared' }, ['web-1-3']],
    [{ minPriority: 'critical' }, ['web-1-1', 'web-1-3']],
    [{ tags: ['T1003.008', 'shell'] }, ['web-1-3']],
    [{ container: '0123' }, ['web-1-1']],
    [{ container: 'shop' }, ['web-1-1']],
    [{ policy: 'credential files', where: ['proc.pid=42', 'process.exe$=/cat'] }, ['web-1-1', 'db-1-2', 'web-1-3']],
    [{ where: ['proc.name!=cat'] }, ['db-1-4']],
  ];
  const filtered = await Promise.all(filters.map(([each]) => subscribe(url, { filters: each ?? {} })));
  const { send } = await sender(url);
  send(anAlert(1, { container: { id: '0123456789ab', name: 'shop' } }));
  send(anAlert(2, { host: 'db-1', priority: 'error' }));
  send(anAlert(3, { rule: 'Log cleared', tags: ['shell', 'T1003.008'] }));
  send(
    anAlert(4, {
      host: 'db-1',
      rule: 'Log cleared',
      priority: 'error',
      fields: { 'proc.name': 'tac', 'proc.pid': 42 },
      policy: 'logs',
    }),
  );
  await until(() => all.ids.length === 4);
  await until(() => filtered.every(({ ids }, index) => ids.length >= filters[index]![1].length));
  expect(all.ids).toEqual(['web-1-1', 'db-1-2', 'web-1-3', 'db-1-4']);
  expect(filtered.map(({ ids }) => ids)).toEqual(filters.map(([, ids]) => ids));
});

it('reports messages that are no alerts, and goes on', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const { ids, said } = await subscribe(url);
  const { connection, send } = await sender(url);
  const subject = 'shrike.alerts.web_1.critical.password_file_read';
  connection.publish(subject, JSON.stringify({ ...anAlert(1), priority: 'urgent' }));
  connection.publish(subject, JSON.stringify({ v: 2 }));
  connection.publish('shrike.alerts.db_1.critical.password_file_read', JSON.stringify(anAlert(1)));
  send(anAlert(2));
  await until(() => ids.length === 1);
  expect(said).toEqual([
    `a message on ${subject} is no alert: priority: Invalid option: expected one of "emergency"|"alert"|"critical"|"error"|"warning"|"notice"|"informational"|"debug"`,
    `a message on ${subject} is no alert: v: Invalid input: expected 1`,
    `a message on shrike.alerts.db_1.critical.password_file_read is no alert of that subject: it claims to be one of ${subject}`,
  ]);
});

it('passes on each alert once and in the order of its host, and says what did not arrive until it comes', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  const gaps: unknown[] = [];
  const { ids, said, subscription } = await subscribe(url, { from: 'all', onGap: (gap) => gaps.push(gap) });
  const byRule = await subscribe(url, { from: 'all', filters: { rule: 'Password file read' } });
  await send('web-1', [
    [4, 2],
    [9, 7],
    [7, 4],
  ]);
  await send('db-1', [[9, 8]]);
  await send('web-1', [
    [12, 10],
    [14, 12],
  ]);
  await until(() => ids.length === 6 && byRule.ids.length === 6);
  expect(ids).toEqual(['web-1-4', 'web-1-7', 'web-1-9', 'db-1-9', 'web-1-12', 'web-1-14']);
  expect(said).toEqual(['alerts of web-1 did not arrive: those after web-1-9 up to web-1-10']);
  expect(gaps).toEqual([{ host: 'web-1', after: 9, upTo: 10 }]);
  expect(subscription.missing).toEqual(gaps);
  expect([byRule.said, [...byRule.ids].sort()]).toEqual([[], [...ids].sort()]);
  await send('web-1', [[10, 9]]);
  await until(() => ids.length === 7);
  expect([ids.at(-1), subscription.missing]).toEqual(['web-1-10', []]);
});

it('takes a log that began anew for what it is', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  const { ids } = await subscribe(url, { from: 'all' });
  await send('web-1', [2, 5, 6]);
  await send(
    'web-1',
    [
      [2, 0],
      [5, 2],
    ],
    'bbbbbbbb',
  );
  await until(() => ids.length === 5);
  expect(ids).toEqual(idsOf('web-1', [2, 5, 6, 2, 5]));
});

it('begins where it is told to', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  await send('web-1', [2, 3, 5]);
  await delay(5);
  const between = new Date();
  await delay(5);
  await send('db-1', [1]);
  await send('web-1', [7]);
  const read = async (from: SubscribeOptions['from'], more: Partial<SubscribeOptions> = {}) => {
    const { ids, subscription } = await subscribe(url, { ...(from && { from }), follow: false, ...more });
    await subscription.ended;
    return ids;
  };
  expect(await read('all')).toEqual(['web-1-2', 'web-1-3', 'web-1-5', 'db-1-1', 'web-1-7']);
  expect(await read({ sequence: 3 })).toEqual(['web-1-5', 'db-1-1', 'web-1-7']);
  expect(await read({ time: between })).toEqual(['db-1-1', 'web-1-7']);
  expect(await read({ seq: 4 }, { filters: { host: 'web-1' } })).toEqual(['web-1-5', 'web-1-7']);
  expect(await read('all', { until: between })).toEqual(['web-1-2', 'web-1-3', 'web-1-5']);
  expect(await read('all', { filters: { host: 'mail-1' } })).toEqual([]);
  expect(await read('new')).toEqual([]);
  const live = await subscribe(url);
  await send('web-1', [[9, 8]]);
  await until(() => live.ids.length === 1);
  expect([live.ids, live.said]).toEqual([
    ['web-1-9'],
    ['alerts of web-1 did not arrive: those after web-1-7 up to web-1-8'],
  ]);
});

it('ends by itself at a time', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  const end = new Date(Date.now() + 300);
  const { ids, subscription } = await subscribe(url, { until: end });
  await send('web-1', [1]);
  await subscription.ended;
  expect(ids.length).toBeLessThanOrEqual(1);
  expect(Date.now()).toBeGreaterThanOrEqual(end.getTime() - 5);
});

it('is iterated, and goes on behind its position in another process', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  await send('web-1', [1, 2, 4, 5, 8]);
  const take = async (from: SubscribeOptions['from'], most: number): Promise<[readonly string[], Position]> => {
    const subscription = await subscribeAlerts({ servers: url, follow: false, ...(from && { from }) });
    const ids: string[] = [];
    let position = subscription.position;
    for await (const { id } of subscription) {
      ids.push(id);
      position = JSON.parse(JSON.stringify(subscription.position)) as Position;
      if (ids.length === most) break;
    }
    await subscription.ended;
    return [ids, position];
  };
  const [first, position] = await take('all', 2);
  expect(first).toEqual(idsOf('web-1', [1, 2]));
  const [second, later] = await take(position, 2);
  expect(second).toEqual(idsOf('web-1', [4, 5]));
  expect((await take(later, 9))[0]).toEqual(idsOf('web-1', [8]));
  expect((await take(position, 9))[0]).toEqual(idsOf('web-1', [4, 5, 8]));
  await expect(subscribeAlerts({ servers: url, from: { v: 1 } as Position })).rejects.toThrow(
    new Error('this is no position of a subscriber: sequence: Invalid input: expected number, received undefined'),
  );
});

it('ends with the error of the function that takes the alerts', async (context) => {
  const { url } = await natsServer(context);
  const { send } = await agent(url);
  await send('web-1', [1, 2]);
  const subscription: AlertSubscription = await subscribeAlerts({ servers: url, from: 'all' }, async () => {
    throw new Error('no room');
  });
  await expect(subscription.ended).rejects.toThrow(new Error('no room'));
});

it('says that there is nothing to read again without a stream', async (context) => {
  for (const jetstream of [false, true]) {
    const { url } = await natsServer(context, { jetstream });
    await expect(subscribeAlerts({ servers: url, from: 'all' }, () => undefined)).rejects.toThrow(
      new Error(`${url}: it keeps no stream of alerts to read again; leave out --since`),
    );
  }
});

it.each([
  [{ from: { seq: 3 } }, "a number of a host's log needs the host in the filters"],
  [{ from: { sequence: 0 } }, 'the number to begin at is no whole number from 1 on'],
  [{ from: { time: new Date('no') } }, 'the time to begin at is none'],
  [
    { filters: { where: ['proc.name'] } },
    '"proc.name" is no comparison; expected a field or member, one of = != ^= $= *= and a value: proc.name=cat, process.exe^=/tmp/',
  ],
])('refuses %j', async (options, message) => {
  await expect(subscribeAlerts({ servers: 'nats://127.0.0.1:1', ...options })).rejects.toThrow(new Error(message));
});

it('goes on after the server was away, with what came meanwhile', async (context) => {
  const options = { storeDir: join(temporaryFolder(), 'js') };
  const first = await natsServer(context, options);
  const log = await openAuditLog({ folder: temporaryFolder(), host: 'web-1' });
  const live = await subscribe(first.url);
  const publisher = createPublisher({ servers: first.url, host: 'web-1', log });
  onTestFinished(async () => {
    await publisher.close();
    await log.close();
  });
  log.append('alert', (seq) => anAlert(seq));
  await publisher.flush(5_000);
  const replayed = await subscribe(first.url, { from: 'all' });
  await until(() => replayed.ids.length === 1 && live.ids.length === 1);
  await first.stop();
  log.append('alert', (seq) => anAlert(seq));
  await natsServer(context, { ...options, port: first.port });
  expect(await publisher.flush(10_000)).toBe(true);
  await until(() => live.said.includes(`${first.url}: connected again`));
  log.append('alert', (seq) => anAlert(seq));
  await until(() => live.ids.length >= 3 && replayed.ids.length >= 3);
  expect([live.ids, replayed.ids]).toEqual([idsOf('web-1', [1, 2, 3]), idsOf('web-1', [1, 2, 3])]);
  expect(live.said.slice(0, 2)).toEqual([
    `${first.url}: the connection was lost; trying again`,
    `${first.url}: connected again`,
  ]);
});

it('skips nothing and doubles nothing when the stream went back', async (context) => {
  const folder = temporaryFolder();
  const storeDir = join(folder, 'js');
  const first = await natsServer(context, { storeDir });
  const before = await agent(first.url);
  const everything = await subscribe(first.url, { from: 'all' });
  const live = await subscribe(first.url);
  await before.send('web-1', [1, 2, 4]);
  await until(() => live.ids.length === 3);
  await before.connection.close();
  await first.stop();
  cpSync(storeDir, join(folder, 'copy'), { recursive: true });
  const second = await startNatsServer({ storeDir, port: first.port });
  const between = await agent(second.url, false);
  await between.send('web-1', [
    [5, 4],
    [6, 5],
    [9, 6],
  ]);
  await until(() => everything.ids.length === 6 && live.ids.length === 6);
  await between.connection.close();
  await second.stop();
  rmSync(storeDir, { recursive: true });
  cpSync(join(folder, 'copy'), storeDir, { recursive: true });
  const third = await startNatsServer({ storeDir, port: first.port });
  onTestFinished(() => third.stop());
  const after = await agent(third.url, false);
  await after.send('db-1', [[3, 0]]);
  await after.send('web-1', [
    [5, 4],
    [6, 5],
  ]);
  await after.send('db-1', [
    [4, 3],
    [5, 4],
  ]);
  await after.send('web-1', [
    [9, 6],
    [11, 9],
  ]);
  const expected = [...idsOf('web-1', [1, 2, 4, 5, 6, 9]), ...idsOf('db-1', [3, 4, 5]), 'web-1-11'];
  await until(() => everything.ids.length >= expected.length && live.ids.length >= expected.length);
  expect([everything.ids, live.ids]).toEqual([expected, expected]);
  expect(live.said).toContain(`${first.url}: the stream went back; reading it again from message 2`);
});

it('reads a stream that is made while it listens', async (context) => {
  const { url } = await natsServer(context);
  const { ids, said, subscription } = await subscribe(url);
  const { send } = await agent(url);
  await send('web-1', [1, 2, 3]);
  await until(() => ids.length === 3);
  await until(() => subscription.position.sequence === 3);
  await send('web-1', [[4, 3]]);
  await until(() => ids.length === 4);
  expect([ids, said]).toEqual([idsOf('web-1', [1, 2, 3, 4]), []]);
});

it('reads subjects of another template', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const { ids } = await subscribe(url, { subject: 'security.<rule>.<host>', filters: { host: 'db-1' } });
  const { connection } = await sender(url);
  for (const host of ['web-1', 'db-1']) {
    const alert = anAlert(1, { host });
    connection.publish(`security.password_file_read.${host.replace('-', '_')}`, JSON.stringify(alert));
  }
  await until(() => ids.length === 1);
  expect(ids).toEqual(['db-1-1']);
});
