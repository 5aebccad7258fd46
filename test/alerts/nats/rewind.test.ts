import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect, type JetStreamManager, RetentionPolicy, StorageType } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import {
  type Alert,
  type AuditLog,
  createPublisher,
  openAuditLog,
  type Publisher,
  readAuditLog,
  startNatsServer,
} from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { inLargerSizes } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const STREAM = 'SHRIKE_ALERTS';
const FLUSH_MS = 30_000;

interface Agent {
  readonly log: AuditLog;
  readonly publisher: Publisher;
  readonly said: readonly string[];
  raise(count: number): Promise<void>;
  end(): Promise<void>;
}

const startAgent = async (folder: string, servers: string, host = 'web-1'): Promise<Agent> => {
  const said: string[] = [];
  const log = await openAuditLog({ folder, host });
  const publisher = createPublisher({ servers, host, log, report: (sentence) => said.push(sentence) });
  const end = async () => {
    await publisher.close();
    await log.close();
  };
  onTestFinished(end);
  return {
    log,
    publisher,
    said,
    async raise(count) {
      for (let index = 0; index < count; index++)
        log.append('alert', (seq) => anAlert(seq, { host, id: `${host}-${seq}` }));
      await log.flush();
    },
    end,
  };
};

const managed = async <T>(servers: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> => {
  const { host, username, password } = new URL(servers);
  const connection = await connect({ servers: host, ...(username !== '' && { user: username, pass: password }) });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
};

/** The alerts in the stream, as numbers; of one host where it is named. */
const stored = (servers: string, host?: string): Promise<readonly number[]> =>
  managed(servers, async (manager) => {
    const { state } = await manager.streams.info(STREAM);
    const found: number[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const alert = (await manager.streams.getMessage(STREAM, { seq })).json<Alert>();
      if (host === undefined || alert.host === host) found.push(alert.seq);
    }
    return found;
  });

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const losses = async (folder: string): Promise<readonly unknown[]> => {
  const found: unknown[] = [];
  for await (const { entry } of readAuditLog(folder)) if (entry.kind === 'loss') found.push(entry.body);
  return found;
};

it('publishes again what a server lacks that went back', async (context) => {
  const storeDir = join(temporaryFolder(), 'js');
  const server = await natsServer(context, { storeDir });
  const folder = temporaryFolder();
  const agent = await startAgent(folder, server.url);
  await agent.raise(100);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  await server.stop();
  cpSync(storeDir, `${storeDir}.copy`, { recursive: true });
  const second = await startNatsServer({ storeDir, port: server.port });
  await agent.raise(150);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  await second.stop();
  rmSync(storeDir, { recursive: true });
  const third = await startNatsServer({ storeDir: `${storeDir}.copy`, port: server.port });
  onTestFinished(() => third.stop());
  await until(() => agent.publisher.state.rewinds === 1);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 250));
  expect(agent.said).toContain(
    `${server.url}: the stream SHRIKE_ALERTS went back: it gets the alerts behind web-1-100 again`,
  );
});

it('gives alerts that a stream let go to it no more, and a stream that was made anew all of them', async (context) => {
  const server = await natsServer(context);
  const folder = temporaryFolder();
  const first = await startAgent(folder, server.url);
  await first.raise(20);
  expect(await first.publisher.flush(FLUSH_MS)).toBe(true);
  await first.end();
  await managed(server.url, (manager) => manager.streams.purge(STREAM));
  const second = await startAgent(folder, server.url);
  await second.raise(5);
  expect(await second.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(21, 25));
  await second.end();
  await managed(server.url, (manager) => manager.streams.delete(STREAM));
  const third = await startAgent(folder, server.url);
  await third.raise(5);
  expect(await third.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 30));
  expect(third.said).toEqual([
    `${server.url}: the stream SHRIKE_ALERTS is another than before: it gets the alerts behind web-1-0 again`,
  ]);
});

it('notices that the stream was made anew while it is connected', async (context) => {
  const server = await natsServer(context);
  const agent = await startAgent(temporaryFolder(), server.url);
  await agent.raise(20);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  await managed(server.url, (manager) => manager.streams.delete(STREAM));
  await agent.raise(1);
  await until(() => agent.publisher.state.rewinds === 1);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 21));
});

it('keeps the order of hosts that publish at once', async (context) => {
  const server = await natsServer(context);
  const hosts = ['web-1', 'web-2', 'web-3'];
  const agents = await Promise.all(hosts.map((host) => startAgent(temporaryFolder(), server.url, host)));
  await Promise.all(agents.map(({ raise }) => raise(300)));
  for (const { publisher } of agents) expect(await publisher.flush(FLUSH_MS)).toBe(true);
  for (const host of hosts) expect(await stored(server.url, host)).toEqual(numbers(1, 300));
});

it('waits for a stream that is full, and leaves no hole', async (context) => {
  const server = await natsServer(context);
  await managed(server.url, (manager) =>
    manager.streams.add({
      name: STREAM,
      subjects: ['shrike.alerts.>'],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_msgs: 10,
      discard: 'new' as never,
      allow_direct: true,
    }),
  );
  const agent = await startAgent(temporaryFolder(), server.url);
  await agent.raise(50);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said).toEqual([
    `${server.url}: the stream takes no alert (maximum messages exceeded); make room in it or raise its limits; alerts wait in the audit log`,
  ]);
  expect(await stored(server.url)).toEqual(numbers(1, 10));
  await managed(server.url, (manager) => manager.streams.update(STREAM, { max_msgs: -1 }));
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 50));
  expect(agent.said.at(-1)).toBe(`${server.url}: publishing alerts again`);
});

