import { join } from 'node:path';
import { connect, headers } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import {
  type Alert,
  alertSubject,
  createPublisher,
  openAuditLog,
  type SubscribeOptions,
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
  const subscription = await subscribeAlerts({ servers, report, ...more }, (alert) => ids.push(alert.id));
  onTestFinished(() => subscription.close());
  return { ids, said, close: subscription.close };
};

/** A plain client that publishes what it is told to. */
const sender = async (servers: string) => {
  const connection = await connect({ servers });
  onTestFinished(() => connection.close());
  const send = (alert: Alert, more: Readonly<Record<string, string>> = {}) => {
    const found = headers();
    for (const [name, value] of Object.entries(more)) found.set(name, value);
    connection.publish(alertSubject(alert.host, alert.priority, alert.rule), JSON.stringify(alert), { headers: found });
  };
  return { connection, send };
};

it('passes on what its filters name', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const all = await subscribe(url);
  const filtered = await Promise.all(
    [
      { host: 'db-1' },
      { priority: 'error' } as const,
      { rule: 'Log cleared' },
      { host: 'web-1', rule: 'Log cleared' },
    ].map((filters) => subscribe(url, { filters })),
  );
  const { send } = await sender(url);
  send(anAlert(1));
  send(anAlert(2, { host: 'db-1', priority: 'error' }));
  send(anAlert(3, { rule: 'Log cleared' }));
  send(anAlert(4, { host: 'db-1', rule: 'Log cleared', priority: 'error' }));
  await until(() => all.ids.length === 4);
  await until(() => filtered.every(({ ids }) => ids.length > 0));
  expect(all.ids).toEqual(['web-1-1', 'db-1-2', 'web-1-3', 'db-1-4']);
  expect(filtered.map(({ ids }) => ids)).toEqual([
    ['db-1-2', 'db-1-4'],
    ['db-1-2', 'db-1-4'],
    ['web-1-3', 'db-1-4'],
    ['web-1-3'],
  ]);
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

it('passes on an alert once, and says between which alerts some are missing', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const { ids, said } = await subscribe(url);
  const byRule = await subscribe(url, { filters: { rule: 'Password file read' } });
  const { send } = await sender(url);
  send(anAlert(4), { 'Nats-Msg-Id': 'web-1-4-aaaaaaaa', 'Shrike-Previous': '2' });
  send(anAlert(4), { 'Nats-Msg-Id': 'web-1-4-aaaaaaaa', 'Shrike-Previous': '2' });
  send(anAlert(7), { 'Nats-Msg-Id': 'web-1-7-aaaaaaaa', 'Shrike-Previous': '4' });
  send(anAlert(9, { host: 'db-1' }), { 'Nats-Msg-Id': 'db-1-9-aaaaaaaa', 'Shrike-Previous': '8' });
  send(anAlert(12), { 'Nats-Msg-Id': 'web-1-12-aaaaaaaa', 'Shrike-Previous': '10' });
  send(anAlert(2), { 'Nats-Msg-Id': 'web-1-2-bbbbbbbb', 'Shrike-Previous': '0' });
  const expected = ['web-1-4', 'web-1-7', 'db-1-9', 'web-1-12', 'web-1-2'];
  await until(() => ids.length === expected.length && byRule.ids.length === expected.length);
  expect(ids).toEqual(expected);
  expect(said).toEqual(['alerts of web-1 did not arrive: those after web-1-7 up to web-1-10']);
  expect(byRule.said).toEqual([]);
});

it('reads again what the stream has, from the beginning or a sequence number, and goes on', async (context) => {
  const { url } = await natsServer(context);
  const log = await openAuditLog({ folder: temporaryFolder(), host: 'web-1' });
  const publisher = createPublisher({ servers: url, host: 'web-1', log });
  onTestFinished(async () => {
    await publisher.close();
    await log.close();
  });
  const raise = async () => {
    log.append('alert', (seq) => anAlert(seq));
    expect(await publisher.flush(5_000)).toBe(true);
  };
  for (let index = 0; index < 3; index++) await raise();
  const all = await subscribe(url, { replay: 'all' });
  const late = await subscribe(url, { replay: 3 });
  const live = await subscribe(url);
  const otherHost = await subscribe(url, { replay: 'all', filters: { host: 'db-1' } });
  await raise();
  await until(() => all.ids.length === 4 && late.ids.length === 2 && live.ids.length === 1);
  expect([all.ids, late.ids, live.ids, otherHost.ids]).toEqual([
    ['web-1-1', 'web-1-2', 'web-1-3', 'web-1-4'],
    ['web-1-3', 'web-1-4'],
    ['web-1-4'],
    [],
  ]);
  expect([...all.said, ...late.said, ...live.said]).toEqual([]);
});

it('says that there is nothing to read again without a stream', async (context) => {
  for (const jetstream of [false, true]) {
    const { url } = await natsServer(context, { jetstream });
    await expect(subscribeAlerts({ servers: url, replay: 'all' }, () => undefined)).rejects.toThrow(
      new Error(`${url}: it keeps no stream of alerts to read again; leave out --since`),
    );
  }
});

it('goes on after the server was away', async (context) => {
  const options = { storeDir: join(temporaryFolder(), 'js') };
  const first = await natsServer(context, options);
  const log = await openAuditLog({ folder: temporaryFolder(), host: 'web-1' });
  const publisher = createPublisher({ servers: first.url, host: 'web-1', log });
  onTestFinished(async () => {
    await publisher.close();
    await log.close();
  });
  log.append('alert', (seq) => anAlert(seq));
  await publisher.flush(5_000);
  const live = await subscribe(first.url);
  const replayed = await subscribe(first.url, { replay: 'all' });
  await until(() => replayed.ids.length === 1);
  await first.stop();
  log.append('alert', (seq) => anAlert(seq));
  await natsServer(context, { ...options, port: first.port });
  expect(await publisher.flush(10_000)).toBe(true);
  await until(() => live.said.includes(`${first.url}: connected again`));
  log.append('alert', (seq) => anAlert(seq));
  await until(() => live.ids.includes('web-1-3') && replayed.ids.length === 3);
  expect(replayed.ids).toEqual(['web-1-1', 'web-1-2', 'web-1-3']);
  expect(live.said).toEqual([`${first.url}: the connection was lost; trying again`, `${first.url}: connected again`]);
});
