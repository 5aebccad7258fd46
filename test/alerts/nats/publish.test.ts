import { join } from 'node:path';
import { connect } from 'nats';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import {
  type Alert,
  type AuditLog,
  createPublisher,
  openAuditLog,
  type Publisher,
  type PublisherOptions,
  startNatsServer,
  subscribeAlerts,
} from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const openIn = async (folder: string): Promise<AuditLog> => {
  const log = await openAuditLog({ folder, host: 'web-1' });
  onTestFinished(() => log.close());
  return log;
};

const publish = (log: AuditLog, servers: string, more: Partial<PublisherOptions> = {}): Publisher => {
  const publisher = createPublisher({ servers, host: 'web-1', log, ...more });
  onTestFinished(() => publisher.close());
  return publisher;
};

const raise = (log: AuditLog, count: number): void => {
  for (let index = 0; index < count; index++) log.append('alert', (seq) => anAlert(seq));
};

/** What the stream holds, as alert sequence numbers, read by a plain client. */
const stored = async (servers: string): Promise<number[]> => {
  const connection = await connect({ servers });
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info('SHRIKE_ALERTS');
  const found: number[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    found.push((await manager.streams.getMessage('SHRIKE_ALERTS', { seq })).json<Alert>().seq);
  }
  await connection.close();
  return found;
};

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const restartable = async (context: TestContext) => {
  const options = { storeDir: join(temporaryFolder(), 'js') };
  const first = await natsServer(context, options);
  return { first, restart: () => natsServer(context, { ...options, port: first.port }) };
};

it('publishes each alert as it stands in the audit log, under its subject, with its message id', async (context) => {
  const server = await natsServer(context);
  const log = await openIn(temporaryFolder());
  const publisher = publish(log, server.url);
  log.append('start', {});
  raise(log, 1);
  expect(await publisher.flush(5_000)).toBe(true);
  const { latency, ...state } = publisher.state;
  expect(state).toEqual({
    connected: true,
    stream: true,
    published: 1,
    refused: 0,
    inFlight: 0,
    behind: 0,
    rewinds: 0,
    resent: { overtaken: 0, doubtful: 0, failed: 0 },
    lastError: undefined,
  });
  expect(latency.count).toBe(1);
  expect(latency.sum).toBeGreaterThan(0);
  const connection = await connect({ servers: server.url });
  const message = await (await connection.jetstreamManager()).streams.getMessage('SHRIKE_ALERTS', { seq: 1 });
  await connection.close();
  expect(message.subject).toBe('shrike.alerts.web_1.critical.password_file_read');
  expect(message.string()).toBe(JSON.stringify(anAlert(2)));
  expect(message.header.get('Nats-Msg-Id')).toMatch(/^web-1-2-[0-9a-f]{8}$/);
  expect(message.header.get('Shrike-Previous')).toBe('0');
});

it('loses nothing and repeats nothing when the server comes late', async (context) => {
  const { first, restart } = await restartable(context);
  await first.stop();
  const log = await openIn(temporaryFolder());
  const said: string[] = [];
  const publisher = publish(log, first.url, { report: (sentence) => said.push(sentence) });
  raise(log, 600);
  expect(await publisher.flush(300)).toBe(false);
  expect([await publisher.pending(), publisher.state.connected]).toEqual([600, false]);
  const server = await restart();
  expect(await publisher.flush(10_000)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 600));
  expect(await publisher.pending()).toBe(0);
  expect(said).toEqual([
    `${first.url}: connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats; alerts wait in the audit log`,
    `${first.url}: publishing alerts again`,
  ]);
});

it('loses nothing and repeats nothing when the server is restarted in the middle, again and again', async (context) => {
  const { first, restart } = await restartable(context);
  const log = await openIn(temporaryFolder());
  const publisher = publish(log, first.url);
  let server = first;
  let raised = 0;
  const feed = setInterval(() => {
    raise(log, 20);
    raised += 20;
  }, 2);
  for (let round = 0; round < 3; round++) {
    const before = publisher.state.published;
    await until(() => publisher.state.published > before + 300);
    await server.stop();
    server = await restart();
  }
  clearInterval(feed);
  expect(await publisher.flush(15_000)).toBe(true);
  expect(raised).toBeGreaterThan(900);
  expect(await stored(server.url)).toEqual(numbers(1, raised));
});