it('records in the log what is larger than the server takes, its headers counted, once', async (context) => {
  const server = await natsServer(context);
  const folder = temporaryFolder();
  const agent = await startAgent(folder, server.url);
  await agent.raise(1);
  const rest = JSON.stringify(anAlert(2, { output: '' })).length;
  agent.log.append('alert', (seq: number) => anAlert(seq, { output: 'x'.repeat((1 << 20) - rest) }));
  await agent.raise(1);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual([1, 3]);
  await agent.end();
  const again = await startAgent(folder, server.url);
  await again.raise(1);
  expect(await again.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await losses(folder)).toEqual([
    {
      unpublished: { from: 2, to: 2 },
      reason: 'larger than the server takes',
      bytes: expect.any(Number),
      limit: 1 << 20,
    },
  ]);
});

const withUser = async (context: Parameters<typeof natsServer>[0], permissions: string) => {
  const configuration = join(temporaryFolder(), 'nats.conf');
  writeFileSync(
    configuration,
    `authorization { users = [
      { user: admin, password: secret }
      { user: web, password: secret, permissions: ${permissions} }
    ] }`,
  );
  const server = await natsServer(context, { arguments: ['-c', configuration] });
  return {
    admin: `nats://admin:secret@127.0.0.1:${server.port}`,
    web: `nats://web:secret@127.0.0.1:${server.port}`,
    shown: server.url,
  };
};

it('publishes with the permissions of one host only, and says which are missing', async (context) => {
  const api = '"$JS.API.STREAM.INFO.SHRIKE_ALERTS", "$JS.API.DIRECT.GET.SHRIKE_ALERTS.shrike.alerts.web_1.>"';
  const { admin, web, shown } = await withUser(
    context,
    `{ publish: { allow: ["shrike.alerts.web_1.>", ${api}] }, subscribe: { allow: ["_INBOX.>"] } }`,
  );
  const agent = await startAgent(temporaryFolder(), web);
  await agent.raise(5);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said).toEqual([
    `${shown}: there is no stream SHRIKE_ALERTS and this user may not make it; let an administrator make it, or permit $JS.API.STREAM.CREATE.SHRIKE_ALERTS; alerts wait in the audit log`,
  ]);
  const maker = await startAgent(temporaryFolder(), admin, 'web-2');
  await maker.raise(1);
  expect(await maker.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await agent.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(admin, 'web-1')).toEqual(numbers(1, 5));
  const other = await startAgent(temporaryFolder(), web, 'db-1');
  await other.raise(1);
  await until(() => other.publisher.state.lastError !== undefined);
  expect(other.said[0]).toBe(
    `${shown}: this user may not look at the stream SHRIKE_ALERTS; permit $JS.API.STREAM.INFO.SHRIKE_ALERTS, $JS.API.DIRECT.GET.SHRIKE_ALERTS.shrike.alerts.db_1.> and an inbox; alerts wait in the audit log`,
  );
});

it('names a subject that its user may not publish on', async (context) => {
  const { admin, web, shown } = await withUser(
    context,
    '{ publish: { allow: ["shrike.alerts.web_1.>", "$JS.API.>"] }, subscribe: { allow: ["_INBOX.>"] } }',
  );
  const agent = await startAgent(temporaryFolder(), web, 'db-1');
  await agent.raise(2);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said).toEqual([
    `${shown}: this user may not publish on shrike.alerts.db_1.critical.password_file_read; are the credentials those of this host?; alerts wait in the audit log`,
  ]);
  expect(await stored(admin)).toEqual([]);
});

it('names a stream that acknowledges nothing', async (context) => {
  const server = await natsServer(context);
  await managed(server.url, (manager) =>
    manager.streams.add({ name: STREAM, subjects: ['shrike.alerts.>'], no_ack: true }),
  );
  const agent = await startAgent(temporaryFolder(), server.url);
  await agent.raise(1);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said).toEqual([
    `${server.url}: the stream SHRIKE_ALERTS acknowledges nothing (no_ack), so nothing says what it has; make it without that; alerts wait in the audit log`,
  ]);
});

it('waits for a server that takes everything and answers nothing, without sending again and again', async (context) => {
  inLargerSizes(context);
  let received = 0;
  const server = createServer((socket) => {
    socket.write(
      'INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576,"jetstream":true}\r\n',
    );
    socket.on('data', (chunk) => {
      received += chunk.length;
      for (const _ of chunk.toString().matchAll(/PING\r\n/g)) socket.write('PONG\r\n');
    });
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const url = `nats://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  const agent = await startAgent(temporaryFolder(), url);
  await agent.raise(10);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said).toEqual([
    `${url}: the server does not answer what JetStream is asked; is it overloaded, or without a leader?; alerts wait in the audit log`,
  ]);
  expect(received).toBeLessThan(4_000);
  expect(await agent.publisher.pending()).toBe(10);
});

it('takes a position that was torn for none', async (context) => {
  const server = await natsServer(context);
  const folder = temporaryFolder();
  const first = await startAgent(folder, server.url);
  await first.raise(3);
  expect(await first.publisher.flush(FLUSH_MS)).toBe(true);
  await first.end();
  const path = join(folder, 'published');
  writeFileSync(path, readFileSync(path).subarray(0, 40));
  const second = await startAgent(folder, server.url);
  await second.raise(3);
  expect(await second.publisher.flush(FLUSH_MS)).toBe(true);
  expect(await stored(server.url)).toEqual(numbers(1, 6));
});