it('keeps few alerts in memory and reads the others from the log again', async (context) => {
  const { first, restart } = await restartable(context);
  await first.stop();
  const log = await openIn(temporaryFolder());
  const publisher = publish(log, first.url, { memory: 10 });
  for (let index = 0; index < 300; index++) {
    raise(log, 1);
    log.append('policy', { index });
    if (index % 50 === 0) await log.flush();
  }
  const server = await restart();
  expect(await publisher.flush(10_000)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 600).filter((seq) => seq % 2 === 1));
});

it('goes on behind what the stream has when the agent starts again', async (context) => {
  const server = await natsServer(context);
  const folder = temporaryFolder();
  const log = await openAuditLog({ folder, host: 'web-1' });
  const publisher = createPublisher({ servers: server.url, host: 'web-1', log });
  raise(log, 5);
  await publisher.flush(5_000);
  await publisher.close();
  raise(log, 5);
  await log.close();
  const again = await openIn(folder);
  const second = publish(again, server.url);
  raise(again, 5);
  expect(await second.flush(5_000)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 15));
  expect(second.state.published).toBe(10);
});

it('publishes a new log of the same host from its beginning', async (context) => {
  const server = await natsServer(context);
  for (const count of [7, 3]) {
    const log = await openIn(temporaryFolder());
    const publisher = publish(log, server.url);
    log.append('start', { count });
    raise(log, count);
    expect(await publisher.flush(5_000)).toBe(true);
    await publisher.close();
  }
  expect(await stored(server.url)).toEqual([...numbers(2, 8), ...numbers(2, 4)]);
});

it('publishes without JetStream too, only what is raised in this run', async (context) => {
  const server = await natsServer(context, { jetstream: false });
  const folder = temporaryFolder();
  const before = await openAuditLog({ folder, host: 'web-1' });
  raise(before, 2);
  await before.close();
  const received: number[] = [];
  const subscription = await subscribeAlerts({ servers: server.url }, (alert) => received.push(alert.seq));
  const log = await openIn(folder);
  const publisher = publish(log, server.url);
  raise(log, 300);
  expect(await publisher.flush(5_000)).toBe(true);
  await until(() => received.length === 300);
  expect(received).toEqual(numbers(3, 302));
  expect(publisher.state).toMatchObject({ connected: true, stream: false, published: 300 });
  await subscription.close();
});

it('goes on without JetStream after the server was away', async (context) => {
  const server = await natsServer(context, { jetstream: false });
  const log = await openIn(temporaryFolder());
  const publisher = publish(log, server.url);
  raise(log, 1);
  await publisher.flush(5_000);
  await server.stop();
  raise(log, 2);
  const again = await startNatsServer({ jetstream: false, port: server.port });
  onTestFinished(() => again.stop());
  expect(await publisher.flush(10_000)).toBe(true);
  expect(publisher.state.published).toBe(3);
});

it('goes round an alert that is larger than the server takes', async (context) => {
  const server = await natsServer(context);
  const log = await openIn(temporaryFolder());
  const publisher = publish(log, server.url);
  raise(log, 1);
  log.append('alert', (seq) => anAlert(seq, { output: 'x'.repeat(2 << 20) }));
  raise(log, 1);
  expect(await publisher.flush(5_000)).toBe(true);
  expect(await stored(server.url)).toEqual([1, 3]);
  expect(publisher.state).toMatchObject({ published: 2, refused: 1 });
});

it('ends at once while no server is there', async () => {
  const log = await openIn(temporaryFolder());
  const publisher = createPublisher({ servers: 'nats://127.0.0.1:1', host: 'web-1', log });
  raise(log, 3);
  const started = Date.now();
  await publisher.close();
  expect(Date.now() - started).toBeLessThan(2_000);
  expect(await publisher.flush(1_000)).toBe(false);
  expect(log.committed).toBe(3);
});
